/**
 * The KV cache across calls: what a rollout has computed is never computed again, however many rollouts take turns,
 * when the cache grows, forgets and moves under them, and after an abort; and moving changes no bit.
 */
import { afterEach, expect, it } from "vitest";
import type { NativeCompletion } from "../../src/native/addon.js";
import { Engine } from "../../src/native/engine.js";
import { loadAddon } from "../../src/native/load-addon.js";
import { fillWeights, tinyConfig, tinyOptions, tinySampling, uniform } from "./tiny-model.mjs";

let engine: Engine;
afterEach(() => engine.dispose());

const MIB = 2 ** 20;
const config = { ...tinyConfig(), maxPositions: 2048 };
const slotBytes = 2 * config.layers * config.kvHeads * config.headDim * Float32Array.BYTES_PER_ELEMENT;

async function open(memoryBudget = 512 * MIB): Promise<Engine> {
  engine = new Engine({ ...tinyOptions(), config, memoryBudget, trainable: false });
  await fillWeights(engine);
  return engine;
}

/** A rollout: its state grows by its action and an observation every turn. */
class Rollout {
  state: Int32Array;
  computed = 0;
  readonly actions: NativeCompletion[] = [];
  readonly #next: () => number;

  constructor(readonly id: number) {
    this.#next = uniform(1000 + id);
    this.state = this.#tokens(50 + id);
    this.state[0] = id; // no two share a prefix
  }

  #tokens(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => Math.floor(this.#next() * config.vocab));
  }

  prompt(maxNewTokens: number) {
    return { tokens: this.state, seed: BigInt(this.id * 100 + this.actions.length), maxNewTokens };
  }

  /** Tokens that no call has seen; of a finished action, the last was drawn and not computed. */
  get fresh(): number {
    return this.state.length - this.computed;
  }

  act(action: NativeCompletion): void {
    this.actions.push(action);
    this.computed = this.state.length + action.tokens.length - 1;
    this.state = Int32Array.from([...this.state, ...action.tokens, ...this.#tokens(7)]);
  }
}

async function turn(rollouts: Rollout[], maxNewTokens: number) {
  const fresh = rollouts.reduce((sum, rollout) => sum + rollout.fresh, 0);
  const { completions, stats } = await engine.generate(
    rollouts.map((rollout) => rollout.prompt(maxNewTokens)),
    tinySampling({ stopTokens: Int32Array.of(5) }),
  );
  for (const [i, rollout] of rollouts.entries()) rollout.act(completions[i]![0]!);
  return { fresh, stats };
}

it("keeps the rows of every rollout while the cache grows many times over", async () => {
  await open();
  const rollouts = Array.from({ length: 12 }, (_, i) => new Rollout(i));
  for (let round = 0; round < 10; round++) {
    // By turns in groups of unequal size, as a queue batches them.
    for (const group of [rollouts.slice(0, 2), rollouts.slice(2, 7), rollouts.slice(7)]) {
      const { fresh, stats } = await turn(group, 100);
      expect(stats.prefillTokens).toBe(fresh);
    }
  }
  const total = rollouts.reduce((sum, { state }) => sum + state.length, 0);
  expect(total).toBeGreaterThan(4096); // it began with room for this many

  // The same turns one by one, in an engine that never had to move anything.
  const actions = rollouts.map(({ actions }) => actions);
  engine.dispose();
  await open();
  for (const id of [0, 3, 11]) {
    const again = new Rollout(id);
    for (let round = 0; round < 10; round++) await turn([again], 100);
    expect(again.actions).toEqual(actions[id]);
  }
});

it("evicts rollouts that have ended before those that continue, and refuses only what cannot fit", async () => {
  await open();
  // The longest prompt and the highest position: activations and tables are as large as they get.
  await turn([new Rollout(59)], 1900);
  const withoutCache = engine.memory().bytes - 4096 * slotBytes;
  engine.dispose();
  // Packed weights, which oneDNN has none of, are in what was measured, and make room for the cache. Rows that move
  // take more for a while: a layer's keys, a quarter of these two layers' keys and values.
  const packed = !loadAddon().devices()[0]!.matrixLibrary.startsWith("oneDNN");
  await open(withoutCache + (packed ? 1300 : 3000) * slotBytes);
  const alive = new Rollout(0);
  let forgotten = 0;
  for (let i = 1; i < 60; i++) {
    const ended = new Rollout(i);
    await turn([ended], 60);
    const { fresh, stats } = await turn([alive], 16);
    expect(stats.prefillTokens, `beside rollout ${i}`).toBe(fresh);
    if (i % 20 === 0) {
      const early = new Rollout(1);
      const { stats } = await turn([early], 1);
      forgotten += stats.prefillTokens === early.state.length - 8 ? 1 : 0;
    }
  }
  expect(alive.state.length).toBeGreaterThan(500);
  expect(engine.memory().peakBytes).toBeLessThanOrEqual(engine.memory().budget);
  expect(forgotten).toBeGreaterThan(0);
  await expect(engine.generate([alive.prompt(900)], tinySampling({ n: 4096 }))).rejects.toMatchObject({
    code: "MEMORY",
  });
  const { fresh, stats } = await turn([alive], 16);
  expect(stats.prefillTokens).toBe(fresh);
});

it("keeps them over an aborted call", async () => {
  await open();
  const rollout = new Rollout(1);
  await turn([rollout], 20);
  const abort = new AbortController();
  const aborted = engine.generate([rollout.prompt(1000)], tinySampling({ n: 8 }), {
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await expect(aborted).rejects.toMatchObject({ code: "ABORTED" });
  const { fresh, stats } = await turn([rollout], 20);
  expect(stats.prefillTokens).toBe(fresh);
  const actions = [...rollout.actions];
  engine.dispose();
  await open();
  const undisturbed = new Rollout(1);
  for (let i = 0; i < 2; i++) await turn([undisturbed], 20);
  expect(undisturbed.actions).toEqual(actions);
});
