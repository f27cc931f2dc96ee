"""Packed tokens: a sequence as a tuple is one, with an empty token apart from none."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Sequence

import pytest

from dstok.core.text.model_json import TokenTable, pack_tokens

TOKENS = (b"a", None, b"", b"bcd", None, b"\x00", b"e")


def test_a_table_is_a_sequence() -> None:
    table = pack_tokens(TOKENS)
    assert isinstance(table, Sequence) and len(table) == 7 and tuple(table) == TOKENS
    assert [table[i] for i in range(-7, 7)] == [*TOKENS, *TOKENS]
    assert (table.starts, table.blob, table.empty) == (array("I", [0, 1, 1, 1, 4, 4, 5, 6]), b"abcd\x00e", {2})
    assert (table.of_length(0), table.of_length(1), table.of_length(3)) == (array("I"), array("I", [0, 5, 6]), array("I", [3]))
    for index in (7, -8):
        with pytest.raises(IndexError):
            table[index]


def test_equality() -> None:
    table = pack_tokens(TOKENS)
    assert table == pack_tokens(TOKENS) == pickle.loads(pickle.dumps(table))
    assert (table, TOKENS) == (TOKENS, table) and table != TOKENS[:6] and table != TOKENS[:6] + (None,)
    assert table != pack_tokens((*TOKENS[:2], None, *TOKENS[3:])) and table != 1 and pack_tokens(()) == ()


@pytest.mark.parametrize("starts", [[], [1], [0, 2, 1], [0, 4]])
def test_starts_that_do_not_fit(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="expected starts"):
        TokenTable(array("I", starts), b"abc")
