/** `swirl judge`: a verdict for every step of trajectories.jsonl, in verdicts.jsonl. */
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import type { Session } from "./session.js";
import { subcommand } from "./subcommand.js";

const JUDGES = { rules: "the task's rules", prompted: "a prompted judge", combined: "several judges as one" };

export const judgeCommand = () =>
  subcommand({
    name: "judge",
    summary: "judge every step of trajectories.jsonl; writes verdicts.jsonl",
    flags: [
      {
        flags: "--judge-model <dir>",
        path: "judge.model",
        kind: "path",
        help: "model folder of a prompted judge",
      },
      {
        flags: "--votes <n>",
        path: "judge.votes",
        kind: "json",
        help: "replies per step from a prompted judge (default: 1)",
      },
    ],
    details:
      'The judge is set by the config key "judge": { "kind": "rules" } (default), { "kind": "prompted", … } or { "kind": "combined", … }; see docs/configuration.md.',
    resume: "Run the same command again: verdicts are kept.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: ({ config, paths }) => [
          `judge every step of ${paths.trajectories} with ${JUDGES[config.judge.kind]}`,
          `append to ${paths.verdicts}, skipping steps that have a verdict`,
        ],
        check,
        execute: (session) => inRunDirectory(session, { name: "judge", check, run: judgeStage }),
        format: ({ trajectories, steps, good, bad, failed, file }) =>
          [
            `${steps} steps of ${trajectories} trajectories judged: ${good} good, ${bad} bad, ${failed} failed`,
            `mean process label ${steps > failed ? ((100 * good) / (good + bad)).toFixed(1) : "–"} %`,
            file,
          ].join("\n"),
      }),
  });

export interface JudgeResult {
  trajectories: number;
  steps: number;
  good: number;
  bad: number;
  failed: number;
  file: string;
}

async function check(session: Session): Promise<void> {
  const { preflight } = await import("./preflight.js");
  await preflight(session, ["judge"]);
}

export async function judgeStage(session: Session): Promise<JudgeResult> {
  const [{ judgeSteps }, { readTrajectories }, { openJudge }, { noVerdicts }] = await Promise.all([
    import("../judge/judge-steps.js"),
    import("../trajectory/store.js"),
    import("./open-judge.js"),
    import("../judge/judged-trajectory.js"),
  ]);
  const { paths, signal } = session;
  await using open = await openJudge(session, "judge");
  const bar = session.progress("judge");
  let counts = noVerdicts();
  bar.update(0, undefined);
  const judged = judgeSteps(readTrajectories(paths.trajectories), {
    judge: open.judge,
    concurrency: open.concurrency,
    signal,
    onProgress: (now) => {
      counts = now;
      bar.update(now.trajectories, undefined, `${now.steps} steps, ${now.failed} failed`);
    },
  });
  for await (const _ of judged);
  bar.stop();
  return { ...counts, file: paths.verdicts };
}
