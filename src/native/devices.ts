/** Which devices the engine can use on this machine. */
import type { DeviceInfo } from "./addon.js";
import { loadAddon } from "./load-addon.js";

/**
 * The devices that `Policy.load` can use here, and for each that it cannot, the reason:
 * `{ available: [{ name: "cpu", … }], missing: { cuda: "built without a CUDA compiler" } }`.
 *
 * @throws SwirlError DEVICE when the native engine cannot be loaded; its remedy says how to build it.
 */
export function devices(): { available: DeviceInfo[]; missing: Record<string, string> } {
  const addon = loadAddon();
  return { available: addon.devices(), missing: addon.missing() };
}
