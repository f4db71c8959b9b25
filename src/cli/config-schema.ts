/**
 * The one config of all commands. Each section holds the options of its stage (the stage's own schema, so that a new
 * option is a key here at once) without the live objects a file cannot hold. Unknown keys are errors that name the
 * key and suggest the nearest. docs/configuration.md explains every key.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { filterSchema } from "../filter/filter-trajectories.js";
import { lossDefinition } from "../losses/named-losses.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { loraSchema } from "../policy/lora/lora-options.js";
import { compactFits, compactRefusal, OPTIMIZER_STATES, RECOMPUTE } from "../policy/native-options.js";
import { rolloutShape } from "../synthesize/rollout-options.js";
import { synthesizeSchema } from "../synthesize/synthesize.js";
import { embeddingIndexSchema } from "../tools/search/embedding-index.js";
import { TRACKERS, trackingSchema } from "../trackers/tracker.js";
import { partShape } from "../train/reward-parts.js";
import { sftSchema } from "../train/sft.js";
import { trainSchema } from "../train/train-options.js";
import { voteShape, voteTemperature } from "../voting/vote.js";
import { judgeOf } from "./config-judge.js";
import { byKind, secretVariables } from "./config-kinds.js";
import type { RawConfig } from "./load-config.js";

const path = z.string().min(1);

const DATASETS = ["gsm8k", "hotpotqa", "musique", "2wikimultihopqa", "beerqa", "cofca", "jsonl"] as const;

/** Questions of a file. `skip` and `limit` count questions in the file's order, after `shuffle`. */
const questionsSchema = z.strictObject({
  dataset: z.enum(DATASETS),
  file: path,
  skip: z.int().min(0).default(0),
  limit: z.int().min(1).optional(),
  /** Draws the questions with the run's seed instead of taking the first ones. */
  shuffle: z.boolean().default(false),
});

/** A server of /v1/embeddings. */
const embeddingSchema = embeddingIndexSchema
  .omit({ apiKey: true, headers: true, cacheFile: true })
  .extend(secretVariables);

/** Solved examples in the prompt, from a dataset with annotated solutions. */
const examplesSchema = questionsSchema.extend({ limit: z.int().min(1).max(64).default(4) });

const taskKinds = {
  calculator: z.strictObject({
    kind: z.literal("calculator"),
    callLimit: z.int().min(1).default(10),
    examples: examplesSchema.optional(),
  }),
  search: z.strictObject({
    kind: z.literal("search"),
    callLimit: z.int().min(1).default(5),
    /** Passages: [{title, text}] or {title: [sentences]} as JSON, JSONL, or dataset files with their contexts. */
    corpus: z.union([path, z.array(path).min(1)]),
    /** Passages a search returns. */
    topK: z.int().min(1).max(100).default(1),
    /** Characters of a search's result. */
    maxCharacters: z.int().min(20).default(2000),
    /** Ranks by the embeddings of a server instead of BM25. */
    embedding: embeddingSchema.optional(),
    examples: examplesSchema.optional(),
  }),
};

/** The run directory decides where a stage saves; the config decides how often. */
const checkpointsSchema = z.strictObject({
  every: z.int().min(1).default(20),
  keep: z.int().min(1).default(2),
  dtype: z.enum(["float32", "bfloat16"]).optional(),
});

/**
 * "judge": the reward judge. "outcome": whether the final answer is right; a rollout continues each fresh action to its
 * end.
 */
const rewardSchema = z.strictObject({ kind: z.enum(["judge", "outcome"]), ...partShape });

