/** Weights on the base of a policy that is already open: they take no memory for a second copy of it. */
import type { NativePolicy } from "../policy/native-policy.js";
import type { Session } from "./session.js";
import { weightsBehind } from "./weights-options.js";

/** A policy that a command has opened, and the folder that it was loaded from. */
export interface OpenPolicy {
  policy: NativePolicy;
  folder: string;
}

export interface OnBase {
  policy: NativePolicy;
  /** Whether it is a policy of its own: an adapter, to be disposed. The base lives as long as its policy. */
  owned: boolean;
}

/**
 * `folder`, the base or another adapter on it, next to the open policy. Undefined where the open policy trains all
 * weights, or `folder` has another base. `name` names the adapter in the engine.
 */
export async function onBaseOf(
  session: Session,
  open: OpenPolicy,
  folder: string,
  name: string,
): Promise<OnBase | undefined> {
  if (open.policy.adapterName === undefined) return undefined;
  const own = await weightsBehind(session.config, open.folder, false);
  const other = await weightsBehind(session.config, folder, false);
  if (own.model !== other.model) return undefined;
  const { adapter } = other;
  if (!adapter || !("folder" in adapter)) return { policy: open.policy.base, owned: false };
  const policy = await open.policy.adapter(name, { adapter: adapter.folder, trainable: false });
  return { policy, owned: true };
}
