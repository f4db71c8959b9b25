/** The header parser on good, hostile and randomly damaged files. */
import { expect, it } from "vitest";
import { SwirlError } from "../../errors/swirl-error.js";
import { encodeHeader, HEADER_LIMIT, headerLength, parseHeader, tensorBytes } from "./safetensors.js";

const text = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

/** Parses a header as if `data` bytes followed it. */
const parse = (header: unknown, data: number) => {
  const bytes = text(header);
  return parseHeader(bytes, 8 + bytes.length + data, "w.safetensors");
};

const prefix = (length: bigint) => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
};

const a = { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] };
const b = { dtype: "BF16", shape: [4], data_offsets: [24, 32] };

it("reads tensors in file order, with offsets from the start of the file", () => {
  const header = { b, __metadata__: { format: "pt" }, a };
  const start = 8 + text(header).length;
  expect(parse(header, 32)).toEqual({
    metadata: { format: "pt" },
    tensors: [
      { name: "a", dtype: "F32", shape: [2, 3], offset: start, bytes: 24 },
      { name: "b", dtype: "BF16", shape: [4], offset: start + 24, bytes: 8 },
    ],
  });
});

it("reads scalars, empty tensors, padding, and names that JavaScript treats specially", () => {
  const header =
    '{"__proto__":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F16","shape":[0,5],"data_offsets":[4,4]}}   ';
  expect(parse(header, 4).tensors.map(({ name, bytes }) => [name, bytes])).toEqual([
    ["__proto__", 4],
    ["e", 0],
  ]);
});

