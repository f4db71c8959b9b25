/** The policy that RL's KL term is measured against. One on the base that the trained policy has takes no memory of its own. */
import type { NativePolicy } from "../policy/native-policy.js";
import { type OpenPolicy, onBaseOf } from "./on-base-of.js";
import { loadPolicy, type Session } from "./session.js";

/** `named`: the config's own reference. Default: what the trained policy starts from. */
export async function openReference(
  session: Session,
  trained: OpenPolicy,
  named: string | undefined,
): Promise<NativePolicy> {
  const folder = named ?? trained.folder;
  const shared = await onBaseOf(session, trained, folder, "reference");
  return shared?.policy ?? (await loadPolicy(session, folder, { trainable: false }));
}
