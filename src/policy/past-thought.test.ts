import { expect, test } from "vitest";
import type { NativeCompletion } from "../native/addon.js";
import { pastThought } from "./past-thought.js";

const completion = (tokens: number[], finishReason: NativeCompletion["finishReason"]): NativeCompletion => ({
  tokens: Int32Array.from(tokens),
  logprobs: Float32Array.from(tokens, (token) => -token),
  finishReason,
});
/** Token 9 closes the thought. */
const inThought = (tokens: Int32Array) => !tokens.includes(9);

test("keeps sampling until the thought is closed and the action ends", async () => {
  const asked: [number[], number][] = [];
  const rest = [completion([3, 1], "stop"), completion([9, 4, 1], "stop")];
  const whole = await pastThought(completion([2, 1], "stop"), {
    maxNewTokens: 20,
    inThought,
    sample: async (sampled, left) => {
      asked.push([[...sampled], left]);
      return rest.shift()!;
    },
  });
  expect(whole).toEqual(completion([2, 1, 3, 1, 9, 4, 1], "stop"));
  expect(asked).toEqual([
    [[2, 1], 18],
    [[2, 1, 3, 1], 16],
  ]);
});

test("ends at the token limit, and leaves every other end as it is", async () => {
  const never = { inThought, sample: () => Promise.reject(new Error("sampled")) };
  expect(await pastThought(completion([2, 1], "stop"), { ...never, maxNewTokens: 2 })).toEqual(
    completion([2, 1], "length"),
  );
  const ended = completion([2, 1], "eos");
  expect(await pastThought(ended, { ...never, maxNewTokens: 9 })).toBe(ended);
});
