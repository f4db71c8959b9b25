/**
 * Appends every call of a tracker to `FOLDER/tracking-RUN.jsonl`, one object per line: {"begin"}, {"metrics"},
 * {"table"} and {"finish"}. For programs of your own; metrics.jsonl has the numbers alone. A resumed run appends: its
 * "begin" names the step after which the earlier lines no longer count. Blank lines separate sessions.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../files/make-folder.js";
import { requireFolder } from "./require-folder.js";
import type { Tracker } from "./tracker.js";

/** A tracker that writes JSON lines. */
export function jsonlTracker(options: { folder?: string | undefined } = {}): Tracker {
  let file: FileHandle | undefined;
  /** Whether the last line may be torn, by a kill or a full disk: the next one must not be appended to it. */
  let torn = false;
  const append = async (entries: readonly unknown[]) => {
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
    const text = torn ? `\n${lines}` : lines;
    torn = true;
    await file!.appendFile(text);
    torn = false;
  };
  return {
    name: "jsonl",
    check: (run) => requireFolder("jsonl", options.folder ?? run.folder),
    begin: async ({ folder, ...run }) => {
      const place = options.folder ?? folder!;
      await makeFolder(place);
      file ??= await open(join(place, `tracking-${run.run}.jsonl`), "a");
      torn = (await file.stat()).size > 0;
      await append([{ begin: run }]);
    },
    log: (entries) => append(entries),
    table: (table) => append([{ table }]),
    finish: async (end) => {
      await append([{ finish: end }]);
      await file!.close();
      file = undefined;
    },
  };
}
