/** The verdicts of a journal, by step: whether each is good, and where its line is. */
import { z } from "zod";
import type { Verdict } from "../judge/judge.js";
import { JsonlTail, type LinePlace, readLine } from "./jsonl-tail.js";
import { markOf, type StepMark, shortKey } from "./trajectory-row.js";

/** Maximum judges of one journal that are distinguished: usually the filter's and the one for rewards. */
const MOST_JUDGES = 4;

const lineShape = z.looseObject({
  key: z.string(),
  judge: z.string(),
  verdict: z.looseObject({ status: z.string() }),
});

export class VerdictBook {
  readonly tail: JsonlTail;
  /** Ids of the judges, in the order in which they appear. */
  readonly judges: string[] = [];
  damaged = 0;
  #lines = new Map<string, { mark: StepMark; place: LinePlace }>();

  constructor(file: string) {
    this.tail = new JsonlTail(file, {
      onRecord: (value, place) => this.#add(value, place),
      onDamaged: () => this.damaged++,
      onReset: () => {
        this.#lines.clear();
        this.judges.length = 0;
        this.damaged = 0;
      },
    });
  }

  get size(): number {
    return this.#lines.size;
  }

  mark(key: string): StepMark {
    return this.#lines.get(key)?.mark ?? "-";
  }

  /** The whole verdict with its reason; undefined when the step was not judged. */
  async read(key: string): Promise<Verdict | undefined> {
    const found = this.#lines.get(key);
    if (!found) return undefined;
    const { verdict } = (await readLine(this.tail.file, found.place)) as { verdict: Verdict };
    return verdict;
  }

  #add(value: unknown, place: LinePlace): void {
    const parsed = lineShape.safeParse(value);
    if (!parsed.success) {
      this.damaged++;
      return;
    }
    const { key, judge, verdict } = parsed.data;
    if (!this.judges.includes(judge) && this.judges.length < MOST_JUDGES) this.judges.push(judge);
    this.#lines.set(shortKey(key), { mark: markOf(verdict as unknown as Verdict), place });
  }
}
