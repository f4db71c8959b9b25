/** Verdicts follow from the numbers by the rule that the page states. */
import { describe, expect, it } from "vitest";
import type { JobResult, MeasureFigures } from "../job.js";
import { StudyResults } from "../results.js";
import { arms, BASE, miniatureJobs, SWIRL } from "./arms.js";
import { CLAIMS, type Claim, judgeClaim } from "./claims.js";
import { Outcomes } from "./outcomes.js";
import { miniatureReport } from "./report.js";
import { MINIATURE } from "./settings.js";

const SEEDS = [0, 1, 2, 3, 4];

/** A whole study in which `rightOf` says how many of 1,500 answers an arm gets right. */
function study(rightOf: (arm: string, seed: number) => number, seeds = SEEDS): StudyResults {
  const results = seeds.flatMap((seed) =>
    miniatureJobs(seed, MINIATURE).map((job): JobResult => {
      const common = { version: 1 as const, ...job, key: "", seconds: 1, processorSeconds: 1 };
      if (job.work.kind === "measure") {
        const count = rightOf(job.work.policy!, seed);
        const labels = Object.fromEntries(
          ["process", "independent", "oracle"].map((judge) => [judge, { count: 2 * count, of: 4500 }]),
        );
        const figures: MeasureFigures = {
          answers: "",
          correct: { count, of: 1500 },
          labels,
          callsPerQuestion: 2,
          ends: {},
        };
        return { ...common, figures };
      }
      const rows = (["none", "process", "outcome", "both"] as const).map((kind) => ({
        kind,
        kept: kind === "none" ? 10 : 4,
        dropped: {},
      }));
      return {
        ...common,
        figures: { kept: 4, table: { pool: 10, applied: "both", rows, handedOn: 4 } } as never,
      };
    }),
  );
  return new StudyResults(results, results.length / seeds.length);
}

const noise = (seed: number) => 3 * ((seed * 7) % 5);
const claim = (arm: string, other: string, predicted: "more" | "less"): Claim => ({
  text: "",
  source: "",
  tests: [{ arm, other, where: "near", predicted }],
});

describe("judgeClaim", () => {
  const outcomes = new Outcomes(
    study((arm, seed) =>
      arm === SWIRL ? 1100 + noise(seed) : arm === "swirl/none" ? 698 + noise(seed) : 700 + 2 * noise(seed),
    ),
  );

  it("says reproduced where the interval lies on the predicted side", () => {
    const { verdict, differences } = judgeClaim(claim(SWIRL, BASE, "more"), outcomes);
    expect(verdict).toBe("reproduced");
    expect(differences[0]!.value).toBeCloseTo((400 - 6) / 1500, 6);
    expect(judgeClaim(claim(BASE, SWIRL, "less"), outcomes).verdict).toBe("reproduced");
  });
  it("says the opposite where it lies on the other side", () => {
    expect(judgeClaim(claim(SWIRL, BASE, "less"), outcomes).verdict).toBe("not reproduced: the opposite");
  });
  it("says mixed where one test says the predicted and another the opposite", () => {
    const tests = [claim(SWIRL, BASE, "more"), claim(SWIRL, BASE, "less")].flatMap((one) => one.tests);
    expect(judgeClaim({ text: "", source: "", tests }, outcomes).verdict).toBe("not reproduced: mixed");
  });
  it("says not reproduced where it holds 0, or where one of several tests does", () => {
    expect(judgeClaim(claim("swirl/none", "swirl/none", "more"), outcomes).verdict).toBe("not reproduced");
    const both = [claim(SWIRL, BASE, "more"), claim(BASE, BASE, "more")].flatMap(({ tests }) => tests);
    expect(judgeClaim({ text: "", source: "", tests: both }, outcomes).verdict).toBe("not reproduced");
  });
  it("says not testable where there is no test, and only there", () => {
    for (const one of CLAIMS)
      expect(judgeClaim(one, outcomes).verdict === "not testable here").toBe(one.untestable !== undefined);
  });
  it("gives no verdict from one seed", () => {
    const one = new Outcomes(study((arm) => (arm === SWIRL ? 1100 : 700), [0]));
    expect(judgeClaim(claim(SWIRL, BASE, "more"), one).verdict).toBe("no verdict from one seed");
  });
  it("pairs seeds: what all arms of a seed share is no noise", () => {
    const shared = new Outcomes(study((arm, seed) => 500 + 100 * seed + (arm === SWIRL ? 30 + seed : 0)));
    expect(judgeClaim(claim(SWIRL, BASE, "more"), shared).verdict).toBe("reproduced");
  });
});

describe("the miniature's report", () => {
  it("measures every arm that its claims and tables speak of", () => {
    const ids = new Set(arms().map(({ id }) => id));
    for (const { tests } of CLAIMS)
      for (const { arm, other } of tests) expect([arm, other].every((id) => ids.has(id))).toBe(true);
    const { page, figures } = miniatureReport(
      study((arm, seed) => 600 + arm.length + seed),
      MINIATURE,
    );
    expect(page).not.toMatch(/NaN|undefined/);
    expect(page).toContain("5 seeds (0, 1, 2, 3, 4)");
    expect(Object.keys(figures).sort()).toEqual([
      "data-size",
      "filters",
      "group-size",
      "noisy-judge",
      "transfer",
      "updates",
    ]);
  });
});
