/** A judge behind a server that fails in every way it can: no verdict is lost, none is counted twice. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { journaledJudge } from "../../src/judge/journaled-judge.js";
import { PromptedJudge } from "../../src/judge/prompted-judge.js";
import { EndpointPolicy } from "../../src/policy/endpoint-policy.js";
import { type Reply, ScriptedServer, texts } from "../support/scripted-server.js";
import { stepView } from "../support/step-view.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** 10,000 before a release (SWIRL_STRESS). */
const STEPS = process.env.SWIRL_STRESS ? 10_000 : 2_000;

let folder: string;
let file: string;
beforeAll(() => {
  folder = temporaryFolder();
  file = join(folder, "verdicts.jsonl");
});

const step = (i: number) => stepView({ action: `action ${i}` });
const lines = async () =>
  (await readFile(file, "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe("a judge behind a faulty server", () => {
  it("loses no verdict and counts none twice over a faulty server", async () => {
    const faults: Reply[] = [
      { kind: "status", status: 429, headers: { "retry-after": "0.002" } },
      { kind: "status", status: 500 },
      { kind: "truncate" },
      { kind: "close" },
      { kind: "cut" },
    ];
    await using server = await ScriptedServer.start(({ body, attempt, index }) => {
      const text = body.messages[0]!.content;
      const i = Number(/action (\d+)\n\[\[END OF LATEST/.exec(text)![1]);
      if (i % 500 === 7) return { kind: "status", status: 500 }; // these stay out of reach
      if (attempt < 3 && index % 101 === 0)
        return index % 2 === 0 ? { kind: "hang" } : { kind: "trickle", everyMs: 20 };
      if (attempt < 3 && index % 3 === 0) return faults[index % faults.length]!;
      return texts(`Verdict: ${i % 2 === 0 ? "GOOD" : "BAD"}`);
    });
    const policy = await EndpointPolicy.connect({
      baseURL: server.baseURL,
      model: "j",
      probe: false,
      retryBaseMs: 1,
      retryMaxMs: 3,
      timeoutMs: 2_000,
      concurrency: 24,
    });
    const judged = new PromptedJudge({ policy });
    const judge = await journaledJudge(judged, file, { concurrency: 24 });
    const verdicts = await Promise.all(Array.from({ length: STEPS }, (_, i) => judge.judge(step(i))));
    await judge.close();
    for (const [i, verdict] of verdicts.entries()) {
      if (i % 500 === 7) expect(verdict.status).toBe("failed");
      else expect(verdict).toMatchObject({ status: "ok", good: i % 2 === 0 });
    }
    const written = await lines();
    expect(written).toHaveLength(STEPS);
    expect(new Set(written.map((line) => line.key)).size).toBe(STEPS);
    expect(judge.stats).toMatchObject({ asked: STEPS, failed: STEPS / 500, cached: 0, shared: 0 });
  }, 120_000);
});
