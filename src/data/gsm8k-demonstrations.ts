/**
 * GSM8K's own solutions as demonstrations of tool use: each `<<48/2=24>>` is one calculator call, and the text before it
 * is the thought. The result after an annotation is removed from the text: only the tool may give it.
 */

import { ofArguments, ofArgumentsEach } from "../errors/arguments.js";
import { parseRecord } from "../files/jsonl-reader.js";
import type { Demonstration, DemonstrationStep } from "../trajectory/demonstration.js";
import { finalAnswer, gsm8k, gsm8kSchema } from "./formats/gsm8k.js";
import { readRows } from "./read-rows.js";

/** Options of {@link readGsm8kDemonstrations}. */
export interface Gsm8kDemonstrationsOptions {
  /**
   * Rows skipped at the beginning.
   * @default 0
   */
  offset?: number;
  /** Demonstrations read. Default: all. */
  limit?: number;
  /**
   * Name of the tool that is called.
   * @default "calculator"
   */
  tool?: string;
}

/**
 * Reads GSM8K's annotated solutions as demonstrations, in the file's order. Question ids are those of
 * {@link readQuestions}. Solutions without an annotation are left out.
 *
 * @throws SwirlError RECORD naming file, line and field.
 * @example
 * const demonstrations = readGsm8kDemonstrations("train.jsonl", { limit: 100 });
 */
export async function* readGsm8kDemonstrations(
  file: string,
  options: Gsm8kDemonstrationsOptions = {},
): AsyncGenerator<Demonstration, void, undefined> {
  yield* ofArgumentsEach("readGsm8kDemonstrations", "(file, options)", async function* () {
    const { offset = 0, limit = Number.POSITIVE_INFINITY, tool = "calculator" } = options;
    let index = 0;
    let count = 0;
    for await (const { row, line, fallbackId } of readRows(file, "gsm8k")) {
      if (count >= limit) return;
      if (index++ < offset) continue;
      const { answer } = parseRecord(row, gsm8kSchema, { what: "gsm8k", file, line });
      const solution = solutionSteps(answer, tool);
      if (solution.steps.length === 0) continue;
      count++;
      yield { question: gsm8k.question(row, fallbackId), ...solution };
    }
  });
}

/**
 * Splits one GSM8K solution into its calculator calls, the thoughts before them, and the final answer.
 *
 * @param tool Name of the tool that is called.
 */
export function solutionSteps(solution: string, tool = "calculator"): Omit<Demonstration, "question"> {
  return ofArguments("solutionSteps", "(solution: a text, tool: a name)", () => {
    const steps: DemonstrationStep[] = [];
    let carried: string[] = [];
    const body = solution.slice(0, solution.lastIndexOf("####"));
    for (const line of body.split("\n")) {
      const parts = line.split(/<<([^<>]*)>>/);
      // parts: text, annotation, text, annotation, …, text
      for (let at = 1; at < parts.length; at += 2) {
        const last = at + 2 >= parts.length;
        const before = parts[at - 1]!.replace(/\s*=\s*[$€£]?\s*$/, "");
        const after = last ? withoutResult(parts[at + 1]!) : "";
        const thought = [...carried, joinThought(before, after)].filter((text) => text !== "").join("\n");
        carried = [];
        const equals = parts[at]!.lastIndexOf("=");
        const input = (equals < 0 ? parts[at]! : parts[at]!.slice(0, equals)).trim();
        const observation = equals < 0 ? "" : parts[at]!.slice(equals + 1).trim();
        if (input === "") continue;
        steps.push({ thought, call: { name: tool, input }, ...(observation && { observation }) });
        if (!last) parts[at + 1] = withoutResult(parts[at + 1]!);
      }
      if (parts.length === 1 && line.trim() !== "") carried.push(line.trim());
    }
    const conclusion = carried.join("\n");
    return { steps, ...(conclusion && { conclusion }), answer: finalAnswer(solution) };
  });
}

/** The text after an annotation begins with its result. */
function withoutResult(text: string): string {
  return text.replace(/^\s*[-$€£]*\s*(?:\d[\d,]*\d|\d)?(?:\.\d+)?\s*%?/, "");
}

function joinThought(before: string, after: string): string {
  const joined = /^[.,;:!?)]/.test(after)
    ? `${before.trimEnd()}${after}`
    : `${before.trimEnd()} ${after.trimStart()}`;
  return joined.trim();
}
