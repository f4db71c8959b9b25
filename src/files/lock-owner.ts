/**
 * The owner of a lock, and whether it still runs.
 *
 * Process ids are reused, in a restarted container at once. So an owner is a *thread* with its start time, counted from
 * the boot of the machine, and the id of that boot. Linux has all three in /proc. A terminated worker thread is gone
 * although its process is not. On other systems the process id alone decides.
 *
 * Owners on another host cannot be checked: such an owner is "elsewhere". Hosts are distinguished by name, so machines
 * and containers that share a folder need different names (Docker and Kubernetes assign them).
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

/** Undefined when the text names no owner. */
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
  // /proc may hide the processes of other users; a signal still finds them.
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

/** Undefined for a thread that does not exist, or has ended and waits for its parent (a zombie). */
function startOf(pid: number, thread: number): string | undefined {
  const text = read(`/proc/${pid}/task/${thread}/stat`);
  // proc_pid_stat(5): "pid (name) state …"; the name may hold anything. The state is field 3, the start field 22.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? [];
  return /^[ZXx]$/.test(fields[0] ?? "") ? undefined : fields[19];
}

/** The kernel's id of the calling thread. The call must be synchronous, so that it runs on that thread. */
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
