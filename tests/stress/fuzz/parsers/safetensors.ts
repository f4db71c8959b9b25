import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeHeader, headerLength, parseHeader } from "../../../../src/policy/checkpoint/safetensors.js";
import { openWeightFiles } from "../../../../src/policy/checkpoint/weight-files.js";
import { mutateJsonText, mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { workFolder } from "./corpus.js";

const HEADERS = [
  {
    a: { dtype: "F32", shape: [2, 3], data_offsets: [0, 24] },
    b: { dtype: "BF16", shape: [4], data_offsets: [24, 32] },
  },
  { __metadata__: { format: "pt" }, a: { dtype: "F16", shape: [], data_offsets: [0, 2] } },
  {
    e: { dtype: "F32", shape: [0, 7], data_offsets: [0, 0] },
    a: { dtype: "U8", shape: [5], data_offsets: [0, 5] },
  },
];
const WORDS = [
  '"dtype"',
  '"F32"',
  '"BF16"',
  '"shape"',
  '"data_offsets"',
  '"__metadata__"',
  "[0,24]",
  "4294967296",
  "-1",
];

/** What the last offset of the header asks for, so that most files have the right size. */
function dataBytes(header: string): number {
  const ends = [...header.matchAll(/"data_offsets":\[\d+,(\d{1,4})\]/g)].map(([, end]) => Number(end));
  return Math.max(0, ...ends);
}

/** Tensors fill the file from the header to its end; a header written from them reads the same. */
export const safetensors: FuzzedParser = {
  name: "safetensors",
  // Latin-1, so that a text names every file. The data after the header is zero bytes.
  input: (random) => {
    const header = Buffer.from(mutateJsonText(random, HEADERS, WORDS), "utf8");
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(
      BigInt(random.pick([header.length, header.length, header.length, header.length + 8, 0])),
    );
    const file = Buffer.concat([prefix, header, Buffer.alloc(dataBytes(header.toString()))]).toString(
      "latin1",
    );
    return random.integer(0, 9) === 0 ? mutateText(random, [file]) : file;
  },
  read: (input) => {
    const file = Buffer.from(input, "latin1");
    const length = headerLength(file.subarray(0, 8), file.length, "file");
    const { tensors, metadata } = parseHeader(file.subarray(8, 8 + length), file.length, "file");
    let end = 8 + length;
    for (const { offset, bytes } of tensors) {
      must(offset === end && bytes >= 0, "tensors follow each other");
      end += bytes;
    }
    must(end === file.length, "tensors fill the file");
    const written = encodeHeader(tensors, metadata);
    const data = file.length - 8 - length;
    const again = parseHeader(written.subarray(8), written.length + data, "again");
    const shape = (list: typeof tensors) => JSON.stringify(list.map(({ offset: _, ...tensor }) => tensor));
    must(shape(again.tensors) === shape(tensors), "a header that is written again reads the same");
    must(
      JSON.stringify(again.metadata) === JSON.stringify(metadata),
      "metadata that is written again reads the same",
    );
    return tensors;
  },
};

const INDEX = {
  metadata: { total_size: 24 },
  weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" },
};
const SHARDS = [
  "model-1.safetensors",
  "model-2.safetensors",
  "../outside.safetensors",
  "/etc/passwd",
  "x/../model-1.safetensors",
];

/** No file but the folder's own is opened. */
export const shardIndex: FuzzedParser = {
  name: "shard-index",
  share: 0.1,
  input: (random) =>
    mutateJsonText(
      random,
      [INDEX],
      SHARDS.map((name) => JSON.stringify(name)),
    ),
  read: async (input) => {
    const folder = indexFolder();
    writeFileSync(join(folder, "model.safetensors.index.json"), input);
    const { files, tensors } = await openWeightFiles(folder);
    must(
      files.every(({ path }) => /^model-[12]\.safetensors$/.test(path.slice(folder.length + 1))),
      "shards lie in the folder",
    );
    return [...tensors.keys()];
  },
};

let made: string | undefined;

function indexFolder(): string {
  if (made !== undefined) return made;
  const folder = join(workFolder("index"), "model");
  mkdirSync(folder);
  for (const [index, name] of ["a", "b"].entries()) {
    const tensor = { name, dtype: "F32" as const, shape: [3] };
    const file = Buffer.concat([encodeHeader([tensor], {}), Buffer.alloc(12)]);
    writeFileSync(join(folder, `model-${index + 1}.safetensors`), file);
    writeFileSync(join(folder, "../outside.safetensors"), file);
  }
  made = folder;
  return folder;
}
