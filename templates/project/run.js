// The whole method: fine-tune on a few demonstrations, synthesize, judge, filter, train, evaluate. npm start
//
// Stopped at any point, it resumes. Delete the folder "run" to start again.
import { existsSync, readFileSync } from "node:fs";
import {
  demonstrate,
  evaluate,
  filterTrajectories,
  formatFilterTable,
  judgeSteps,
  Policy,
  RunDirectory,
  readTrajectories,
  sft,
  synthesize,
  train,
  writeJson,
  writeReport,
} from "swirl-rl";
import { writePolicyFolder } from "swirl-rl/demo";
import { judge } from "./judge.js";
import { questions } from "./stock.js";
import { demonstrations, task } from "./task.js";

const config = JSON.parse(readFileSync(new URL("config.json", import.meta.url), "utf8"));
const { output, seed, device, rollout, trackers } = config;
const test = questions.slice(0, config.questions.test);
const first = config.questions.test;
const last = first + config.questions.train;

const run = await RunDirectory.open(output, { config, seeds: { run: seed } });
const { paths } = run;
const tracking = { folder: output };

// Without a model in the config: a small untrained one, made here. Nothing is downloaded.
let start = config.model;
if (!start) {
  start = `${output}/model`;
  if (!existsSync(`${start}/config.json`)) await writePolicyFolder(start, seed);
}
const policy = await Policy.load(start, { device });

await sft({
  policy,
  trajectories: demonstrate(demonstrations(first, last), { policy, task, ...rollout }),
  ...config.sft,
  seed,
  checkpoints: { folder: paths.sftCheckpoints },
  metricsFile: paths.sftMetrics,
  trackers,
  tracking,
});

const measure = async (stage) => {
  const { summary } = await evaluate(test, {
    policy,
    task,
    judge,
    ...rollout,
    output: paths.evaluation(stage),
  });
  const { value, low, high } = summary.accuracy;
  const percent = (share) => (100 * share).toFixed(0);
  console.log(`${stage}: ${percent(value)} % right [${percent(low)}, ${percent(high)}]`);
};
await measure("start");

const made = synthesize(questions.slice(first, last), {
  policy,
  task,
  ...rollout,
  ...config.synthesize,
  seed,
  output: paths.trajectories,
});
for await (const _ of made); // what is in the file already is not made again
const judged = judgeSteps(readTrajectories(paths.trajectories), { judge });
const { kept, table } = await filterTrajectories(judged, { kind: "process" });
await writeJson(paths.filter, table);
console.log(formatFilterTable(table));

await train({
  policy,
  judge,
  trajectories: kept,
  ...config.train,
  ...rollout,
  seed,
  checkpoints: { folder: paths.checkpoints },
  metricsFile: paths.metrics,
  trackers,
  tracking,
});
await measure("trained");
await policy.save(paths.policy);
await policy.dispose();
await run.close();
const { html } = await writeReport(output);
console.log(`the trained model: ${paths.policy}\nthe report: ${html}`);
