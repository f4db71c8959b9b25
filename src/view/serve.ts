/**
 * The server of `swirl view`: the page's files and its API, on the loopback interface only.
 *
 * It only reads, so it requires no token. Its protection: it binds 127.0.0.1; it answers only to the names of the
 * loopback interface, so a web page cannot reach it under its own name (DNS rebinding); it refuses requests that a
 * browser marks as coming from another site; its answers have no CORS header, so another page cannot read them; and a
 * strict Content-Security-Policy makes injected text harmless. Another user of the same machine can read what it
 * shows (docs/view.md).
 */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import { redactText } from "../secrets/redact.js";
import { packageRoot } from "../version.js";
import { Routes } from "./routes.js";
import { ViewRuns } from "./view-runs.js";

const HOST = "127.0.0.1";
/** The first port to try when none is given, and the number of ports to try after it. */
const DEFAULT_PORT = 6010;
const PORTS = 20;
const POLL_MS = 500;
const DISCOVER_EVERY = 10; // polls
const KEEP_ALIVE_MS = 15_000;
const MOST_LISTENERS = 100;

/** Every file of the page, by address. Nothing else is served. */
const FILES: Record<string, string> = {
  "/": "index.html",
  ...Object.fromEntries(
    [
      "style.css",
      "app.js",
      "parts.js",
      "api.js",
      "overview.js",
      "curves.js",
      "trajectories.js",
      "conversation.js",
      "question.js",
      "updates.js",
      "compare.js",
      "icon.svg",
      "vendor/preact.js",
      "vendor/hooks.js",
      "vendor/htm.js",
      "vendor/uplot.js",
      "vendor/uplot.css",
    ].map((name) => [`/${name}`, name]),
  ),
};
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};

export interface ViewServerOptions {
  /** Run directories, or folders with run directories in them. */
  folders: readonly string[];
  /** Undefined: the first free port from 6010 on. 0: any free port. */
  port?: number | undefined;
  /** Milliseconds between two polls of the files. @default 500 */
  pollMs?: number | undefined;
}

export interface ViewServer extends AsyncDisposable {
  url: string;
  runs: ViewRuns;
  close(): Promise<void>;
}

/** @throws SwirlError INPUT for a folder that is not there, or a port that is taken. */
export async function serveView(options: ViewServerOptions): Promise<ViewServer> {
  const runs = await ViewRuns.open(options.folders);
  const routes = new Routes(runs);
  const listeners = new Set<ServerResponse>();
  const stop = new AbortController();
  const server = createServer((request, response) => {
    answer(request, response, routes, listeners).catch((error: unknown) => fail(response, error));
  });
  const port = await listen(server, options.port);
  const following = follow(runs, listeners, options.pollMs ?? POLL_MS, stop.signal);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      stop.abort();
      for (const listener of listeners) listener.end();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await Promise.all([closed, following]);
    })();
    return closing;
  };
  return { url: `http://${HOST}:${port}/`, runs, close, [Symbol.asyncDispose]: close };
}

async function listen(server: Server, port: number | undefined): Promise<number> {
  const tries = port === undefined ? PORTS : 1;
  for (let i = 0; i < tries; i++) {
    const wanted = (port ?? DEFAULT_PORT) + i;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(wanted, HOST, () => {
          server.off("error", reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "EADDRINUSE" && i + 1 < tries) continue;
      throw new SwirlError("INPUT", `port ${wanted} cannot be used (${message})`, {
        remedy: "choose another one with --port, or --port 0 for any that is free",
        details: { field: "port" },
        cause,
      });
    }
  }
  throw new SwirlError("INTERNAL", "no port was tried");
}

/** Reads what is new in all runs until it is stopped, and notifies the open pages. */
async function follow(
  runs: ViewRuns,
  listeners: ReadonlySet<ServerResponse>,
  pollMs: number,
  signal: AbortSignal,
): Promise<void> {
  let said = Date.now();
  for (let poll = 0; !signal.aborted; poll++) {
    const started = performance.now();
    const changed: number[] = [];
    // The first pass runs even without an open page, so that the first page opens at once.
    if (poll === 0 || listeners.size > 0) {
      if (poll % DISCOVER_EVERY === 0 && (await runs.discover().catch(() => false))) changed.push(-1);
      for (const run of runs.runs) {
        const grown = await run.refresh(signal).catch(() => false);
        if (grown) changed.push(run.id);
      }
    }
    if (changed.length > 0) send(listeners, `data: ${JSON.stringify({ runs: changed })}\n\n`);
    else if (Date.now() - said > KEEP_ALIVE_MS) send(listeners, ": still here\n\n");
    if (changed.length > 0 || Date.now() - said > KEEP_ALIVE_MS) said = Date.now();
    // With many runs, at most a fifth of the time is spent on polling files that have not changed.
    await pause(Math.max(pollMs, 4 * (performance.now() - started)), signal);
  }
}

function send(listeners: ReadonlySet<ServerResponse>, text: string): void {
  // Events are not sent to a page that does not read them: it reloads everything when it reconnects.
  for (const listener of listeners) if (listener.writableLength < 65_536) listener.write(text);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Routes,
  listeners: Set<ServerResponse>,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  const refusal = refused(request);
  if (refusal) {
    reply(response, refusal.status, { error: refusal.why });
    return;
  }
  const url = new URL(request.url ?? "/", `http://${HOST}`);
  if (url.pathname === "/api/events") {
    listenForChanges(request, response, listeners);
    return;
  }
  if (url.pathname.startsWith("/api/")) {
    reply(response, 200, await routes.answer(url.pathname.slice("/api/".length), url.searchParams));
    return;
  }
  const file = Object.hasOwn(FILES, url.pathname) ? FILES[url.pathname] : undefined;
  if (file === undefined) {
    reply(response, 404, { error: "there is no such page" });
    return;
  }
  response.setHeader("content-type", TYPES[extname(file)]!);
  const text = await readFile(`${packageRoot}view/${file}`);
  response.end(request.method === "HEAD" ? undefined : text);
}

/** Why a request is rejected; undefined if it is not. */
function refused({ method, headers, socket }: IncomingMessage): { status: number; why: string } | undefined {
  const names = [HOST, "localhost"].map((name) => `${name}:${socket.localPort}`);
  if (!names.includes(headers.host?.toLowerCase() ?? ""))
    return { status: 421, why: `this server answers to ${names.join(" and ")} only` };
  const site = headers["sec-fetch-site"];
  const navigates = headers["sec-fetch-mode"] === "navigate";
  if (site !== undefined && site !== "same-origin" && site !== "none" && !navigates)
    return { status: 403, why: "another site may not ask" };
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, why: "this server only reads: GET or HEAD" };
  return undefined;
}

function listenForChanges(
  request: IncomingMessage,
  response: ServerResponse,
  listeners: Set<ServerResponse>,
): void {
  if (listeners.size >= MOST_LISTENERS) {
    reply(response, 503, { error: "too many pages are open" });
    return;
  }
  response.setHeader("content-type", "text/event-stream");
  response.write("retry: 1000\n\n");
  listeners.add(response);
  request.on("close", () => listeners.delete(response));
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.statusCode = status;
  response.setHeader("content-type", "application/json; charset=utf-8");
  response.end(JSON.stringify(value));
}

function fail(response: ServerResponse, error: unknown): void {
  const known = SwirlError.isInstance(error);
  const message = redactText(error instanceof Error ? error.message : String(error));
  if (response.headersSent) response.destroy();
  else reply(response, known && error.code === "INPUT" ? 400 : 500, { error: message });
}
