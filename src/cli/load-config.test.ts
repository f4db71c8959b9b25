import { writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { SwirlError } from "../errors/swirl-error.js";
import { loadConfig } from "./load-config.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

async function load(config: unknown, overrides: { path: string; value: unknown }[] = [], environment = {}) {
  const file = join(folder, "config.json");
  await writeFile(file, typeof config === "string" ? config : JSON.stringify(config));
  return loadConfig({ config: file, overrides }, environment);
}

async function problem(promise: Promise<unknown>): Promise<SwirlError> {
  const error = await promise.catch((e: unknown) => e);
  if (!SwirlError.isInstance(error)) throw new Error(`no SwirlError: ${error}`);
  return error;
}

describe("loadConfig", () => {
  it("resolves the file's paths against its folder and a flag's against the working directory", async () => {
    const config = await load(
      {
        model: "../model",
        questions: { train: { file: "data/train.jsonl" } },
        task: { kind: "search", corpus: "/c.json" },
      },
      [{ path: "output", value: "runs/a" }],
    );
    expect(config).toEqual({
      model: resolve(folder, "../model"),
      questions: { train: { file: join(folder, "data/train.jsonl") } },
      task: { kind: "search", corpus: "/c.json" },
      output: resolve("runs/a"),
    });
  });

  it("reads a file with a byte-order mark", async () => {
    expect(await load(`\ufeff${JSON.stringify({ dtype: "float32" })}`)).toEqual({ dtype: "float32" });
  });

  it("puts overrides in their places, later ones last", async () => {
    const config = await load({ train: { lr: 1, epochs: 2 } }, [
      { path: "train.lr", value: 2 },
      { path: "train.lr", value: 3 },
      { path: "sft.epochs", value: 1 },
    ]);
    expect(config).toEqual({ train: { lr: 3, epochs: 2 }, sft: { epochs: 1 } });
  });

  it("takes values from the environment, and says which is missing where", async () => {
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: this is what a config file holds
    const config = { questions: { train: { file: "${DATA}/train.jsonl" } }, dtype: "${TYPE:-float32}" };
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: see above
    expect(await load(config, [], { DATA: "/d" })).toEqual({
      questions: { train: { file: "/d/train.jsonl" } },
      dtype: "float32",
    });
    const error = await problem(load(config));
    const path = "questions.train.file";
    expect(await load(config, [{ path, value: "/f" }])).toMatchObject({
      questions: { train: { file: "/f" } },
    });
    expect(error.message).toMatch(/questions\.train\.file needs the environment variable DATA/);
  });

  it("writes to no prototype, whatever the path says", async () => {
    for (const path of [
      "__proto__.x",
      "constructor.prototype.x",
      "train.__proto__.x",
      "a.constructor.y",
      "",
      "a..b",
    ]) {
      const error = await problem(load({ train: {} }, [{ path, value: 1 }]));
      expect(error, path).toMatchObject({ code: "CONFIG", remedy: expect.stringContaining("path=value") });
    }
    expect(({} as Record<string, unknown>).x).toBeUndefined();
    expect((Object as unknown as Record<string, unknown>).y).toBeUndefined();
    const own = await load({}, [{ path: "toString.x", value: 1 }]);
    expect(own).toEqual({ toString: { x: 1 } });
    expect(Object.prototype.toString).not.toHaveProperty("x");
  });

  it("expands ~ in paths of the file and of flags", async () => {
    const config = await load({ model: "~/m", task: { kind: "search", corpus: ["~/a", "b"] } }, [
      { path: "output", value: "~/runs" },
    ]);
    expect(config).toMatchObject({
      model: join(homedir(), "m"),
      task: { corpus: [join(homedir(), "a"), join(folder, "b")] },
      output: join(homedir(), "runs"),
    });
  });

  it("says what is wrong with the file", async () => {
    expect((await problem(loadConfig({ config: join(folder, "none.json"), overrides: [] }))).message).toMatch(
      /none\.json: there is no such file/,
    );
    expect((await problem(load("{"))).message).toMatch(/config\.json: .*JSON/);
    expect((await problem(load("[]"))).message).toMatch(/one JSON object/);
    expect((await problem(load({ train: 3 }, [{ path: "train.lr", value: 1 }]))).message).toMatch(
      /train is 3/,
    );
  });
});
