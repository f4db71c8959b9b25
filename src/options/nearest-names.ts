/** Names like one that is not there: what an error suggests. */

/** The nearest known name, if one is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const best = nearestNames(name, known, 1)[0];
  return best !== undefined && distanceOf(name, best) <= Math.max(2, name.length / 3) ? best : undefined;
}

/** The `count` nearest, nearest first. */
export function nearestNames(name: string, known: readonly string[], count: number): string[] {
  return known
    .map((other) => ({ other, distance: distanceOf(name, other) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ other }) => other);
}

function distanceOf(a: string, b: string): number {
  return editDistance(a.toLowerCase(), b.toLowerCase());
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
