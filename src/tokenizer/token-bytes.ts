/**
 * The UTF-8 bytes that every token id stands for, so that the sampler can see stop strings across token borders.
 *
 * Byte-level BPE: each character of a token is one byte (GPT-2's alphabet). SentencePiece: "▁" is a space, and
 * `<0xAB>` is one byte where the tokenizer falls back to bytes. Byte-level BPE's added tokens are their own text.
 */
export interface TokenBytes {
  /** All tokens' bytes, one after the other. */
  bytes: Uint8Array;
  /** [vocabulary + 1] Token i is `bytes.subarray(offsets[i], offsets[i + 1])`. Ids without a token have no bytes. */
  offsets: Int32Array;
}

export interface TokenBytesOptions {
  byteLevel: boolean;
  byteFallback: boolean;
  /** The character that stands for a space, if any. */
  spaceSymbol: string | undefined;
}

const encoder = new TextEncoder();

export function tokenBytes(
  contents: readonly (string | undefined)[],
  added: ReadonlySet<number>,
  options: TokenBytesOptions,
): TokenBytes {
  const parts = contents.map((content, id) => {
    if (content === undefined) return new Uint8Array(0);
    if (added.has(id) && options.byteLevel) return encoder.encode(content);
    return pieceBytes(content, options);
  });
  const offsets = new Int32Array(parts.length + 1);
  for (const [id, part] of parts.entries()) offsets[id + 1] = offsets[id]! + part.length;
  const bytes = new Uint8Array(offsets[parts.length]!);
  for (const [id, part] of parts.entries()) bytes.set(part, offsets[id]!);
  return { bytes, offsets };
}

function pieceBytes(content: string, options: TokenBytesOptions): Uint8Array {
  if (options.byteLevel) {
    const bytes = Array.from(content, (character) => BYTE_OF_CHARACTER.get(character));
    if (bytes.every((byte) => byte !== undefined)) return Uint8Array.from(bytes);
    return encoder.encode(content);
  }
  const byte = options.byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(content)?.[1] : undefined;
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
  return encoder.encode(options.spaceSymbol ? content.replaceAll(options.spaceSymbol, " ") : content);
}

/** GPT-2's alphabet: printable bytes are themselves, the others are moved to U+0100 and above. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const map = new Map<string, number>();
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    map.set(String.fromCharCode(printable(byte) ? byte : 0x100 + moved++), byte);
  }
  return map;
})();
