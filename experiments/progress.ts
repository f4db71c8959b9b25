/** A line for every job that is finished, and on a terminal one below them of what is under way. */
import type { WriteStream } from "node:tty";
import type { ScheduleProgress } from "./schedule.js";

export class Progress {
  readonly #out: Pick<WriteStream, "write" | "isTTY">;

  constructor(out: Pick<WriteStream, "write" | "isTTY">) {
    this.#out = out;
  }

  show({ done, total, finished, running, secondsLeft }: ScheduleProgress): void {
    const clear = this.#out.isTTY ? "\r\x1b[K" : "";
    const left = secondsLeft === undefined ? "" : `, ${duration(secondsLeft)} left`;
    if (finished) {
      const { seed, id, seconds } = finished;
      const count = String(done).padStart(String(total).length);
      this.#out.write(`${clear}[${count}/${total}] seed ${seed}  ${id}  ${seconds.toFixed(1)} s${left}\n`);
    }
    if (!this.#out.isTTY || done === total) return;
    const work = running.map(({ seed, id, done: at, total: of }) => {
      const share = of ? ` ${Math.floor((100 * at) / of)} %` : "";
      return `seed ${seed} ${id}${share}`;
    });
    this.#out.write(`${clear}${done}/${total}  ${work.join(" | ")}${left}`.slice(0, 200));
  }
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
