import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SwirlError } from "../errors/swirl-error.js";
import { parseConfig } from "./config-schema.js";

function message(raw: Record<string, unknown>): string {
  try {
    parseConfig(raw);
  } catch (error) {
    if (SwirlError.isInstance(error) && error.code === "CONFIG") return error.message;
  }
  throw new Error("no CONFIG error");
}

describe("parseConfig", () => {
  it("fills in every default", () => {
    const config = parseConfig({ task: { kind: "calculator" } });
    expect(config).toMatchObject({
      device: "auto",
      seed: 0,
      task: { callLimit: 10 },
      judge: { kind: "rules" },
      rewardJudge: { kind: "rules" },
      filter: { kind: "process" },
      train: { klWeight: 0.05, checkpoints: { every: 20, keep: 2 } },
      evaluate: { at: ["start", "trained"] },
    });
    expect(config.sft).toBeUndefined();
  });

  it("takes trackers as a list or as one text, and names the one that does not exist", () => {
    expect(parseConfig({}).trackers).toEqual([]);
    expect(parseConfig({ trackers: "tensorboard, mlflow" }).trackers).toEqual(["tensorboard", "mlflow"]);
    expect(message({ trackers: "jsonl,clearml" })).toMatch(/trackers\.1: .*"trackio".*\(got "clearml"\)/);
    expect(message({ tracking: { folder: "x" } })).toMatch(/config tracking: folder: unknown option/);
  });

  it.each([null, "rules", 5, []])("refuses %j as a judge", (value) => {
    expect(message({ judge: value })).toContain("is not a judge");
    expect(message({ rewardJudge: value })).toContain("is not a judge");
  });

  it("names an unknown key at any depth and suggests the nearest", () => {
    expect(message({ modle: "x" })).toMatch(/modle: unknown option \(did you mean model\?\)/);
    expect(message({ train: { sampelsPerState: 4 } })).toMatch(
      /config train.*did you mean samplesPerState\?/,
    );
    expect(message({ judge: { kind: "prompted", model: "m", treshold: 1 } })).toMatch(
      /did you mean threshold\?/,
    );
    expect(message({ train: { checkpoints: { evry: 1 } } })).toMatch(
      /train\.checkpoints.*did you mean every\?/,
    );
    expect(message({ task: { kind: "search", corpus: "c", topk: 3 } })).toMatch(/did you mean topK\?/);
  });

  it("says what a value should have been", () => {
    expect(message({ train: { lr: -1 } })).toMatch(/config train: lr: .*got -1/);
    expect(message({ task: { kind: "chess" } })).toMatch(/kind is "chess"[\s\S]*calculator, search/);
    expect(message({ judge: { kind: "prompted" } })).toMatch(/needs either a model or an endpoint/);
    expect(
      message({ judge: { kind: "prompted", endpoint: { baseURL: "http://x/v1", model: "m", apiKey: "k" } } }),
    ).toMatch(/apiKey/);
  });

  it("reads several judges as one, each checked as a judge of its own", () => {
    const judges = [{ kind: "rules" }, { model: "/m", mode: "logprobs" }];
    expect(parseConfig({ judge: { kind: "combined", judges } }).rewardJudge).toMatchObject({
      require: "all",
      judges: [{ kind: "rules" }, { kind: "prompted", model: "/m", mode: "logprobs", votes: 1 }],
    });
    expect(
      message({ judge: { kind: "combined", judges: [{ kind: "rules" }, { kind: "prompted" }] } }),
    ).toMatch(/config judge\.judges\[1\]: .*needs either a model or an endpoint/);
    expect(message({ judge: { kind: "combined", judges: [{ kind: "rules" }] } })).toMatch(/judges/);
  });

  it("samples at 0.7 where several trajectories vote, and greedily where one does", () => {
    expect(parseConfig({ evaluate: { votes: 4 } }).evaluate).toMatchObject({ temperature: 0.7 });
    expect(parseConfig({ evaluate: { votes: 4, temperature: 1 } }).evaluate).toMatchObject({
      temperature: 1,
    });
    expect(parseConfig({}).evaluate).toMatchObject({ votes: 1, temperature: 0 });
  });

  it("takes a judge with a model for a prompted one", () => {
    expect(parseConfig({ judge: { model: "/m" } }).judge).toMatchObject({ kind: "prompted", votes: 1 });
    expect(parseConfig({ judge: {} }).judge).toEqual({ kind: "rules" });
  });

  it("uses the filter's judge for rewards unless there is another", () => {
    const judge = { kind: "prompted", model: "/m" };
    expect(parseConfig({ judge }).rewardJudge).toMatchObject(judge);
    expect(parseConfig({ judge, rewardJudge: { kind: "rules" } }).rewardJudge).toEqual({ kind: "rules" });
  });
});

