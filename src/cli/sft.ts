/** `swirl sft`: supervised fine-tuning on demonstrations or trajectories; weights in sft-checkpoints/latest. */
import type { NativePolicy } from "../policy/native-policy.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import type { QuestionsConfig } from "./config-schema.js";
import { defined } from "./defined.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import { reportProfile } from "./report-profile.js";
import { sftSection } from "./sections.js";
import { loadPolicy, required, type Session } from "./session.js";
import { LORA_FLAG, PROFILE_FLAG, subcommand, TRACKERS_FLAG } from "./subcommand.js";
import { trackingOf } from "./tracking.js";

export const sftCommand = () =>
  subcommand({
    name: "sft",
    summary: "fine-tune on demonstrations or trajectories; writes sft-checkpoints",
    flags: [
      {
        flags: "--trajectories <file>",
        path: "sft.trajectories",
        kind: "path",
        help: "train on these instead of demonstrations",
      },
      { flags: "--epochs <n>", path: "sft.epochs", kind: "json", help: "passes over the data (default: 1)" },
      {
        flags: "--batch-size <n>",
        path: "sft.batchSize",
        kind: "json",
        help: "trajectories per update (default: 16)",
      },
      { flags: "--lr <rate>", path: "sft.lr", kind: "json", help: "peak learning rate (default: 2e-5)" },
      LORA_FLAG,
      PROFILE_FLAG,
      TRACKERS_FLAG,
    ],
    resume: "Run the same command again: it resumes from the newest checkpoint.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: (session) => {
          const { config, paths } = session;
          const { demonstrations, trajectories, epochs, steps, batchSize, lr } = sftSection(session);
          const source =
            trajectories ?? `${demonstrations?.limit ?? "all"} demonstrations of ${demonstrations?.file}`;
          return [
            `fine-tune ${required(config, "model")} on ${source}`,
            `${steps ? `${steps} updates` : `${epochs ?? 1} epochs`} of ${batchSize} trajectories, learning rate ${lr}`,
            `write checkpoints into ${paths.sftCheckpoints}, resuming from the newest one there`,
          ];
        },
        check,
        execute: (session) => inRunDirectory(session, { name: "sft", check, run: sftStage }),
        format: (r) =>
          `${r.steps} updates on ${r.trajectories} trajectories (${r.actions} actions), last loss ${r.last?.loss?.toFixed(4) ?? "–"}\n${r.model}`,
      }),
  });

async function check(session: Session): Promise<void> {
  const { preflight } = await import("./preflight.js");
  await preflight(session, ["sft"], required(session.config, "model"));
}

export async function sftStage(session: Session) {
  const [{ sft }, { readTrajectories }] = await Promise.all([
    import("../train/sft.js"),
    import("../trajectory/store.js"),
  ]);
  const { config, paths, signal } = session;
  const { demonstrations, trajectories, checkpoints, ...options } = sftSection(session);
  const { profile } = config;
  await using policy = await loadPolicy(session, required(config, "model"), { trainable: true, profile });
  const data = trajectories ? readTrajectories(trajectories) : await replay(session, policy, demonstrations!);
  const bar = session.progress("sft");
  const result = await sft({
    ...defined(options),
    policy,
    trajectories: data,
    seed: config.seed,
    checkpoints: { ...defined(checkpoints), folder: paths.sftCheckpoints },
    metricsFile: paths.sftMetrics,
    ...trackingOf(session, "sft"),
    signal,
    onProgress: ({ step, totalSteps, phase }) =>
      bar.update(step, totalSteps, phase === "update" ? undefined : phase),
    onStep: ({ step, loss }) => bar.update(step, undefined, `loss ${loss?.toFixed(4) ?? "skipped"}`),
    onNote: (text) => session.say(text),
  });
  bar.stop();
  await reportProfile(session, "sft", policy);
  return { ...result, model: `${paths.sftCheckpoints}/latest` };
}

/** Demonstrations as this policy would have written them. They are kept in demonstrations.jsonl for people to read. */
async function replay(
  session: Session,
  policy: NativePolicy,
  source: QuestionsConfig,
): Promise<Trajectory[]> {
  const [{ demonstrate }, { openTask }, { openDemonstrations }, { writeFileAtomic }] = await Promise.all([
    import("../synthesize/demonstrations.js"),
    import("./open-task.js"),
    import("./open-questions.js"),
    import("../files/atomic-write.js"),
  ]);
  const { config, paths, signal } = session;
  const task = await openTask(session);
  const demonstrations = await openDemonstrations(session, source, "sft.demonstrations");
  const bar = session.progress("replay");
  const trajectories: Trajectory[] = [];
  const rejected: string[] = [];
  const replayed = demonstrate(demonstrations, {
    ...defined(config.rollout),
    policy,
    task,
    signal,
    onRejected: ({ question, reason }) => rejected.push(`${question.id}: ${reason}`),
  });
  for await (const trajectory of replayed) {
    trajectories.push(trajectory);
    bar.update(trajectories.length + rejected.length, demonstrations.length);
  }
  bar.stop();
  if (rejected.length > 0)
    session.say(`${rejected.length} of ${demonstrations.length} demonstrations left out, as ${rejected[0]}`);
  const lines = trajectories.map((trajectory) => `${JSON.stringify(trajectory)}\n`);
  await writeFileAtomic(paths.demonstrations, lines.join(""));
  return trajectories;
}
