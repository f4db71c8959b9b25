/** The two ways of writing an action, and the strings that end one. */

import { ofArguments } from "../errors/arguments.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { AnyTool } from "../tools/tool.js";
import type { ActionFormat } from "../trajectory/trajectory.js";

/**
 * How actions are written: with tags, or with the calls of the chat template.
 *
 * @param answerTag The tag of the answer, without angle brackets.
 * @throws SwirlError CONFIG when two tags are the same, or a tag is not a plain name.
 * @example
 * actionFormat("tags", [calculator()]); // { kind: "tags", callTags: { calculator: "math_exp" }, answerTag: "answer" }
 */
export function actionFormat(
  kind: ActionFormat["kind"],
  tools: readonly AnyTool[],
  answerTag = "answer",
): ActionFormat {
  const callTags: Record<string, string> = {};
  if (kind === "tags") for (const tool of tools) callTags[tool.name] = tool.tag ?? tool.name;
  const tags = [...Object.values(callTags), answerTag];
  for (const [i, tag] of tags.entries()) {
    if (!/^[A-Za-z_][\w-]*$/.test(tag)) {
      throw new SwirlError("CONFIG", `tag ${JSON.stringify(tag)} is not a plain name`, {
        remedy: "use letters, digits, _ and -, without the angle brackets",
        details: { field: "tag" },
      });
    }
    if (tags.indexOf(tag) !== i) {
      throw new SwirlError("CONFIG", `tag <${tag}> is used twice`, {
        remedy: "give every tool, and the answer, a tag of its own",
        details: { field: "tag" },
      });
    }
  }
  return { kind, callTags, answerTag };
}

/** The strings that end an action: the closing tags. Template calls end with the model's own end-of-turn token. */
export function stopStrings(format: ActionFormat): string[] {
  return ofArguments("stopStrings", "an action format (actionFormat(…))", () => {
    return [...Object.values(format.callTags), format.answerTag].map((tag) => `</${tag}>`);
  });
}
