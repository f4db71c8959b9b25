/** The two tasks of the SWiRL paper: question answering with a search tool, word problems with a calculator. */

import { exactMatcher, numericMatcher } from "../answers/matchers.js";
import { ofArguments } from "../errors/arguments.js";
import type { AnyTool } from "../tools/tool.js";
import { defineTask, type Task } from "./task.js";

/**
 * Multi-hop question answering with a search tool: 5 searches (paper, section 4), exact matching. The tool's own
 * options set how many passages a search returns.
 *
 * @param options `callLimit`: searches per trajectory, 5 by default.
 * @throws SwirlError CONFIG for a call limit that is not a positive integer.
 */
export function searchTask(tool: AnyTool, options: { callLimit?: number } = {}): Task {
  return ofArguments("searchTask", "(tool, { callLimit? })", () => {
    return defineTask({
      name: "search",
      tools: [tool],
      callLimit: options.callLimit ?? 5,
      matcher: exactMatcher(),
      wording: {
        introduction:
          "Answer the question below. Look up what you need with the search tool before you answer.",
        call: "search",
        calls: "searches",
        input: "query",
        example: "QUERY -> RESULT",
        answer: "The answer itself is a name, a date, yes or no, or a few words, without an explanation.",
      },
    });
  });
}

/**
 * Word problems with a calculator: 10 calls (paper, section 4), answers compared as numbers.
 *
 * @param options `callLimit`: calculations per trajectory, 10 by default.
 * @throws SwirlError CONFIG for a call limit that is not a positive integer.
 */
export function calculatorTask(tool: AnyTool, options: { callLimit?: number } = {}): Task {
  return ofArguments("calculatorTask", "(tool, { callLimit? })", () => {
    return defineTask({
      name: "calculator",
      tools: [tool],
      callLimit: options.callLimit ?? 10,
      matcher: numericMatcher(),
      wording: {
        introduction: "Solve the problem below, step by step. Leave the arithmetic to the calculator.",
        call: "calculation",
        input: "expression",
        example: "48 / 2 -> 24",
        answer: "The answer itself is a single number.",
      },
    });
  });
}
