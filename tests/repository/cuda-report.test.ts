/** The gates on what nvcc makes of the kernels find what they are there for. Written without a compiler at hand. */
import { describe, expect, it } from "vitest";
import { violationsOf } from "../../scripts/cuda-report.mjs";

const tensor = { all: 900, "HMMA.16816": 64, LDSM: 20, LDGSTS: 5 };
const fine = { registers: 255, threads: 256, shared: 128, stack: 0, spills: 0, counts: tensor };
const attention = "forward<__nv_bfloat16, ForwardTile<__nv_bfloat16, 64, true>, false>";

describe("violationsOf", () => {
  it("passes a kernel within every limit, and one that its target never runs", () => {
    expect(violationsOf(fine, attention)).toEqual([]);
    expect(violationsOf({ ...fine, counts: { all: 8 } }, attention)).toEqual([]);
    expect(violationsOf({ ...fine, counts: undefined }, attention)).toEqual([]);
  });

  it.each([
    ["registers", { threads: 512 }, /needs 255 registers in each of 512 threads; there are 65536/],
    ["threads", { threads: 2048, registers: 16 }, /2048 threads/],
    ["no launch bounds", { threads: undefined }, /__launch_bounds__/],
    ["static shared memory", { shared: 30_000 }, /30000 bytes of static shared memory/],
    ["spills", { spills: 96 }, /spills 96 bytes/],
    ["local memory", { counts: { ...tensor, STL: 3 } }, /0 LDL, 3 STL/],
    ["no tensor cores", { counts: { all: 900, LDSM: 20, LDGSTS: 5 } }, /has no HMMA.16816/],
    ["no asynchronous copies", { counts: { all: 900, "HMMA.16816": 64, LDSM: 20 } }, /has no LDGSTS/],
  ] as const)("finds %s", (_, change, words) => {
    expect(violationsOf({ ...fine, ...change }, attention)).toEqual([expect.stringMatching(words)]);
  });

  it("asks no tensor cores of a float32 kernel", () => {
    const counts = { all: 900, LDGSTS: 5 };
    expect(violationsOf({ ...fine, counts }, "forward<float, ForwardTile<float, 64, true>, false>")).toEqual(
      [],
    );
  });
});
