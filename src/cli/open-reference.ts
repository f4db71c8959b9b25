/** The policy that RL's KL term is measured against. One on the base that the trained policy has takes no memory of its own. */
import type { NativePolicy } from "../policy/native-policy.js";
import { loadPolicy, type Session } from "./session.js";
import { weightsBehind } from "./weights-options.js";

/** `start`: the folder that `policy` was loaded from. `named`: the config's own reference. */
export async function openReference(
  session: Session,
  policy: NativePolicy,
  start: string,
  named: string | undefined,
): Promise<NativePolicy> {
  const folder = named ?? start;
  if (policy.adapterName !== undefined) {
    const [own, other] = [
      await weightsBehind(session.config, start, false),
      await weightsBehind(session.config, folder, false),
    ];
    if (own.model === other.model) {
      const { adapter } = other;
      return adapter && "folder" in adapter
        ? await policy.adapter("reference", { adapter: adapter.folder, trainable: false })
        : policy.base;
    }
  }
  return await loadPolicy(session, folder, { trainable: false });
}
