/**
 * How one kind of inference server is asked for completions of token ids. What differs between servers is here and in
 * vllm.ts, sglang.ts and llama-cpp.ts; what a reply must hold to be believed is the same for all (read-completion.ts).
 */
import type { EndpointClient } from "../../endpoint/endpoint-client.js";
import { errorInReply } from "../../endpoint/endpoint-errors.js";
import { SwirlError } from "../../errors/swirl-error.js";

export interface CompletionRequest {
  prompt: Int32Array;
  maxNewTokens: number;
  temperature: number;
  topK: number; // 0 = off
  topP: number; // 1 = off
  stopStrings: readonly string[];
  stopTokens: Int32Array;
  seed: number; // 31 bits
}

/** A reply's content as the server sent it, unchecked. */
export interface RawCompletion {
  ids: unknown;
  logprobs: unknown;
  /** "stop": by itself, at a stop token or at a stop string. "length": at a limit. */
  finish: "stop" | "length";
  /** Tokens of the prompt as the server counts them; undefined where it does not say. */
  promptTokens: unknown;
}

export interface Served {
  endpoint: EndpointClient;
  /** The model's or adapter's name on the server. */
  model: string | undefined;
  /** Fields that replace ours. */
  extraBody: Readonly<Record<string, unknown>>;
  timeoutMs: number;
  signal: AbortSignal;
  /** UTF-8 bytes of a token; none for a control token. */
  tokenBytes(id: number): Uint8Array;
  /** Whether vLLM was started so that log-probs are those of the distribution sampled from. */
  processedLogprobs: boolean;
}

export interface ServingApi {
  readonly name: "vllm" | "sglang" | "llama.cpp";
  /** Rejects while the server cannot work. */
  health(endpoint: EndpointClient, signal: AbortSignal): Promise<unknown>;
  /** Context length in tokens; undefined where the server does not say. */
  contextLength(served: Served): Promise<number | undefined>;
  /** Throws code CONFIG when the server would not report the log-probs of the distribution that is sampled from. */
  requireLogprobs(request: CompletionRequest, served: Pick<Served, "processedLogprobs">): void;
  complete(request: CompletionRequest, served: Served): Promise<RawCompletion>;
  /** Loads an adapter from a folder that the server sees, or finds it loaded. Absent where a server cannot. */
  loadAdapter?(adapter: { name: string; path: string }, served: Caller): Promise<void>;
  unloadAdapter?(name: string, served: Caller): Promise<void>;
}

/** A server, and how long it may take. */
export type Caller = Pick<Served, "endpoint" | "signal" | "timeoutMs">;

/** Whether the distribution that is sampled from is the model's own. Greedy sampling reports log-probs at temperature 1. */
export function samplesModel({ temperature, topK, topP }: CompletionRequest): boolean {
  return temperature === 0 || (temperature === 1 && topK === 0 && topP === 1);
}

/** The context length in /v1/models, of the model `id` or else of the first one. */
export async function listedContextLength(
  { endpoint, signal }: Pick<Served, "endpoint" | "signal">,
  id?: string,
): Promise<number | undefined> {
  const reply: unknown = await endpoint.client.get("/v1/models", { signal });
  const models = isRecord(reply) && Array.isArray(reply.data) ? reply.data.filter(isRecord) : [];
  const length = (models.find((model) => model.id === id) ?? models[0])?.max_model_len;
  return typeof length === "number" && length >= 1 ? length : undefined;
}

export function cannotReport(what: string, remedy: string): SwirlError {
  return new SwirlError("CONFIG", what, { remedy, details: { field: "temperature" } });
}

/** POSTs JSON and returns the object that comes back. A SyntaxError is the server's fault. */
export async function post(
  { endpoint, signal, timeoutMs }: Caller,
  path: string,
  body: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const raw: unknown = await endpoint.client.post(path, { body, signal, timeout: Math.ceil(timeoutMs) });
  const reply: unknown = typeof raw === "string" ? JSON.parse(raw) : raw;
  const first: unknown = Array.isArray(reply) ? reply[0] : reply;
  if (!isRecord(first)) throw unreadable("no object", `the reply is ${shown(reply)}`);
  const error = errorInReply(first);
  if (error) throw error;
  return first;
}

/**
 * A reply that cannot be read for certain. `reason` is what it is counted under. Another attempt may be whole, unless the
 * request is what the server cannot answer (`ofRequest`): then the call fails, and the server keeps its calls.
 */
export function unreadable(
  reason: string,
  message: string,
  { ofRequest = false }: { ofRequest?: boolean } = {},
): SwirlError {
  return new SwirlError("ENDPOINT", `the reply cannot be read for certain: ${message}`, {
    remedy: "check the server's kind, version and options (docs/serving.md)",
    details: { unreadable: reason, ...(ofRequest ? { ofRequest } : {}) },
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function shown(value: unknown): string {
  return value === undefined ? "missing" : (JSON.stringify(value) ?? typeof value).slice(0, 120);
}
