import { expect, it } from "vitest";
import { crc32c } from "./crc32c.js";
import { eventRecord } from "./event-record.js";

it("CRC-32C has the values of RFC 3720, appendix B.4", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});

// Bytes that tensorboard 2.21 writes with its own RecordWriter and protocol buffers.
it.each([
  [
    0,
    { fileVersion: "brain.Event:2" },
    "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9",
  ],
  [
    300,
    { scalars: { "train/reward": 0.625 } },
    "2300000000000000b09f77430900001040fc54d94110ac022a150a130a0c747261696e2f726577617264150000203fd471effd",
  ],
  [3, { purge: true as const }, "0f000000000000006d532b090900001040fc54d94110033a0208019481124c"],
])("step %d: the bytes are tensorboard's own", (step, content, bytes) => {
  expect(eventRecord(1_700_000_000.25, step, content).toString("hex")).toBe(bytes);
});
