/**
 * The trackers' own software reads what was written: the Python packages tensorboard, mlflow, wandb (offline) and
 * trackio. Needs SWIRL_TRACKERS_PYTHON, a Python that has some of them; those that it lacks are skipped by name.
 *
 *   python3 -m venv VENV && VENV/bin/pip install tensorboard mlflow wandb trackio
 *   SWIRL_TRACKERS_PYTHON=VENV/bin/python npx vitest run tests/trackers/real-trackers.test.ts
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import type { TrackerName } from "../../src/trackers/tracker.js";
import { QUEUE_LIMITS } from "../../src/trackers/tracker-queue.js";
import { Tracking } from "../../src/trackers/tracking.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const python = process.env.SWIRL_TRACKERS_PYTHON;
const has = (name: string) =>
  python !== undefined && spawnSync(python, ["-c", `import ${name}`], { cwd: "/" }).status === 0;
const run = (code: string, ...args: string[]) =>
  JSON.parse(
    execFileSync(python!, ["-c", code, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );

const HOSTILE = "<script>alert(1)</script> | **bold** `code`\nsecond line";

/** Two sessions of one run: steps 1 to 3, then from a checkpoint after step 2 on to step 4. */
async function log(name: TrackerName, folder: string): Promise<void> {
  const notes: string[] = [];
  for (const [resumedFrom, steps] of [
    [0, [1, 2, 3]],
    [2, [3, 4]],
  ] as const) {
    const tracking = await Tracking.open({
      stage: "train",
      trackers: [name],
      tracking: { folder, name: "real", project: "swirl-test" },
      config: { lr: 0.5, judge: { kind: "rules" } },
      resumedFrom,
      note: (note) => void notes.push(note),
      limits: { ...QUEUE_LIMITS, callMs: 60_000, flushMs: 110_000 }, // a server that has just started is slow
    });
    for (const step of steps) {
      tracking.log(step, { step, reward: step / 8, "completions/mean_length": step * 3 });
      if (step === 1)
        tracking.table(
          "completions",
          step,
          ["question", "reward"],
          [
            [HOSTILE, 0.5],
            ["plain", null],
          ],
        );
    }
    expect(await tracking.close("finished"), notes.join("\n")).toEqual({});
  }
}

it.skipIf(!has("tensorboard"))(
  "tensorboard reads scalars, the table and the purge of a resumed run",
  async () => {
    const folder = temporaryFolder();
    await log("tensorboard", folder);
    const reader = readFileSync(join(import.meta.dirname, "tensorboard-read.py"), "utf8");
    const read = run(reader, join(folder, "tensorboard/train"));
    expect(read.scalars["train/reward"]).toEqual([1, 2, 3, 4].map((step) => [step, step / 8]));
    expect(read.scalars["train/completions/mean_length"]).toHaveLength(4);
    const [step, rows] = read.texts.completions[0];
    expect(step).toBe(1);
    expect(rows[0]).toEqual(["question", "reward"]);
    expect(rows[1][0]).not.toContain("<script>");
    expect(Object.fromEntries(read.texts.config[0][1])).toEqual({
      lr: "0\\.5",
      judge: '\\{"kind":"rules"\\}',
    });
  },
);

