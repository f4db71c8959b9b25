import { BoundedTemplate, TemplateRefusal } from "../../../../src/tokenizer/bounded-jinja.js";
import { jsonToValue } from "../../../../src/tokenizer/jinja/convert.js";
import { CONTENT, marksOf, textOf } from "../../../../src/tokenizer/jinja/text.js";
import type { Dict, Value } from "../../../../src/tokenizer/jinja/values.js";
import { mutateText } from "../mutate.js";
import { type FuzzedParser, must } from "../parser.js";
import { testFile } from "./corpus.js";

const golden = testFile("golden/jinja/cases.json");
const { cases } = JSON.parse(golden) as { cases: { template: string }[] };
const templates = ["chatml-tools", "turns", "instruct"].map((name) =>
  testFile(`golden/tokenizer/${name}/chat_template.jinja`),
);
const SEEDS = [
  ...cases.map(({ template }) => template).filter((text) => !text.includes("strftime_now")),
  ...templates,
];
const WORDS = [
  "{{",
  "}}",
  "{%",
  "%}",
  "{#",
  "#}",
  "{%-",
  "-%}",
  "{% for m in messages %}",
  "{% endfor %}",
  "{% if ",
  "{% else %}",
  "{% endif %}",
  "{% set x = ",
  "{% macro f(a, b=1) %}",
  "{% endmacro %}",
  "f(",
  "loop.index0",
  "loop.previtem",
  " is defined",
  " is not none",
  " in ",
  " not ",
  " and ",
  " if ",
  " else ",
  "|tojson",
  "|trim",
  "|join(',')",
  "|map(attribute='role')",
  "|selectattr('role', 'equalto', 'user')",
  "|default('x')",
  "|length",
  "|list",
  "|dictsort",
  "|items",
  "|replace('a', 'bb')",
  "|indent(4)",
  ".split('x')",
  ".strip('x')",
  ".items()",
  ".format(1)",
  "[::-1]",
  "[0]",
  "['role']",
  "messages",
  "tools",
  "none",
  "range(1000000)",
  "namespace(a=1)",
  "'a' * 1000000",
  " ~ ",
  "//",
  "**",
  "%",
  "9999999999999999999",
  "1e308",
  "-1",
  ".__class__",
  ".constructor",
  "['__proto__']",
  "raise_exception('no')",
  "dict(a=1)",
  "[1, 2]",
  "{'a': 1}",
  "true",
];
const variables: Record<string, Value> = { tools: null, documents: null };
const given = (jsonToValue(golden, CONTENT) as Dict).get("variables") as Dict;
for (const [name, value] of given.entries()) variables[textOf(name as string)] = value;

/** Every character of a rendering records who wrote it. Bounds are those of the product, but for the time. */
export const chatTemplate: FuzzedParser = {
  name: "chat-template",
  share: 0.3,
  input: (random) => mutateText(random, SEEDS, WORDS).replaceAll("strftime_now", ""),
  read: (source) => {
    const rendered = new BoundedTemplate(source, "template").render(variables, 10_000);
    const text = textOf(rendered);
    must(marksOf(rendered).length === text.length, "every character has its mark");
    return text;
  },
  refuses: (error) => error instanceof TemplateRefusal,
};
