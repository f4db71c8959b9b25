/**
 * Trainers save the tokenizer with an adapter. The base's is the one that is used, so the two must agree: an adapter
 * that was trained with other token ids or another chat format would produce plausible nonsense.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { readTokenizerFiles, type TokenizerFiles } from "../../tokenizer/tokenizer-files.js";
import { checkpointError } from "../checkpoint/checkpoint-error.js";

/** Throws CHECKPOINT. `ownTemplate`: the caller chose a chat template, so that neither folder's counts. */
export async function requireSameTokenizer(
  folder: string,
  base: string,
  ownTemplate: boolean,
): Promise<void> {
  const file = join(folder, "tokenizer.json");
  for (const path of [file, join(base, "tokenizer.json")])
    if (!(await stat(path).catch(() => undefined))?.isFile()) return;
  const [theirs, ours] = [await readTokenizerFiles(folder), await readTokenizerFiles(base)];
  const different = firstDifference(tokens(theirs), tokens(ours));
  if (different !== undefined)
    throw checkpointError(
      file,
      `differs from the base's: ${different}`,
      "it is an adapter of another base, or of one whose vocabulary was changed: load it on that one",
      { field: "vocabulary" },
    );
  const [template, usual] = [theirs, ours].map(
    ({ templates }) => templates.find(({ name }) => name === "default")?.source,
  );
  if (!ownTemplate && template !== undefined && template.trim() !== usual?.trim())
    throw checkpointError(
      folder,
      "its chat template is not the base's",
      "choose one of them: with the option chatTemplate, or the file in the base's folder",
      { field: "chatTemplate" },
    );
}

function tokens({ tokenizer }: TokenizerFiles): Map<string, number> {
  const { vocab } = tokenizer.model;
  return new Map([
    ...Object.entries(vocab),
    ...tokenizer.added_tokens.map(({ content, id }) => [content, id] as const),
  ]);
}

function firstDifference(
  theirs: ReadonlyMap<string, number>,
  ours: ReadonlyMap<string, number>,
): string | undefined {
  for (const [token, id] of theirs)
    if (ours.get(token) !== id)
      return `the token ${JSON.stringify(token)} has the id ${id}, the base's ${ours.get(token) ?? "none"}`;
  return undefined;
}
