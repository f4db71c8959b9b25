/** The studies there are, by name. Their options are plain data, so that a worker process opens the same one. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { SwirlError } from "swirl-rl";
import { MODEL_CONFIG } from "swirl-rl/demo";
import { miniatureJobs } from "./miniature/arms.js";
import { miniatureReport } from "./miniature/report.js";
import { MINIATURE, MINIATURE_SMOKE } from "./miniature/settings.js";
import { openMiniature } from "./miniature/testbed.js";
import { realJobs } from "./real/jobs.js";
import { realReport } from "./real/report.js";
import { GSM8K, GSM8K_JUDGED, GSM8K_SOLUTIONS, HOTPOTQA, type RealSettings } from "./real/settings.js";
import { openReal } from "./real/testbed.js";
import type { Study } from "./study.js";

export const STUDY_NAMES = ["miniature", "gsm8k", "gsm8k-judged", "gsm8k-solutions", "hotpotqa"] as const;
export type StudyName = (typeof STUDY_NAMES)[number];

export interface StudyOptions {
  name: StudyName;
  /** Tiny sizes, to check in seconds that everything runs. */
  smoke: boolean;
  /** CPU threads of a worker; absent: the study's own. */
  threads?: number;
  device: string;
  /** For studies of a published model. */
  model?: string;
  /** For studies whose judge is a model. */
  judgeModel?: string;
  data?: string;
}

const REAL = {
  gsm8k: GSM8K,
  "gsm8k-judged": GSM8K_JUDGED,
  "gsm8k-solutions": GSM8K_SOLUTIONS,
  hotpotqa: HOTPOTQA,
} as const;

export function openStudy(options: StudyOptions): Study {
  if (options.name === "miniature") return miniature(options);
  return real(options, REAL[options.name]);
}

function miniature({ smoke, threads = 1 }: StudyOptions): Study {
  const settings = smoke ? MINIATURE_SMOKE : MINIATURE;
  const { entities, demonstrations, mistakes, overlooked, train, thinkingTrain, heldOut, callLimit } =
    settings;
  const { thinkingMaxNewTokens: maxNewTokens } = settings;
  return {
    name: smoke ? "miniature-smoke" : "miniature",
    testbed: {
      world: { entities, demonstrations, mistakes, train, thinkingTrain, heldOut, callLimit, maxNewTokens },
      judge: { overlooked },
      model: MODEL_CONFIG,
    },
    jobs: (seed) => miniatureJobs(seed, settings),
    open: (seed, folder) => openMiniature(seed, folder, settings, threads),
    defaultSeeds: smoke ? [0] : [0, 1, 2, 3, 4],
    // So small a policy gains little from a second thread: two jobs side by side do more than one on two.
    threads,
    workers: 0,
    report: (results) => miniatureReport(results, settings),
  };
}

function real(options: StudyOptions, full: RealSettings): Study {
  const { name, smoke, threads = 0, device, model, judgeModel, data } = options;
  const settings = smoke ? smaller(full) : full;
  for (const [option, path, variable] of [
    ["--model", model, "SWIRL_MODEL"],
    ["--data", data, "SWIRL_DATA"],
    ...(settings.judge === "rules and model"
      ? [["--judge-model", judgeModel, "SWIRL_JUDGE_MODEL"] as const]
      : []),
  ] as const) {
    if (path === undefined || !existsSync(path))
      throw new SwirlError("CONFIG", `the study ${name} needs ${option}: ${path ?? "it is not given"}`, {
        remedy: `give ${option} FOLDER or set ${variable}; examples/${settings.dataset}/README.md says what belongs there`,
        details: { field: option },
      });
  }
  return {
    name: smoke ? `${name}-smoke` : name,
    testbed: {
      ...testbedOf(settings),
      model: basename(model!),
      ...(settings.judge === "rules and model" ? { judgeModel: basename(judgeModel!) } : {}),
    },
    jobs: (seed) => realJobs(seed, settings),
    open: () => openReal(settings, { model: model!, judgeModel, data: data!, device, threads }),
    defaultSeeds: [1],
    threads,
    workers: 1,
    report: (results) => realReport(results, settings, name),
  };
}

/** Settings that jobs do not name themselves. */
function testbedOf(settings: RealSettings) {
  const { dataset, files, demonstrations, train, test, callLimit, maxNewTokens, rollout, maxCharacters } =
    settings;
  const { shots, judge, lora } = settings;
  return {
    dataset,
    files,
    demonstrations,
    train,
    test,
    callLimit,
    maxNewTokens,
    rollout,
    maxCharacters,
    // Left out where they change nothing, so that jobs of earlier runs keep their keys.
    ...(shots > 0 ? { shots } : {}),
    ...(judge === "rules" ? {} : { judge }),
    ...(lora ? { lora } : {}),
  };
}

function smaller(settings: RealSettings): RealSettings {
  return {
    ...settings,
    demonstrations: { limit: 8 },
    train: { ...settings.train, limit: 4 },
    test: { limit: 4 },
    kept: 4,
    fill: true,
    ...(settings.imitation ? { imitation: { ...settings.imitation, batchSize: 4 } } : {}),
    ...(settings.controls
      ? { controls: { sft: { ...settings.controls.sft, epochs: 1, batchSize: 4 }, votes: 2 } }
      : {}),
    swirl: { ...settings.swirl, steps: 1, batchSize: 4 },
  };
}
