// Folds the numbers of scripts/gpu-check into docs/results/cuda.md: `node scripts/gpu-check-fold.mjs gpu-check.json
// [--write]`. Fills the last column, "measured", of every row whose case was run, in the unit of its table, and names
// the GPU, the driver and the date under the heading. Without --write it prints what it would fill in.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const page = join(fileURLToPath(new URL("..", import.meta.url)), "docs/results/cuda.md");

/** The page's rows by what they begin with, and the case that measures each. */
const cases = [
  ["embedding_forward", "embedding_forward, bf16 table"],
  ["embedding_backward, all tokens distinct", "embedding_backward, distinct tokens"],
  ["rmsnorm_forward", "rmsnorm_forward, f32 to bf16"],
  ["rmsnorm_backward", "rmsnorm_backward, bf16 onto f32"],
  ["rope of the queries", "rope of the queries"],
  ["gated_forward, silu", "gated_forward, silu"],
  ["gated_backward, silu", "gated_backward, silu"],
  ["bias_forward", "bias_forward on q, k, v"],
  ["bias_backward", "bias_backward"],
  ["add |", "add"],
  ["gather_rows, float32", "gather_rows, f32"],
  ["scatter_add_rows", "scatter_add_rows"],
  ["scatter_rows, keys", "scatter_rows, keys to their slots"],
  ["convert_rows, values", "convert_rows, f32 to bf16"],
  ["convert, all parameters", "convert, f32 to bf16"],
  ["sum_of_squares, all gradients", "sum_of_squares"],
  ["adamw, all parameters", "adamw, bf16 copy"],
  ["sample, greedy or whole distribution", "sample, whole"],
  ["sample, top_p or top_k", "sample, top_p 0.95"],
  ["forward | 0.5B (14 heads of 64, 2 key heads), G = 1", "forward, 0.5b, G = 1, 21504 rows, bf16"],
  ["forward | 0.5B, G = 8", "forward, 0.5b, G = 8, 50176 rows, bf16"],
  ["forward | 1.5B (12 heads of 128, 2 key heads), G = 1", "forward, 1.5b, G = 1, 21504 rows, bf16"],
  ["forward | 1.5B, G = 8", "forward, 1.5b, G = 8, 50176 rows, bf16"],
  ["backward, all kernels | 0.5B, G = 1", "backward, 0.5b, G = 1, 21504 rows, bf16"],
  ["backward, all kernels | 0.5B, G = 8", "backward, 0.5b, G = 8, 50176 rows, bf16"],
  ["backward, all kernels | 1.5B, G = 1", "backward, 1.5b, G = 1, 21504 rows, bf16"],
  ["backward, all kernels | 1.5B, G = 8", "backward, 1.5b, G = 8, 50176 rows, bf16"],
  ["attention_forward, both kernels", "decode step, 0.5b, 64 rows, 39936 slots, bf16"],
];

const { values, positionals } = parseArgs({
  options: { write: { type: "boolean", default: false } },
  allowPositionals: true,
});
if (positionals.length !== 1)
  throw new Error("usage: node scripts/gpu-check-fold.mjs gpu-check.json [--write]");
const run = JSON.parse(readFileSync(positionals[0], "utf8"));
if (run.emulated)
  throw new Error(`${positionals[0]}: this run was on the emulated GPU, whose times say nothing about one`);

/** What was measured, by case. */
const measured = new Map();
for (const { stage, status, result } of run.cases)
  if (
    status === "passed" &&
    /^bench-(ops|attention)$/.test(stage) &&
    !/smoke/.test(JSON.stringify(result.shape))
  )
    for (const one of result.cases) measured.set(one.case, one);
if (measured.size === 0) throw new Error(`${positionals[0]} has no bench-ops or bench-attention that passed`);

function microseconds(seconds) {
  const us = seconds * 1e6;
  return us < 10 ? us.toFixed(1) : Math.round(us).toLocaleString("en-US");
}

/** Multiples of the roofline bound at the peaks of the same run; the page's own bounds come from the datasheet. */
function shown({ seconds, floor, op }) {
  const text = microseconds(seconds);
  const over = floor > 0 && op !== "head" ? `, ${(seconds / floor).toFixed(1)}× its bound` : "";
  return `${text}${over}`;
}

let filled = 0;
const lines = readFileSync(page, "utf8")
  .split("\n")
  .map((line) => {
    if (!line.startsWith("| ")) return line;
    const found = cases.find(([row]) => line.startsWith(`| ${row}`));
    const one = found && measured.get(found[1]);
    if (!one) return line;
    const cells = line.split(" | ");
    cells[cells.length - 1] = `${shown(one)} |`;
    filled++;
    if (!values.write) console.log(`${found[0]}: ${shown(one)}`);
    return cells.join(" | ");
  });
const stray = cases.filter(([row]) => !lines.some((line) => line.startsWith(`| ${row}`)));
if (stray.length > 0)
  throw new Error(`${page} has no row ${stray.map(([row]) => row).join("; ")}: name them as it does`);
for (const { case: name, seconds } of [...measured.values()].filter(({ op }) => op === "head"))
  console.log(`${name}: ${(seconds * 1e3).toFixed(1)} ms`);

const stamp = `Measured on ${run.gpu}, driver ${run.driver}, nvcc ${run.nvcc}, ${run.date.slice(0, 10)}, commit ${run.commit.slice(0, 12)}.`;
const old = lines.findIndex((line) => line.startsWith("Measured on "));
if (old === -1) lines.splice(2, 0, stamp, "");
else lines[old] = stamp;
console.log(`${filled} rows${values.write ? ` filled in ${page}` : ", with --write"}; ${stamp}`);
if (values.write) {
  writeFileSync(page, lines.join("\n"));
  console.log("The page's first sentences and the head's chunks are words: change them by hand.");
}
