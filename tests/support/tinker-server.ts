/**
 * A server that speaks the Tinker API over JSON, with a real model behind it: logits of the next token given the last one, a
 * fixed random base and a trainable table. Losses, gradients and AdamW are exact, so that a test can compare them with ours.
 * What real servers do differently is an option (how losses are reduced, whether futures are held or polled, whether a
 * repeated request is recognized); what networks and machines do wrong is a script.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createRandom } from "../../src/random/random.js";

export type Fault =
  | { kind: "status"; status: number; body?: unknown; headers?: Record<string, string> } // nothing is done
  | { kind: "close" } // the socket dies before anything is done
  | { kind: "lost" } // done, but the answer never arrives
  | { kind: "garbage" } // done, and answered with half a JSON text
  | { kind: "failed"; error: string } // accepted; the result is a failure
  | { kind: "redirect"; to: string };

export interface TinkerServerOptions {
  vocab: number;
  reduction?: "sum" | "datum-mean" | "token-means" | "mean-of-means" | "token-mean" | "squared";
  /** What N and the number of tokens count. */
  scope?: "step" | "call";
  futures?: "held" | "polled";
  /** How long a result takes, and how long a held request is held. */
  workMs?: number;
  holdMs?: number;
  /** Whether a repeated (model_id, seq_id) gets the request that is there. */
  recognizesRepeats?: boolean;
  clips?: boolean;
  reportsNorm?: boolean;
  /** SkyRL's JAX backend: sampling from a snapshot loads it into the model that is trained. */
  samplingLoadsSnapshot?: boolean;
  /** Added to every log-prob that sampling reports. */
  samplerError?: number;
  /** Base logits are drawn from ± this. */
  spread?: number;
  /** SkyRL's JAX backend: β₂ 0.999 is 1 in bfloat16, and the step writes NaN. */
  narrowAdam?: boolean;
  /** Ends every sample after three tokens, and leaves out the token that ended it. */
  hidesStopToken?: boolean;
  /** Given the call and how often it came, the fault to commit. */
  fault?: (call: string, count: number, body: Record<string, unknown>) => Fault | undefined;
}

interface Weights {
  table: Float64Array; // [vocab, vocab]
  m: Float64Array;
  v: Float64Array;
  steps: number;
}

interface Model extends Weights {
  /** Of each datum since the last step. */
  gradients: DatumGradient[];
  calls: number;
}

interface DatumGradient {
  call: number;
  elements: number;
  /** By the table's row, [vocab]. */
  rows: Map<number, Float64Array>;
}

interface Future {
  result: unknown;
  readyAt: number;
}

interface Tensors {
  [name: string]: { data: number[] };
}

export class TinkerServer implements AsyncDisposable {
  /** Calls that arrived, in order. */
  readonly calls: { call: string; body: Record<string, unknown>; headers: IncomingMessage["headers"] }[] = [];
  readonly saved = new Map<string, Weights>();
  /** [vocab, vocab] Of the last optimizer step, before clipping. */
  lastGradient: Float64Array | undefined;
  models = new Map<string, Model>();
  readonly options: Required<Omit<TinkerServerOptions, "fault">> & Pick<TinkerServerOptions, "fault">;
  readonly #base: Float64Array;
  #futures = new Map<string, Future>();
  #repeats = new Map<string, string>();
  #sessions = new Set<string>();
  readonly #samplers = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #ids = 0;

