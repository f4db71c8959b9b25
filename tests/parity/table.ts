/** `npm run parity`: prints docs/results/parity.md, what the parity tests measure, as a table. */
import { cpus } from "node:os";
import type { Dtype } from "../../src/native/addon.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { flat, joinBiases, maxDistance, moved, relativeErrors, rmsDistance, worst } from "./distance.js";
import { engineOf, type Golden, models, readAll, readGolden, reinforce } from "./golden.js";

const short = (value: number) => (value === 0 ? "0" : value.toExponential(1));
const pair = (ours: number, torch: number) => `${short(ours)} / ${short(torch)}`;

interface Row {
  logprobs: string;
  gradients: string;
  worst: string;
}

async function against(golden: Golden, dtype: Dtype): Promise<Row> {
  const engine = await engineOf(golden, dtype);
  const distance = dtype === "float32" ? maxDistance : rmsDistance;
  const found = flat(await engine.logprobs(golden.long, { temperature: 1, tree: true }));
  const torch = golden.expected.torchError[dtype].long;
  await engine.forwardBackward(golden.batch, reinforce);
  const errors = relativeErrors(
    await readAll(engine, "gradient"),
    await golden.tensors("gradient.reinforce."),
  );
  const torchErrors = golden.expected.losses.reinforce!.torchError![dtype]!;
  engine.dispose();
  return {
    logprobs: pair(distance(found, golden.longLogprobs), dtype === "float32" ? torch.max : torch.rms),
    gradients: pair(errors.all, torchErrors.all),
    worst: pair(worst(errors).error, worst(torchErrors).error),
  };
}

async function tenSteps(golden: Golden): Promise<string> {
  const { steps, optimizer, torchError } = golden.expected;
  if (!steps) return "";
  const engine = await engineOf(golden, "float32");
  const start = await readAll(engine, "weight");
  for (const _ of steps) await engine.update(golden.batch, reinforce, optimizer);
  const truth = moved(start, await golden.tensors("step10."));
  const { all } = relativeErrors(moved(start, await readAll(engine, "weight")), truth);
  engine.dispose();
  return pair(all, torchError.float32.steps![10]!.all);
}

async function treeAgainstSequences(golden: Golden): Promise<[string, string]> {
  const engine = await engineOf(golden, "float32");
  const logprobs = async (tree: boolean) =>
    flat(await engine.logprobs(golden.batch, { temperature: 1, tree }));
  const gradients = async (tree: boolean) => {
    await engine.zeroGradients();
    await engine.forwardBackward(golden.batch, { ...reinforce, tree });
    return joinBiases(await readAll(engine, "gradient"));
  };
  const separate = await logprobs(false);
  const scale = Math.max(...separate.map(Math.abs));
  const difference = maxDistance(await logprobs(true), separate) / scale;
  const errors = relativeErrors(await gradients(true), await gradients(false));
  engine.dispose();
  return [short(difference), short(worst(errors).error)];
}

async function sampled(golden: Golden, dtype: Dtype): Promise<string> {
  const engine = await engineOf(golden, dtype);
  const prompts = [3, 11, 40].map((length, i) => ({
    tokens: golden.batch[9]!.tokens.slice(0, length),
    seed: BigInt(i),
    maxNewTokens: 32,
  }));
  const { completions } = await engine.generate(prompts, {
    n: 8,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: Int32Array.of(2),
    stopStrings: [],
  });
  const pairs = completions.flatMap((group, i) =>
    group.map(({ tokens, logprobs }) => ({
      logprobs,
      tokens: Int32Array.from([...prompts[i]!.tokens, ...tokens]),
      actionStart: prompts[i]!.tokens.length,
    })),
  );
  const sequences = pairs.map(({ tokens, actionStart }) => ({ tokens, actionStart }));
  const recomputed = await engine.logprobs(sequences, { temperature: 1, tree: true });
  engine.dispose();
  return short(maxDistance(flat(recomputed), flat(pairs.map(({ logprobs }) => logprobs))));
}

async function main(): Promise<void> {
  const [device] = loadAddon().devices();
  const lines = [
    "# Parity",
    "",
    `Made by \`npm run parity\` on ${cpus()[0]?.model} (${device?.matrixLibrary}; ${device?.isa.join(", ")}). Truth is transformers in`,
    "float64 (scripts/golden/README.md). Every cell of the first two tables reads *ours / torch's own float32 or bfloat16*:",
    "the distance of each from truth. The tests that hold these numbers down are in tests/parity/.",
    "",
    "## float32",
    "Promised: log-probs within 2e-4, each gradient tensor within 1e-5 of its norm.",
    "",
    "| model | log-probs, most of 1,008 | gradient, all | gradient, worst tensor | movement after 10 AdamW steps |",
    "|---|---|---|---|---|",
  ];
  const goldens = await Promise.all(models.map(readGolden));
  for (const golden of goldens) {
    const { logprobs, gradients, worst: tensor } = await against(golden, "float32");
    lines.push(
      `| ${golden.name} | ${logprobs} | ${gradients} | ${tensor} | ${(await tenSteps(golden)) || "–"} |`,
    );
  }
  lines.push(
    "",
    "## bfloat16",
    "Promised: no further from truth than torch's bfloat16.",
    "",
    "| model | log-probs, root mean square of 1,008 | gradient, all | gradient, worst tensor |",
    "|---|---|---|---|",
  );
  for (const golden of goldens) {
    const { logprobs, gradients, worst: tensor } = await against(golden, "bfloat16");
    lines.push(`| ${golden.name} | ${logprobs} | ${gradients} | ${tensor} |`);
  }
  lines.push(
    "",
    "## The tree against separate sequences, and the sampler against the trainer",
    "Promised: 1e-6 relative in float32 for the tree (q, k and v biases of a layer as one vector: a key bias alone is the",
    "rest of sums that cancel); 1e-5 in float32 for the sampler, with 0 as the goal.",
    "",
    "| model | tree: log-probs | tree: gradient, worst tensor | sampler, float32 | sampler, bfloat16 |",
    "|---|---|---|---|---|",
  );
  for (const golden of goldens) {
    const [logprobs, gradients] = await treeAgainstSequences(golden);
    const samplers = [await sampled(golden, "float32"), await sampled(golden, "bfloat16")];
    lines.push(`| ${golden.name} | ${logprobs} | ${gradients} | ${samplers.join(" | ")} |`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

await main();
