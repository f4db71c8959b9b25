/**
 * Two requests of the Hugging Face hub's HTTP API: the list of a model's files, and the bytes of one. The token is sent
 * only to the hub's own origin, because downloads are redirected to a CDN on another host.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { rememberSecret } from "../secrets/known-secrets.js";
import { redactText } from "../secrets/redact.js";
import { hubHome } from "./hub-cache.js";

export interface HubFile {
  path: string;
  bytes: number;
  /** Name of the blob in the cache, and the hash that its bytes must have. */
  etag: string;
  hash: "sha256" | "git-sha1";
}

export interface HubModel {
  commit: string;
  files: HubFile[];
}

const modelSchema = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.int().min(0).nullish(),
      blobId: z
        .string()
        .regex(/^[0-9a-f]{40}$/)
        .nullish(),
      lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
    }),
  ),
});

const MOST_REDIRECTS = 5;
const MOST_ATTEMPTS = 6;
const LONGEST_WAIT_MS = 60_000;
const MOST_METADATA = 64 << 20;

/** An error that a retry may resolve. */
export class PassingError extends Error {
  constructor(
    message: string,
    readonly afterMs?: number,
  ) {
    super(message);
  }
}

export interface HubClientOptions {
  endpoint?: string | undefined;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** First wait between attempts, in milliseconds; it doubles. */
  waitMs?: number;
}

export class HubClient {
  readonly endpoint: URL;
  readonly #signal: AbortSignal | undefined;
  readonly #waitMs: number;
  #token: string | undefined;

  private constructor(endpoint: URL, token: string | undefined, { signal, waitMs = 1000 }: HubClientOptions) {
    this.endpoint = endpoint;
    this.#token = token;
    this.#signal = signal;
    this.#waitMs = waitMs;
    if (token) rememberSecret(token);
  }

