/**
 * Which items each update trains on: a shuffle per epoch, split into batches. Pure in (groups, options), so the only
 * cursor a run has is the number of its last trained step.
 *
 * Items come in groups (the states of one trajectory, or of one question) that a batch never splits, so that their
 * common prefix is computed once. Every item is in exactly one batch of an epoch. A batch closes when the next group
 * would take it past `batchSize`; a group larger than that is a batch of its own.
 */
import { permutation, STREAM } from "../random/counter-random.js";

export interface Batch {
  /** Updates before this one, over all epochs. */
  step: number;
  epoch: number;
  /** Epochs trained once this batch is done, a fraction within one. */
  epochAfter: number;
  /** Indices of items; the members of a group are adjacent, in their own order. */
  items: number[];
}

export interface BatchOptions {
  batchSize: number;
  seed: number;
  stream?: number;
}

/** Collects the indices of items under their key, keys in order of first appearance. */
export function groupBy<Item>(
  items: readonly Item[],
  key: (item: Item, index: number) => string,
): number[][] {
  const groups = new Map<string, number[]>();
  for (const [index, item] of items.entries()) {
    const name = key(item, index);
    const group = groups.get(name);
    if (group) group.push(index);
    else groups.set(name, [index]);
  }
  return [...groups.values()];
}

/** The batches of one epoch. */
export function planEpoch(
  groups: readonly (readonly number[])[],
  epoch: number,
  options: BatchOptions,
): number[][] {
  const order = permutation(groups.length, options.seed, options.stream ?? STREAM.shuffle, epoch);
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const index of order) {
    const group = groups[index]!;
    if (batch.length > 0 && batch.length + group.length > options.batchSize) {
      batches.push(batch);
      batch = [];
    }
    batch.push(...group);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** Updates in so many epochs; the last may be a fraction, which is rounded up to whole updates. */
export function stepsInEpochs(
  groups: readonly (readonly number[])[],
  epochs: number,
  options: BatchOptions,
): number {
  let steps = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const planned = planEpoch(groups, epoch, options).length;
    steps += Math.ceil(planned * Math.min(1, epochs - epoch));
  }
  return steps;
}

/** Every batch from step `firstStep` on; never ends. */
export function* batchesFrom(
  groups: readonly (readonly number[])[],
  firstStep: number,
  options: BatchOptions,
): Generator<Batch, never> {
  let step = 0;
  for (let epoch = 0; ; epoch++) {
    const batches = planEpoch(groups, epoch, options);
    if (batches.length === 0) throw new RangeError("batchesFrom: no items");
    for (const [index, items] of batches.entries()) {
      if (step >= firstStep) yield { step, epoch, epochAfter: epoch + (index + 1) / batches.length, items };
      step++;
    }
  }
}
