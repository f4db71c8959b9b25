/**
 * What training holds: `node scripts/run-ts.mjs bench/memory.ts --shape smollm2/K4G4N1P512`. One update in bfloat16 with
 * float32 and with compact optimizer state, keeping every activation or computing some again. Bytes are the engine's own
 * account; they do not depend on the machine's load. Operations are those of the matrix products, as counted.
 */
import { parseArgs } from "node:util";
import { NativePolicy } from "../src/index.js";
import { checkpointOf } from "./models.js";
import { makeTree, parseShape, shapeName } from "./shape.js";
import { table } from "./tables.js";

const { values: options } = parseArgs({
  options: {
    shape: { type: "string", default: "smollm2/K4G4N1P512" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "0" },
    /** STATE/RECOMPUTE, with commas. */
    runs: {
      type: "string",
      default: "float32/none,float32/mlp,float32/layers,compact/none,compact/mlp,compact/layers",
    },
  },
});
const shape = parseShape(options.shape);
const folder = await checkpointOf(shape.model);
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

const rows: string[][] = [];
let first: Float32Array[] | undefined;
for (const run of options.runs.split(",")) {
  const [optimizerState, recompute] = run.split("/") as ["compact", "mlp"];
  await using policy = await NativePolicy.load(folder, {
    dtype: "bfloat16",
    optimizerState,
    recompute,
    device: options.device,
    threads: Number(options.threads),
    profile: true,
  });
  const { sequences } = makeTree(shape, policy.vocabSize);
  const parameters = policy.parameters().reduce((sum, { shape: s }) => sum + s.reduce((a, b) => a * b), 0);
  const name = "model.layers.0.input_layernorm.weight"; // its gradient has come through every layer
  await policy.readParameter(name, "gradient");
  await policy.readParameter(name, "adam_m");
  const state = policy.memory().bytes;
  const metrics = await policy.update(sequences, { optimizer: { lr: 1e-6 } });
  const { calls } = await policy.profile();
  const products = calls
    .flatMap(({ ops }) => ops)
    .filter(({ op }) => op.startsWith("gemm"))
    .reduce((sum, { flops }) => sum + flops, 0);
  const gradient = [await policy.readParameter(name, "gradient")];
  first ??= gradient;
  rows.push([
    optimizerState,
    recompute,
    (state / parameters).toFixed(3),
    mebibytes(state),
    mebibytes(metrics.peakBytes - state),
    mebibytes(metrics.peakBytes),
    (products / 1e9).toFixed(0),
    first.every((x, i) => Buffer.from(x.buffer).equals(Buffer.from(gradient[i]!.buffer))) ? "same" : "OTHER",
  ]);
  console.error(rows.at(-1)!.join("  "), `${metrics.treeTokens} rows, ${metrics.microBatches} micro-batches`);
}
console.log(`${shapeName(shape)}, bfloat16, MiB\n`);
console.log(
  table(
    [
      "state",
      "recompute",
      "bytes/parameter",
      "state",
      "beyond",
      "peak",
      "products, GFLOP",
      "gradient's bits",
    ],
    rows,
  ),
);
