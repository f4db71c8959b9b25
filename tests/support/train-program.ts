/**
 * Trains the tiny model in a process of its own and prints the SHA-256 of its final weights, so that a test can kill
 * it. Arguments: model folder, run folder, the number of the progress event at which to die (0: live), and "lora" to train
 * an adapter.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { journaledJudge } from "../../src/judge/journaled-judge.js";
import { NativePolicy } from "../../src/policy/native-policy.js";
import { train } from "../../src/train/train.js";
import { tinyJudge, tinyTrajectories } from "./tiny-world.js";

const [model, run, dieAt, adapter] = process.argv.slice(2) as [string, string, string, string?];
let events = 0;
function event(): void {
  if (++events === Number(dieAt)) process.kill(process.pid, "SIGKILL");
}

const options = { device: "cpu", dtype: "float32", threads: 1 } as const;
const lora = adapter === "lora";
const policy = await NativePolicy.load(model, { ...options, ...(lora ? { lora: { rank: 4 } } : {}) });
// An adapter's reference is its base, which is in memory already.
const reference = lora ? policy.base : await NativePolicy.load(model, { ...options, trainable: false });
const judge = await journaledJudge(tinyJudge, join(run, "verdicts.jsonl"));
await train({
  policy,
  ...(lora ? {} : { reference }),
  klWeight: 0.05,
  judge,
  trajectories: await tinyTrajectories(policy, 6),
  samplesPerState: 4,
  batchSize: 4,
  steps: 6,
  maxNewTokens: 6,
  lr: 1e-3,
  schedule: "cosine",
  warmupSteps: 2,
  baseline: "running",
  checkpoints: { folder: join(run, "checkpoints"), every: 2, keep: 2 },
  metricsFile: join(run, "metrics.jsonl"),
  onProgress: event,
  onStep: event,
});
const hash = createHash("sha256");
for (const { name } of policy.parameters())
  for (const kind of ["weight", "adam_m", "adam_v"] as const)
    hash.update(await policy.readParameter(name, kind));
process.stdout.write(`${hash.digest("hex")} ${events}\n`);
await judge.close();
await policy.dispose();
await reference.dispose();
