/** Opens what a TinkerPolicy is made of: tokenizer, session, what the probe found, and the model that is trained. */
import { join } from "node:path";
import { z } from "zod";
import { throwIfAborted } from "../async/map-concurrent.js";
import { SwirlError } from "../errors/swirl-error.js";
import { readJson } from "../files/json-file.js";
import { parseOptions } from "../options/parse-options.js";
import { redactText } from "../secrets/redact.js";
import { capabilitiesSchema } from "../tinker/messages.js";
import { TinkerSession } from "../tinker/session.js";
import { TinkerHttp } from "../tinker/tinker-http.js";
import { TrainingClient } from "../tinker/training-client.js";
import { Tokenizer } from "../tokenizer/tokenizer.js";
import { modelFolder } from "./model-folder.js";
import { type ResolvedTinkerOptions, type TinkerOptions, tinkerOptionsSchema } from "./tinker-options.js";
import { probeTrainer, type TrainerFacts } from "./tinker-probe.js";

/** What a TinkerPolicy is made of. */
export interface OpenedTrainer {
  client: TrainingClient;
  tokenizer: Tokenizer;
  facts: TrainerFacts;
  contextLength: number;
  baseModel: string;
  rank: number;
  /** Names base, adapter and start. */
  name: string;
  /** Whether it is a new adapter. */
  isNew: boolean;
  concurrency: number;
  largestBeta2: number;
  maxMismatch: number;
}

/** What was found out in this process, by server, base model and rank. */
const found = new Map<string, TrainerFacts>();

/** The next policy measures its server again. */
export function forgetTrainer(): void {
  found.clear();
}

export async function openTrainer(input: TinkerOptions): Promise<OpenedTrainer> {
  const options = parseOptions(tinkerOptionsSchema, input, "Policy.connect");
  const { baseModel, lora, signal } = options;
  const folder = await modelFolder(options.tokenizer);
  const { chatTemplate, templateVariables } = options;
  const tokenizer = await Tokenizer.load(folder, {
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    ...(templateVariables === undefined ? {} : { templateVariables }),
  });
  const http = new TinkerHttp(options);
  const session = await TinkerSession.open(http, signal);
  try {
    const contextLength =
      options.contextLength ??
      (await servedContext(http, baseModel, signal)) ??
      (await configContext(folder));
    const facts = await factsOf(session, tokenizer, options);
    const client = await TrainingClient.create(session, { ...modelOf(options), sequence: 1 }, signal);
    client.repeatable = facts.recognizesRepeats;
    if (options.from !== undefined) await client.load(options.from, false);
    throwIfAborted(signal);
    const adapter = `lora-r${lora.rank}${lora.seed === undefined ? "" : `-s${lora.seed}`}`;
    // Without the address: a resumed run may find the same weights on another machine.
    const start = options.from === undefined ? "" : `@${options.from}`;
    const name = redactText(`tinker#${baseModel}+${adapter}${start}`);
    return {
      ...{ client, tokenizer, facts, contextLength, baseModel, name },
      rank: lora.rank,
      isNew: options.from === undefined,
      concurrency: options.concurrency,
      largestBeta2: options.largestBeta2,
      maxMismatch: options.maxMismatch,
    };
  } catch (error) {
    session.close();
    throw error;
  }
}

function modelOf({ baseModel, lora }: ResolvedTinkerOptions) {
  return {
    baseModel,
    lora: {
      rank: lora.rank,
      ...(lora.seed === undefined ? {} : { seed: lora.seed }),
      train_attn: lora.trainAttention,
      train_mlp: lora.trainMlp,
      train_unembed: lora.trainUnembed,
    },
  };
}

/** Measured once per process, on a model of its own that is freed before the one that is trained is made. */
async function factsOf(
  session: TinkerSession,
  tokenizer: Tokenizer,
  options: ResolvedTinkerOptions,
): Promise<TrainerFacts> {
  const { baseURL, baseModel, lora, reduction, clipsGradients, signal } = options;
  const key = JSON.stringify([baseURL, baseModel, lora.rank, tokenizer.file, reduction, clipsGradients]);
  const known = found.get(key);
  if (known) return known;
  const scratch = await TrainingClient.create(session, { ...modelOf(options), sequence: 0 }, signal);
  try {
    const facts = await probeTrainer(scratch, tokenizer, { reduction, clipsGradients }, signal);
    found.set(key, facts);
    return facts;
  } finally {
    await scratch.unload();
  }
}

async function servedContext(
  http: TinkerHttp,
  baseModel: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  try {
    const { supported_models: models } = await http.call(
      "get_server_capabilities",
      undefined,
      capabilitiesSchema,
      { signal },
    );
    return models.find(({ model_name: name }) => name === baseModel)?.max_context_length ?? undefined;
  } catch (error) {
    throwIfAborted(signal);
    const status = SwirlError.isInstance(error) ? error.details.status : undefined;
    if (status === 404 || status === 405) return undefined; // a server without the call
    throw error;
  }
}

async function configContext(folder: string): Promise<number> {
  const file = join(folder, "config.json");
  const schema = z.looseObject({ max_position_embeddings: z.int().min(2).optional() });
  const config = await readJson(file, schema, "give contextLength");
  if (config?.max_position_embeddings !== undefined) return config.max_position_embeddings;
  throw new SwirlError("CONFIG", "Policy.connect: the context length is not known", {
    remedy: `give contextLength: neither the server nor ${file} names it`,
    details: { field: "contextLength" },
  });
}
