/** The run directories that a page shows: those that were named, and those found below named folders. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { RunView } from "./run-view.js";

/** Depth of the search for runs below a named folder: runs/a, and runs/study/a. */
const DEPTH = 2;
/** Maximum folders to search: a home directory named by mistake must not be searched for minutes. */
const MOST_FOLDERS = 2000;
/** Maximum runs of one page. */
const MOST_RUNS = 200;
/** A folder with any of these files is a run directory. */
const MARKS = ["manifest.json", "config.resolved.json", "trajectories.jsonl", "metrics.jsonl"];

export class ViewRuns {
  readonly folders: readonly string[];
  readonly runs: RunView[] = [];

  private constructor(folders: readonly string[]) {
    this.folders = folders;
  }

  /** @throws SwirlError INPUT for a folder that is not there. */
  static async open(folders: readonly string[]): Promise<ViewRuns> {
    for (const folder of folders) {
      const info = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
        throw new SwirlError("INPUT", `${folder}: cannot be read (${cause.message})`, {
          remedy: "name a run directory, or a folder with run directories in it",
          details: { file: folder },
          cause,
        });
      });
      if (!info.isDirectory())
        throw new SwirlError("INPUT", `${folder} is a file`, {
          remedy: "name the run directory that it is in; `swirl compare` takes evaluation files",
          details: { file: folder },
        });
    }
    const view = new ViewRuns([...new Set(folders.map((folder) => resolve(folder)))]);
    await view.discover();
    return view;
  }

  /** Adds new runs. Resolves to whether there were any. */
  async discover(): Promise<boolean> {
    const before = this.runs.length;
    for (const folder of this.folders) {
      const budget = { folders: MOST_FOLDERS };
      for (const found of await runsBelow(folder, DEPTH, budget)) {
        if (this.runs.length >= MOST_RUNS || this.runs.some((run) => run.folder === found)) continue;
        this.runs.push(new RunView(this.runs.length, found, relative(folder, found) || undefined));
      }
    }
    return this.runs.length > before;
  }
}

async function runsBelow(folder: string, depth: number, budget: { folders: number }): Promise<string[]> {
  if (budget.folders-- <= 0) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.map(({ name }) => name);
  if (MARKS.some((mark) => names.includes(mark)) || names.some((name) => /^evaluation-.+\.jsonl$/.test(name)))
    return [folder];
  if (depth === 0) return [];
  const below = entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
    .map(({ name }) => name)
    .sort();
  const found: string[] = [];
  for (const name of below) found.push(...(await runsBelow(join(folder, name), depth - 1, budget)));
  return found;
}
