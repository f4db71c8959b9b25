import { maskThoughts } from "../../../../src/messages/thought.js";
import { actionFormat } from "../../../../src/synthesize/action-format.js";
import { parseAction } from "../../../../src/synthesize/parse-action.js";
import { calculator } from "../../../../src/tools/calculator/index.js";
import { mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const WORDS = [
  "<math_exp>",
  "</math_exp>",
  "<answer>",
  "</answer>",
  "<think>",
  "</think>",
  "<tool_call>",
  "</tool_call>",
  "```json\n",
  "```",
  '{"name": "calculator", "arguments": {"expression": "1+1"}}',
  '"name":',
  '"arguments":',
  '"parameters":',
  "{}",
  "null",
  '""',
  "<function=calculator>",
  "<parameter=expression>",
  "</parameter>",
  "</function>",
  "[TOOL_CALLS]",
  "[ARGS]",
  "<|python_tag|>",
  "<|im_end|>",
  "</s>",
  "For example, ",
  "[THINK]",
  "[/THINK]",
  "<tools>",
  "calculator",
  "\n",
  "\\",
  "[",
  "]",
  '"type": "function", "function": {',
  '\\"',
  "}}",
  "{{",
  "<|channel|>analysis<|message|>",
  "<|end|>",
  "other_tool",
];
const CALL = '{"name": "calculator", "arguments": {"expression": "48 / 2"}}';
const SEEDS = [
  "I divide. <math_exp>48 / 2</math_exp>",
  "<think>24?</think><answer>72</answer>",
  `<tool_call>\n${CALL}\n</tool_call>`,
  `[TOOL_CALLS][${CALL}]`,
  '[TOOL_CALLS]calculator[ARGS]{"expression": "1"}',
  `\`\`\`json\n${CALL}\n\`\`\``,
  CALL,
  "<function=calculator><parameter=expression>\n48 / 2\n</parameter></function>",
  '<function=calculator>{"expression": "1"}</function>',
  `<|python_tag|>${CALL}</s>`,
  `{"type": "function", "function": ${CALL}}`,
  '<tool_call>{"name": "calculator", "arguments": "{\\"expression\\": \\"1\\"}"}</tool_call>',
];
const FORMATS = (["tags", "chat-template"] as const).map((kind) => actionFormat(kind, [calculator()]));
const ENDS = ["stop", "eos", "length"] as const;

/** An action is of the text and outside its thoughts; a call names a tool of ours and has an object for arguments. */
export const action: FuzzedParser = {
  name: "action",
  input: (random) => `${random.integer(0, 5)}${mutateText(random, SEEDS, WORDS)}`,
  read: (input) => {
    const variant = Number(input[0]) || 0;
    const text = input.slice(1);
    const format = FORMATS[variant % 2]!;
    const finishReason = ENDS[Math.floor(variant / 2) % 3]!;
    const parsed = parseAction({ text, finishReason }, format, ["calculator"]);
    must(text.startsWith(parsed.text), "the text of an action begins the response");
    const { text: said } = maskThoughts(text);
    if (parsed.kind === "answer") {
      must(parsed.answer !== "" && said.includes(parsed.answer), "an answer stands outside of thoughts");
    } else if (parsed.kind === "call") {
      const { name, input: given } = parsed.call;
      must(name === "calculator", "a call names a tool that there is");
      if (format.kind === "tags")
        must(given !== "" && said.includes(given), "a call stands outside of thoughts");
      else {
        const value: unknown = JSON.parse(given);
        must(typeof value === "object" && value !== null && !Array.isArray(value), "arguments are an object");
      }
    }
    if (!/[</[◁|]\S*(?:think|thought|reason|reflect|scratch|analysis|end)/i.test(text)) {
      const thought = parseAction({ text: `<think>${text}`, finishReason }, format, ["calculator"]);
      must(thought.kind === "malformed", "what an open thought holds is no action");
    }
    return parsed;
  },
};
