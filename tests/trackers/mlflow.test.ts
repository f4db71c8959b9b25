/** The MLflow tracker against a real HTTP server that keeps runs as MLflow does, and fails as a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { mlflowTracker } from "../../src/trackers/mlflow-tracker.js";
import { QUEUE_LIMITS } from "../../src/trackers/tracker-queue.js";
import { Tracking } from "../../src/trackers/tracking.js";
import { temporaryFolder } from "../support/temporary-folder.js";

interface Run {
  id: string;
  tags: Record<string, string>;
  params: Record<string, string>;
  metrics: { key: string; value: number; step: number }[];
  status: string;
}

class Mlflow implements AsyncDisposable {
  readonly runs: Run[] = [];
  readonly files = new Map<string, unknown>();
  readonly requests: { path: string; authorization: string | undefined }[] = [];
  experiment: string | undefined;
  /** Answers a request itself; undefined: the server does its work. */
  fault: (path: string, response: ServerResponse) => boolean = () => false;
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<Mlflow> {
    const mlflow = new Mlflow();
    await new Promise<void>((resolve) => mlflow.#server.listen(0, "127.0.0.1", resolve));
    return mlflow;
  }

  get uri(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = request.url!;
    this.requests.push({ path, authorization: request.headers.authorization });
    if (this.fault(path, response)) return;
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const answer = this.#answer(path.replace("/api/2.0/mlflow/", ""), body);
    response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error_code: "RESOURCE_DOES_NOT_EXIST" }));
  }

  // biome-ignore lint/suspicious/noExplicitAny: bodies of a foreign API
  #answer(path: string, body: any): unknown {
    const shown = (run: Run) => ({
      info: { run_id: run.id, experiment_id: "7", artifact_uri: `mlflow-artifacts:/7/${run.id}/artifacts` },
    });
    const file = /^\/api\/2\.0\/mlflow-artifacts\/artifacts\/(.*)/.exec(path)?.[1];
    if (file) return this.files.set(file, body) && {};
    if (path.startsWith("experiments/get-by-name"))
      return this.experiment === new URL(path, this.uri).searchParams.get("experiment_name")
        ? { experiment: { experiment_id: "7" } }
        : undefined;
    const run = this.runs.find(({ id }) => id === body.run_id)!;
    switch (path) {
      case "experiments/create":
        this.experiment = body.name;
        return { experiment_id: "7" };
      case "runs/search": {
        const id = /^tags\."swirl\.run" = '([A-Za-z0-9-]+)'$/.exec(body.filter)![1];
        return { runs: this.runs.filter(({ tags }) => tags["swirl.run"] === id).map(shown) };
      }
      case "runs/create": {
        const tags = Object.fromEntries(
          body.tags.map(({ key, value }: Record<string, string>) => [key, value]),
        );
        const made: Run = { id: `r${this.runs.length}`, tags, params: {}, metrics: [], status: "RUNNING" };
        this.runs.push(made);
        return { run: shown(made) };
      }
      case "runs/log-batch":
        if ((body.metrics ?? []).length > 1000 || (body.params ?? []).length > 100) return undefined;
        run.metrics.push(...(body.metrics ?? []));
        for (const { key, value } of body.params ?? []) run.params[key] = value;
        return {};
      case "runs/update":
        run.status = body.status;
        return { run_info: {} };
      default:
        return undefined;
    }
  }
}

async function session(
  mlflow: Mlflow,
  folder: string,
  steps: readonly number[],
  token?: string,
  lasting = 0,
  callMs = 10_000,
) {
  const notes: string[] = [];
  const tracking = await Tracking.open({
    stage: "train",
    trackers: [mlflowTracker({ trackingUri: `${mlflow.uri}/`, token })],
    tracking: { folder, project: "a project & more" },
    config: {
      lr: 0.5,
      nested: { deep: { key: [1, 2] } },
      ...Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`p${i}`, i])),
    },
    resumedFrom: steps[0]! - 1,
    note: (note) => void notes.push(note),
    limits: { ...QUEUE_LIMITS, waitMs: 5, callMs, flushMs: 3000 },
  });
  for (const step of steps) tracking.log(step, { reward: step, "a b:c(d)": 1, kl: null });
  await sleep(lasting); // at the end of a run, one repetition is all that is made
  const lost = await tracking.close("finished");
  return { lost, notes };
}

