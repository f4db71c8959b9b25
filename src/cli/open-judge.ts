/** The judge a config describes, remembering its verdicts in the run directory. Disposing it frees its model. */
import { combinedJudge } from "../judge/combined-judge.js";
import { type JournaledJudge, journaledJudge } from "../judge/journaled-judge.js";
import type { Judge } from "../judge/judge.js";
import { PromptedJudge } from "../judge/prompted-judge.js";
import { ruleJudges } from "../judge/rules/rule-judges.js";
import { EndpointPolicy } from "../policy/endpoint-policy.js";
import type { Policy } from "../policy/policy.js";
import { type CombinedJudgeConfig, judgeParts, type PromptedJudgeConfig } from "./config-judge.js";
import { defined } from "./defined.js";
import { type OpenPolicy, onBaseOf } from "./on-base-of.js";
import { endpointSecrets } from "./secret.js";
import { loadPolicy, required, type Session } from "./session.js";

export interface OpenJudge extends AsyncDisposable {
  judge: JournaledJudge;
  /** Judgments in flight. */
  concurrency: number;
}

/** Rules are instant; a model is asked this many at a time. */
const RULES_CONCURRENCY = 16;

/** @param beside A policy in memory, whose base a judge's model may share. */
export async function openJudge(
  session: Session,
  which: "judge" | "rewardJudge",
  beside?: OpenPolicy,
): Promise<OpenJudge> {
  const config = session.config[which];
  const task = required(session.config, "task");
  const parts = judgeParts(config);
  const policies = new Map<string, JudgePolicy>(); // a model that judges twice is loaded once
  const dispose = async () => {
    for (const { policy, owned } of policies.values()) if (owned) await policy.dispose();
  };
  try {
    const judges: Judge[] = [];
    for (const part of parts) {
      if (part.kind === "rules") {
        judges.push(ruleJudges[task.kind]());
        continue;
      }
      const source = JSON.stringify(part.model ?? part.endpoint);
      const name = policies.size === 0 ? "judge" : `judge ${policies.size + 1}`;
      const found = policies.get(source) ?? (await judgePolicy(session, part, which, name, beside));
      policies.set(source, found);
      judges.push(prompted(part, found.policy, task.kind, session.config.seed));
    }
    const concurrency = Math.min(
      ...parts.map((part) => (part.kind === "prompted" ? part.concurrency : RULES_CONCURRENCY)),
    );
    const inner = config.kind === "combined" ? combined(config, judges) : judges[0]!;
    const judge = await journaledJudge(inner, session.paths.verdicts, { concurrency });
    return {
      judge,
      concurrency,
      async [Symbol.asyncDispose]() {
        await judge.close();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface JudgePolicy {
  policy: Policy;
  /** Whether it is disposed with the judge. */
  owned: boolean;
}

/** `name`: of the judge among the adapters of a shared base. */
async function judgePolicy(
  session: Session,
  config: PromptedJudgeConfig,
  which: string,
  name: string,
  beside: OpenPolicy | undefined,
): Promise<JudgePolicy> {
  if (config.model === undefined) return { policy: await connectJudge(session, config, which), owned: true };
  const shared = beside && (await onBaseOf(session, beside, config.model, name));
  return shared ?? { policy: await loadPolicy(session, config.model, { trainable: false }), owned: true };
}

/** Asks the judge's server for a token, unless its `probe` is false. */
export async function connectJudge(
  session: Session,
  config: PromptedJudgeConfig,
  which: string,
): Promise<EndpointPolicy> {
  const { apiKeyVariable, headerVariables, ...endpoint } = config.endpoint!;
  const bar = session.progress("connect");
  bar.update(0, 1, endpoint.model);
  const policy = await EndpointPolicy.connect({
    ...defined(endpoint),
    ...endpointSecrets({ apiKeyVariable, headerVariables }, `${which}.endpoint`),
    onNote: (note) => session.sayOnce(note),
    signal: session.signal,
  });
  bar.update(1, 1, endpoint.model);
  bar.stop();
  return policy;
}

/** @throws SwirlError CONFIG for weights or a threshold that have no effect. */
export function combined({ require, weights, threshold }: CombinedJudgeConfig, judges: Judge[]): Judge {
  return combinedJudge({ judges, require, ...defined({ weights, threshold }) });
}

function prompted(
  config: PromptedJudgeConfig,
  policy: Policy,
  task: "calculator" | "search",
  seed: number,
): Judge {
  const { votes, temperature, maxNewTokens, retries, mode, threshold } = config;
  return new PromptedJudge({
    policy,
    votes,
    ...(temperature === undefined ? {} : { temperature }),
    maxNewTokens,
    retries,
    mode,
    threshold,
    criterion: task === "calculator" ? "math" : "step",
    seed,
  });
}
