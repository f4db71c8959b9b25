/** `swirl logprobs`: {"tokens": […], "actionStart": n} a line in, {"logprobs": […]} a line out, in the same order. */
import { constants, createReadStream } from "node:fs";
import { access } from "node:fs/promises";
import { createInterface } from "node:readline";
import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import type { Sequence } from "../policy/sequences.js";
import { print } from "./output.js";
import { reportProfile } from "./report-profile.js";
import { loadPolicy, openSession, required } from "./session.js";
import { PROFILE_FLAG, subcommand } from "./subcommand.js";

/** Lines scored together: their common prefixes are computed once. */
const BATCH = 64;

export const logprobsCommand = () =>
  subcommand({
    name: "logprobs",
    summary: "score actions: the log-probs of the tokens from actionStart on, one line per action",
    flags: [PROFILE_FLAG],
    customize: (command) =>
      command.requiredOption("--in <file>", 'JSONL of {"tokens": [ids], "actionStart": n}; - reads stdin'),
    details: 'Prints {"logprobs":[…]} for every input line, in nats, with or without --json.',
    run: async (invocation) => {
      const session = await openSession(invocation);
      const model = required(session.config, "model");
      const file = String(invocation.own.in);
      await requireInput(file);
      const { preflight } = await import("./preflight.js");
      await preflight(session, ["logprobs"], model);
      if (invocation.dryRun) return print(`would score the lines of ${file} with ${model}`);
      const { profile } = session.config;
      await using policy = await loadPolicy(session, model, { trainable: false, profile });
      const bar = session.progress("logprobs");
      let scored = 0;
      for await (const { lines, sequences } of batches(file, session.signal)) {
        for (const logprobs of await policy
          .logprobs(sequences, { signal: session.signal })
          .catch(withLine(file, lines)))
          print(JSON.stringify({ logprobs: Array.from(logprobs) }));
        scored += sequences.length;
        bar.update(scored, undefined);
      }
      bar.stop();
      await reportProfile(session, "logprobs", policy);
    },
  });

/** Checked first, since loading a model for a missing file would waste time. */
async function requireInput(file: string): Promise<void> {
  if (file === "-") return;
  await access(file, constants.R_OK).catch((cause: Error) => {
    throw cannotRead(file, cause);
  });
}

function cannotRead(file: string, cause: Error): SwirlError {
  return new SwirlError("INPUT", `${file}: cannot be read (${cause.message})`, {
    remedy: "check --in",
    details: { file },
    cause,
  });
}

async function* batches(
  file: string,
  signal: AbortSignal,
): AsyncGenerator<{ lines: number[]; sequences: Sequence[] }> {
  const input = file === "-" ? process.stdin : createReadStream(file);
  let line = 0;
  let lines: number[] = [];
  let sequences: Sequence[] = [];
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
      line++;
      if (text.trim() === "") continue;
      sequences.push(parseLine(text, file, line));
      lines.push(line);
      if (sequences.length < BATCH) continue;
      yield { lines, sequences };
      lines = [];
      sequences = [];
    }
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    throw cannotRead(file, cause as Error);
  }
  throwIfAborted(signal); // an abort ends the input as well
  if (sequences.length > 0) yield { lines, sequences };
}

function parseLine(text: string, file: string, line: number): Sequence {
  const fail = (what: string): never => {
    throw new SwirlError("RECORD", `${file}:${line}: ${what}`, {
      remedy: 'a line is {"tokens": [ids], "actionStart": n}',
      details: { file, line },
    });
  };
  let value: { tokens?: unknown; actionStart?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail(`not JSON (${(error as Error).message})`);
  }
  const { tokens, actionStart, ...rest } = value ?? {};
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) return fail(`unknown key ${JSON.stringify(unknown)}`);
  if (!Array.isArray(tokens) || !tokens.every((token) => Number.isInteger(token)))
    return fail("tokens is not an array of token ids");
  if (
    !Number.isInteger(actionStart) ||
    (actionStart as number) < 1 ||
    (actionStart as number) >= tokens.length
  )
    return fail(
      `actionStart is ${JSON.stringify(actionStart)}; with ${tokens.length} tokens it is 1 … ${tokens.length - 1}`,
    );
  return { tokens: tokens as number[], actionStart: actionStart as number };
}

/** The engine's errors name a sequence's place in the call; the message needs the line. */
function withLine(file: string, lines: readonly number[]) {
  return (error: unknown): never => {
    if (!SwirlError.isInstance(error)) throw error;
    const at = /sequences\[(\d+)\]/.exec(error.message);
    if (!at) throw error;
    const line = lines[Number(at[1])]!;
    throw new SwirlError(error.code, `${file}:${line}: ${error.message}`, {
      details: { ...error.details, file, line },
      cause: error,
    });
  };
}
