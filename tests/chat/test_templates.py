"""Jinja templates of loaded models: the tokens that the template itself wrote, open messages, errors.

Their text is held against transformers' in test_template_conformance.py, their limits in test_template_limits.py.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from chat_models import all_added, ours
from chat_references import as_text, reference, template_text
from hypothesis import given
from kept import kept
from reference import part_of_examples

import dstok
from dstok import chat
from dstok.conformance.strategies import Drawn, conversations

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
OURS = ("v2", "v2.5", "v3", "v3-0324", "r1", "r1-0528", "v3.1", "v3.2-exp")  # r1-distill's tools are text there


@kept(most=4)
def template(version: chat.VersionName) -> chat.Template:
    return chat.Template(template_text(version), ours(version), bos_token=BOS, eos_token=EOS)


def one(text: str, messages: Any = ({"role": "user", "content": "<｜User｜>x"},), **options: Any) -> chat.Rendered:
    return chat.render(list(messages), chat.Template(text, ours("v3.1")), **options)


@pytest.mark.parametrize("version", OURS)
def test_the_templates_of_the_built_in_versions(version: chat.VersionName) -> None:
    """The same text, and the same tokens: found by following literals here, written one by one there."""
    @part_of_examples(0.1)
    @given(conversations(version, all_added()))
    def check(drawn: Drawn) -> None:
        drawn.options.pop("tools", None)  # V3.1's text about them is none of its template's
        try:
            wanted = chat.render(drawn.messages, version, **drawn.options)
        except chat.ChatError as error:
            if not error.reference:  # a content that dstok alone refuses
                return
            with pytest.raises(chat.ChatError) as caught:
                chat.render(as_text(version, drawn.messages), template(version), **drawn.options)
            assert caught.value.reference == error.reference
            return
        found = chat.render(as_text(version, drawn.messages), template(version), **drawn.options)
        assert (found.text, found.special_ranges) == (wanted.text, wanted.special_ranges)

    check()


def test_what_a_template_does_to_a_message_stays_a_message() -> None:
    """By methods, filters, slices, macros, sets: the message's token is none, the template's is."""
    for text in ("<｜User｜>{{ messages[0].content }}", "{{ '<｜User｜>' + messages[0]['content'] }}",
                 "{{ '<｜User｜>' ~ messages[0].content }}", "<｜User｜>{{ messages[0].content | trim }}",
                 "<｜User｜>{{ messages[0].content.strip() }}", "<｜User｜>{{ messages[0].content[:8] }}",
                 "<｜User｜>{{ messages[0].content.split('x')[0] }}", "<｜User｜>{{ messages | tojson }}",
                 "{% set x %}<｜User｜>{{ messages[0].content }}{% endset %}{{ x }}",
                 "{% macro m(c) %}<｜User｜>{{ c }}{% endmacro %}{{ m(messages[0].content) }}",
                 "{% set ns = namespace(t='') %}{% set ns.t = ns.t + '<｜Us' + 'er｜>' + messages[0].content %}{{ ns.t }}",
                 "{% for m in messages %}{{ '<｜Us' }}{{ 'er｜>' }}{{ m.content }}{% endfor %}",
                 "{% for m in messages %}{{ {'user': ['<｜User｜>']}[m.role][0] + m.content }}{% endfor %}",
                 "{% if true %}{{ '<｜User' ~ '｜>' }}{% endif %}{{ messages[0].content }}"):
        assert one(text).special_ranges == [(0, 8)], text
    assert one("<{{ messages[0].content[1:] }}").special_ranges == []  # half of it is the message's
    assert one("{{ '<｜User｜>' + messages[0].content }}").spans[1].message == 0


@pytest.mark.parametrize("text", ["<｜{{ messages[0].role }}｜>", "<｜User｜>{{ '<｜' ~ messages[0].role + '｜>' }}"])
def test_a_role_between_literals(text: str) -> None:
    """It makes a token as in GLM 4's template; not with an end of the token, not alone, and no content does."""
    def ranges(role: str, text: str = text) -> list[tuple[int, int]]:
        return one(text, [{"role": role, "content": "User"}]).special_ranges

    start = 8 * text.startswith("<｜User")
    before = [(0, 8)] * (start > 0)
    assert ranges("User") == [*before, (start, start + 8)]
    for role in ("user", "", "User｜>x", "x<｜User", "User｜><｜User", "<｜User｜>", "User｜>x<｜User"):
        assert ranges(role) == before, role
    assert ranges("User", text.replace("role", "content")) == ranges("｜>", text.replace("role", "name")) == before
    assert ranges("<｜User｜>", "{{ messages[0].role }}") == ranges("｜>", "<｜User{{ messages[0].role }}") == []


def test_a_token_that_cannot_be_followed_is_refused() -> None:
    plain = [{"role": "user", "content": "x"}]
    for text in ("{% set u = 'U' %}{{ '<｜Xser｜>'.replace('X', u) }}", "{% set u = '<｜User' %}{{ [u, '｜>'] | join }}",
                 "{% set u = '<｜User' %}{{ '%s｜>' % u }}", "{% set u = '<｜User' %}{{ '{}｜>'.format(u) }}",
                 "{% autoescape false %}<｜User｜>{% endautoescape %}"):
        with pytest.raises(chat.ChatError, match="makes the token '<｜User｜>' in a way that cannot be followed"):
            one(text, plain)
    assert one("{{ messages[0].content | trim }}").special_ranges == []  # a message holds it: it is the message's


