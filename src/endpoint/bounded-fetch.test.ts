import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { EndpointPolicy } from "../policy/endpoint-policy.js";
import { EmbeddingEndpoint } from "../tools/search/embedding-endpoint.js";

async function serving(listener: RequestListener) {
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const chat = JSON.stringify({ choices: [{ message: { content: "Verdict: GOOD" }, finish_reason: "stop" }] });
const options = (baseURL: string) => ({
  baseURL,
  model: "m",
  retryBaseMs: 1,
  headers: { "x-key": "planted-1" },
});
const ask = async (baseURL: string, more: { maxReplyBytes?: number } = {}) => {
  const policy = await EndpointPolicy.connect({ ...options(baseURL), probe: false, ...more });
  return (await policy.act(policy.begin([{ role: "user", content: "prompt" }])))[0]!.text;
};
const embed = async (baseURL: string) => await new EmbeddingEndpoint(options(baseURL)).embed(["text"]);

describe("redirects", () => {
  it.each([
    ["a policy", ask],
    ["embeddings", embed],
  ])("of %s to another origin are refused, and nothing is sent there", async (_, call) => {
    let reached = 0;
    await using other = await serving((_, response) => response.writeHead(200).end(chat, () => reached++));
    let asked = 0;
    await using server = await serving((_, response) => {
      asked++;
      response.writeHead(307, { location: `${other.origin}/v1/x` }).end();
    });
    const error = await call(`${server.origin}/v1`).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "ENDPOINT",
      message: expect.stringContaining(`${server.origin} redirects to ${other.origin}`),
      details: { redirectOrigin: other.origin, attempts: 1 },
    });
    expect([asked, reached]).toEqual([1, 0]);
  });

  it.each([
    "file:///etc/passwd",
    "https://127.0.0.1/v1",
    "http://u:p@HOST/v1",
    "//elsewhere.invalid/",
    "http://",
  ])("to %s are refused", async (location) => {
    await using server = await serving((_, response) => {
      response.writeHead(308, { location: location.replace("HOST", server.origin.slice(7)) }).end();
    });
    await expect(ask(`${server.origin}/v1`)).rejects.toMatchObject({
      code: "ENDPOINT",
      details: { attempts: 1 },
    });
  });

  it("within the origin are followed with body and headers, but not for ever", async () => {
    const seen: unknown[] = [];
    await using server = await serving(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      if (request.url === "/v1/chat/completions") response.writeHead(307, { location: "../moved" }).end();
      else if (request.url?.startsWith("/loop")) response.writeHead(307, { location: "/loop" }).end();
      else {
        seen.push([
          request.method,
          request.url,
          request.headers["x-key"],
          JSON.parse(body).messages[0].content,
        ]);
        response.writeHead(200, { "content-type": "application/json" }).end(chat);
      }
    });
    expect(await ask(`${server.origin}/v1`)).toBe("Verdict: GOOD");
    expect(seen).toEqual([["POST", "/v1/moved", "planted-1", "prompt"]]);
    await expect(ask(`${server.origin}/loop`)).rejects.toThrow(/redirects more than 5 times/);
  });

  it("that would drop the body are refused", async () => {
    await using server = await serving((_, response) => response.writeHead(302, { location: "/v2" }).end());
    await expect(ask(`${server.origin}/v1`)).rejects.toThrow(/POST with status 302, a redirect to \/v2/);
  });
});

describe("replies that are too long", () => {
  const long = JSON.stringify({
    choices: [{ message: { content: "x".repeat(1e6) }, finish_reason: "stop" }],
  });
  it.each([
    ["plain", {}, long, 200],
    ["compressed", { "content-encoding": "gzip" }, gzipSync(long), 200],
    ["of an error", {}, long, 400],
  ])("are not read to their end: %s", async (_, headers, body, status) => {
    let asked = 0;
    await using server = await serving((_, response) => {
      asked++;
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
    });
    const error = await ask(`${server.origin}/v1`, { maxReplyBytes: 100_000 }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "ENDPOINT",
      message: expect.stringContaining("more than 100000 bytes"),
    });
    expect(asked).toBe(1);
    expect((await ask(`${server.origin}/v1`).catch(() => "")).length).toBe(status === 200 ? 1e6 : 0);
  });

  it("are given up while they still arrive", async () => {
    await using server = await serving((_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const timer = setInterval(() => response.write(" ".repeat(10_000)), 1);
      response.on("close", () => clearInterval(timer));
    });
    await expect(ask(`${server.origin}/v1`, { maxReplyBytes: 100_000 })).rejects.toThrow(
      /more than 100000 bytes/,
    );
  });
});

it("keeps the query of the base URL, and sends api-key headers", async () => {
  const urls: unknown[] = [];
  await using server = await serving((request, response) => {
    urls.push(request.url, request.headers["x-key"], request.headers.authorization);
    response.writeHead(200, { "content-type": "application/json" }).end(chat);
  });
  await ask(`${server.origin}/openai/deployments/d?api-version=2024-10-21&sig=a%2Bb&sig=c`);
  const query = "?api-version=2024-10-21&sig=a%2Bb&sig=c";
  expect(urls).toEqual([`/openai/deployments/d/chat/completions${query}`, "planted-1", undefined]);
});

it.each([
  ["FastAPI", 422, { detail: [{ loc: ["body", "n"], msg: "too many" }] }, /status 422.*too many/],
  ["Mistral", 422, { object: "error", message: "no such field" }, /status 422, no such field/],
  ["Gemini", 400, [{ error: { message: "Unknown name" } }], /status 400, Unknown name/],
  ["a text", 400, "plain words", /status 400, .*plain words/],
])("shows the words of %s", async (_, status, body, words) => {
  await using server = await serving((_, response) => response.writeHead(status).end(JSON.stringify(body)));
  await expect(ask(`${server.origin}/v1`)).rejects.toThrow(words);
});
