/** zod schemas for the live objects that stages take: a policy, a judge, a signal. */
import { z } from "zod";
import type { Judge } from "../judge/judge.js";
import type { Policy } from "../policy/policy.js";

function has(value: unknown, methods: readonly string[]): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    methods.every((name) => typeof (value as Record<string, unknown>)[name] === "function")
  );
}

export const policySchema = z.custom<Policy>((value) => has(value, ["begin", "act", "extend"]), {
  message: "must be a Policy (Policy.load(dir) or an endpoint policy)",
});

export const judgeSchema = z.custom<Judge>((value) => has(value, ["judge"]), {
  message: "must be a Judge (PromptedJudge, RuleJudge, or an object with id and judge())",
});

export const signalSchema = z.custom<AbortSignal>((value) => value instanceof AbortSignal, {
  message: "must be an AbortSignal",
});

export function callback<Event>() {
  return z.custom<(event: Event) => void>((value) => typeof value === "function", {
    message: "must be a function",
  });
}
