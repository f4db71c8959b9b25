/** Which devices the engine can use on this machine. */
import type { DeviceInfo } from "./addon.js";
import { loadAddon } from "./load-addon.js";

/** The devices of this machine. */
export interface Devices {
  /** Devices that `Policy.load` can use. */
  available: DeviceInfo[];
  /** Why other devices cannot be used, by name. */
  missing: Record<string, string>;
}

/**
 * The devices that `Policy.load` can use on this machine, and why it cannot use the others.
 *
 * @example
 * devices(); // { available: [{ name: "cpu", … }], missing: { cuda: "built without a CUDA compiler" } }
 *
 * @throws SwirlError DEVICE when the native engine cannot be loaded; its remedy says how to build it.
 */
export function devices(): Devices {
  const addon = loadAddon();
  return { available: addon.devices(), missing: addon.missing() };
}
