/**
 * What a loss costs: `node scripts/run-ts.mjs bench/losses.ts`. One update after sampling, with each built-in loss and
 * a user's loss in TypeScript, in turns with reinforce, on the same states. Goals: a built-in loss within 2 % of
 * reinforce, a user's loss within 5 %.
 *
 * Each timed update has freshly sampled actions (sampling is not timed), as a trainer has: their log-probs are then the
 * current ones, and no loss needs a further forward pass where the engine's bits are the sampler's.
 */
import { parseArgs } from "node:util";
import { LOSS_NAMES, type LossFunction, NativePolicy, type TrainSequence } from "../src/index.js";
import { machine, machineLine } from "./machine.js";
import { checkpointOf } from "./models.js";
import { makeTree, parseShape } from "./shape.js";
import { shown, spread } from "./spread.js";
import { table } from "./tables.js";

const { values: options } = parseArgs({
  options: {
    shape: { type: "string", default: "smollm2/K8G8N1P160" },
    dtype: { type: "string", default: "float32" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string", default: "0" },
    rounds: { type: "string", default: "5" },
    losses: { type: "string" }, // names with commas; "own" is the one in TypeScript. Default: all
  },
});
const shape = parseShape(options.shape);
const policy = await NativePolicy.load(await checkpointOf(shape.model), {
  dtype: options.dtype as "float32" | "bfloat16",
  device: options.device,
  threads: Number(options.threads),
});
const { states } = makeTree(shape, policy.vocabSize);
const prompts = states.map((tokens) => ({ tokens }));

/** As a user writes one: -A·log π for tokens whose probability has not doubled since they were sampled. */
const own: LossFunction = ({ logprobs, behaviorLogprobs, advantage, weights }) => {
  const derivative = new Float64Array(logprobs.length);
  let value = 0;
  for (const [t, logprob] of logprobs.entries()) {
    if (logprob - behaviorLogprobs![t]! > Math.LN2) continue;
    derivative[t] = -weights[t]! * advantage[t]!;
    value += derivative[t]! * logprob;
  }
  return { value, derivative };
};

const wanted = options.losses?.split(",");
const losses = [...LOSS_NAMES.filter((name) => name !== "reinforce"), own].filter(
  (loss) => wanted === undefined || wanted.includes(typeof loss === "string" ? loss : "own"),
);
const nameOf = (loss: (typeof losses)[number] | "reinforce") =>
  typeof loss === "string" ? loss : "one's own";

/** Milliseconds of one update with freshly sampled actions, and the forward passes beyond its own. */
async function timed(loss: (typeof losses)[number] | "reinforce", seed: number) {
  const completions = await policy.generate(prompts, {
    n: shape.G,
    maxNewTokens: shape.a,
    stopTokens: [],
    seed,
  });
  const batch = completions.flatMap((group, i) =>
    group.map(
      (one, j): TrainSequence => ({
        tokens: Int32Array.of(...prompts[i]!.tokens, ...one.tokens),
        actionStart: prompts[i]!.tokens.length,
        advantage: j % 2 === 0 ? 1 : -1,
        behaviorLogprobs: one.logprobs,
      }),
    ),
  );
  const fixed = loss === "dr_grpo" ? { fixedLength: shape.a } : {};
  const started = performance.now();
  const { extraForwards } = await policy.update(batch, { loss, ...fixed, optimizer: { lr: 1e-7 } });
  return { milliseconds: performance.now() - started, extraForwards };
}

console.log(`${machineLine(machine(options.device))}\n${options.shape}, ${options.dtype}\n`);
await timed("reinforce", 0);
const rows = [];
for (const loss of losses) {
  const base: number[] = [];
  const times: number[] = [];
  let passes = 0;
  await timed(loss, 0);
  for (let round = 1; round <= Number(options.rounds); round++) {
    base.push((await timed("reinforce", round)).milliseconds);
    const { milliseconds, extraForwards } = await timed(loss, round);
    times.push(milliseconds);
    passes += extraForwards;
  }
  const goal = typeof loss === "string" ? 2 : 5;
  const ratio = spread(times).median / spread(base).median;
  rows.push([
    nameOf(loss),
    shown(spread(base)),
    shown(spread(times)),
    `${(100 * (ratio - 1)).toFixed(1)} %`,
    `${goal} %${ratio <= 1 + goal / 100 ? ", met" : ", not met"}`,
    String(passes / times.length),
  ]);
}
const head = ["loss", "reinforce, ms", "this loss, ms", "more", "goal", "further passes"];
console.log(table(head, rows));
await policy.dispose();
