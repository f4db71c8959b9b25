/**
 * Sections of the config that a command cannot do without. Each throws CONFIG when the section is missing, with the
 * keys to add.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { QuestionsConfig } from "./config-schema.js";
import type { Session } from "./session.js";

export function sftSection(session: Session) {
  const { sft } = session.config;
  const fail = (what: string) => {
    throw new SwirlError("CONFIG", `config: sft ${what}`, {
      remedy: 'give "sft": { "demonstrations": { "dataset": …, "file": … } } or { "trajectories": FILE }',
      details: { field: "sft" },
    });
  };
  if (!sft) return fail("is missing") as never;
  if ((sft.demonstrations === undefined) === (sft.trajectories === undefined))
    fail("needs either demonstrations or trajectories");
  return sft;
}

export function trainQuestions(session: Session): QuestionsConfig {
  const { train } = session.config.questions;
  if (train) return train;
  throw new SwirlError("CONFIG", "config: questions.train is missing", {
    remedy: 'give "questions": { "train": { "dataset": …, "file": … } }, or --dataset and --questions',
    details: { field: "questions.train" },
  });
}

export function testQuestions(session: Session): QuestionsConfig {
  const { test } = session.config.questions;
  if (test) return test;
  throw new SwirlError("CONFIG", "config: questions.test is missing", {
    remedy: 'give "questions": { "test": { "dataset": …, "file": … } }, or --dataset and --questions',
    details: { field: "questions.test" },
  });
}
