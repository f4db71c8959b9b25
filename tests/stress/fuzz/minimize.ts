/**
 * A shorter input that fails in the same way: pieces are removed, half the text first and single characters last, for
 * as long as that is possible or `tries` allow.
 */
export async function minimize(
  input: string,
  fails: (input: string) => Promise<boolean>,
  tries = 2_000,
): Promise<string> {
  let text = input;
  let left = tries;
  for (let size = Math.ceil(text.length / 2); size >= 1; ) {
    let shorter = false;
    for (let at = 0; at < text.length && left > 0; left--) {
      const without = text.slice(0, at) + text.slice(at + size);
      if (await fails(without)) {
        text = without;
        shorter = true;
      } else at += size;
    }
    if (left <= 0) break;
    if (!shorter || size > text.length) {
      if (size === 1) break;
      size = Math.ceil(size / 2);
    }
  }
  return text;
}
