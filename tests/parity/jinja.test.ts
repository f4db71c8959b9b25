/** Templates against jinja2 as transformers sets it up; the golden file comes from scripts/golden/jinja.py. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BoundedTemplate } from "../../src/tokenizer/bounded-jinja.js";
import { jsonToValue } from "../../src/tokenizer/jinja/convert.js";
import { CONTENT, marksOf, textOf } from "../../src/tokenizer/jinja/text.js";
import type { Dict, Value } from "../../src/tokenizer/jinja/values.js";

const text = readFileSync(join(import.meta.dirname, "../golden/jinja/cases.json"), "utf8");
const { cases }: { cases: { template: string; text: string | null }[] } = JSON.parse(text);
const golden = jsonToValue(text, CONTENT) as Dict;
const variables: Record<string, Value> = { tools: null, documents: null };
for (const [key, value] of (golden.get("variables") as Dict).entries())
  variables[textOf(key as string)] = value;

const render = (template: string) => new BoundedTemplate(template, "golden").render(variables, 10_000);

/** What is refused here although jinja2 renders it: no chat template is known to use it. */
const REFUSED = new Set([
  "{{ (1,) }}",
  "{{ (1,) + (2,) }}",
  "{{ [1] == (1,) }}",
  "{{ big == 12345678901234567 }}",
  "{{ s.format(1) is defined }}",
]);

describe("jinja2", () => {
  it.each(cases.map(({ template, text }) => [template, text] as const))("%j", (template, wanted) => {
    if (wanted === null || REFUSED.has(template)) {
      expect(() => render(template)).toThrow();
      return;
    }
    const rendered = render(template);
    expect(textOf(rendered)).toBe(wanted);
    expect(marksOf(rendered)).toHaveLength(wanted.length);
  });
});
