import { appendFile, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { EmbeddingIndex } from "./embedding-index.js";
import { embeddingSearch } from "./embedding-search.js";
import { VectorCache } from "./vector-cache.js";

/** A real server whose vectors count letters: near texts have near vectors. */
type Fault =
  | "none"
  | "twice"
  | "text"
  | "unnumbered"
  | "busy"
  | "500"
  | "429"
  | "truncate"
  | "missing"
  | "nan"
  | "short"
  | "hang"
  | "401";
let server: Server;
let faults: Fault[];
let requests: { input: string[]; authorization: string | undefined; encoding: string }[];
let dir: string;

const vectorOf = (text: string) => {
  const vector = new Array<number>(26).fill(0.01);
  for (const letter of text.toLowerCase().replace(/[^a-z]/g, "")) vector[letter.charCodeAt(0) - 97]!++;
  return vector;
};

beforeEach(async () => {
  [faults, requests] = [[], []];
  dir = temporaryFolder();
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { input, encoding_format } = JSON.parse(text);
    requests.push({ input, authorization: request.headers.authorization, encoding: encoding_format });
    const fault = faults.shift() ?? "none";
    const data = (input as string[])
      .map((one, index) => ({ object: "embedding", index, embedding: vectorOf(one) }))
      .reverse();
    const send = (status: number, body: string) =>
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    if (request.url !== "/v1/embeddings") send(404, "{}");
    else if (fault === "hang") return;
    else if (fault === "500" || fault === "429" || fault === "401")
      send(Number(fault), '{"error":{"message":"key sk-planted refused"}}');
    else if (fault === "truncate") send(200, JSON.stringify({ data }).slice(0, 50));
    else if (fault === "missing") send(200, JSON.stringify({ data: data.slice(1) }));
    else if (fault === "nan")
      send(200, JSON.stringify({ data: data.map((one) => ({ ...one, embedding: [0, 0] })) }));
    else if (fault === "twice")
      send(200, JSON.stringify({ data: data.map((one) => ({ ...one, index: 0 })) }));
    else if (fault === "text") send(200, JSON.stringify({ data: [{ index: 0, embedding: [1, "2"] }] }));
    else if (fault === "unnumbered")
      send(200, JSON.stringify({ data: data.reverse().map(({ embedding }) => ({ embedding })) }));
    else if (fault === "busy") send(200, '{"error":{"message":"overloaded"}}');
    else if (fault === "short")
      send(200, JSON.stringify({ data: data.map((one) => ({ ...one, embedding: [1, 2] })) }));
    else send(200, JSON.stringify({ object: "list", data }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const options = () => ({
  baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
  model: "letters",
  retryBaseMs: 1,
  retryMaxMs: 2,
});
const passages = Array.from({ length: 10 }, (_, i) => ({
  title: `T${i}`,
  text: String.fromCharCode(97 + i).repeat(20),
}));

describe("embeddingSearch", () => {
  it("finds the nearest passages", async () => {
    const tool = await embeddingSearch(passages, { ...options(), topK: 2, batchSize: 3 });
    const result = String(await tool.execute({ query: "dddd dd e" }, {}));
    expect(result).toBe(`T3: ${"d".repeat(20)}\nT4: ${"e".repeat(20)}`);
    expect(requests.map(({ input }) => input.length)).toEqual([3, 3, 3, 1, 1]);
    expect(requests[0]).toMatchObject({ authorization: undefined, encoding: "float" });
  });

  it("survives every fault that passes, losing and repeating nothing", async () => {
    faults = ["500", "truncate", "429", "missing", "nan", "busy", "unnumbered"];
    const progress: number[] = [];
    const index = await EmbeddingIndex.build(passages, {
      ...options(),
      batchSize: 4,
      concurrency: 1,
      onProgress: (done) => progress.push(done),
    });
    expect((await index.search("ffff", 1))[0]?.passage.title).toBe("T5");
    expect(progress).toEqual([0, 4, 8, 10]);
  });

  it.each([
    ["twice", /data\.1\.index is 0/],
    ["text", /data\.0\.embedding\.1: .*expected number/],
  ] as const)(
    "refuses a reply of the wrong shape at once, and names the field: %s",
    async (fault, message) => {
      faults = [fault];
      await expect(EmbeddingIndex.build(passages, options())).rejects.toThrow(message);
      expect(requests).toHaveLength(1);
    },
  );

  it("gives up with the server's words, and without the key", async () => {
    faults = ["401"];
    const failure = await EmbeddingIndex.build(passages, { ...options(), apiKey: "sk-planted" }).catch(
      (error) => error,
    );
    expect(failure).toMatchObject({ name: "SwirlError", code: "ENDPOINT" });
    expect(failure.message).toContain("401");
    expect(JSON.stringify([failure, failure.message])).not.toContain("sk-planted");
    expect(requests[0]?.authorization).toBe("Bearer sk-planted");
  });

  it("ends at once on abort", async () => {
    faults = ["hang"];
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const building = EmbeddingIndex.build(passages, { ...options(), signal: controller.signal });
    await expect(building).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("embeds a corpus and a query once, and resumes where it stopped", async () => {
    const cacheFile = join(dir, "deep", "letters.bin");
    faults = ["none", "none", "401"];
    const stopped = EmbeddingIndex.build(passages, { ...options(), cacheFile, batchSize: 3, concurrency: 1 });
    await expect(stopped).rejects.toMatchObject({ code: "ENDPOINT" });
    requests = [];
    const index = await EmbeddingIndex.build(passages, {
      ...options(),
      cacheFile,
      batchSize: 3,
      concurrency: 1,
    });
    expect(requests.map(({ input }) => input.length)).toEqual([3, 1]);
    const hits = await index.search("ccc", 2);
    requests = [];
    const again = await EmbeddingIndex.build(passages, { ...options(), cacheFile });
    expect(await again.search("ccc", 2)).toEqual(hits);
    expect(requests).toEqual([]);
    await EmbeddingIndex.build(passages.slice(0, 1), { ...options(), model: "other", cacheFile });
    expect(requests.length).toBe(1);
  });

  it("refuses vectors of another length", async () => {
    const index = await EmbeddingIndex.build(passages, options());
    faults = ["short"];
    await expect(index.search("new query", 1)).rejects.toThrow(/an embedding of 2 numbers among those of 26/);
  });

  it("refuses unknown options and credentials in the URL", async () => {
    await expect(EmbeddingIndex.build([], { ...options(), batchsize: 3 } as never)).rejects.toThrow(
      /batchSize/,
    );
    await expect(
      EmbeddingIndex.build([], { ...options(), baseURL: "http://u:p@127.0.0.1/v1" }),
    ).rejects.toMatchObject({ code: "CONFIG" });
  });
});

describe("VectorCache", () => {
  const entry = (i: number) => [VectorCache.key("m", String(i)), Float32Array.of(i, i + 0.5)] as const;

  it("drops a torn record and continues", async () => {
    const file = join(dir, "v.bin");
    const cache = await VectorCache.open(file);
    await Promise.all([cache.add([entry(1), entry(2)]), cache.add([entry(3)])]);
    const whole = (await stat(file)).size;
    await appendFile(file, Buffer.alloc(17, 1));
    const reopened = await VectorCache.open(file);
    expect(reopened.size).toBe(3);
    expect((await stat(file)).size).toBe(whole);
    await reopened.add([entry(4)]);
    expect((await VectorCache.open(file)).get(entry(4)[0])).toEqual(Float32Array.of(4, 4.5));
  });

  it("keeps what stands before a damaged record, whatever the damage", async () => {
    const file = join(dir, "v.bin");
    const cache = await VectorCache.open(file);
    await cache.add([entry(1), entry(2), entry(3)]);
    const data = await readFile(file);
    for (let at = 16; at < data.length; at++) {
      const bad = Buffer.from(data);
      bad[at]! ^= 0x40;
      await writeFile(file, bad);
      const kept = await VectorCache.open(file);
      expect(kept.size).toBe(Math.floor((at - 16) / 44));
    }
  });

  it("refuses a file that is none of its own, and mends a torn header", async () => {
    const file = join(dir, "v.bin");
    await writeFile(file, "something else entirely");
    await expect(VectorCache.open(file)).rejects.toMatchObject({ code: "RECORD" });
    await writeFile(file, "swirl");
    const cache = await VectorCache.open(file);
    await cache.add([entry(1)]);
    expect((await VectorCache.open(file)).size).toBe(1);
  });
});
