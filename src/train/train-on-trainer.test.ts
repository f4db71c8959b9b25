/** `sft` and `train` with a policy whose weights are on a server, and what a resume finds there. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { TinkerServer, type TinkerServerOptions } from "../../tests/support/tinker-server.js";
import { tinyJudge, tinyTrajectories, writeTinyModel } from "../../tests/support/tiny-world.js";
import { VOCABULARY } from "../demo/tokenizer.js";
import { SwirlError } from "../errors/swirl-error.js";
import { RuleJudge } from "../judge/rule-judge.js";
import { Policy } from "../policy/index.js";
import { NativePolicy } from "../policy/native-policy.js";
import type { Trajectory } from "../trajectory/trajectory.js";
import { sft } from "./sft.js";
import { train } from "./train.js";
import type { TrainRecord } from "./train-record.js";

let model: string;
let trajectories: Trajectory[];
beforeAll(async () => {
  model = join(temporaryFolder(), "model");
  await writeTinyModel(model);
  await using policy = await NativePolicy.load(model, { device: "cpu", threads: 1, trainable: false });
  trajectories = await tinyTrajectories(policy, 4);
});

const serve = (options: Partial<TinkerServerOptions> = {}) =>
  TinkerServer.start({ vocab: VOCABULARY.length, reduction: "mean-of-means", ...options });

const connect = (server: TinkerServer) =>
  Policy.connect({
    ...{
      trainer: "tinker",
      baseURL: server.baseURL,
      baseModel: "bigram",
      tokenizer: model,
      lora: { rank: 4 },
    },
    ...{ reduction: { kind: "mean-of-means", scope: "step" }, clipsGradients: true, largestBeta2: 0.999 },
    ...{ retryBaseMs: 1, retryMaxMs: 2, timeoutMs: 2_000, deadlineMs: 20_000 },
  });

const rl = {
  judge: tinyJudge,
  batchSize: 3,
  samplesPerState: 3,
  maxNewTokens: 12,
  lr: 0.05,
  seed: 2,
} as const;
const table = (server: TinkerServer) => [...server.models.values()].at(-1)!.table;
const same = (a: Float64Array, b: Float64Array) => a.every((x, i) => x === b[i]);

it("sft lowers the loss", async () => {
  await using server = await serve();
  await using policy = await connect(server);
  const losses: number[] = [];
  const options = { batchSize: 4, steps: 6, lr: 0.1 };
  await sft({ policy, trajectories, ...options, onStep: ({ loss }) => void losses.push(loss!) });
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3);
});

/** Decided by the first token alone, which a table of token pairs can learn. */
const firstLetter = new RuleJudge({
  id: "first-letter",
  rule: ({ action }) => action.charCodeAt(0) % 2 === 0,
});

it("train raises the reward, with the base as the reference of the KL term", async () => {
  await using server = await serve();
  await using policy = await connect(server);
  const records: TrainRecord[] = [];
  await train({
    ...{
      policy,
      trajectories,
      ...rl,
      judge: firstLetter,
      batchSize: 6,
      samplesPerState: 4,
      lr: 0.5,
      steps: 6,
      klWeight: 0.001,
    },
    onStep: (record) => void records.push(record),
  });
  const mean = (part: TrainRecord[]) => part.reduce((sum, { reward }) => sum + reward!, 0) / part.length;
  expect(mean(records.slice(-3))).toBeGreaterThan(mean(records.slice(0, 2)) + 0.1);
  expect(records[0]!.kl).toBeCloseTo(0, 5);
  expect(records.at(-1)!.kl).toBeGreaterThan(0);
  expect(records[0]).toMatchObject({ entropy: null });
  expect(records[0]!.grad_norm).toBeGreaterThan(0);
});

it("a run that stopped resumes on a new model from the weights that the server saved", async () => {
  const checkpoints = { folder: join(temporaryFolder(), "checkpoints"), every: 2 };
  await using whole = await serve();
  {
    await using policy = await connect(whole);
    await train({ policy, trajectories, ...rl, steps: 4 });
  }
  const wanted = [...whole.saved.entries()];
  expect(wanted.length).toBeGreaterThan(0);
  await using server = await serve();
  await using reached = await connect(server);
  await train({ policy: reached, trajectories, ...rl, steps: 3, checkpoints });
  // Steps: a checkpoint after 2 and one after 3. The machine with the server restarts, and its models are gone.
  server.restart();
  await using policy = await connect(server);
  const result = await train({ policy, trajectories, ...rl, steps: 4, checkpoints });
  expect(result.resumedFrom).toBe(3);
  await using again = await serve();
  await using straight = await connect(again);
  await train({ policy: straight, trajectories, ...rl, steps: 4 });
  expect(same(table(server), table(again))).toBe(true);
  const state = JSON.parse(await readFile(join(checkpoints.folder, "latest", "trainer-state.json"), "utf8"));
  expect(state).toMatchObject({ trainer: "tinker", kind: "training", step: 4, rank: 4 });
  expect(
    JSON.parse(await readFile(join(checkpoints.folder, "latest", "trainer-policy.json"), "utf8")),
  ).toMatchObject({
    kind: "sampler",
  });
});

it("a server that fails in mid-run ends the run, and the same command resumes before the step that failed", async () => {
  const folder = join(temporaryFolder(), "checkpoints");
  let failing = true;
  await using server = await serve({
    fault: (call, count) =>
      failing && call === "optim_step" && count === 2
        ? { kind: "failed", error: "out of memory" }
        : undefined,
  });
  const checkpoints = { folder, every: 1 };
  await using broken = await connect(server);
  const error = await train({ policy: broken, trajectories, ...rl, steps: 4, checkpoints }).catch(
    (e: unknown) => e,
  );
  expect(SwirlError.isInstance(error) && error.message).toContain("out of memory");
  failing = false;
  await using policy = await connect(server);
  const result = await train({ policy, trajectories, ...rl, steps: 4, checkpoints });
  expect(result).toMatchObject({ resumedFrom: 2, steps: 4 });
  await using other = await serve();
  await using straight = await connect(other);
  await train({ policy: straight, trajectories, ...rl, steps: 4 });
  expect(same(table(server), table(other))).toBe(true);
});

it("refuses a run that the trainer cannot follow before anything is sampled", async () => {
  await using server = await serve();
  await using policy = await connect(server);
  const before = server.calls.length;
  for (const options of [{ temperature: 0.8 }, { entropyWeight: 0.01 }])
    await expect(train({ policy, trajectories, ...rl, steps: 1, ...options })).rejects.toMatchObject({
      code: "CONFIG",
    });
  expect(server.calls.length).toBe(before);
});
