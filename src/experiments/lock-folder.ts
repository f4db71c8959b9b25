/** One run a folder: two at once would write into the same cells. The lock of a process that is gone is taken over. */
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";

export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, "lock");
  for (;;) {
    try {
      const handle = await open(file, "wx");
      await handle.writeFile(`${process.pid}\n`);
      await handle.close();
      return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = Number(await readFile(file, "utf8").catch(() => "0"));
    if (isAlive(owner))
      throw new SwirlError("CONFIG", `${folder} is in use by process ${owner}`, {
        remedy: "wait for it, stop it, or give another --output",
        details: { file },
      });
    await rm(file, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false; // a number that was given out again
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
