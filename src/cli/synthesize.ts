/** `swirl synthesize`: stage 1, questions to trajectories.jsonl. */
import { defined } from "./defined.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import { reportProfile } from "./report-profile.js";
import { trainQuestions } from "./sections.js";
import { loadPolicy, type Session, weightsFolder } from "./session.js";
import { type Flag, PROFILE_FLAG, subcommand } from "./subcommand.js";

export const QUESTION_FLAGS: readonly Flag[] = [
  {
    flags: "--dataset <name>",
    path: "questions.train.dataset",
    help: "gsm8k, hotpotqa, musique, 2wikimultihopqa, beerqa, cofca, jsonl",
  },
  { flags: "--questions <file>", path: "questions.train.file", kind: "path", help: "the dataset's file" },
  {
    flags: "--limit <n>",
    path: "questions.train.limit",
    kind: "json",
    help: "questions to read (default: all)",
  },
];

export const synthesizeCommand = () =>
  subcommand({
    name: "synthesize",
    summary: "roll out training questions with live tools; writes trajectories.jsonl",
    flags: [
      ...QUESTION_FLAGS,
      {
        flags: "--samples <n>",
        path: "synthesize.samples",
        kind: "json",
        help: "trajectories per question (default: 5)",
      },
      {
        flags: "--temperature <t>",
        path: "synthesize.temperature",
        kind: "json",
        help: "sampling temperature (default: 1)",
      },
      {
        flags: "--concurrency <n>",
        path: "synthesize.concurrency",
        kind: "json",
        help: "rollouts at once (default: 16)",
      },
      PROFILE_FLAG,
    ],
    resume: "Run the same command again: finished trajectories are kept.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: (session) => {
          const { config, paths } = session;
          const { samples } = config.synthesize;
          const { file, limit } = trainQuestions(session);
          return [
            `roll out ${limit ?? "all"} questions of ${file} × ${samples} with ${weightsFolder(session, "start")}`,
            `append to ${paths.trajectories}, keeping what is there`,
          ];
        },
        check,
        execute: (session) => inRunDirectory(session, { name: "synthesize", check, run: synthesizeStage }),
        format: ({ trajectories, ends, prompts, file }) =>
          [
            `${trajectories} trajectories in ${file}`,
            ...Object.entries(ends).map(([end, n]) => `  ${end.padEnd(11)} ${n}`),
            ...(prompts.hitRate === null
              ? []
              : [
                  `prompt tokens: ${prompts.computed} computed, ${percent(prompts.hitRate)} found in the KV cache`,
                ]),
          ].join("\n"),
      }),
  });

export interface SynthesizeResult {
  trajectories: number;
  /** How they ended, those of earlier runs included. */
  ends: Record<string, number>;
  /** Of this run's prompts and states: tokens computed, tokens found in the KV cache, and the share of these. */
  prompts: { computed: number; cached: number; hitRate: number | null };
  file: string;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

async function check(session: Session): Promise<void> {
  const { preflight } = await import("./preflight.js");
  await preflight(session, ["synthesize"], weightsFolder(session, "start"));
}

export async function synthesizeStage(session: Session): Promise<SynthesizeResult> {
  const { config, paths, signal } = session;
  const [{ synthesize }, { readTrajectories }, { openTask }, { openQuestions }] = await Promise.all([
    import("../synthesize/synthesize.js"),
    import("../trajectory/store.js"),
    import("./open-task.js"),
    import("./open-questions.js"),
  ]);
  const task = await openTask(session);
  const questions = await openQuestions(session, trainQuestions(session));
  const { profile } = config;
  const model = weightsFolder(session, "start");
  await using policy = await loadPolicy(session, model, { trainable: false, profile });
  const bar = session.progress("synthesize");
  bar.update(0, questions.length * config.synthesize.samples);
  const trajectories = synthesize(questions, {
    ...defined(config.rollout),
    ...config.synthesize,
    policy,
    task,
    seed: config.seed,
    output: paths.trajectories,
    signal,
    onProgress: ({ done, total, tokens, failed, notice }) => {
      if (notice) session.say(notice);
      bar.update(done, total, `${tokens} tokens${failed > 0 ? `, ${failed} failed` : ""}`);
    },
  });
  for await (const _ of trajectories);
  bar.stop();
  await reportProfile(session, "synthesize", policy);
  const ends: Record<string, number> = {};
  let count = 0;
  for await (const { end } of readTrajectories(paths.trajectories)) {
    ends[end] = (ends[end] ?? 0) + 1;
    count++;
  }
  const { prefillTokens: computed, cachedTokens: cached } = policy.stats;
  const hitRate = computed + cached > 0 ? cached / (computed + cached) : null;
  return { trajectories: count, ends, prompts: { computed, cached, hitRate }, file: paths.trajectories };
}
