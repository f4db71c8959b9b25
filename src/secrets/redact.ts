/**
 * Takes secrets out of what is written to disk: values under keys that name a secret, header values, credentials and
 * key parameters in URLs, and wherever they occur, the values of environment variables that hold keys.
 */
export const REDACTED = "[redacted]";

const SECRET_KEY =
  /(api|access|auth|bearer|secret|private|hf)[-_]?(key|token)s?$|^(key|token|authorization|credentials?|cookie)$|secret|passw(or)?d|passphrase/i;
const SECRET_VARIABLE = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;
/** Shorter values (a "1", a "true") would be cut out of innocent text. */
const SHORTEST_SECRET = 8;

/** A deep copy without secrets. Pure but for the environment it is given. */
export function redact<T>(value: T, environment: NodeJS.ProcessEnv = process.env): T {
  return redactValue(value, secretsOf(environment), false) as T;
}

function secretsOf(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && value.length >= SHORTEST_SECRET && SECRET_VARIABLE.test(name) ? [value] : [],
  );
}

function redactValue(value: unknown, secrets: readonly string[], hide: boolean): unknown {
  if (typeof value === "string") return hide && value !== "" ? REDACTED : redactText(value, secrets);
  if (Array.isArray(value)) return value.map((item) => redactValue(item, secrets, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      redactValue(inner, secrets, hide || SECRET_KEY.test(key) || /^headers$/i.test(key)),
    ]),
  );
}

function redactText(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets) result = result.replaceAll(secret, REDACTED);
  return result
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^/\s@]+@/gi, `$1${REDACTED}@`)
    .replace(/([?&](?:api[-_]?key|key|token|access_token|sig|signature)=)[^&\s"']+/gi, `$1${REDACTED}`)
    .replace(/\b(Bearer\s+)[\w.~+/-]+=*/gi, `$1${REDACTED}`)
    .replace(/\b(sk|hf|gsk|xai)[-_][A-Za-z0-9_-]{16,}/g, REDACTED);
}
