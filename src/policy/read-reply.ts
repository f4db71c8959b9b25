/**
 * Reads what is needed from a chat.completions reply, and normalizes the differences between servers. Pure.
 *
 * Throws code "ENDPOINT". A reply of the wrong shape names the field and has details.final: the same request would get
 * the same shape again. A reply that did not end (aborted, failed, filtered) is not an action, whatever text it
 * holds, and may be requested again.
 */
import { errorInReply, serverWords } from "../endpoint/endpoint-errors.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { ToolCall } from "../messages/message.js";

export interface Reply {
  choices: ReplyChoice[];
  promptTokens: number; // as the server counts them; 0 where it does not
  completionTokens: number;
}

export interface ReplyChoice {
  text: string;
  toolCalls: ToolCall[];
  /** "stop": by itself or at a stop string. "length": at the token limit. Nothing else is a whole reply. */
  finish: "stop" | "length";
  /** The stop string, or the id of the stop token, where the server names it. */
  stoppedBy: string | number | undefined;
  /** As the server sent them; `tokenLogprobs` reads them. */
  logprobs: unknown;
}

export interface TokenLogprob {
  token: string;
  logprob: number | undefined; // undefined: not a number
  alternatives: { token: string; logprob: number | undefined }[];
}

/** finish_reason of a reply that ended by itself: OpenAI's words, and those of servers that pass on another API's. */
const ENDED = [
  "stop",
  "tool_calls",
  "function_call",
  "eos",
  "eos_token",
  "end_turn",
  "stop_sequence",
  "tool_use",
];
const CUT_OFF = ["length", "max_tokens", "model_length"];

export function readReply(raw: unknown): Reply {
  const reply: unknown = typeof raw === "string" ? JSON.parse(raw) : raw; // a SyntaxError is tried again
  if (!isRecord(reply)) throw fault(`the reply is ${shown(reply)} instead of a chat completion`);
  const { choices } = reply;
  const error = errorInReply(reply);
  if (error) throw error;
  if (choices === null || (Array.isArray(choices) && choices.length === 0))
    throw fault("the reply holds no choices");
  if (!Array.isArray(choices)) throw malformed("choices", choices);
  return {
    choices: choices.map((choice, i) => readChoice(choice, `choices.${i}`)),
    promptTokens: count(reply.usage, "prompt_tokens"),
    completionTokens: count(reply.usage, "completion_tokens"),
  };
}

function readChoice(choice: unknown, field: string): ReplyChoice {
  if (!isRecord(choice)) throw malformed(field, choice);
  const finish = readFinish(choice);
  const { message } = choice;
  if (!isRecord(message)) throw malformed(`${field}.message`, message);
  const named = choice.stop_reason ?? choice.matched_stop;
  return {
    text: readContent(message.content, `${field}.message.content`),
    toolCalls: readToolCalls(message, `${field}.message`),
    finish,
    stoppedBy: typeof named === "string" || typeof named === "number" ? named : undefined,
    logprobs: choice.logprobs,
  };
}

/** Throws on any reason that is not known to end a whole reply: part of an action must not pass for a whole one. */
function readFinish(choice: Record<string, unknown>): ReplyChoice["finish"] {
  const given = isRecord(choice.finish_reason) ? choice.finish_reason.type : choice.finish_reason;
  const reason = typeof given === "string" ? given.trim().toLowerCase() : "";
  if (!choice.error) {
    if (ENDED.includes(reason)) return "stop";
    if (CUT_OFF.includes(reason)) return "length";
  }
  const said = choice.error ? `: ${serverWords(choice.error)}` : "";
  const withheld = reason === "content_filter" ? "; the server's content filter withheld it" : "";
  throw fault(`the reply is unfinished (finish_reason ${shown(given)}${withheld})${said}`);
}

/** A string, null, or a list of parts, of which those of type "text" are the reply and thoughts are not. */
function readContent(content: unknown, field: string): string {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw malformed(field, content);
  return content.map((part, i) => readPart(part, `${field}.${i}`)).join("");
}

