/**
 * A policy whose actions are written down: a function from context to the texts it may say. Everything else is real:
 * it has tokens (one per UTF-8 byte, five more for turns), log-probs, seeds, stop strings, token limits and a context
 * length, so that what the stages record can be checked exactly.
 */
import { SwirlError } from "../../src/errors/swirl-error.js";
import type { Message, ToolSpec } from "../../src/messages/message.js";
import type { Action, Context, Policy, SamplingOptions } from "../../src/policy/policy.js";

const ROLE = { system: 256, user: 257, assistant: 258, tool: 259 } as const;
export const END_OF_TURN = 260;

/** What the policy may say; with several, the seed (or, at temperature 0, the first) decides. */
export type Script = (context: Context) => string | readonly string[] | Action | Promise<string>;

export class ScriptedPolicy implements Policy {
  readonly id: string;
  readonly exact: boolean;
  readonly contextLength: number;
  readonly #script: Script;
  /** Every act call as it came in. */
  readonly calls: { context: Context; options: SamplingOptions }[] = [];
  inFlight = 0;
  maxInFlight = 0;

  constructor(script: Script, options: { id?: string; exact?: boolean; contextLength?: number } = {}) {
    this.#script = script;
    this.id = options.id ?? "scripted";
    this.exact = options.exact ?? true;
    this.contextLength = options.contextLength ?? 100_000;
  }

  begin(messages: readonly Message[], tools?: readonly ToolSpec[]): Context {
    const context: { messages: Message[]; tools?: readonly ToolSpec[]; tokens?: Int32Array } = {
      messages: [...messages],
    };
    if (tools) context.tools = tools;
    if (this.exact)
      context.tokens = Int32Array.from([
        ...(tools ? turn({ role: "system", content: JSON.stringify(tools) }) : []),
        ...messages.flatMap(turn),
        ROLE.assistant,
      ]);
    return context;
  }

  async act(context: Context, options: SamplingOptions = {}): Promise<Action[]> {
    this.calls.push({ context, options });
    this.inFlight++;
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
    try {
      await new Promise((resolve) => setImmediate(resolve));
      if (options.signal?.aborted) throw new SwirlError("ABORTED", "stopped");
      const said = await this.#script(context);
      if (typeof said === "object" && "finishReason" in said) return [said];
      const texts = typeof said === "string" ? [said] : said;
      return Array.from({ length: options.n ?? 1 }, (_, j) => {
        const greedy = options.temperature === 0;
        return this.#sample(
          texts[greedy ? 0 : ((options.seed ?? 0) + j) % texts.length]!,
          options,
          texts.length,
        );
      });
    } finally {
      this.inFlight--;
    }
  }

  extend(context: Context, action: Action, observation: Message, shown?: string): Context {
    const content = shown ?? action.text;
    const assistant: Message = { role: "assistant", content };
    if (action.toolCalls && observation.role === "tool") assistant.toolCalls = action.toolCalls;
    const next = { ...context, messages: [...context.messages, assistant, observation] };
    if (!context.tokens) return next;
    const said = shown === undefined ? Array.from(action.tokens!) : bytes(shown);
    const closed = said.at(-1) === END_OF_TURN ? said : [...said, END_OF_TURN];
    return {
      ...next,
      tokens: Int32Array.from([...context.tokens, ...closed, ...turn(observation), ROLE.assistant]),
    };
  }

  async dispose(): Promise<void> {}

  #sample(text: string, options: SamplingOptions, choices: number): Action {
    const ends = (options.stop ?? [])
      .map((stop) => text.indexOf(stop) + stop.length)
      .filter((end, i) => end >= options.stop![i]!.length);
    const stopped = ends.length > 0 ? text.slice(0, Math.min(...ends)) : text;
    const all = ends.length > 0 ? bytes(stopped) : [...bytes(stopped), END_OF_TURN];
    const limit = options.maxNewTokens ?? Number.POSITIVE_INFINITY;
    const tokens = Int32Array.from(all.slice(0, limit));
    const cut = all.length > limit;
    const action: Action = {
      text: cut ? decode(tokens) : stopped,
      finishReason: cut ? "length" : ends.length > 0 ? "stop" : "eos",
    };
    if (!this.exact) return action;
    const first = Math.fround(-Math.log(choices));
    return {
      ...action,
      tokens,
      logprobs: Float32Array.from(tokens, (_, t) => (t === 0 ? first : -0.1 / (t + 3))),
    };
  }
}

/** How often the assistant has spoken in this context. */
export function turnsTaken(context: Context): number {
  return context.messages.filter((message) => message.role === "assistant").length;
}

export function lastMessage(context: Context): string {
  return context.messages.at(-1)!.content;
}

/** The text of tokens, turn marks left out. */
export function decode(tokens: ArrayLike<number>): string {
  return Buffer.from(Array.from(tokens).filter((token) => token < 256)).toString("utf8");
}

function turn(message: Message): number[] {
  return [ROLE[message.role], ...bytes(message.content), END_OF_TURN];
}

function bytes(text: string): number[] {
  return [...Buffer.from(text, "utf8")];
}
