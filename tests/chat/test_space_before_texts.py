"""Conversations of models that put a space before texts: of each text, of each stretch, or of the first one alone."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from character_models import DECODERS, PREPEND, REPLACE, STRIP, added_token, character_json, metaspace
from hypothesis import example, given
from hypothesis import strategies as st
from reference import examples

import dstok
from dstok import chat

SHAPES: dict[str, tuple[Any, Any]] = {
    "none": (REPLACE, None), "stretch": (PREPEND, None), "unless blank": (None, metaspace("always", False)),
    "text": (None, metaspace("first", False))}
TEMPLATE = """{% for message in messages %}{% if message.role == "user" %}<u>{{ message.content }}{% else %}<a>{{
message.content }}</a>{% endif %}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"""

TOKENS = ("<u>", "<a>", "</a>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<think>",
          "</think>")  # V4's, too

contents = st.text("ab \n中", max_size=6)


@cache
def model(name: str) -> dstok.Tokenizer:
    normalizer, pre_tokenizer = SHAPES[name]
    file = character_json(normalizer, pre_tokenizer, decoders=[*DECODERS, *[STRIP] * (name != "none")])
    size = len(file["model"]["vocab"])
    file["added_tokens"] = [added_token(size + number, text, special=True) for number, text in enumerate(TOKENS)]
    return dstok.Tokenizer.from_str(json.dumps(file))


def talk_of(texts: list[str]) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("start", ["", "a b "])
@examples(100)
@given(st.lists(contents, min_size=1, max_size=4))
@example(["ab", "ab a"])
def test_ids_are_those_of_the_whole_text(name: str, start: str, texts: list[str]) -> None:
    tok = model(name)
    template, messages = chat.Template(start + TEMPLATE, tok), talk_of(texts)
    found = chat.encode(tok, messages, template)
    assert found.ids == chat.encode(tok, messages, template, special="all").ids == tok.encode(found.rendered.text)
    assert chat.count(tok, messages, template) == len(found.ids) == len(found.offsets)
    talk = chat.Conversation(tok, template)
    for message in messages:
        talk.append(message)
    assert talk.ids == found.ids
    if name == "text":
        for number, ((before, after), id) in enumerate(zip(found.offsets.tolist(), found.ids)):
            spelled = tok.decode_bytes([id]).decode()
            assert found.rendered.text[before:after] == (spelled if number else spelled.removeprefix(" "))


@pytest.mark.parametrize("name", SHAPES)
def test_long_texts(name: str) -> None:
    """A stretch of more than a thousand characters after a token, which a conversation holds."""
    tok = model(name)
    messages = [{"role": "user", "content": text} for text in ("xb a " * 300, "b ab " * 300, "ab")]
    talk = chat.Conversation(tok, "v4-preview")
    for message in messages:
        talk.append(message)
    assert talk.ids == chat.encode(tok, messages, "v4-preview").ids == tok.encode(chat.render(messages, "v4-preview").text)


@pytest.mark.parametrize("special", ["template", "all"])
@pytest.mark.parametrize("name", SHAPES)
def test_text_after_sampled_ids(name: str, special: Any) -> None:
    """No space goes between an answer in ids and its end token, nor before the text that follows them."""
    tok = model(name)
    template = chat.Template(TEMPLATE, tok)
    talk = chat.Conversation(tok, template, talk_of(["ab"]), add_generation_prompt=True, special=special)
    before, answer = talk.ids, tok.encode("<a>ab a")[1:]
    talk.append({"role": "assistant", "content": tok.decode(answer)}, ids=answer)
    assert talk.ids[len(before) :][: len(answer)] == answer
    talk.append({"role": "user", "content": "a b"})
    text = tok.decode_bytes(talk.ids).decode()
    assert text.replace(" ", "") == "<u>ab<a>aba</a><u>ab<a>" and "a </a>" not in text
    assert talk.encoded().sampled.sum() == len(answer)
    assert np.array_equal(talk.encoded().array(), talk.ids)


@pytest.mark.parametrize("special", ["template", "all"])
@pytest.mark.parametrize("name", SHAPES)
def test_text_that_goes_on_inside_a_stretch(name: str, special: Any) -> None:
    """A format without an end token: the next message follows the answer."""
    tok = model(name)
    template = chat.Template("<u>{% for message in messages %}{{ message.content }}{% endfor %}", tok)
    talk = chat.Conversation(tok, template, talk_of(["ab"]), special=special)
    before, answer = talk.ids, tok.encode("<a>c a")[1:]
    talk.append({"role": "assistant", "content": "c a"}, ids=answer)
    talk.append({"role": "user", "content": "xb"})
    assert talk.ids == [*before, *answer, tok.token_to_id("x"), tok.token_to_id("b")]
