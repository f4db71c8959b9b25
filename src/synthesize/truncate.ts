/** Truncates to `limit` characters, including the mark. A surrogate pair is never split. */
export function truncate(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const mark = " … [cut]";
  let end = Math.max(0, limit - mark.length);
  if (end > 0 && /[\uD800-\uDBFF]/.test(text[end - 1]!)) end--;
  return text.slice(0, end) + mark;
}
