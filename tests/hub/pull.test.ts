/** Pulling from a local stand-in of the Hugging Face hub, whose large files lie on a CDN of another origin. */
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { NativePolicy, pullModel } from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

const COMMIT = "a".repeat(40);
const NAME = "org/tiny-model";
const TOKEN = "hf_planted0123456789abcdef";
const git = (bytes: Buffer) =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

interface Seen {
  host: "hub" | "cdn";
  path: string;
  range: string | undefined;
  authorization: string | undefined;
}

class Hub implements AsyncDisposable {
  readonly seen: Seen[] = [];
  files: Record<string, Buffer> = {};
  commit = COMMIT;
  /** Answers instead of the servers. */
  fault: (seen: Seen, response: ServerResponse) => boolean = () => false;
  readonly #hub: Server = createServer((request, response) => this.#serve("hub", request, response));
  readonly #cdn: Server = createServer((request, response) => this.#serve("cdn", request, response));

  static async start(folder: string): Promise<Hub> {
    const hub = new Hub();
    for (const name of readdirSync(folder)) hub.files[name] = readFileSync(join(folder, name));
    hub.files["pytorch_model.bin"] = Buffer.from("not needed");
    hub.files["onnx/model.onnx"] = Buffer.from("not needed");
    for (const server of [hub.#hub, hub.#cdn])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return hub;
  }

  url(server: "hub" | "cdn"): string {
    const { port } = (server === "hub" ? this.#hub : this.#cdn).address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #serve(host: "hub" | "cdn", { url, headers }: IncomingMessage, response: ServerResponse): void {
    const path = url!;
    const seen: Seen = { host, path, range: headers.range, authorization: headers.authorization };
    this.seen.push(seen);
    if (this.fault(seen, response)) return;
    const large = (name: string) => name.endsWith(".safetensors");
    if (path.startsWith(`/api/models/${NAME}/revision/`)) {
      const siblings = Object.entries(this.files).map(([rfilename, bytes]) => ({
        rfilename,
        size: bytes.length,
        blobId: git(bytes),
        ...(large(rfilename) ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {}),
      }));
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ id: NAME, sha: this.commit, siblings }));
      return;
    }
    const name = path.split("?")[0]!.split("/").pop()!;
    const bytes = this.files[name];
    if (!bytes) {
      response.writeHead(404).end();
    } else if (host === "hub" && large(name)) {
      response.writeHead(302, { location: `${this.url("cdn")}/signed/${name}?signature=x` }).end();
    } else {
      const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
      const range = from > 0 ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
      response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from, ...range });
      response.end(bytes.subarray(from));
    }
  }
}

let cache: string;
let model: string;
beforeEach(async () => {
  const dir = temporaryFolder();
  cache = join(dir, "hub");
  model = join(dir, "model");
  vi.stubEnv("HF_HOME", dir);
  vi.stubEnv("HF_TOKEN", "");
  vi.stubEnv("HF_HUB_CACHE", "");
  vi.stubEnv("HUGGINGFACE_HUB_CACHE", "");
  vi.stubEnv("HF_HUB_OFFLINE", "");
  await writeTinyModel(model);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const repository = () => join(cache, "models--org--tiny-model");
const downloads = (hub: Hub) => hub.seen.filter(({ path }) => !path.startsWith("/api"));

it("pulls what is needed, in the layout of huggingface_hub, and a policy loads it", async () => {
  await using hub = await Hub.start(model);
  const seen: number[] = [];
  const folder = await pullModel(NAME, {
    endpoint: hub.url("hub"),
    token: TOKEN,
    onProgress: ({ done, total }) => void seen.push(done / total),
  });
  expect(folder).toBe(join(repository(), "snapshots", COMMIT));
  expect(readFileSync(join(repository(), "refs/main"), "utf8")).toBe(COMMIT);
  expect(readdirSync(folder).sort()).toEqual(
    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].sort(),
  );
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(model, name));
    const etag = name.endsWith(".safetensors") ? sha256(bytes) : git(bytes);
    expect(lstatSync(join(folder, name)).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(folder, name))).toBe(join("../../blobs", etag));
    expect(readFileSync(join(folder, name))).toEqual(bytes);
  }
  expect(seen.at(-1)).toBe(1);
  // The token is for the hub alone.
  expect(
    hub.seen.filter(({ host }) => host === "hub").every((one) => one.authorization === `Bearer ${TOKEN}`),
  ).toBe(true);
  const cdn = hub.seen.filter(({ host }) => host === "cdn");
  expect(cdn).toHaveLength(1);
  expect(cdn[0]!.authorization).toBeUndefined();

  await (await NativePolicy.load(folder, { device: "cpu", threads: 1 })).dispose();
  const before = hub.seen.length;
  expect(await pullModel(NAME, { endpoint: hub.url("hub") })).toBe(folder);
  expect(hub.seen.length - before).toBe(1); // the revision's commit; nothing is downloaded twice
});

