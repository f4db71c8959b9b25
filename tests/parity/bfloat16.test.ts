/**
 * bfloat16 is judged by its distance from float64 truth: no further than torch's bfloat16 of the same model is.
 * A tiny model's single numbers scatter, so what is compared is the root mean square over a thousand log-probs, the
 * gradient as one vector, and, with a margin for luck, the few log-probs of the tree and the gradient of each tensor.
 */
import { describe, expect, it } from "vitest";
import { flat, relativeErrors, rmsDistance } from "./distance.js";
import { engineOf, models, readAll, readGolden, reinforce } from "./golden.js";

/** Some 300 tensors are compared, each with one draw of torch's error. */
const luck = 2;

describe.each(models)("%s", (name) => {
  it("log-probs and gradients are no further from truth than torch's", async () => {
    const golden = await readGolden(name);
    const engine = await engineOf(golden, "bfloat16");
    const torchError = golden.expected.torchError.bfloat16;
    const logprobs = flat(await engine.logprobs(golden.batch, { temperature: 1, tree: true }));
    expect(rmsDistance(logprobs, golden.logprobs)).toBeLessThanOrEqual(luck * torchError.logprobs.rms);
    const long = flat(await engine.logprobs(golden.long, { temperature: 1, tree: true }));
    expect(rmsDistance(long, golden.longLogprobs)).toBeLessThanOrEqual(torchError.long.rms);
    await engine.forwardBackward(golden.batch, reinforce);
    const errors = relativeErrors(
      await readAll(engine, "gradient"),
      await golden.tensors("gradient.reinforce."),
    );
    const torch = golden.expected.losses.reinforce!.torchError!.bfloat16!;
    expect(errors.all).toBeLessThanOrEqual(torch.all);
    for (const [tensor, error] of Object.entries(errors.tensors)) {
      expect(error, tensor).toBeLessThanOrEqual(luck * torch.tensors[tensor]!);
    }
    engine.dispose();
  });
});
