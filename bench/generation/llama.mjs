// node-llama-cpp as a process that speaks JSON lines: llama.mjs FOLDER, where FOLDER holds its node_modules.
//
// Its sequences share nothing, so each of its parallel slots prefills the prefix itself, once, and keeps it: after a
// completion the slot erases what it generated and decodes the next. Tokens are picked greedily, its cheapest way.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const root = join(process.argv[2], "node_modules/node-llama-cpp");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(join(root, "dist/index.js")).href);

let llama;
let context;
let slots = [];

async function load({ gguf, threads, parallel, contextSize, flashAttention }) {
  await context?.dispose();
  // Its default is 4 threads on a machine of 2 cores, which more than halves its speed.
  llama ??= await getLlama({
    gpu: false,
    build: "never",
    maxThreads: threads,
    logLevel: LlamaLogLevel.error,
    progressLogs: false,
  });
  const model = await llama.loadModel({ modelPath: gguf });
  context = await model.createContext({
    sequences: parallel,
    contextSize,
    batchSize: 512,
    threads: { ideal: threads, min: threads },
    flashAttention,
  });
  slots = Array.from({ length: parallel }, () => context.getSequence());
  return { threads: context.currentThreads };
}

/** `count` completions of `tokens` tokens; `warm`: the prefix lies in every slot already. */
async function decode({ prompt, count, tokens, warm }) {
  if (!warm) for (const slot of slots) await slot.clearHistory();
  const prefix = prompt.slice(0, -1);
  const prefill = (slot) => (warm ? undefined : slot.evaluateWithoutGeneratingNewTokens(prefix));
  let [next, generated] = [0, 0];
  const start = performance.now();
  await Promise.all(
    slots.slice(0, count).map(async (slot) => {
      await prefill(slot);
      while (next++ < count) {
        let left = tokens;
        for await (const _ of slot.evaluate(prompt.slice(-1), { temperature: 0, yieldEogToken: true })) {
          generated++;
          if (--left === 0) break;
        }
        await slot.eraseContextTokenRanges([{ start: prefix.length, end: slot.nextTokenIndex }]);
      }
    }),
  );
  return { seconds: (performance.now() - start) / 1000, generated };
}

async function hello() {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return { "node-llama-cpp": version };
}

const operations = { hello, load, decode };
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...request } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await operations[op](request))}\n`);
}
process.exit();
