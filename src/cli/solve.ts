/** `swirl solve`: one question, live tools, each step as it happens. */
import { Argument } from "commander";
import { SwirlError } from "../errors/swirl-error.js";
import type { Step, Trajectory } from "../trajectory/trajectory.js";
import { defined } from "./defined.js";
import { newest } from "./eval.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { loadPolicy, required, type Session, weightsFolder } from "./session.js";
import { subcommand } from "./subcommand.js";
import { type Weights, weightsOption } from "./weights.js";

export const solveCommand = () =>
  subcommand({
    name: "solve",
    summary: "answer one question with live tools, showing each step",
    flags: [
      { flags: "--task <kind>", path: "task.kind", help: "calculator or search" },
      { flags: "--corpus <file>", path: "task.corpus", kind: "path", help: "passages to search in" },
    ],
    customize: (command) =>
      command.addArgument(new Argument("<question>", "the question, in quotes")).addOption(weightsOption()),
    run: (invocation) => {
      const question = invocation.args[0]!.trim();
      const weights = invocation.own.weights as Weights | undefined;
      const check = async (session: Session) => {
        const { preflight } = await import("./preflight.js");
        required(session.config, "task");
        await preflight(session, ["solve"], weightsFolder(session, weights ?? newest(session)));
      };
      return executeSubcommand(invocation, {
        plan: (session) => [
          `solve ${JSON.stringify(question)} with ${weightsFolder(session, weights ?? newest(session))}`,
        ],
        check,
        execute: async (session) => {
          await check(session);
          return await solveStage(session, question, weights ?? newest(session));
        },
        format: (trajectory) => trajectory.answer ?? `no answer: ${trajectory.error ?? trajectory.end}`,
      });
    },
  });

async function solveStage(session: Session, question: string, weights: Weights): Promise<Trajectory> {
  if (question === "")
    throw new SwirlError("INPUT", "the question is empty", { remedy: 'swirl solve "What is …?"' });
  const [{ solve }, { openTask }] = await Promise.all([
    import("../solve/solve.js"),
    import("./open-task.js"),
  ]);
  required(session.config, "task");
  const task = await openTask(session);
  await using policy = await loadPolicy(session, weightsFolder(session, weights), { trainable: false });
  const { config, signal } = session;
  return await solve(question, {
    ...defined(config.rollout),
    policy,
    task,
    temperature: config.evaluate.temperature,
    seed: config.seed,
    signal,
    onStep: (step) => session.say(stepText(step)),
  });
}

function stepText({ text, observation }: Step): string {
  const action = `→ ${text.trim()}`;
  return observation ? `${action}\n← ${observation.text.trim()}` : action;
}