it("makes the experiment, sets parameters once, and continues a run that was resumed", async () => {
  await using mlflow = await Mlflow.start();
  const folder = temporaryFolder();
  for (const steps of [[1, 2], [3]])
    expect(await session(mlflow, folder, steps)).toEqual({ lost: {}, notes: [] });
  expect(mlflow.experiment).toBe("a project & more");
  expect(mlflow.runs).toHaveLength(1);
  const [run] = mlflow.runs;
  expect(run!.status).toBe("FINISHED");
  expect(Object.keys(run!.params)).toHaveLength(152);
  expect(run!.params).toMatchObject({ lr: "0.5", "nested.deep.key": "[1,2]" });
  const rewards = run!.metrics.filter(({ key }) => key === "train/reward");
  expect(rewards.map(({ step, value }) => [step, value])).toEqual([1, 2, 3].map((step) => [step, step]));
  expect(run!.metrics.map(({ key }) => key)).toContain("train/a b:c_d_");
});

it("more metrics than one request may hold become several", async () => {
  await using mlflow = await Mlflow.start();
  const steps = Array.from({ length: 700 }, (_, i) => i + 1);
  expect(await session(mlflow, temporaryFolder(), steps)).toEqual({ lost: {}, notes: [] });
  expect(mlflow.runs[0]!.metrics).toHaveLength(1400);
});

it("errors that pass are waited out", async () => {
  await using mlflow = await Mlflow.start();
  let faults = 0;
  mlflow.fault = (_, response) => {
    if (++faults > 4) return false;
    response.writeHead(503).end("busy");
    return true;
  };
  const { lost, notes } = await session(mlflow, temporaryFolder(), [1, 2], undefined, 300);
  expect(notes[0]).toMatch(
    /tracker mlflow: MLflow at 127\.0\.0\.1:\d+, GET .*get-by-name answered 503: busy/,
  );
  expect(notes).toHaveLength(1);
  expect(lost).toEqual({});
  expect(mlflow.runs[0]!.metrics.filter(({ key }) => key === "train/reward")).toHaveLength(2);
});

it("a refusal ends it at once; the token is in no note and goes to no other host", async () => {
  await using mlflow = await Mlflow.start();
  await using other = await Mlflow.start();
  const token = "tok-planted-0123456789";
  mlflow.fault = (_, response) => {
    response.writeHead(401).end(`no such token: ${token}`);
    return true;
  };
  const refused = await session(mlflow, temporaryFolder(), [1, 2], token);
  expect(refused.lost).toEqual({ mlflow: 2 });
  expect(mlflow.requests.map(({ authorization }) => authorization)).toEqual([`Bearer ${token}`]);
  expect(refused.notes.join()).toContain("answered 401");
  expect(refused.notes.join()).not.toContain(token);

  mlflow.fault = (path, response) => {
    response.writeHead(307, { location: `${other.uri}${path}` }).end();
    return true;
  };
  const redirected = await session(mlflow, temporaryFolder(), [1], token);
  expect(redirected.lost).toEqual({ mlflow: 1 });
  expect(other.requests).toEqual([]);
});

it("what is not MLflow is said to be so, and a server that does not answer costs its deadline", async () => {
  await using mlflow = await Mlflow.start();
  mlflow.fault = (_, response) => {
    response.writeHead(200).end("<html>a proxy's page</html>");
    return true;
  };
  expect((await session(mlflow, temporaryFolder(), [1])).notes[0]).toContain("is not MLflow");
  mlflow.fault = () => true;
  const started = performance.now();
  const hung = await session(mlflow, temporaryFolder(), [1], undefined, 0, 500);
  expect(hung.lost).toEqual({ mlflow: 1 });
  expect(performance.now() - started).toBeLessThan(10_000);
});

it("a table becomes an artifact of the run", async () => {
  await using mlflow = await Mlflow.start();
  const tracker = mlflowTracker({ trackingUri: mlflow.uri });
  const call = { signal: new AbortController().signal };
  const run = {
    id: "x-train",
    name: "x/train",
    run: "train",
    project: "p",
    config: {},
    resumedFrom: 0,
    folder: undefined,
  };
  await tracker.begin(run, call);
  await tracker.table!(
    { name: "completions", step: 20, time: 0, columns: ["a", "b"], rows: [["<x>", 1]] },
    call,
  );
  expect([...mlflow.files]).toEqual([
    ["7/r0/artifacts/completions/step-000020.json", { columns: ["a", "b"], index: [0], data: [["<x>", 1]] }],
  ]);
});
