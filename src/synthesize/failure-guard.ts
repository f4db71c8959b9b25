/** Stops a stage when its policy is down, before the output file fills with failed trajectories. */
import { SwirlError } from "../errors/swirl-error.js";
import type { Trajectory } from "../trajectory/trajectory.js";

export class FailureGuard {
  readonly #limit: number;
  #inARow = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws SwirlError ENDPOINT after `limit` failures in a row. */
  see(trajectory: Trajectory): void {
    this.#inARow = trajectory.end === "failed" ? this.#inARow + 1 : 0;
    if (this.#inARow < this.#limit) return;
    throw new SwirlError(
      "ENDPOINT",
      `${this.#inARow} trajectories in a row failed; the last: ${trajectory.error}`,
      {
        remedy:
          "check that the policy is up, then rerun with the same output file: failed trajectories are rolled out again",
      },
    );
  }
}
