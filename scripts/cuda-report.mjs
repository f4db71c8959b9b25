/**
 * What the compiler made of every CUDA kernel, held against the limits of the GPUs that run it: one table, and a list of
 * violations. Read from ptxas (registers, static shared memory, spills), from the PTX (threads of a block) and from
 * nvdisasm (instructions), where that is at hand.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Bytes that a thread may spill from registers to memory: a few words, moved outside the inner loops. */
const spillLimit = 64;

/** Static shared memory of a kernel: kPlainSharedBytes in cuda/platform.cuh counts on it. */
const staticLimit = 28 * 1024;

/** Registers of a multiprocessor and threads of a block, the same on every GPU from Ampere to Blackwell. */
const registerFile = 65536;
const mostThreads = 1024;

/**
 * The GPUs that run a target's machine code, with the shared memory that a block of theirs may have. Tiles of attention
 * fit the least of them or ask what there is (with_tile in cuda/attention.cuh); a Blackwell that has no machine code
 * here takes the PTX.
 */
const runsOn = {
  sm_80: ["A100 (8.0): 163 KiB", "A10G, 3090 (8.6): 99 KiB", "L4, L40S, 4090 (8.9): 99 KiB"],
  sm_86: ["A10G, 3090 (8.6): 99 KiB"],
  sm_89: ["L4, L40S, 4090 (8.9): 99 KiB"],
  sm_90: ["H100, H200 (9.0): 227 KiB"],
  sm_90a: ["H100, H200 (9.0): 227 KiB"],
  sm_100: ["B200 (10.0): 227 KiB"],
  sm_120: ["RTX PRO 6000, 5090 (12.0): 99 KiB"],
};

/**
 * Instructions that a kernel must have: tensor cores, loads of matrices and asynchronous copies in attention. Kernels
 * of tiles that a target never runs are empty (kNeverRuns).
 */
const wanted = [
  {
    kernel: /^(forward|query_gradient|key_gradient)<.*bfloat16/,
    instructions: ["HMMA.16816", "LDSM", "LDGSTS"],
  },
  { kernel: /^(forward|query_gradient|key_gradient)<float/, instructions: ["LDGSTS"] },
];
const emptyKernel = 16; // instructions, with the padding that follows EXIT

/** "registers", "spills" and so on of every kernel and target, from ptxas's own report. */
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

/** Threads of a block by kernel, from the PTX of one source. */
function threadsOf(folder) {
  const threads = new Map();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".ptx"))) {
    const text = readFileSync(join(folder, file), "utf8");
    for (const [, name, sizes] of text.matchAll(/\.entry (\w+)\([^)]*\)\s*\.maxntid ([\d, ]+)/g))
      threads.set(
        name,
        sizes.split(",").reduce((product, size) => product * Number(size), 1),
      );
  }
  return threads;
}

/** Instructions by "target kernel", from the machine code of one source: how often each mnemonic of interest occurs. */
function instructionsOf(folder, nvdisasm) {
  const found = new Map();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cubin"))) {
    const text = execFileSync(nvdisasm, ["-c", join(folder, file)], { encoding: "utf8", maxBuffer: 1 << 30 });
    const target = /\.target\s+(sm_\w+)/.exec(text)?.[1] ?? "sm_?";
    let counts;
    for (const line of text.split("\n")) {
      const section = /^\s*\.section\s+\.text\.([\w$]+)/.exec(line);
      if (section) {
        counts = { all: 0 };
        found.set(`${target} ${section[1]}`, counts);
      }
      const word = /^\s*\/\*[0-9a-f]+\*\/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)/.exec(line)?.[1];
      if (!counts || !word) continue;
      counts.all++;
      for (const name of ["HMMA.16816", "LDSM", "LDGSTS", "LDL", "STL"])
        if (word.startsWith(name)) counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  return found;
}

/** Names as in the source: without namespaces and parameter lists. */
function readable(names) {
  let text = names.join("\n");
  try {
    text = execFileSync("c++filt", { input: text, encoding: "utf8" });
  } catch {
    return names; // no binutils: mangled names still tell them apart
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

/** Everything that is wrong with a kernel, in words. */
export function violationsOf(kernel, readableName) {
  const out = [];
  const { registers, threads, shared, spills, counts } = kernel;
  if (threads === undefined) out.push("has no __launch_bounds__");
  else if (threads > mostThreads) out.push(`has ${threads} threads in a block`);
  else if (Math.ceil(registers / 8) * 8 * threads > registerFile)
    out.push(`needs ${registers} registers in each of ${threads} threads; there are ${registerFile}`);
  if (shared > staticLimit)
    out.push(`has ${shared} bytes of static shared memory; the limit is ${staticLimit}`);
  if (spills > spillLimit) out.push(`spills ${spills} bytes; the limit is ${spillLimit}`);
  if (!counts || counts.all <= emptyKernel) return out;
  if (spills === 0 && kernel.stack === 0 && (counts.LDL || counts.STL))
    out.push(`uses local memory: ${counts.LDL ?? 0} LDL, ${counts.STL ?? 0} STL`);
  for (const { kernel: pattern, instructions } of wanted)
    if (pattern.test(readableName))
      for (const name of instructions) if (!counts[name]) out.push(`has no ${name}`);
  return out;
}

/**
 * Prints a line for each kernel with a column per target, and what it violates. `built`: of each source, its name, what
 * ptxas said and the folder with the kept PTX and machine code. Returns the violations.
 */
export function report(built, nvcc) {
  const nvdisasm = join(dirname(nvcc), "nvdisasm");
  const disassembles = existsSync(nvdisasm);
  const kernels = built.flatMap((one) => {
    const threads = threadsOf(one.kept);
    const instructions = disassembles ? instructionsOf(one.kept, nvdisasm) : new Map();
    return kernelsOf(one).map((kernel) => ({
      ...kernel,
      threads: threads.get(kernel.name),
      counts: instructions.get(`${kernel.target} ${kernel.name}`),
    }));
  });
  const names = readable(kernels.map((kernel) => kernel.name));
  const targets = [...new Set(kernels.map((kernel) => kernel.target))].sort();
  const rows = new Map();
  const violations = [];
  for (const [i, kernel] of kernels.entries()) {
    const key = `${kernel.source}  ${names[i]}`;
    if (!rows.has(key)) rows.set(key, {});
    rows.get(key)[kernel.target] = kernel;
    for (const what of violationsOf(kernel, names[i])) violations.push(`${key} for ${kernel.target} ${what}`);
  }
  const cell = ({ registers, threads, shared, spills, counts }) =>
    `${registers} / ${threads} / ${shared} / ${spills}${
      counts ? ` / ${["HMMA.16816", "LDSM", "LDGSTS"].map((name) => counts[name] ?? 0).join(" ")}` : ""
    }`;
  const width = 36;
  console.log(
    `registers / threads / static shared bytes / spilled bytes${disassembles ? " / HMMA LDSM LDGSTS" : ""}`,
  );
  for (const target of targets) console.log(`${target}: ${(runsOn[target] ?? ["?"]).join("; ")}`);
  console.log(`${targets.map((target) => target.padStart(width)).join("")}  kernel`);
  for (const [key, row] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(
      `${targets.map((target) => (row[target] ? cell(row[target]) : "").padStart(width)).join("")}  ${key}`,
    );
  if (!disassembles) console.log("no nvdisasm beside nvcc: instructions are not checked");
  for (const violation of violations) console.log(`VIOLATION ${violation}`);
  console.log(`${rows.size} kernels for ${targets.join(", ")}; ${violations.length} violations`);
  return violations;
}
