import { describe, expect, it } from "vitest";
import { hideSecrets, rememberSecret } from "./known-secrets.js";
import { redactText } from "./redact.js";

const secret = 'pl"ant/ed+4f&2e <ä>';
const json = (text: string) => JSON.stringify(text).slice(1, -1);
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("hideSecrets", () => {
  rememberSecret(secret);
  it.each([
    ["as it is", secret],
    ["as JSON", json(secret)],
    ["as JSON within JSON", json(json(secret))],
    ["as ASCII JSON", json(secret).replace("ä", "\\u00e4")],
    ["in a URL", encodeURIComponent(secret)],
    ["in a URL, lower case", encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase())],
    ["in a form", new URLSearchParams({ k: secret }).toString().slice(2)],
    ["as HTML", "pl&quot;ant/ed+4f&amp;2e &lt;ä&gt;"],
    ["in base64", base64(secret)],
    ["in base64 after a user's name", base64(`ab:${secret}`)],
    ["in base64 after a longer one, with more behind", base64(`abcd:${secret}:more`)],
    ["in base64 for URLs", Buffer.from(secret).toString("base64url")],
  ])("finds a secret %s", (_, spelling) => {
    const hidden = hideSecrets(`before ${spelling} after`);
    expect(hidden).toMatch(/^before .*\[redacted\].* after$/);
    expect(hidden).not.toContain(spelling);
    expect(hidden.length).toBeLessThan("before [redacted] after".length + 16);
  });

  it("finds a key that the server cut short", () => {
    rememberSecret("sk-planted-0123456789-abcdef");
    expect(hideSecrets("bad key sk-planted-0123456…")).not.toContain("planted");
  });

  it.each(["none", "EMPTY", "ollama", "12345678", "2024-10-21", "true"])(
    "leaves the value %j alone",
    (value) => {
      expect(rememberSecret(value)).toBe(false);
      expect(hideSecrets(`it is ${value}`)).toBe(`it is ${value}`);
    },
  );
});

it.each([
  ["https://me:pass@word@host/v1", "https://[redacted]@host/v1"],
  [
    "GET /v1?api-version=2024-10-21&subscription-key=abc&x=1",
    "GET /v1?api-version=2024-10-21&subscription-key=[redacted]&x=1",
  ],
  ["Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"],
  ["https://host/a?mail=me@x.org", "https://host/a?mail=me@x.org"],
])("redactText(%j)", (text, redacted) => {
  expect(redactText(text, {})).toBe(redacted);
});
