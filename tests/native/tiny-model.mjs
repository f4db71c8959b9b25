// A decoder of 2 layers that computes in milliseconds, with random weights from a fixed seed. Plain JavaScript, so that
// the programs in programs/ (which end in the middle of a call) can use it without a build.

/** @returns {import("../../src/native/addon.js").ModelConfig} */
export function tinyConfig() {
  const headDim = 16;
  const frequencies = Float64Array.from({ length: headDim / 2 }, (_, i) => 10000 ** ((-2 * i) / headDim));
  return {
    layers: 2,
    width: 64,
    heads: 4,
    kvHeads: 2,
    headDim,
    intermediate: 128,
    vocab: 101,
    maxPositions: 256,
    normEps: 1e-5,
    normOffset: false,
    activation: "silu",
    qkvBias: false,
    outputBias: false,
    qkNorm: false,
    postNorms: false,
    embedScale: 1,
    attentionScale: headDim ** -0.5,
    attentionSoftcap: 0,
    logitSoftcap: 0,
    slidingWindow: 0,
    slidingLayers: [false, false],
    ropeInverseFrequencies: frequencies,
    ropeInverseFrequenciesSliding: frequencies.slice(),
    ropeAttentionFactor: 1,
    tiedEmbeddings: true,
  };
}

/** @returns {import("../../src/native/addon.js").EngineOptions} */
export function tinyOptions() {
  return {
    config: tinyConfig(),
    device: "cpu",
    dtype: "float32",
    threads: 1,
    memoryBudget: 512 * 2 ** 20,
    trainable: true,
  };
}

/** Numbers in [0, 1) that are the same in every run. */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export async function fillWeights(engine, seed = 1) {
  const next = uniform(seed);
  for (const { name, shape } of engine.parameters()) {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: count }, () =>
      shape.length === 1 ? 0.9 + 0.2 * next() : 0.2 * (next() - 0.5),
    );
    await engine.writeTensor(name, "weight", "float32", new Uint8Array(values.buffer));
  }
}

/** Adds an adapter with random A and, unless `b` is false, random B. */
export async function addTinyAdapter(engine, name, modules, { b = true, seed = 5, trainable = true } = {}) {
  await engine.addAdapter(name, { modules, trainable });
  const next = uniform(seed);
  for (const { name: tensor, shape } of engine.parameters(name)) {
    if (!b && tensor.includes("lora_B")) continue;
    const values = Float32Array.from({ length: shape[0] * shape[1] }, () => 0.4 * (next() - 0.5));
    await engine.writeTensor(tensor, "weight", "float32", new Uint8Array(values.buffer), undefined, name);
  }
}

/** Sub-trajectories that share nothing: as trees of one row each they are `count` micro-batches of work. */
export function tinyBatch(count, length = 64, seed = 7) {
  const next = uniform(seed);
  return Array.from({ length: count }, () => ({
    tokens: Int32Array.from({ length }, () => Math.floor(next() * 101)),
    actionStart: length >> 1,
    advantage: 1,
  }));
}

/** @returns {import("../../src/native/addon.js").NativeLossOptions} */
export function tinyLoss(overrides = {}) {
  return {
    loss: "reinforce",
    aggregation: "sequence-mean",
    clipLow: 0.2,
    clipHigh: 0.2,
    klWeight: 0,
    klEstimator: "k3",
    temperature: 1,
    tree: true,
    maxTokensPerMicroBatch: 64,
    ...overrides,
  };
}

/** @returns {import("../../src/native/addon.js").NativeOptimizerOptions} */
export function tinyOptimizer(overrides = {}) {
  return { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, maxGradNorm: 1, ...overrides };
}

/** @returns {import("../../src/native/addon.js").NativeGenerateOptions} */
export function tinySampling(overrides = {}) {
  return {
    n: 1,
    temperature: 1,
    topK: 0,
    topP: 1,
    stopTokens: new Int32Array(),
    stopStrings: [],
    ...overrides,
  };
}
