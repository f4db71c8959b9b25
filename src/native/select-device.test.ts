import { describe, expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import type { DeviceInfo } from "./addon.js";
import { selectDevice } from "./select-device.js";

const device = (name: string): DeviceInfo => ({
  name,
  description: name,
  matrixLibrary: "",
  isa: [],
  memoryBytes: 0,
  cores: 1,
});
const addon = (names: string[], missing: Record<string, string> = {}) => ({
  devices: () => names.map(device),
  missing: () => missing,
});
const cpuOnly = addon(["cpu"], { cuda: "no CUDA device answers" });

describe("selectDevice", () => {
  it("auto takes the first GPU", () => {
    expect(selectDevice("auto", addon(["cpu", "cuda:0", "cuda:1"]))).toEqual({ device: device("cuda:0") });
  });

  it("auto falls back to the CPU and reports why", () => {
    const { device: chosen, note } = selectDevice("auto", cpuOnly);
    expect(chosen.name).toBe("cpu");
    expect(note).toContain("no CUDA device answers");
  });

  it("cuda is the first GPU", () => {
    expect(selectDevice("cuda", addon(["cpu", "cuda:0"])).device.name).toBe("cuda:0");
  });

  it.each([
    ["cuda", "no CUDA device answers"],
    ["cuda:3", "no CUDA device answers"],
    ["gpu", 'no device called "gpu"'],
    ["", 'no device called ""'],
  ])("refuses %j with the reason", (name, reason) => {
    expect(() => selectDevice(name, cpuOnly)).toThrow(reason);
    expect(() => selectDevice(name, cpuOnly)).toThrow(SwirlError);
  });

  it("a GPU that cannot be opened is reported with the reason, alone and next to another", () => {
    const broken = { "cuda:0": "cuBLASLt is not found" };
    expect(selectDevice("auto", addon(["cpu"], broken)).note).toContain("cuBLASLt is not found");
    expect(() => selectDevice("cuda", addon(["cpu", "cuda:1"], broken))).toThrow("cuBLASLt is not found");
    expect(selectDevice("auto", addon(["cpu", "cuda:1"], broken)).device.name).toBe("cuda:1");
  });

  it("lists the devices when a number is too large", () => {
    expect(() => selectDevice("cuda:2", addon(["cpu", "cuda:0"]))).toThrow("cpu, cuda:0");
  });
});
