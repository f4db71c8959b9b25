/** The HTTP client of an endpoint, for policies, judges and embeddings alike. */
import OpenAI from "openai";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import { boundedFetch } from "./bounded-fetch.js";
import type { ResolvedEndpointOptions } from "./endpoint-options.js";
import { redactorOf } from "./endpoint-secrets.js";

export interface EndpointClient {
  client: OpenAI;
  host: string;
  /** Whether this is api.openai.com. */
  official: boolean;
  /** Host, path and model, without the query. Names the endpoint in records. */
  id: string;
  /** Removes secrets from what the server says. */
  redact: (message: string) => string;
}

type ClientOptions = Pick<
  ResolvedEndpointOptions,
  "baseURL" | "model" | "apiKey" | "headers" | "timeoutMs" | "maxReplyBytes"
>;

/** Throws code "CONFIG" when the URL holds credentials. */
export function endpointClient(options: ClientOptions): EndpointClient {
  const url = new URL(options.baseURL);
  if (url.username !== "" || url.password !== "") {
    throw new SwirlError("CONFIG", `baseURL of ${url.host} holds credentials`, {
      remedy: "pass them as apiKey or headers, so that they stay out of records",
      details: { field: "baseURL" },
    });
  }
  const official = url.hostname === "api.openai.com";
  const apiKey = options.apiKey ?? (official ? process.env.OPENAI_API_KEY : undefined);
  const redact = redactorOf({ url, apiKey, headers: options.headers });
  const client = new OpenAI({
    baseURL: `${url.origin}${url.pathname}`,
    apiKey: apiKey ?? "none",
    // Environment variables meant for api.openai.com must not reach another server.
    organization: null,
    project: null,
    defaultHeaders: { ...(apiKey === undefined ? { Authorization: null } : {}), ...options.headers },
    fetch: boundedFetch(url, options.maxReplyBytes),
    maxRetries: 0,
    timeout: options.timeoutMs,
    logLevel: "off",
  });
  const path = url.pathname.replace(/\/$/, "");
  return { client, host: url.host, official, id: redactText(`${url.host}${path}#${options.model}`), redact };
}
