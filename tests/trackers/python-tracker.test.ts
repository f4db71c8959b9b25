/**
 * The Python processes of "wandb" and "trackio" when they fail. The package is a stand-in whose faults a test chooses;
 * real-trackers.test.ts runs the real ones.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { QUEUE_LIMITS } from "../../src/trackers/tracker-queue.js";
import { Tracking } from "../../src/trackers/tracking.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Writes each call to calls.jsonl; does what fault.txt says at the third log. */
const PACKAGE = `
import json, os, time
here = os.path.dirname(__file__)
def keep(**call):
    with open(os.path.join(here, "calls.jsonl"), "a") as file: file.write(json.dumps(call) + "\\n")
class Settings:
    def __init__(self, **_): pass
class Table:
    def __init__(self, columns, data): self.shown = [columns, data]
class Run:
    url = "https://example.org/run"
    def define_metric(self, *_, **__): pass
    def log(self, values):
        step = values["train/global_step"]
        fault = os.path.join(here, "fault.txt")
        if step == 3 and os.path.exists(fault):
            what = open(fault).read()
            os.remove(fault)
            if what == "exit": os._exit(7)
            if what == "hang": time.sleep(60)
            if what == "raise": raise ValueError("no disk")
        keep(log={k: v.shown if isinstance(v, Table) else v for k, v in values.items()})
    def finish(self, exit_code=None): keep(finish=exit_code)
def init(**options):
    options.pop("settings")
    print("noise on stdout")
    keep(init=options)
    return Run()
`;

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  writeFileSync(join(folder, "wandb.py"), PACKAGE);
  process.env.PYTHONPATH = folder;
});
afterEach(() => {
  delete process.env.PYTHONPATH;
  delete process.env.SWIRL_PYTHON;
});

async function session() {
  const notes: string[] = [];
  const tracking = await Tracking.open({
    stage: "train",
    trackers: ["wandb"],
    tracking: { folder: join(folder, "run") },
    config: { lr: 1 },
    resumedFrom: 0,
    note: (note) => void notes.push(note),
    limits: { ...QUEUE_LIMITS, batch: 1, waitMs: 5, callMs: 3000, flushMs: 20_000 },
  });
  for (let step = 1; step <= 4; step++) tracking.log(step, { reward: step });
  tracking.table("completions", 1, ["question", "reward"], [["a", 0.5]]);
  const lost = await tracking.close("finished");
  const calls = readFileSync(join(folder, "calls.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map(
      (line) => JSON.parse(line) as { init?: { id: string }; log?: Record<string, unknown>; finish?: number },
    );
  return { lost, notes, calls };
}

it.each(["none", "exit", "hang", "raise"])(
  "fault %s: every update arrives in the same run",
  async (fault) => {
    if (fault !== "none") writeFileSync(join(folder, "fault.txt"), fault);
    const { lost, notes, calls } = await session();
    expect(lost).toEqual({});
    const logs = calls.flatMap(({ log }) => (log ? [log] : []));
    expect(logs.flatMap((log) => log["train/reward"] ?? [])).toEqual([1, 2, 3, 4]);
    expect(logs.at(-1)).toEqual({
      completions: [["question", "reward"], [["a", "0.5"]]],
      "train/global_step": 1,
    });
    const ids = new Set(calls.flatMap(({ init }) => init?.id ?? []));
    expect(ids.size).toBe(1);
    expect(calls.at(-1)).toEqual({ finish: 0 });
    expect(notes[0]).toBe("tracker wandb: the run is shown at https://example.org/run");
    const told = {
      none: undefined,
      exit: "ended (7)",
      hang: "no answer within 3 s",
      raise: "ValueError: no disk",
    }[fault];
    if (told) expect(notes[1]).toContain(told);
    else expect(notes).toHaveLength(1);
  },
);

it("a Python without the package, and no Python, are found before the run begins", async () => {
  process.env.PYTHONPATH = "";
  await expect(session()).rejects.toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining("pip install wandb"),
  });
  process.env.SWIRL_PYTHON = join(folder, "no-python");
  await expect(session()).rejects.toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining("ENOENT"),
  });
});
