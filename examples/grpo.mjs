// GRPO on an environment of your own. Here, the demo's: swirl demo && node examples/grpo.mjs swirl-demo [UPDATES]
import { readFile } from "node:fs/promises";
import { actionFormat, evaluate, Policy, parseAction, stopStrings } from "swirl-rl";
import { demoTask } from "swirl-rl/demo";

const [run = "swirl-demo", updates = 150] = process.argv.slice(2);
const [questions, G, maxNewTokens, callLimit] = [24, 8, 16, 5]; // per update; actions; tokens; calls
const world = JSON.parse(await readFile(`${run}/world.json`, "utf8"));
const policy = await Policy.load(`${run}/sft-policy`, { maxBatch: 1024 }); // before RL
const task = await demoTask(world.articles, callLimit);
const format = actionFormat("tags", task.tools);
const stop = stopStrings(format);

/** The environment: a tool's result, or a reward that ends the episode. */
async function reply({ question, answers }, said) {
  const { kind, call, answer } = parseAction(said, format, []);
  if (kind === "malformed") return { reward: 0 };
  if (kind === "answer")
    return { reward: Number((await task.matcher.match({ question, answer, gold: answers })).correct) };
  const tool = task.tools.find(({ name }) => name === call.name);
  const [field] = Object.keys(tool.inputSchema.shape);
  const running = Promise.resolve().then(() => tool.execute({ [field]: call.input }, {}));
  return { observation: `${call.input} -> ${await running.catch(({ message }) => `error: ${message}`)}` };
}

async function episode(question, seed) {
  let context = policy.begin(task.prompt(question.question, format, callLimit));
  const sequences = [];
  for (let step = 0; step <= callLimit; step++) {
    const [action] = await policy.act(context, { maxNewTokens, stop, seed: seed * 8 + step });
    const tokens = [...context.tokens, ...action.tokens];
    // The array that `act` returned: by it the policy knows that the update needs no pass for old log-probs.
    sequences.push({ tokens, actionStart: context.tokens.length, behaviorLogprobs: action.logprobs });
    const { reward, observation } = await reply(question, action);
    if (reward !== undefined) return { sequences, reward };
    context = policy.extend(context, action, { role: "user", content: observation });
  }
  return { sequences, reward: 0 };
}

const range = (count) => Array.from({ length: count }, (_, i) => i);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
for (const update of range(Number(updates))) {
  const drawn = range(questions).map((i) => update * questions + i);
  const play = (i) => range(G).map((g) => episode(world.train[i % world.train.length], i * G + g));
  const groups = await Promise.all(drawn.map((i) => Promise.all(play(i))));
  const batch = groups.flatMap((group) => {
    const mean = meanOf(group.map(({ reward }) => reward));
    const deviation = Math.sqrt((G / (G - 1)) * meanOf(group.map(({ reward }) => (reward - mean) ** 2)));
    const advantage = ({ reward }) => (reward - mean) / (deviation + 1e-4);
    return group.flatMap((one) => one.sequences.map((s) => ({ ...s, advantage: advantage(one) })));
  });
  await policy.update(batch, { loss: "grpo", optimizer: { lr: 5e-4 * (1 - 0.9 * (update / updates)) } });
  console.log(update + 1, "reward", meanOf(groups.flat().map(({ reward }) => reward)).toFixed(3));
}
const { summary } = await evaluate(world.heldOut, { policy, task, maxNewTokens, concurrency: 256 });
console.log(`held out: ${(100 * summary.accuracy.value).toFixed(1)} % right`);
await policy.dispose();
