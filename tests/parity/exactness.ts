/**
 * What must be exactly equal on the CPU, for one model, type and number of threads: a token's log-prob, however it was
 * computed, and a step, however often it is taken. Counts what it compared and names what differed.
 */
import { createHash } from "node:crypto";
import type {
  Dtype,
  NativeCompletion,
  NativeGenerateStats,
  NativePrompt,
  TensorKind,
} from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { loadWeights, openCheckpoint } from "../../src/policy/checkpoint/checkpoint.js";
import { type Golden, readGolden, reinforce, testDevice } from "./golden.js";

export interface Exactness {
  /** Numbers compared. */
  compared: number;
  /** What was not bit for bit the same. */
  differing: string[];
  /** SHA-256 of weights, gradients and optimizer state after two steps: the same for any number of threads. */
  step: string;
}

interface Row {
  tokens: Int32Array;
  actionStart: number;
  logprobs: Float32Array;
}

const MAX_NEW = 20;
/** Around the borders of the kernels' blocks of keys and rows; all prefixes of one text, so that they share. */
const LENGTHS = [1, 3, 17, 40, 63, 64, 65, 127, 128, 129];

export async function exactness(model: string, dtype: Dtype, threads: number): Promise<Exactness> {
  const golden = await readGolden(model);
  const engine = await open(golden, dtype, threads);
  const found: Exactness = { compared: 0, differing: [], step: "" };
  const rows: Row[] = [];
  const text = textOf(golden, 160);
  const prompts = LENGTHS.map((length, i) => ({ tokens: text.slice(0, length), seed: BigInt(i) }));

  const same = (what: string, a: ArrayLike<number>, b: ArrayLike<number>) => {
    found.compared += a.length;
    let equal = a.length === b.length;
    for (let i = 0; i < a.length && equal; i++) equal = Object.is(a[i], b[i]);
    if (!equal) found.differing.push(what);
  };
  const sameCompletions = (what: string, a: NativeCompletion[], b: NativeCompletion[]) => {
    same(`${what}: completions`, [a.length], [b.length]);
    for (const [j, completion] of a.entries()) {
      same(`${what}: tokens ${j}`, completion.tokens, b[j]?.tokens ?? []);
      same(`${what}: log-probs ${j}`, completion.logprobs, b[j]?.logprobs ?? []);
    }
  };
  const expectStats = (what: string, stats: NativeGenerateStats, prefill: number) => {
    if (stats.prefillTokens !== prefill) {
      found.differing.push(`${what}: ${stats.prefillTokens} tokens computed, not ${prefill}`);
    }
  };

  // The state of the cache: cold, warm, and with a part of the prompts in it.
  const cold = await generate(engine, prompts, 3);
  expectStats("cold", cold.stats, 129);
  const warm = await generate(engine, prompts, 3);
  expectStats("warm", warm.stats, prompts.length);
  await dropCache(engine);
  await generate(engine, [{ tokens: text.slice(0, 50), seed: 99n }], 1);
  const partly = await generate(engine, prompts, 3);
  expectStats("partly warm", partly.stats, 129 - 50 + 4); // and the last row of each of the four shorter ones
  for (const [i, group] of cold.completions.entries()) {
    sameCompletions(`prompt of ${LENGTHS[i]}, warm`, warm.completions[i]!, group);
    sameCompletions(`prompt of ${LENGTHS[i]}, partly warm`, partly.completions[i]!, group);
    for (const { tokens, logprobs } of group) rows.push(row(prompts[i]!.tokens, tokens, logprobs));
  }
  // The number of completions: each is a stream of its own.
  await dropCache(engine);
  const single = await generate(engine, prompts, 1);
  for (const [i, group] of single.completions.entries())
    sameCompletions(`prompt of ${LENGTHS[i]}, n = 1`, group, cold.completions[i]!.slice(0, 1));

  // The batch: the same prompt in company of 1, 2, 3, 7 and 32, whose other prompts end sooner or later than it.
  const subject = prompts[5]!;
  for (const size of [1, 2, 3, 7, 32]) {
    await dropCache(engine);
    const company: Prompt[] = Array.from({ length: size }, (_, i) =>
      i === size >> 1
        ? subject
        : {
            tokens: text.slice((i * 5) % 30, 40 + i),
            seed: BigInt(100 + i),
            maxNewTokens: 1 + ((i * 7) % (MAX_NEW + 5)),
          },
    );
    const { completions } = await generate(engine, company, 1);
    sameCompletions(`batch of ${size}`, completions[size >> 1]!, single.completions[5]!);
    for (const [i, [completion]] of completions.entries())
      rows.push(row(company[i]!.tokens, completion!.tokens, completion!.logprobs));
  }

  // A chain of turns: every state is the one before, its action, and tokens of another's.
  let state = text.slice(0, 30);
  for (let turn = 0; turn < 4; turn++) {
    const { completions } = await generate(engine, [{ tokens: state, seed: BigInt(turn) }], 2);
    for (const { tokens, logprobs } of completions[0]!) rows.push(row(state, tokens, logprobs));
    state = Int32Array.from([...state, ...completions[0]![0]!.tokens, ...text.slice(turn, turn + 9)]);
  }

  // The trainer's log-probs of all that, in trees of every shape.
  const score = async (sequences: Row[], tree: boolean) =>
    await engine.logprobs(
      sequences.map(({ tokens, actionStart }) => ({ tokens, actionStart })),
      { temperature: 1, tree },
    );
  for (const tree of [true, false]) {
    for (const [i, logprobs] of (await score(rows, tree)).entries())
      same(`scored, tree ${tree}: row ${i}`, logprobs, rows[i]!.logprobs);
  }
  for (let i = 0; i < rows.length; i += 7) {
    same(`scored alone: row ${i}`, (await score([rows[i]!], true))[0]!, rows[i]!.logprobs);
    for (const [j, logprobs] of (await score(rows.slice(i, i + 5), true)).entries())
      same(`scored in fives: row ${i + j}`, logprobs, rows[i + j]!.logprobs);
  }

  for (const limit of [24, 150]) {
    const cut = await engine.logprobs(rows, { temperature: 1, tree: true, maxTokensPerMicroBatch: limit });
    for (const [i, logprobs] of cut.entries())
      same(`scored ${limit} rows at a time: row ${i}`, logprobs, rows[i]!.logprobs);
  }

  // Those of an update, cut into micro-batches: the estimator k2 is half the mean square of the difference to the
  // reference, so it is 0 only if every log-prob is the one that was sampled.
  const batch = rows.map(({ tokens, actionStart, logprobs }, i) => ({
    tokens,
    actionStart,
    advantage: (i % 5) - 2,
    behaviorLogprobs: logprobs,
    referenceLogprobs: logprobs,
  }));
  const loss = { ...reinforce, klWeight: 0.1, klEstimator: "k2" as const };
  for (const options of [
    {},
    { tree: false },
    { maxTokensPerMicroBatch: 24 },
    { maxTokensPerMicroBatch: 170 },
    { maxTokensPerMicroBatch: 401 },
    { maxTokensPerMicroBatch: 1000, tree: false },
  ]) {
    const { kl, labels, microBatches } = await engine.forwardBackward(batch, { ...loss, ...options });
    same(`update ${JSON.stringify(options)}, ${microBatches} micro-batches`, [kl], [0]);
    found.compared += labels;
  }

  found.step = await steps(engine, batch, loss);
  const again = await open(golden, dtype, threads);
  same("the step repeated", Buffer.from(await steps(again, batch, loss)), Buffer.from(found.step));
  engine.dispose();
  again.dispose();
  return found;
}

