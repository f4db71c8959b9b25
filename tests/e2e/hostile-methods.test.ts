/**
 * Every method of what the exports construct, called with what no caller should pass: a SwirlError or a result, never
 * another error. A new method of one of these objects is walked without being named here.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VOCABULARY } from "../../src/demo/tokenizer.js";
import * as api from "../../src/index.js";
import { hostileValues, use } from "../support/hostile-values.js";
import { vllmScript } from "../support/scripted-serving.js";
import { ServingServer } from "../support/serving-server.js";
import { stepView } from "../support/step-view.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { TinkerServer } from "../support/tinker-server.js";
import { writeTinyModel } from "../support/tiny-world.js";

let folder: string;
let objects: Record<string, object>;
/** What the policies on other machines are connected to. */
let servers: { serving: ServingServer; tinker: TinkerServer };
const passages = [{ id: "1", title: "A", text: "a passage of words" }];

/** One of each, by name. */
async function construct(): Promise<Record<string, object>> {
  const at = (...path: string[]) => join(folder, ...path);
  await mkdir(at("files"));
  await writeTinyModel(at("model"));
  await writeFile(at("passages.json"), JSON.stringify(passages));
  const policy = await api.Policy.load(at("model"), { device: "cpu", threads: 1 });
  const connect = { baseURL: "http://127.0.0.1:9/v1", model: "m", probe: false, maxRetries: 0 };
  servers = {
    serving: await ServingServer.start(vllmScript(policy)),
    tinker: await TinkerServer.start({ vocab: VOCABULARY.length }),
  };
  const rules = api.ruleJudges.calculator();
  return {
    NativePolicy: policy,
    Tokenizer: await api.Tokenizer.load(at("model")),
    EndpointPolicy: await api.Policy.connect(connect),
    ServedPolicy: await api.Policy.connect({
      ...{ servers: [servers.serving.url], api: "vllm", model: "tiny", tokenizer: at("model") },
      ...{ probe: false, maxRetries: 0, deadlineMs: 2_000 },
    }),
    TinkerPolicy: await api.Policy.connect({
      ...{ trainer: "tinker", baseURL: servers.tinker.baseURL, baseModel: "bigram", tokenizer: at("model") },
      ...{ reduction: { kind: "sum", scope: "step" }, clipsGradients: true, lora: { rank: 2 } },
      ...{ maxRetries: 0, deadlineMs: 2_000, heartbeatMs: 1e6 },
    }),
    PromptedJudge: new api.PromptedJudge({ policy, maxNewTokens: 4, retries: 0 }),
    AnswerKeyJudge: new api.AnswerKeyJudge({ policy, maxNewTokens: 4, retries: 0 }),
    RuleJudge: rules,
    "journaledJudge()": await api.journaledJudge(rules, at("files", "verdicts.jsonl")),
    VerdictJournal: await api.VerdictJournal.open(at("files", "journal.jsonl")),
    "openTrajectoryWriter()": await api.openTrajectoryWriter(at("files", "trajectories.jsonl")),
    RunDirectory: await api.RunDirectory.open(at("run"), { config: {} }),
    Bm25Index: await api.Bm25Index.build(passages as never),
    "exactMatcher()": api.exactMatcher(),
    "numericMatcher()": api.numericMatcher(),
    "calculatorTask()": api.calculatorTask(api.calculator()),
    "outcomeReward()": api.outcomeReward({ task: api.calculatorTask(api.calculator()) }),
    "createRandom()": api.createRandom(1, "walk"),
  };
}

/** Called last, and once, by this file. */
const ENDINGS = new Set(["constructor", "dispose", "close"]);

function methods(object: object): string[] {
  const names = new Set<string>();
  for (
    let level = object;
    level !== null && level !== Object.prototype;
    level = Object.getPrototypeOf(level)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === "function" && !ENDINGS.has(name)) names.add(name);
    }
  }
  return [...names];
}

const cwd = process.cwd();
beforeAll(async () => {
  folder = temporaryFolder();
  objects = await construct();
  process.chdir(folder);
}, 60_000);

afterAll(async () => {
  process.chdir(cwd);
  for (const object of Object.values(objects ?? {}))
    await (object as Partial<AsyncDisposable>)[Symbol.asyncDispose]?.();
  for (const server of Object.values(servers ?? {})) await server[Symbol.asyncDispose]();
});

it("answers hostile arguments of every method with a SwirlError or a result", async () => {
  const wrong: string[] = [];
  let walked = 0;
  for (const [name, object] of Object.entries(objects)) {
    const context = name.endsWith("Policy")
      ? (object as api.Policy).begin([{ role: "user", content: "x" }])
      : {};
    for (const method of methods(object)) {
      walked++;
      const call = (object as Record<string, (...args: unknown[]) => unknown>)[method]!.bind(object);
      const tuples: [string, unknown[]][] = hostileValues.flatMap(([what, value]) => [
        [what, [value]],
        [`${what}, twice`, [value, value]],
        [`a context, ${what}`, [context, value]],
        [`a step, ${what}`, [stepView({ action: "x" }), value]],
        [`[], ${what}`, [[], value]],
      ]);
      for (const [what, args] of [["no arguments", []] as [string, unknown[]], ...tuples]) {
        try {
          await use(await call(...args));
        } catch (error) {
          if (api.SwirlError.isInstance(error)) continue;
          const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
          wrong.push(`${name}.${method}(${what}): ${said}`);
        }
      }
    }
  }
  expect(walked).toBeGreaterThan(50);
  expect(wrong).toEqual([]);
}, 240_000);
