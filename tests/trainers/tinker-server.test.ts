/**
 * The trainer policy against a real server of the Tinker API. Runs only where the environment names one:
 *
 *   SWIRL_TINKER_URL=http://127.0.0.1:8000 SWIRL_TINKER_MODEL=NAME SWIRL_TINKER_TOKENIZER=FOLDER \
 *     npx vitest run tests/trainers
 *
 * NAME: the base model as the server calls it; FOLDER: its Hugging Face folder, whose weights the native engine loads to
 * compare gradients. Prints what it measures. docs/results/remote.md has what was seen.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Policy } from "../../src/policy/index.js";
import { NativePolicy } from "../../src/policy/native-policy.js";
import type { Sequence, TrainSequence } from "../../src/policy/sequences.js";
import type { TinkerPolicy } from "../../src/policy/tinker-policy.js";
import { train } from "../../src/train/train.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { tinyJudge, tinyTrajectories } from "../support/tiny-world.js";

const {
  SWIRL_TINKER_REDUCTION: reduction,
  SWIRL_TINKER_URL: baseURL,
  SWIRL_TINKER_MODEL: model,
  SWIRL_TINKER_TOKENIZER: folder,
} = process.env;
const minutes = 60_000;

describe.skipIf(!baseURL || !model || !folder)("a real server", () => {
  let policy: TinkerPolicy;
  const started = performance.now();
  const say = (text: string) =>
    console.log(`${((performance.now() - started) / 1000).toFixed(0)} s: ${text}`);
  const bare = ({ tokens, actionStart }: Sequence) => ({ tokens, actionStart });
  const mean = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length;

  beforeAll(async () => {
    policy = await Policy.connect({
      ...{ trainer: "tinker", baseURL: baseURL!, baseModel: model!, tokenizer: folder! },
      ...{ lora: { rank: 8, seed: 1 }, contextLength: 2048 },
      // Known from an earlier run: saves the probe, which is minutes of compilation on a CPU.
      ...(reduction ? { reduction: { kind: reduction as "sum", scope: "step" } } : {}),
    });
    say(
      `connected: reduction ${JSON.stringify(policy.reduction)}, clips gradients: ${policy.clipsGradients}`,
    );
  }, 20 * minutes);
  afterAll(() => policy?.dispose(), minutes);

  const text = (question: string, answer: string): TrainSequence => {
    const state = policy.begin([{ role: "user", content: question }]).tokens!;
    const action = policy.tokenizer.encode(answer);
    return { tokens: [...state, ...action], actionStart: state.length, advantage: 1 };
  };
  const demonstrations = () => [
    text("What is the capital of France?", "<answer>Paris</answer>"),
    text("What is 3 + 4?", "<math_exp>3 + 4</math_exp>"),
    text("Who wrote Hamlet?", "<answer>William Shakespeare</answer>"),
    text("What is 12 * 12?", "<math_exp>12 * 12</math_exp>"),
  ];

  it(
    "gradients of a new adapter are those of the native engine on the same adapter",
    async () => {
      const path = await saved(policy);
      const adapter = download(baseURL!, path);
      const native = await NativePolicy.load(folder!, { device: "cpu", threads: 1, adapter } as never).catch(
        () => NativePolicy.load(adapter, { device: "cpu", threads: 1, base: folder! }),
      );
      const batch = demonstrations().map((sequence, i) => ({
        ...sequence,
        advantage: [1, -0.5, 2, -1][i]!,
      }));
      const [theirs, ours] = [await policy.logprobs(batch.map(bare)), await native.logprobs(batch.map(bare))];
      const apart = theirs.flatMap((own, i) => [...own].map((x, t) => Math.abs(x - ours[i]![t]!)));
      say(
        `log-probs differ by ${(apart.reduce((a, b) => a + b) / apart.length).toFixed(3)} nats on average, ${Math.max(...apart).toFixed(3)} at most`,
      );
      // Each side with its own log-probs as the old ones, so that no ratio is clipped for rounding alone.
      const since = (own: Float32Array[]): TrainSequence[] =>
        batch.map((sequence, i) => ({ ...sequence, behaviorLogprobs: own[i]!.map((x) => Math.min(0, x)) }));
      const [on, here] = [since(theirs), since(ours)];
      for (const options of [
        { loss: "reinforce" },
        { loss: "reinforce", aggregation: "token-mean" },
        { loss: "grpo" },
        { loss: "cispo" },
        { loss: "gspo" },
      ] as const) {
        const { gradNorm } = await policy.update(on, {
          ...options,
          optimizer: { lr: 0, maxGradNorm: 0, beta2: 0.95 },
        });
        await native.forwardBackward(here, options);
        const { gradNorm: wanted } = await native.optimStep({ lr: 0, maxGradNorm: 0, beta2: 0.95 });
        say(
          `${JSON.stringify(options)}: gradient norm ${gradNorm!.toFixed(4)}, native ${wanted.toFixed(4)}, ratio ${(gradNorm! / wanted).toFixed(3)}`,
        );
        expect(gradNorm! / wanted).toBeGreaterThan(0.8);
        expect(gradNorm! / wanted).toBeLessThan(1.25);
      }
      say(`forward against forward_backward: ${JSON.stringify(policy.stats.ratio)}`);
      await native.dispose();
    },
    20 * minutes,
  );

  it(
    "SFT lowers the loss",
    async () => {
      const losses: number[] = [];
      for (let step = 0; step < 5; step++) {
        const began = performance.now();
        const { loss, gradNorm } = await policy.update(demonstrations(), {
          aggregation: "token-mean",
          optimizer: { lr: 1e-3, maxGradNorm: 0, beta2: 0.95 },
        });
        losses.push(loss);
        say(
          `SFT update ${step + 1}: loss ${loss.toFixed(3)}, gradient norm ${gradNorm?.toFixed(3)}, ${((performance.now() - began) / 1000).toFixed(1)} s`,
        );
      }
      expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!);
    },
    20 * minutes,
  );

  it(
    "a GRPO update moves log-probs in the direction of the advantages",
    async () => {
      const context = policy.begin([{ role: "user", content: "What is 5 + 6?" }]);
      const actions = await policy.act(context, { n: 4, maxNewTokens: 12, seed: 7 });
      say(`sampled ${JSON.stringify(actions.map(({ text: said, finishReason }) => [said, finishReason]))}`);
      const batch = actions.map(({ tokens, logprobs }, i) => ({
        tokens: [...context.tokens!, ...tokens!],
        actionStart: context.tokens!.length,
        advantage: i % 2 === 0 ? 1 : -1,
        behaviorLogprobs: logprobs!.map((x) => Math.min(0, x)),
      }));
      const before = await policy.logprobs(batch.map(bare));
      const apart = before.flatMap((own, i) =>
        [...own].map((x, t) => Math.abs(x - actions[i]!.logprobs![t]!)),
      );
      say(
        `sampler against trainer: ${(apart.reduce((a, b) => a + b) / apart.length).toFixed(3)} nats on average, ${Math.max(...apart).toFixed(3)} at most`,
      );
      await policy.update(batch, { loss: "grpo", optimizer: { lr: 1e-3, maxGradNorm: 0, beta2: 0.95 } });
      const after = await policy.logprobs(batch.map(bare));
      const moves = after.map((own, i) => mean(own) - mean(before[i]!));
      say(
        `mean log-prob moved by ${moves.map((x) => x.toFixed(3)).join(", ")} for advantages +1, -1, +1, -1`,
      );
      expect(moves[0]! + moves[2]!).toBeGreaterThan(moves[1]! + moves[3]!);
    },
    20 * minutes,
  );

  it(
    "saved weights come back",
    async () => {
      const [sequence] = demonstrations();
      const file = join(temporaryFolder(), "state.json");
      await policy.saveOptimizer(file);
      const [before] = await policy.logprobs([bare(sequence!)]);
      await policy.update([{ ...sequence!, advantage: -1 }], {
        optimizer: { lr: 1e-3, maxGradNorm: 0, beta2: 0.95 },
      });
      const [moved] = await policy.logprobs([bare(sequence!)]);
      await policy.loadOptimizer(file);
      const [after] = await policy.logprobs([bare(sequence!)]);
      say(
        `mean log-prob ${mean(before!).toFixed(3)}, after an update ${mean(moved!).toFixed(3)}, after loading ${mean(after!).toFixed(3)}`,
      );
      expect([...after!]).toEqual([...before!]);
      expect([...moved!]).not.toEqual([...before!]);
    },
    20 * minutes,
  );

  it(
    "train: two updates with fresh actions, a judge and checkpoints",
    async () => {
      const trajectories = await tinyTrajectories(policy, 2);
      const began = performance.now();
      const result = await train({
        ...{ policy, trajectories, batchSize: 2, samplesPerState: 4, maxNewTokens: 12, steps: 2 },
        ...{ loss: "grpo", updatesPerBatch: 1, lr: 1e-4, beta2: 0.95, maxGradNorm: 0, seed: 3 },
        judge: tinyJudge,
        checkpoints: { folder: join(temporaryFolder(), "checkpoints"), every: 1 },
        onStep: ({ step, reward, grad_norm }) =>
          say(`train update ${step}: reward ${reward}, gradient norm ${grad_norm?.toFixed(3)}`),
      });
      say(`train: ${result.steps} updates in ${((performance.now() - began) / 1000).toFixed(0)} s`);
      expect(result.steps).toBe(2);
    },
    20 * minutes,
  );
});

/** Saves the adapter for sampling and returns its path on the server. */
async function saved(policy: TinkerPolicy): Promise<string> {
  const folder = temporaryFolder();
  await policy.save(folder);
  const { readFile } = await import("node:fs/promises");
  return (JSON.parse(await readFile(join(folder, "trainer-policy.json"), "utf8")) as { path: string }).path;
}

/** The PEFT folder of a saved adapter, by the server's archive. */
function download(url: string, path: string): string {
  const run = path.split("/")[2];
  const name = path.split("/").at(-1);
  const archive = `${url.replace(/\/$/, "")}/api/v1/training_runs/${run}/checkpoints/${name}/archive`;
  const folder = join(temporaryFolder(), "adapter");
  mkdirSync(folder);
  const bytes = execFileSync("curl", ["-sfL", archive], { maxBuffer: 1 << 30 });
  writeFileSync(`${folder}.tar.gz`, bytes);
  execFileSync("tar", ["xzf", `${folder}.tar.gz`, "-C", folder]);
  // SkyRL packs the folder under its own path.
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const config = files.find((file) => basename(file) === "adapter_config.json");
  const found = join(folder, dirname(config!));
  // SkyRL names no modules; those that it adapts are in the tensors.
  const settings = JSON.parse(readFileSync(join(folder, config!), "utf8"));
  settings.target_modules ??= "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split(" ");
  writeFileSync(join(folder, config!), JSON.stringify(settings));
  return found;
}
