/**
 * Resolves a requested device. "auto" takes the first GPU, else the CPU with the reason; a device that is requested by
 * name and unavailable is an error with the reason.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { DeviceInfo, NativeAddon } from "./addon.js";

export interface SelectedDevice {
  device: DeviceInfo;
  /** Set when "auto" had to use the CPU: one sentence for the log. */
  note?: string;
}

/** Why there is no device of a kind: the kind's own reason, or that of its first device that cannot be opened. */
function reasonOf(reasons: Record<string, string>, kind: string): string | undefined {
  return reasons[kind] ?? Object.entries(reasons).find(([name]) => name.startsWith(`${kind}:`))?.[1];
}

export function selectDevice(
  requested: string,
  addon: Pick<NativeAddon, "devices" | "missing">,
): SelectedDevice {
  const devices = addon.devices();
  const reasons = addon.missing();
  const named = (name: string) => devices.find((device) => device.name === name);
  if (requested === "auto") {
    const gpu = devices.find((device) => device.name.startsWith("cuda"));
    if (gpu) return { device: gpu };
    const cpu = named("cpu");
    if (cpu)
      return {
        device: cpu,
        note: `device "auto" uses the CPU: ${reasonOf(reasons, "cuda") ?? "no other device is there"}`,
      };
  }
  const wanted = requested === "cuda" ? "cuda:0" : requested;
  const device = named(wanted);
  if (device) return { device };
  const there = devices.map((d) => d.name).join(", ");
  const kind = wanted.split(":")[0] ?? wanted;
  const known = /^(auto|cpu|cuda(:\d+)?)$/.test(requested);
  throw new SwirlError(
    "DEVICE",
    known
      ? `device "${requested}" cannot be used: ${reasons[wanted] ?? reasonOf(reasons, kind) ?? `the devices here are ${there}`}`
      : `there is no device called "${requested}"; the devices here are ${there}`,
    {
      remedy: known
        ? `use device "auto" or "cpu", or see \`swirl doctor\` for how to get ${kind} running`
        : 'use "auto", "cpu", "cuda" or "cuda:N"',
      details: { field: "device", value: requested, devices: there },
    },
  );
}
