"""A stranger's template takes no more memory, time and stack than it may, and never the caller's process.

Each bomb is rendered by a small program of its own: it gets a `ChatError`, and neither the program's memory nor its
output says more.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from shares import share

PROGRAM = """
import json, resource, sys
import dstok
from dstok import chat
from dstok.chat import templates
templates.SECONDS, templates.MEMORY = int(sys.argv[1]), 128
tok = dstok.load("deepseek-v3.1")
chat.render([], chat.Template("", tok))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in json.load(sys.stdin):
    try:
        told = chat.render([{"role": "user", "content": "x"}], chat.Template(text, tok)).text
        assert len(told) < 1 << 20
    except chat.ChatError as error:
        told = error.message
    print(json.dumps(told))
assert chat.render([], chat.Template("still here", tok)).text == "still here"
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak))
"""
LIMITS = ("the template needed more than", "the template ended the process that it was rendered in (SIGSEGV)")


def outcomes(texts: list[str], seconds: int = 5) -> list[str]:
    """The outcomes of templates in a program. Checks that the program takes little memory and writes no errors."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(seconds)], input=json.dumps(texts), capture_output=True, text=True,
                          check=True)
    assert done.stderr == ""
    *told, growth = map(json.loads, done.stdout.splitlines())
    assert growth < 100 << 10, growth  # KB; an answer may have 16 MB
    return list(told)


NESTED = "{% set ns=namespace(x=()) %}{% for j in range(2) %}{% for i in range(99999) %}{% set ns.x=(ns.x,) %}{% endfor %}{% endfor %}"
TUPLES = [NESTED + end for end in ("{{ ns.x in {} }}", "{{ {}[ns.x] }}", "{{ {ns.x: 1} }}", "{{ [ns.x] | unique | list }}")]
MEMORY = [
    "{{ 'a'.encode() * 5000000000 }}", "{{ (1).to_bytes(5000000000, 'big') }}", "{{ 'a'.encode().ljust(5000000000) }}",
    "{{ ('{0:>99999}' * 100000).format(1) }}", "{{ ('a' * 60000).translate({97: 'b' * 60000}) | length }}",
    "{% set l = namespace(x=[]) %}{% for i in range(99) %}{% set l.x = l.x + ['é' * (60000000 + i)] %}{% endfor %}",
    "{{ 'x' * 999999999 }}", "{{ 'x'.ljust(999999999) }}", "{{ '%999999999d' % 1 }}", "{{ 'x' | center(999999999) }}",
    "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% set x = 'x' * 99999 %}{{ x.replace('x', x) }}", "{{ [1] | batch(999999999, 'x') | list }}", "{{ '%*d' | format(999999999, 1) }}",
    "{{ '{:999999999}'.format(1) }}", "{{ '{:{w}}'.format(1, w=999999999) }}", "{{ ['a'] * 99999999 }}",
    "{{ (['a'] * 99999) | join('b' * 99999) }}", "{{ ('\t' * 99999).expandtabs(99999) }}", "{{ messages | tojson(indent=999999999) }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
]
TIME = [
    "{{ range(99999) | map('center', 60000000) | reject('string') | list | length }}", "{{ 9 ** 999999999 }}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l is eq ns.l[0] * 2 }}",
    "{% set ns = namespace(l=(1,)) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
    "{% set ns = namespace(l={}) %}{% for i in range(99) %}{% set ns.l = dict(a=ns.l, b=ns.l) %}{% endfor %}{{ ns.l | tojson | length }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}", "{{ lipsum(9999999) }}",
]
REFUSED = [  # by jinja's sandbox
    "{{ messages.append(1) }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ 1 / 0 }}", "{% extends 'x' %}",
    "{% import 'x' as y %}", "{% include 'x' %}", "{{ range(999999999) }}", "{{ cycler.__init__.__globals__.x }}",
    "{% set ns = namespace(a=1) %}{% set ns._a = ns %}",
]
TEXTS = ["{{ 'é' * 9000000 }}", "{{ '\x00' * 3000000 }}", "{% for i in range(17000) %}{{ i }}{{ 'x' * 999 }}{% endfor %}"]


def test_tuples_that_overflow_the_stack() -> None:
    texts = [TUPLES[0], *share(TUPLES[1:], 3)]
    assert [told for told in outcomes(texts) if not told.startswith(LIMITS)] == []


def test_memory() -> None:
    texts = [*MEMORY[:6], *share(MEMORY[6:], 2)]
    assert [text for text, told in zip(texts, outcomes(texts)) if not told.startswith("the template needed more than")] == []


def test_time() -> None:
    texts = [TIME[0], *share(TIME[1:], 8)]
    assert [text for text, told in zip(texts, outcomes(texts, 1)) if not told.startswith("the template needed more than")] == []


def test_the_length_of_a_text() -> None:
    assert {told[:35] for told in outcomes(TEXTS)} == {"the template needed more than 16,77"}


def test_what_the_sandbox_refuses() -> None:
    assert all(told.startswith("the template raises: ") for told in outcomes(REFUSED))


@pytest.mark.parametrize("text", ["{{ " + "(" * 50_000 + ")" * 50_000 + " }}", "{{ " + "-" * 99_999 + "1 }}", "x" * (1 << 21)])
def test_templates_that_are_hard_to_compile(text: str) -> None:
    assert outcomes([text])[0].startswith(("expected a jinja template", "expected a template of at most 1,048,576 characters"))


def test_a_bomb_in_a_constant() -> None:
    """jinja computes constants as it compiles: there, too, the limit holds."""
    assert outcomes(["{% if nothing %}{{ 9 ** 999999999 }}{% endif %}"], 1)[0].startswith("the template needed more than")
