import { expect, it } from "vitest";
import { tokenBytes } from "./token-bytes.js";

const read = (result: ReturnType<typeof tokenBytes>, id: number) => [
  ...result.bytes.subarray(result.offsets[id]!, result.offsets[id + 1]!),
];

it("turns GPT-2's alphabet into bytes, all 256 of them once", () => {
  const characters: string[] = [];
  for (let code = 0; code < 0x200; code++) characters.push(String.fromCharCode(code));
  const result = tokenBytes(characters, new Set(), {
    byteLevel: true,
    byteFallback: false,
    spaceSymbol: undefined,
  });
  const single = characters.map((_, id) => read(result, id)).filter((bytes) => bytes.length === 1);
  expect(new Set(single.map(([byte]) => byte)).size).toBe(256);
  const words = tokenBytes(["Ġthe", "Ċ", "Ã©", "<é>"], new Set([3]), {
    byteLevel: true,
    byteFallback: false,
    spaceSymbol: undefined,
  });
  expect(read(words, 0)).toEqual([...Buffer.from(" the")]);
  expect(read(words, 1)).toEqual([10]);
  expect(read(words, 2)).toEqual([...Buffer.from("é")]);
  expect(read(words, 3)).toEqual([...Buffer.from("<é>")]);
});

it("turns SentencePiece's spaces and bytes into bytes; an id without a token has none", () => {
  const result = tokenBytes(["▁the", "<0x0A>", undefined, "<0xE2>"], new Set(), {
    byteLevel: false,
    byteFallback: true,
    spaceSymbol: "▁",
  });
  expect([0, 1, 2, 3].map((id) => read(result, id))).toEqual([[...Buffer.from(" the")], [10], [], [0xe2]]);
});
