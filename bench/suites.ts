/** `npm run bench`: our own operations on one question's tree, alone. With peers: `npm run bench:peers`. */
import { parseArgs } from "node:util";
import { Bench } from "tinybench";
import type { Dtype } from "../src/native/addon.js";
import { parseModelConfig } from "../src/policy/checkpoint/model-config.js";
import { benchEngine } from "./engine.js";
import { treeExtent } from "./flops.js";
import { generateBench } from "./generate.bench.js";
import { logprobsBench } from "./logprobs.bench.js";
import { machine, machineLine } from "./machine.js";
import { checkpointOf, models } from "./models.js";
import { makeTree, parseShape } from "./shape.js";
import { shown, spread } from "./spread.js";
import { table } from "./tables.js";
import { updateBench } from "./update.bench.js";

const { values: options } = parseArgs({
  options: {
    shape: { type: "string", default: "smollm2/K5G4N4P160" },
    dtype: { type: "string", default: "bfloat16,float32" },
  },
});
const shape = parseShape(options.shape);
const { config } = models[shape.model];
const tree = makeTree(shape, parseModelConfig(JSON.stringify(config), "bench/models.ts").model.vocab);
const tokens = treeExtent(tree.sequences).tokens;
console.log(`${machineLine(machine())}\n${options.shape}: ${tokens} tree tokens\n`);
for (const dtype of options.dtype.split(",") as Dtype[]) {
  await using engine = await benchEngine(await checkpointOf(shape.model), dtype);
  const bench = new Bench({ iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 });
  logprobsBench(bench, engine, tree);
  updateBench(bench, engine, tree);
  generateBench(bench, engine, tree);
  await bench.run();
  const rows = bench.tasks.map(({ name, result }) => {
    if (result.state !== "completed") throw new Error(`${name}: ${result.state}`);
    return [name, shown(spread([...(result.latency.samples ?? [result.latency.mean])]), 0)];
  });
  console.log(`${table([`${dtype}, median (least–most) of 3`, "ms"], rows)}\n`);
}
