/**
 * Which of two words a judge's reply ends in. The last one in capitals counts, since a judge that reasons first may
 * name both on the way; without any in capitals, the last one right after "verdict" in whatever case.
 */
export function parseVerdict(text: string, positive: string, negative: string): boolean | undefined {
  const words = `(${positive}|${negative})`;
  const said =
    text.match(new RegExp(`\\b${words}\\b`, "g"))?.at(-1) ??
    [...text.matchAll(new RegExp(`verdict\\W*${words}\\b`, "gi"))].at(-1)?.[1]?.toUpperCase();
  return said === undefined ? undefined : said === positive;
}
