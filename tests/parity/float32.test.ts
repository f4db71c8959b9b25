/**
 * float32 against transformers in float64, for every family and both config layouts. The bounds are the product's
 * promises; what is measured is far below them (docs/results/parity.md).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../src/native/engine.js";
import { flat, maxDistance, moved, relativeErrors, worst } from "./distance.js";
import { engineOf, type Golden, models, readAll, readGolden, reinforce } from "./golden.js";

describe.each(models)("%s", (name) => {
  let golden: Golden;
  let engine: Engine;
  beforeAll(async () => {
    golden = await readGolden(name);
    engine = await engineOf(golden, "float32");
  });
  afterAll(() => engine.dispose());

  it("log-probs within 2e-4", async () => {
    const found = flat(await engine.logprobs(golden.batch, { temperature: 1, tree: true }));
    expect(maxDistance(found, golden.logprobs)).toBeLessThan(2e-4);
    const warm = flat(await engine.logprobs(golden.batch, { temperature: 0.7, tree: true }));
    expect(maxDistance(warm, golden.logprobsAtTemperature)).toBeLessThan(2e-4);
    const long = flat(await engine.logprobs(golden.long, { temperature: 1, tree: true }));
    expect(maxDistance(long, golden.longLogprobs)).toBeLessThan(2e-4);
  });

  it("every loss, its gradients within 1e-5 of each tensor's norm", async () => {
    expect(Object.keys(golden.expected.losses).length).toBeGreaterThan(0);
    for (const [label, { options, loss, gradNorm, kl }] of Object.entries(golden.expected.losses)) {
      await engine.zeroGradients();
      const metrics = await engine.forwardBackward(golden.batch, { ...reinforce, ...options });
      const gradients = await readAll(engine, "gradient");
      const close = (found: number, truth: number, what: string) =>
        expect(Math.abs(found - truth), `${label}: ${what} ${found}, not ${truth}`).toBeLessThan(
          1e-5 * Math.max(1, Math.abs(truth)),
        );
      close(metrics.loss, loss, "loss");
      close(norm(gradients.values()), gradNorm, "gradNorm");
      if (kl !== undefined) close(metrics.kl, kl, "kl");
      if (options.temperature === 1) close(metrics.entropy, golden.expected.entropy, "entropy");
      if (options.loss === "ppo-clip") close(metrics.clipRatio, golden.expected.clipRatio, "clipRatio");
      const meanLogprob = golden.logprobs.reduce((sum, value) => sum + value) / golden.logprobs.length;
      if (options.temperature === 1) close(metrics.meanLogprob, meanLogprob, "meanLogprob");
      expect(metrics.labels).toBe(golden.logprobs.length);
      expect(metrics.tokens).toBe(golden.batch.reduce((sum, { tokens }) => sum + tokens.length, 0));
      const truth = await golden.tensors(`gradient.${label}.`);
      if (truth.size === 0) continue;
      const { name: tensor, error } = worst(relativeErrors(gradients, truth));
      expect(error, `${label}: ${tensor}`).toBeLessThan(1e-5);
    }
  });

  it("supervised fine-tuning is REINFORCE with every advantage 1", async () => {
    const batch = golden.batch.map((sequence) => ({ ...sequence, advantage: 1 }));
    const { loss } = await engine.forwardBackward(batch, reinforce);
    expect(Math.abs(loss / golden.expected.sftLoss - 1)).toBeLessThan(1e-5);
  });

  it.skipIf(name.endsWith("-old"))("ten AdamW steps with clipping track torch", async () => {
    const trained = await engineOf(golden, "float32");
    const start = await readAll(trained, "weight");
    const { steps, optimizer } = golden.expected;
    for (const [i, { loss, gradNorm }] of steps!.entries()) {
      const metrics = await trained.update(golden.batch, reinforce, optimizer);
      expect(metrics.skipped).toBe(false);
      expect(Math.abs(metrics.loss - loss), `loss of step ${i + 1}`).toBeLessThan(
        1e-4 * Math.max(1, Math.abs(loss)),
      );
      expect(Math.abs(metrics.gradNorm / gradNorm - 1), `gradNorm of step ${i + 1}`).toBeLessThan(1e-4);
      expect(trained.optimizerStep()).toBe(i + 1);
      const label = `step${i + 1}`;
      const truth = await golden.tensors(`${label}.`);
      if (truth.size === 0) continue;
      // Adam divides a gradient by its size: where it is rounding noise only, so is the step. Hence the movement of
      // a whole tensor is compared, and no worse than torch's own float32 by a factor is what can be asked.
      const errors = relativeErrors(moved(start, await readAll(trained, "weight")), moved(start, truth));
      const torch = golden.expected.torchError.float32.steps![i + 1]!;
      const { name: tensor, error } = worst(errors);
      expect(error, `${label}: ${tensor}`).toBeLessThan(Math.max(1e-4, 4 * torch.tensors[tensor]!));
    }
    trained.dispose();
  });
});

function norm(tensors: Iterable<Float32Array>): number {
  let sum = 0;
  for (const tensor of tensors) for (const x of tensor) sum += x * x;
  return Math.sqrt(sum);
}
