/**
 * MLflow through its REST API, version 2.0 (`mlflow server`). A run is found again by its tag `swirl.run`, so a resumed
 * run continues it from any machine. Parameters are set once, as MLflow requires. Tables are artifacts of the kind
 * that `mlflow.log_table` writes, where the server takes artifacts itself (`mlflow-artifacts:`, its default).
 */

import { z } from "zod";
import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import { rememberSecret } from "../secrets/known-secrets.js";
import { redactText } from "../secrets/redact.js";
import type { TrackedEnd, TrackedMetrics, TrackedRun, TrackedTable, Tracker } from "./tracker.js";

/** Limits of one request. */
const MOST_METRICS = 1000;
const MOST_PARAMETERS = 100;
const LONGEST_PARAMETER = 6000;
const LONGEST_KEY = 250;
const MOST_REPLY = 4 << 20;

const STATUS: Record<TrackedEnd, string> = { finished: "FINISHED", failed: "FAILED", aborted: "KILLED" };

/** Options of {@link mlflowTracker}. */
export interface MlflowTrackerOptions {
  /** URL of the server. MLFLOW_TRACKING_URI unless given. */
  trackingUri?: string | undefined;
  /** Name of the experiment, which is created if it does not exist. MLFLOW_EXPERIMENT_NAME, else `tracking.project`. */
  experiment?: string | undefined;
  /**
   * Bearer token. MLFLOW_TRACKING_TOKEN unless given; without one MLFLOW_TRACKING_USERNAME and
   * MLFLOW_TRACKING_PASSWORD.
   */
  token?: string | undefined;
}

const runSchema = z.object({
  info: z.object({ run_id: z.string(), experiment_id: z.string(), artifact_uri: z.string().optional() }),
});
type MlflowRun = z.output<typeof runSchema>;

/** A tracker that sends metrics, parameters and tables to an MLflow server. */
export function mlflowTracker(options: MlflowTrackerOptions = {}): Tracker {
  const { server, experiment } = ofArguments(
    "mlflowTracker",
    "{ trackingUri?, experiment?, token? }",
    () => ({
      server: new MlflowServer(options),
      experiment: options.experiment,
    }),
  );
  let run: MlflowRun | undefined;
  return {
    name: "mlflow",
    check: () => server.check(),
    begin: async (tracked, { signal }) => {
      run = await openRun(server, tracked, experiment, signal);
    },
    log: async (entries, { signal }) => {
      const metrics = entries.flatMap(metricsOf);
      for (let at = 0; at < metrics.length; at += MOST_METRICS)
        await server.post(
          "/runs/log-batch",
          { run_id: run!.info.run_id, metrics: metrics.slice(at, at + MOST_METRICS) },
          z.unknown(),
          signal,
        );
    },
    table: async (table, { signal }) => {
      await putTable(server, run!, table, signal);
    },
    finish: async (end, { signal }) => {
      const body = { run_id: run!.info.run_id, status: STATUS[end], end_time: Date.now() };
      await server.post("/runs/update", body, z.unknown(), signal);
    },
  };
}

function metricsOf({ step, time, metrics }: TrackedMetrics) {
  return Object.entries(metrics).map(([name, value]) => ({ key: keyOf(name), value, timestamp: time, step }));
}

/** Names may hold letters, digits, and `_-./: ` (space included). */
function keyOf(name: string): string {
  return name.replace(/[^\w\-./ :]/g, "_").slice(0, LONGEST_KEY);
}

async function openRun(
  server: MlflowServer,
  tracked: TrackedRun,
  named: string | undefined,
  signal: AbortSignal,
): Promise<MlflowRun> {
  const experiment = await experimentId(
    server,
    named ?? process.env.MLFLOW_EXPERIMENT_NAME ?? tracked.project,
    signal,
  );
  const found = await server.post(
    "/runs/search",
    {
      experiment_ids: [experiment],
      filter: `tags."swirl.run" = '${tracked.id}'`,
      max_results: 1,
    },
    z.object({ runs: z.array(runSchema).optional() }),
    signal,
  );
  const known = found.runs?.[0];
  if (known) {
    const body = { run_id: known.info.run_id, status: "RUNNING" };
    await server.post("/runs/update", body, z.unknown(), signal);
    return known;
  }
  const created = await server.post(
    "/runs/create",
    {
      experiment_id: experiment,
      run_name: tracked.name,
      start_time: Date.now(),
      tags: [
        { key: "swirl.run", value: tracked.id },
        { key: "mlflow.runName", value: tracked.name },
        { key: "mlflow.source.name", value: "swirl-rl" },
      ],
    },
    z.object({ run: runSchema }),
    signal,
  );
  const parameters = flat(tracked.config);
  for (let at = 0; at < parameters.length; at += MOST_PARAMETERS)
    await server.post(
      "/runs/log-batch",
      { run_id: created.run.info.run_id, params: parameters.slice(at, at + MOST_PARAMETERS) },
      z.unknown(),
      signal,
    );
  return created.run;
}

