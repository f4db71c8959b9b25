/**
 * What all subcommands share: --config, --set, the common flags, --dry-run, --json, and the exit codes.
 *
 *   exit 0    done
 *   exit 1    failed: message and remedy on stderr, no stack unless SWIRL_DEBUG is set
 *   exit 2    usage: an unknown flag, a missing argument
 *   exit 130  Ctrl-C; 143 SIGTERM; 129 SIGHUP: the first one stops at the next safe point, the second ends at once
 *   exit 141  stdout was closed before everything was written
 *
 * The files of subcommands import heavy modules only when they run, so that `swirl --help` is instant.
 */
import { Command, type CommanderError, Option } from "commander";
import { onOutputProblem, outputProblem } from "./output.js";
import { say, stopProgress } from "./progress-bar.js";
import { reportError, type StoppedBy } from "./report-error.js";

/** A flag that sets one key of the config. */
export interface Flag {
  /** As commander writes it: "--samples <n>". */
  flags: string;
  /** Dotted key of the config: "synthesize.samples". */
  path: string;
  help: string;
  /** Paths given as flags are relative to where the command is run. */
  kind?: "text" | "json" | "path" | "lora";
}

/** For subcommands whose engine work takes long. */
export const PROFILE_FLAG: Flag = {
  flags: "--profile",
  path: "profile",
  kind: "json",
  help: "print where the engine's time went, and save it as profile.json",
};

export const TRACKERS_FLAG: Flag = {
  flags: "--trackers <names>",
  path: "trackers",
  help: "show the metrics in tensorboard, wandb, mlflow, trackio, jsonl as well; names with commas",
};

/** For the subcommands that train. */
export const LORA_FLAG: Flag = {
  flags: "--lora [settings]",
  path: "lora",
  kind: "lora",
  help: "train an adapter instead of all weights: rank=8,alpha=16,target=all-linear (or q_proj+v_proj); docs/lora.md",
};

export interface Invocation {
  /** The config file, if one was given. */
  config: string | undefined;
  /** Values by dotted key, from flags and --set. Later ones override earlier ones. */
  overrides: { path: string; value: unknown }[];
  dryRun: boolean;
  json: boolean;
  /** Positional arguments. */
  args: string[];
  /** Flags of this subcommand that are not part of the config. */
  own: Record<string, unknown>;
  signal: AbortSignal;
}

export interface SubcommandDefinition {
  name: string;
  summary: string;
  /** More help, after the flags. */
  details?: string;
  flags?: readonly Flag[];
  /** Leaves out --config, --set and the common flags. */
  withoutConfig?: boolean;
  /** Adds flags and arguments that are not config keys. */
  customize?: (command: Command) => void;
  /** How an interrupted run is resumed. */
  resume?: string;
  /** A signal is the ordinary way to end it: nothing is said, and the exit code is 0. */
  endsBySignal?: boolean;
  run: (invocation: Invocation) => Promise<void>;
}

const COMMON: readonly Flag[] = [
  {
    flags: "--model <dir>",
    path: "model",
    kind: "path",
    help: "Hugging Face model folder, or a PEFT adapter's",
  },
  {
    flags: "--base <dir>",
    path: "base",
    kind: "path",
    help: "base of an adapter folder, where its config names no folder here",
  },
  { flags: "--output <dir>", path: "output", kind: "path", help: "run directory" },
  { flags: "--device <name>", path: "device", help: 'auto, cpu, cuda or cuda:N (default: "auto")' },
  { flags: "--dtype <type>", path: "dtype", help: 'float32 or bfloat16 (default: "float32")' },
  { flags: "--threads <n>", path: "threads", kind: "json", help: "CPU threads, 0 = every core (default: 0)" },
  { flags: "--seed <n>", path: "seed", kind: "json", help: "seed of all sampling (default: 0)" },
];

