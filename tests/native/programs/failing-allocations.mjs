// Runs every call of the addon while one of the addon's allocations fails, for each of a range of allocations, in one
// process. What fails must reject or throw MEMORY; the same call, made again, must then give what it gives without any
// failure. Arguments: the control file (failing_allocator.cc), the first allocation to fail, the last, the step, and the
// engine's threads. Prints how many allocations there are, how many failed, and how many calls failed with them.
import { createHash } from "node:crypto";
import { openSync, readSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import {
  fillWeights,
  tinyBatch,
  tinyConfig,
  tinyLoss,
  tinyOptimizer,
  tinyOptions,
  tinySampling,
} from "../tiny-model.mjs";

const [control, ...numbers] = process.argv.slice(2);
const [first, last, step, threads] = numbers.map(Number);
const addon = createRequire(import.meta.url)(process.env.SWIRL_ADDON);
const file = openSync(control, "r+");
const words = new BigInt64Array(2);
function arm(countdown) {
  words[0] = BigInt(countdown);
  words[1] = 0n;
  writeSync(file, words, 0, 16, 0);
}
function state() {
  readSync(file, words, 0, 16, 0);
  return { left: Number(words[0]), failed: Number(words[1]) };
}

const config = {
  ...tinyConfig(),
  layers: 1,
  width: 32,
  heads: 2,
  kvHeads: 1,
  intermediate: 32,
  slidingLayers: [false],
};
const bytes = new Uint8Array(config.vocab).fill(97);
const offsets = Int32Array.from({ length: config.vocab + 1 }, (_, i) => i);
const prompts = [3, 5, 11, 13, 17].map((token) => ({
  tokens: Int32Array.of(token, 7, 9),
  seed: BigInt(token),
  maxNewTokens: 120,
}));
let failures = 0;
let failedCalls = 0;

/** Calls; where that fails for want of memory, calls again. */
async function call(work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== "MEMORY") throw error;
    failedCalls++;
    return await work();
  }
}

const text = (value) =>
  JSON.stringify(value, (_, part) => (ArrayBuffer.isView(part) ? Array.from(part) : part));

/** Makes every call once; returns the outcomes. */
async function everything() {
  const said = [];
  const note = (value) => said.push(text(value));
  note(await call(() => Object.keys(addon.missing()).length));
  note(await call(() => addon.devices().map(({ name }) => name)));
  const engineOptions = { ...tinyOptions(), config, threads };
  (await call(() => addon.createEngine(engineOptions))).dispose();
  const engine = await call(() => addon.openEngine(engineOptions));
  const parameters = await call(() => engine.parameters());
  note(parameters);
  await call(() => fillWeights(engine));
  await call(() => engine.setTokenBytes(bytes, offsets));
  await call(() => engine.setOptimizerStep(0));
  const batch = tinyBatch(3, 12);
  const options = { temperature: 1, tree: true };
  const watch = { signal: new AbortController().signal, onProgress() {} };
  note(await call(() => engine.logprobs(batch, options, watch)));
  const groups = {
    groups: [{ lr: 1e-3, weightDecay: 0, frozen: false }],
    groupOf: new Int32Array(parameters.length).map((_, i) => i % 2),
  };
  note(await call(() => engine.forwardBackward(batch, tinyLoss(), watch).then(({ loss }) => loss)));
  await call(() => engine.zeroGradients());
  note(await call(() => engine.forwardBackward(batch, tinyLoss(), watch).then(({ loss }) => loss)));
  note(
    await call(() => engine.optimStep({ ...tinyOptimizer(), ...groups }).then(({ gradNorm }) => gradNorm)),
  );
  note(
    await call(() =>
      engine.update(batch, tinyLoss(), tinyOptimizer(), watch).then(({ gradNorm }) => gradNorm),
    ),
  );
  for (const stopStrings of [["aaaa"], []]) {
    const sampled = () => engine.generate(prompts, tinySampling({ n: 3, stopStrings }));
    note(await call(() => sampled().then(({ completions }) => completions)));
  }
  note(await call(() => engine.estimate(10, 5).bytes > 0));
  note(await call(() => engine.memory().budget > 0));
  note(
    await call(() =>
      engine.profile().catch((error) => {
        if (error.code !== "CONFIG") throw error; // opened without a profile
        return error.message;
      }),
    ),
  );
  note(
    await call(() =>
      engine.logprobs([{ ...batch[0], actionStart: 0 }], options).catch((error) => {
        if (error.code !== "INPUT") throw error;
        return error.message;
      }),
    ),
  );
  // One that runs, and one that is aborted in the queue, if it is still there.
  const abort = new AbortController();
  const running = engine.logprobs(batch, options).catch((error) => error.code);
  const queued = engine.logprobs(batch, options, { signal: abort.signal }).catch((error) => error.code);
  abort.abort();
  for (const end of await Promise.all([running, queued]))
    if (!Array.isArray(end) && !["ABORTED", "MEMORY"].includes(end)) throw new Error(`queued: ${end}`);
  const hash = createHash("sha256");
  for (const { name } of parameters)
    for (const kind of ["weight", "adam_m", "adam_v"])
      hash.update(await call(() => engine.readTensor(name, kind, "float32", 1, 15)));
  note(hash.digest("hex"));
  // Disposed in mid-call: the call rejects at once.
  const open = engine.update(batch, tinyLoss(), tinyOptimizer()).catch((error) => error.code);
  engine.dispose();
  if (!["DISPOSED", "MEMORY"].includes(await open)) throw new Error(`disposed: ${await open}`);
  return said.join("\n");
}

arm(0);
const expected = await everything();
arm(1e9);
await everything();
const allocations = 1e9 - state().left;
const end = Math.min(last, allocations);
for (let n = first; n <= end; n += step) {
  arm(n);
  let got;
  try {
    got = await everything();
  } catch (error) {
    throw new Error(`with allocation ${n} of ${allocations} failing: ${error.code}: ${error.message}`, {
      cause: error,
    });
  }
  failures += state().failed;
  arm(0);
  if (got !== expected) throw new Error(`with allocation ${n} failing, results differ:\n${got}\n${expected}`);
}
console.log(JSON.stringify({ allocations, failures, failedCalls }));