  private constructor(options: TinkerServerOptions) {
    this.options = {
      reduction: "sum",
      scope: "step",
      futures: "held",
      workMs: 0,
      holdMs: 1_000,
      recognizesRepeats: true,
      clips: true,
      reportsNorm: true,
      samplingLoadsSnapshot: false,
      samplerError: 0,
      spread: 1,
      hidesStopToken: false,
      narrowAdam: false,
      ...options,
    };
    const random = createRandom(3, "base");
    this.#base = Float64Array.from(
      { length: options.vocab ** 2 },
      () => (random.next() * 2 - 1) * this.options.spread,
    );
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(options: TinkerServerOptions, port = 0): Promise<TinkerServer> {
    const server = new TinkerServer(options);
    await new Promise<void>((resolve) => server.#server.listen(port, "127.0.0.1", resolve));
    return server;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Loses what a process that ends loses: sessions, models, requests. Saved weights stay. */
  restart(): void {
    this.models = new Map();
    this.#futures = new Map();
    this.#repeats = new Map();
    this.#sessions = new Set();
    for (const socket of this.#sockets) socket.destroy();
  }

  count(call: string): number {
    return this.#counts.get(call) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** log p of each target under a model, or under the base for undefined. */
  logprobs(model: { table: Float64Array } | undefined, inputs: number[], targets: number[]): number[] {
    return inputs.map((last, t) => Math.log(this.distribution(model?.table, last)[targets[t]!]!));
  }

  /** [vocab] Probabilities of the token after `last`. */
  distribution(table: Float64Array | undefined, last: number, temperature = 1): Float64Array {
    const { vocab } = this.options;
    const row = new Float64Array(vocab);
    let most = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < vocab; k++) {
      row[k] = (this.#base[last * vocab + k]! + (table?.[last * vocab + k] ?? 0)) / temperature;
      most = Math.max(most, row[k]!);
    }
    let sum = 0;
    for (let k = 0; k < vocab; k++) {
      row[k] = Math.exp(row[k]! - most);
      sum += row[k]!;
    }
    return row.map((x) => x / sum);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const call = (request.url ?? "").replace(/^\/api\/v1\//, "");
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    const count = this.count(call);
    this.#counts.set(call, count + 1);
    this.calls.push({ call, body, headers: request.headers });
    const fault = this.options.fault?.(call, count, body);
    if (fault?.kind === "close") return void response.socket?.destroy();
    if (fault?.kind === "status")
      return send(
        response,
        fault.status,
        fault.body ?? { detail: `scripted ${fault.status}` },
        fault.headers,
      );
    if (fault?.kind === "redirect") return send(response, 307, {}, { location: fault.to });
    try {
      const answer =
        call === "retrieve_future"
          ? await this.#retrieve(String(body.request_id))
          : { status: 200, body: this.#answer(call, body, fault) };
      if (fault?.kind === "lost") return void response.socket?.destroy();
      if (fault?.kind === "garbage") {
        const whole = JSON.stringify(answer.body);
        response.writeHead(200, { "content-type": "application/json" });
        return void response.end(whole.slice(0, whole.length - 2));
      }
      send(response, answer.status, answer.body);
    } catch (error) {
      const { status = 500, message } = error as Error & { status?: number };
      send(response, status, { detail: message });
    }
  }

  async #retrieve(id: string): Promise<{ status: number; body: unknown }> {
    const future = this.#futures.get(id);
    if (!future) return { status: 404, body: { detail: "Future not found" } };
    const left = future.readyAt - performance.now();
    if (left > 0 && this.options.futures === "polled")
      return { status: 200, body: { type: "try_again", request_id: id, queue_state: "active" } };
    if (left > 0) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, this.options.holdMs)));
      if (left > this.options.holdMs) return { status: 408, body: { detail: "Timeout waiting for result" } };
    }
    if (this.options.futures === "polled") this.#futures.delete(id); // a finished one is given once
    const { result } = future;
    if (JSON.stringify(result, (_, x: unknown) => (Number.isNaN(x) ? NO_JSON : x)).includes(NO_JSON))
      return { status: 500, body: { detail: "Internal Server Error" } };
    const failed = (future.result as { failed?: string } | null)?.failed;
    if (failed === undefined) return { status: 200, body: future.result };
    return this.options.futures === "polled"
      ? { status: 200, body: { error: failed, category: "server" } }
      : { status: 400, body: { detail: failed } };
  }

  /** Work is done at once; its result is there after `workMs`. */
  #answer(call: string, body: Record<string, unknown>, fault: Fault | undefined): unknown {
    switch (call) {
      case "healthz":
        return { status: "ok" };
      case "client/config":
        return { pjwt_auth_enabled: false, proto_write_fwdbwd: false, proto_compress_fwdbwd: false };
      case "telemetry":
        return { status: "accepted" };
      case "get_server_capabilities":
        return { supported_models: [{ model_name: "bigram", max_context_length: 256 }] };
      case "create_session": {
        const id = `session-${++this.#ids}`;
        this.#sessions.add(id);
        return { type: "create_session", session_id: id };
      }
      case "session_heartbeat":
        if (!this.#sessions.has(String(body.session_id))) throw refusal(404, "Session not found");
        return { type: "session_heartbeat" };
    }
    if (call === "create_sampling_session") {
      const id = `sampler-${++this.#ids}`; // the official client samples by sessions, ours by paths
      this.#samplers.set(id, String(body.model_path));
      return { type: "create_sampling_session", sampling_session_id: id };
    }
    const key =
      typeof body.seq_id === "number" && body.model_id ? `${body.model_id}/${body.seq_id}` : undefined;
    const known = key === undefined ? undefined : this.#repeats.get(key);
    if (this.options.recognizesRepeats && known !== undefined) return { request_id: known };
    const result = fault?.kind === "failed" ? { failed: fault.error } : this.#work(call, body);
    const id = String(++this.#ids);
    this.#futures.set(id, { result, readyAt: performance.now() + this.options.workMs });
    if (key !== undefined) this.#repeats.set(key, id);
    return { request_id: id, model_id: body.model_id ?? null };
  }

  #model(body: Record<string, unknown>): Model {
    const model = this.models.get(String(body.model_id));
    if (!model) throw refusal(404, "Model not found");
    return model;
  }

  #work(call: string, body: Record<string, unknown>): unknown {
    const { vocab } = this.options;
    switch (call) {
      case "create_model": {
        if (!this.#sessions.has(String(body.session_id))) throw refusal(404, "Session not found");
        const id = `model-${++this.#ids}`;
        const zeros = () => new Float64Array(vocab * vocab);
        this.models.set(id, { table: zeros(), m: zeros(), v: zeros(), steps: 0, gradients: [], calls: 0 });
        return { model_id: id, type: "create_model" };
      }
      case "unload_model":
        this.models.delete(String(body.model_id));
        return { type: "unload_model" };
      case "forward":
        return this.#pass(this.#model(body), body.forward_input as Input, false);
      case "forward_backward":
        return this.#pass(this.#model(body), body.forward_backward_input as Input, true);
      case "optim_step":
        return this.#step(this.#model(body), body.adam_params as Record<string, number>);
      case "save_weights":
      case "save_weights_for_sampler": {
        const kind = call === "save_weights" ? "weights" : "sampler_weights";
        const path = `tinker://${body.model_id}/${kind}/${body.path}`;
        if (this.saved.has(path)) throw refusal(409, "Checkpoint already exists");
        this.saved.set(path, copy(this.#model(body)));
        return { path, type: call };
      }
      case "load_weights": {
        const from = this.saved.get(String(body.path));
        if (!from) throw refusal(404, "Checkpoint not found");
        const model = this.#model(body);
        const { table, m, v, steps } = copy(from);
        Object.assign(model, { table, ...(body.optimizer === true ? { m, v, steps } : {}) });
        return { type: "load_weights" };
      }
      case "asample":
        return this.#sample({
          ...(body as unknown as SampleBody),
          ...(body.sampling_session_id
            ? { model_path: this.#samplers.get(String(body.sampling_session_id))! }
            : {}),
        });
    }
    throw refusal(404, `no call ${call}`);
  }

  #pass(model: Model, input: Input, backward: boolean): unknown {
    const { vocab } = this.options;
    const call = model.calls++;
    const outputs = input.data.map((datum) => {
      const inputs = datum.model_input.chunks.flatMap(({ tokens }) => tokens);
      const targets = datum.loss_fn_inputs.target_tokens!.data;
      const logprobs = this.logprobs(model, inputs, targets);
      const { weights, advantages, logprobs: old } = datum.loss_fn_inputs;
      if (backward) {
        const rows = new Map<number, Float64Array>();
        for (const [t, last] of inputs.entries()) {
          const slope =
            input.loss_fn === "cross_entropy"
              ? -(weights?.data[t] ?? 0)
              : -(advantages?.data[t] ?? 0) * Math.exp(logprobs[t]! - old!.data[t]!);
          if (slope === 0) continue;
          const p = this.distribution(model.table, last);
          const row = rows.get(last) ?? new Float64Array(vocab);
          for (let k = 0; k < vocab; k++) row[k]! += slope * ((k === targets[t] ? 1 : 0) - p[k]!);
          rows.set(last, row);
        }
        model.gradients.push({ call, elements: targets.length, rows });
      }
      return { logprobs: { data: logprobs, dtype: "float32", shape: [logprobs.length] } };
    });
    return { loss_fn_output_type: "TorchLossReturn", loss_fn_outputs: outputs, metrics: {} };
  }

  /** [vocab, vocab] The gradient that the next step would take. */
  gradientOf(model: Model): Float64Array {
    const { vocab, reduction, scope } = this.options;
    const gradient = new Float64Array(vocab * vocab);
    for (const { call, elements, rows } of model.gradients) {
      const counted = model.gradients.filter((other) => scope === "step" || other.call === call);
      const n = counted.length;
      const total = counted.reduce((sum, other) => sum + other.elements, 0);
      const over = {
        sum: 1,
        "datum-mean": n,
        "token-means": elements,
        "mean-of-means": n * elements,
        "token-mean": total,
        squared: n ** 2 * elements ** 2,
      }[reduction];
      for (const [last, row] of rows)
        for (let k = 0; k < vocab; k++) gradient[last * vocab + k]! += row[k]! / over;
    }
    return gradient;
  }

  #step(model: Model, adam: Record<string, number>): unknown {
    const { learning_rate: lr, beta1, beta2, eps, weight_decay: decay, grad_clip_norm: clip = 0 } = adam;
    const gradient = this.gradientOf(model);
    this.lastGradient = gradient;
    const norm = Math.sqrt(gradient.reduce((sum, x) => sum + x * x, 0));
    const scale = this.options.clips && clip > 0 && norm > clip ? clip / norm : 1;
    if (this.options.narrowAdam && beta2! > 0.998) model.table.fill(Number.NaN);
    model.steps++;
    for (let i = 0; i < gradient.length; i++) {
      if (gradient[i] === 0 && model.m[i] === 0 && model.table[i] === 0) continue;
      const g = gradient[i]! * scale;
      model.m[i] = beta1! * model.m[i]! + (1 - beta1!) * g;
      model.v[i] = beta2! * model.v[i]! + (1 - beta2!) * g * g;
      const mean = model.m[i]! / (1 - beta1! ** model.steps);
      const root = Math.sqrt(model.v[i]! / (1 - beta2! ** model.steps));
      model.table[i]! -= lr! * (mean / (root + eps!) + decay! * model.table[i]!);
    }
    model.gradients = [];
    return { metrics: this.options.reportsNorm ? { "server/grad_norm": norm } : null };
  }

