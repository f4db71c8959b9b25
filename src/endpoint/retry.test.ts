import { describe, expect, it } from "vitest";
import { backoffDelay, retryAfterMs, withRetries } from "./retry.js";

describe("backoffDelay", () => {
  it("doubles, is capped, and is jittered into its upper half", () => {
    const options = { retryBaseMs: 100, retryMaxMs: 1_000 };
    expect([0, 1, 2, 3, 4, 9].map((i) => backoffDelay(i, options, 1))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect(backoffDelay(2, options, 0)).toBe(200);
  });
});

describe("retryAfterMs", () => {
  const from = (headers: Record<string, string>) =>
    retryAfterMs((name) => headers[name], Date.parse("2025-01-01T00:00:00Z"));
  it.each<[Record<string, string>, number | undefined]>([
    [{ "retry-after": "2" }, 2_000],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after-ms": "150", "retry-after": "9" }, 150],
    [{ "retry-after": "Wed, 01 Jan 2025 00:00:03 GMT" }, 3_000],
    [{ "retry-after": "Wed, 01 Jan 2020 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{}, undefined],
  ])("%o → %s", (headers, expected) => expect(from(headers)).toBe(expected));
});

describe("withRetries", () => {
  const options = { maxRetries: 3, timeoutMs: 30, deadlineMs: 500, retryBaseMs: 1, retryMaxMs: 1 };
  const fail = (error: unknown, spent: { attempts: number; reason: string }) =>
    new Error(`${spent.attempts} ${spent.reason}: ${error}`);

  it("drops the late result of an attempt it gave up, even one that ignores its signal", async () => {
    const late: string[] = [];
    const result = await withRetries(options, {
      attempt: async (_, index) => {
        await new Promise((resolve) => setTimeout(resolve, index === 0 ? 60 : 1));
        late.push(`attempt ${index}`);
        return index;
      },
      classify: () => ({ retry: false }),
      fail,
    });
    expect(result).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(late).toEqual(["attempt 1", "attempt 0"]);
  });

  it("reports why it stopped", async () => {
    const call = (retry: boolean) =>
      withRetries(options, {
        attempt: async () => Promise.reject("x"),
        classify: () => (retry ? { retry } : { retry }),
        fail,
      });
    await expect(call(true)).rejects.toThrow("4 retries used up: x");
    await expect(call(false)).rejects.toThrow("1 not retryable: x");
  });
});
