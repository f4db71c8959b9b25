/** What a command receives: the resolved config, the paths of the run directory, the abort signal, and its messages to stderr. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SwirlError } from "../errors/swirl-error.js";
import type { NativePolicy } from "../policy/native-policy.js";
import { type RunPaths, runPaths } from "../run-directory/layout.js";
import type { Config } from "./config-schema.js";
import { type ProgressLine, progressLine, say as sayAbove } from "./progress-bar.js";
import type { Invocation } from "./subcommand.js";
import type { Weights } from "./weights.js";

export interface Session {
  config: Config;
  signal: AbortSignal;
  json: boolean;
  /** Throws CONFIG unless the config says where the run directory is. */
  readonly paths: RunPaths;
  progress(name: string): ProgressLine;
  /** A line on stderr, not with --json. */
  say(text: string): void;
  /** The same, but each text is written once only. */
  sayOnce(text: string): void;
}

export async function openSession(invocation: Invocation): Promise<Session> {
  const [{ loadConfig }, { parseConfig }] = await Promise.all([
    import("./load-config.js"),
    import("./config-schema.js"),
  ]);
  const config = parseConfig(await loadConfig(invocation));
  const { signal, json } = invocation;
  const said = new Set<string>();
  const say = (text: string) => {
    if (!json) sayAbove(text);
  };
  return {
    config,
    signal,
    json,
    get paths() {
      return runPaths(required(config, "output"));
    },
    progress: (name) => progressLine(name, { quiet: json }),
    say,
    sayOnce: (text) => {
      if (!said.has(text)) say(text);
      said.add(text);
    },
  };
}

const REMEDIES = {
  model: 'give a Hugging Face model folder: --model DIR, or "model" in the config',
  output: 'give a folder for the run: --output DIR, or "output" in the config',
  task: 'give "task" in the config: { "kind": "calculator" } or { "kind": "search", "corpus": FILE }',
} as const;

export function required<Key extends keyof typeof REMEDIES>(
  config: Config,
  key: Key,
): NonNullable<Config[Key]> {
  const value = config[key];
  if (value !== undefined) return value as NonNullable<Config[Key]>;
  throw new SwirlError("CONFIG", `config: ${key} is missing`, {
    remedy: REMEDIES[key],
    details: { field: key },
  });
}

/** The model folder that holds these weights. Throws CONFIG when their stage has not run in this directory. */
export function weightsFolder(session: Session, weights: Weights): string {
  const { config } = session;
  if (weights === "base" || (weights === "start" && !config.sft)) return required(config, "model");
  const { paths } = session;
  const folder = join(weights === "start" ? paths.sftCheckpoints : paths.checkpoints, "latest");
  if (existsSync(folder)) return folder;
  const stage = weights === "start" ? "sft" : "train";
  throw new SwirlError("CONFIG", `there are no ${weights} weights: ${folder} does not exist`, {
    remedy: `run \`swirl ${stage}\` with this config first`,
    details: { file: folder },
  });
}

/** Loads a model or an adapter with the config's device, type, threads and memory. */
export async function loadPolicy(
  session: Session,
  folder: string,
  options: { trainable: boolean; profile?: boolean },
): Promise<NativePolicy> {
  const [{ NativePolicy }, { weightsOptions }] = await Promise.all([
    import("../policy/native-policy.js"),
    import("./weights-options.js"),
  ]);
  const { device, dtype, threads, memoryBudget, optimizerState, recompute } = session.config;
  const bar = session.progress("load");
  const policy = await NativePolicy.load(folder, {
    device,
    dtype,
    threads,
    memoryBudget,
    optimizerState,
    recompute,
    trainable: options.trainable,
    ...(await weightsOptions(session.config, folder, options.trainable)),
    profile: options.profile ?? false,
    signal: session.signal,
    onProgress: (done, total) => bar.update(done, total),
  });
  bar.stop();
  if (policy.note) session.sayOnce(policy.note);
  return policy;
}
