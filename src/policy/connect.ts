/** `Policy.connect`: what is connected to follows from the keys of the options. */
import { type ConnectOptions, EndpointPolicy } from "./endpoint-policy.js";
import type { ServedOptions } from "./served/served-options.js";
import { ServedPolicy } from "./served/served-policy.js";

/**
 * Connects to servers that take and return token ids (`servers`), or to one OpenAI-compatible chat endpoint (`baseURL`).
 *
 * @throws SwirlError CONFIG for bad options, ENDPOINT when no server answers as it should, ABORTED.
 */
export function connect(options: ServedOptions): Promise<ServedPolicy>;
export function connect(options: ConnectOptions): Promise<EndpointPolicy>;
export async function connect(
  options: ServedOptions | ConnectOptions,
): Promise<ServedPolicy | EndpointPolicy> {
  if (typeof options === "object" && options !== null && "servers" in options)
    return await ServedPolicy.connect(options);
  return await EndpointPolicy.connect(options);
}
