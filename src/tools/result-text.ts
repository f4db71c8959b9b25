/** A tool's result as the model sees it. */

/**
 * Text as it is, everything else as JSON. Of a stream of results (a generator of the AI SDK) the last one counts.
 *
 * @throws TypeError for a result that JSON cannot hold.
 */
export async function resultText(result: unknown): Promise<string> {
  const value = isStream(result) ? await lastOf(result) : result;
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  if (value instanceof Error) throw value;
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`the tool returned a ${typeof value}, which is not a result`);
  return text;
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof (value as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator] === "function";
}

async function lastOf(stream: AsyncIterable<unknown>): Promise<unknown> {
  let last: unknown;
  for await (const value of stream) last = value;
  return last;
}
