/**
 * Float conversions between what checkpoints store and what the engine takes. Little-endian, row-major bytes.
 * Narrowing rounds to nearest, ties to even, and keeps NaN a NaN.
 */

/** IEEE half to float32 is exact. */
export function float16ToFloat32(bytes: Uint8Array): Uint8Array {
  const count = bytes.byteLength / 2;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) bits[i] = halfToFloatBits(source.getUint16(2 * i, true));
  return new Uint8Array(bits.buffer);
}

/** float32 to IEEE half. Returns the index of the first finite value beyond half's range, or -1. */
export function float32ToFloat16(bytes: Uint8Array): { bytes: Uint8Array; overflow: number } {
  const count = bytes.byteLength / 4;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const halves = new Uint16Array(count);
  let overflow = -1;
  for (let i = 0; i < count; i++) {
    const bits = source.getUint32(4 * i, true);
    const half = floatToHalfBits(bits);
    halves[i] = half;
    if (overflow < 0 && (half & 0x7fff) === 0x7c00 && (bits & 0x7fffffff) !== 0x7f800000) overflow = i;
  }
  return { bytes: new Uint8Array(halves.buffer), overflow };
}

/** bfloat16 to float32 is exact. */
export function bfloat16ToFloat32(bytes: Uint8Array): Uint8Array {
  const count = bytes.byteLength / 2;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++) bits[i] = source.getUint16(2 * i, true) << 16;
  return new Uint8Array(bits.buffer);
}

/** float32 to bfloat16; what is beyond its range becomes infinite. */
export function float32ToBfloat16(bytes: Uint8Array): Uint8Array {
  const count = bytes.byteLength / 4;
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const bits = source.getUint32(4 * i, true);
    const notANumber = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = notANumber ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(out.buffer);
}

function halfToFloatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float: shift its leading one into place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

function floatToHalfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    // The carry of rounding may run into the exponent, up to infinity: that is the right result.
    return sign | roundedShift(magnitude - 0x38000000, 13);
  }
  if (magnitude < 0x33000000) return sign;
  const exponent = magnitude >>> 23;
  return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/** value >> shift, to nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const floor = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return floor + (rest > half || (rest === half && (floor & 1) === 1) ? 1 : 0);
}
