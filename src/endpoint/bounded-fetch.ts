/**
 * fetch for an endpoint. It keeps the query of the base URL (`?api-version=…`), follows redirects within the origin
 * only, and stops reading a reply after `maxReplyBytes`, counted after decompression.
 *
 * A redirect to another origin would send prompts and custom key headers there, and its answer would pass for the
 * server's.
 */
import { SwirlError } from "../errors/swirl-error.js";

const MAX_REDIRECTS = 5;

export function boundedFetch(baseURL: URL, maxReplyBytes: number): typeof fetch {
  return async (input, init) => {
    let url = new URL(input instanceof Request ? input.url : input);
    if (url.search === "") url.search = baseURL.search;
    for (let redirects = 0; ; redirects++) {
      const response = await fetch(url, { ...init, redirect: "manual" });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null)
        return await withErrorBody(limited(response, maxReplyBytes));
      await response.body?.cancel();
      const next = redirectTarget(url, location);
      requireSameOrigin(url, next, response.status);
      const method = (init?.method ?? "GET").toUpperCase();
      if (method !== "GET" && ![307, 308].includes(response.status))
        throw refused(
          `${url.origin} answers ${method} with status ${response.status}, a redirect to ${next.pathname}`,
          "such a redirect drops the request's body: set baseURL to the server's current address",
        );
      if (redirects === MAX_REDIRECTS)
        throw refused(
          `${url.origin} redirects more than ${MAX_REDIRECTS} times`,
          "check baseURL and the server",
        );
      url = next;
    }
  };
}

function redirectTarget(from: URL, location: string): URL {
  try {
    return new URL(location, from);
  } catch {
    throw refused(`${from.origin} redirects to something that is not a URL`, "check baseURL and the server");
  }
}

function requireSameOrigin(from: URL, to: URL, status: number): void {
  if (to.origin === from.origin && to.username === "" && to.password === "") return;
  const origin = to.origin === "null" ? to.protocol : to.origin;
  throw refused(
    `${from.origin} redirects to ${origin} (status ${status}); redirects are followed within one origin only`,
    `if ${origin} is the server you mean, give it as baseURL`,
    { origin: from.origin, redirectOrigin: origin },
  );
}

function limited(response: Response, maxBytes: number): Response {
  if (response.body === null) return response;
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) controller.error(tooLong(maxBytes));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counter), { status, statusText, headers });
}

/**
 * Servers that report an error without OpenAI's `error` field (FastAPI, Mistral, Gemini) get one, since the client
 * reads only that.
 */
async function withErrorBody(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  const first: unknown = Array.isArray(body) ? body[0] : body;
  const isObject = typeof first === "object" && first !== null;
  const error =
    isObject && "error" in first ? first : isObject ? { error: first } : { error: { message: text } };
  const { status, statusText } = response;
  const headers = new Headers(response.headers);
  headers.set("content-type", "application/json");
  return new Response(text === "" ? null : JSON.stringify(error), { status, statusText, headers });
}

function tooLong(maxBytes: number): SwirlError {
  return refused(
    `the reply has more than ${maxBytes} bytes`,
    "check the server; raise maxReplyBytes if such replies are right",
  );
}

/** `final`: another attempt would fail the same way. */
function refused(message: string, remedy: string, details: Record<string, unknown> = {}): SwirlError {
  return new SwirlError("ENDPOINT", message, { remedy, details: { ...details, final: true } });
}
