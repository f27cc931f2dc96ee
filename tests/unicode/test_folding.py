"""Case folding is upstream's under `(?i:...)` for every character with a form, and that of other Unicode libraries."""

from __future__ import annotations

import pytest
import regex
from shares import share
from upstream import upstream_pieces

from dstok import Split, Splitter
from dstok.unicode import CodePointSet
from dstok.unicode import normalization as folding

FORMS = sorted(folding._forms("17.0"))
TEXT = " ".join(map(chr, FORMS))


def closure(char: str, version: str = "16.0") -> set[str]:
    return {chr(code) for code in folding.case_closure(CodePointSet.from_chars(char), version)}


def test_forms_are_those_of_upstream() -> None:
    assert len(FORMS) > 2900
    for code in share(FORMS, 20):
        pattern = Split(f"(?i:[\\x{{{code:x}}}])", "Removed", True)
        assert {piece for piece in upstream_pieces([pattern], TEXT) if len(piece) == 1} == closure(chr(code)) & set(TEXT)


def test_forms_are_those_of_regex() -> None:
    for code in share(FORMS, 20):
        pattern = regex.compile(f"[{regex.escape(chr(code))}]", regex.IGNORECASE | regex.VERSION0)
        found = set(pattern.findall(TEXT)) - {"I", "i", "İ", "ı"}  # the package also has the Turkish forms
        assert found == closure(chr(code), "17.0") - {"I", "i", "İ", "ı"}


def test_full_folds_are_python_s() -> None:
    assert len(folding.full_folds("17.0")) == 104
    assert all(char.casefold() == fold for char, fold in folding.full_folds("17.0").items())


@pytest.mark.parametrize("char", [*share(folding.full_folds(), 8)])
def test_a_class_matches_the_folds_of_its_members(char: str) -> None:
    fold, pattern = folding.full_folds()[char], f"(?i:[{char}])b?"
    text = f"{char}b {fold}b {fold.upper()} {fold[:-1]}b {fold}{fold}b {char.swapcase()}"
    assert Splitter(pattern).split(text) == upstream_pieces([Split(pattern)], text)
