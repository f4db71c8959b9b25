/**
 * A real HTTP server that answers as a script says, faults included, on whatever paths the script knows. It can stop and
 * come back on its port, as a process that is killed and started again does.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface ServingRequest {
  method: string;
  path: string;
  body: Record<string, unknown>;
  headers: IncomingMessage["headers"];
}

export type ServingReply =
  | { json: unknown; status?: number; headers?: Record<string, string>; afterMs?: number }
  | { raw: string }
  | { hang: true } // nothing ever comes
  | { close: true } // the socket dies before any header
  | { cut: true }; // the socket dies in the middle of the body

export type ServingScript = (
  request: ServingRequest,
) => ServingReply | undefined | Promise<ServingReply | undefined>;

export class ServingServer implements AsyncDisposable {
  readonly arrivals: ServingRequest[] = [];
  inFlight = 0;
  maxInFlight = 0;
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(public script: ServingScript) {}

  static async start(script: ServingScript): Promise<ServingServer> {
    const server = new ServingServer(script);
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As kill -9 does: every connection breaks, new ones are refused. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client went away
    }
    const text = Buffer.concat(chunks).toString("utf8");
    const arrival: ServingRequest = {
      method: request.method ?? "GET",
      path: request.url ?? "/",
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
      headers: request.headers,
    };
    this.arrivals.push(arrival);
    if (arrival.method === "POST") {
      this.inFlight++;
      this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
      response.on("close", () => this.inFlight--);
    }
    let reply: ServingReply | undefined;
    try {
      reply = await this.script(arrival);
    } catch (error) {
      reply = { json: { error: { message: String(error) } }, status: 500 };
    }
    reply ??= { json: { error: { message: "no such path" } }, status: 404 };
    if ("hang" in reply) return;
    if ("close" in reply) return void response.socket?.destroy();
    if ("cut" in reply) {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      return void response.write('{"choices": [', () => response.socket?.destroy());
    }
    if ("raw" in reply) {
      response.writeHead(200, { "content-type": "application/json" });
      return void response.end(reply.raw);
    }
    if (reply.afterMs !== undefined) await new Promise((resolve) => setTimeout(resolve, reply.afterMs));
    response.writeHead(reply.status ?? 200, { "content-type": "application/json", ...reply.headers });
    response.end(JSON.stringify(reply.json));
  }
}