function readPart(part: unknown, field: string): string {
  if (typeof part === "string") return part;
  if (!isRecord(part)) throw malformed(field, part);
  if (typeof part.type === "string" && /think|thought|reason/i.test(part.type)) return "";
  const isText = part.type === undefined || (typeof part.type === "string" && /text$/i.test(part.type));
  if (typeof part.text === "string" && isText) return part.text;
  throw malformed(field, part);
}

function readToolCalls(message: Record<string, unknown>, field: string): ToolCall[] {
  const { tool_calls: calls, function_call: single } = message; // function_call: the older form
  if (calls === undefined || calls === null || (Array.isArray(calls) && calls.length === 0))
    return isRecord(single) ? [readFunction(single, `${field}.function_call`)] : [];
  if (!Array.isArray(calls)) throw malformed(`${field}.tool_calls`, calls);
  return calls.map((call, i) => {
    const at = `${field}.tool_calls.${i}`;
    if (!isRecord(call) || !isRecord(call.function)) throw malformed(`${at}.function`, call);
    const id = typeof call.id === "string" || typeof call.id === "number" ? String(call.id) : "";
    return { ...(id === "" ? {} : { id }), ...readFunction(call.function, `${at}.function`) };
  });
}

/** Arguments are JSON text; some servers send the object itself, and nothing where there are none. */
function readFunction(called: Record<string, unknown>, field: string): { name: string; input: string } {
  const { name, arguments: given } = called;
  if (typeof name !== "string") throw malformed(`${field}.name`, name);
  if (given === undefined || given === null) return { name, input: "{}" };
  if (typeof given === "string") return { name, input: given.trim() === "" ? "{}" : given };
  if (typeof given !== "object") throw malformed(`${field}.arguments`, given);
  return { name, input: JSON.stringify(given) };
}

/**
 * The log-probs of a choice, undefined where the server gave none. Throws on tokens without text; what is not a number
 * becomes undefined, since only the tokens of a verdict matter.
 */
export function tokenLogprobs(logprobs: unknown): TokenLogprob[] | undefined {
  const content = isRecord(logprobs) ? logprobs.content : undefined;
  if (content === undefined || content === null) return undefined;
  const field = "choices.0.logprobs.content";
  if (!Array.isArray(content)) throw malformed(field, content);
  const read = (entry: unknown, at: string) => {
    if (!isRecord(entry) || typeof entry.token !== "string") throw malformed(`${at}.token`, entry);
    const logprob = typeof entry.logprob === "number" ? entry.logprob : undefined;
    return { token: entry.token, logprob };
  };
  return content.map((entry, i) => {
    const token = read(entry, `${field}.${i}`);
    const listed: unknown = (entry as Record<string, unknown>).top_logprobs ?? [];
    if (!Array.isArray(listed)) throw malformed(`${field}.${i}.top_logprobs`, listed);
    return { ...token, alternatives: listed.map((one, j) => read(one, `${field}.${i}.top_logprobs.${j}`)) };
  });
}

/** A count of tokens is for statistics only: one that cannot be read is 0. */
function count(usage: unknown, name: string): number {
  const given = isRecord(usage) ? usage[name] : 0;
  const value = typeof given === "number" || typeof given === "string" ? Number(given) : 0;
  return Number.isFinite(value) && value > 0 ? value : 0;
}

/** An error that a retry may resolve. */
function fault(message: string): SwirlError {
  return new SwirlError("ENDPOINT", message);
}

function malformed(field: string, value: unknown): SwirlError {
  return new SwirlError("ENDPOINT", `the reply is not a chat completion: ${field} is ${shown(value)}`, {
    remedy: "check that baseURL leads to OpenAI's chat.completions, and the server's version",
    details: { field, final: true },
  });
}

/** The reporter of the error redacts the text, then truncates it. */
function shown(value: unknown): string {
  return value === undefined ? "missing" : (JSON.stringify(value) ?? typeof value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
