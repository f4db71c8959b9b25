import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { llamaCppScript, sglangScript, vllmScript } from "../../../tests/support/scripted-serving.js";
import { ServingServer } from "../../../tests/support/serving-server.js";
import { temporaryFolder } from "../../../tests/support/temporary-folder.js";
import { writeTinyModel } from "../../../tests/support/tiny-world.js";
import { NativePolicy, Policy, type ServedPolicy } from "../../index.js";

const SCRIPTS = { vllm: vllmScript, sglang: sglangScript };
let model: string;
let trained: NativePolicy;
beforeAll(async () => {
  model = join(temporaryFolder(), "model");
  await writeTinyModel(model);
  trained = await NativePolicy.load(model, { device: "cpu", threads: 1, lora: { rank: 2 } });
});
afterAll(async () => trained?.dispose());

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function fleet(
  api: keyof typeof SCRIPTS,
  count: number,
): Promise<{ policy: ServedPolicy; servers: ServingServer[]; notes: string[] }> {
  const servers: ServingServer[] = [];
  for (let i = 0; i < count; i++) {
    const base = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: false });
    servers.push(await ServingServer.start(SCRIPTS[api](base)));
    open.push(base, servers[i]!);
  }
  const notes: string[] = [];
  const policy = await Policy.connect({
    servers: servers.map(({ url }) => url),
    api,
    tokenizer: model,
    ...(api === "vllm" ? { model: "tiny" } : {}),
    healthEveryMs: 50,
    onNote: (note) => notes.push(note),
  });
  open.push(policy);
  return { policy, servers, notes };
}

/** Moves the adapter, as an update does. */
async function learn(): Promise<void> {
  const context = trained.begin(ask).tokens!;
  const sequence = { tokens: [...context, 7, 9, 3], actionStart: context.length, advantage: 1 };
  await trained.update([sequence], { optimizer: { lr: 0.5 } });
}

const ask = [{ role: "user", content: "How many of abab 1" }] as const;
const paths = (server: ServingServer, path: RegExp) =>
  server.arrivals.filter((arrival) => path.test(arrival.path)).map(({ body }) => body.lora_name);

describe.each(["vllm", "sglang"] as const)("publish to %s", (api) => {
  it("gives every server the adapter as it is, checks it, and lets go of old versions", async () => {
    const { policy, servers } = await fleet(api, 2);
    const folder = join(temporaryFolder(), "adapters");
    for (const version of [1, 2, 3]) {
      await learn();
      const published = await policy.publish(trained, { folder });
      expect(published).toMatchObject({ name: `swirl-v${version}`, version });
      expect(published.probes.map(({ tokens, max }) => tokens >= 32 && max < 1e-3)).toEqual([true, true]);
      const [here] = await trained.act(trained.begin(ask), { temperature: 0, maxNewTokens: 8 });
      const [there] = await policy.act(policy.begin(ask), { temperature: 0, maxNewTokens: 8 });
      expect(there!.tokens).toEqual(here!.tokens);
      expect(policy.id).toBe(`${api}#swirl-v${version}`);
    }
    for (const server of servers) {
      expect(paths(server, /\/load_lora/)).toEqual(["swirl-v1", "swirl-v2", "swirl-v3"]);
      expect(paths(server, /\/unload_lora/)).toEqual(["swirl-v1", "swirl-v2", "swirl-v3", "swirl-v1"]);
    }
    expect((await readdir(folder)).sort()).toEqual(["swirl-v2", "swirl-v3"]);

    // Another run, whose folder is new: the servers still have a swirl-v2 of this one.
    await learn();
    const other = temporaryFolder();
    await trained.save(join(other, "swirl-v1"));
    const again = await Policy.connect({
      servers: servers.map(({ url }) => url),
      api,
      tokenizer: model,
      ...(api === "vllm" ? { model: "tiny" } : {}),
      onNote: () => {},
    });
    open.push(again);
    expect(await again.publish(trained, { folder: other })).toMatchObject({ name: "swirl-v2" });
  });

  it("never uses a number again, and brings a server that was started again up to date", async () => {
    const { policy, servers } = await fleet(api, 2);
    const folder = temporaryFolder();
    await trained.save(join(folder, "swirl-v41"));
    expect((await policy.publish(trained, { folder })).version).toBe(42);
    const [lost] = servers;
    await lost!.kill();
    const base = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: false });
    open.push(base);
    lost!.script = SCRIPTS[api](base); // a new process has no adapter
    lost!.arrivals.length = 0;
    for (let i = 0; i < 100 && policy.servers.every(({ state }) => state === "up"); i++) {
      await policy.act(policy.begin(ask), { maxNewTokens: 2 });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await learn(); // the reference has moved on: only the version's name says what the server should have
    await lost!.listen();
    for (let i = 0; i < 300 && policy.servers.some(({ state }) => state === "down"); i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(policy.servers.some(({ state }) => state === "down")).toBe(false);
    expect(paths(lost!, /\/load_lora/)).toContain("swirl-v42");
  });
});

describe("publish", () => {
  it("refuses a server that does not take the adapter, and all of them", async () => {
    const { policy, servers } = await fleet("vllm", 2);
    const folder = temporaryFolder();
    await learn();
    const [ignores] = servers;
    const script = ignores!.script;
    // It reports success and still answers with the base model.
    ignores!.script = (request) =>
      request.path === "/v1/load_lora_adapter"
        ? { raw: "Success" }
        : script({ ...request, body: { ...request.body, model: "tiny" } });
    await policy.publish(trained, { folder });
    const refused = () => policy.servers.find(({ state }) => state === "down")?.lastError ?? "";
    for (let i = 0; i < 200 && !/base model/.test(refused()); i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(refused()).toMatch(/answers with the base model/);
    expect(policy.servers.filter(({ state }) => state === "up")).toHaveLength(1);
    await servers[1]!.kill();
    await expect(policy.publish(trained, { folder })).rejects.toMatchObject({ code: "ENDPOINT" });
    expect(policy.id).toBe("vllm#swirl-v1");
  });

  it("refuses policies without an adapter, and servers that cannot load one", async () => {
    const { policy } = await fleet("sglang", 1);
    await using plain = await NativePolicy.load(model, { device: "cpu", threads: 1 });
    const folder = temporaryFolder();
    await expect(policy.publish(plain, { folder })).rejects.toMatchObject({ code: "CONFIG" });
    await expect(policy.publish(trained, { folder, keep: 1 })).rejects.toMatchObject({ code: "CONFIG" });
    await expect(policy.publish(trained, { folder, name: "../x" })).rejects.toMatchObject({ code: "CONFIG" });
    await using server = await ServingServer.start(llamaCppScript(plain));
    await using llama = await Policy.connect({ servers: [server.url], api: "llama.cpp", tokenizer: model });
    await expect(llama.publish(trained, { folder })).rejects.toThrow(/loads no adapter while it runs/);
    expect(await readdir(folder)).toEqual([]);
  });
});