it.skipIf(!has("mlflow"))(
  "an MLflow server has one run with every metric, the parameters and the table",
  async () => {
    const folder = temporaryFolder();
    const port = await freePort();
    const uri = `http://127.0.0.1:${port}`;
    const store = `sqlite:///${join(folder, "mlflow.db")}`;
    const flags = ["--backend-store-uri", store, "--artifacts-destination", join(folder, "artifacts")];
    const server = spawn(
      python!,
      ["-m", "mlflow", "server", "--port", `${port}`, "--workers", "1", ...flags],
      {
        stdio: "ignore",
        detached: true,
        env: { ...process.env, PATH: `${join(python!, "..")}:${process.env.PATH}` },
      },
    );
    process.env.MLFLOW_TRACKING_URI = uri;
    try {
      await until(async () => (await fetch(`${uri}/health`)).ok);
      await log("mlflow", folder);
      const read = run(
        `
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("swirl-test")
runs = client.search_runs([experiment.experiment_id])
history = client.get_metric_history(runs[0].info.run_id, "train/reward")
table = mlflow.artifacts.load_dict(f"{runs[0].info.artifact_uri}/completions/step-000001.json")
print(json.dumps({"runs": len(runs), "status": runs[0].info.status, "name": runs[0].info.run_name,
  "params": runs[0].data.params, "history": sorted({(m.step, m.value) for m in history}), "table": table}))`,
        uri,
      );
      expect(read).toMatchObject({
        runs: 1,
        status: "FINISHED",
        name: "real/train",
        params: { lr: "0.5", "judge.kind": "rules" },
        history: [1, 2, 3, 4].map((step) => [step, step / 8]),
        table: {
          columns: ["question", "reward"],
          data: [
            [HOSTILE, 0.5],
            ["plain", null],
          ],
        },
      });
    } finally {
      delete process.env.MLFLOW_TRACKING_URI;
      process.kill(-server.pid!, "SIGKILL");
    }
  },
  300_000,
);

it.skipIf(!has("wandb"))(
  "the records in wandb's offline files have configuration, metrics and table",
  async () => {
    const folder = temporaryFolder();
    Object.assign(process.env, { SWIRL_PYTHON: python, WANDB_MODE: "offline" });
    await log("wandb", folder);
    const runs = readdirSync(join(folder, "wandb")).filter((name) => name.startsWith("offline-run-"));
    const files = runs.map((name) =>
      join(folder, "wandb", name, `run-${name.split("-").slice(3).join("-")}.wandb`),
    );
    const read = run(
      `
import json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb

def records(path):
    """The blocks of LevelDB's log, after a header of seven bytes."""
    data, at, parts = open(path, "rb").read(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""

history, config, ids = [], {}, set()
for path in sys.argv[1:]:
    for data in records(path):
        record = pb.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        if kind == "history":
            history.append({"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item})
        elif kind == "run":
            ids.add((record.run.run_id, record.run.project))
            config.update({i.key: json.loads(i.value_json) for i in record.run.config.update})
print(json.dumps({"history": history, "config": config, "ids": sorted(ids)}))`,
      ...files.sort(),
    );
    expect(read.ids).toEqual([[expect.stringMatching(/^[0-9a-f]{12}-train$/), "swirl-test"]]);
    expect(read.config).toMatchObject({ lr: 0.5, judge: { kind: "rules" } });
    const rewards = read.history.flatMap((row: Record<string, number>) =>
      "train/reward" in row ? [[row["train/global_step"], row["train/reward"]]] : [],
    );
    expect(rewards.sort()).toEqual([1, 2, 3, 3, 4].map((step) => [step, step / 8]));
    expect(JSON.stringify(read.history)).toContain("table-file");
  },
  300_000,
);

it.skipIf(!has("trackio"))(
  "trackio's own database has one run with every metric, configuration and table",
  async () => {
    const folder = temporaryFolder();
    Object.assign(process.env, { SWIRL_PYTHON: python, TRACKIO_DIR: join(folder, "trackio") });
    await log("trackio", folder);
    const read = run(`
import json
from trackio.sqlite_storage import SQLiteStorage
runs = SQLiteStorage.get_runs("swirl-test")
logs = SQLiteStorage.get_logs("swirl-test", runs[0])
print(json.dumps({"runs": runs, "logs": logs, "config": SQLiteStorage.get_run_config("swirl-test", runs[0])}, default=str))`);
    expect(read.runs).toHaveLength(1);
    expect(read.config).toMatchObject({ lr: 0.5 });
    const rewards = read.logs.flatMap((row: Record<string, number>) =>
      "train/reward" in row ? [[row.step, row["train/reward"]]] : [],
    );
    expect(rewards).toEqual([1, 2, 3, 3, 4].map((step) => [step, step / 8]));
    expect(JSON.stringify(read.logs)).toContain("<script>");
  },
  300_000,
);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await check().catch(() => false)) return;
    await sleep(300);
  }
  throw new Error("the server did not start");
}
