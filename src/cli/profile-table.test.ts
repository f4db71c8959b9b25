import { expect, test } from "vitest";
import type { PolicyProfile } from "../policy/native-policy.js";
import { kernelSeconds, profileTable } from "./profile-table.js";

const cost = (seconds: number, flops: number, bytes: number, floorSeconds: number) => ({
  calls: 3,
  seconds,
  flops,
  bytes,
  floorSeconds,
});
const gemm = cost(6, 3e12, 1e9, 4);
const profile: PolicyProfile = {
  peaks: {
    float32: { product: 500e9, registers: 550e9 },
    bfloat16: { product: 900e9, registers: 0 },
    bytes: 30e9,
  },
  seconds: 20,
  calls: [
    {
      call: "update",
      count: 2,
      seconds: 10,
      ops: [
        { op: "add", ...cost(1, 0, 20e9, 0) },
        { op: "gemm", ...gemm },
        { op: "rope", ...cost(0.5, 0, 10e9, 0.25) },
      ],
      products: Array.from({ length: 14 }, (_, i) => ({
        m: 2 ** i,
        n: 96,
        k: 64,
        transposeA: i === 13,
        transposeB: i !== 13,
        dtype: "float32" as const,
        ...cost((6 / 105) * (i + 1), 1e9, 1e6, 0.001),
      })),
    },
  ],
};

/** Cells of the line that begins with a name. */
function line(text: string, name: string): string[] {
  return text
    .split("\n")
    .find((row) => row.startsWith(name))!
    .split(/ {2,}/);
}

test("every kernel has its share, its rate and its floor, slowest first, and the host has the rest", () => {
  const text = profileTable(profile);
  expect(line(text, "gemm")).toEqual([
    "gemm",
    "3",
    "6000.0 ms",
    "60.0 %",
    "500",
    "GFLOP/s",
    "4000.0 ms",
    "1.50",
  ]);
  expect(line(text, "rope")).toEqual(["rope", "3", "500.0 ms", "5.0 %", "20.00", "GB/s", "250.0 ms", "2.00"]);
  expect(line(text, "add")).toEqual(["add", "3", "1000.0 ms", "10.0 %", "20.00", "GB/s", "–", "–"]);
  expect(line(text, "outside kernels")).toEqual(["outside kernels", "2500.0 ms", "25.0 %"]);
  const order = ["gemm", "add", "rope", "outside"].map((name) => text.indexOf(`\n${name}`));
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test("the shares of a call sum to 1", () => {
  const block = profileTable(profile).split("\n\n")[1]!;
  const shares = [...block.matchAll(/([\d.]+) %/g)].map(([, share]) => Number(share));
  expect(shares).toHaveLength(4);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 6);
  expect(kernelSeconds(profile.calls[0]!)).toBe(7.5);
});

test("peaks, the engine's busy time, and the products by shape with their rows rounded up", () => {
  const text = profileTable(profile);
  expect(text).toContain(
    "float32 500 GFLOP/s in a product, 550 in registers; bfloat16 900 GFLOP/s in a product;",
  );
  expect(text).toContain("the engine was busy for 10.0 s of 20.0 s");
  expect(line(text, "AᵀB float32").slice(1, 4)).toEqual(["8192", "96", "≤ 64"]);
  expect(line(text, "ABᵀ float32").slice(1, 4)).toEqual(["≤ 4096", "96", "64"]);
  expect(text).toContain("and 2 more shapes");
});
