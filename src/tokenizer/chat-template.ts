/**
 * Prompts, actions and observation turns as token ids, written by the model's own chat template.
 *
 * Guarantees: what the template writes becomes control tokens, what messages hold never does; nothing that was sampled
 * is tokenized again, since a turn is rendered apart from what precedes it; prompt, action and turn joined are the ids
 * that transformers gives the whole conversation, for templates that write each turn the same wherever it stands.
 */
import { SwirlError } from "../errors/swirl-error.js";
import type { Message, ToolSpec } from "../messages/message.js";
import { BoundedTemplate, TemplateRefusal } from "./bounded-jinja.js";
import type { ControlTokens, Piece } from "./control-tokens.js";

/** Stands for an assistant's turn while a template is asked what follows one. */
const SENTINEL = "qzsentinelzq";
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

type Guard = { content: ControlTokens; assistant: ControlTokens };

export class ChatTemplate {
  readonly #templates: Map<string, BoundedTemplate>;
  readonly #file: string;
  #endOfTurn: number | undefined;

  constructor(
    private readonly tokenizer: PieceEncoder,
    sources: readonly TemplateSource[],
    private readonly variables: Record<string, unknown>,
    private readonly guard: Guard,
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
    return this.tokenizer.encodePieces(this.guard.content.split(this.#prompt(messages, tools)));
  }

  /** The conversation as text, as `renderPrompt` sees it: for a person to read. */
  renderText(messages: readonly Message[], tools?: readonly ToolSpec[]): string {
    return piecesText(this.guard.content.split(this.#prompt(messages, tools)), this.tokenizer);
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
    // As it stands inside a conversation, unless that leaves out what was written (a thought); then as its last turn.
    const written = this.#written([action, reply]) ?? this.#written([action]);
    if (written) return this.tokenizer.encodePieces(written, true);
    if (!message.toolCalls?.length) return this.#bareAction(message.content);
    throw this.#unsupported("does not write an assistant's tool calls after its generation prompt");
  }

  /** What the template writes of the first of `turns`, if it continues the generation prompt and holds its text. */
  #written(turns: readonly [Message, ...Message[]]): Piece[] | undefined {
    try {
      const before = this.#render([QUESTION], undefined, true);
      const whole = this.#render([QUESTION, ...turns], undefined, false);
      const content = this.guard.assistant.guard(turns[0].content.trim());
      if (!whole.startsWith(before) || !whole.includes(content, before.length)) return undefined;
      const pieces = this.guard.content.split(whole.slice(before.length));
      const end = pieces.findIndex((piece) => piece.id === this.endOfTurn);
      return end < 0 ? undefined : pieces.slice(0, end + 1);
    } catch (error) {
      if (error instanceof TemplateRefusal) return undefined;
      throw error;
    }
  }

  /** Text after a generation prompt that a finished turn does not repeat, such as one that opens a thought. */
  #bareAction(content: string): Int32Array {
    const pieces = this.guard.content.split(this.guard.assistant.guard(content));
    return Int32Array.of(...this.tokenizer.encodePieces(pieces, true), this.endOfTurn);
  }

  /** The control token that the template writes after an assistant's turn. */
  get endOfTurn(): number {
    this.#endOfTurn ??= this.#findEndOfTurn();
    return this.#endOfTurn;
  }

  #findEndOfTurn(): number {
    const rendered = this.#renderOrFail(
      [QUESTION, { role: "assistant", content: SENTINEL }],
      undefined,
      false,
    );
    const after = this.guard.content.split(afterSentinel(rendered) ?? "");
    const first = after.find((piece) => piece.id !== undefined || piece.text?.trim());
    if (first?.id === undefined) {
      throw this.#unsupported(
        "does not end an assistant's turn with a special token, so turns cannot be appended",
      );
    }
    return first.id;
  }

  #prompt(messages: readonly Message[], tools: readonly ToolSpec[] | undefined): string {
    try {
      return this.#render(messages, tools, true);
    } catch (error) {
      if (!(error instanceof TemplateRefusal)) throw error;
      const folded = foldSystem(messages);
      if (folded === undefined) throw this.#refused(error);
      return this.#renderOrFail(folded, tools, true);
    }
  }

  /** What the template writes from the end of an assistant's turn to the beginning of its next one. */
  #afterAction(observation: Message, tools: readonly ToolSpec[] | undefined): Piece[] {
    const callId = observation.toolCallId ?? CALL_ID;
    const reply: Message = observation.role === "tool" ? { ...observation, toolCallId: callId } : observation;
    const plain: Message = { role: "assistant", content: SENTINEL };
    const calling: Message = {
      role: "assistant",
      content: "",
      toolCalls: [{ id: callId, name: SENTINEL, input: JSON.stringify({ input: SENTINEL }) }],
    };
    let refusal: TemplateRefusal | undefined;
    // Most templates take a reply to any action; some take a tool's reply only after a call.
    for (const action of observation.role === "tool" ? [plain, calling] : [plain]) {
      try {
        const rendered = this.#render([QUESTION, action, reply], tools, true);
        const pieces = this.guard.content.split(afterSentinel(rendered) ?? "");
        const end = pieces.findIndex((piece) => piece.id === this.endOfTurn);
        if (end >= 0 && contains(pieces.slice(end), observation.content)) return pieces.slice(end);
      } catch (error) {
        if (!(error instanceof TemplateRefusal)) throw error;
        refusal ??= error;
      }
    }
    if (refusal) throw this.#refused(refusal);
    throw this.#unsupported(
      `leaves out a turn of role ${JSON.stringify(observation.role)} that follows an assistant's`,
    );
  }

  #renderOrFail(
    messages: readonly Message[],
    tools: readonly ToolSpec[] | undefined,
    generate: boolean,
  ): string {
    try {
      return this.#render(messages, tools, generate);
    } catch (error) {
      throw error instanceof TemplateRefusal ? this.#refused(error) : error;
    }
  }

  #render(messages: readonly Message[], tools: readonly ToolSpec[] | undefined, generate: boolean): string {
    const template = (tools?.length && this.#templates.get("tool_use")) || this.#templates.get("default");
    if (!template) {
      const names = [...this.#templates.keys()].join(", ");
      throw this.#unsupported(`has no template named "default" (it has: ${names})`);
    }
    const input = {
      messages: messages.map((message) => this.#message(message)),
      ...(tools?.length && {
        tools: tools.map((tool) => this.#guarded({ type: "function", function: tool })),
      }),
      add_generation_prompt: generate,
    };
    return template.render({ ...this.variables, ...input }, JSON.stringify(input).length);
  }

  /** A message as templates expect it, with everything in it guarded except its role. */
  #message(message: Message): Record<string, unknown> {
    const guard = message.role === "assistant" ? this.guard.assistant : this.guard.content;
    return {
      role: message.role,
      content: guard.guard(message.content),
      ...(message.toolCalls?.length && {
        tool_calls: message.toolCalls.map((call) => ({
          ...(call.id !== undefined && { id: call.id }),
          type: "function",
          function: this.#guarded({ name: call.name, arguments: callArguments(call.input) }),
        })),
      }),
      ...(message.toolCallId !== undefined && { tool_call_id: message.toolCallId }),
    };
  }

  #guarded(value: unknown): unknown {
    if (typeof value === "string") return this.guard.content.guard(value);
    if (Array.isArray(value)) return value.map((item) => this.#guarded(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [this.guard.content.guard(key), this.#guarded(item)]),
    );
  }

  #refused(error: TemplateRefusal): SwirlError {
    return this.#unsupported(`refuses this conversation: ${error.message}`, error);
  }

  #unsupported(what: string, cause?: unknown): SwirlError {
    return new SwirlError("CHECKPOINT", `chat template ${this.#file} ${what}`, {
      remedy:
        "pass a template that can as `chatTemplate`, or show observations as the role the template knows (user)",
      details: { file: this.#file, field: "chat_template" },
      cause,
    });
  }
}

