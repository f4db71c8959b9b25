/**
 * What an adapter saves: `node scripts/run-ts.mjs bench/lora.ts --shape smollm2/K8G8N1P160`. Updates of all weights and of
 * an adapter (all-linear) on the same tree, in turns in one process, in bfloat16. Goal: an adapter's update at least 1.4
 * times as fast. Bytes are the engine's own account and do not depend on the machine's load.
 */
import { parseArgs } from "node:util";
import { NativePolicy } from "../src/index.js";
import { machine, machineLine } from "./machine.js";
import { checkpointOf } from "./models.js";
import { makeTree, parseShape, shapeName } from "./shape.js";
import { shown, spread } from "./spread.js";
import { table } from "./tables.js";

const { values: options } = parseArgs({
  options: {
    shape: { type: "string", default: "smollm2/K8G8N1P160" },
    ranks: { type: "string", default: "16" }, // with commas
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "0" },
    rounds: { type: "string", default: "3" },
    /** Models that do not fit with all weights trained: the adapters alone. */
    only: { type: "boolean", default: false },
  },
});
const shape = parseShape(options.shape);
const folder = await checkpointOf(shape.model);
const common = { dtype: "bfloat16", device: options.device, threads: Number(options.threads) } as const;
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

const arms: { name: string; policy: NativePolicy; times: number[]; peak: number }[] = [];
if (!options.only)
  arms.push({ name: "all weights", policy: await NativePolicy.load(folder, common), times: [], peak: 0 });
for (const rank of options.ranks.split(",").map(Number)) {
  const policy = await NativePolicy.load(folder, { ...common, lora: { rank } });
  arms.push({ name: `adapter, rank ${rank}`, policy, times: [], peak: 0 });
}
const { sequences } = makeTree(shape, arms[0]!.policy.vocabSize);
for (let round = 0; round <= Number(options.rounds); round++) {
  for (const arm of arms) {
    const started = performance.now();
    const { peakBytes } = await arm.policy.update(sequences, { optimizer: { lr: 1e-6 } });
    if (round > 0) arm.times.push(performance.now() - started); // the first allocates
    arm.peak = Math.max(arm.peak, peakBytes);
    console.error(arm.name, round, (performance.now() - started).toFixed(0), "ms");
  }
}
const full = arms.find(({ name }) => name === "all weights");
console.log(`${machineLine(machine(options.device))}\n${shapeName(shape)}, bfloat16\n`);
console.log(
  table(
    ["trained", "update, ms", "times as fast", "held, MiB", "peak of an update, MiB"],
    arms.map(({ name, policy, times, peak }) => [
      name,
      shown(spread(times)),
      full ? (spread(full.times).median / spread(times).median).toFixed(2) : "–",
      mebibytes(policy.memory().bytes),
      mebibytes(peak),
    ]),
  ),
);
for (const { policy } of arms) await policy.dispose();
