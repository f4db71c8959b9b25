"""Golden renderings for src/tokenizer/jinja, made by jinja2 as transformers sets it up.

    python scripts/golden/jinja.py tests/golden/jinja/cases.json

Each case is a template, the variables in VARIABLES, and what transformers renders: its text, or null where it fails.

Needs: transformers >= 5, jinja2.
"""

import json
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

VARIABLES = {
    "s": "--Hi--", "blank": " \n a b\u00a0\n", "think": "<think>\nx\n</think>\n\n  b", "u": "é😀ß", "empty": "",
    "n": 7, "neg": -7, "f": 2.5, "big": 12345678901234567890, "t": True, "none": None,
    "nums": [3, 1, 2], "words": ["b", "A", "a", "C"], "nested": [[1, 2], ["x"], {}],
    "d": {"b": 1, "2": "y", "1": "x", "A": [True, None, 1.0]},
    "people": [{"name": "Bo", "age": 3, "on": True}, {"name": "al", "age": 2}, {"name": "Cy", "age": 3, "on": False}],
    "schema": {"type": "object", "properties": {"q": {"type": "string", "items": {"type": "int"}}}, "required": ["q"]},
    "messages": [{"role": "user", "content": "a\r\nb"}, {"role": "assistant", "content": "", "tool_calls": [{"name": "f"}]}],
}

