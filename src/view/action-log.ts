/** actions.jsonl: the updates with recorded fresh actions, and the places of their lines. */
import { JsonlTail, type LinePlace, readLine } from "./jsonl-tail.js";

export class ActionLog {
  readonly tail: JsonlTail;
  /** Updates in the file, in order. */
  readonly steps: number[] = [];
  damaged = 0;
  #places: LinePlace[] = [];

  constructor(file: string) {
    this.tail = new JsonlTail(file, {
      onRecord: (value, place) => {
        const step = (value as { step?: unknown } | null)?.step;
        if (typeof step !== "number") {
          this.damaged++;
          return;
        }
        this.steps.push(step);
        this.#places.push(place);
      },
      onDamaged: () => this.damaged++,
      onReset: () => {
        this.steps.length = 0;
        this.#places = [];
        this.damaged = 0;
      },
    });
  }

  /** The record of an update; undefined when it has none. */
  async read(step: number): Promise<unknown> {
    const place = this.#places[this.steps.indexOf(step)];
    return place && (await readLine(this.tail.file, place));
  }
}