export function subcommand(definition: SubcommandDefinition): Command {
  const command = new Command(definition.name)
    .description(definition.summary)
    .showHelpAfterError(`(swirl ${definition.name} --help)`);
  const flags = [...(definition.flags ?? []), ...(definition.withoutConfig ? [] : COMMON)];
  definition.customize?.(command);
  if (!definition.withoutConfig) {
    command.option("-c, --config <file>", "config file, JSON; see docs/configuration.md");
    command.addOption(
      new Option(
        "--set <path=value>",
        "sets any key of the config, such as train.lr=1e-5; the value is JSON or text",
      )
        .argParser((value, previous: string[]) => [...previous, value])
        .default([], "nothing"),
    );
    command.option(
      "--dry-run",
      "check everything, print the resolved config and what would be done, and stop",
    );
  }
  command.option("--json", "print one JSON object instead of text");
  for (const flag of flags) command.addOption(new Option(flag.flags, flag.help));
  if (definition.details) command.addHelpText("after", `\n${definition.details}`);
  command.action(async () => {
    const options = command.opts() as Record<string, unknown>;
    const overrides = overridesOf(command, flags, options);
    const stop = interruptible(definition);
    try {
      await definition.run({
        config: options.config as string | undefined,
        overrides,
        dryRun: options.dryRun === true,
        json: options.json === true,
        args: command.args,
        own: options,
        signal: stop.signal,
      });
      stopProgress();
    } catch (error) {
      stopProgress();
      process.exitCode = reportError(error, { stoppedBy: stop.stoppedBy(), resume: definition.resume });
    } finally {
      stop.release();
    }
  });
  return command;
}

function overridesOf(command: Command, flags: readonly Flag[], options: Record<string, unknown>) {
  const overrides: Invocation["overrides"] = [];
  for (const flag of flags) {
    const value = options[new Option(flag.flags).attributeName()];
    if (value === undefined) continue;
    overrides.push({ path: flag.path, value: flagValue(command, flag, value) });
  }
  for (const text of (options.set as string[] | undefined) ?? []) {
    const at = text.indexOf("=");
    if (at <= 0) throw usage(command, `--set ${text}: write path=value, such as train.lr=1e-5`);
    overrides.push({ path: text.slice(0, at), value: jsonOrText(text.slice(at + 1)) });
  }
  return overrides;
}

function flagValue(command: Command, flag: Flag, value: unknown): unknown {
  if (flag.kind === "lora") return value === true ? {} : loraSettings(command, String(value));
  const text = String(value);
  if (flag.kind !== "json") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw usage(command, `${flag.flags}: ${JSON.stringify(text)} is not a number, true or false`);
  }
}

/** "rank=8,target=q_proj+v_proj" as the config's `lora`. */
function loraSettings(command: Command, text: string): Record<string, unknown> {
  const names: Record<string, string> = { target: "targetModules", r: "rank" };
  const settings: Record<string, unknown> = {};
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    if (at <= 0) throw usage(command, `--lora ${text}: write key=value, such as rank=8,alpha=16`);
    const key = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    const name = names[key] ?? key;
    const several = name === "targetModules" && value.toLowerCase() !== "all-linear";
    settings[name] = several ? value.split("+") : jsonOrText(value);
  }
  return settings;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function usage(command: Command, message: string): CommanderError {
  command.error(`error: ${message}`, { exitCode: 2, code: "swirl.usage" });
}

/** Signals that stop a command, with the exit code that a shell reports for them: 128 + the signal's number. */
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
/** 128 + SIGPIPE: what a shell reports for a program that wrote into a closed pipe. */
const CLOSED_PIPE = 141;

interface Interruptible {
  signal: AbortSignal;
  /** Why the command stops, with the exit code; undefined while nothing has stopped it. */
  stoppedBy: () => StoppedBy | undefined;
  release: () => void;
}

/** The first signal aborts; the second ends the process. A closed stdout aborts too. */
function interruptible({ resume, endsBySignal }: SubcommandDefinition): Interruptible {
  const controller = new AbortController();
  let stoppedBy: StoppedBy | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    const code = SIGNALS[name as keyof typeof SIGNALS];
    if (controller.signal.aborted) {
      stopProgress();
      process.exit(code);
    }
    stoppedBy = { code, quiet: false };
    if (!endsBySignal)
      say(`stopping at the next safe point${resume ? "; what is done is kept" : ""} (again: stop at once)`);
    controller.abort();
  };
  const names = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];
  for (const name of names) process.on(name, onSignal);
  const releaseOutput = onOutputProblem(() => {
    stoppedBy ??= { code: outputProblem()!.code === "EPIPE" ? CLOSED_PIPE : 1, quiet: true };
    controller.abort();
  });
  return {
    signal: controller.signal,
    stoppedBy: () => stoppedBy,
    release: () => {
      for (const name of names) process.off(name, onSignal);
      releaseOutput();
    },
  };
}
