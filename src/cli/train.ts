/** `swirl train`: stage 2, step-wise RL on kept.jsonl; weights in checkpoints/latest. */
import { lossEquation } from "../train/loss-equation.js";
import { DEFAULT_EPOCHS } from "../train/train-options.js";
import { defined } from "./defined.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import { openReference } from "./open-reference.js";
import { reportProfile } from "./report-profile.js";
import { loadPolicy, type Session, weightsFolder } from "./session.js";
import { LORA_FLAG, PROFILE_FLAG, subcommand, TRACKERS_FLAG } from "./subcommand.js";
import { trackingOf } from "./tracking.js";

export const trainCommand = () =>
  subcommand({
    name: "train",
    summary: "step-wise RL on the states of kept.jsonl; writes checkpoints and metrics.jsonl",
    flags: [
      { flags: "--steps <n>", path: "train.steps", kind: "json", help: "updates (default: by epochs)" },
      {
        flags: "--epochs <n>",
        path: "train.epochs",
        kind: "json",
        help: "passes over the states (default: 3; 1 for logged actions)",
      },
      {
        flags: "--batch-size <n>",
        path: "train.batchSize",
        kind: "json",
        help: "states per update (default: 32)",
      },
      {
        flags: "--samples-per-state <n>",
        path: "train.samplesPerState",
        kind: "json",
        help: "fresh actions per state (default: 4)",
      },
      { flags: "--lr <rate>", path: "train.lr", kind: "json", help: "peak learning rate (default: 1e-6)" },
      {
        flags: "--kl-weight <w>",
        path: "train.klWeight",
        kind: "json",
        help: "weight of the KL penalty against the starting model (default: 0.05)",
      },
      {
        flags: "--loss <name>",
        path: "train.loss",
        help: "reinforce, ppo-clip, grpo, dr_grpo, dapo, gspo, …: docs/losses.md (default: reinforce)",
      },
      {
        flags: "--baseline <name>",
        path: "train.baseline",
        help: "none, running, group, leave-one-out, reinforce++ (default: the loss's, else leave-one-out)",
      },
      LORA_FLAG,
      PROFILE_FLAG,
      TRACKERS_FLAG,
    ],
    resume: "Run the same command again: it resumes from the newest checkpoint.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: (session) => {
          const { config, paths } = session;
          const { steps, actions, batchSize, samplesPerState = 4, lr, klWeight } = config.train;
          const { epochs = DEFAULT_EPOCHS[actions] } = config.train;
          return [
            `train ${weightsFolder(session, "start")} on the states of ${paths.kept}`,
            `${steps ? `${steps} updates` : `${epochs} epochs`} of ${batchSize} states × ${samplesPerState} actions, learning rate ${lr}, KL weight ${klWeight}`,
            ...lossEquation({
              ...config.train,
              samplesPerState: actions === "logged" ? 1 : samplesPerState,
              maxNewTokens: config.rollout.maxNewTokens,
            }),
            `write checkpoints into ${paths.checkpoints}, resuming from the newest one there`,
          ];
        },
        check,
        execute: (session) => inRunDirectory(session, { name: "train", check, run: trainStage }),
        format: (r) =>
          [
            `${r.steps} updates on ${r.states} states; ${r.skippedUpdates} skipped, ${r.judgeFailures} judgments failed`,
            `${r.tokens} sequence tokens as ${r.treeTokens} tree tokens; last reward ${r.last?.reward?.toFixed(3) ?? "–"}`,
            r.model,
          ].join("\n"),
      }),
  });

async function check(session: Session): Promise<void> {
  const { preflight } = await import("./preflight.js");
  await preflight(session, ["train"], weightsFolder(session, "start"));
}

export async function trainStage(session: Session) {
  const [{ train }, { readTrajectories }, { openJudge }, { openTask }, { rewardsOutcome, trainRewards }] =
    await Promise.all([
      import("../train/train.js"),
      import("../trajectory/store.js"),
      import("./open-judge.js"),
      import("./open-task.js"),
      import("./train-rewards.js"),
    ]);
  const { config, paths, signal } = session;
  const { checkpoints, reference: named, klWeight, rewards: _, ...options } = config.train;
  const task = rewardsOutcome(config) ? await openTask(session) : undefined;
  const start = weightsFolder(session, "start");
  const { profile } = config;
  await using policy = await loadPolicy(session, start, { trainable: true, profile });
  const trained = { policy, folder: start };
  await using open = await openJudge(session, "rewardJudge", trained);
  await using reference = klWeight > 0 ? await openReference(session, trained, named) : undefined;
  const bar = session.progress("train");
  let note = "";
  const result = await train({
    ...defined(options),
    policy,
    ...(reference ? { reference } : {}),
    klWeight,
    trajectories: readTrajectories(paths.kept),
    ...trainRewards(config, open.judge, task),
    judgeConcurrency: open.concurrency,
    maxNewTokens: config.rollout.maxNewTokens,
    seed: config.seed,
    checkpoints: { ...defined(checkpoints), folder: paths.checkpoints },
    metricsFile: paths.metrics,
    ...trackingOf(session, "train"),
    actionsFile: paths.actions,
    signal,
    onProgress: ({ step, totalSteps, phase, done, total }) =>
      bar.update(step, totalSteps, `${phase} ${done}/${total}${note}`),
    onStep: ({ step, reward, kl }) => {
      note = `, reward ${reward?.toFixed(3) ?? "–"}${kl === null ? "" : `, kl ${kl.toFixed(4)}`}`;
      bar.update(step, undefined, note.slice(2));
    },
    onNote: (text) => session.say(text),
  });
  bar.stop();
  await policy.save(paths.policy);
  await reportProfile(session, "train", policy);
  return { ...result, model: paths.policy };
}
