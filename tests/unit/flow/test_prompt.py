"""System prompts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skep.errors import LimitExceeded, TemplateError
from skep.flow.prompt import compile_prompt, slots_for
from skep.limits import Limits

SLOTS = {
    "name": "skep",
    "n": 3,
    "ok": True,
    "none": None,
    "xs": [1, 2.5, "c"],
    "o": {"items": "mine", "k": {"z": None}},
    "files": [{"name": "b", "size": 2}, {"name": "a", "size": 1}],
    "html": "<b>&</b>",
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        (
            "{{ name }} {{ n + 1 }} {{ n / 2 }} {{ -n }} {{ n // 2 }} {{ n % 2 }} {{ n - 1 }} {{ n * 2 }}",
            "skep 4 1.5 -3 1 1 2 6",
        ),
        ("{{ html }}", "<b>&</b>"),
        ("{{ xs }} {{ o }} {{ ok }} {{ none }}", '[1,2.5,"c"] {"items":"mine","k":{"z":null}} true null'),
        (
            "{{ o.items }} {{ o['k'] }} {{ xs[0] }} {{ xs[-1] }} {{ xs[1:] }} {{ name[:2] }}",
            'mine {"z":null} 1 c [2.5,"c"] sk',
        ),
        ("{% for k, v in o.k.items() %}{{ k }}={{ v }}{% endfor %}", "z=null"),
        ("{% for k in o %}{{ k }},{% endfor %}", "items,k,"),
        (
            "{% for x in xs %}{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ' ' }}{% endfor %}",
            "1/3 2/3 3/3",
        ),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for x in xs if x != 1 %}{{ x }},{% endfor %}", "2.5,c,"),
        ("{% for f in files|sort(attribute='name') %}{{ f.name }}{% endfor %}", "ab"),
        ("{% if n > 2 and 'c' in xs and 'k' in o and name in ['skep'] %}yes{% else %}no{% endif %}", "yes"),
        ("{% if 2 < n <= 3 and n is odd and o is mapping and gone is not defined %}yes{% endif %}", "yes"),
        ("{{ 'a' if ok else 'b' }}{{ gone|default('c') }}{{ none|default('d', true) }}", "acd"),
        ("{% set m = n * 2 %}{{ m }}{% with q = m %}{{ q }}{% endwith %}", "66"),
        (
            "{{ name + '!' }} {{ xs|join(', ') }} {{ name|upper }} {{ name|replace('k', '') }}",
            "skep! 1, 2.5, c SKEP sep",
        ),
        (
            "{{ xs|first }}{{ xs|last }} {{ 'b a b'|title }} {{ [3, 1, 3]|unique|sort|reverse }}",
            "1c B A B [3,1]",
        ),
        (
            "{{ 'a\nb'|indent(2) }} {{ 'abcdef'|truncate(5) }} {{ ' x '|trim }} {{ '4'|int + 1 }}",
            "a\n  b ab... x 5",
        ),
        (
            "{{ name|tojson }} {{ o|tojson }} {{ name.upper() }} {{ name.startswith('s') }}",
            '"skep" {"items":"mine","k":{"z":null}} SKEP true',
        ),
        ("{% raw %}{{ x }}{% endraw %}{# gone #}", "{{ x }}"),
        ("{{ o.get('q', 'fallback') }} {{ o.k.keys() }} {{ o.k|items }}", 'fallback ["z"] [["z",null]]'),
        ("line\n{%- if ok %}\nnext{% endif %}", "line\nnext"),
    ],
)
def test_rendering(source, text):
    assert compile_prompt(source).render(SLOTS) == text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("one\n{{ gone }}", "prompt.md:2: template: 'gone' is undefined (variables here: files, html"),
        ("{{ o.gone }}", "no attribute 'gone'"),
        ("{{ gone.deeper }}", "'gone' is undefined"),
        ("{{ gone|upper }}", "'gone' is undefined"),
        ("{{ gone + 1 }}", "'gone' is undefined"),
        ("{% if gone == 1 %}{% endif %}", "'gone' is undefined"),
        ("{% for x in gone %}{% endfor %}", "'gone' is undefined"),
        ("{% if gone %}{% endif %}", "'gone' is undefined"),
        ("{{ [gone] }}", "constants only"),
        ("\n\n{{ name.__class__ }}", "prompt.md:3: template: access to '__class__' is not allowed"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ name + 1 }}", "+ is not for string and number"),
        ("{{ xs == xs }}", "compare text and numbers"),
        ("{{ 1 < 'a' }}", "not supported"),
        ("{{ xs|sort }}", "filter 'sort'"),
        ("{{ n|upper }}", "filter 'upper': needs text, got number"),
        ("{{ []|first }}", "filter 'first'"),
        ("{{ name.upper }}", "cannot be printed"),
        ("{% for x in n %}{% endfor %}", "needs an array, an object or text"),
        ("{{ 'inf'|float }}", "not a JSON number"),
        ("{{ name ~ name }}", "templates have no ~"),
        ("{{ name|uper }}", "did you mean 'upper'"),
        ("{{ name is sting }}", "did you mean 'string'"),
        ("{{ name", "prompt.md:1"),
        ("\n{% if %}", "prompt.md:2"),
        ("{% frob %}", "unknown tag 'frob'"),
        ("{% macro m() %}{% endmacro %}", "no macro"),
        ("{% set x %}{% endset %}", "no set blocks"),
    ],
)
def test_errors_name_the_line(source, says):
    with pytest.raises(TemplateError) as caught:
        compile_prompt(source, where="prompt.md").render(SLOTS)
    assert says in str(caught.value)


def test_what_it_prints_is_never_a_template_again():
    assert compile_prompt("{{ name }}").render({"name": "{{ gone }}"}) == "{{ gone }}"


def test_what_a_caller_puts_into_the_slots_cannot_be_called():
    with pytest.raises(TemplateError, match="only methods of text and objects"):
        compile_prompt("{{ o.run('x') }}").render({"o": {"run": print}})


def test_a_prompt_keeps_nothing_between_renderings():
    prompt = compile_prompt("{% set x = a %}{{ x }}")
    assert [prompt.render({"a": n}) for n in (1, 2)] == ["1", "2"]
    with pytest.raises(TemplateError):
        prompt.render({})


def test_bounds_are_those_of_the_limits():
    limits = Limits(prompt_template_chars=40, prompt_rendered_chars=10, prompt_work=2_000)
    with pytest.raises(LimitExceeded, match="prompt_template_chars"):
        compile_prompt("x" * 41, limits)
    assert compile_prompt("x" * 10, limits).render({}) == "x" * 10
    for source in ("x" * 11, "{{ a }}x", "{{ a }}{{ a }}", "{% for c in a %}xx{% endfor %}"):
        with pytest.raises(LimitExceeded, match="prompt_rendered_chars"):
            compile_prompt(source, limits).render({"a": "0123456789"})
    with pytest.raises(LimitExceeded, match="prompt_work"):
        compile_prompt("{% for a in xs %}{% endfor %}", limits).render({"xs": [0] * 100})


@pytest.mark.parametrize(
    ("given", "slots"),
    [
        ({"a": 1}, {"a": 1}),
        ({}, {}),
        ("go on", {"directive": "go on"}),
        ("", {"directive": ""}),
        ('{"a": 1}', {"a": 1}),
        (' {"a": {"b": null}} ', {"a": {"b": None}}),
        ("{}", {}),
        ('{"a": 1', {"directive": '{"a": 1'}),
        ('{"a": 1} and more', {"directive": '{"a": 1} and more'}),
        ("[1]", {"directive": "[1]"}),
        ([1, {"b": 2, "a": 1}], {"directive": '[1,{"a":1,"b":2}]'}),
        (3, {"directive": "3"}),
        (None, {"directive": "null"}),
    ],
)
def test_slots(given, slots):
    assert slots_for(given) == slots


def test_importing_the_language_loads_neither_jinja_nor_yaml():
    program = (
        "import sys, skep.flow.prompt, skep.flow.read, skep.flow.write, skep.testing.flows;"
        "print([name for name in ('jinja2', 'yaml', 'hypothesis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