const sections = {
  rollout: z.strictObject(rolloutShape),
  /** The run directory is their folder; each stage is a run of its own. */
  tracking: trackingSchema.pick({ project: true, name: true, samples: true, samplesEvery: true }),
  sft: sftSchema
    .omit({
      policy: true,
      trajectories: true,
      checkpoints: true,
      metricsFile: true,
      trackers: true,
      tracking: true,
      seed: true,
      onStep: true,
      onProgress: true,
      onNote: true,
      signal: true,
    })
    .extend({
      demonstrations: questionsSchema.optional(),
      trajectories: path.optional(),
      checkpoints: z.unknown().optional(),
    }),
  synthesize: synthesizeSchema.pick({
    samples: true,
    temperature: true,
    concurrency: true,
    maxFailuresInARow: true,
  }),
  filter: filterSchema.pick({ equalN: true }).extend({ kind: filterSchema.shape.kind.default("process") }),
  train: trainSchema
    .omit({
      policy: true,
      trajectories: true,
      judge: true,
      reward: true,
      checkpoints: true,
      actionsFile: true,
      metricsFile: true,
      trackers: true,
      tracking: true,
      validate: true,
      maxNewTokens: true,
      judgeConcurrency: true,
      seed: true,
      onStep: true,
      onProgress: true,
      onNote: true,
      signal: true,
    })
    .extend({
      /** A model folder; default: the model that training starts from. Loaded only where klWeight > 0. */
      reference: path.optional(),
      klWeight: z.number().min(0).default(0.05),
      /** Several rewards instead of the reward judge alone, summed with weights. */
      rewards: z.array(rewardSchema).min(1).max(64).optional(),
      checkpoints: z.unknown().optional(),
    }),
  evaluate: z.strictObject({
    /** Which weights `swirl run` evaluates: "base", "start" or "trained" (see weights.ts). */
    at: z
      .array(z.enum(["base", "start", "trained"]))
      .min(1)
      .default(["start", "trained"]),
    /** Questions in flight. */
    concurrency: z.int().min(1).default(16),
    /** 0 = greedy. */
    temperature: samplingTemperature.optional(),
    /** Further sets of questions by name, each with the task that its questions need. */
    sets: z.record(z.string(), z.unknown()).optional(),
    ...voteShape,
  }),
} as const;

const rootSchema = z
  .strictObject({
    model: path.optional(),
    output: path.optional(),
    /** Base of an adapter folder whose config names no folder here. */
    base: path.optional(),
    /** Stages that train begin with a new adapter instead of all weights. true: with the defaults. */
    lora: z.unknown().optional(),
    device: z.string().default("auto"),
    dtype: z.enum(["float32", "bfloat16"]).default("float32"),
    threads: z.int().min(0).default(0),
    memoryBudget: z.int().min(0).default(0),
    // Without defaults: the resolved config of a run that names neither stays as it was.
    optimizerState: z.enum(OPTIMIZER_STATES).optional(),
    recompute: z.enum(RECOMPUTE).optional(),
    profile: z.boolean().default(false),
    /** Names, as a list or as one text with commas. */
    trackers: z.array(z.enum(TRACKERS)).default([]),
    tracking: z.unknown().optional(),
    seed: z.int().min(0).default(0),
    task: z.unknown().optional(),
    questions: z.unknown().optional(),
    rollout: z.unknown().optional(),
    sft: z.unknown().optional(),
    synthesize: z.unknown().optional(),
    judge: z.unknown().optional(),
    rewardJudge: z.unknown().optional(),
    filter: z.unknown().optional(),
    train: z.unknown().optional(),
    evaluate: z.unknown().optional(),
  })
  .refine(compactFits, compactRefusal);

export type Config = ReturnType<typeof parseConfig>;
export type TaskConfig = z.output<typeof taskKinds.calculator> | z.output<typeof taskKinds.search>;
export type QuestionsConfig = z.output<typeof questionsSchema>;

/** One of `evaluate.sets`. */
export interface QuestionSetConfig {
  questions: QuestionsConfig;
  task?: TaskConfig;
}

