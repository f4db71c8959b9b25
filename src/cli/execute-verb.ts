/** How a verb with a config runs: resolve, plan (--dry-run stops here), do, print. */
import { print } from "./output.js";
import type { Session } from "./session.js";
import type { Invocation } from "./verb.js";

export interface ConfigVerb<Result> {
  /** What would be done, a line each. May throw CONFIG for what is missing. */
  plan: (session: Session) => string[];
  execute: (session: Session) => Promise<Result>;
  /** The result for people; --json prints it as it is. */
  format: (result: Result) => string;
}

export async function executeVerb<Result>(invocation: Invocation, steps: ConfigVerb<Result>): Promise<void> {
  const { openSession } = await import("./session.js");
  const session = await openSession(invocation);
  const plan = steps.plan(session);
  if (invocation.dryRun) {
    const { config } = session;
    if (invocation.json) print(JSON.stringify({ config, plan }));
    else
      print(`${JSON.stringify(config, null, 2)}\n\nwould\n${plan.map((line) => `  - ${line}`).join("\n")}`);
    return;
  }
  const result = await steps.execute(session);
  print(invocation.json ? JSON.stringify(result) : steps.format(result));
}
