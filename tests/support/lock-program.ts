/**
 * Takes and releases locks on its parent's orders, so that a test can race, kill or terminate it. A process of its own
 * (messages over IPC) or a worker thread.
 */
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { SwirlError } from "../../src/errors/swirl-error.js";
import { lockFolder } from "../../src/files/lock.js";

export type LockCommand =
  | { do: "take"; folder: string }
  | { do: "release" }
  | { do: "exit" }
  /** Takes and releases the lock so many times, waiting its turn, and checks that it was alone meanwhile. */
  | { do: "churn"; folder: string; times: number };

export type LockReply = { held: boolean; refused?: string } | { released: true } | { intruders: number };

let lock: AsyncDisposable | undefined;

async function obey(command: LockCommand): Promise<LockReply> {
  if (command.do === "take") {
    try {
      lock = await lockFolder(command.folder);
      return { held: true };
    } catch (error) {
      if (!SwirlError.isInstance(error) || error.code !== "CONFIG") throw error;
      return { held: false, refused: error.message };
    }
  }
  if (command.do === "release") {
    await lock?.[Symbol.asyncDispose]();
    lock = undefined;
    return { released: true };
  }
  if (command.do === "exit") process.exit();
  const inside = join(command.folder, "inside");
  let intruders = 0;
  for (let turn = 0; turn < command.times; ) {
    const taken = await lockFolder(command.folder).catch(() => undefined);
    if (taken === undefined) {
      await sleep(1);
      continue;
    }
    turn++;
    try {
      await (await open(inside, "wx")).close(); // fails while another is inside
      await rm(inside);
    } catch {
      intruders++;
    }
    await taken[Symbol.asyncDispose]();
  }
  return { intruders };
}

const answer = (reply: LockReply) => (parentPort ? parentPort.postMessage(reply) : process.send!(reply));
const listen = (command: LockCommand) => void obey(command).then(answer);
if (parentPort) parentPort.on("message", listen);
else process.on("message", listen);
