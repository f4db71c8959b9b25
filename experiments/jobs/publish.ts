/** Saves a job's policy; one that a kill left without its result is replaced. */
import type { NativePolicy } from "swirl-rl";
import type { JobFolder } from "../job-folder.js";

export async function publish(policy: NativePolicy, folder: JobFolder): Promise<void> {
  await folder.remove("policy");
  await policy.save(folder.policy);
}
