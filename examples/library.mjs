// SWiRL in twenty lines: node examples/library.mjs MODEL_FOLDER train.jsonl
import {
  calculator,
  calculatorTask,
  filterTrajectories,
  formatFilterTable,
  judgeSteps,
  Policy,
  readQuestions,
  ruleJudges,
  synthesize,
  train,
} from "swirl-rl";

// A model that writes the tags already: an untrained 135M one does not, and nothing would pass the filter.
const [model = "runs/gsm8k/sft-checkpoints/latest", file = "train.jsonl"] = process.argv.slice(2);
const policy = await Policy.load(model, { dtype: "bfloat16" });
const task = calculatorTask(calculator());
const judge = ruleJudges.calculator();

const questions = readQuestions(file, { format: "gsm8k", limit: 100 });
const trajectories = synthesize(questions, { policy, task, samples: 4, concurrency: 64, maxNewTokens: 96 });
const { kept, table } = await filterTrajectories(judgeSteps(trajectories, { judge }), { kind: "process" });
console.log(formatFilterTable(table));

await train({
  policy,
  judge,
  trajectories: kept,
  steps: 20,
  lr: 1e-5,
  onStep: ({ step, reward }) => console.log(step, reward),
});
await policy.save("trained"); // a Hugging Face folder
await policy.dispose();