  /** Endpoint: HF_ENDPOINT, else huggingface.co. Token: HF_TOKEN, else the file that `hf auth login` writes. */
  static async open(options: HubClientOptions = {}): Promise<HubClient> {
    const given = options.endpoint ?? (process.env.HF_ENDPOINT || "https://huggingface.co");
    if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol))
      throw new SwirlError("CONFIG", `the hub's endpoint is ${JSON.stringify(redactText(given))}`, {
        remedy: "set HF_ENDPOINT to a URL such as https://huggingface.co",
        details: { field: "endpoint" },
      });
    const token = options.token ?? (process.env.HF_TOKEN?.trim() || (await storedToken()));
    return new HubClient(new URL(given.endsWith("/") ? given : `${given}/`), token, options);
  }

  /** The commit of a revision, and its files. */
  async model(name: string, revision: string): Promise<HubModel> {
    const url = new URL(
      `api/models/${name}/revision/${encodeURIComponent(revision)}?blobs=true`,
      this.endpoint,
    );
    const text = await this.attempts(`${name}, revision ${revision}`, 3, async () => {
      const response = await this.get(url, {});
      return await boundedText(response);
    });
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    const parsed = modelSchema.safeParse(value);
    if (!parsed.success)
      throw new SwirlError("ENDPOINT", `the server at ${url.host} is not a Hugging Face hub`, {
        remedy: "check HF_ENDPOINT",
        details: { origin: url.origin },
      });
    const { sha, siblings } = parsed.data;
    return {
      commit: sha,
      files: siblings.flatMap(({ rfilename: path, size, blobId, lfs }): HubFile[] => {
        if (lfs) return [{ path, bytes: lfs.size, etag: lfs.sha256, hash: "sha256" }];
        return blobId && size != null ? [{ path, bytes: size, etag: blobId, hash: "git-sha1" }] : [];
      }),
    };
  }

  fileUrl(name: string, commit: string, path: string): URL {
    return new URL(
      `${name}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
      this.endpoint,
    );
  }

  /** A successful response. @throws PassingError if a retry may help, else SwirlError */
  async get(from: URL, headers: Record<string, string>, signal = this.#signal): Promise<Response> {
    let url = from;
    for (let redirects = 0; ; redirects++) {
      const own = url.origin === this.endpoint.origin;
      let response: Response;
      try {
        response = await fetch(url, {
          redirect: "manual",
          headers: {
            "user-agent": "swirl-rl",
            "accept-encoding": "identity",
            ...headers,
            ...(own && this.#token ? { authorization: `Bearer ${this.#token}` } : {}),
          },
          ...(signal ? { signal } : {}),
        });
      } catch (cause) {
        throwIfAborted(this.#signal);
        const reason = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
        throw new PassingError(`${url.host} cannot be reached: ${reason}`);
      }
      if (response.ok) return response;
      const location = response.headers.get("location");
      await response.body?.cancel().catch(() => {});
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null)
        throw this.#refusal(response, url, own);
      if (redirects === MOST_REDIRECTS || !URL.canParse(location, url.href))
        throw new SwirlError("ENDPOINT", `${from.host} redirects in a loop or to an invalid address`, {
          remedy: "check HF_ENDPOINT",
        });
      const next = new URL(location, url);
      if (url.protocol === "https:" && next.protocol !== "https:")
        throw new SwirlError(
          "ENDPOINT",
          `${url.host} redirects to ${next.protocol}//${next.host}, which is not encrypted`,
          {
            remedy: "check HF_ENDPOINT",
          },
        );
      url = next;
    }
  }

  #refusal({ status, headers }: Response, url: URL, own: boolean): Error {
    const why = redactText(headers.get("x-error-message") ?? "");
    const message = `${url.host} answered ${status}${why ? `: ${why.slice(0, 300)}` : ""}`;
    if (status === 408 || status === 425 || status === 429 || status >= 500) {
      const after = Number.parseFloat(headers.get("retry-after") ?? "");
      return new PassingError(message, after >= 0 ? after * 1000 : undefined);
    }
    // A signed URL of the CDN expires; the hub gives a new one.
    if (!own && (status === 403 || status === 410)) return new PassingError(message);
    const remedies: Record<number, string> = {
      401: this.#token
        ? "the token in HF_TOKEN is not accepted, or the model does not exist: check both"
        : "there is no such model, or it is private: check the name, or set HF_TOKEN",
      403: "ask for access on the model's page on the hub, and set HF_TOKEN to a token of that account",
      404: "check the model's name and the revision",
    };
    return new SwirlError("ENDPOINT", message, {
      remedy: remedies[status] ?? "check HF_ENDPOINT and the model's name",
      details: { status },
    });
  }

  /** Retries after passing errors, and more often if `progressed` tells that the last attempt made progress. */
  async attempts<T>(
    what: string,
    count: number,
    attempt: () => Promise<T>,
    progressed: () => boolean = () => false,
  ): Promise<T> {
    for (let failures = 0; ; ) {
      throwIfAborted(this.#signal);
      try {
        return await attempt();
      } catch (error) {
        throwIfAborted(this.#signal);
        if (!(error instanceof PassingError)) throw error;
        const further = progressed();
        failures = further ? 1 : failures + 1;
        const { afterMs } = error;
        if (failures >= count || (afterMs !== undefined && afterMs > LONGEST_WAIT_MS))
          throw new SwirlError("ENDPOINT", `${what}: ${error.message} (after ${failures} attempts)`, {
            remedy: "run it again: it resumes where it stopped",
            cause: error,
          });
        const first = further ? this.#waitMs / 4 : this.#waitMs;
        const wait = afterMs ?? Math.min(LONGEST_WAIT_MS, first * 2 ** (failures - 1));
        await sleep(wait, undefined, this.#signal ? { signal: this.#signal } : {}).catch(() =>
          throwIfAborted(this.#signal),
        );
      }
    }
  }
}

export const DOWNLOAD_ATTEMPTS = MOST_ATTEMPTS;

async function storedToken(): Promise<string | undefined> {
  const file = process.env.HF_TOKEN_PATH || join(hubHome(), "token");
  return (await readFile(file, "utf8").catch(() => "")).trim() || undefined;
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += (chunk as Uint8Array).byteLength;
      if (bytes > MOST_METADATA) break;
      chunks.push(chunk as Uint8Array);
    }
  } catch (error) {
    throw new PassingError(`the response ended early: ${(error as Error).message}`);
  }
  return Buffer.concat(chunks).toString("utf8");
}
