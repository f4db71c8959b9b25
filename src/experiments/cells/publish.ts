/** Saves a cell's policy; one that a kill left without its result is replaced. */
import type { NativePolicy } from "../../policy/native-policy.js";
import type { CellFolder } from "../cell-folder.js";

export async function publish(policy: NativePolicy, folder: CellFolder): Promise<void> {
  await folder.remove("policy");
  await policy.save(folder.policy);
}
