/** A peer as a child process that answers one request at a time, in JSON lines; loading is not timed. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

export class PeerProcess {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #name: string;
  #errors = "";

  constructor(name: string, command: string, args: string[], environment: Record<string, string> = {}) {
    this.#name = name;
    this.#process = spawn(command, args, { stdio: "pipe", env: { ...process.env, ...environment } });
    this.#process.stderr.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#process.stdin.on("error", () => undefined); // the reply's end says more
    this.#reader = createInterface({ input: this.#process.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async ask<Reply>(op: string, request: object = {}): Promise<Reply> {
    this.#process.stdin.write(`${JSON.stringify({ op, ...request })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#name} ended during ${op}:\n${this.#errors}`);
    return JSON.parse(value) as Reply;
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await new Promise((resolve) =>
      this.#process.exitCode === null && this.#process.signalCode === null
        ? this.#process.once("exit", resolve)
        : resolve(0),
    );
    this.#reader.close();
  }
}
