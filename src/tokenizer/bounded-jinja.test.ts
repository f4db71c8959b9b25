import { describe, expect, it } from "vitest";
import { processorTime } from "../../tests/support/processor-time.js";
import { SwirlError } from "../errors/swirl-error.js";
import { BoundedTemplate, JINJA_BOUNDS, TemplateRefusal } from "./bounded-jinja.js";
import { toValue } from "./jinja/convert.js";
import { TEMPLATE } from "./jinja/text.js";

const render = (source: string, variables: Record<string, unknown> = {}) => {
  const values = Object.entries(variables).map(([name, value]) => [name, toValue(value, TEMPLATE)] as const);
  return new BoundedTemplate(source, "test.jinja").render(Object.fromEntries(values), 100);
};

function failure(source: string, bounds = JINJA_BOUNDS): SwirlError {
  try {
    new BoundedTemplate(source, "test.jinja", bounds).render({}, 0);
  } catch (error) {
    if (SwirlError.isInstance(error)) return error;
    throw error;
  }
  throw new Error("rendered");
}

describe("BoundedTemplate", () => {
  it("renders loops, macros, filters and namespaces", () => {
    const source =
      "{%- macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{% set ns = namespace(n=0) %}" +
      "{% for i in range(3) %}{% set ns.n = ns.n + i %}{{ twice(i) }}{% endfor %} {{ ns.n }} {{ {'a': [1, none]} | tojson }}";
    expect(render(source)).toBe('001122 3 {"a": [1, null]}');
    expect(render("{% for i in range(5, 1, -2) %}{{ i }}{% endfor %}")).toBe("53");
  });

  it("trims blocks as transformers does", () => {
    expect(render("a\n  {% if true %}\nb\n  {% endif %}\nc")).toBe("a\nb\nc");
  });

  it("passes a template's own refusal on", () => {
    expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(TemplateRefusal);
  });

  it("names the file where a template does not parse or render", () => {
    for (const source of [
      "{% if %}",
      "{{ 1 + none }}",
      `${"(".repeat(30_000)}`,
      `{{ ${"(".repeat(30_000)} }}`,
    ]) {
      if (source.startsWith("((")) expect(render(source)).toBe(source);
      else expect(failure(source).message).toContain("test.jinja");
    }
  });

  it.each([
    [
      "endless nesting of loops",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    ],
    ["a range too long", "{% for a in range(10 ** 6 * 1000) %}{% endfor %}"],
    ["a range from a huge literal", "{{ range(1000000000) | length }}"],
    ["a range without end", "{{ range(0, 10, 0) | length }}"],
    [
      "a doubling string",
      "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    ],
    [
      "a doubling list",
      "{% set ns = namespace(s=[1,2]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    ],
    ["an indent too wide", "{{ 'a\nb' | indent(400000000) }}"],
    [
      "a nested list written as JSON",
      "{% set a = ['x' * 1000] * 1000 %}{% set b = [a] * 1000 %}{{ ([b] * 1000) | tojson }}",
    ],
    ["a nested list that is printed", "{% set a = ['x'] * 99999 %}{{ [a] * 99999 }}"],
    [
      "nested lists that are compared",
      "{% set a = [['x'] * 99999] * 99999 %}{{ a == [['x'] * 99999] * 99999 }}",
    ],
    ["long texts that are sorted", "{{ (['x' * 999999] * 99999) | sort }}"],
    ["each character replaced by a long text", "{% set a = 'x' * 999999 %}{{ a.replace('x', a) }}"],
    ["a power", "{{ 10 ** 10000 }}"],
    ["a search that compares everything", "{{ ('b' ~ 'a' * 99999) in 'a' * 999999 }}"],
    ["many blanks", " ".repeat(60_000)],
    ["loops that print", "{% for a in range(999) %}{% for b in range(999) %}{{ b }}{% endfor %}{% endfor %}"],
    ["filters in a loop", "{% for a in range(999) %}{{ ('x ' * 999) | title | length }}{% endfor %}"],
    ["a long sum", `{{ ${"1 + ".repeat(16_000)}1 }}`],
    ["recursion", "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}"],
  ])("stops %s", (_, source) => {
    const before = processorTime();
    const error = failure(source);
    expect(error.code).toBe("CHECKPOINT");
    // 50 ms on a quiet machine: it blocks the event loop.
    expect(processorTime() - before).toBeLessThan(250);
  });

  it("stops after its time", () => {
    const source = "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}";
    const before = processorTime();
    expect(failure(source, { ...JINJA_BOUNDS, steps: 1e12, milliseconds: 50 }).message).toContain("50 ms");
    expect(processorTime() - before).toBeLessThan(1_000);
  });

  it("gives a template nothing of the process", () => {
    for (const expression of [
      "process",
      "globalThis",
      "require",
      "''.constructor",
      "range.constructor",
      "messages.__proto__",
    ]) {
      expect(render(`{{ (${expression}) is defined }}`, { messages: {} })).toBe("False");
    }
  });

  it("refuses a source that is too long", () => {
    expect(failure("x".repeat(JINJA_BOUNDS.source + 1)).message).toContain("more than 65000");
  });
});
