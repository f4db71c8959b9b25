/** `swirl filter`: trajectories.jsonl and verdicts.jsonl to kept.jsonl, and a table of what each filter keeps. */
import type { FilterTable } from "../filter/filter-table.js";
import { executeSubcommand } from "./execute-subcommand.js";
import { inRunDirectory } from "./in-run-directory.js";
import { required, type Session } from "./session.js";
import { subcommand } from "./subcommand.js";

export const filterCommand = () =>
  subcommand({
    name: "filter",
    summary: "select trajectories to train on; writes kept.jsonl",
    flags: [
      {
        flags: "--kind <kind>",
        path: "filter.kind",
        help: 'none, process, outcome or both (default: "process")',
      },
      {
        flags: "--equal-n <n>",
        path: "filter.equalN",
        kind: "json",
        help: "keep exactly this many (default: all that pass)",
      },
    ],
    resume: "Run the same command again.",
    run: (invocation) =>
      executeSubcommand(invocation, {
        plan: ({ config, paths }) => [
          `filter ${paths.trajectories} by ${config.filter.kind}, with the verdicts in ${paths.verdicts} (missing ones are asked for)`,
          `write ${paths.kept}`,
        ],
        check,
        execute: (session) => inRunDirectory(session, { name: "filter", check, run: filterStage }),
        format: ({ text, file }) => `${text}\n${file}`,
        exitCode: ({ table }) => (table.handedOn === 0 ? NOTHING_KEPT : 0),
      }),
  });

/** The exit code of `swirl filter` and `swirl run` where the filter keeps nothing. */
export const NOTHING_KEPT = 3;

export interface FilterStageResult {
  table: FilterTable;
  text: string;
  file: string;
}

async function check(session: Session): Promise<void> {
  const { preflight } = await import("./preflight.js");
  await preflight(session, ["filter"]);
}

export async function filterStage(session: Session): Promise<FilterStageResult> {
  const [
    { filterTrajectories },
    { formatFilterTable },
    { filterAdvice },
    { judgeSteps },
    { readTrajectories },
    { openJudge },
    { openTask },
  ] = await Promise.all([
    import("../filter/filter-trajectories.js"),
    import("../filter/filter-table.js"),
    import("../filter/filter-advice.js"),
    import("../judge/judge-steps.js"),
    import("../trajectory/store.js"),
    import("./open-judge.js"),
    import("./open-task.js"),
  ]);
  const [{ writeFileAtomic }, { writeJson }] = await Promise.all([
    import("../files/atomic-write.js"),
    import("../files/json-file.js"),
  ]);
  const { config, paths, signal } = session;
  required(config, "task");
  const task = await openTask(session);
  const { kind, equalN } = config.filter;
  const needsVerdicts = kind === "process" || kind === "both";
  await using open = needsVerdicts ? await openJudge(session, "judge") : undefined;
  const pool = readTrajectories(paths.trajectories);
  const judged = open
    ? judgeSteps(pool, { judge: open.judge, concurrency: open.concurrency, signal })
    : unjudged(pool);
  const bar = session.progress("filter");
  bar.update(0, undefined);
  const { kept, table } = await filterTrajectories(judged, {
    kind,
    outcome: task.matcher,
    ...(equalN === undefined ? {} : { equalN, seed: config.seed }),
    signal,
    onProgress: (progress) => bar.update(progress.done, progress.total, `${progress.kept} kept`),
  });
  bar.stop();
  await writeFileAtomic(paths.kept, kept.map((trajectory) => `${JSON.stringify(trajectory)}\n`).join(""));
  await writeJson(paths.filter, table);
  const text = [formatFilterTable(table), ...filterAdvice(table)].join("\n");
  return { table, text, file: paths.kept };
}

async function* unjudged<T>(pool: AsyncIterable<T>): AsyncGenerator<{ trajectory: T }> {
  for await (const trajectory of pool) yield { trajectory };
}