def test_a_template_changes_nothing_of_the_callers() -> None:
    """jinja's filter `indent` adds a line to a list that it gets."""
    parts, x = ["a"], ["b"]
    template = chat.Template("{{ messages[0].content | indent }}{{ x | indent }}", ours("v3"), trusted=True)
    with pytest.raises(chat.ChatError, match="the template raises"):
        chat.render([{"role": "user", "content": parts}], template, x=x)
    assert (parts, x) == (["a"], ["b"])


def test_what_the_tag_generation_marks_is_sampled() -> None:
    text = "{% for m in messages %}<｜Assistant｜>{% generation %}{{ m.content }}<｜end▁of▁sentence｜>{% endgeneration %}{% endfor %}"
    found = one(text, [{"role": "assistant", "content": "Yo"}])
    assert [found.text[span.start : span.end] for span in found.spans if span.sampled] == ["Yo", EOS]


def test_broken_templates_and_options() -> None:
    with pytest.raises(chat.ChatError, match="field template: expected a jinja template: .*raises TemplateSyntaxError"):
        chat.Template("{% for %}", ours("v3"))
    with pytest.raises(chat.ChatError, match="^field template: expected a jinja template, found None$"):
        chat.Template(None, ours("v3"))  # type: ignore[arg-type]
    with pytest.raises(chat.ChatError, match="the template raises: no .the reference raises TemplateError"):
        one("{{ raise_exception('no') }}")
    for text in ("{{ " + "(" * 50_000 + ")" * 50_000 + " }}", "{{ " + "-" * 99_999 + "1 }}", "x" * (1 << 21)):
        with pytest.raises(chat.ChatError, match="field template: expected a"):
            chat.Template(text, ours("v3"))
    endless: dict[str, Any] = {"role": "user"}
    endless["self"] = endless
    for trusted in (False, True):
        echo = chat.Template("{{ messages }}", ours("v3"), trusted=trusted)
        options: Any
        for messages, options in (([endless], {}), ([], {"x": endless})):
            with pytest.raises(chat.ChatError, match="found one that holds itself or is nested too deeply"):
                chat.render(messages, echo, **options)
    assert one("{{ thinking }}{{ tools }}{{ add_generation_prompt }}", thinking="deep").text == "deepNoneFalse"


WRITES = "{% for m in messages %}<{{ m.role }}>{{ m.content CUT }}<end>{% endfor %}{{ '<assistant>' if add_generation_prompt }}"


@pytest.mark.parametrize(("cut", "content", "left"), [
    ("", "Yo", "<assistant>Yo"), ("", "Yo  ", "<assistant>Yo  "), ("| trim", " Yo ", "<assistant>Yo"), ("", "", "<assistant>"),
    ("", "<end>", "<assistant><end>"), (".split('</think>')[-1]", "a</think>Yo ", None),
])
def test_the_last_message_is_left_open(cut: str, content: str, left: str | None) -> None:
    """As transformers leaves it; a template that cuts the message is refused by it, too."""
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": content}]
    if left is None:
        with pytest.raises(chat.ChatError, match="message 1, .*does not write the last message as it is .*ValueError"):
            one(WRITES.replace("CUT", cut), talk, continue_final_message=True)
        return
    found = one(WRITES.replace("CUT", cut), talk, continue_final_message=True)
    assert found.text == f"<user>Hi<end>{left}" and found.spans[-1].end == len(found.text)
    version = chat.render(talk, "v3", continue_final_message=True)
    assert chat.render(talk, template("v3"), continue_final_message=True).text == version.text


def test_what_cannot_be_left_open() -> None:
    for messages in ([], [{"role": "assistant", "content": None}], [{"role": "assistant"}]):
        with pytest.raises(chat.ChatError, match="expected a last message with a text to continue"):
            one(WRITES.replace("CUT", ""), messages, continue_final_message=True)
    with pytest.raises(chat.ChatError, match="expected continue_final_message or add_generation_prompt, found both"):
        one(WRITES.replace("CUT", ""), continue_final_message=True, add_generation_prompt=True)


def test_templates_stand_where_versions_do() -> None:
    tok, messages = ours("v3"), [{"role": "user", "content": "<｜User｜>"}]
    wanted = chat.encode(tok, messages, "v3")
    assert chat.encode(tok, messages, template("v3")).ids == wanted.ids
    assert chat.count(tok, messages, template("v3")) == len(wanted.ids)
    assert chat.Conversation(tok, template("v3"), messages).ids == wanted.ids
    assert reference("v3")(messages, {}) == chat.render(messages, template("v3")).text


def test_without_jinja2_there_is_an_error_that_names_the_extra() -> None:
    code = ("import sys; sys.modules['jinja2'] = None\nfrom dstok import chat\n"
            "print(chat.render([], 'v2').text)\ntry: chat.Template\nexcept chat.ChatError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f'{BOS}\ntemplates need jinja2: pip install "dstok[chat]"\n'
    assert dstok.errors.ChatError is chat.ChatError
