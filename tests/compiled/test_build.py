"""Small examples of the tables that `build_tables` makes."""

from __future__ import annotations

from array import array

from dstok.compiled.build import CLASSES, character_matrix
from dstok.core.split.character_finder import ASCII_CLASSES


def test_a_matrix_joins_what_merges_join() -> None:
    pairs = array("Q", [ord(pair[0]) << 32 | ord(pair[1]) for pair in [" t", "th", "he"]])
    rows = character_matrix(pairs)[:CLASSES]
    letters = 1 << ASCII_CLASSES[ord("a")]
    assert [rows[ASCII_CLASSES[ord(char)]] == letters for char in " a!"] == [True, True, False]
