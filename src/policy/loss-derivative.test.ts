/** Derivatives for trainers against the native engine: the same parameter gradients and the same loss. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AGGREGATIONS } from "../losses/aggregation.js";
import { KL_ESTIMATORS } from "../losses/kl.js";
import { LOSS_NAMES } from "../losses/named-losses.js";
import { lossDerivative } from "./loss-derivative.js";
import { lossOptionsSchema } from "./native-options.js";
import { NativePolicy } from "./native-policy.js";
import { resolveLoss } from "./resolve-loss.js";
import { type TrainSequence, toTrainSequences } from "./sequences.js";
import type { LossOptions } from "./training-options.js";

let policy: NativePolicy;
let batch: TrainSequence[];
beforeAll(async () => {
  const golden = join(import.meta.dirname, "../../tests/golden/llama");
  policy = await NativePolicy.load(golden, { device: "cpu", threads: 1 });
  const bare = [
    { tokens: [1, 2, 3, 4, 5], actionStart: 2 },
    { tokens: [1, 2, 9, 4, 7, 8, 6], actionStart: 1 },
    { tokens: [30, 3], actionStart: 1 },
  ];
  const current = await policy.logprobs(bare);
  const moved = (i: number, by: number) =>
    current[i]!.map((x, t) => Math.min(0, x + by * (t % 2 === 0 ? 1 : -1)));
  batch = bare.map((sequence, i) => ({
    ...sequence,
    advantage: [0.7, current[1]!.map((_, t) => t - 2), -1.5][i]!,
    ...(i === 1 ? { weights: [1, 0, 0.5, 1, 2, 1] } : {}),
    behaviorLogprobs: moved(i, 0.3),
    referenceLogprobs: moved(i, -0.2),
  }));
});
afterAll(() => policy.dispose());

async function gradient(options: LossOptions) {
  await policy.zeroGradients();
  const metrics = await policy.forwardBackward(batch, options);
  const parts = await Promise.all(
    policy.parameters().map(({ name }) => policy.readParameter(name, "gradient")),
  );
  return { metrics, gradient: parts.flatMap((part) => [...part]) };
}

const cases = [
  ...LOSS_NAMES.map((loss) => ({ loss, ...(loss === "dr_grpo" ? { fixedLength: 9 } : {}) })),
  ...AGGREGATIONS.map((aggregation) => ({
    loss: "ppo-clip" as const,
    aggregation,
    ...(aggregation === "fixed-length" ? { fixedLength: 9 } : {}),
  })),
  { loss: "reinforce" as const, aggregation: "token-mean" as const, denominators: { tokens: 40 } },
  { loss: "ppo-clip" as const, denominators: { sequences: 7 } },
].flatMap((options) => [{ ...options }, { ...options, klWeight: 0.3 }]);
const estimated = KL_ESTIMATORS.map((klEstimator) => ({ loss: "grpo" as const, klWeight: 0.4, klEstimator }));

it.each([...cases, ...estimated])("%o", async (options) => {
  const direct = await gradient(options);
  const current = await policy.logprobs(batch.map(({ tokens, actionStart }) => ({ tokens, actionStart })));
  const loss = resolveLoss(lossOptionsSchema.parse(options));
  const ours = lossDerivative(toTrainSequences(batch, loss.native), loss, current);
  // The derivatives as a loss of their own, which the engine multiplies with nothing: 1 / (N of 1).
  let next = 0;
  const through = await gradient({
    loss: () => ({ value: 0, derivative: ours.derivatives[next++]! }),
    denominators: { sequences: 1 },
  });
  const squares = (x: number[]) => x.reduce((sum, value) => sum + value ** 2, 0);
  const difference = direct.gradient.map((x, i) => x - through.gradient[i]!);
  expect(squares(direct.gradient)).toBeGreaterThan(0);
  expect(Math.sqrt(squares(difference) / squares(direct.gradient))).toBeLessThan(1e-5);
  // Without a weight the engine leaves clipped sequences out of its means.
  if ("klWeight" in options) expect(ours.kl).toBeCloseTo(direct.metrics.kl, 4);
  if (options.loss === "ppo-clip") expect(ours.clipRatio).toBeCloseTo(direct.metrics.clipRatio, 5);
  expect(ours.loss).toBeCloseTo(direct.metrics.loss, 4);
});
