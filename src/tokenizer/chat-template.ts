/**
 * Prompts, actions and observation turns as token ids, written by the model's own chat template.
 *
 * Guarantees: only text that the template writes becomes control tokens, never the text of a message; sampled tokens
 * are never tokenized again, since each turn is rendered on its own; prompt, action and turn joined are the ids that
 * transformers gives the whole conversation, for templates that write each turn the same wherever it stands.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { BoundedTemplate, TemplateRefusal } from "./bounded-jinja.js";
import { type ControlTokens, type Piece, sanitize } from "./control-tokens.js";
import { markedText, toValue } from "./jinja/convert.js";
import { ASSISTANT, CONTENT, type Str, slice, TEMPLATE, textOf } from "./jinja/text.js";
import type { Value } from "./jinja/values.js";
import { afterProbe, foldSystem, type Shown, shows, toMessage } from "./template-message.js";

/**
 * Placeholder for an assistant's turn, to learn what a template writes after one. It is found by its mark, not its
 * text.
 */
const PROBE_TEXT = "probe";
const QUESTION: Message = { role: "user", content: "question" };
/** Nine characters, since Mistral's templates check. */
const CALL_ID = "call00001";

interface TemplateSource {
  name: string;
  source: string;
  file: string;
}

/** What a template needs of its tokenizer. */
interface PieceEncoder {
  readonly eosTokens: readonly number[];
  encodePieces(pieces: readonly Piece[], continues?: boolean): Int32Array;
  tokenText(id: number): string | undefined;
}

/**
 * The chat template of a model. It renders conversations to token ids, and only what the template itself writes becomes
 * control tokens.
 *
 * @example
 * const ids = tokenizer.chat.renderPrompt([{ role: "user", content: "What is 3 + 4?" }]);
 */
export class ChatTemplate {
  readonly #templates: Map<string, BoundedTemplate>;
  readonly #file: string;
  #endOfTurn: number | undefined;

