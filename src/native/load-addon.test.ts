import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
  vi.resetModules(); // the addon found is remembered per module
});

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("loadAddon", () => {
  it("finds the build and returns its version and devices", async () => {
    const { loadAddonFrom } = await import("./load-addon.js");
    const { packageVersion } = await import("../version.js");
    const { addon } = loadAddonFrom();
    expect(addon.version).toBe(packageVersion);
    const cpu = addon.devices().find((device) => device.name === "cpu");
    expect(cpu?.cores).toBeGreaterThan(0);
    expect(cpu?.matrixLibrary).toMatch(/oneDNN|portable/);
  });

  it("lists every path, what was wrong with it, and the remedy", async () => {
    const broken = join(folder, "swirl.node");
    writeFileSync(broken, "not a library");
    vi.stubEnv("SWIRL_ADDON", broken);
    const { loadAddon } = await import("./load-addon.js");
    expect(loadAddon).toThrow(broken);
    expect(loadAddon).toThrow(/SWIRL_ADDON is set.*node \S+scripts\/install\.mjs\n.*apt-get install g\+\+/s);
  });

  it("reports a path that does not exist", async () => {
    vi.stubEnv("SWIRL_ADDON", join(folder, "absent.node"));
    const { loadAddon } = await import("./load-addon.js");
    expect(loadAddon).toThrow(/absent\.node: not there/);
  });
});

describe("doctor", () => {
  it("tells what was built and which instruction sets run", async () => {
    const { doctor, formatDoctor } = await import("../cli/doctor.js");
    const report = await doctor();
    expect(report.addon?.version).toBe(report.version);
    const text = formatDoctor(report);
    expect(text).toContain("matrix products:");
    expect(text).toMatch(/AMX (yes|no), AVX-512 bf16 (yes|no), AVX-512 (yes|no), AVX2 (yes|no)/);
    if (report.missingDevices.cuda) expect(text).toContain(report.missingDevices.cuda);
  });

  it("reports a missing engine as a finding with the remedy, and does not throw", async () => {
    vi.stubEnv("SWIRL_ADDON", join(folder, "absent.node"));
    const { doctor, formatDoctor } = await import("../cli/doctor.js");
    const report = await doctor();
    expect(report.addon).toBeNull();
    expect(report.devices).toEqual([]);
    expect(formatDoctor(report)).toMatch(
      /native engine: none[\s\S]*apt-get install g\+\+[\s\S]*node \S+scripts\/install\.mjs/,
    );
  });
});
