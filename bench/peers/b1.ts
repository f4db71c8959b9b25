/** The B1 peer as a child process that answers one request at a time. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

export class B1 {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #errors = "";

  constructor(python: string) {
    this.#process = spawn(python, [join(import.meta.dirname, "b1.py")], { stdio: "pipe" });
    this.#process.stderr.on("data", (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#process.stdin.on("error", () => undefined); // the reply's end says more
    this.#reader = createInterface({ input: this.#process.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ask<Reply>(op: string, request: object = {}): Promise<Reply> {
    this.#process.stdin.write(`${JSON.stringify({ op, ...request })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`b1.py ended during ${op}:\n${this.#errors}`);
    return JSON.parse(value) as Reply;
  }

  async close(): Promise<void> {
    this.#process.stdin.end();
    await new Promise((resolve) =>
      this.#process.exitCode === null ? this.#process.once("exit", resolve) : resolve(0),
    );
    this.#reader.close();
  }
}