describe("docs/configuration.md", () => {
  /** Keys and defaults of the tables below a heading. */
  function documented(heading: string): Record<string, unknown>[] {
    const text = readFileSync("docs/configuration.md", "utf8");
    const section = text.split(/^## /m).find((part) => part.startsWith(heading));
    if (!section) throw new Error(`no section ${heading}`);
    return section
      .split("| key | default | meaning |")
      .slice(1)
      .map((table) =>
        Object.fromEntries(
          [...table.matchAll(/^\| `(\w+)` \| (.*?) \|/gm)].map(([, key, value]) => [
            key,
            value === "–" ? undefined : JSON.parse(value!.replaceAll("`", "")),
          ]),
        ),
      );
  }
  const source = { dataset: "gsm8k", file: "f" };
  const config = parseConfig({
    questions: { train: source },
    sft: { trajectories: "t" },
    judge: { kind: "prompted", model: "m" },
    rewardJudge: { kind: "rules" },
    task: { kind: "search", corpus: "c" },
  });
  const prompted = config.judge;
  const calculator = parseConfig({ task: { kind: "calculator" } }).task;

  it.each([
    [
      "Top level",
      0,
      config,
      [
        "task",
        "questions",
        "rollout",
        "sft",
        "synthesize",
        "judge",
        "rewardJudge",
        "filter",
        "train",
        "evaluate",
        "tracking",
      ],
    ],
    ["`task`", 0, calculator, []],
    ["`task`", 1, config.task, ["corpus"]],
    ["`questions.train`", 0, config.questions.train, ["dataset", "file"]],
    ["`rollout`", 0, config.rollout, []],
    ["`sft`", 0, config.sft, ["trajectories", "checkpoints"]],
    ["`synthesize`", 0, config.synthesize, []],
    ["`judge`", 0, config.rewardJudge, []],
    ["`judge`", 1, prompted, ["model"]],
    ["`filter`", 0, config.filter, []],
    ["`train`", 0, config.train, ["checkpoints"]],
    ["`sft.checkpoints`", 0, config.train.checkpoints, []],
    ["`evaluate`", 0, config.evaluate, []],
    ["`tracking`", 0, config.tracking, []],
  ])("has every default of %s, table %i", (heading, table, value, given: string[]) => {
    const expected = Object.entries(value as object).filter(
      ([key, item]) => !given.includes(key) && item !== undefined,
    );
    expect(documented(heading)[table]).toMatchObject(Object.fromEntries(expected));
  });

  it.each(["rollout", "sft", "synthesize", "filter", "train", "evaluate"])(
    "has no key of %s that there is not",
    (name) => {
      const table = documented(`\`${name}\``)[0]!;
      const unknown = `${name}: no such key`;
      for (const key of Object.keys(table)) {
        let problem = "";
        try {
          parseConfig({ [name]: { [key]: { [unknown]: 1 } } });
        } catch (error) {
          problem = String(error);
        }
        expect(problem, key).not.toMatch(new RegExp(`\\b${key}: unknown option`));
      }
      expect(message({ [name]: { [unknown]: 1 } })).toMatch(/takes: /);
      const known = message({ [name]: { [unknown]: 1 } })
        .split("takes: ")[1]!
        .split(", ");
      expect(Object.keys(table).sort()).toEqual(known.sort());
    },
  );
});
