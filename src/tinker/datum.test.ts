import { expect, it } from "vitest";
import { gradientDatum, requestsOf, scoringDatum } from "./datum.js";
import { reductionFactors } from "./reduction.js";

it("targets are shifted by one, and everything before the action is 0", () => {
  const sequence = { tokens: Int32Array.of(5, 6, 7, 8), actionStart: 2 };
  expect(gradientDatum(sequence, [-1.5, -2.5], [0.25, -4])).toEqual({
    model_input: { chunks: [{ type: "encoded_text", tokens: [5, 6, 7] }] },
    loss_fn_inputs: {
      target_tokens: { data: [6, 7, 8], dtype: "int64", shape: [3] },
      logprobs: { data: [0, -1.5, -2.5], dtype: "float32", shape: [3] },
      advantages: { data: [0, 0.25, -4], dtype: "float32", shape: [3] },
    },
  });
  expect(scoringDatum(sequence).loss_fn_inputs.weights!.data).toEqual([0, 1, 1]);
});

it("a batch is split into requests that servers take, in order, and factors follow the split", () => {
  const long = (length: number) => scoringDatum({ tokens: new Int32Array(length + 1), actionStart: 1 });
  const data = [long(100_000), long(100_000), long(60_000), ...Array.from({ length: 1_030 }, () => long(2))];
  const requests = requestsOf(data);
  expect(requests.map((request) => request.length)).toEqual([1, 1_024, 8]);
  expect(requests.flat()).toEqual(data);
  const lengths = [[4, 6], [10]];
  expect(reductionFactors({ kind: "mean-of-means", scope: "step" }, lengths)).toEqual([
    [1 / 12, 1 / 18],
    [1 / 30],
  ]);
  expect(reductionFactors({ kind: "token-mean", scope: "call" }, lengths)).toEqual([[0.1, 0.1], [0.1]]);
  expect(reductionFactors({ kind: "datum-mean", scope: "call" }, lengths)).toEqual([[0.5, 0.5], [1]]);
});