  constructor(
    private readonly tokenizer: PieceEncoder,
    sources: readonly TemplateSource[],
    private readonly variables: Record<string, unknown>,
    private readonly control: ControlTokens,
  ) {
    this.#templates = new Map(
      sources.map(({ name, source, file }) => [name, new BoundedTemplate(source, file)]),
    );
    this.#file = sources[0]!.file;
  }

  /** Whether the template shows tools, and so supports calls in its own format. */
  get supportsTools(): boolean {
    return [...this.#templates.values()].some(({ source }) => /\btools\b/.test(source));
  }

  /** Ids of the conversation, ending where the assistant's next turn begins. */
  renderPrompt(messages: readonly Message[], tools?: readonly ToolSpec[]): Int32Array {
    if (messages.length === 0) {
      throw new SwirlError("INPUT", "a prompt needs at least one message", {
        details: { field: "messages" },
      });
    }
    return this.tokenizer.encodePieces(this.control.split(this.#prompt(messages, tools)));
  }

  /** The conversation as text, as `renderPrompt` sees it: for a person to read. */
  renderText(messages: readonly Message[], tools?: readonly ToolSpec[]): string {
    return piecesText(this.control.split(this.#prompt(messages, tools)), this.tokenizer);
  }

  /**
   * Ids that follow an assistant's action: the end of its turn unless `lastToken`, the action's last token, ended it;
   * the observation's turn; and what opens the next turn of the assistant.
   */
  renderTurn(observation: Message, lastToken: number | undefined, tools?: readonly ToolSpec[]): Int32Array {
    const endOfTurn = this.endOfTurn;
    const pieces = this.#afterAction(observation, tools);
    const end = pieces.findIndex((piece) => piece.id === endOfTurn);
    const ended = lastToken !== undefined && this.tokenizer.eosTokens.includes(lastToken);
    return this.tokenizer.encodePieces(pieces.slice(ended ? end + 1 : end), true);
  }

  /**
   * Ids of an assistant's turn that was written, not sampled (a demonstration, an action stripped of its thoughts),
   * from where the prompt ends to the end of the turn. Its text may hold markup of the template such as
   * `<tool_call>`, but no token marked special.
   */
  renderAction(message: Pick<Message, "content" | "toolCalls">): Int32Array {
    const action: Message = { role: "assistant", ...message };
    const id = message.toolCalls?.[0]?.id ?? CALL_ID;
    const reply: Message = message.toolCalls?.length
      ? { role: "tool", content: "reply", toolCallId: id }
      : { role: "user", content: "reply" };
    // As it is rendered inside a conversation. If that leaves out part of it (a thought), as the last turn.
    const written = this.#written([action, reply]) ?? this.#written([action]);
    if (written) return this.tokenizer.encodePieces(written, true);
    if (!message.toolCalls?.length) return this.#bareAction(message.content);
    throw this.#unsupported("does not write an assistant's tool calls after its generation prompt");
  }

  /**
   * How the template renders the first of `turns`, if it continues the generation prompt and contains the turn's text.
   */
  #written(turns: readonly [Message, ...Message[]]): Piece[] | undefined {
    try {
      const before = this.#render([QUESTION], undefined, true);
      const whole = this.#render([QUESTION, ...turns], undefined, false);
      const length = textOf(before).length;
      const content = sanitize(turns[0].content.trim());
      if (!textOf(whole).startsWith(textOf(before)) || !textOf(whole).includes(content, length))
        return undefined;
      const pieces = this.control.split(slice(whole, length));
      const end = pieces.findIndex((piece) => piece.id === this.endOfTurn);
      return end < 0 ? undefined : pieces.slice(0, end + 1);
    } catch (error) {
      if (error instanceof TemplateRefusal) return undefined;
      throw error;
    }
  }

  /** Text after a generation prompt that a finished turn does not repeat, such as one that opens a thought. */
  #bareAction(content: string): Int32Array {
    const pieces = this.control.split(markedText(content, ASSISTANT));
    return Int32Array.of(...this.tokenizer.encodePieces(pieces, true), this.endOfTurn);
  }

  /** The control token that the template writes after an assistant's turn. */
  get endOfTurn(): number {
    this.#endOfTurn ??= this.#findEndOfTurn();
    return this.#endOfTurn;
  }

  #findEndOfTurn(): number {
    const rendered = this.#renderOrFail(
      [QUESTION, { role: "assistant", content: PROBE_TEXT, probe: true }],
      undefined,
      false,
    );
    const after = this.control.split(afterProbe(rendered) ?? "");
    const first = after.find((piece) => piece.id !== undefined || piece.text?.trim());
    if (first?.id === undefined) {
      throw this.#unsupported(
        "does not end an assistant's turn with a special token, so turns cannot be appended",
      );
    }
    return first.id;
  }

  #prompt(messages: readonly Message[], tools: readonly ToolSpec[] | undefined): Str {
    try {
      return this.#foldedPrompt(messages, tools);
    } catch (error) {
      const plain = messages.map(({ role }): Message => ({ role, content: "text" }));
      throw this.#blame(error, "this conversation", () => this.#foldedPrompt(plain, tools));
    }
  }

  #foldedPrompt(messages: readonly Message[], tools: readonly ToolSpec[] | undefined): Str {
    try {
      return this.#render(messages, tools, true);
    } catch (error) {
      if (!(error instanceof TemplateRefusal)) throw error;
      const folded = foldSystem(messages);
      if (folded === undefined) throw this.#refused(error);
      return this.#renderOrFail(folded, tools, true);
    }
  }

  /**
   * The error to report when rendering failed with `error`. If `plain`, the same turns with a plain word in each,
   * renders, the content is at fault (INPUT, for this conversation only); else the template is (CHECKPOINT).
   */
  #blame(error: unknown, what: string, plain: () => unknown): unknown {
    if (!SwirlError.isInstance(error)) return error;
    try {
      plain();
    } catch {
      return error;
    }
    return new SwirlError("INPUT", `${what} cannot be rendered: ${error.message}`, {
      remedy: "look for text that the chat template treats specially",
      details: { file: this.#file },
      cause: error,
    });
  }

  /** What the template writes from the end of an assistant's turn to the beginning of its next one. */
  #afterAction(observation: Message, tools: readonly ToolSpec[] | undefined): Piece[] {
    try {
      return this.#findAfterAction(observation, tools);
    } catch (error) {
      const plain: Message = { ...observation, content: "text" };
      throw this.#blame(error, "this observation", () => this.#findAfterAction(plain, tools));
    }
  }

  #findAfterAction(observation: Message, tools: readonly ToolSpec[] | undefined): Piece[] {
    const callId = observation.toolCallId ?? CALL_ID;
    const reply: Message = observation.role === "tool" ? { ...observation, toolCallId: callId } : observation;
    const plain: Shown = { role: "assistant", content: PROBE_TEXT, probe: true };
    const calling: Shown = {
      role: "assistant",
      content: "",
      toolCalls: [{ id: callId, name: PROBE_TEXT, input: JSON.stringify({ input: PROBE_TEXT }) }],
      probe: true,
    };
    let refusal: TemplateRefusal | undefined;
    // Most templates take a reply to any action; some take a tool's reply only after a call.
    for (const action of observation.role === "tool" ? [plain, calling] : [plain]) {
      try {
        const after = afterProbe(this.#render([QUESTION, action, reply], tools, true)) ?? "";
        const pieces = this.control.split(after);
        const end = pieces.findIndex((piece) => piece.id === this.endOfTurn);
        if (end >= 0 && shows(after, observation.content)) return pieces.slice(end);
      } catch (error) {
        if (!(error instanceof TemplateRefusal)) throw error;
        refusal ??= error;
      }
    }
    if (refusal) throw this.#refused(refusal);
    throw this.#unsupported(
      `leaves out a turn of role ${JSON.stringify(observation.role)} that follows an assistant's, or a part of it`,
    );
  }

  #renderOrFail(messages: readonly Shown[], tools: readonly ToolSpec[] | undefined, generate: boolean): Str {
    try {
      return this.#render(messages, tools, generate);
    } catch (error) {
      throw error instanceof TemplateRefusal ? this.#refused(error) : error;
    }
  }

  #render(messages: readonly Shown[], tools: readonly ToolSpec[] | undefined, generate: boolean): Str {
    const template = (tools?.length && this.#templates.get("tool_use")) || this.#templates.get("default");
    if (!template) {
      const names = [...this.#templates.keys()].join(", ");
      throw this.#unsupported(`has no template named "default" (it has: ${names})`);
    }
    const shownTools = tools?.map((tool) => ({ type: "function", function: tool }));
    const variables: Record<string, Value> = {
      messages: messages.map(toMessage),
      // transformers gives both to every template, None where there are none.
      tools: shownTools?.length ? toValue(shownTools, CONTENT) : null,
      documents: null,
      add_generation_prompt: generate,
    };
    for (const [name, value] of Object.entries(this.variables)) variables[name] = toValue(value, TEMPLATE);
    return template.render(variables, JSON.stringify([messages, shownTools]).length);
  }

  #refused(error: TemplateRefusal): SwirlError {
    return this.#unsupported(`refuses this conversation: ${error.message}`, error);
  }

  #unsupported(what: string, cause?: unknown): SwirlError {
    return new SwirlError("CHECKPOINT", `chat template ${this.#file} ${what}`, {
      remedy:
        "pass another template as `chatTemplate`, or give observations a role that this one supports (user)",
      details: { file: this.#file, field: "chat_template" },
      cause,
    });
  }
}

function piecesText(pieces: readonly Piece[], tokenizer: PieceEncoder): string {
  return pieces.map((piece) => piece.text ?? tokenizer.tokenText(piece.id ?? -1) ?? "").join("");
}
