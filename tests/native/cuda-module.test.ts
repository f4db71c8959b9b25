/**
 * What the loader says of the CUDA module: absent, not a module, a module whose GPU is the emulated one. Each case in
 * a process of its own, because a module is loaded once.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { DeviceInfo } from "../../src/native/addon.js";
import { loadAddonFrom } from "../../src/native/load-addon.js";
import { selectDevice } from "../../src/native/select-device.js";
import { packageRoot } from "../../src/version.js";

const addon = loadAddonFrom().path;

/** What an addon that looks for this module finds. */
function survey(module: string): { devices: DeviceInfo[]; missing: Record<string, string> } {
  const program = `const addon = require(${JSON.stringify(addon)});
    console.log(JSON.stringify({ devices: addon.devices(), missing: addon.missing() }));`;
  const env = { ...process.env, SWIRL_CUDA_MODULE: module };
  return JSON.parse(execFileSync(process.execPath, ["-e", program], { env, encoding: "utf8" }));
}

const emulated = ["build-native/tests/swirl_cuda_emulated.so", "build/tests/swirl_cuda_emulated.so"]
  .map((path) => packageRoot + path)
  .concat(process.env.SWIRL_CUDA_MODULE ?? [])
  .find((path) => path.endsWith("emulated.so") && existsSync(path));

describe("the CUDA module", () => {
  it("absent: its path, and what building it needs", () => {
    const { devices, missing } = survey("/no/such/swirl_cuda.so");
    expect(devices.map(({ name }) => name)).toEqual(["cpu"]);
    expect(missing.cuda).toMatch(/\/no\/such\/swirl_cuda\.so .*needs nvcc/);
  });

  it("a file that is no library: the loader's own words", () => {
    expect(survey(`${packageRoot}package.json`).missing.cuda).toMatch(/does not load: .*package\.json/);
  });

  it("a library that is no module", () => {
    expect(survey(addon).missing.cuda).toMatch(/offers no kernel table/);
  });

  // The CMake build and tests/native/run.sh make the emulated module.
  it.skipIf(emulated === undefined)("two emulated GPUs: listed, chosen by auto and by number", () => {
    const found = survey(emulated!);
    expect(found.missing).toEqual({});
    expect(found.devices.map(({ name }) => name)).toEqual(["cpu", "cuda:0", "cuda:1"]);
    const there = { devices: () => found.devices, missing: () => found.missing };
    expect(selectDevice("auto", there).device.name).toBe("cuda:0");
    expect(selectDevice("cuda:1", there).device.description).toMatch(/emulated/);
    expect(() => selectDevice("cuda:2", there)).toThrow("cpu, cuda:0, cuda:1");
  });
});