EXPRESSIONS = r"""
s.strip('-') | s.lstrip('-') + '|' + s.rstrip('-') | blank.strip() + '|' | blank | trim | blank.lstrip() + '|' | s | trim('-')
think.split('</think>')[-1].lstrip('\n') | think.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n')
tools is not none | tools is none | tools is defined | tools is undefined | nothing is defined | nothing is none | documents is none
'a' in 'abc' | t | none | [t, none, 1, 1.0, 'x'] | {'a': 1, 2: 'b', 'c': "it's"} | (1,) | (1, 'a') | [] | {} | 1 == true | 1 == 1.0
d | tojson | d | d.items() | list | d.keys() | list | d.values() | list | d['2'] | d[2] is defined | {1: 'a'}[1] | {1: 'a'}['1'] is defined
big | big + 1 | big * big | big | tojson | -big // 7 | -big % 7 | big == 12345678901234567 | 2 ** 70 | 2 ** -1 | 2 ** 0.5
7 // 2 | -7 // 2 | 7 % -3 | -7 % 3 | 7.5 // 2 | -7.5 % 2 | 7 / 2 | 8 / 2 | 1 / 3 | 0.1 + 0.2 | 1.0 * 10 ** 16 | 0.00001 * 1 | 0.0001 * 1 | 1 / 0
'x' * 3 | 3 * 'ab' | [1, 2] * 2 | 'a' + 1 | 1 + 'a' | 'a' ~ 1 ~ none ~ true ~ 1.5 | [1] + [2] | (1,) + (2,) | [1] + (2,) | true + true
'%s and %d' % ('a', 3) | '%s' % s | 'n=%d%%' % n | not none | not '' and 'x' | none or 'y' | '' or 0 or [] | 1 and 2
s.upper() | s.title() | 'hello wORLD foo-bar' | title | 'hello wORLD' | capitalize | "they're bill's".title() | u.upper() | u | length | u[1] | u[::-1] | u[-1]
s[2:4] | s[:-2] | s[::2] | s[::-1] | nums[1:] | nums[::-1] | nums[-1] | nums[9] is defined | nums.0 | s[0] | s[10] is defined | (1, 2, 3)[1:]
s.replace('-', '+') | s.replace('-', '+', 2) | s | replace('-', '', 1) | 'aaa'.replace('', '-') | s.split('-') | 'a  b c'.split() | 'a  b c'.split(' ') | 'a b c'.split(' ', 1) | 'a b c'.rsplit(' ', 1) | ' a b c '.split(none, 1) | 'a b  c '.rsplit(none, 1) | ''.split() | ''.split(',')
'a\nb\r\nc\n'.splitlines() | 'a-b-c'.partition('-') | 'a-b-c'.rpartition('-') | 'abc'.partition('x') | 'abc'.find('c') | 'abc'.find('x') | 'abcabc'.rfind('b') | u.find('ß') | 'abcabc'.count('bc') | 'abc'.index('z')
s.startswith('--') | s.startswith(('x', '--')) | s.endswith('x') | 'abc'.removeprefix('a') | 'abc'.removesuffix('c') | ', '.join(words) | ', '.join(nums) | 'a'.center(4) ~ '|' | 'a'.ljust(3, '.') | '7'.zfill(3)
'12'.isdigit() | '1a'.isdigit() | 'ab'.isalpha() | ''.isalpha() | ' '.isspace() | 'AB'.isupper() | 'a1'.islower() | 'ab1'.isalnum() | '½'.isnumeric()
nums | sort | words | sort | words | sort(case_sensitive=true) | nums | sort(reverse=true) | people | sort(attribute='name') | map(attribute='name') | join(',') | people | map(attribute='age') | list | people | sort(attribute='age') | map(attribute='name') | list
people | selectattr('on') | map(attribute='name') | list | people | rejectattr('on') | map(attribute='name') | list | people | selectattr('age', 'equalto', 3) | list | length | people | selectattr('on', 'defined') | list | length | people | map(attribute='on', default='no') | list
nums | select('odd') | list | nums | reject('gt', 1) | list | nums | select | list | words | map('upper') | list | words | map('replace', 'a', 'z') | list | words | unique | list | nums | first | nums | last | ([] | first) is defined | nums | sum | nums | min | nums | max | words | join | words | join('-') | 'abc' | join('-')
nums | reverse | list | 'abc' | reverse | nums | tojson | nested | tojson | nested | tojson(indent=2) | [] | tojson(indent=2) | d | tojson(sort_keys=true) | d | tojson(separators=(',', ':')) | u | tojson | u | tojson(ensure_ascii=true) | s | tojson(indent=4) | nothing | tojson | '<a & "b">' | tojson | 1.0 | tojson | 1000000.0
n | string | '12' | int | '12.7' | int | 'x' | int | 'x' | int(5) | '1_0' | int | 3.9 | int | -3.9 | int | true | int | none | int | '1.5' | float | 'x' | float | 1 | float | 2.5 | round | 3.5 | round | 2.567 | round(2) | 2.1 | round(method='ceil') | -2 | abs | 1.25 | round(1) | 1.35 | round(1) | 0.5 | round | 1.5 | round | -0.5 | round
nothing | default('x') | none | default('x') | none | default('x', true) | '' | d('x', boolean=true) | nothing | length | nothing ~ 'x' | nothing.a | nothing + 'x' | nothing() | s.nothing is defined | none.a is defined | none.a.b | nothing == nothing2 | 'a' in nothing | nothing[0]
'a\nb\n\nc' | indent | 'a\nb\n\nc' | indent(2, true) | 'a\nb\n\nc' | indent(2, blank=true) | 'a\nb' | indent('> ') | 'a\n' | indent
schema.properties.q.items is callable | schema.properties.q['items'].type | schema['items'] is callable | schema.items is mapping | d.get('b') | d.get('z') | d.get('z', 4) | d.get(none) | schema.get('required') | d is mapping | d.b | d.nothing is defined
n is number | t is number | f is float | n is integer | s is string | nums is iterable | s is iterable | nums is sequence | n is sequence | nothing is iterable | n is odd | n is even | 'A' is upper | t is true | 1 is true | t is boolean | none is none | s is callable
1 < 2 | 'a' < 'b' | [1, 2] < [1, 3] | 1 < 'a' | none < 1 | 'B' < 'a' | 1 in [1.0] | '1' in [1] | 'b' in d | 2 in d | none in [none] | [1] in [[1]] | 1 in 'a' | 'a' not in s | {'a': 1} == {'a': 1.0} | [1] == (1,) | '1' == 1
range(3) | range(3) | list | range(0) | length | range(3)[1] | range(3) | tojson | range(5, 1, -2) | list | range(0) | list | range(2, 4) | list | dict(a=1) | dict(a=1)['a'] | namespace(a=1).a | namespace(a=1).b is defined
d | dictsort | list | d | items | list | nothing | items | list | n | items | d | length | n | length | words | wordcount | 'two words' | wordcount | d | list | d | first | 'x' if n > 3 else 'y' | ('x' if n > 9) | 'a' 'b' | messages[0].content | messages[0]['role'] | messages[-1].tool_calls[0].name | messages | length
nums.append(4) | nums.pop() | d.update({}) | nums.index(1) | nums.count(1) | nums.copy() | s.format(1) is defined | 'a' | frobnicate | s | upper | lower | n | safe | -n | +n | - 3 | abs | n | abs
d.items() | d.keys() | d.values() | d.items() | length | d.items() | tojson | d.keys()[0] is defined | 'b' in d.keys() | (people | selectattr('age', 'gt', 5)) and 'true' | (people | map(attribute='age')) is sequence | people | map(attribute='age') | length | d.items() is sequence | range(3) is sequence | n[1:] is defined | (d.items() and 'x') or 'y' | ({}.items() and 'x') or 'y' | (range(0) and 'x') or 'y'
""" + "\n"

