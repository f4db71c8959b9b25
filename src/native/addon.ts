/**
 * The whole native surface, typed. One engine = one thread, one device, one set of weights.
 *
 * Inputs are copied at the call and outputs are fresh typed arrays, so callers may reuse their buffers.
 * Promises reject with an Error that has `code`, `remedy` and `details`; Engine in engine.ts makes it a SwirlError.
 * The bindings check types; the engine checks values against the model's limits (native/engine/validate.h).
 */

/** Number format of matrix products and activations. */
export type Dtype = "float32" | "bfloat16";

/** A decoder described without its family's name: every supported family is a mapping onto this. */
export interface ModelConfig {
  layers: number;
  width: number; // residual stream
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  vocab: number;
  maxPositions: number;
  normEps: number;
  /** Gemma stores norm weights as offsets from one. */
  normOffset: boolean;
  activation: "silu" | "gelu_tanh";
  /** Qwen2: bias on q, k, v. Llama with `attention_bias`: on o as well. */
  qkvBias: boolean;
  outputBias: boolean;
  /** Qwen3, Gemma 3: RMSNorm over each head of q and k before rope. */
  qkNorm: boolean;
  /** Gemma 2/3: a norm after attention and after the MLP, before each residual sum. */
  postNorms: boolean;
  /** Factor on the embedding output (Gemma: sqrt(width)), else 1. */
  embedScale: number;
  /** Factor on q·k (usually headDim^-0.5). */
  attentionScale: number;
  /** 0 = off. */
  attentionSoftcap: number;
  logitSoftcap: number;
  /** Keys a sliding layer may see, itself included; 0 = no layer slides. */
  slidingWindow: number;
  /** One per layer. */
  slidingLayers: boolean[];
  /** Inverse frequencies per rotary pair, headDim / 2 numbers, rope scaling already applied. */
  ropeInverseFrequencies: Float64Array;
  /** Same for sliding layers (Gemma 3 has another base there); equal to the above elsewhere. */
  ropeInverseFrequenciesSliding: Float64Array;
  /** Factor on cos and sin (yarn-like scalings); 1 elsewhere. */
  ropeAttentionFactor: number;
  tiedEmbeddings: boolean;
}

export interface EngineOptions {
  config: ModelConfig;
  device: string; // "cpu" | "cuda" | "cuda:1"
  dtype: Dtype; // of matrix products and activations; weights, optimizer and loss stay float32
  threads: number; // 0 = physical cores
  memoryBudget: number; // bytes of weights, activations and cache, never exceeded; 0 = 80 % of the free memory
  trainable: boolean; // false: no master weights, gradients or optimizer state (a reference policy)
  /**
   * "compact": bfloat16 weights without a float32 master, rounded stochastically, and 8-bit moments. Default "float32".
   */
  optimizerState?: "float32" | "compact";
  /**
   * Activations that the backward computes again instead of keeping them: the same bits in less memory. Default "auto".
   */
  recompute?: "auto" | "none" | "mlp" | "layers";
  profile?: boolean; // times every kernel; read the result with profile()
}

/** A parameter of the model. */
export interface ParameterInfo {
  /** Name in a Hugging Face checkpoint: "model.layers.0.self_attn.q_proj.weight". */
  name: string;
  /** Row-major: [rows, columns] of a matrix, [length] of a vector. */
  shape: number[];
}

/** A matrix that an adapter changes: y = W·x + scale · B·(A·x), with A [rank, in] and B [out, rank]. */
export interface NativeAdapterModule {
  /** Module of the base: "model.layers.0.self_attn.q_proj"; q, k, v, o, gate, up and down projections. */
  name: string;
  /** 1 … min(in, out). */
  rank: number;
  /** alpha / rank, or alpha / sqrt(rank) (rsLoRA). Finite. */
  scale: number;
}

export interface NativeAdapterOptions {
  /** At least one; each module at most once. */
  modules: NativeAdapterModule[];
  /** Whether it has gradients and optimizer state. They are allocated when training begins. */
  trainable: boolean;
}

/** What is stored for each parameter. "gradient" is the sum since the last step, or the gradient that the step used. */
export type TensorKind = "weight" | "gradient" | "adam_m" | "adam_v";

