/**
 * Keeps a change of weights apart from what uses them: any number of uses at once, or one change alone, in the order they
 * came. A change waits for the uses before it, and what comes after it waits for the change.
 */
export class WeightsLock {
  #uses: Promise<unknown>[] = [];
  #change: Promise<unknown> = Promise.resolve();

  /** `work` with the weights as they are after the changes asked for so far. */
  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    const running = this.#change.then(work);
    const settled = running.catch(() => {});
    this.#uses.push(settled);
    void settled.then(() => {
      this.#uses = this.#uses.filter((other) => other !== settled);
    });
    return await running;
  }

  /** `work` alone. */
  async change<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = Promise.all([this.#change, ...this.#uses]);
    const running = before.then(work);
    this.#change = running.catch(() => {});
    return await running;
  }
}
