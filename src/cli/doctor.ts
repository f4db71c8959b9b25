/**
 * `swirl doctor`: what was built, which devices and matrix library run, which instruction sets, and how to get what
 * is missing. Never throws: a native engine that does not load is a finding like any other.
 */

import { availableParallelism, freemem, totalmem } from "node:os";
import { relative } from "node:path";
import { messageOf } from "../errors/message-of.js";
import type { DeviceInfo } from "../native/addon.js";
import { buildCommand, loadAddonFrom } from "../native/load-addon.js";
import { packageRoot, packageVersion } from "../version.js";

export interface DoctorFinding {
  what: string;
  /** What it would bring. */
  why: string;
  remedy: string;
}

/** What made a build, for people. */
const BUILDERS = { install: "scripts/install.mjs", cmake: "CMake", SWIRL_ADDON: "SWIRL_ADDON" };

export interface DoctorReport {
  version: string;
  node: string;
  platform: string;
  cores: number;
  memoryBytes: number;
  memoryFreeBytes: number;
  /** Null when the native engine did not load; then `error` holds the reason. */
  addon: {
    path: string;
    build: "install" | "cmake" | "SWIRL_ADDON";
    version: string;
    kernelsVersion: number;
    /** Available matrix libraries. SWIRL_MATRIX chooses one; each device reports the one in use. */
    matrixLibraries: string[];
  } | null;
  error?: string;
  devices: DeviceInfo[];
  /** Why a device is not available, by name. */
  missingDevices: Record<string, string>;
  /** What could be better here, and how. Empty when there is nothing to do. */
  findings: DoctorFinding[];
}

/** Sets of matrix instructions, fastest first, with what each brings. */
const instructionSets = [
  { isa: "amx_bf16", name: "AMX", brings: "bfloat16 tiles (Xeon from Sapphire Rapids)" },
  {
    isa: "avx512_bf16",
    name: "AVX-512 bf16",
    brings: "bfloat16 dot products (Zen 4, Cooper Lake and later)",
  },
  { isa: "avx512", name: "AVX-512", brings: "float32 in 16 lanes" },
  { isa: "avx2", name: "AVX2", brings: "float32 in 8 lanes" },
] as const;

const rebuild = `then: ${buildCommand()}`;

function deviceFindings(libraries: readonly string[], missing: Record<string, string>): DoctorFinding[] {
  const findings: DoctorFinding[] = [];
  if (!libraries.includes("onednn"))
    findings.push({
      what: "this build has no oneDNN; matrix products come from the portable kernels",
      why: "a second matrix library to choose, with SWIRL_MATRIX=onednn",
      remedy: `apt-get install libdnnl-dev (Fedora: onednn-devel, Arch: onednn), without SWIRL_ONEDNN=0; ${rebuild}`,
    });
  for (const [name, reason] of Object.entries(missing))
    findings.push({
      what: name.includes(":") ? `${name} does not open: ${reason}` : `no ${name} device: ${reason}`,
      why: "training and sampling on a GPU",
      remedy: reason.includes("has no CUDA module")
        ? `an NVIDIA driver and the CUDA toolkit (nvcc on the PATH, or NVCC=FILE); ${rebuild}`
        : "what the reason says; `nvidia-smi` and `nvcc --version` show the driver and the toolkit",
    });
  return findings;
}

export async function doctor(): Promise<DoctorReport> {
  const report: DoctorReport = {
    version: packageVersion,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    memoryFreeBytes: freemem(),
    addon: null,
    devices: [],
    missingDevices: {},
    findings: [],
  };
  try {
    const { addon, path } = loadAddonFrom();
    const build = process.env.SWIRL_ADDON
      ? "SWIRL_ADDON"
      : path.includes("build-native")
        ? "cmake"
        : "install";
    report.addon = {
      path,
      build,
      version: addon.version,
      kernelsVersion: addon.kernelsVersion,
      matrixLibraries: addon.matrixLibraries,
    };
    report.devices = addon.devices();
    report.missingDevices = addon.missing();
    report.findings = deviceFindings(addon.matrixLibraries, report.missingDevices);
  } catch (error) {
    report.error = messageOf(error);
    report.findings.push({
      what: "the native engine is not available",
      why: "without it only OpenAI-compatible endpoints can be policies, and nothing can be trained",
      remedy: `install a C++17 compiler (Debian: apt-get install g++); ${rebuild}`,
    });
  }
  return report;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

function deviceLines(device: DeviceInfo): string[] {
  const lines = [
    `  ${device.name.padEnd(8)} ${device.description}`,
    `           ${device.cores} ${device.name === "cpu" ? "threads" : "multiprocessors"}, ${gib(device.memoryBytes)}`,
    `           matrix products: ${device.matrixLibrary}`,
  ];
  if (device.name === "cpu") {
    const sets = instructionSets.map(({ isa, name }) => `${name} ${device.isa.includes(isa) ? "yes" : "no"}`);
    lines.push(`           instructions: ${sets.join(", ")}`);
    const best = instructionSets.find(({ isa }) => device.isa.includes(isa));
    if (best) lines.push(`           best: ${best.name}, ${best.brings}`);
  }
  return lines;
}

/** The report for people. The command's --json prints the report itself. */
export function formatDoctor(report: DoctorReport): string {
  const lines = [
    `swirl-rl ${report.version} on Node ${report.node}, ${report.platform}`,
    `${report.cores} cores, ${gib(report.memoryBytes)} memory, ${gib(report.memoryFreeBytes)} free`,
    "",
  ];
  if (report.addon)
    lines.push(
      `native engine: ${relative(packageRoot, report.addon.path)} (built by ${BUILDERS[report.addon.build]}, kernel table ${report.addon.kernelsVersion})`,
      `  built with matrix libraries: ${report.addon.matrixLibraries.join(", ")} (SWIRL_MATRIX chooses)`,
      ...report.devices.flatMap(deviceLines),
    );
  else lines.push(`native engine: none\n${report.error}`);
  if (report.findings.length > 0) {
    lines.push("", "could be better:");
    for (const { what, why, remedy } of report.findings)
      lines.push(`  - ${what}`, `      brings: ${why}`, `      how: ${remedy}`);
  }
  return lines.join("\n");
}
