/**
 * The demonstrator as a Policy, so that stage 1 itself makes the demonstrations, with the same tools, records and token
 * ids as those of the trained policy. Tokens and turns come from the model's own tokenizer.
 */
import {
  type Action,
  type Context,
  createRandom,
  type Message,
  type NativePolicy,
  type Policy,
  type SamplingOptions,
  SwirlError,
} from "../index.js";
import { DEMONSTRATION_MISTAKES, demonstrate, type MistakeRates, type Turn } from "./demonstrator.js";
import type { WorldQuestion } from "./world.js";

/** Options of {@link demonstratingPolicy}. */
export interface DemonstratorOptions {
  /** Writes a chain of thought before each call. @default false */
  thinks?: boolean;
  /** How often it makes each mistake. @default DEMONSTRATION_MISTAKES */
  mistakes?: MistakeRates;
}

/**
 * A policy that demonstrates how questions of a world are answered, with mistakes. Nothing is sampled: all log-probs
 * are 0.
 *
 * @param model The model whose tokens and turns the demonstrations get.
 * @param questions The questions it can be asked.
 */
export function demonstratingPolicy(
  model: NativePolicy,
  questions: readonly WorldQuestion[],
  { thinks = false, mistakes = DEMONSTRATION_MISTAKES }: DemonstratorOptions = {},
): Policy {
  const byText = new Map(questions.map((question) => [question.question, question]));
  return {
    id: thinks ? "thinking-demonstrator" : "demonstrator",
    exact: true,
    contextLength: model.contextLength,
    begin: (messages, tools) => model.begin(messages, tools),
    extend: (context, action, observation, shown) => model.extend(context, action, observation, shown),
    async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
      const question = byText.get(context.messages[0]!.content)!;
      const random = createRandom(options.seed ?? 0, "demonstration");
      return Array.from({ length: options.n ?? 1 }, () => {
        const text = demonstrate(question, turnsOf(context.messages), random, mistakes, thinks);
        const tokens = model.tokenizer.encode(text, { continues: true });
        const room = model.contextLength - (context.tokens?.length ?? 0);
        if (tokens.length > room) throw doesNotFit(model.contextLength);
        return { text, tokens, logprobs: new Float32Array(tokens.length), finishReason: "stop" };
      });
    },
    async dispose() {},
  };
}

/** The trajectory ends before such an action; its earlier steps stay demonstrations. */
function doesNotFit(contextLength: number): SwirlError {
  return new SwirlError("INPUT", `the demonstration does not fit into a context of ${contextLength} tokens`);
}

function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  for (let i = 1; i + 1 < messages.length; i += 2) {
    turns.push({ action: messages[i]!.content, observation: messages[i + 1]!.content });
  }
  return turns;
}
