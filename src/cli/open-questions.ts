/** Questions and demonstrations that a config names. */
import { readGsm8kDemonstrations } from "../data/gsm8k-demonstrations.js";
import { readHotpotqaDemonstrations } from "../data/hotpotqa-demonstrations.js";
import { readQuestions } from "../data/read-questions.js";
import { SwirlError } from "../errors/swirl-error.js";
import { createRandom } from "../random/random.js";
import type { Demonstration } from "../trajectory/demonstration.js";
import type { Question } from "../trajectory/question.js";
import type { QuestionsConfig } from "./config-schema.js";
import type { Session } from "./session.js";

export async function openQuestions(session: Session, source: QuestionsConfig): Promise<Question[]> {
  const { dataset, file, skip, limit, shuffle } = source;
  const questions: Question[] = [];
  const read = readQuestions(file, {
    format: dataset,
    offset: skip,
    ...(limit === undefined ? {} : { limit }),
    ...(shuffle ? { shuffle: session.config.seed } : {}),
  });
  for await (const question of read) questions.push(question);
  if (questions.length === 0)
    throw new SwirlError("CONFIG", `${file} holds no questions after skipping ${skip}`, {
      remedy: "lower skip",
      details: { file },
    });
  return questions;
}

/** The datasets whose rows hold annotated solutions, step by step. */
const DEMONSTRATIONS = { gsm8k: readGsm8kDemonstrations, hotpotqa: readHotpotqaDemonstrations } as const;

export async function openDemonstrations(
  session: Session,
  source: QuestionsConfig,
  field: "sft.demonstrations" | "task.examples",
): Promise<Demonstration[]> {
  const { dataset, file, skip, limit, shuffle } = source;
  if (dataset !== "gsm8k" && dataset !== "hotpotqa")
    throw new SwirlError("CONFIG", `config ${field}: ${dataset} has no annotated solutions`, {
      remedy: `use ${Object.keys(DEMONSTRATIONS).join(" or ")}${field === "task.examples" ? "" : ", or sft.trajectories"}`,
      details: { field: `${field}.dataset` },
    });
  const all: Demonstration[] = [];
  const bounded = shuffle || limit === undefined ? {} : { limit };
  for await (const demonstration of DEMONSTRATIONS[dataset](file, { offset: shuffle ? 0 : skip, ...bounded }))
    all.push(demonstration);
  if (!shuffle) return all;
  const drawn = createRandom(session.config.seed, "questions").shuffle(all);
  return drawn.slice(skip, limit === undefined ? undefined : skip + limit);
}
