/**
 * Who holds a lock, and whether it still runs.
 *
 * A process id is given out again, in a restarted container at once. So an owner is a *thread* and the moment it began,
 * counted from the machine's start, of which the id is noted too: Linux tells all three in /proc. A worker thread that
 * was terminated is gone although its process is not. Elsewhere the process id alone decides.
 *
 * What runs on another host cannot be seen: such an owner is "elsewhere". Hosts are told apart by their names, so
 * machines and containers that share a folder need names of their own (Docker and Kubernetes give them).
 */
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { z } from "zod";

const ownerSchema = z.object({
  host: z.string(),
  boot: z.string().optional(), // of the machine
  pid: z.int().positive(),
  thread: z.int().positive().optional(), // as the kernel numbers it
  started: z.string().optional(), // clock ticks from the machine's start to the thread's
  since: z.string(), // when the lock was taken; for people
});

export type LockOwner = z.infer<typeof ownerSchema>;

/** The calling thread. */
export function thisOwner(): LockOwner {
  const boot = bootId();
  const thread = threadId();
  const started = thread === undefined ? undefined : startOf(process.pid, thread);
  return {
    host: hostname(),
    ...(boot === undefined ? {} : { boot }),
    pid: process.pid,
    ...(thread === undefined || started === undefined ? {} : { thread, started }),
    since: new Date().toISOString(),
  };
}

/** undefined where the text names no owner. */
export function parseOwner(text: string): LockOwner | undefined {
  try {
    return ownerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

export function ownerState(owner: LockOwner): "running" | "gone" | "elsewhere" {
  if (owner.host !== hostname()) return "elsewhere";
  const boot = bootId();
  if (owner.boot !== undefined && boot !== undefined && owner.boot !== boot) return "gone";
  return isRunning(owner) ? "running" : "gone";
}

function isRunning({ pid, thread, started }: LockOwner): boolean {
  if (thread === undefined || started === undefined || !existsSync("/proc/self/stat")) return exists(pid);
  const now = startOf(pid, thread);
  if (now !== undefined) return now === started;
  // Where /proc hides the processes of other users, the signal still finds them.
  return !existsSync(`/proc/${pid}`) && exists(pid);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** undefined for a thread that is not there, or has ended and only waits for its parent to take note. */
function startOf(pid: number, thread: number): string | undefined {
  const text = read(`/proc/${pid}/task/${thread}/stat`);
  // proc_pid_stat(5): "pid (name) state …"; the name may hold anything. The state is field 3, the start field 22.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? [];
  return /^[ZXx]$/.test(fields[0] ?? "") ? undefined : fields[19];
}

/** The kernel's number of the calling thread: the call must be a synchronous one, which runs on it. */
function threadId(): number | undefined {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync("/proc/thread-self"))?.[1]) || undefined;
  } catch {
    return undefined;
  }
}

function bootId(): string | undefined {
  return read("/proc/sys/kernel/random/boot_id")?.trim() || undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
