/** Options of `ServedPolicy.publish`, with their defaults. Unknown keys are an error. */
import { z } from "zod";
import { signalSchema } from "../../options/schemas.js";
import type { ServedProbe } from "./served-probe.js";

/** How {@link ServedPolicy.publish} hands an adapter to the servers. */
export interface PublishOptions {
  /** A folder that this process writes and every server reads. It is made where it is missing. */
  folder: string;
  /** The same folder as the servers see it, where its path differs there. Default: `folder`. */
  serverFolder?: string | undefined;
  /** Versions are named NAME-v1, NAME-v2, …: letters, digits, _ and -. @default "swirl" */
  name?: string | undefined;
  /** Versions that stay loaded and on disk, at least 2: calls in flight end with the one they began with. @default 2 */
  keep?: number | undefined;
  /** Ends the publishing with code ABORTED. */
  signal?: AbortSignal | undefined;
}

/** A version of an adapter that the servers sample from. */
export interface PublishedAdapter {
  /** Its name on the servers, which is in the policy id of trajectories: "swirl-v3". */
  name: string;
  /** Its number. */
  version: number;
  /** Its folder, as the servers see it. */
  folder: string;
  /** The comparison of each server with the policy. */
  probes: ServedProbe[];
}

export const publishSchema = z.strictObject({
  folder: z.string().min(1),
  serverFolder: z.string().min(1).optional(),
  name: z
    .string()
    .regex(/^[\w-]{1,48}$/, "must be letters, digits, _ and -")
    .default("swirl"),
  keep: z.int().min(2).default(2),
  signal: signalSchema.optional(),
});
