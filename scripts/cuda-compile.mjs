/**
 * Compiles the CUDA module with nvcc alone: every cuda/*.cu for the listed architectures, warnings as errors, linked
 * into one file that needs only the driver. The `install` script calls it where nvcc is found; by hand and in CI:
 *
 *   node scripts/cuda-compile.mjs [--out FILE] [--jobs N] [--report] [--line-info] [--fetch-nvcc]
 *
 * --report prints registers, shared memory and spills of every kernel, and fails when one spills more than the limit
 * below. --line-info keeps source lines for compute-sanitizer and profilers. --fetch-nvcc installs NVIDIA's compiler from
 * PyPI into .cache/nvcc where none is found (160 MB; no GPU or driver is needed to compile). SWIRL_CUDA_ARCHITECTURES
 * overrides the architectures, as in CMake: "80-real;90-virtual".
 */
import { execFile, execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Machine code for Ampere (8.0; runs on 8.6 and 8.9 too) and Hopper, and PTX that the driver compiles for anything
 * later. The PTX is Hopper's: newer GPUs run the part that Hopper shares with its successors.
 */
export const architectures = (process.env.SWIRL_CUDA_ARCHITECTURES ?? "80-real;90a-real;90-virtual")
  .split(/[;, ]+/)
  .filter(Boolean);

/** Bytes that a thread may spill from registers to memory: a few words, moved outside the inner loops. */
const spillLimit = 64;

/** The compiler and what it brings, from PyPI. */
const wheels = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-runtime==13.0.96",
  "nvidia-cuda-cccl==13.0.85",
];

/** nvcc's path, or undefined. NVCC names it; else the PATH, CUDA_HOME, CUDA_PATH and /usr/local/cuda are looked at. */
export function findNvcc() {
  if (process.env.NVCC) return process.env.NVCC;
  const folders = (process.env.PATH ?? "").split(delimiter);
  for (const home of [process.env.CUDA_HOME, process.env.CUDA_PATH, "/usr/local/cuda"])
    if (home) folders.push(join(home, "bin"));
  folders.push(...fetchedFolders());
  return folders.map((folder) => join(folder, "nvcc")).find((path) => existsSync(path));
}

/** Where --fetch-nvcc puts it: .cache/nvcc/lib/pythonX.Y/site-packages/nvidia/cu13/bin. */
function fetchedFolders() {
  const lib = join(root, ".cache/nvcc/lib");
  if (!existsSync(lib)) return [];
  return readdirSync(lib).map((python) => join(lib, python, "site-packages/nvidia/cu13/bin"));
}

export function fetchNvcc() {
  const folder = join(root, ".cache/nvcc");
  console.log(`fetching nvcc into ${folder}`);
  execFileSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
  execFileSync(join(folder, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", ...wheels], {
    stdio: "inherit",
  });
  return findNvcc();
}

/** CMake's "80-real", "90-virtual" and "89" (both) as nvcc's flags. */
function gencode(architecture) {
  const [, number, kind] = /^(\d+[af]?)(?:-(real|virtual))?$/.exec(architecture) ?? [];
  if (number === undefined)
    throw new Error(
      `SWIRL_CUDA_ARCHITECTURES has ${JSON.stringify(architecture)}: write 80-real, 90-virtual or 89`,
    );
  const codes = { real: [`sm_${number}`], virtual: [`compute_${number}`] }[kind] ?? [
    `sm_${number}`,
    `compute_${number}`,
  ];
  return codes.flatMap((code) => ["-gencode", `arch=compute_${number},code=${code}`]);
}

const run = promisify(execFile);

/** Runs at most `jobs` of the tasks at a time. */
export async function inParallel(tasks, jobs) {
  const results = new Array(tasks.length);
  let next = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const i = next++;
      results[i] = await tasks[i]();
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, worker));
  return results;
}

/** Whether the module at `out` was built from the sources as they are, for these architectures. */
export function isFresh(out) {
  const module = statSync(out, { throwIfNoEntry: false });
  const built = join(dirname(out), "cuda-objects/architectures");
  if (!module || !existsSync(built) || readFileSync(built, "utf8") !== architectures.join(";")) return false;
  const sources = ["cuda", "native/kernels"].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith(".cc"))
      .map((entry) => join(root, folder, entry.name)),
  );
  return sources.every((file) => statSync(file).mtimeMs < module.mtimeMs);
}

/**
 * Builds the module at `out`; `strict` takes warnings for errors. Returns what ptxas said about the kernels, by source
 * file. Throws an error with the compiler's output.
 */
