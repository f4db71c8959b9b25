/**
 * The sets of test questions that a command solves: `questions.test`, named "test", and those of `evaluate.sets`. Each is
 * evaluated like the only one, with its own task and, but for "test", in a folder of its own in the run directory.
 */
import { SwirlError } from "../errors/swirl-error.js";
import { runPaths } from "../run-directory/layout.js";
import type { Session } from "./session.js";

export interface QuestionSet {
  name: string;
  /** The command's session with the set's questions as `questions.test`, the set's task, and the set's folder. */
  session: Session;
}

/** @param only Names. Default: every set, "test" included. */
export function questionSets(session: Session, only?: readonly string[]): QuestionSet[] {
  const { sets = {}, ...evaluate } = session.config.evaluate;
  const names = ["test", ...Object.keys(sets)];
  const unknown = only?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SwirlError("CONFIG", `there is no set of questions ${JSON.stringify(unknown)}`, {
      remedy: `the sets are ${names.join(", ")}; evaluate.sets in the config defines others`,
      details: { field: "evaluate.sets" },
    });
  return names
    .filter((name) => only?.includes(name) ?? true)
    .map((name) => {
      const config = { ...session.config, evaluate };
      if (name === "test") return { name, session: within(session, config, () => session.paths) };
      const { questions, task = config.task } = sets[name]!;
      const own = { ...config, task, questions: { ...config.questions, test: questions } };
      return { name, session: within(session, own, () => runPaths(session.paths.set(name))) };
    });
}

/** `paths` stays a getter: it throws where the config names no run directory. */
function within(
  { signal, json, progress, say, sayOnce }: Session,
  config: Session["config"],
  paths: () => Session["paths"],
): Session {
  return {
    config,
    signal,
    json,
    progress,
    say,
    sayOnce,
    get paths() {
      return paths();
    },
  };
}