async function experimentId(server: MlflowServer, name: string, signal: AbortSignal): Promise<string> {
  const path = `/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
  const schema = z.object({ experiment: z.object({ experiment_id: z.string() }) });
  try {
    return (await server.get(path, schema, signal)).experiment.experiment_id;
  } catch (error) {
    if (!SwirlError.isInstance(error) || error.details.status !== 404) throw error;
  }
  const created = z.object({ experiment_id: z.string() });
  return (await server.post("/experiments/create", { name }, created, signal)).experiment_id;
}

/** Keys with dots between their parts, as MLflow's parameters are flat. */
function flat(config: Record<string, unknown>, prefix = ""): { key: string; value: string }[] {
  return Object.entries(config).flatMap(([name, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flat(value as Record<string, unknown>, `${prefix}${name}.`)
      : [
          {
            key: keyOf(`${prefix}${name}`),
            value: (typeof value === "string" ? value : JSON.stringify(value)).slice(0, LONGEST_PARAMETER),
          },
        ],
  );
}

async function putTable(
  server: MlflowServer,
  run: MlflowRun,
  table: TrackedTable,
  signal: AbortSignal,
): Promise<void> {
  const proxied = /^mlflow-artifacts:\/*(?:[^/]*@?[^/]*:\d+\/)?(.*)$/.exec(run.info.artifact_uri ?? "");
  if (!proxied) return; // the server's artifacts are in a store that only its Python client can write to
  const name = `${table.name}/step-${String(table.step).padStart(6, "0")}.json`;
  const { columns, rows } = table;
  const body = JSON.stringify({ columns, index: rows.map((_, i) => i), data: rows });
  await server.put(`${proxied[1]!.replace(/\/$/, "")}/${name}`, body, signal);
}

class MlflowServer {
  readonly #uri: string | undefined;
  readonly #authorization: string | undefined;

  constructor({ trackingUri, token }: MlflowTrackerOptions) {
    const { MLFLOW_TRACKING_URI, MLFLOW_TRACKING_TOKEN } = process.env;
    const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = process.env;
    this.#uri = (trackingUri ?? (MLFLOW_TRACKING_URI || undefined))?.replace(/\/+$/, "");
    const bearer = token ?? MLFLOW_TRACKING_TOKEN;
    for (const secret of [bearer, password]) if (secret) rememberSecret(secret);
    if (bearer) this.#authorization = `Bearer ${bearer}`;
    else if (user !== undefined && password !== undefined)
      this.#authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  }

  check(): void {
    if (this.#uri !== undefined && /^https?:\/\/./i.test(this.#uri) && URL.canParse(this.#uri)) return;
    const given = this.#uri === undefined ? "no MLFLOW_TRACKING_URI" : redactText(JSON.stringify(this.#uri));
    throw new SwirlError("CONFIG", `trackers: "mlflow" needs the URL of a server, and there is ${given}`, {
      remedy: "start `mlflow server` and set MLFLOW_TRACKING_URI=http://127.0.0.1:5000",
      details: { field: "trackers" },
    });
  }

  get<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    return this.#send("GET", `/api/2.0/mlflow${path}`, undefined, schema, signal);
  }

  post<Schema extends z.ZodType>(
    path: string,
    body: object,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    return this.#send("POST", `/api/2.0/mlflow${path}`, JSON.stringify(body), schema, signal);
  }

  async put(path: string, body: string, signal: AbortSignal): Promise<void> {
    const safe = path.split("/").map(encodeURIComponent).join("/");
    await this.#send("PUT", `/api/2.0/mlflow-artifacts/artifacts/${safe}`, body, z.unknown(), signal);
  }

  async #send<Schema extends z.ZodType>(
    method: string,
    path: string,
    body: string | undefined,
    schema: Schema,
    signal: AbortSignal,
  ): Promise<z.output<Schema>> {
    const where = `${new URL(this.#uri!).host}, ${method} ${path.split("?")[0]}`;
    let response: Response;
    try {
      response = await fetch(`${this.#uri}${path}`, {
        method,
        signal,
        redirect: "manual", // a redirect would send the token elsewhere
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(this.#authorization ? { authorization: this.#authorization } : {}),
        },
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      const reason = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
      throw new SwirlError("ENDPOINT", `MLflow cannot be reached at ${where}: ${reason}`, { cause });
    }
    const text = await boundedText(response);
    if (!response.ok) {
      const { status } = response;
      // A retry of the same request would get the same answer.
      const final = status < 500 && status !== 408 && status !== 429;
      throw new SwirlError(
        "ENDPOINT",
        `MLflow at ${where} answered ${status}: ${redactText(text).slice(0, 300)}`,
        {
          details: { status, final },
        },
      );
    }
    let value: unknown;
    try {
      value = text === "" ? {} : JSON.parse(text);
    } catch {
      value = undefined;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new SwirlError("ENDPOINT", `what answers at ${where} is not MLflow: ${text.slice(0, 100)}`, {
      details: { final: true },
    });
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength;
    if (bytes > MOST_REPLY) throw new Error(`a reply of more than ${MOST_REPLY} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString("utf8");
}