/** What compact optimizer state stores of a matrix, as bytes: one per element, and one per block of 32 elements. */
export type StoredKind = "adam_m_codes" | "adam_m_scales" | "adam_v_codes" | "adam_v_scales";

export interface NativeSequence {
  tokens: Int32Array;
  actionStart: number; // 1 … tokens.length - 1: the first token that is scored
}

/** Arrays have one element per scored token: tokens.length - actionStart. */
export interface NativeTrainSequence extends NativeSequence {
  advantage: number | Float32Array;
  weights?: Float32Array; // at least 0 each; absent = 1
  behaviorLogprobs?: Float32Array;
  referenceLogprobs?: Float32Array;
  /** For loss "derivative": the sequence's loss, default 0, and d loss / d log-prob, both before aggregation. */
  value?: number;
  derivative?: Float64Array;
  /**
   * The log-probs that the derivatives were computed from: the call rejects with NUMERICS if it computes others, to the
   * bit.
   */
  expectedLogprobs?: Float32Array;
}

export interface NativeLossOptions {
  loss: "reinforce" | "ppo-clip" | "derivative"; // "derivative": the caller's, with each sequence
  aggregation: "sequence-sum" | "sequence-mean" | "token-mean" | "fixed-length";
  fixedLength?: number; // of "fixed-length"
  totalSequences?: number; // of the whole batch, if this call has a part of it; absent = of this call
  totalWeight?: number; // the same for the sum of all weights, which "token-mean" divides by
  clipLow: number; // ppo-clip: ratio kept in [1 - clipLow, 1 + clipHigh]
  clipHigh: number;
  klWeight: number; // 0 = off
  klEstimator: "k1" | "k2" | "k3" | "k3+";
  entropyWeight?: number; // of the entropy bonus; absent = 0
  temperature: number; // logits are divided by it before the softmax
  tree: boolean; // false: every sequence is its own tree (the baseline `no-sharing`)
  maxTokensPerMicroBatch: number; // maximum rows per micro-batch, shared ancestors excluded; 0 = device default
}

export interface NativeOptimizerOptions {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number; // decoupled; applied to norms and biases as well, as torch does
  maxGradNorm: number; // 0 = no clipping
  seed?: number; // of the stochastic rounding of compact state; default 0
  /** Groups 1, 2, …; group 0 is `lr` and `weightDecay`. Only together with groupOf. */
  groups?: { lr: number; weightDecay: number; frozen: boolean }[];
  groupOf?: Int32Array; // [parameters] in the order of parameters()
}

export interface NativeGradientMetrics {
  /** The loss of the batch, aggregated as asked. */
  loss: number;
  /** Sum of sequence lengths. */
  tokens: number;
  /** Rows computed: tokens without the shared prefixes. */
  treeTokens: number;
  /** Micro-batches that the batch was split into. */
  microBatches: number;
  /** Scored tokens. */
  labels: number;
  /** Sequences that cannot change the gradient and were not computed. */
  leftOut: number;
  /** Mean entropy over computed scored tokens, in nats. */
  entropy: number;
  /** Mean of the chosen KL estimator, in nats; 0 without a reference. */
  kl: number;
  /** Share of computed scored tokens that were clipped, 0 … 1; 0 for "reinforce". */
  clipRatio: number;
  /** Mean log-prob of computed scored tokens, in nats. */
  meanLogprob: number;
  /** Most memory in use at once, in bytes. */
  peakBytes: number;
  /** Duration of the call. */
  milliseconds: number;
}

export interface NativeStepMetrics {
  /** Global gradient norm before clipping, without frozen parameters. */
  gradNorm: number;
  /** [groups] The same by parameter group. */
  groupGradNorms: Float64Array;
  /** Whether nothing was changed, because the loss, a gradient or a weight after the step is not finite. */
  skipped: boolean;
  /** Why it was skipped; present when it was. */
  skipReason?: string;
  /** Most memory in use at once, in bytes. */
  peakBytes: number;
  /** Duration of the call. */
  milliseconds: number;
}

export interface NativeUpdateMetrics extends NativeGradientMetrics, NativeStepMetrics {}

export interface NativePrompt {
  tokens: Int32Array;
  seed: bigint; // stream of this prompt; completion j uses (seed, j), token t its counter
  maxNewTokens: number; // of each of its completions, at least 1; limited to the rest of the context
}