it("Policy.load takes a name: from the cache without the network, else by a pull", async () => {
  await using hub = await Hub.start(model);
  vi.stubEnv("HF_ENDPOINT", hub.url("hub"));
  for (const requests of [5, 5]) {
    const policy = await NativePolicy.load(NAME, { device: "cpu", threads: 1 });
    await policy.dispose();
    expect(downloads(hub).length).toBe(requests);
  }
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  await (await NativePolicy.load(NAME, { device: "cpu", threads: 1 })).dispose();
  expect(await pullModel(NAME)).toBe(join(repository(), "snapshots", COMMIT));
  await expect(pullModel(NAME, { revision: "v2" })).rejects.toMatchObject({
    code: "CHECKPOINT",
    message: /HF_HUB_OFFLINE/,
  });
  await expect(NativePolicy.load("org/absent")).rejects.toMatchObject({
    code: "CHECKPOINT",
    message: /HF_HUB_OFFLINE/,
  });
});

it("a transfer that breaks off again and again resumes, within a call and in the next one", async () => {
  await using hub = await Hub.start(model);
  const bytes = hub.files["model.safetensors"]!;
  const piece = Math.ceil(bytes.length / 8);
  hub.fault = ({ host, range }, response) => {
    if (host !== "cdn") return false;
    const from = Number(/\d+/.exec(range ?? "0")![0]);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": bytes.length - from,
      "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    });
    response.write(bytes.subarray(from, from + piece), () =>
      setTimeout(() => response.socket?.destroy(), 20),
    );
    if (from + piece >= bytes.length) response.end();
    return true;
  };
  const controller = new AbortController();
  const stopped = pullModel(NAME, {
    endpoint: hub.url("hub"),
    signal: controller.signal,
    onProgress: ({ file, done, total }) => {
      if (file === "model.safetensors" && done > 0 && done < total) controller.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
  expect(readdirSync(join(repository(), "blobs")).some((name) => name.endsWith(".swirl-incomplete"))).toBe(
    true,
  );
  expect(readdirSync(join(repository(), "refs"))).toEqual([]);

  const folder = await pullModel(NAME, { endpoint: hub.url("hub") });
  expect(readFileSync(join(folder, "model.safetensors"))).toEqual(bytes);
  const ranges = hub.seen.filter(({ host }) => host === "cdn").map(({ range }) => range);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.slice(1).every((range) => range !== undefined)).toBe(true);
}, 120_000);

it("a server that ignores ranges, or holds another file, leaves no wrong byte", async () => {
  await using hub = await Hub.start(model);
  const bytes = hub.files["model.safetensors"]!;
  mkdirSync(join(repository(), "blobs"), { recursive: true });
  writeFileSync(join(repository(), "blobs", `${sha256(bytes)}.swirl-incomplete`), Buffer.alloc(100, 7));
  hub.fault = ({ host }, response) => {
    if (host !== "cdn") return false;
    response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    return true;
  };
  const folder = await pullModel(NAME, { endpoint: hub.url("hub") });
  expect(readFileSync(join(folder, "model.safetensors"))).toEqual(bytes);

  // With ranges the 100 wrong bytes are kept, the hash says so, and the file is downloaded again.
  await using other = await Hub.start(model);
  other.files["config.json"] = Buffer.from(`${other.files["config.json"]} `);
  const config = other.files["config.json"];
  writeFileSync(join(repository(), "blobs", `${git(config)}.swirl-incomplete`), Buffer.alloc(100, 7));
  other.commit = "b".repeat(40);
  const second = await pullModel(NAME, { endpoint: other.url("hub") });
  expect(readFileSync(join(second, "config.json"))).toEqual(config);

  other.commit = "c".repeat(40);
  other.files["tokenizer.json"] = Buffer.from("{}");
  other.fault = ({ path }, response) => {
    if (!path.endsWith("tokenizer.json")) return false;
    response.end("[]");
    return true;
  };
  await expect(pullModel(NAME, { endpoint: other.url("hub") })).rejects.toMatchObject({
    code: "ENDPOINT",
    message: expect.stringContaining("tokenizer.json: its git-sha1 differs from the hub's, in two downloads"),
  });
  expect(readFileSync(join(repository(), "refs/main"), "utf8")).toBe("b".repeat(40)); // the last whole one
});

it.each([
  [401, "HF_TOKEN"],
  [403, "ask for access"],
  [404, "check the model's name"],
])("status %d is not tried again, and says what to do", async (status, remedy) => {
  await using hub = await Hub.start(model);
  hub.fault = (_, response) => {
    response.writeHead(status, { "x-error-message": `token ${TOKEN} refused` }).end();
    return true;
  };
  const error = await pullModel(NAME, { endpoint: hub.url("hub"), token: TOKEN }).catch(
    (thrown: Error) => thrown,
  );
  expect(error).toMatchObject({ code: "ENDPOINT", details: { status } });
  expect((error as Error).message).toContain(remedy);
  expect((error as Error).message).not.toContain(TOKEN);
  expect(hub.seen).toHaveLength(1);
});

it("429 and 503 are waited out, as long as Retry-After says", async () => {
  await using hub = await Hub.start(model);
  let faults = 0;
  hub.fault = (_, response) => {
    if (++faults > 2) return false;
    response.writeHead(faults === 1 ? 429 : 503, { "retry-after": "0.1" }).end();
    return true;
  };
  await pullModel(NAME, { endpoint: hub.url("hub") });
  hub.fault = (_, response) => {
    response.writeHead(429, { "retry-after": "3600" }).end();
    return true;
  };
  await expect(pullModel(NAME, { endpoint: hub.url("hub") })).rejects.toThrow(/429.*after 1 attempts/);
});

it("hostile names and answers reach no file outside the cache", async () => {
  await using hub = await Hub.start(model);
  for (const name of ["../evil", "a/b/c", "a/..", "/etc/passwd", "a--b/c", "", "https://x/y"])
    await expect(pullModel(name, { endpoint: hub.url("hub") })).rejects.toMatchObject({ code: "INPUT" });
  for (const revision of ["../../x", "a//b", ".", "a b"])
    await expect(pullModel(NAME, { endpoint: hub.url("hub"), revision })).rejects.toMatchObject({
      code: "CONFIG",
    });
  hub.files["../../evil.json"] = Buffer.from("{}");
  const folder = await pullModel(NAME, { endpoint: hub.url("hub") });
  expect(readdirSync(join(folder, "..")).sort()).toEqual([COMMIT]);
  hub.fault = (_, response) => {
    response.end("<html>a proxy</html>");
    return true;
  };
  await expect(pullModel(NAME, { endpoint: hub.url("hub") })).rejects.toThrow(/is not a Hugging Face hub/);
  delete hub.files["model.safetensors"];
  hub.fault = () => false;
  await expect(pullModel(NAME, { endpoint: hub.url("hub") })).rejects.toThrow(/has no safetensors weights/);
});

it("a link in the snapshot that leads elsewhere is replaced", async () => {
  await using hub = await Hub.start(model);
  const folder = await pullModel(NAME, { endpoint: hub.url("hub"), revision: COMMIT });
  expect(readdirSync(join(repository(), "refs"))).toEqual([]); // a commit needs no reference
  rmSync(join(folder, "config.json"));
  symlinkSync("/nowhere", join(folder, "config.json"));
  await pullModel(NAME, { endpoint: hub.url("hub"), revision: COMMIT });
  expect(readFileSync(join(folder, "config.json"))).toEqual(hub.files["config.json"]);
});
