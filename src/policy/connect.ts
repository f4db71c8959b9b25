/** `Policy.connect`: what is connected to follows from the keys of the options. */
import { ofArgumentsAsync } from "../errors/arguments.js";
import { type ConnectOptions, EndpointPolicy } from "./endpoint-policy.js";
import type { ServedOptions } from "./served/served-options.js";
import { ServedPolicy } from "./served/served-policy.js";
import type { TinkerOptions } from "./tinker-options.js";
import { TinkerPolicy } from "./tinker-policy.js";

/**
 * Connects to a trainer on other machines (`trainer`), to servers that take and return token ids (`servers`), or to one
 * OpenAI-compatible chat endpoint (`baseURL`).
 *
 * @throws SwirlError CONFIG for bad options, ENDPOINT when no server answers as it should, ABORTED.
 */
export function connect(options: TinkerOptions): Promise<TinkerPolicy>;
export function connect(options: ServedOptions): Promise<ServedPolicy>;
export function connect(options: ConnectOptions): Promise<EndpointPolicy>;
export async function connect(
  options: TinkerOptions | ServedOptions | ConnectOptions,
): Promise<TinkerPolicy | ServedPolicy | EndpointPolicy> {
  return await ofArgumentsAsync("Policy.connect", "{ trainer | servers | baseURL, … }", async () => {
    const given = typeof options === "object" && options !== null;
    if (given && "trainer" in options) return await TinkerPolicy.connect(options);
    if (given && "servers" in options) return await ServedPolicy.connect(options);
    return await EndpointPolicy.connect(options);
  });
}