export interface NativeGenerateOptions {
  n: number;
  temperature: number; // 0 = greedy
  topK: number; // 0 = off
  topP: number; // 1 = off
  /** A completion ends after any of these tokens (the token is kept). */
  stopTokens: Int32Array;
  /** A completion ends once its decoded bytes contain one of these UTF-8 strings; needs `tokenBytes`. */
  stopStrings: string[];
}

export interface NativeCompletion {
  tokens: Int32Array; // includes the token(s) that ended it
  logprobs: Float32Array; // of the distribution sampled from
  finishReason: "stop" | "length" | "eos";
}

/** Tokens that sampling processed. */
export interface NativeGenerateStats {
  /** Prompt tokens computed. */
  prefillTokens: number;
  /** Prompt tokens found in the KV cache. */
  cachedTokens: number;
  /** Tokens sampled. */
  decodedTokens: number;
}

/** What a kernel, or a shape of matrix product, cost in all calls of one kind. */
export interface NativeCost {
  /** How often it ran. */
  calls: number;
  /** Time it took in all. */
  seconds: number;
  /** Operations of matrix products and attention, ignoring sliding windows; 0 for kernels bound by memory. */
  flops: number;
  /** Operands read and results written, each counted once. */
  bytes: number;
  /** Roofline bound: sum over calls of the longer of computing and moving at the machine's peaks; 0 = peak unknown. */
  floorSeconds: number;
}

/** Peak operations per second of the machine, measured. */
export interface NativePeak {
  /** In a large matrix product. */
  product: number;
  /** In registers; 0 = not x86. */
  registers: number;
}

/** The cost of all calls of one kernel. */
export interface NativeOpCost extends NativeCost {
  /** Name of the kernel, as in native/kernels/kernels.h. */
  op: string;
}

/** The cost of all matrix products of one shape: [m, k] · [k, n]. */
export interface NativeProductCost extends NativeCost {
  /** Rows of the result. */
  m: number;
  /** Columns of the result. */
  n: number;
  /** Inner dimension. */
  k: number;
  /** Whether the left operand is stored transposed. */
  transposeA: boolean;
  /** Whether the right operand is stored transposed. */
  transposeB: boolean;
  /** Number format of the operands. */
  dtype: Dtype;
}

/** The cost of all calls of one kind. */
export interface NativeCallCost {
  /** The engine call. */
  call: "logprobs" | "forwardBackward" | "optimStep" | "update" | "generate";
  /** How often it was called. */
  count: number;
  /** Time of the whole calls: kernels, and the host's work between them. */
  seconds: number;
  /** Costs by kernel. */
  ops: NativeOpCost[];
  /** What the kernel "gemm" consists of. The dimension that counts rows is rounded up to a power of two. */
  products: NativeProductCost[];
}

/** Where the engine's time went; see docs/profile.md. */
export interface NativeProfile {
  /** Peaks of the machine, measured before weights are loaded. */
  peaks: {
    /** Of float32 products. */
    float32: NativePeak;
    /** Of bfloat16 products. */
    bfloat16: NativePeak;
    /** Bytes per second in a large copy. */
    bytes: number;
  };
  /** Time since the profile began, between calls included. */
  seconds: number;
  /** Costs by kind of call. */
  calls: NativeCallCost[];
}

export interface Call {
  onProgress?: (done: number, total: number) => void; // at most every 50 ms
  signal?: AbortSignal; // checked between layers and between decode steps
  /**
   * The adapter to compute with. Absent = the base alone. With an adapter, forwardBackward, optimStep and update train
   * the adapter and leave the base as it is.
   */
  adapter?: string;
}

/**
 * Methods that take `adapter`, or a Call with one, mean the base where it is absent. An unknown adapter is an INPUT
 * error.
 */
