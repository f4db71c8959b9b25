import { APIError } from "openai";
import {
  classifyEndpointError,
  endpointError as readError,
} from "../../../../src/endpoint/endpoint-errors.js";
import { actionOf, choiceLogprobs } from "../../../../src/policy/endpoint-reply.js";
import { readReply, tokenLogprobs } from "../../../../src/policy/read-reply.js";
import { mutateJson } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";

const MESSAGE = { role: "assistant", content: "Verdict: GOOD" };
const TOKEN = {
  token: " GOOD",
  logprob: -0.1,
  top_logprobs: [
    { token: " GOOD", logprob: -0.1 },
    { token: " BAD", logprob: -3 },
  ],
};
const CALLS = [{ id: "call_1", type: "function", function: { name: "search", arguments: '{"query": "x"}' } }];
const REPLIES = [
  {
    choices: [{ index: 0, finish_reason: "stop", message: MESSAGE, logprobs: { content: [TOKEN] } }],
    usage: { prompt_tokens: 9, completion_tokens: 3 },
  },
  { choices: [{ finish_reason: "tool_calls", message: { content: null, tool_calls: CALLS } }] },
  {
    choices: [
      {
        finish_reason: "stop",
        stop_reason: "</answer>",
        message: { content: [{ type: "text", text: "<answer>72" }] },
      },
    ],
  },
  {
    choices: [
      { finish_reason: "length", message: { content: "…", function_call: { name: "f", arguments: "{}" } } },
    ],
  },
  { error: { code: 429, message: "slow down" } },
  { object: "error", message: "no such model", status: 404 },
];

/** Only a reply that ended is one; a log-prob of a choice is at most 0. */
export const endpointReply: FuzzedParser = {
  name: "endpoint-reply",
  input: (random) => JSON.stringify(mutateJson(random, random.pick(REPLIES))) ?? "null",
  read: (input) => {
    const reply = readReply(JSON.parse(input));
    must(reply.choices.length > 0, "a reply has choices");
    must(reply.promptTokens >= 0 && reply.completionTokens >= 0, "counts are not negative");
    const scores = reply.choices.map((choice) => {
      const tokens = tokenLogprobs(choice.logprobs);
      return tokens && choiceLogprobs(tokens, 0, ["GOOD", "BAD"]);
    });
    must(
      scores.every((score) => score?.logprobs.every((value) => value <= 0) ?? true),
      "log-probs are at most 0",
    );
    return [reply, scores, reply.choices.map((choice) => actionOf(choice, ["</answer>"]))];
  },
  // A text that is no JSON was cut off, and is asked for again.
  refuses: (error) => error instanceof SyntaxError,
};

const STATUS = [400, 401, 404, 408, 422, 429, 500, 503];

/** Whatever a server says of an error becomes an error of ours, of bounded length. */
export const endpointError: FuzzedParser = {
  name: "endpoint-error",
  input: (random) =>
    JSON.stringify({ status: random.pick(STATUS), body: mutateJson(random, random.pick(REPLIES)) }),
  read: (input) => {
    const { status, body } = JSON.parse(input) as { status: number; body?: object };
    const headers = new Headers({
      "retry-after": JSON.stringify(body ?? null)
        .replace(/[^ -~]/g, "?")
        .slice(0, 20),
    });
    const error = APIError.generate(status, body, undefined, headers);
    const disposition = classifyEndpointError(error);
    const afterMs = disposition.retry ? disposition.afterMs : undefined;
    must(afterMs === undefined || (Number.isFinite(afterMs) && afterMs >= 0), "a wait is a time");
    const failure = {
      host: "host",
      model: "model",
      redact: (text: string) => text,
      attempts: 1,
      milliseconds: 5,
      reason: "final",
    };
    const ours = readError(error, failure);
    must(ours.code === "ENDPOINT" && ours.message.length < 1_000, "an error is short");
    return [disposition, ours.message];
  },
};
