/** The sections `judge` and `rewardJudge` of the config. */
import { z } from "zod";
import { endpointOptionsSchema } from "../endpoint/endpoint-options.js";
import { SwirlError } from "../errors/swirl-error.js";
import { samplingTemperature } from "../options/float32.js";
import { parseOptions } from "../options/parse-options.js";
import { byKind, secretVariables } from "./config-kinds.js";

/** An OpenAI-compatible server. */
const endpointSchema = endpointOptionsSchema.omit({ apiKey: true, headers: true }).extend(secretVariables);

const judgeKinds = {
  /** The ready-made checks of the task; see src/judge/rules. */
  rules: z.strictObject({ kind: z.literal("rules") }),
  prompted: z.strictObject({
    kind: z.literal("prompted"),
    /** A model folder, or an endpoint. */
    model: z.string().min(1).optional(),
    endpoint: endpointSchema.optional(),
    votes: z.int().min(1).default(1),
    temperature: samplingTemperature.optional(),
    maxNewTokens: z.int().min(1).default(512),
    retries: z.int().min(0).default(2),
    mode: z.enum(["text", "logprobs"]).default("text"),
    threshold: z.number().gt(0).max(1).default(0.5),
    /** Steps judged at once. */
    concurrency: z.int().min(1).default(16),
  }),
};

/** Several judges as one; the combination is not nested. */
const combinedSchema = z.strictObject({
  kind: z.literal("combined"),
  judges: z.array(z.unknown()).min(2).max(64),
  require: z.enum(["all", "any", "mean"]).default("all"),
  weights: z.array(z.number().positive()).optional(),
  threshold: z.number().gt(0).max(1).optional(),
});

export type SingleJudgeConfig = z.output<typeof judgeKinds.rules> | z.output<typeof judgeKinds.prompted>;
export type PromptedJudgeConfig = z.output<typeof judgeKinds.prompted>;
export type CombinedJudgeConfig = Omit<z.output<typeof combinedSchema>, "judges"> & {
  judges: SingleJudgeConfig[];
};
export type JudgeConfig = SingleJudgeConfig | CombinedJudgeConfig;

/** @param where The section: "config judge". @throws SwirlError CONFIG */
export function judgeOf(value: unknown, where: string): JudgeConfig {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SwirlError("CONFIG", `${where}: ${JSON.stringify(value)} is not a judge`, {
      remedy: 'write an object such as { "kind": "rules" }, or leave the key out',
      details: { field: where },
    });
  const given = value as { kind?: unknown; model?: unknown; endpoint?: unknown };
  // A model or an endpoint implies the kind, so `--judge-model DIR` is enough.
  const kind = given.kind ?? ((given.model ?? given.endpoint) ? "prompted" : "rules");
  if (kind === "combined") {
    const { judges, ...combined } = parseOptions(combinedSchema, value, where);
    return { ...combined, judges: judges.map((one, i) => singleJudgeOf(one, `${where}.judges[${i}]`)) };
  }
  return singleJudgeOf({ ...given, kind }, where);
}

function singleJudgeOf(value: unknown, where: string): SingleJudgeConfig {
  const given = (value ?? {}) as { kind?: unknown; model?: unknown; endpoint?: unknown };
  const kind = given.kind ?? ((given.model ?? given.endpoint) ? "prompted" : "rules");
  const judge = byKind(judgeKinds, { ...given, kind }, where) as SingleJudgeConfig;
  if (judge.kind === "prompted" && (judge.model === undefined) === (judge.endpoint === undefined))
    throw new SwirlError("CONFIG", `${where}: a prompted judge needs either a model or an endpoint`, {
      remedy: 'give "model": a model folder, or "endpoint": { "baseURL": …, "model": … }',
      details: { field: where },
    });
  return judge;
}

/** The judges that a config's judge consists of. */
export function judgeParts(judge: JudgeConfig): readonly SingleJudgeConfig[] {
  return judge.kind === "combined" ? judge.judges : [judge];
}
