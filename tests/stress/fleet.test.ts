/**
 * A policy on eight servers of which five hang, die, come back, refuse or write garbage: every call is answered once, and
 * as fast as the healthy servers allow. A few hundred calls here, 10,000 with SWIRL_STRESS (npm run test:stress).
 */
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { Policy } from "../../src/policy/index.js";
import { type ServingReply, type ServingRequest, ServingServer } from "../support/serving-server.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { writeTinyModel } from "../support/tiny-world.js";

const stress = process.env.SWIRL_STRESS !== undefined;
const CALLS = stress ? 10_000 : 200;
const CONCURRENCY = 8;
const SERVICE_MS = stress ? 120 : 40; // long enough that the servers are what limits the run

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

/** vLLM, whose completion spells the seed of the request: a call is known by what it gives. */
function healthy({ path, body }: ServingRequest): ServingReply {
  if (path !== "/v1/completions") return { json: { data: [{ id: "tiny", max_model_len: 256 }] } };
  const ids = [100 + (Number(body.seed) % 100), 100 + (Math.floor(Number(body.seed) / 100) % 100), 3];
  return {
    afterMs: SERVICE_MS,
    json: {
      choices: [
        {
          index: 0,
          text: "",
          finish_reason: "stop",
          token_ids: ids,
          prompt_token_ids: body.prompt,
          logprobs: { token_logprobs: ids.map(() => -1) },
        },
      ],
      usage: { prompt_tokens: (body.prompt as number[]).length },
    },
  };
}

async function servers(count: number): Promise<ServingServer[]> {
  const all = await Promise.all(Array.from({ length: count }, () => ServingServer.start(healthy)));
  open.push(...all);
  return all;
}

/** Calls by seeds 0 …; gives the time of all and what each gave. */
async function run(
  model: string,
  urls: string[],
  count: number,
  during: (done: () => number) => void = () => {},
) {
  const policy = await Policy.connect({
    servers: urls,
    api: "vllm",
    model: "tiny",
    tokenizer: model,
    concurrency: CONCURRENCY,
    timeoutMs: stress ? 2_000 : 400,
    healthEveryMs: 100,
    healthTimeoutMs: stress ? 1_000 : 600,
    retryBaseMs: 5,
    retryBudget: 2_000,
    probe: false,
    onNote: () => {},
  });
  open.push(policy);
  const context = policy.begin([{ role: "user", content: "a" }]);
  let done = 0;
  during(() => done);
  const start = performance.now();
  const results = await Promise.all(
    Array.from({ length: count }, async (_, seed) => {
      const [action] = await policy.act({ ...context }, { seed, maxNewTokens: 8 });
      done++;
      return action!.tokens![0]! - 100 + 100 * (action!.tokens![1]! - 100);
    }),
  );
  return { results, milliseconds: performance.now() - start, policy };
}

it("loses no call, counts none twice and keeps the healthy servers busy", { timeout: 300_000 }, async () => {
  const model = join(temporaryFolder(), "model");
  await writeTinyModel(model);
  const fleet = await servers(8);
  const urls = fleet.map(({ url }) => url);
  const [, , , hangs, dies, restarts, busy, garbage] = fleet;

  const alone = await run(model, urls.slice(0, 3), CALLS);
  for (const server of fleet) server.arrivals.length = 0;
  let sick = false;
  const when = (answer: (request: ServingRequest) => ServingReply) => (request: ServingRequest) =>
    sick ? answer(request) : healthy(request);
  hangs!.script = when(() => ({ hang: true }));
  busy!.script = when((request) =>
    request.method === "POST" ? { json: { error: { message: "too many" } }, status: 429 } : healthy(request),
  );
  garbage!.script = when((request) =>
    request.method === "POST" ? { raw: "<html>502</html>" } : healthy(request),
  );

  const { results, milliseconds, policy } = await run(model, urls, CALLS, (done) => {
    const at = (share: number, act: () => void) => {
      const timer = setInterval(() => {
        if (done() < share * CALLS) return;
        clearInterval(timer);
        act();
      }, 2);
    };
    at(0.02, () => {
      sick = true;
      void dies!.kill();
      void restarts!.kill();
    });
    at(0.3, () => void restarts!.listen());
    at(0.5, () => void restarts!.kill());
    at(0.7, () => void restarts!.listen());
  });

  expect(results).toEqual(Array.from({ length: CALLS }, (_, seed) => seed % 10_000)); // each its own, in order
  const { calls, failures, attempts, retries } = policy.stats;
  expect({ calls, failures, attempts }).toEqual({ calls: CALLS, failures: 0, attempts: CALLS + retries });
  const answered = policy.servers.reduce((sum, server) => sum + server.answered, 0);
  expect(answered).toBe(CALLS);
  expect(dies!.arrivals.filter(({ method }) => method === "POST").length).toBeLessThan(CALLS / 8);
  // Three servers are healthy throughout; what the others do is a gift.
  const share = alone.milliseconds / milliseconds;
  if (stress)
    console.log(
      `${CALLS} calls: ${alone.milliseconds.toFixed(0)} ms by three healthy servers alone, ${milliseconds.toFixed(0)} ms by eight of which five fail: ${(100 * share).toFixed(0)} %; ${retries} retries`,
    );
  expect(share).toBeGreaterThan(stress ? 0.9 : 0.4); // a few hundred calls hold the waits for the first faults
});