/** The config with every default filled in. `task`, `questions`, `sft` stay undefined where the file has none. */
export function parseConfig(raw: RawConfig) {
  const root = parseOptions(rootSchema, withTrackerList(raw), "config");
  const judge = root.judge === undefined ? undefined : judgeOf(root.judge, "config judge");
  return {
    ...root,
    lora:
      root.lora === undefined || root.lora === false
        ? undefined
        : parseOptions(loraSchema, root.lora === true ? {} : root.lora, "config lora"),
    tracking: parseOptions(sections.tracking, root.tracking, "config tracking"),
    task: root.task === undefined ? undefined : (byKind(taskKinds, root.task, "config task") as TaskConfig),
    questions: parseOptions(questionSetsSchema, root.questions, "config questions"),
    rollout: parseOptions(sections.rollout, root.rollout, "config rollout"),
    sft:
      root.sft === undefined
        ? undefined
        : withCheckpoints(parseOptions(sections.sft, root.sft, "config sft"), "sft"),
    synthesize: parseOptions(sections.synthesize, root.synthesize, "config synthesize"),
    judge: judge ?? judgeOf({ kind: "rules" }, "config judge"),
    rewardJudge:
      root.rewardJudge === undefined
        ? (judge ?? judgeOf({ kind: "rules" }, "config judge"))
        : judgeOf(root.rewardJudge, "config rewardJudge"),
    filter: parseOptions(sections.filter, root.filter, "config filter"),
    train: withCheckpoints(
      withAggregation(parseOptions(sections.train, root.train, "config train")),
      "train",
    ),
    evaluate: withSets(withTemperature(parseOptions(sections.evaluate, root.evaluate, "config evaluate"))),
  };
}

/** `--trackers tensorboard,mlflow`: one text of names. */
function withTrackerList(raw: RawConfig): RawConfig {
  const { trackers } = raw;
  if (typeof trackers !== "string") return raw;
  const names = trackers.split(",").map((name) => name.trim());
  return { ...raw, trackers: names.filter((name) => name !== "") };
}

const questionSetsSchema = z.strictObject({
  train: questionsSchema.optional(),
  test: questionsSchema.optional(),
});

/** config.resolved.json holds the value even where it is the default. */
function withAggregation(train: z.output<typeof sections.train>) {
  const { loss, aggregation } = train;
  const own = typeof loss === "string" ? lossDefinition(loss).aggregation : undefined;
  return { ...train, aggregation: aggregation ?? own };
}

function withTemperature(evaluate: z.output<typeof sections.evaluate>) {
  return { ...evaluate, temperature: evaluate.temperature ?? voteTemperature(evaluate.votes) };
}

/** What one of `evaluate.sets` holds. Without a task of its own a set is solved with the config's. */
const setSchema = z.strictObject({ questions: questionsSchema, task: z.unknown().optional() });

/** Names become folders and parts of a flag's list. "test" is `questions.test`. */
const SET_NAME = /^(?!test$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

function withSets({ sets, ...evaluate }: ReturnType<typeof withTemperature>) {
  if (sets === undefined) return evaluate as typeof evaluate & { sets?: Record<string, QuestionSetConfig> };
  const read = Object.entries(sets).map(([name, value]): [string, QuestionSetConfig] => {
    const where = `config evaluate.sets.${name}`;
    if (!SET_NAME.test(name))
      throw new SwirlError("CONFIG", `config evaluate.sets: ${JSON.stringify(name)} is not a name of a set`, {
        remedy: 'use letters, digits, ".", "_" and "-", at most 64; "test" is questions.test',
        details: { field: "evaluate.sets" },
      });
    const { questions, task } = parseOptions(setSchema, value, where);
    if (task === undefined) return [name, { questions }];
    return [name, { questions, task: byKind(taskKinds, task, `${where}.task`) as TaskConfig }];
  });
  return { ...evaluate, sets: Object.fromEntries(read) };
}

function withCheckpoints<Section extends { checkpoints?: unknown }>(section: Section, name: string) {
  const checkpoints = parseOptions(checkpointsSchema, section.checkpoints, `config ${name}.checkpoints`);
  return { ...section, checkpoints };
}
