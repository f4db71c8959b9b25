/** Every reader of untrusted input under the fuzzer: thousands of inputs here, 10⁷ by `npm run test:stress`. */
import { describe, expect, it } from "vitest";
import { SwirlError } from "../../../src/errors/swirl-error.js";
import { fuzz } from "./fuzz.js";
import { must } from "./parser.js";
import { parsers } from "./parsers/index.js";

const TOTAL = process.env.SWIRL_STRESS === undefined ? 40_000 : 1e7;
const shares = parsers.reduce((sum, { share = 1 }) => sum + share, 0);

it.each(parsers)("$name", { timeout: 24 * 3_600_000 }, async (parser) => {
  const count = Math.ceil((TOTAL * (parser.share ?? 1)) / shares);
  const { failures, refused, count: done } = await fuzz(parser, { count, seed: 1 });
  expect(failures).toEqual([]);
  // Inputs of one kind only would test half of the parser.
  expect(refused).toBeLessThan(done);
});

describe("the fuzzer", () => {
  const input = () => "aaXbb";
  const find = async (read: (input: string) => unknown) =>
    (await fuzz({ name: "test", input, read }, { count: 1, seed: 1 })).failures[0];

  it("finds a raw error and a broken promise, and shortens the input", async () => {
    const raw = await find((text) => text.includes("X") && text.split("").map(() => JSON.parse("{")));
    expect(raw).toMatchObject({ input: "X", problem: expect.stringContaining("SyntaxError") });
    expect(await find((text) => must(!text.includes("X"), "no X"))).toMatchObject({ input: "X" });
    const refuse = () => {
      throw new SwirlError("RECORD", "no");
    };
    expect(await find(refuse)).toBeUndefined();
  });

  it("finds a changed prototype and another result", async () => {
    const write = () => Object.assign(Object.prototype, { found: 1 });
    expect((await find(write))?.problem).toContain("Object.prototype.found");
    expect("found" in {}).toBe(false);
    let calls = 0;
    expect((await find(() => ++calls))?.problem).toContain("second time");
  });
});
