/** Writes a report's page, numbers and figures; figures of an earlier report that are no longer drawn are removed. */
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "swirl-rl";
import type { StudyResults } from "../results.js";
import type { Report } from "./report.js";

/** Where the page includes a person's text: notes.md next to the figures. */
export const NOTES = "<!-- notes -->";

export async function writeStudyReport(
  { name, page, figures, data }: Report,
  results: StudyResults,
  folder: string,
): Promise<string> {
  const drawn = join(folder, name);
  await mkdir(drawn, { recursive: true });
  for (const old of await readdir(drawn))
    if (old.endsWith(".svg") && !(old.slice(0, -4) in figures)) await rm(join(drawn, old));
  for (const [figure, svg] of Object.entries(figures))
    await writeFileAtomic(join(drawn, `${figure}.svg`), svg);
  const notes = await readFile(join(drawn, "notes.md"), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const file = join(folder, `${name}.md`);
  await writeFileAtomic(join(folder, `${name}.json`), json({ ...(data as object), cells: jobRows(results) }));
  await writeFileAtomic(
    file,
    page.replace(NOTES, () => notes.trim()),
  );
  return file;
}

/** Every job, without the answers to each question, which are too much for a repository. */
function jobRows(results: StudyResults): unknown[] {
  return results.all.map(({ version: _, key: __, work, figures, ...rest }) => {
    const { answers: ___, ...figuresLeft } = { answers: "", ...figures };
    return { ...rest, kind: work.kind, figures: figuresLeft };
  });
}

/** One line for every job: such a file is compared line by line. */
function json({ cells, ...rest }: { cells: unknown[] }): string {
  const head = JSON.stringify(rest, null, 1).replace(/\n}$/, "");
  return `${head},\n "cells": [\n${cells.map((job) => `  ${JSON.stringify(job)}`).join(",\n")}\n ]\n}\n`;
}