export interface NativeEngine {
  /**
   * Parameters of the base, or of an adapter: "model.layers.0.self_attn.q_proj.lora_A.weight" [rank, in] and
   * "….lora_B.weight" [out, rank].
   */
  parameters(adapter?: string): ParameterInfo[];
  /**
   * Adds an adapter to this base, with A and B zero: write A (and B, unless the adapter starts out equal to the base)
   * with writeTensor. Rejects with INPUT, naming the field, for a name in use, a module that the base does not have
   * (with the nearest names), a rank or scale out of range; with MEMORY if it does not fit. Then nothing was added.
   */
  addAdapter(name: string, options: NativeAdapterOptions): Promise<void>;
  /** Frees an adapter once the calls before this one have ended. */
  removeAdapter(name: string): Promise<void>;
  /**
   * Raw little-endian bytes of `dtype`, row-major: the whole tensor, or its elements from `first` on. Both copy on the
   * JavaScript thread, so large tensors go in parts (policy/checkpoint/tensor-parts.ts). Values that are not finite are
   * rejected. For a stored kind: bytes, whatever the dtype.
   */
  writeTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    data: Uint8Array,
    first?: number,
    adapter?: string,
  ): Promise<void>;
  /** The whole tensor, or `count` elements from `first` on. */
  readTensor(
    name: string,
    kind: TensorKind | StoredKind,
    dtype: Dtype,
    first?: number,
    count?: number,
    adapter?: string,
  ): Promise<Uint8Array>;
  /** AdamW's step count; part of a checkpoint. Each adapter has its own. */
  optimizerStep(adapter?: string): number;
  setOptimizerStep(step: number, adapter?: string): void;
  /** UTF-8 bytes of every token id, concatenated, with vocab + 1 offsets; lets the sampler see stop strings. */
  setTokenBytes(bytes: Uint8Array, offsets: Int32Array): void;
  logprobs(
    sequences: NativeSequence[],
    options: { temperature: number; tree: boolean; maxTokensPerMicroBatch?: number },
    call?: Call,
  ): Promise<Float32Array[]>;
  /**
   * Adds to the gradients. If it fails halfway, they are dropped if there were none before; else later calls
   * reject until zeroGradients.
   */
  forwardBackward(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    call?: Call,
  ): Promise<NativeGradientMetrics>;
  /** One step on the gradients. They can be read afterwards; the next forwardBackward starts from zero. */
  optimStep(optimizer: NativeOptimizerOptions, call?: Call): Promise<NativeStepMetrics>;
  zeroGradients(adapter?: string): Promise<void>;
  /** zeroGradients, forwardBackward and optimStep in one. */
  update(
    batch: NativeTrainSequence[],
    loss: NativeLossOptions,
    optimizer: NativeOptimizerOptions,
    call?: Call,
  ): Promise<NativeUpdateMetrics>;
  generate(
    prompts: NativePrompt[],
    options: NativeGenerateOptions,
    call?: Call,
  ): Promise<{ completions: NativeCompletion[][]; stats: NativeGenerateStats }>;
  /**
   * Bytes the engine would need for a tree of these sizes, and what it may use: for training, unless what would be
   * trained (the base, or the adapter) is not trainable.
   */
  estimate(treeTokens: number, labels: number, adapter?: string): { bytes: number; budget: number };
  memory(): { bytes: number; peakBytes: number; budget: number };
  /** Of every call before it. Rejects with CONFIG unless the engine was created with `profile: true`. */
  profile(): Promise<NativeProfile>;
  dispose(): void; // idempotent; pending calls reject
}

/** A device that can run a model. */
export interface DeviceInfo {
  /** Name for the option `device`: "cpu", "cuda:0". */
  name: string;
  /** Name of the processor or GPU. */
  description: string;
  /** What computes matrix products: "oneDNN 2.6.3", "portable avx512_bf16". */
  matrixLibrary: string;
  /** Instruction sets in use: ["avx2", "avx512", "avx512_bf16", "amx_bf16"]. */
  isa: string[];
  /** Memory of the device, in bytes. */
  memoryBytes: number;
  /** Cores of the processor, or multiprocessors of the GPU. */
  cores: number;
}

export interface NativeAddon {
  version: string;
  kernelsVersion: number;
  /**
   * Implementations of the CPU's matrix products in this build; SWIRL_MATRIX chooses one, devices() tells which is in
   * use.
   */
  matrixLibraries: ("portable" | "onednn")[];
  devices(): DeviceInfo[];
  /** Why a device is unavailable, by name: { cuda: "built without a CUDA compiler" } */
  missing(): Record<string, string>;
  /** Throws for wrong options; rejects if the engine cannot be created (MEMORY, DEVICE). */
  openEngine(options: EngineOptions): Promise<NativeEngine>;
  /** The same, but the caller waits while memory is allocated and zeroed: a second for a model of gigabytes. */
  createEngine(options: EngineOptions): NativeEngine;
}
