/** The machine a result was measured on. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { loadAddon } from "../src/native/load-addon.js";

export interface Machine {
  processor: string;
  cores: number;
  memoryBytes: number;
  /** Those that matter for bfloat16 matrices: amx_bf16, avx512_bf16, avx512f, avx2. */
  matrixFlags: string[];
  loadAtStart: number; // of the last minute: other work on the machine
  node: string;
  /** The device that the engine computes on. */
  device: { name: string; description: string; memoryBytes: number };
  engine: { version: string; matrixLibrary: string; isa: string[] };
}

/** `on`: the device measured, as the engine's option names it. */
export function machine(on = "cpu"): Machine {
  const lscpu = text("lscpu", []);
  const line = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(lscpu)?.[1];
  const flags = new Set((line("Flags") ?? "").split(" "));
  const addon = loadAddon();
  const device = addon.devices().find(({ name }) => name === on || name === `${on}:0`);
  if (!device) {
    const why = addon.missing()[on.replace(/:.*/, "")];
    throw new Error(`--device ${on}: ${why ?? `there are ${addon.devices().map(({ name }) => name)}`}`);
  }
  return {
    processor: `${line("Model name") ?? cpus()[0]?.model ?? "unknown"}, family ${line("CPU family")}, model ${line("Model")}`,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    matrixFlags: ["amx_bf16", "avx512_bf16", "avx512f", "avx2"].filter((flag) => flags.has(flag)),
    loadAtStart: loadavg()[0]!,
    node: process.version,
    device: { name: device.name, description: device.description, memoryBytes: device.memoryBytes },
    engine: { version: addon.version, matrixLibrary: device.matrixLibrary, isa: device.isa },
  };
}

/** "AMD EPYC, family 26, model 2, 2 cores, avx512_bf16 avx512f avx2", after the GPU where one is measured. */
export function machineLine({ device, processor, cores, matrixFlags, loadAtStart }: Machine): string {
  const gpu = device.name === "cpu" ? "" : `${device.name}, ${device.description}; `;
  return `${gpu}${processor}; ${cores} cores; ${matrixFlags.join(" ")}; load ${loadAtStart.toFixed(1)} at the start`;
}

/** Bytes resident now and at most since `resetPeak`; of another process of this user. Linux, 0 elsewhere. */
export function residentBytes(pid: number): { now: number; peak: number } {
  const status = `/proc/${pid}/status`;
  if (!existsSync(status)) return { now: 0, peak: 0 };
  const lines = readFileSync(status, "utf8");
  const kibibytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(lines)?.[1] ?? 0);
  return { now: kibibytes("VmRSS") * 1024, peak: kibibytes("VmHWM") * 1024 };
}

export function resetPeak(pid: number): void {
  const file = join("/proc", String(pid), "clear_refs");
  if (existsSync(file)) writeFileSync(file, "5");
}

function text(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  } catch {
    return "";
  }
}
