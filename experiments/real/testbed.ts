/** A published model with its tools and questions. The judge is the rule judge of the task; there is no oracle. */
import { join } from "node:path";
import {
  Bm25Index,
  calculator,
  calculatorTask,
  demonstrate,
  NativePolicy,
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

export interface RealPlaces {
  /** Model folder. */
  model: string;
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
  return {
    task,
    judge: dataset === "gsm8k" ? ruleJudges.calculator() : ruleJudges.search(),
    measuringJudges: {},
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
      return NativePolicy.load(folder, { device, threads, trainable, dtype: "bfloat16", signal });
    },
  };
}

async function taskOf(settings: RealSettings, file: (name: string) => string): Promise<Task> {
  const { callLimit, maxCharacters } = settings;
  if (settings.dataset === "gsm8k") return calculatorTask(calculator(), { callLimit });
  const index = await Bm25Index.build(readPassages(settings.files.corpus.map(file)));
  return searchTask(search(index, { topK: 1, maxCharacters }), { callLimit });
}
