import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type Arrival, type Reply, ScriptedServer, texts } from "../../tests/support/scripted-server.js";
import type { EndpointOptions } from "../endpoint/endpoint-options.js";
import { EndpointPolicy } from "./endpoint-policy.js";

const quick = { probe: false, retryBaseMs: 1, retryMaxMs: 4, timeoutMs: 2_000, deadlineMs: 10_000 } as const;

async function connected(script: (arrival: Arrival) => Reply, options: Partial<EndpointOptions> = {}) {
  const server = await ScriptedServer.start(script);
  const policy = await EndpointPolicy.connect({ baseURL: server.baseURL, model: "m", ...quick, ...options });
  return {
    server,
    policy,
    context: policy.begin([{ role: "user", content: "Question?" }]),
    [Symbol.asyncDispose]: async () => {
      await policy.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("EndpointPolicy requests", () => {
  it("sends messages, tools, sampling fields and nothing it was not asked for", async () => {
    await using t = await connected(() => texts("Paris"));
    const tools = [{ name: "search", description: "finds", parameters: { type: "object" } }];
    const context = t.policy.begin(
      [
        { role: "system", content: "S" },
        { role: "user", content: "Q" },
      ],
      tools,
    );
    const actions = await t.policy.act(context, {
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      stop: ["</a>"],
      seed: 11,
      maxNewTokens: 9,
    });
    expect(actions).toEqual([{ text: "Paris", finishReason: "eos" }]);
    expect(t.server.arrivals[0]!.body).toEqual({
      model: "m",
      messages: [
        { role: "system", content: "S" },
        { role: "user", content: "Q" },
      ],
      tools: [{ type: "function", function: tools[0] }],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop: ["</a>"],
      seed: 11,
      max_tokens: 9,
      stream: false,
    });
    await t.policy.act(t.context);
    expect(t.server.arrivals[1]!.body.top_p).toBe(1);
    expect(Object.keys(t.server.arrivals[1]!.body).sort()).toEqual([
      "max_tokens",
      "messages",
      "model",
      "stream",
      "temperature",
      "top_p",
    ]);
  });

  it("gets n actions in one request where the server honors n", async () => {
    await using t = await connected(({ body }) =>
      texts(...Array.from({ length: body.n ?? 1 }, (_, i) => `a${i}`)),
    );
    const actions = await t.policy.act(t.context, { n: 4 });
    expect(actions.map((a) => a.text)).toEqual(["a0", "a1", "a2", "a3"]);
    expect(t.server.arrivals).toHaveLength(1);
  });

  it("asks again for what a server that ignores n left out, each with its own seed, and remembers it", async () => {
    await using t = await connected(({ body }) => texts(`seed ${body.seed}`));
    const actions = await t.policy.act(t.context, { n: 3, seed: 5 });
    expect(new Set(actions.map((a) => a.text)).size).toBe(3);
    expect(t.server.arrivals.map((a) => a.body.n)).toEqual([3, undefined, undefined]);
    const again = await t.policy.act(t.context, { n: 3, seed: 5 });
    expect(again).toEqual(actions);
    expect(t.server.arrivals.slice(3).map((a) => a.body.n)).toEqual([undefined, undefined, undefined]);
  });

  it("returns tool calls, and continues the conversation with the answered one", async () => {
    const call = { id: "c1", type: "function", function: { name: "search", arguments: '{"query":"x"}' } };
    await using t = await connected(() => ({
      kind: "choices",
      choices: [
        {
          message: { content: null, tool_calls: [call, { ...call, id: "c2" }] },
          finish_reason: "tool_calls",
        },
      ],
    }));
    const [action] = await t.policy.act(t.context);
    expect(action!.toolCalls?.[0]).toEqual({ id: "c1", name: "search", input: '{"query":"x"}' });
    const next = t.policy.extend(t.context, action!, { role: "tool", content: "found" });
    await t.policy.act(next);
    expect(t.server.arrivals[1]!.body.messages.slice(1)).toEqual([
      { role: "assistant", content: "", tool_calls: [call] },
      { role: "tool", content: "found", tool_call_id: "c1" },
    ]);
  });

  it("asks again, without stop strings, where the server stopped at one inside a thought", async () => {
    const whole = "<think>Is it <answer>1</answer>?</think>No: <answer>2</answer> and more";
    await using t = await connected(({ body }) =>
      texts(body.stop ? whole.slice(0, whole.indexOf("</answer>")) : whole),
    );
    const actions = await t.policy.act(t.context, { stop: ["</answer>"], seed: 5 });
    expect(actions).toEqual([{ text: whole.slice(0, -" and more".length), finishReason: "stop" }]);
    expect(t.server.arrivals.map(({ body }) => [body.stop, body.seed])).toEqual([
      [["</answer>"], 5],
      [undefined, 5],
    ]);
  });

  it("asks once where an action ends outside of thoughts, or its thought never ends", async () => {
    await using t = await connected(({ index }) =>
      texts(index === 0 ? "<think>a</think><answer>2" : "<think>I wonder"),
    );
    const [first] = await t.policy.act(t.context, { stop: ["</answer>"] });
    expect(first).toEqual({ text: "<think>a</think><answer>2</answer>", finishReason: "stop" });
    const [second] = await t.policy.act(t.context, { stop: ["</answer>"] });
    expect(second).toEqual({ text: "<think>I wonder", finishReason: "eos" });
    expect(t.server.arrivals).toHaveLength(2);
  });

  it("never has more requests in flight than concurrency", async () => {
    await using t = await connected(() => texts("x"), { concurrency: 3 });
    await Promise.all(Array.from({ length: 30 }, () => t.policy.act(t.context)));
    expect(t.server.maxInFlight).toBeLessThanOrEqual(3);
    expect(t.policy.stats).toMatchObject({ requests: 30, attempts: 30, failures: 0, promptTokens: 210 });
  });
});

describe("EndpointPolicy faults", () => {
  const once = (fault: Reply) => (arrival: Arrival) => (arrival.attempt === 0 ? fault : texts("ok"));
  it.each<[string, Reply]>([
    ["500", { kind: "status", status: 500 }],
    ["503", { kind: "status", status: 503 }],
    ["429 with Retry-After", { kind: "status", status: 429, headers: { "retry-after": "0.01" } }],
    ["truncated JSON", { kind: "truncate" }],
    ["a closed socket", { kind: "close" }],
    ["a body cut in the middle", { kind: "cut" }],
    ["an empty choices list", { kind: "choices", choices: [] }],
    ["an HTML page", { kind: "raw", body: "<html>busy</html>" }],
    ["an error with status 200", { kind: "raw", body: '{"error":{"message":"overloaded"}}' }],
  ])("retries after %s", async (_, fault) => {
    await using t = await connected(once(fault));
    expect((await t.policy.act(t.context))[0]!.text).toBe("ok");
    expect(t.server.arrivals).toHaveLength(2);
    expect(t.policy.stats).toMatchObject({ requests: 1, attempts: 2, retries: 1, failures: 0 });
  });

  it.each<[string, Reply]>([
    ["hang", { kind: "hang" }],
    ["trickle", { kind: "trickle", everyMs: 5 }],
  ])("gives up an attempt that %ss, and retries", async (_, fault) => {
    await using t = await connected(once(fault), { timeoutMs: 60 });
    expect((await t.policy.act(t.context))[0]!.text).toBe("ok");
  });

  it("waits as long as Retry-After says", async () => {
    const fault: Reply = { kind: "status", status: 429, headers: { "retry-after": "0.3" } };
    await using t = await connected(once(fault));
    const start = performance.now();
    await t.policy.act(t.context);
    expect(performance.now() - start).toBeGreaterThanOrEqual(295);
  });

  it("does not sit out a Retry-After past the deadline", async () => {
    const fault: Reply = { kind: "status", status: 429, headers: { "retry-after": "3600" } };
    await using t = await connected(() => fault);
    await expect(t.policy.act(t.context)).rejects.toThrow(
      /status 429.*asks to wait 3600000 ms, past the deadline/s,
    );
    expect(t.server.arrivals).toHaveLength(1);
  });

  it("ends at the overall deadline whatever the attempts do", async () => {
    await using t = await connected(() => ({ kind: "hang" }), {
      timeoutMs: 80,
      deadlineMs: 200,
      maxRetries: 100,
    });
    const start = performance.now();
    await expect(t.policy.act(t.context)).rejects.toMatchObject({ code: "ENDPOINT" });
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it.each([400, 401, 403, 404, 422])("does not retry status %i", async (status) => {
    await using t = await connected(() => ({ kind: "status", status }));
    await expect(t.policy.act(t.context)).rejects.toMatchObject({
      code: "ENDPOINT",
      details: { status, attempts: 1, model: "m" },
    });
    expect(t.server.arrivals).toHaveLength(1);
  });

  it("does not retry a refused request that the server calls its own error", async () => {
    const body = {
      error: { message: "[2 validation errors: {'type': 'missing'}]", type: "internal_server_error" },
    };
    await using t = await connected(() => ({ kind: "status", status: 500, body }));
    await expect(t.policy.act(t.context)).rejects.toMatchObject({ details: { status: 500, attempts: 1 } });
  });

  it("names host, status, attempts and a remedy when retries are used up", async () => {
    await using t = await connected(() => ({ kind: "status", status: 503 }), { maxRetries: 2 });
    await expect(t.policy.act(t.context)).rejects.toThrow(
      /endpoint 127\.0\.0\.1:\d+, model m: status 503, scripted 503 \(3 attempts in .*retries used up\)\n {2}→ check the server/,
    );
    expect(t.policy.stats.failures).toBe(1);
  });

  it("says that a server is down, and where", async () => {
    const gone = await ScriptedServer.start(() => texts("x"));
    const { baseURL } = gone;
    await gone[Symbol.asyncDispose]();
    await expect(EndpointPolicy.connect({ baseURL, model: "m", ...quick, probe: true })).rejects.toThrow(
      /no connection: .*ECONNREFUSED.*check that the server runs/s,
    );
  });

  it("stops at once on abort, in flight or between attempts, and sends nothing more", async () => {
    for (const fault of [{ kind: "hang" }, { kind: "status", status: 500 }] as const) {
      await using t = await connected(() => fault, { retryBaseMs: 5_000, retryMaxMs: 5_000 });
      const controller = new AbortController();
      const pending = t.policy.act(t.context, { signal: controller.signal });
      setTimeout(() => controller.abort(), 50);
      await expect(pending).rejects.toMatchObject({ code: "ABORTED" });
      expect(t.server.arrivals).toHaveLength(1);
    }
  });

  it("rejects with DISPOSED what is in flight when disposed, and what comes later", async () => {
    await using t = await connected(() => ({ kind: "hang" }));
    const pending = t.policy.act(t.context);
    setTimeout(() => void t.policy.dispose(), 30);
    await expect(pending).rejects.toMatchObject({ code: "DISPOSED" });
    await expect(t.policy.act(t.context)).rejects.toMatchObject({ code: "DISPOSED" });
  });

  it("loses no call and counts none twice: 1,000 calls over every fault", async () => {
    const faults: Reply[] = [
      { kind: "status", status: 429, headers: { "retry-after": "0.002" } },
      { kind: "status", status: 500 },
      { kind: "status", status: 502 },
      { kind: "truncate" },
      { kind: "close" },
      { kind: "cut" },
      { kind: "raw", body: "null" },
      { kind: "trickle", everyMs: 10 },
      { kind: "hang" },
    ];
    let state = 12345;
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return state / 0x7fffffff;
    };
    await using t = await connected(
      ({ body, attempt }) => {
        const slow = random() < 0.02;
        const fault = faults[Math.floor(random() * (slow ? 9 : 7))]!;
        return attempt < 4 && random() < 0.35 ? fault : texts(`re: ${body.messages[0]!.content}`);
      },
      { concurrency: 32, timeoutMs: 1_000, deadlineMs: 60_000, maxRetries: 12 },
    );
    const calls = Array.from({ length: 1_000 }, (_, i) => `q${i}`);
    const replies = await Promise.all(
      calls.map(
        async (content) => (await t.policy.act(t.policy.begin([{ role: "user", content }])))[0]!.text,
      ),
    );
    expect(replies).toEqual(calls.map((content) => `re: ${content}`));
    expect([...t.server.answered.keys()].sort()).toEqual([...calls].sort());
    expect(t.policy.stats).toMatchObject({
      requests: 1_000,
      failures: 0,
      promptTokens: 7 * 1_000,
      completionTokens: 3 * 1_000,
    });
    expect(t.policy.stats.attempts).toBe(1_000 + t.policy.stats.retries);
    expect(t.policy.stats.retries).toBeGreaterThan(200);
  }, 30_000);
});

describe("EndpointPolicy replies", () => {
  const ended = (finish_reason: string | null, content = "<answer>4</answer>"): Reply => ({
    kind: "choices",
    choices: [{ message: { content }, finish_reason }],
  });

  it.each(["abort", "error", "network_error", "content_filter", "what is this", null])(
    "asks again for one that ended by %j, and gives up after the retries",
    async (reason) => {
      await using once = await connected(({ attempt }) => (attempt === 0 ? ended(reason) : texts("whole")));
      expect((await once.policy.act(once.context))[0]!.text).toBe("whole");
      await using always = await connected(() => ended(reason), { maxRetries: 2 });
      await expect(always.policy.act(always.context)).rejects.toMatchObject({
        code: "ENDPOINT",
        message: expect.stringContaining(`the reply is unfinished (finish_reason ${JSON.stringify(reason)}`),
        details: { attempts: 3 },
      });
    },
  );

  it("does not ask again for one of the wrong shape, and names the field", async () => {
    const reply: Reply = { kind: "choices", choices: [{ message: { content: 7 }, finish_reason: "stop" }] };
    await using t = await connected(() => reply);
    await expect(t.policy.act(t.context)).rejects.toMatchObject({
      code: "ENDPOINT",
      message: expect.stringContaining("choices.0.message.content is 7"),
      details: { attempts: 1, field: "choices.0.message.content" },
    });
    expect(t.server.arrivals).toHaveLength(1);
  });

  it("hides its secrets in what the model wrote, and leaves words alone that are placeholders for keys", async () => {
    const call = { function: { name: "search", arguments: '{"query":"sk-planted-7f3a"}' } };
    const message = { content: "EMPTY: sk-planted-7f3a", tool_calls: [call] };
    const reply: Reply = { kind: "choices", choices: [{ message, finish_reason: "tool_calls" }] };
    await using t = await connected(() => reply, {
      apiKey: "EMPTY",
      headers: { "x-api-key": "sk-planted-7f3a" },
    });
    expect(await t.policy.act(t.context)).toEqual([
      {
        text: "EMPTY: [redacted]",
        toolCalls: [{ name: "search", input: '{"query":"[redacted]"}' }],
        finishReason: "eos",
      },
    ]);
  });
});

describe("EndpointPolicy with models that refuse parameters", () => {
  const refuse = (message: string, param: string | null = null): Reply => ({
    kind: "status",
    status: 400,
    body: { error: { message, param, code: "unsupported_parameter" } },
  });
  /** As OpenAI's reasoning models answer. */
  const reasoning = ({ body }: Arrival): Reply => {
    for (const name of ["max_tokens", "temperature", "top_p", "stop", "logprobs"])
      if (name in body)
        return refuse(`Unsupported parameter: '${name}' is not supported with this model.`, name);
    return Number(body.max_completion_tokens) < 16
      ? refuse("Could not finish the message because max_tokens or model output limit was reached.")
      : texts("I know. <answer>4</answer> So it is 4.");
  };

  it("asks again without them at once, says so once, and remembers them; stop strings still end the action", async () => {
    const notes: string[] = [];
    await using t = await connected(reasoning, { onNote: (note: string) => notes.push(note) } as object);
    const sampling = { temperature: 0, stop: ["</answer>"], maxNewTokens: 64 };
    expect(await t.policy.act(t.context, sampling)).toEqual([
      { text: "I know. <answer>4</answer>", finishReason: "stop" },
    ]);
    expect(t.server.arrivals).toHaveLength(5);
    await t.policy.act(t.context, sampling);
    expect(t.server.arrivals).toHaveLength(6);
    expect(t.server.arrivals[5]!.body).toEqual({
      model: "m",
      messages: [{ role: "user", content: "Question?" }],
      max_completion_tokens: 64,
      stream: false,
    });
    expect(notes.map((note) => /parameter (\w+)/.exec(note)![1]).sort()).toEqual([
      "max_tokens",
      "stop",
      "temperature",
      "top_p",
    ]);
  });

  it("closes no tag that the model left open when the stop string was not sent", async () => {
    await using t = await connected(({ body }) =>
      "stop" in body ? refuse("Unsupported parameter: 'stop'", "stop") : texts("<answer>4"),
    );
    expect(await t.policy.act(t.context, { stop: ["</answer>"] })).toEqual([
      { text: "<answer>4", finishReason: "eos" },
    ]);
  });

  it("asks one by one where n is refused", async () => {
    await using t = await connected(({ body }) => ("n" in body ? refuse("n must be 1", "n") : texts("x")));
    expect(await t.policy.act(t.context, { n: 3 })).toHaveLength(3);
    expect(t.server.arrivals.map(({ body }) => body.n)).toEqual([3, undefined, undefined, undefined]);
  });

  it("refuses to score choices without log-probs", async () => {
    await using t = await connected(reasoning);
    const choosing = t.policy.choose(t.context, { lead: "Verdict:", choices: ["GOOD", "BAD"] });
    await expect(choosing).rejects.toMatchObject({
      code: "CONFIG",
      message: expect.stringMatching(/refuses logprobs.*mode: "text"/s),
    });
  });

  it("passes its probe, also where one token or two choices are refused", async () => {
    await using t = await connected(reasoning, { probe: true });
    await t.policy.act(t.context);
    const few = ({ body }: Arrival) =>
      Number(body.max_tokens) < 16
        ? refuse(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16",
            "max_output_tokens",
          )
        : body.n === 2
          ? refuse("one choice only, please")
          : texts("OK");
    await using fewer = await connected(few, { probe: true });
    expect(fewer.server.arrivals.map(({ body }) => [body.max_tokens, body.n])).toEqual([
      [1, 2],
      [16, 2],
      [16, undefined],
    ]);
    await expect(connected(() => refuse("no such model"), { probe: true })).rejects.toThrow(/no such model/);
  });
});

describe("EndpointPolicy secrets", () => {
  it("keeps the key and header values out of errors, ids and inspection, even when the server repeats them", async () => {
    const key = "sk-planted-7f3a";
    await using t = await connected(
      ({ headers }) => ({
        kind: "status",
        status: 401,
        body: { error: { message: `bad key ${headers.authorization} ${headers["x-org"]}` } },
      }),
      { apiKey: key, headers: { "x-org": "org-planted-9" } },
    );
    const error = await t.policy.act(t.context).catch((e: unknown) => e);
    expect(t.server.arrivals[0]!.headers.authorization).toBe(`Bearer ${key}`);
    const shown = [
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(error),
      inspect(t.policy, { depth: 9 }),
      JSON.stringify(t.policy),
      t.policy.id,
    ].join("\n");
    expect(shown).toContain("[redacted]");
    expect(shown).not.toContain("planted");
  });

  it("sends no Authorization header without a key", async () => {
    await using t = await connected(() => texts("x"));
    await t.policy.act(t.context);
    expect(t.server.arrivals[0]!.headers.authorization).toBeUndefined();
  });

  it("refuses credentials in the URL without repeating them", async () => {
    const connecting = EndpointPolicy.connect({ baseURL: "http://u:secretpw@127.0.0.1/v1", model: "m" });
    await expect(connecting).rejects.toMatchObject({ code: "CONFIG" });
    await expect(connecting).rejects.not.toThrow(/secretpw/);
  });
});

describe("EndpointPolicy probe", () => {
  it("learns that n is ignored and the context length", async () => {
    const server = await ScriptedServer.start(() => texts("x"));
    server.models = [{ id: "m", max_model_len: 4096 }];
    await using policy = await EndpointPolicy.connect({
      baseURL: server.baseURL,
      model: "m",
      ...quick,
      probe: true,
    });
    expect(policy.contextLength).toBe(4096);
    await policy.act(policy.begin([{ role: "user", content: "Q" }]), { n: 2 });
    expect(server.arrivals.map((a) => a.body.n)).toEqual([2, undefined, undefined]);
    await server[Symbol.asyncDispose]();
  });

  it("treats a server that rejects n as one without it", async () => {
    const refuse: Reply = { kind: "status", status: 400, body: { error: { message: "n must be 1" } } };
    await using t = await connected(({ body }) => (body.n === undefined ? texts("x") : refuse), {
      probe: true,
    });
    expect(await t.policy.act(t.context, { n: 3 })).toHaveLength(3);
  });

  it.each([
    [{ baseUrl: "x" }, /baseUrl: unknown option \(did you mean baseURL\?\)/],
    [{ baseURL: "ftp://host/v1" }, /must be an http\(s\) URL/],
    [{ concurrency: 0 }, /concurrency/],
  ])("refuses %o", async (options, message) => {
    const connecting = EndpointPolicy.connect({
      baseURL: "http://127.0.0.1:1/v1",
      model: "m",
      ...(options as object),
    });
    await expect(connecting).rejects.toThrow(message);
  });
});
