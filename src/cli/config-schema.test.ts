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
    expect(message({ judge: { kind: "prompted" } })).toMatch(/needs a model or an endpoint/);
    expect(
      message({ judge: { kind: "prompted", endpoint: { baseURL: "http://x/v1", model: "m", apiKey: "k" } } }),
    ).toMatch(/apiKey/);
  });

  it("uses the filter's judge for rewards unless there is another", () => {
    const judge = { kind: "prompted", model: "/m" };
    expect(parseConfig({ judge }).rewardJudge).toMatchObject(judge);
    expect(parseConfig({ judge, rewardJudge: { kind: "rules" } }).rewardJudge).toEqual({ kind: "rules" });
  });
});