STATEMENTS = [
    "{% for i in nums %}{{ loop.index }}/{{ loop.length }}:{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for i in nums if i > 1 %}{{ loop.index0 }}{{ loop.first }}{{ i }} {% else %}none{% endfor %}",
    "{% for i in [] %}x{% else %}none{% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }};{% endfor %}{% for c in u %}[{{ c }}]{% endfor %}",
    "{% set x = 1 %}{% for i in nums %}{% set x = i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in nums %}{% if loop.first %}{% set y = i %}{% endif %}{{ y }};{% endfor %}",
    "{% set ns = namespace(n=0, s='') %}{% for i in nums %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}a{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in nums %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {{ loop.revindex }}{{ loop.revindex0 }}{{ loop.cycle('a', 'b') }}{{ loop.changed(i > 1) }};{% endfor %}",
    "{% macro m(a, b='x', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 2) }} {{ m(b=3, a=4) }} {{ m() }}",
    "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, z=2) }}",
    "{% set v = 1 %}{% macro m() %}{{ v }}{{ loop is defined }}{% endmacro %}{% for i in nums %}{% set v = i %}{{ m() }}{% endfor %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro w(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call w('b') %}in {{ n }}{% endcall %}",
    "{% macro w() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) w() %}{{ a }}{{ b }}{% endcall %}",
    "{% set x %}a {{ n }} b{% endset %}{{ x | upper }}",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(none, none) }}{{ m(1, b=none) }}",
    "{% set d = {'a': none} %}{{ d.a }}{{ d['a'] }}{{ d.get('a', 4) }}{{ [none][0] }}{{ [none] | first }}{{ 'x' | int(none) }}{{ x | default(none) }}",
    "{% for i in [none, 1] %}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle(none, 2) }}{% endfor %}{% set ns = namespace(a=none) %}{{ ns.a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}",
    "{% set a, b = [1] %}{{ a }}",
    "{% filter upper %}a {{ s }}{% endfilter %}",
    "{% if none %}a{% elif [] %}b{% elif 0.0 %}c{% elif ' ' %}d{% else %}e{% endif %}",
    "a\n  {% if t %}\nb\n  {% endif %}\nc\n",
    "a\n  {{ n }}\n  {#- c -#}\n b \n{%- if t -%}\n x \n{%- endif %}\n\n",
    "  {% set x = 1 %}  {{ x }}  {% set y = 2 %}\n{{ y }}  \n",
    "{# c #}\na{# d #}b\n",
    "a\r\n{% if t %}\r\nb\r{{ 'x\r\ny' }}\n\r{% endif %}\r\n{{ messages[0].content }}",
    "{% for m in messages %}{{ m.role }}: {{ m['content'] }}{{ m.tool_calls | tojson if m.tool_calls else '' }}\n{% endfor %}",
    "{{ 'a\\tb\\\\c\\'d\\u00e9' }}",
    "{{ raise_exception('no') }}",
    "{% generation %}x{% endgeneration %} y",
    "{% for i in nums %}{% for j in nums %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for p in people %}{% if p.on is defined and p.on %}{{ p.name }}{% endif %}{% endfor %}",
    "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- '<' + m.role + '>\\n' }}\n    {%- endif %}\n{%- endfor %}\n",
    "{% set loop_messages = messages[1:] %}{% for m in loop_messages %}{{ m.role }}{% endfor %}{{ loop_messages | length }}",
    "{% set g = people | selectattr('age', 'equalto', 3) %}{% for p in g %}{{ p.name }}{% endfor %}{% for p in g %}again{% endfor %}",
    "{% if people | selectattr('age', 'gt', 9) %}a generator is true{% endif %}",
    "{% set d2 = dict(d, z=1) %}{{ d2 }}",
    "{% set x = [] %}{% set x = x + [1] %}{% set x = x + ['a'] %}{{ x }}",
    "{{ {'a': {'b': [1, 2, {'c': none}]}} | tojson(indent=2) }}",
    "{% set x = '' %}{% for i in nums %}{% set x = x + 'a' %}{% endfor %}{{ x }}|",
    "{% if messages[0].role == 'system' %}{% set m = messages[1:] %}{% else %}{% set m = messages %}{% endif %}{{ m | length }}",
    "{{ messages[5] }}|{{ messages[5].role is defined }}",
    "{% if 'x' in messages[0] %}a{% elif 'role' in messages[0] and messages[0]['content'] is string %}b{% endif %}",
]


def render(template):
    try:
        return _compile_jinja_template(template).render(**VARIABLES, tools=None, documents=None)
    except Exception:
        return None


def split_expressions():
    """Cases stand in a line with ` | ` between them; one that begins with a filter's name continues the one before."""
    filters = set(_compile_jinja_template("").environment.filters) | {"frobnicate"}
    for line in EXPRESSIONS.strip().split("\n"):
        parts = line.split(" | ")
        case = parts[0]
        for part in parts[1:]:
            name = part.split("(")[0].split(" ")[0].split("[")[0]
            if name in filters:
                case += " | " + part
            else:
                yield case
                case = part
        yield case


def main(out):
    templates = ["{{ " + case + " }}" for case in split_expressions()] + STATEMENTS
    cases = [{"template": template, "text": render(template)} for template in templates]
    with open(out, "w") as file:
        file.write('{"variables":' + json.dumps(VARIABLES, ensure_ascii=False) + ',\n"cases":[\n')
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases))
        file.write("\n]}\n")


main(*sys.argv[1:])
