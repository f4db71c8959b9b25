/**
 * The secrets this process was given, in every spelling a server may repeat them: as they are, URL-encoded, in base64
 * (at any offset, as in `Basic` credentials), escaped as JSON or HTML, and cut off after at least half of them.
 */
export const REDACTED = "[redacted]";

/** Shorter values, and plain words, occur in innocent text. */
const SHORTEST_SECRET = 8;
const SHORTEST_WORD = 16;
const SHORTEST_PREFIX = 12;

const known = new Set<string>();
const spellingsOf = new Map<string, string[]>();
/** Patterns by the secrets they find; few sets of secrets are in use at a time. */
const patterns = new Map<string, RegExp>();
const MAX_PATTERNS = 16;

/**
 * From now on `hideSecrets` removes this value. Returns false, and remembers nothing, for a value that innocent text may
 * hold as well: shorter than 8 characters, without a letter, or one word of fewer than 16 ("EMPTY", "ollama").
 */
export function rememberSecret(value: string): boolean {
  const secret = value.trim();
  const plain = /^\p{L}+$/u.test(secret) && secret.length < SHORTEST_WORD;
  if (secret.length < SHORTEST_SECRET || plain || !/\p{L}/u.test(secret)) return false;
  known.add(secret);
  return true;
}

/** The text without remembered secrets, and without those of `more`, in any of their spellings. */
export function hideSecrets(text: string, more: readonly string[] = []): string {
  const secrets = [...known, ...more];
  if (secrets.length === 0 || text === "") return text;
  return text.replace(patternOf(secrets), REDACTED);
}

function patternOf(secrets: readonly string[]): RegExp {
  const key = secrets.join("\0");
  let pattern = patterns.get(key);
  if (pattern === undefined) {
    // The longest first: a part of a secret must not be replaced within the whole.
    const spellings = [...new Set(secrets.flatMap(spellingsFor))].sort((a, b) => b.length - a.length);
    pattern = new RegExp(spellings.map(escapePattern).join("|"), "g");
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    patterns.set(key, pattern);
  }
  return pattern;
}

function spellingsFor(secret: string): string[] {
  let spellings = spellingsOf.get(secret);
  if (spellings === undefined) {
    spellings = spell(secret);
    spellingsOf.set(secret, spellings);
  }
  return spellings;
}

function spell(secret: string): string[] {
  const json = escapeJson(secret);
  const ascii = json.replace(
    /[\u0080-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const url = encodeURIComponent(secret);
  const form = new URLSearchParams({ k: secret }).toString().slice(2);
  const base64 = [0, 1, 2].map((offset) => base64At(secret, offset));
  return [
    secret,
    json,
    escapeJson(json),
    ascii,
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    form,
    escapeHtml(secret),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    // A path or a sentence shares its beginning with innocent text; a key does not.
    ...(secret.length >= SHORTEST_WORD && /^[\w.~-]+$/.test(secret)
      ? [secret.slice(0, Math.max(SHORTEST_PREFIX, Math.ceil(secret.length / 2)))]
      : []),
  ];
}

/** The base64 digits that hold nothing but the secret when `offset` bytes (modulo 3) precede it. */
function base64At(secret: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret, "utf8")]);
  const digits = bytes.toString("base64").replace(/=+$/, "");
  const whole = bytes.length % 3 === 0 ? digits.length : digits.length - 1;
  return digits.slice(offset === 0 ? 0 : offset + 1, whole);
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}
