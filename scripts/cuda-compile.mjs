/**
 * Compiles the CUDA module with nvcc alone: every cuda/*.cu for the listed architectures, warnings as errors, linked
 * into one file that needs only the driver. The `install` script calls it where nvcc is found; by hand and in CI:
 *
 *   node scripts/cuda-compile.mjs [--out FILE] [--jobs N] [--report] [--line-info] [--fetch-nvcc]
 *
 * --report prints registers, threads, shared memory, spills and tensor-core instructions of every kernel, and fails when
 * one is outside the limits of its GPUs (scripts/cuda-report.mjs). --line-info keeps source lines for compute-sanitizer and profilers. --fetch-nvcc installs NVIDIA's compiler from
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
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { report } from "./cuda-report.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/**
 * Machine code for Ampere (8.0; runs on 8.6 and 8.9 too) and Hopper, and PTX that the driver compiles for anything
 * later. The PTX is Hopper's: newer GPUs run the part that Hopper shares with its successors.
 */
export const architectures = (process.env.SWIRL_CUDA_ARCHITECTURES ?? "80-real;90a-real;90-virtual")
  .split(/[;, ]+/)
  .filter(Boolean);

/** The compiler and what it brings, from PyPI. The disassembler reads machine code of older versions too. */
const wheels = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-runtime==13.0.96",
  "nvidia-cuda-cccl==13.0.85",
  "nvidia-cuda-nvdisasm==13.2.51",
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
 * file, and, with `keep`, the folder of its PTX and machine code. Throws with the compiler's own words.
 */
export async function compileModule({ nvcc, out, jobs, lineInfo = false, strict = true, keep = false }) {
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
    const kept = join(objects, `${basename(source)}.kept`);
    rmSync(kept, { recursive: true, force: true });
    if (keep) mkdirSync(kept);
    const keeping = keep ? ["--keep", "--keep-dir", kept] : [];
    const { stdout, stderr } = await run(nvcc, [...flags, ...keeping, "-c", source, "-o", object], {
      maxBuffer: 1 << 26,
    });
    return { source: basename(source), object, kept, said: stdout + stderr };
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
      keep: values.report,
    });
    const violations = values.report ? report(built, nvcc) : [];
    console.log(
      `${values.out}: ${(statSync(values.out).size / 1e6).toFixed(1)} MB for ${architectures.join(", ")}, ${Math.round((Date.now() - begun) / 1000)} s`,
    );
    process.exit(violations.length > 0 ? 1 : 0);
  } catch (error) {
    console.error(error.stderr || error.message);
    process.exit(1);
  }
}
