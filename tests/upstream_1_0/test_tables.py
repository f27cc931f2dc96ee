"""The Unicode tables of 1.0.0rc3, asked over all code points: patterns, Digits, Whitespace, normal forms and the rest.

Its Python surface has no pre-tokenizers and no normalizers. So small files ask: one merge joins "x" and the first byte
of a character, and so shows whether the two are in one piece.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import unicodedata2
from newer_upstream import NAME, newer_of, small_file
from reference import DEEP
from shares import chance_of_today, share

import dstok
from dstok.errors import UnsupportedError
from dstok.formats.upstream import upstream_version
from dstok.unicode.normalization import FORMS, combining_classes, unclean

SCALARS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
PRE_TOKENIZERS: dict[str, dict[str, Any]] = {
    "GPT-2": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "Digits": {"type": "Digits", "individual_digits": True},
    "Whitespace": {"type": "Whitespace"},
    "WhitespaceSplit": {"type": "WhitespaceSplit"},
    "Punctuation": {"type": "Punctuation", "behavior": "Isolated"},
}
NORMALIZERS: dict[str, dict[str, Any]] = {name: {"type": name} for name in (*FORMS, "Lowercase", "StripAccents")}
NORMALIZERS["Strip"] = {"type": "Strip", "strip_left": True, "strip_right": True}


def compare(file: str, texts: Iterator[str]) -> None:
    ours = dstok.Tokenizer.from_str(file, upstream=NAME)
    with newer_of(file) as newer:
        while block := [text for text, _ in zip(texts, range(1000))]:
            for text, expected, ids in zip(block, newer.encode(block), ours.encode_batch(block)):
                assert ids == expected, ascii(text)


def in_context(context: str, size: int = 256) -> Iterator[str]:
    """The day's share of all code points, each in the context."""
    for at in share(range(0, len(SCALARS), size), 4):
        yield "".join(context.replace("{}", chr(code)) for code in SCALARS[at : at + size])


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_pre_tokenizers_over_all_code_points(name: str) -> None:
    compare(small_file(PRE_TOKENIZERS[name]), in_context("x{}x "))


@pytest.mark.parametrize("name", NORMALIZERS)
def test_normalizers_over_all_code_points(name: str) -> None:
    compare(small_file(normalizer=NORMALIZERS[name]), in_context("a{}\u0301 "))


@pytest.mark.parametrize("form", FORMS)
def test_random_strings_of_marks(form: str) -> None:
    chance = chance_of_today(form)
    compare(small_file(normalizer={"type": form}), (mark_string(chance) for _ in range(400_000 if DEEP else 4_000)))


POOLS = ([*combining_classes("17.0")], unclean("NFKD", "17.0"), unclean("NFC", "17.0"),
         [0x61, 0x41, 0x65, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x20, 0x4E2D])


def mark_string(chance: random.Random) -> str:
    return "".join(chr(chance.choice(chance.choices(POOLS, (6, 2, 2, 2))[0])) for _ in range(chance.randrange(1, 14)))


def test_combining_classes_by_another_source() -> None:
    """`unicodedata2` 16.0, which agrees for all characters that it has."""
    known = {code for code in combining_classes("17.0") if unicodedata2.category(chr(code)) != "Cn"}
    assert all(combining_classes("17.0")[code] == unicodedata2.combining(chr(code)) for code in known)
    assert len(known) > 900 and combining_classes("17.0").items() > combining_classes("9.0").items()


def test_the_forms_are_a_field_of_the_version() -> None:
    marks = "\u0c15\u0c4d\u0c3c"
    file = small_file(normalizer={"type": "NFC"})
    old, new = (dstok.Tokenizer.from_str(file, upstream=name) for name in ("tokenizers-0.23.3", NAME))
    assert old.decode(old.encode(marks)) == marks
    assert new.decode(new.encode(marks)) == "\u0c15\u0c3c\u0c4d" == unicodedata2.normalize("NFC", marks)
    assert (upstream_version(NAME).forms, new.inspect().normalizer[0].unicode_version) == ("17.0", "17.0")
    assert old.fingerprint != new.fingerprint


def test_a_pattern_in_replace_is_refused() -> None:
    """1.0 reads it as fancy-regex does, and by tables of 16.0."""
    file = small_file(normalizer={"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"})
    assert dstok.Tokenizer.from_str(file).encode("aa") == [98]
    with pytest.raises(UnsupportedError, match=r"a pattern in Replace as tokenizers-1\.0\.0rc3 reads it - at \$\.norm"):
        dstok.Tokenizer.from_str(file, upstream=NAME)
    with pytest.raises(UnsupportedError, match="a pattern in Replace as"):
        dstok.Tokenizer.from_str(file).replace(upstream=NAME)
