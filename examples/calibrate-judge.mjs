/**
 * How far can a judge be trusted? The false-positive and false-negative rates of a model, or of the ready-made rules, on
 * labeled steps.
 *
 *   node examples/calibrate-judge.mjs --model DIR --bench processbench/gsm8k.json --limit 40
 *   node examples/calibrate-judge.mjs --endpoint http://127.0.0.1:8000/v1 --name smollm2
 *   node examples/calibrate-judge.mjs --rules calculator --bench processbench/gsm8k.json
 *   node examples/calibrate-judge.mjs --rules calculator --steps examples/gsm8k/checked-steps.json
 *
 * --rules judges ProcessBench as calculator calls, the form it has rules for. --steps: a JSON array of { id, good, view }.
 * Without --bench it judges the built-in suite of actions that are known to fool judges; all of them are bad.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import {
  adversarialSteps,
  asCalculatorSteps,
  calibrate,
  Policy,
  PromptedJudge,
  readProcessBench,
  ruleJudges,
} from "swirl-rl";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    endpoint: { type: "string" },
    name: { type: "string", default: "default" },
    rules: { type: "string" },
    bench: { type: "string" },
    steps: { type: "string" },
    limit: { type: "string" },
    mode: { type: "string", default: "text" },
    "max-new-tokens": { type: "string", default: "256" },
    concurrency: { type: "string", default: "8" },
  },
});
const named = [values.model, values.endpoint, values.rules].filter((value) => value !== undefined);
if (named.length !== 1 || (values.rules !== undefined && !(values.rules in ruleJudges))) {
  console.error("give one of --model DIR, --endpoint URL, --rules search, --rules calculator");
  process.exit(2);
}

const concurrency = Number(values.concurrency);
const policy = values.model
  ? await Policy.load(values.model, { trainable: false, dtype: "bfloat16" })
  : values.endpoint
    ? await Policy.connect({ baseURL: values.endpoint, model: values.name, concurrency })
    : undefined;
const judge = policy
  ? new PromptedJudge({
      policy,
      criterion: values.bench ? "math" : "step",
      mode: values.mode,
      maxNewTokens: Number(values["max-new-tokens"]),
    })
  : ruleJudges[values.rules]();
const limit = values.limit === undefined ? undefined : Number(values.limit);
const all = values.bench
  ? await readProcessBench(values.bench)
  : values.steps
    ? JSON.parse(await readFile(values.steps, "utf8"))
    : adversarialSteps();
const steps = (values.rules && values.bench ? asCalculatorSteps(all) : all).slice(0, limit);

let done = 0;
const result = await calibrate(judge, steps, {
  concurrency,
  onVerdict: () => process.stderr.write(`\r${++done} of ${steps.length} steps`),
});
process.stderr.write("\n");
const show = ({ count, of, interval }) =>
  of === 0
    ? "none labeled so"
    : `${count} of ${of}  [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]`;
console.log(`judge            ${result.judge}`);
console.log(`bad called GOOD  ${show(result.falsePositive)}`);
console.log(`good called BAD  ${show(result.falseNegative)}`);
console.log(`right            ${show(result.accuracy)}`);
console.log(`no verdict       ${result.failed} of ${result.steps}`);
await policy?.dispose();