async function open(golden: Golden, dtype: Dtype, threads: number): Promise<Engine> {
  const checkpoint = await openCheckpoint(golden.folder);
  const engine = new Engine({
    config: { ...checkpoint.config.model, maxPositions: 256 }, // room for prompts beyond the borders
    device: testDevice,
    dtype,
    threads,
    memoryBudget: 1 << 30,
    trainable: true,
  });
  await loadWeights(checkpoint, engine);
  return engine;
}

/** Tokens the model's golden files use, one sequence after another. */
function textOf(golden: Golden, length: number): Int32Array {
  const tokens = golden.batch.flatMap((sequence) => [...sequence.tokens]);
  if (tokens.length < length) throw new Error(`the golden batch has ${tokens.length} tokens`);
  return Int32Array.from(tokens.slice(-length));
}

function row(prompt: Int32Array, tokens: Int32Array, logprobs: Float32Array): Row {
  return { tokens: Int32Array.from([...prompt, ...tokens]), actionStart: prompt.length, logprobs };
}

type Prompt = Omit<NativePrompt, "maxNewTokens"> & { maxNewTokens?: number };

async function generate(engine: Engine, prompts: Prompt[], n: number) {
  const limited = prompts.map((prompt) => ({ maxNewTokens: MAX_NEW, ...prompt }));
  return await engine.generate(limited, {
    n,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: Int32Array.of(2),
    stopStrings: [],
  });
}

/** A weight that is written, with the value it has, makes the cache stale. */
async function dropCache(engine: Engine): Promise<void> {
  const { name } = engine.parameters()[0]!;
  await engine.writeTensor(name, "weight", "float32", await engine.readTensor(name, "weight", "float32"));
}

/** Two updates, then everything the engine holds. */
async function steps(
  engine: Engine,
  batch: Parameters<Engine["update"]>[0],
  loss: Parameters<Engine["update"]>[1],
): Promise<string> {
  const optimizer = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, maxGradNorm: 1 };
  const hash = createHash("sha256");
  for (let step = 0; step < 2; step++) {
    const { loss: value, gradNorm, entropy } = await engine.update(batch, loss, optimizer);
    hash.update(Float64Array.of(value, gradNorm, entropy));
  }
  for (const kind of ["weight", "gradient", "adam_m", "adam_v"] as TensorKind[]) {
    for (const { name } of engine.parameters()) hash.update(await engine.readTensor(name, kind, "float32"));
  }
  return hash.digest("hex");
}
