/** The page of a real study agrees with the answers, over questions and over seeds. */
import { describe, expect, it } from "vitest";
import type { JobResult } from "../job.js";
import { StudyResults } from "../results.js";
import { realJobs } from "./jobs.js";
import { realReport } from "./report.js";
import { GSM8K_JUDGED, HOTPOTQA, type RealSettings } from "./settings.js";

const settings: RealSettings = { ...HOTPOTQA, test: { limit: 4 } };
const NOTHING = { process: { count: 0, of: 0 } };

/** A whole study in which `answersOf` gives an arm's answers, one character a question. */
function study(
  seeds: number[],
  answersOf: (arm: string, seed: number) => string,
  of: RealSettings = settings,
): StudyResults {
  const results = seeds.flatMap((seed) =>
    realJobs(seed, of).map((job): JobResult => {
      const common = { version: 1 as const, ...job, key: "", seconds: 1, processorSeconds: 1 };
      if (job.work.kind !== "measure") {
        const rows = (["none", "process", "outcome", "both"] as const).map((kind) => ({
          kind,
          kept: 5,
          dropped: {},
        }));
        const table = { pool: 10, applied: "process", rows, handedOn: 5 };
        return { ...common, figures: { kept: 5, table } as never };
      }
      const answers = answersOf(job.id.replace("measure ", ""), seed);
      const count = [...answers].filter((answer) => answer === "1").length;
      const of = [...answers].filter((answer) => answer !== "-").length;
      return {
        ...common,
        figures: { answers, correct: { count, of }, labels: NOTHING, callsPerQuestion: 2, ends: {} },
      };
    }),
  );
  return new StudyResults(results, results.length / seeds.length);
}

describe("realReport of a study that starts from the published model", () => {
  it("compares every arm and control with that model, and says how they were made", () => {
    const { imitation: _, ...published } = GSM8K_JUDGED;
    const judged: RealSettings = { ...published, shots: 4, test: { limit: 4 } };
    const better = (arm: string) => (arm === "untrained" ? "0000" : "1111");
    const { page, name } = realReport(study([1], better, judged), judged, "gsm8k-judged");
    expect(name).toBe("learning-gsm8k-judged");
    for (const arm of ["process filter", "SFT on the same trajectories", "half of the verdicts", "best of 8"])
      expect(page).toMatch(new RegExp(`${arm}.* \\| 100\\.0 .*\\*\\*\\+100\\.0`));
    expect(page).toMatch(/\| untrained, 4 examples in the prompt \| 0\.0 .* \| {2}\|/);
    expect(page).toContain("a model that reads, which both have to say GOOD");
    expect(page).toContain("adapters of rank 16");
  });
});

describe("realReport", () => {
  const same = (arm: string) => (arm === "swirl/process" ? "1111" : "0000");

  it("of one seed has no table over seeds, and marks a difference of which the interval excludes 0", () => {
    const { page } = realReport(study([1], same), settings);
    expect(page).not.toContain("mean over");
    expect(page).toMatch(/after SWiRL, process filter \| 100\.0 \[51\.0, 100\.0\] \| \*\*\+100\.0/);
    expect(page).toMatch(/after SWiRL, outcome filter \| 0\.0 \[0\.0, 49\.0\] \| \+0\.0/);
  });

  it("of several seeds averages what their policies answer, question by question", () => {
    const alternating = (arm: string, seed: number) =>
      arm === "swirl/process" ? (seed === 1 ? "1100" : "1010") : arm === "format SFT" ? "1000" : "0000";
    const { page } = realReport(study([1, 2], alternating), settings);
    expect(page).toContain("mean over 2 seeds");
    expect(page).toMatch(/after format SFT \| 25\.0 \|/);
    expect(page).toMatch(/after SWiRL, process filter \| 50\.0 \| \+25\.0/);
    expect(page).toMatch(/Process filter − outcome filter: \*{0,2}\+50\.0/);
  });

  it("leaves a question that was not decided out of the paired difference", () => {
    const undecided = (arm: string) => (arm === "swirl/process" ? "11--" : "0000");
    expect(realReport(study([1], undecided), settings).page).toMatch(/process filter \| 100\.0 .*\+100\.0/);
  });

  it("draws every arm, on a scale that small shares can be read on", () => {
    const few = (arm: string) => (arm === "format SFT" ? "1".padEnd(400, "0") : "0".repeat(400));
    const svg = realReport(study([1], few), { ...settings, test: { limit: 400 } }).figures.accuracy!;
    for (const title of [
      "untrained",
      "after format SFT",
      "process filter",
      "outcome filter",
      "outcome reward",
    ])
      expect(svg).toContain(title);
    expect(svg).toContain(">4 %<");
    expect(svg).not.toContain(">100 %<");
  });
});
