/** How a command with a config runs: resolve, plan, check (--dry-run stops here), do, print. */
import { print } from "./output.js";
import { stopProgress } from "./progress-bar.js";
import type { Session } from "./session.js";
import type { Invocation } from "./verb.js";

export interface ConfigVerb<Result> {
  /** What would be done, a line each. May throw CONFIG for what is missing. */
  plan: (session: Session) => string[];
  /** Everything that can be known to be wrong before the work begins; see preflight.ts. */
  check: (session: Session) => Promise<void>;
  /** Calls `check` itself, once it holds the lock of what it writes to. */
  execute: (session: Session) => Promise<Result>;
  /** The result for people; --json prints it as it is. */
  format: (result: Result) => string;
  /** Where it is not 0. */
  exitCode?: (result: Result) => number;
}

export async function executeVerb<Result>(invocation: Invocation, steps: ConfigVerb<Result>): Promise<void> {
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
