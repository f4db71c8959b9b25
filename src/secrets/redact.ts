/**
 * Removes secrets from everything that is recorded: known ones (known-secrets.ts), the values of environment variables
 * that hold keys, credentials and key parameters in URLs, bearer tokens, and in configs every value whose key names a
 * secret.
 *
 * Text is redacted before it is truncated: a secret that truncation splits would not be found.
 */
import { hideSecrets, REDACTED } from "./known-secrets.js";

export { REDACTED };

const SECRET_KEY =
  /(api|access|auth|bearer|secret|private|subscription|hf)[-_]?(key|token)s?$|^(key|token|authorization|credentials?|cookie)$|secret|passw(or)?d|passphrase/i;
/** Keys of a config whose values only name environment variables. */
const NAMES_VARIABLES = /Variables?$/;
const SECRET_VARIABLE = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)$/i;
const SECRET_PARAMETER = /(key|token|secret|passw(or)?d|sig|signature|credentials?|auth|code)$/i;
/** Shorter values (a "1", a "true") would be removed from innocent text. */
const SHORTEST_SECRET = 8;

/** A deep copy without secrets. Pure except for the given environment and the known secrets. */
export function redact<T>(value: T, environment: NodeJS.ProcessEnv = process.env): T {
  return redactValue(value, secretsOf(environment), false) as T;
}

/** The same for a text: an error message, a judge's reason. */
export function redactText(text: string, environment: NodeJS.ProcessEnv = process.env): string {
  return withoutSecrets(text, secretsOf(environment));
}

/** Whether a parameter of a URL's query holds a secret by its name: `key`, `api-key`, `sig`, `access_token`, … */
export function namesSecret(parameter: string): boolean {
  return SECRET_PARAMETER.test(parameter);
}

function secretsOf(environment: NodeJS.ProcessEnv): string[] {
  return Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && value.length >= SHORTEST_SECRET && SECRET_VARIABLE.test(name) ? [value] : [],
  );
}

function redactValue(value: unknown, secrets: readonly string[], hide: boolean): unknown {
  if (typeof value === "string") return hide && value !== "" ? REDACTED : withoutSecrets(value, secrets);
  if (Array.isArray(value)) return value.map((item) => redactValue(item, secrets, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      NAMES_VARIABLES.test(key)
        ? inner
        : redactValue(inner, secrets, hide || SECRET_KEY.test(key) || /^headers$/i.test(key)),
    ]),
  );
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  return hideSecrets(text, secrets)
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^/\s?#]+@/gi, `$1${REDACTED}@`)
    .replace(/([?&])([\w.-]+)=([^&\s"'#]+)/g, (whole, start, name) =>
      namesSecret(name) ? `${start}${name}=${REDACTED}` : whole,
    )
    .replace(/\b(Bearer\s+)[\w.~+/-]+=*/gi, `$1${REDACTED}`)
    .replace(/\b(sk|hf|gsk|xai)[-_][A-Za-z0-9_-]{16,}/g, REDACTED);
}
