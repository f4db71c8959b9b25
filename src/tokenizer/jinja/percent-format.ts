/** Python's `%` operator on a str. */
import type { Budget } from "./budget.js";
import { joined } from "./methods.js";
import { type Str, slice, textOf } from "./text.js";
import { Tuple, TypeFault, type Value } from "./values.js";
import { toText } from "./write.js";

/** `'…' % values` with %s, %d and %i, the ones that chat templates use. */
export function percentFormat(format: Str, value: Value, budget: Budget): Str {
  const values = value instanceof Tuple ? value.items : [value];
  const parts: Str[] = [];
  let used = 0;
  let from = 0;
  for (const match of textOf(format).matchAll(/%(.?)/gs)) {
    parts.push(slice(format, from, match.index));
    from = match.index + match[0].length;
    if (match[1] === "%") {
      parts.push("%");
      continue;
    }
    const next = values[used++];
    if (next === undefined || !/^[sdi]$/.test(match[1]!))
      throw new TypeFault(`%${match[1]} is not supported here`);
    if (match[1] !== "s" && typeof next !== "bigint") throw new TypeFault("%d needs an int");
    parts.push(toText(next, budget));
  }
  if (used < values.length) throw new TypeFault("not all arguments were used by the format");
  parts.push(slice(format, from));
  return joined(parts, "", budget);
}
