/**
 * A real HTTP server on a free local port that answers chat.completions as a script says, faults included, and counts
 * requests and complete answers. Each test owns its server.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface ChatRequest {
  model: string;
  messages: { role: string; content: string; tool_calls?: unknown; tool_call_id?: string }[];
  n?: number;
  seed?: number;
  stop?: string[];
  temperature?: number;
  [key: string]: unknown;
}

export type Reply =
  | { kind: "choices"; choices: Record<string, unknown>[]; usage?: Record<string, number> }
  | { kind: "status"; status: number; headers?: Record<string, string>; body?: unknown }
  | { kind: "hang" } // headers never come
  | { kind: "trickle"; everyMs: number } // a byte at a time, never whole
  | { kind: "truncate" } // valid start of a JSON reply, then a clean end
  | { kind: "close" } // the socket dies before any header
  | { kind: "cut" } // the socket dies in the middle of the body
  | { kind: "raw"; body: string };

export interface Arrival {
  body: ChatRequest;
  headers: IncomingMessage["headers"];
  index: number; // over the server's life, 0-based
  attempt: number; // how often this very body came before
}

/** One text a choice, as the plainest server would say it. */
export function texts(...contents: string[]): Reply {
  return {
    kind: "choices",
    choices: contents.map((content, index) => ({
      index,
      message: { role: "assistant", content },
      finish_reason: "stop",
    })),
  };
}

export class ScriptedServer implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  /** Whole answers given, by the last message of the request. */
  readonly answered = new Map<string, number>();
  inFlight = 0;
  maxInFlight = 0;
  models: Record<string, unknown>[] = [];
  readonly #seen = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(readonly script: (arrival: Arrival) => Reply) {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(script: (arrival: Arrival) => Reply): Promise<ScriptedServer> {
    const server = new ScriptedServer(script);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get baseURL(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    if (request.url === "/v1/models") return json(response, 200, { object: "list", data: this.models });
    if (request.url !== "/v1/chat/completions")
      return json(response, 404, { error: { message: "no such path" } });
    this.inFlight++;
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
    response.on("close", () => this.inFlight--);
    const text = await bodyOf(request);
    const attempt = this.#seen.get(text) ?? 0;
    this.#seen.set(text, attempt + 1);
    const arrival = {
      body: JSON.parse(text) as ChatRequest,
      headers: request.headers,
      index: this.arrivals.length,
      attempt,
    };
    this.arrivals.push(arrival);
    this.#send(this.script(arrival), arrival, response);
  }

  #send(reply: Reply, arrival: Arrival, response: ServerResponse): void {
    switch (reply.kind) {
      case "choices": {
        const key = arrival.body.messages.at(-1)?.content ?? "";
        this.answered.set(key, (this.answered.get(key) ?? 0) + 1);
        json(response, 200, completion(reply.choices, reply.usage));
        return;
      }
      case "status":
        json(
          response,
          reply.status,
          reply.body ?? { error: { message: `scripted ${reply.status}` } },
          reply.headers,
        );
        return;
      case "hang":
        return;
      case "trickle": {
        response.writeHead(200, { "content-type": "application/json" });
        const timer = setInterval(() => response.write(" "), reply.everyMs);
        response.on("close", () => clearInterval(timer));
        return;
      }
      case "truncate": {
        const whole = JSON.stringify(
          completion([{ index: 0, message: { content: "cut off here" }, finish_reason: "stop" }]),
        );
        response.writeHead(200, { "content-type": "application/json" });
        response.end(whole.slice(0, whole.length / 2));
        return;
      }
      case "close":
        response.socket?.destroy();
        return;
      case "cut":
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write('{"choices": [', () => response.socket?.destroy());
        return;
      case "raw":
        response.writeHead(200, { "content-type": "application/json" });
        response.end(reply.body);
    }
  }
}

function completion(
  choices: Record<string, unknown>[],
  usage = { prompt_tokens: 7, completion_tokens: 3 } as Record<string, number>,
) {
  return { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "scripted", choices, usage };
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
