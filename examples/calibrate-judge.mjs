/**
 * How far can a model be trusted as a judge? Its false-positive and false-negative rates on labelled steps.
 *
 *   node examples/calibrate-judge.mjs --model DIR --bench processbench/gsm8k.json --limit 40
 *   node examples/calibrate-judge.mjs --endpoint http://127.0.0.1:8000/v1 --name smollm2
 *
 * Without --bench it judges the built-in suite of actions that are known to fool judges; all of them are bad.
 */
import { parseArgs } from "node:util";
import { calibrate, foolingSteps, Policy, PromptedJudge, readProcessBench } from "swirl-rl";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    endpoint: { type: "string" },
    name: { type: "string", default: "default" },
    bench: { type: "string" },
    limit: { type: "string" },
    mode: { type: "string", default: "text" },
    "max-new-tokens": { type: "string", default: "256" },
    concurrency: { type: "string", default: "8" },
  },
});
if ((values.model === undefined) === (values.endpoint === undefined)) {
  console.error("give either --model DIR or --endpoint URL");
  process.exit(2);
}

const concurrency = Number(values.concurrency);
const policy = values.model
  ? await Policy.load(values.model, { trainable: false, dtype: "bfloat16" })
  : await Policy.connect({ baseURL: values.endpoint, model: values.name, concurrency });
const judge = new PromptedJudge({
  policy,
  criterion: values.bench ? "math" : "step",
  mode: values.mode,
  maxNewTokens: Number(values["max-new-tokens"]),
});
const limit = values.limit === undefined ? undefined : Number(values.limit);
const all = values.bench ? await readProcessBench(values.bench) : foolingSteps();
const steps = all.slice(0, limit);

let done = 0;
const result = await calibrate(judge, steps, {
  concurrency,
  onVerdict: () => process.stderr.write(`\r${++done} of ${steps.length} steps`),
});
process.stderr.write("\n");
const show = ({ count, of, interval }) =>
  of === 0
    ? "none labelled so"
    : `${count} of ${of}  [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]`;
console.log(`judge            ${result.judge}`);
console.log(`bad called GOOD  ${show(result.falsePositive)}`);
console.log(`good called BAD  ${show(result.falseNegative)}`);
console.log(`right            ${show(result.accuracy)}`);
console.log(`no verdict       ${result.failed} of ${result.steps}`);
await policy.dispose();
