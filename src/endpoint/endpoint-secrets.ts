/** The secrets among an endpoint's options, and the redactor of what its server says. */
import { REDACTED, rememberSecret } from "../secrets/known-secrets.js";
import { namesSecret, redactText } from "../secrets/redact.js";

/** Headers whose values are not secrets. */
const PUBLIC_HEADER =
  /^(accept|content|user-agent$|referer$|http-referer$|origin$)|version$|model$|title$|language$/i;
/** Shorter values occur in every message. */
const SHORTEST_SHOWN = 4;

/**
 * Remembers the secrets for the whole process and returns the function that removes them from this server's messages.
 * Values too common to be remembered (the key "EMPTY") are removed from its messages only, never from replies.
 */
export function redactorOf(options: {
  url: URL;
  apiKey: string | undefined;
  headers: Readonly<Record<string, string>>;
}): (message: string) => string {
  const common = secretsOf(options)
    .filter((value) => !rememberSecret(value) && value.length >= SHORTEST_SHOWN)
    .sort((a, b) => b.length - a.length);
  return (message) => redactText(common.reduce((text, value) => text.replaceAll(value, REDACTED), message));
}

function secretsOf(options: Parameters<typeof redactorOf>[0]): string[] {
  const { url, apiKey, headers } = options;
  return [
    ...(apiKey === undefined ? [] : [apiKey]),
    ...Object.entries(headers).flatMap(([name, value]) =>
      PUBLIC_HEADER.test(name) ? [] : headerSecrets(value),
    ),
    ...[...url.searchParams].flatMap(([name, value]) => (namesSecret(name) ? [value] : [])),
  ];
}

/** The value; of "Bearer abc" also "abc", and of "Basic dXNlcjpwdw==" the decoded user and password. */
function headerSecrets(value: string): string[] {
  const [, scheme, credentials] = /^(bearer|basic|token|api-?key)\s+(\S+)$/i.exec(value.trim()) ?? [];
  if (scheme === undefined || credentials === undefined) return [value];
  if (!/^basic$/i.test(scheme)) return [value, credentials];
  const decoded = Buffer.from(credentials, "base64").toString("utf8");
  return [value, credentials, decoded, decoded.slice(decoded.indexOf(":") + 1)];
}
