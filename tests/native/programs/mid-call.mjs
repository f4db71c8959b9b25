// Ends in the middle of a native call, in the way the first argument says. Run by end-of-process.test.ts, which sets
// SWIRL_ADDON; run as a worker too. Prints "done" only where the call is to be waited for.
import { createRequire } from "node:module";
import { isMainThread, parentPort, threadId, Worker, workerData } from "node:worker_threads";
import { fillWeights, tinyBatch, tinyLoss, tinyOptimizer, tinyOptions } from "../tiny-model.mjs";

const addon = createRequire(import.meta.url)(process.env.SWIRL_ADDON);
const way = isMainThread ? process.argv[2] : workerData.way;
const times = Number(process.argv[3] ?? 1);
const batch = tinyBatch(4000);
const loss = tinyLoss({ tree: false });

/** Starts an update of some seconds and calls `then` once it is under way. */
async function underWay(then) {
  const engine = addon.createEngine(tinyOptions());
  await fillWeights(engine);
  let begun = false;
  const onProgress = () => {
    if (begun) return;
    begun = true;
    then(engine);
  };
  return engine.update(batch, loss, tinyOptimizer(), { onProgress });
}

const startWorker = (workerWay) => new Worker(new URL(import.meta.url), { workerData: { way: workerWay } });

const ways = {
  // --- the main thread
  idle: async () => {
    const engine = addon.createEngine(tinyOptions());
    await fillWeights(engine);
  },
  running: async () => {
    const engine = addon.createEngine(tinyOptions());
    engine.update(tinyBatch(50), loss, tinyOptimizer()).then(() => console.log("done"));
  },
  exit: () => underWay(() => process.exit(7)),
  throw: () =>
    underWay(() => {
      setImmediate(() => {
        throw new Error("thrown in mid-call");
      });
    }),
  "dispose-and-end": () => underWay((engine) => engine.dispose()).catch((error) => console.log(error.code)),
  collected: async () => {
    for (let i = 0; i < times; i++) {
      addon.createEngine(tinyOptions()); // never disposed, nothing refers to it
      if (i % 8 === 7) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    console.log("done");
  },

  // --- workers
  "terminate-workers": async () => {
    for (let i = 0; i < times; i++) {
      const worker = startWorker("report-and-go-on");
      await new Promise((resolve) => worker.once("message", resolve));
      await worker.terminate();
    }
    console.log("done");
  },
  "workers-exit": async () => {
    for (let i = 0; i < times; i++) {
      const worker = startWorker("exit");
      const code = await new Promise((resolve) => worker.once("exit", resolve));
      if (code !== 7) throw new Error(`the worker ended with ${code}`);
    }
    console.log("done");
  },
  "exit-under-workers": async () => {
    const workers = [startWorker("report-and-go-on"), startWorker("report-and-go-on")];
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
    process.exit(7);
  },
  "report-and-go-on": () => underWay(() => parentPort.postMessage(threadId)),
};

await ways[way]();
