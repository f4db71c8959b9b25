// Calls the addon with less address space left than the call needs, and prints the code of each error. A limit is set on
// this very process by prlimit, once everything else is there.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tinyBatch, tinyConfig, tinyLoss, tinyOptimizer, tinyOptions } from "../tiny-model.mjs";

const MB = 2 ** 20;
const addon = createRequire(import.meta.url)(process.env.SWIRL_ADDON);

/** Runs work with so many bytes of address space left; the code of its error, or what it gave. */
async function withLeft(bytes, work) {
  const used = Number(/VmSize:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
  const limit = (soft) => execFileSync("prlimit", [`--pid=${process.pid}`, `--as=${soft}:`]);
  limit(used + bytes);
  try {
    return await work();
  } catch (error) {
    return error.code ?? String(error);
  } finally {
    limit("unlimited");
  }
}

const say = (name, outcome) => console.log(`${name}: ${outcome}`);
const engine = addon.createEngine(tinyOptions());
const large = new Uint8Array(700 * MB);
const tokens = new Int32Array(large.buffer);
const ok = () => "no error";
const options = { temperature: 1, tree: true };
const [sequence] = tinyBatch(1);

say(
  "writeTensor",
  await withLeft(300 * MB, () =>
    engine.writeTensor("model.norm.weight", "weight", "float32", large).then(ok),
  ),
);
say("logprobs", await withLeft(300 * MB, () => engine.logprobs([{ ...sequence, tokens }], options).then(ok)));
say("setTokenBytes", await withLeft(300 * MB, () => ok(engine.setTokenBytes(large, new Int32Array(102)))));
const name = "x".repeat(400 * MB);
say(
  "readTensor, name",
  await withLeft(300 * MB, () => engine.readTensor(name, "weight", "float32").then(ok)),
);

// A tensor of 400 MB: first the engine's copy of it does not fit, then the result.
const config = { ...tinyConfig(), vocab: 2 ** 20, width: 100 };
const roomy = { ...tinyOptions(), config, trainable: false, dtype: "float32", memoryBudget: 4000 * MB };
say("createEngine", await withLeft(300 * MB, () => ok(addon.createEngine(roomy))));
const wide = addon.createEngine(roomy);
const read = () => wide.readTensor("model.embed_tokens.weight", "weight", "float32").then(ok);
say("readTensor", await withLeft(300 * MB, read));
say("readTensor, result", await withLeft(600 * MB, read));
say("readTensor, no limit", await read());
wide.dispose();

// Each engine has a thread of its own, with a stack.
const engines = [];
const many = await withLeft(300 * MB, () => {
  for (let i = 0; i < 500; i++) engines.push(addon.createEngine({ ...tinyOptions(), trainable: false }));
});
say("threads", many);
for (const one of engines) one.dispose();
// OpenMP's threads are started with the engine, because libgomp ends the process where it cannot start one.
const team = { ...tinyOptions(), threads: 64 };
say("team", await withLeft(300 * MB, () => ok(addon.createEngine(team))));
const wideTeam = addon.createEngine(team);
const update = () =>
  wideTeam.update(tinyBatch(64), tinyLoss({ maxTokensPerMicroBatch: 0 }), tinyOptimizer()).then(ok);
say("update of a team", await withLeft(100 * MB, update));
wideTeam.dispose();
say("afterwards", await engine.logprobs([sequence], options).then(ok));
