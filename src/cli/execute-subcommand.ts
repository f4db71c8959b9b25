/** How a command with a config runs: resolve, plan, check (--dry-run stops here), execute, print. */
import { print } from "./output.js";
import { stopProgress } from "./progress-bar.js";
import type { Session } from "./session.js";
import type { Invocation } from "./subcommand.js";

export interface ConfigSubcommand<Result> {
  /** What would be done, one line per item. May throw CONFIG when something is missing. */
  plan: (session: Session) => string[];
  /** Finds every mistake that can be found before the work begins; see preflight.ts. */
  check: (session: Session) => Promise<void>;
  /** Calls `check` itself, once it holds the lock of the files it writes. */
  execute: (session: Session) => Promise<Result>;
  /** The result for people; --json prints it as it is. */
  format: (result: Result) => string;
  /** The exit code. Default: 0. */
  exitCode?: (result: Result) => number;
}

export async function executeSubcommand<Result>(
  invocation: Invocation,
  steps: ConfigSubcommand<Result>,
): Promise<void> {
  const { openSession } = await import("./session.js");
  const session = await openSession(invocation);
  const plan = steps.plan(session);
  if (invocation.dryRun) {
    await steps.check(session);
    stopProgress();
    const { config } = session;
    if (invocation.json) print(JSON.stringify({ config, plan }));
    else
      print(`${JSON.stringify(config, null, 2)}\n\nwould\n${plan.map((line) => `  - ${line}`).join("\n")}`);
    return;
  }
  const result = await steps.execute(session);
  print(invocation.json ? JSON.stringify(result) : steps.format(result));
  process.exitCode = steps.exitCode?.(result) ?? 0;
}