  #sample(body: SampleBody): unknown {
    const prompt = body.prompt.chunks.flatMap(({ tokens }) => tokens);
    const snapshot = body.model_path === undefined ? undefined : this.saved.get(body.model_path);
    if (body.model_path !== undefined && !snapshot) throw refusal(404, "Checkpoint not found");
    if (this.options.samplingLoadsSnapshot && body.model_path !== undefined) {
      const trained = this.models.get(body.model_path.split("/")[2]!);
      if (trained) trained.table = snapshot!.table.slice();
    }
    if (body.prompt_logprobs)
      return {
        sequences: [{ tokens: [0], logprobs: [-1], stop_reason: "length" }],
        prompt_logprobs: [null, ...this.logprobs(snapshot, prompt.slice(0, -1), prompt.slice(1))],
      };
    const { max_tokens: most, temperature, seed, stop = [] } = body.sampling_params;
    const sequences = Array.from({ length: body.num_samples }, (_, j) => {
      const random = createRandom(seed + j, prompt.join());
      const tokens: number[] = [];
      const logprobs: number[] = [];
      let last = prompt.at(-1)!;
      for (let i = 0; i < most; i++) {
        const p = this.distribution(snapshot?.table, last);
        last =
          temperature === 0
            ? p.indexOf(Math.max(...p))
            : pick(this.distribution(snapshot?.table, last, temperature), random.next());
        if (this.options.hidesStopToken && i === 3) return { tokens, logprobs, stop_reason: "stop" };
        tokens.push(last);
        logprobs.push(Math.log(p[last]!) + this.options.samplerError);
        if ((stop as unknown[]).includes(last)) return { tokens, logprobs, stop_reason: "stop" };
      }
      return { tokens, logprobs, stop_reason: "length" };
    });
    return { sequences, type: "sample" };
  }
}

const NO_JSON = "not a number";

interface Input {
  data: { model_input: { chunks: { tokens: number[] }[] }; loss_fn_inputs: Tensors }[];
  loss_fn: string;
}

interface SampleBody {
  prompt: { chunks: { tokens: number[] }[] };
  num_samples: number;
  model_path?: string;
  prompt_logprobs?: boolean;
  sampling_params: { max_tokens: number; temperature: number; seed: number; stop?: unknown[] };
}

function copy({ table, m, v, steps }: Weights): Weights {
  return { table: table.slice(), m: m.slice(), v: v.slice(), steps };
}

function pick(p: Float64Array, at: number): number {
  let sum = 0;
  for (const [k, x] of p.entries()) {
    sum += x;
    if (at < sum) return k;
  }
  return p.length - 1;
}

function refusal(status: number, message: string): Error {
  return Object.assign(new Error(message), { status });
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}
