import { APIError } from "openai";
import { describe, expect, it } from "vitest";
import { RefusedParameters, refusedParameter } from "./refused-parameters.js";

const refusal = (status: number, error: unknown) =>
  APIError.generate(status, { error }, undefined, new Headers());
const say = (message: string, param: string | null = null) => ({
  message,
  param,
  type: "invalid_request_error",
});
const sent = { temperature: 0, top_p: 1, max_tokens: 9, stop: ["</a>"], seed: 3, n: 2, messages: [] };
const tool = { ...sent, tools: [], logprobs: true, top_logprobs: 20 };
/** As OpenRouter and LiteLLM pass on an inner server's error. */
const within = (error: unknown) =>
  say(`BadRequestError - ${JSON.stringify({ error }, null, 2)}. Received Model Group=x`);

describe("refusedParameter", () => {
  it.each([
    [
      "OpenAI, value",
      400,
      say(
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        "temperature",
      ),
      "temperature",
    ],
    [
      "OpenAI, name",
      400,
      say("Unsupported parameter: 'top_p' is not supported with this model.", "top_p"),
      "top_p",
    ],
    [
      "OpenAI, limit",
      400,
      say(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
      ),
      "max_tokens",
    ],
    ["OpenAI, old API", 400, say("Unrecognized request argument supplied: seed"), "seed"],
    [
      "OpenAI, more than 4 stops",
      400,
      say("Invalid 'stop': array too long. Expected an array with maximum length 4.", "stop"),
      "stop",
    ],
    ["OpenAI, log-probs", 403, say("You are not allowed to request logprobs from this model"), "logprobs"],
    [
      "LiteLLM, inner error",
      400,
      within(say("Unsupported parameter: 'temperature' is not supported with this model.", "temperature")),
      "temperature",
    ],
    [
      "LiteLLM, own words",
      400,
      say(
        "O-series models don't support temperature=0.0. Only temperature=1 is supported. To drop unsupported openai params, set `litellm.drop_params = True`",
      ),
      "temperature",
    ],
    ["LiteLLM, list", 500, say("ollama does not support parameters: {'seed': 1}, for model=llama3"), "seed"],
    [
      "LiteLLM, Claude",
      400,
      within(say("`temperature` and `top_p` cannot both be specified for this model. Please use only one.")),
      "top_p",
    ],
    [
      "OpenRouter",
      400,
      {
        message: "Provider returned error",
        metadata: {
          raw: JSON.stringify({
            error: say("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
          }),
        },
      },
      "stop",
    ],
    ["xAI", 400, "Argument not supported on this model: stop", "stop"],
    ["xAI, later", 400, say("Model grok does not support parameter stop."), "stop"],
    [
      "Mistral",
      422,
      { detail: [{ type: "extra_forbidden", loc: ["body", "seed"], msg: "Extra inputs are not permitted" }] },
      "seed",
    ],
    [
      "pydantic as text",
      400,
      say(
        "[{'type': 'extra_forbidden', 'loc': ('body', 'top_p'), 'msg': 'Extra inputs are not permitted', 'input': 1}]",
      ),
      "top_p",
    ],
    ["Gemini", 400, say('Invalid JSON payload received. Unknown name "seed": Cannot find field.'), "seed"],
    ["text-generation-inference", 422, "Input validation error: `top_p` must be > 0.0 and < 1.0", "top_p"],
    ["vLLM, n", 400, say("n must be 1 when using greedy sampling, got 2."), "n"],
    ["llama.cpp, n", 500, say("Only one completion choice is allowed"), "n"],
    ["Vertex, n", 400, say("Multiple candidates is not enabled for this model"), "n"],
    [
      "vLLM, too many log-probs",
      400,
      say("Requested sample logprobs of 20, which is greater than max allowed: 10"),
      "logprobs",
    ],
  ])("reads %s", (_, status, error, name) => {
    expect(refusedParameter(refusal(status, error), tool)).toBe(name);
  });

  it.each([
    [
      "a limit that is too large",
      400,
      say(
        "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens",
        "max_tokens",
      ),
    ],
    [
      "a context that is too long",
      400,
      say(
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens. Please reduce the length of the messages or completion.",
        "messages",
      ),
    ],
    ["a temperature out of range", 400, say("temperature must be non-negative, got -1", "temperature")],
    ["a model that is not there", 404, say("The model 'x' does not support chat", "model")],
    ["a busy server", 503, say("temperature is not supported")],
    ["words of English", 400, say("Please stop: n requests like this are not allowed")],
  ])("is undefined for %s", (_, status, error) => {
    expect(refusedParameter(refusal(status, error), sent)).toBeUndefined();
  });
});

describe("RefusedParameters", () => {
  const noted: string[] = [];
  const server = (refuses: string[]) => {
    const requests: Record<string, unknown>[] = [];
    const parameters = new RefusedParameters((name) => noted.push(name));
    const send = (body: object, extra = {}) =>
      parameters.send(body as Record<string, unknown>, extra, async (fields) => {
        requests.push(fields);
        const name = refuses.find((candidate) => candidate in fields);
        if (name) throw refusal(400, say(`Unsupported parameter: '${name}'`, name));
        return "answered";
      });
    return { requests, send };
  };

  it("leaves out what is refused, reports it once and remembers it; the limit goes under its other name", async () => {
    noted.length = 0;
    const t = server(["temperature", "top_p", "max_tokens"]);
    await Promise.all([
      t.send({ temperature: 0, top_p: 1, max_tokens: 9 }),
      t.send({ temperature: 0, max_tokens: 9 }),
    ]);
    const before = t.requests.length;
    expect(await t.send({ temperature: 0, top_p: 1, max_tokens: 9, seed: 1 })).toBe("answered");
    expect(t.requests.slice(before)).toEqual([{ max_completion_tokens: 9, seed: 1 }]);
    expect(noted.sort()).toEqual(["max_tokens", "temperature", "top_p"]);
  });

  it("remembers nothing when the request fails without the parameter as well", async () => {
    noted.length = 0;
    const t = server(["max_tokens", "max_completion_tokens"]);
    await expect(t.send({ max_tokens: 9 })).rejects.toThrow("max_completion_tokens");
    expect(t.requests).toHaveLength(2);
    expect(noted).toEqual([]);
  });

  it("never leaves out log-probs, nor what the caller's extra fields give", async () => {
    const t = server(["logprobs", "temperature"]);
    await expect(t.send({ logprobs: true })).rejects.toMatchObject({ code: "CONFIG" });
    await expect(t.send({ temperature: 0 }, { temperature: 0.5 })).rejects.toThrow("Unsupported parameter");
    expect(t.requests).toHaveLength(2);
  });

  it("takes null in the extra fields as leaving a field out", async () => {
    const t = server([]);
    await t.send({ temperature: 0, top_p: 1 }, { top_p: null, repeat_penalty: 1 });
    expect(t.requests).toEqual([{ temperature: 0, repeat_penalty: 1 }]);
  });
});
