/**
 * `npm run experiments -- miniature | gsm8k | gsm8k-judged | gsm8k-solutions | hotpotqa`: runs a study to its end, resuming where an
 * earlier run stopped, and writes its report.
 */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { lockFolder, SwirlError } from "swirl-rl";
import { needsOf } from "./job.js";
import { jobKeys } from "./job-key.js";
import { Progress } from "./progress.js";
import { writeStudyReport } from "./report/write-study-report.js";
import { StudyResults } from "./results.js";
import { type PlannedJob, schedule } from "./schedule.js";
import { openStudy, STUDY_NAMES, type StudyName, type StudyOptions } from "./studies.js";

const USAGE = `usage: npm run experiments -- ${STUDY_NAMES.join(" | ")} [options]

  --seeds LIST         such as 0-4 or 0,1,7 (default: the study's own)
  --output FOLDER      where jobs are kept; the same folder resumes (default: runs/experiments)
  --report FOLDER      where the report is written (default: below --output)
  --workers N          jobs computed at a time (default: miniature one a core, others 1)
  --threads N          CPU threads of a worker, 0 = every core (default: miniature 1, others 0)
  --only TEXT          only jobs whose name holds TEXT, and what they build on; may be repeated
  --time-budget TIME   stop after that long, such as 40m or 2h; run again to resume
  --report-only        compute nothing
  --smoke              tiny sizes, to see that everything runs
  --model FOLDER       of all but miniature: the model (default: $SWIRL_MODEL)
  --judge-model FOLDER of gsm8k-judged: the model that judges (default: $SWIRL_JUDGE_MODEL)
  --data FOLDER        of all but miniature: holds gsm8k/, hotpotqa/ (default: $SWIRL_DATA)
  --device NAME        of all but miniature: auto, cpu, cuda (default: auto)
`;

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `${SwirlError.isInstance(error) ? String(error) : ((error as Error).stack ?? error)}\n`,
  );
  process.exitCode = 1;
}

async function main(args: string[]): Promise<number> {
  const flags = readFlags(args);
  if (flags === undefined) return 2;
  const study = openStudy(flags.study);
  const seeds = flags.seeds ?? study.defaultSeeds;
  const root = join(resolve(flags.output), study.name);
  const plan = seeds.map((seed) => {
    const jobs = study.jobs(seed);
    return { jobs, keys: jobKeys(jobs, study.testbed) };
  });
  const planned = plan.flatMap(({ jobs, keys }) =>
    withNeeds(jobs, flags.only).map((job): PlannedJob => ({ job, keys })),
  );
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, interrupt);
  const budget =
    flags.timeBudget === undefined
      ? undefined
      : setTimeout(() => stop.abort(new Error("the time budget is used up")), 1000 * flags.timeBudget);

  // Two at once would write into the same jobs; a report only reads them, and each is whole or absent.
  await using _ = flags.reportOnly ? undefined : await lockFolder(root);
  const progress = new Progress(process.stderr);
  if (flags.reportOnly) stop.abort();
  const { results, left } = await schedule({
    study: flags.study,
    root,
    jobs: planned,
    workers: flags.workers ?? (study.workers || availableParallelism()),
    threads: study.threads,
    signal: stop.signal,
    onProgress: (now) => progress.show(now),
  });
  clearTimeout(budget);
  const found = new StudyResults(results, plan[0]!.jobs.length);
  if (found.seeds.length > 0) {
    const folder = resolve(flags.report ?? join(root, "report"));
    const file = await writeStudyReport(study.report(found), found, folder);
    process.stdout.write(`${found.seeds.length} whole seeds of ${seeds.length}: ${file}\n`);
  }
  if (left === 0) return 0;
  process.stdout.write(`${left} of ${planned.length} jobs are left: run the same command again to resume\n`);
  return flags.reportOnly || flags.timeBudget !== undefined ? 0 : 130;
}

function withNeeds(jobs: readonly PlannedJob["job"][], only: string[] | undefined) {
  if (only === undefined) return jobs;
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const wanted = new Set<string>();
  const want = (id: string) => {
    if (wanted.has(id)) return;
    wanted.add(id);
    for (const need of needsOf(byId.get(id)!.work)) want(need);
  };
  for (const { id } of jobs) if (only.some((part) => id.includes(part))) want(id);
  if (wanted.size === 0)
    throw new SwirlError("CONFIG", `--only ${only.join(", ")}: no job has that in its name`, {
      remedy: `names are such as ${jobs
        .slice(0, 4)
        .map(({ id }) => JSON.stringify(id))
        .join(", ")}`,
    });
  return jobs.filter(({ id }) => wanted.has(id));
}

interface Flags {
  study: StudyOptions;
  seeds: number[] | undefined;
  output: string;
  report: string | undefined;
  workers: number | undefined;
  only: string[] | undefined;
  timeBudget: number | undefined; // seconds
  reportOnly: boolean;
}

/** undefined when usage was printed. */
function readFlags(args: string[]): Flags | undefined {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      seeds: { type: "string" },
      output: { type: "string", default: "runs/experiments" },
      report: { type: "string" },
      workers: { type: "string" },
      threads: { type: "string" },
      only: { type: "string", multiple: true },
      "time-budget": { type: "string" },
      "report-only": { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      model: { type: "string" },
      "judge-model": { type: "string" },
      data: { type: "string" },
      device: { type: "string", default: "auto" },
      help: { type: "boolean", default: false },
    },
  });
  const [name] = positionals;
  if (values.help || positionals.length !== 1 || !(STUDY_NAMES as readonly string[]).includes(name!)) {
    process.stderr.write(USAGE);
    return undefined;
  }
  const model = values.model ?? process.env.SWIRL_MODEL;
  const judgeModel = values["judge-model"] ?? process.env.SWIRL_JUDGE_MODEL;
  const data = values.data ?? process.env.SWIRL_DATA;
  return {
    study: {
      name: name as StudyName,
      smoke: values.smoke,
      device: values.device,
      ...(values.threads === undefined ? {} : { threads: wholeNumber("--threads", values.threads) }),
      ...(model === undefined ? {} : { model: resolve(model) }),
      ...(judgeModel === undefined ? {} : { judgeModel: resolve(judgeModel) }),
      ...(data === undefined ? {} : { data: resolve(data) }),
    },
    seeds: values.seeds === undefined ? undefined : readSeeds(values.seeds),
    output: values.output,
    report: values.report,
    workers: values.workers === undefined ? undefined : Math.max(1, wholeNumber("--workers", values.workers)),
    only: values.only,
    timeBudget: values["time-budget"] === undefined ? undefined : readTime(values["time-budget"]),
    reportOnly: values["report-only"],
  };
}

function readSeeds(text: string): number[] {
  const seeds = text.split(",").flatMap((part) => {
    const [from, to = from] = part.split("-").map((number) => wholeNumber("--seeds", number));
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
  });
  return [...new Set(seeds)];
}

function readTime(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text) ?? [];
  if (number === undefined)
    throw new SwirlError("CONFIG", `--time-budget ${text} is no time`, { remedy: "write 90s, 40m or 1.5h" });
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new SwirlError("CONFIG", `${flag}: ${JSON.stringify(text)} is not a whole number`);
}
