import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Compiled, compile } from "../../tests/support/compile.js";
import type { LockCommand, LockReply } from "../../tests/support/lock-program.js";
import { temporaryFolder } from "../../tests/support/temporary-folder.js";
import { uniform } from "../random/counter-random.js";
import { lockFile, lockFolder } from "./lock.js";
import { type LockOwner, thisOwner } from "./lock-owner.js";

/** Races of each kind; more before a release. */
const ROUNDS = 10 * Number(process.env.SWIRL_STRESS ?? 3);
const KILLS = Number(process.env.SWIRL_STRESS ?? 15);
const linux = test.skipIf(!existsSync("/proc/thread-self")); // elsewhere a process id is all there is

let compiled: Compiled;
beforeAll(async () => {
  compiled = await compile();
}, 60_000);

let dir: string;
let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  dir = temporaryFolder();
  folder = join(dir, "run");
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
});

function start(): ChildProcess {
  const child = fork(compiled.file("tests/support/lock-program.ts"), { execArgv: [] });
  children.push(child);
  return child;
}

async function tell(child: ChildProcess, command: LockCommand): Promise<LockReply> {
  const reply = once(child, "message");
  child.send(command);
  return (await reply)[0] as LockReply;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** A lock as `owner` would have left it. */
async function plant(owner: LockOwner | string): Promise<void> {
  await fs.mkdir(join(folder, ".lock"), { recursive: true });
  const text = typeof owner === "string" ? owner : JSON.stringify(owner);
  await fs.writeFile(join(folder, ".lock", "1-planted"), text);
}

async function takeAndRelease(): Promise<void> {
  await (await lockFolder(folder))[Symbol.asyncDispose]();
}

const refusal = () =>
  lockFolder(folder).then(
    () => expect.fail("the lock was given to a second owner"),
    (error) => error,
  );

test("a folder is locked once in a process, and again when the lock was given back; nothing is left of it", async () => {
  const lock = await lockFolder(folder);
  expect(await refusal()).toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining(`${folder} is in use by this process (${process.pid}), since 20`),
    remedy: expect.stringContaining("use another folder"),
    details: { file: folder, pid: process.pid, lock: join(folder, ".lock") },
  });
  await lock[Symbol.asyncDispose]();
  await takeAndRelease();
  await lock[Symbol.asyncDispose](); // harmless
  expect(await fs.readdir(folder)).toEqual([]);
});

test("a file has a lock of its own, one for all its names", async () => {
  const file = join(folder, "a.jsonl");
  await using _ = await lockFolder(folder);
  {
    await using _lock = await lockFile(file); // not there yet
    await expect(lockFile(file)).rejects.toThrow(/a\.jsonl is in use by this process .*use another file/s);
  }
  await fs.writeFile(file, "");
  await fs.symlink(file, join(dir, "b.jsonl"));
  await using _lock = await lockFile(join(dir, "b.jsonl"));
  await expect(lockFile(file)).rejects.toMatchObject({ code: "CONFIG" });
});

test("a living process keeps its lock, named in the error; that of a killed one is taken over", async () => {
  const child = start();
  expect(await tell(child, { do: "take", folder })).toEqual({ held: true });
  expect(await refusal()).toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining(`${folder} is in use by process ${child.pid}, since 20`),
    remedy: expect.stringMatching(/wait for it, stop it, or use another folder/),
    details: { pid: child.pid },
  });
  await tell(child, { do: "release" });
  await takeAndRelease();
  await tell(child, { do: "take", folder });
  await kill(child);
  await takeAndRelease();
});

test("process.exit gives back all that the process holds", async () => {
  const child = start();
  const other = join(dir, "other");
  await tell(child, { do: "take", folder });
  await tell(child, { do: "take", folder: other });
  const gone = once(child, "exit");
  child.send({ do: "exit" } satisfies LockCommand);
  await gone;
  expect([await fs.readdir(folder), await fs.readdir(other)]).toEqual([[], []]);
});

linux("a killed process that its parent never takes note of is gone too", async () => {
  // `sleep` takes the shell's place and waits for no child.
  const program = compiled.file("tests/support/lock-program.ts");
  const hold = `import(${JSON.stringify(program.replace("tests/support/lock-program.js", "src/files/lock.js"))})
    .then(({ lockFolder }) => lockFolder(${JSON.stringify(folder)}))
    .then(() => { console.log(process.pid); setInterval(() => {}, 1000); });`;
  const parent = spawn("sh", ["-c", '"$@" & exec sleep 60', "sh", process.execPath, "-e", hold]);
  children.push(parent);
  const [said] = await once(parent.stdout!, "data");
  const pid = Number(String(said));
  await expect(takeAndRelease()).rejects.toThrow(`in use by process ${pid}`);
  process.kill(pid, "SIGKILL");
  for (let state = ""; state !== "Z"; )
    state = /\) (.)/.exec(await fs.readFile(`/proc/${pid}/stat`, "utf8"))![1]!;
  process.kill(pid, 0); // it still has its id
  await takeAndRelease();
});

linux("a worker thread keeps its lock while it runs; that of a terminated one is taken over", async () => {
  const worker = new Worker(compiled.file("tests/support/lock-program.ts"));
  const held = once(worker, "message");
  worker.postMessage({ do: "take", folder } satisfies LockCommand);
  expect((await held)[0]).toEqual({ held: true });
  expect(await refusal()).toMatchObject({ details: { pid: process.pid } });
  await worker.terminate();
  await takeAndRelease();
});

