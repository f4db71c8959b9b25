/** A published model with its tools and questions. There is no oracle. */
import { join } from "node:path";
import {
  Bm25Index,
  calculator,
  calculatorTask,
  combinedJudge,
  demonstrate,
  fewShotTask,
  type Judge,
  NativePolicy,
  PromptedJudge,
  type Question,
  readGsm8kDemonstrations,
  readHotpotqaDemonstrations,
  readPassages,
  readQuestions,
  ruleJudges,
  SwirlError,
  search,
  searchTask,
  type Task,
  type Trajectory,
} from "swirl-rl";
import type { Testbed } from "../testbed.js";
import type { RealSettings } from "./settings.js";
import { solutionJudge } from "./solution-judge.js";

export interface RealPlaces {
  /** Model folder. */
  model: string;
  /** Model folder of the judge that reads; for settings that have one. */
  judgeModel?: string | undefined;
  /** Folder with gsm8k/, hotpotqa/. */
  data: string;
  device: string;
  threads: number;
}

export async function openReal(settings: RealSettings, places: RealPlaces): Promise<Testbed> {
  const { dataset, files, maxNewTokens, concurrency } = settings;
  const file = (name: string) => join(places.data, name);
  const task = await taskOf(settings, file);
  const read = async (name: string, options: { offset?: number; limit: number }): Promise<Question[]> => {
    const questions: Question[] = [];
    for await (const question of readQuestions(file(name), { format: dataset, ...options }))
      questions.push(question);
    return questions;
  };
  const rules = dataset === "gsm8k" ? ruleJudges.calculator() : ruleJudges.search();
  const second = await secondJudge(settings, places, file);
  return {
    task,
    judge: second ? combinedJudge({ judges: [rules, second] }) : rules,
    measuringJudges: second ? { rules } : {},
    maxNewTokens,
    rollout: settings.rollout,
    concurrency,
    checkpointEvery: 10,
    keepsEvaluations: true,
    async questions(name) {
      if (name === "train")
        return read(files.train, { offset: settings.train.skip, limit: settings.train.limit });
      if (name === "test") return read(files.test, { limit: settings.test.limit });
      throw new SwirlError("CONFIG", `the study of ${dataset} has no questions named ${name}`);
    },
    start: async () => places.model,
    async demonstrations(_, policy, { keepThoughts, signal }) {
      const readAll = dataset === "gsm8k" ? readGsm8kDemonstrations : readHotpotqaDemonstrations;
      const all: Trajectory[] = [];
      const replayed = demonstrate(readAll(file(files.demonstrations), settings.demonstrations), {
        policy,
        task,
        keepThoughts,
        maxNewTokens,
        ...settings.rollout,
        signal,
      });
      for await (const trajectory of replayed) all.push(trajectory);
      return all;
    },
    load: (folder, trainable, signal) => {
      const { device, threads } = places;
      // The published model gets a new adapter where it is trained; what was trained is an adapter's folder.
      const lora = trainable && folder === places.model ? settings.lora : undefined;
      const options = { device, threads, trainable, dtype: "bfloat16", signal } as const;
      return NativePolicy.load(folder, { ...options, ...(lora && { lora }) });
    },
  };
}

/** What has to say GOOD beside the rules. */
async function secondJudge(
  settings: RealSettings,
  places: RealPlaces,
  file: (name: string) => string,
): Promise<Judge | undefined> {
  if (settings.judge === "rules") return undefined;
  if (settings.judge === "rules and model") return openReader(settings, places);
  return solutionJudge([file(settings.files.train), file(settings.files.test)]);
}

/** A model that reads the steps, by its log-probs: the steps' own tokens cost it a forward pass, and no reasoning. */
async function openReader({ dataset }: RealSettings, places: RealPlaces): Promise<Judge> {
  const { judgeModel, device, threads } = places;
  const policy = await NativePolicy.load(judgeModel!, {
    device,
    threads,
    trainable: false,
    dtype: "bfloat16",
  });
  return new PromptedJudge({
    policy,
    criterion: dataset === "gsm8k" ? "math" : "step",
    mode: "logprobs",
    maxNewTokens: 160,
  });
}

async function taskOf(settings: RealSettings, file: (name: string) => string): Promise<Task> {
  const task = await plainTask(settings, file);
  if (settings.shots === 0) return task;
  const readAll = settings.dataset === "gsm8k" ? readGsm8kDemonstrations : readHotpotqaDemonstrations;
  return fewShotTask(task, readAll(file(settings.files.demonstrations), { limit: settings.shots }));
}

async function plainTask(settings: RealSettings, file: (name: string) => string): Promise<Task> {
  const { callLimit, maxCharacters } = settings;
  if (settings.dataset === "gsm8k") return calculatorTask(calculator(), { callLimit });
  const index = await Bm25Index.build(readPassages(settings.files.corpus.map(file)));
  return searchTask(search(index, { topK: 1, maxCharacters }), { callLimit });
}
