/** Token ids against Hugging Face tokenizers and transformers; the golden files come from scripts/golden/tokenizer.py. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Message, ToolSpec } from "../../src/messages/message.js";
import { Tokenizer } from "../../src/tokenizer/tokenizer.js";

interface HuggingFaceMessage {
  role: Message["role"];
  content: string;
  tool_call_id?: string;
  tool_calls?: { id: string; function: { name: string; arguments: unknown } }[];
}

interface Golden {
  controls: string[];
  texts: { text: string; special: number[]; plain: number[]; decoded: string }[];
  conversations: {
    prompt: HuggingFaceMessage[];
    action: HuggingFaceMessage;
    observation: HuggingFaceMessage;
    tools?: { function: ToolSpec }[];
    ids: number[];
    next: number[];
  }[];
}

const golden = join(import.meta.dirname, "../golden/tokenizer");
const shared = process.env.SWIRL_SHARED ?? join(import.meta.dirname, "../../../shared");
const folders = {
  smollm2: join(shared, "models/SmolLM2-135M-Instruct"),
  "chatml-tools": join(golden, "chatml-tools"),
  turns: join(golden, "turns"),
  instruct: join(golden, "instruct"),
};

for (const [style, folder] of Object.entries(folders)) {
  const absent = !existsSync(join(folder, "tokenizer.json"));
  describe.skipIf(absent)(`${style}${absent ? ` (no ${folder})` : ""}`, async () => {
    const cases: Golden = JSON.parse(readFileSync(join(golden, style, "cases.json"), "utf8"));
    const tokenizer = absent ? undefined! : await Tokenizer.load(folder);

    it("names the control tokens", () => {
      expect([...tokenizer.specialTokens.keys()].sort()).toEqual(cases.controls);
    });

    it.each(cases.texts.map((one) => [one.text.slice(0, 40), one] as const))("encodes %j", (_, one) => {
      expect([...tokenizer.encode(one.text)]).toEqual(one.plain);
      expect([...tokenizer.encode(one.text, { special: true })]).toEqual(one.special);
      expect(tokenizer.decode(one.plain)).toBe(one.decoded);
    });

    it.each(cases.conversations.map((one, index) => [index, one] as const))(
      "renders conversation %i",
      (_, one) => {
        const tools = one.tools?.map((tool) => tool.function);
        const prompt = tokenizer.chat.renderPrompt(one.prompt.map(toMessage), tools);
        expect([...prompt]).toEqual(one.ids);
        const action = tokenizer.chat.renderAction(toMessage(one.action));
        const turn = tokenizer.chat.renderTurn(toMessage(one.observation), action.at(-1), tools);
        expect([...prompt, ...action, ...turn]).toEqual(one.next);
        const open = action.slice(0, -1);
        const closing = tokenizer.chat.renderTurn(toMessage(one.observation), open.at(-1), tools);
        expect([...prompt, ...open, ...closing]).toEqual(one.next);
      },
    );
  });
}

function toMessage(message: HuggingFaceMessage): Message {
  return {
    role: message.role,
    content: message.content,
    ...(message.tool_call_id && { toolCallId: message.tool_call_id }),
    ...(message.tool_calls && {
      toolCalls: message.tool_calls.map((call) => ({
        id: call.id,
        name: call.function.name,
        input: JSON.stringify(call.function.arguments),
      })),
    }),
  };
}