export async function compileModule({ nvcc, out, jobs, lineInfo = false, strict = true }) {
  const objects = join(dirname(out), "cuda-objects");
  mkdirSync(objects, { recursive: true });
  const flags = ["-std=c++17", "-O3", "-I", root, "-Xptxas", "-v"];
  flags.push("-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall,-Wextra,-Wno-unused-parameter");
  if (strict) flags.push("--Werror", "all-warnings");
  if (lineInfo) flags.push("-lineinfo");
  flags.push(...architectures.flatMap(gencode));
  const sources = readdirSync(join(root, "cuda"))
    .filter((name) => name.endsWith(".cu"))
    .map((name) => join(root, "cuda", name))
    .sort((a, b) => statSync(b).size - statSync(a).size); // the long ones first
  const tasks = sources.map((source) => async () => {
    const object = join(objects, `${basename(source)}.o`);
    const { stdout, stderr } = await run(nvcc, [...flags, "-c", source, "-o", object], {
      maxBuffer: 1 << 26,
    });
    return { source: basename(source), object, said: stdout + stderr };
  });
  const built = await inParallel(tasks, jobs);
  // The wheels keep libcudart_static.a in lib, toolkits in lib64, which nvcc knows.
  const lib = join(dirname(dirname(nvcc)), "lib");
  const link = [
    "-shared",
    "-cudart",
    "static",
    "-Xcompiler",
    "-fvisibility=hidden",
    ...built.map((b) => b.object),
  ];
  const written = `${out}.new`;
  await run(nvcc, [...link, "-L", lib, "-ldl", "-o", written]);
  writeFileSync(join(objects, "architectures"), architectures.join(";"));
  renameSync(written, out); // never half a module for a process that is starting
  return built;
}

/** "registers", "spills" and so on of every kernel and architecture, from ptxas's own report. */
function kernelsOf({ source, said }) {
  const kernels = [];
  for (const line of said.split("\n")) {
    const entry = /Compiling entry function '(\S+)' for '(\w+)'/.exec(line);
    if (entry)
      kernels.push({
        source,
        name: entry[1],
        target: entry[2],
        registers: 0,
        shared: 0,
        stack: 0,
        spills: 0,
      });
    const kernel = kernels.at(-1);
    if (!kernel) continue;
    const memory = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (memory) {
      kernel.stack = Number(memory[1]);
      kernel.spills = Number(memory[2]) + Number(memory[3]);
    }
    const used = /Used (\d+) registers/.exec(line);
    if (used) kernel.registers = Number(used[1]);
    const shared = /(\d+) bytes smem/.exec(line);
    if (shared) kernel.shared = Number(shared[1]);
  }
  return kernels;
}

/** Names as in the source: without namespaces and parameter lists. */
function readable(names) {
  let text = names.join("\n");
  try {
    text = execFileSync("c++filt", { input: text, encoding: "utf8" });
  } catch {
    return names; // no binutils: mangled names still distinguish them
  }
  return text.split("\n").map((name) => {
    const short = name.replaceAll(/swirl::cuda::|\(anonymous namespace\)::/g, "").replace(/^void /, "");
    let depth = 0;
    for (let i = 0; i < short.length; i++) {
      if (short[i] === "<") depth++;
      else if (short[i] === ">") depth--;
      else if (short[i] === "(" && depth === 0) return short.slice(0, i);
    }
    return short;
  });
}

/** Prints one line per kernel with a column of "registers/spills" per target. Returns how many spill too much. */
function printReport(built) {
  const kernels = built.flatMap(kernelsOf);
  const names = readable(kernels.map((kernel) => kernel.name));
  const targets = [...new Set(kernels.map((kernel) => kernel.target))].sort();
  const rows = new Map();
  for (const [i, kernel] of kernels.entries()) {
    const key = `${kernel.source}  ${names[i]}`;
    if (!rows.has(key)) rows.set(key, {});
    rows.get(key)[kernel.target] = kernel;
  }
  const cell = (kernel) =>
    kernel
      ? `${kernel.registers} / ${kernel.shared} / ${kernel.stack} / ${kernel.spills}`.padStart(24)
      : "".padStart(24);
  console.log("registers / static shared bytes / stack bytes / spilled bytes");
  console.log(`${targets.map((target) => target.padStart(24)).join("")}  kernel`);
  for (const [key, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${targets.map((target) => cell(row[target])).join("")}  ${key}`);
  const spilling = kernels.filter((kernel) => kernel.spills > spillLimit);
  console.log(
    `${rows.size} kernels for ${targets.join(", ")}; ${spilling.length} spill more than ${spillLimit} bytes`,
  );
  return spilling.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(root, "build/Release/swirl_cuda.so") },
      jobs: { type: "string", default: process.env.JOBS ?? String(availableParallelism()) },
      report: { type: "boolean", default: false },
      "line-info": { type: "boolean", default: false },
      "fetch-nvcc": { type: "boolean", default: false },
    },
  });
  const nvcc = findNvcc() ?? (values["fetch-nvcc"] ? fetchNvcc() : undefined);
  if (nvcc === undefined) {
    console.error(
      "no nvcc on the PATH, in CUDA_HOME or /usr/local/cuda: install the CUDA toolkit, name it with NVCC=FILE, or use --fetch-nvcc",
    );
    process.exit(1);
  }
  const begun = Date.now();
  mkdirSync(dirname(values.out), { recursive: true });
  try {
    const built = await compileModule({
      nvcc,
      out: values.out,
      jobs: Number(values.jobs),
      lineInfo: values["line-info"],
    });
    const spilling = values.report ? printReport(built) : 0;
    console.log(
      `${values.out}: ${(statSync(values.out).size / 1e6).toFixed(1)} MB for ${architectures.join(", ")}, ${Math.round((Date.now() - begun) / 1000)} s`,
    );
    process.exit(spilling > 0 ? 1 : 0);
  } catch (error) {
    console.error(error.stderr || error.message);
    process.exit(1);
  }
}