/** Templates without a system role get it as the beginning of the first user turn. */
function foldSystem(messages: readonly Message[]): Message[] | undefined {
  const [system, user, ...rest] = messages;
  if (system?.role !== "system" || user?.role !== "user") return undefined;
  return [{ ...user, content: `${system.content}\n\n${user.content}` }, ...rest];
}

/** Templates write a call's arguments as an object where they are one. */
function callArguments(input: string): unknown {
  try {
    const value: unknown = JSON.parse(input);
    return typeof value === "object" && value !== null ? value : input;
  } catch {
    return input;
  }
}

function afterSentinel(rendered: string): string | undefined {
  const at = rendered.lastIndexOf(SENTINEL);
  return at < 0 ? undefined : rendered.slice(at + SENTINEL.length);
}

function contains(pieces: readonly Piece[], content: string): boolean {
  const probe = content.trim();
  if (probe === "") return true;
  const text = pieces.map((piece) => piece.text ?? "").join("");
  const word = /[\p{L}\p{N}]+/u.exec(probe)?.[0] ?? probe.slice(0, 1);
  return text.includes(word);
}

function piecesText(pieces: readonly Piece[], tokenizer: PieceEncoder): string {
  return pieces.map((piece) => piece.text ?? tokenizer.tokenText(piece.id ?? -1) ?? "").join("");
}
