"""The way into a method for a text without keywords: `core/encode/entry.h`."""

from __future__ import annotations

from typing import Any

import pytest

import dstok
from dstok.errors import ArgumentError

TOK = dstok.load("deepseek-v3")
TEXTS: list[Any] = ["", "hi", "a line of some words, 12345\n", "é中\U0001F600 <｜User｜>x", b"bytes \xc3\xa9", "long " * 400]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_alone_has_the_ids_of_one_with_keywords(text: Any) -> None:
    expected = TOK.encode_array(text).tolist()
    assert TOK.encode(text) == TOK.encode(text, special="all") == TOK.encode(text=text) == expected
    assert type(TOK).encode(TOK, text) == expected
    assert TOK.count(text) == TOK.count(text, errors="strict") == len(expected)


@pytest.mark.parametrize("call", [TOK.encode, TOK.count])
def test_wrong_arguments_are_still_refused(call: Any) -> None:
    for wrong in (lambda: call(), lambda: call("a", "b"), lambda: call("a", nothing=1)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ArgumentError, match="found int"):
        call(5)
    with pytest.raises(TypeError, match="int"):
        type(TOK).encode(5, "a")  # type: ignore[arg-type]
