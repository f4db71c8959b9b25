/** `swirl solve`: one question, live tools, each step as it happens. */
import { Argument } from "commander";
import { SwirlError } from "../errors/swirl-error.js";
import type { SolveByVoteOptions } from "../solve/solve-by-vote.js";
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
      {
        flags: "--votes <n>",
        path: "evaluate.votes",
        kind: "json",
        help: "solve the question n times and choose an answer (default: 1)",
      },
      {
        flags: "--select <how>",
        path: "evaluate.select",
        help: "how to choose: majority (default) or judge (best of n)",
      },
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
        format: ({ answer, end, error, votes }) =>
          [
            answer ?? `no answer: ${error ?? end}`,
            ...(votes ? [votes.map(({ answer, count }) => `${count} × ${answer}`).join(", ")] : []),
          ].join("\n"),
      });
    },
  });

/** The trajectory; of several, the chosen one and how many gave each answer. */
type Solved = Trajectory & { votes?: { answer: string; count: number }[] };

async function solveStage(session: Session, question: string, weights: Weights): Promise<Solved> {
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
  const options = {
    ...defined(config.rollout),
    policy,
    task,
    temperature: config.evaluate.temperature,
    seed: config.seed,
    signal,
  };
  if (config.evaluate.votes > 1) return await voteStage(session, question, options);
  return await solve(question, { ...options, onStep: (step) => session.say(stepText(step)) });
}

async function voteStage(session: Session, question: string, options: SolveByVoteOptions): Promise<Solved> {
  const [{ solveByVote }, { openJudge }] = await Promise.all([
    import("../solve/solve-by-vote.js"),
    import("./open-judge.js"),
  ]);
  const { votes, select = "majority" } = session.config.evaluate;
  await using open = select === "judge" ? await openJudge(session, "judge") : undefined;
  const bar = session.progress("solve");
  bar.update(0, votes);
  let done = 0;
  const result = await solveByVote(question, {
    ...options,
    votes,
    select,
    ...(open && { judge: open.judge }),
    onTrajectory: () => bar.update(++done, votes),
  });
  bar.stop();
  if (result.undecided !== undefined)
    throw new SwirlError("ENDPOINT", result.undecided, {
      remedy: "check the judge, or use --select majority",
    });
  for (const step of result.chosen.steps) session.say(stepText(step));
  return {
    ...result.chosen,
    votes: result.votes.map(({ answer, samples }) => ({ answer, count: samples.length })),
  };
}

function stepText({ text, observation }: Step): string {
  const action = `→ ${text.trim()}`;
  return observation ? `${action}\n← ${observation.text.trim()}` : action;
}