it("writes what it reads, with data aligned to 8 bytes", () => {
  const tensors = [
    { name: "x.weight", dtype: "BF16" as const, shape: [3, 5] },
    { name: 'odd "name" \u{1f642}', dtype: "F32" as const, shape: [1] },
    { name: "__proto__", dtype: "F16" as const, shape: [2] },
  ];
  const bytes = encodeHeader(tensors, { format: "pt" });
  expect(bytes.length % 8).toBe(0);
  const total = bytes.length + tensors.reduce((sum, { dtype, shape }) => sum + tensorBytes(dtype, shape), 0);
  expect(headerLength(bytes, total, "f")).toBe(bytes.length - 8);
  const parsed = parseHeader(bytes.subarray(8), total, "f");
  expect(parsed.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual(tensors);
  expect(parsed.metadata).toEqual({ format: "pt" });
});

const rows = (entry: object) => ({ a: { ...a, ...entry } });
it.each<[string, unknown, number, RegExp]>([
  ["truncated data", { a, b }, 31, /"b" lies at bytes 24 to 32, but the file holds 31/],
  ["oversized file", { a, b }, 40, /8 bytes after its last tensor/],
  ["overlap", { a, b: { ...b, data_offsets: [16, 24] } }, 24, /"a" and "b" overlap at byte/],
  ["hole", { a, b: { ...b, data_offsets: [28, 36] } }, 36, /hole of 4 bytes between "a" and "b"/],
  ["hole at the start", { b: { ...b, data_offsets: [8, 16] } }, 16, /hole of 8 bytes between "the header"/],
  [
    "shape against bytes",
    rows({ shape: [2, 4] }),
    24,
    /F32 of shape \[2,4\], 32 bytes, but its offsets span 24/,
  ],
  ["product that wraps", rows({ shape: [2 ** 31, 2 ** 31, 6] }), 24, /but its offsets span 24/],
  ["end before begin", rows({ data_offsets: [24, 0] }), 24, /lies at bytes 24 to 0/],
  ["negative offset", rows({ data_offsets: [-24, 0] }), 24, /data_offsets \[-24,0\]/],
  ["fraction", rows({ data_offsets: [0, 23.5] }), 24, /data_offsets/],
  ["huge offset", rows({ data_offsets: [0, 1e300] }), 24, /data_offsets/],
  ["three offsets", rows({ data_offsets: [0, 12, 24] }), 24, /data_offsets/],
  ["text shape", rows({ shape: "23" }), 24, /has shape "23"/],
  ["negative side", rows({ shape: [-2, -3] }), 24, /has shape \[-2,-3\]/],
  ["rank 33", rows({ shape: Array(33).fill(1) }), 24, /has shape/],
  ["unknown type", rows({ dtype: "F4" }), 24, /element type "F4", which is not supported/],
  ["type named like a method", rows({ dtype: "toString" }), 24, /element type "toString"/],
  ["no type", { a: { shape: [6], data_offsets: [0, 24] } }, 24, /element type absent/],
  ["unknown field", rows({ stride: [1] }), 24, /unknown field "stride"/],
  ["entry is a list", { a: [] }, 0, /is \[\], not an object/],
  ["metadata is a list", { __metadata__: [1] }, 0, /__metadata__ \[1\]/],
  ["metadata holds a number", { __metadata__: { n: 1 } }, 0, /__metadata__\.n 1, not a string/],
  ["a list", "[]", 0, /starts with "\[\]"/],
  ["leading space", " {}", 0, /starts with/],
  ["not JSON", '{"a":', 0, /not JSON/],
  ["two documents", "{}{}", 0, /not JSON/],
  ["duplicate", `{"a":${JSON.stringify(a)},"a":${JSON.stringify(a)}}`, 24, /names "a" twice/],
  ["duplicate by escape", `{"a":${JSON.stringify(a)},"\\u0061":${JSON.stringify(a)}}`, 24, /names "a" twice/],
  [
    "duplicate field",
    '{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}',
    4,
    /names "dtype" twice/,
  ],
  ["depth", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, 0, /nested deeper than 4/],
])("refuses: %s", (_, header, data, message) => {
  expect(() => parse(header, data)).toThrowError(message);
});

it("refuses text that is not UTF-8", () => {
  expect(() => parseHeader(new Uint8Array([0x7b, 0xff, 0x7d]), 11, "f")).toThrowError(/not UTF-8/);
});

it.each<[string, Uint8Array, number, RegExp]>([
  ["an empty file", new Uint8Array(0), 0, /0 bytes, fewer than the 8/],
  [
    "a header beyond the limit",
    prefix(BigInt(HEADER_LIMIT) + 1n),
    2 ** 40,
    /more than the limit of 104857600/,
  ],
  ["a header of 2^63", prefix(1n << 63n), 100, /9223372036854775808/],
  ["a header longer than the file", prefix(93n), 100, /claims a header of 93 bytes, but 92 follow/],
  ["a header of nothing", prefix(0n), 100, /claims a header of 0 bytes/],
])("refuses %s", (_, bytes, size, message) => {
  expect(() => headerLength(bytes, size, "f")).toThrowError(message);
});

it("gives SwirlErrors and nothing else on 20,000 damaged headers, and what it accepts is consistent", () => {
  const good = text({
    __metadata__: { format: "pt" },
    a,
    b,
    "c.d": { dtype: "I64", shape: [2, 1], data_offsets: [32, 48] },
  });
  let seed = 20260101;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const pieces = [
    "{",
    "}",
    "[",
    "]",
    '"',
    "\\",
    ",",
    ":",
    "0",
    "-1",
    "9e9",
    "null",
    "\u0000",
    '"a":',
    "99999999999999999999",
  ];
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    let bytes = [...good];
    for (let edits = 1 + random(3); edits > 0; edits--) {
      const at = random(bytes.length);
      const kind = random(4);
      if (kind === 0) bytes[at] = random(256);
      else if (kind === 1) bytes.splice(at, 1 + random(8));
      else if (kind === 2) bytes.splice(at, 0, ...text(pieces[random(pieces.length)]!));
      else bytes = [...bytes.slice(0, at), ...bytes.slice(random(bytes.length))];
      if (bytes.length === 0) bytes = [0x7b];
    }
    const fileBytes = 8 + bytes.length + 48 + (random(10) === 0 ? random(16) : 0);
    try {
      const { tensors } = parseHeader(Uint8Array.from(bytes), fileBytes, "f");
      let end = 8 + bytes.length;
      for (const { offset, bytes: size, dtype, shape } of tensors) {
        expect([offset, size]).toEqual([end, tensorBytes(dtype, shape)]);
        end += size;
      }
      expect(end).toBe(fileBytes);
    } catch (error) {
      if (!SwirlError.isInstance(error)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(15_000);
  expect(refused).toBeLessThan(20_000);
});
