/**
 * What one rendering may cost. Every operation charges before it works, in proportion to what it will touch or make:
 * 1 for a node or an element, 1 for every 16 characters. So no single operation is long, and the sum is bounded.
 */
export interface JinjaBounds {
  /** Characters of the template itself. */
  source: number;
  /** Charged units in one rendering: so many, and so many more for each character of the input. */
  steps: number;
  stepsPerCharacter: number;
  /** Wall time, for a case that the steps do not cover; more than a loaded machine needs for all of them. */
  milliseconds: number;
  /** Elements of any list, and of `range`. */
  elements: number;
  /** Bits of any whole number. */
  bits: number;
  /** Characters of any string beyond 16 times those of the input. */
  characters: number;
}

/**
 * Rendering blocks the event loop: 50,000 steps take about 20 ms. Templates of the large families need fewer than 300
 * for a few turns, and fewer than 5 for each character of a conversation.
 */
export const JINJA_BOUNDS: JinjaBounds = {
  source: 65_000,
  steps: 50_000,
  stepsPerCharacter: 10,
  milliseconds: 5_000,
  elements: 100_000,
  bits: 4_096,
  characters: 1_000_000,
};

export class BoundError extends Error {}

export class Budget {
  readonly #deadline: number;
  readonly #characters: number;
  readonly #steps: number;
  #spent = 0;
  #nextCheck = 0;

  /** `inputCharacters` is the size of what the template is given. */
  constructor(
    readonly bounds: JinjaBounds,
    inputCharacters: number,
  ) {
    this.#deadline = performance.now() + bounds.milliseconds;
    this.#steps = bounds.steps + bounds.stepsPerCharacter * inputCharacters;
    this.#characters = bounds.characters + 16 * inputCharacters;
  }

  spend(units: number): void {
    this.#spent += units;
    if (this.#spent > this.#steps) throw new BoundError(`more than ${this.#steps} steps`);
    if (this.#spent < this.#nextCheck) return;
    this.#nextCheck = this.#spent + 200;
    if (performance.now() > this.#deadline) throw new BoundError(`more than ${this.bounds.milliseconds} ms`);
  }

  /** Charges for reading `length` characters. */
  read(length: number): void {
    this.spend(1 + length / 16);
  }

  /** Charges for looking for a text of `wanted` characters in `length`: at worst their product is compared. */
  search(length: number, wanted: number): void {
    if (wanted <= length) this.spend(1 + length / 16 + (length * wanted) / 1_000);
  }

  /** Charges for making a string of `length` characters. */
  make(length: number): void {
    if (!(length <= this.#characters)) {
      throw new BoundError(`a string of more than ${this.#characters} characters`);
    }
    this.spend(1 + length / 16);
  }

  /** As `make`, for a concatenation, which shares its longer side. */
  append(left: number, right: number): void {
    if (left + right > this.#characters) this.make(left + right);
    this.spend(1 + Math.min(left, right) / 16);
  }

  /** Charges for a list of a text's code points. */
  characters(length: number): void {
    this.make(length);
    this.spend(length / 4);
  }

  /** Charges for making a list. */
  list(length: number): void {
    if (!(length <= this.bounds.elements)) {
      throw new BoundError(`a list of more than ${this.bounds.elements} elements`);
    }
    this.spend(1 + length);
  }

  /** Charges for a whole number of at most `bits` bits. */
  integer(bits: number): void {
    if (!(bits <= this.bounds.bits)) throw new BoundError(`a number of more than ${this.bounds.bits} bits`);
    this.spend(1 + bits / 64);
  }
}
