import { expect, it } from "vitest";
import { float16ToFloat32, float32ToFloat16 } from "./element-types.js";

const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);
const toHalf = (values: number[]) => {
  const { bytes, overflow } = float32ToFloat16(new Uint8Array(new Float32Array(values).buffer));
  return { halves: [...new Uint16Array(bytes.slice().buffer)], overflow };
};

it("widens every half exactly and narrows it back to the same bits", () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const wide = float16ToFloat32(new Uint8Array(all.buffer));
  const values = floats(wide);
  expect([values[0x3c00], values[0xc000], values[0x0001], values[0x03ff], values[0x7bff]]).toEqual([
    1,
    -2,
    2 ** -24,
    1023 * 2 ** -24,
    65504,
  ]);
  expect([values[0x7c00], values[0xfc00], values[0x7e00]]).toEqual([Infinity, -Infinity, NaN]);
  const back = new Uint16Array(float32ToFloat16(wide).bytes.slice().buffer);
  const wrong = [...all].filter((half) => !Number.isNaN(values[half]) && back[half] !== half);
  expect(wrong).toEqual([]);
});

it("rounds to nearest, ties to even, through the subnormals", () => {
  expect(toHalf([1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20]).halves).toEqual([
    0x3c00, 0x3c02, 0x3c01,
  ]);
  expect(toHalf([2 ** -25, 1.5 * 2 ** -25, 3 * 2 ** -25, 2 ** -26, -(2 ** -24)]).halves).toEqual([
    0, 1, 2, 0, 0x8001,
  ]);
  expect(toHalf([2 ** -14 - 2 ** -26]).halves).toEqual([0x0400]);
});

it("reports where a finite value overflows", () => {
  expect(toHalf([1, 65519, Infinity]).overflow).toBe(-1);
  expect(toHalf([1, Infinity, 65520, 1e9])).toEqual({
    halves: [0x3c00, 0x7c00, 0x7c00, 0x7c00],
    overflow: 2,
  });
  expect(toHalf([Number.NaN]).halves).toEqual([0x7e00]);
});

it("reads bytes that do not start at a multiple of the element", () => {
  const shifted = new Uint8Array([9, 0x00, 0x3c, 0x00, 0x40]).subarray(1);
  expect([...floats(float16ToFloat32(shifted))]).toEqual([1, 2]);
});
