/** Runs the caller's validation and checks its result: only finite numbers reach the metrics. */
import { inspect } from "node:util";
import { SwirlError } from "../errors/swirl-error.js";
import { callbackError } from "../options/schemas.js";
import type { NativePolicy } from "../policy/native-policy.js";
import type { TrainerPolicy } from "../policy/trainer-policy.js";

/** Measures the policy after an update; returns named finite numbers. */
export type Validate<Trained extends TrainerPolicy = NativePolicy> = (
  policy: Trained,
  step: number,
) => Promise<Record<string, number>>;

/** Entries `validation/name`. Throws code "CONFIG" if `run` throws, rejects or returns anything but finite numbers. */
export async function validation(
  run: Validate<TrainerPolicy>,
  policy: TrainerPolicy,
  step: number,
): Promise<Record<`validation/${string}`, number>> {
  let given: unknown;
  try {
    given = await run(policy, step);
  } catch (cause) {
    throw callbackError("validate.run", cause);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw noNumbers(step, given);
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== "number" || !Number.isFinite(value)) throw noNumbers(step, { [name]: value });
  }
  return Object.fromEntries(
    Object.entries(given as Record<string, number>).map(([name, value]) => [`validation/${name}`, value]),
  );
}

function noNumbers(step: number, given: unknown): SwirlError {
  return new SwirlError(
    "CONFIG",
    `train: validate.run returned ${inspect(given).slice(0, 120)} at step ${step}`,
    {
      remedy:
        "return finite numbers by name, such as { accuracy: 0.5 }; leave out what could not be measured",
      details: { field: "validate.run", step },
    },
  );
}