linux("a process id that was given out again is another process", async () => {
  await plant({ ...thisOwner(), started: "1" }); // as after a restart of the container
  await takeAndRelease();
  await plant({ ...thisOwner(), pid: 1, thread: 1, started: "1" });
  await takeAndRelease();
});

linux("a lock from before the machine was started anew is nobody's", async () => {
  await plant({ ...thisOwner(), boot: "00000000-0000-0000-0000-000000000000" });
  await takeAndRelease();
});

test("where nothing but the process id is known, a living one keeps its lock and the error says what to look at", async () => {
  const { host, since } = thisOwner();
  await plant({ host, since, pid: process.ppid });
  const error = await refusal();
  expect(error.message).toContain(`process ${process.ppid}`);
  expect(error.remedy).toContain(`if that run has ended, delete ${join(folder, ".lock")}`);
  const child = start();
  await kill(child);
  await plant({ host, since, pid: child.pid! });
  await takeAndRelease();
});

test("the lock of another host is never taken over, and the error says how to end it", async () => {
  const elsewhere = { host: "another-host", pid: 1, since: "2026-01-02T03:04:05.678Z" };
  await plant(elsewhere);
  const error = await refusal();
  expect(error.message).toContain("in use by process 1 of host another-host, since 2026-01-02");
  expect(error.remedy).toContain(`if that run has ended, delete ${join(folder, ".lock")}`);
  await fs.rm(join(folder, ".lock"), { recursive: true });
  await takeAndRelease();
});

test("a lock that does not say whose it is is left alone", async () => {
  await plant("{");
  const error = await refusal();
  expect(error).toMatchObject({
    code: "CONFIG",
    message: expect.stringContaining("does not name the owner"),
  });
  expect(error.remedy).toContain(`delete ${join(folder, ".lock")}`);
});

test("of many takers of a dead owner's lock one succeeds, in one process and in several", async () => {
  const dead = start();
  await tell(dead, { do: "take", folder });
  await kill(dead);
  const stale = join(dir, "stale");
  await fs.cp(join(folder, ".lock"), stale, { recursive: true });
  const again = async () => {
    await fs.rm(join(folder, ".lock"), { recursive: true, force: true });
    await fs.cp(stale, join(folder, ".lock"), { recursive: true });
  };

  for (let round = 0; round < ROUNDS; round++) {
    await again();
    const takers = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    const held = takers.flatMap((taker) => (taker.status === "fulfilled" ? [taker.value] : []));
    expect(held, `round ${round}`).toHaveLength(1);
    await held[0]![Symbol.asyncDispose]();
  }

  const racers = [start(), start(), start()];
  for (let round = 0; round < ROUNDS; round++) {
    await again();
    const replies = await Promise.all(racers.map((racer) => tell(racer, { do: "take", folder })));
    expect(
      replies.filter((reply) => "held" in reply && reply.held),
      `round ${round}`,
    ).toHaveLength(1);
    await Promise.all(racers.map((racer) => tell(racer, { do: "release" })));
  }
  expect(await fs.readdir(folder)).toEqual([]);
}, 120_000);

test("wherever a process is killed, taking a lock or giving it back, the next one gets the lock", async () => {
  for (let round = 0; round < KILLS; round++) {
    const child = start();
    await tell(child, { do: "release" }); // it is up
    child.send({ do: "churn", folder, times: 1_000_000 } satisfies LockCommand);
    await sleep(uniform(1, { stream: 0, step: 0, item: round }) * 20);
    await kill(child);
    await takeAndRelease();
  }
  const left = await fs.readdir(folder);
  expect(left.filter((name) => name !== "inside" && !name.startsWith(".lock-"))).toEqual([]);
}, 120_000);

test("processes that take turns are never inside together", async () => {
  await fs.mkdir(folder);
  const racers = [start(), start(), start()];
  const replies = await Promise.all(
    racers.map((racer) => tell(racer, { do: "churn", folder, times: 2 * ROUNDS })),
  );
  expect(replies).toEqual(racers.map(() => ({ intruders: 0 })));
}, 120_000);

test("a lock that was never put in place is removed after an hour, not before", async () => {
  await fs.mkdir(join(folder, ".lock-1-old"), { recursive: true });
  await fs.mkdir(join(folder, ".lock-2-new"));
  const before = Date.now() / 1000 - 3700;
  await fs.utimes(join(folder, ".lock-1-old"), before, before);
  await using _ = await lockFolder(folder);
  expect((await fs.readdir(folder)).sort()).toEqual([".lock", ".lock-2-new"]);
});

test("a folder that cannot be written, or made below one, is an error that says so and names no lock", async () => {
  await fs.mkdir(folder);
  await fs.chmod(dir, 0o755);
  await fs.chmod(folder, 0o555);
  const root = process.getuid?.() === 0; // may write everywhere
  if (root) process.seteuid!(65534);
  try {
    for (const path of [folder, join(folder, "a/b")])
      await expect(lockFolder(path)).rejects.toMatchObject({
        code: "CONFIG",
        message: expect.stringMatching(/cannot be created or written: .*: it may not be written/),
        remedy: "give a folder that this user may write to",
      });
  } finally {
    if (root) process.seteuid!(0);
  }
});

test("what is in the lock's place and is no lock is left there", async () => {
  await fs.mkdir(folder);
  await fs.writeFile(join(folder, ".lock"), "mine");
  await expect(takeAndRelease()).rejects.toMatchObject({ code: "CONFIG" });
  expect(await fs.readFile(join(folder, ".lock"), "utf8")).toBe("mine");
});
