/**
 * What a checkpoint holds of a policy on a trainer: not the weights, which stay on the server, but where they are. The
 * server keeps them as long as it keeps its checkpoints; deleting a local checkpoint deletes nothing there.
 */
import { z } from "zod";
import { SwirlError } from "../errors/swirl-error.js";
import { readJson, writeJson } from "../files/json-file.js";

const VERSION = 1;

const stateSchema = z.strictObject({
  version: z.literal(VERSION),
  trainer: z.literal("tinker"),
  /** Weights and optimizer state ("training"), or weights to sample from ("sampler"). */
  kind: z.enum(["training", "sampler"]),
  /** Of the server, as it was reached. */
  host: z.string(),
  baseModel: z.string(),
  rank: z.int().min(1),
  /** Optimizer steps since the adapter was new. */
  step: z.int().min(0),
  /** As the server named it: "tinker://MODEL/weights/NAME". */
  path: z.string().min(1),
});

export type TinkerState = Omit<z.infer<typeof stateSchema>, "version" | "trainer">;

/** Throws CHECKPOINT where the file cannot be written. */
export async function writeTinkerState(file: string, state: TinkerState): Promise<void> {
  try {
    await writeJson(file, { version: VERSION, trainer: "tinker", ...state });
  } catch (cause) {
    if (SwirlError.isInstance(cause)) throw cause;
    throw new SwirlError("CHECKPOINT", `${file}: cannot be written (${(cause as Error).message})`, {
      remedy: "free some space, or choose a folder that exists and can be written",
      details: { file },
      cause,
    });
  }
}

/** Throws CHECKPOINT for a file that is missing or of another base model or rank, RECORD for a damaged one. */
export async function readTinkerState(
  file: string,
  { baseModel, rank }: Pick<TinkerState, "baseModel" | "rank">,
): Promise<TinkerState> {
  const state = await readJson(file, stateSchema, "resume from the checkpoint before it");
  if (!state)
    throw new SwirlError("CHECKPOINT", `${file} is not there`, {
      remedy: "the checkpoint was made by another kind of policy: resume with that one",
      details: { file },
    });
  if (state.kind === "training" && state.baseModel === baseModel && state.rank === rank) return state;
  throw new SwirlError(
    "CHECKPOINT",
    `${file} holds ${state.kind} weights of rank ${state.rank} on ${state.baseModel}; the policy has rank ${rank} on ${baseModel}`,
    { remedy: "connect with the base model and the rank it was made with", details: { file } },
  );
}
