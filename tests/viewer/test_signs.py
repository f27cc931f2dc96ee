"""What stands for characters that cannot be seen: one table, for pages, their style and scripts, and for the terminal."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from importlib.resources import files

import regex

import dstok
from dstok.viewer import Sheet, read
from dstok.viewer.html import (
    BLANKS,
    SIGNS,
    STYLE,
    STYLES,
    asset,
    byte_parts,
    circle_before,
    page_of,
    shown,
    sign_of,
    split_bytes,
)
from dstok.viewer.notebook import visible_line


def test_every_character_that_cannot_be_seen_has_a_sign_of_its_own() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    unseen = [char for char in every if not char.isprintable() or char == " "]
    unseen += filter(str.isprintable, regex.findall(r"\p{DI}", every))
    unseen.append("\u2800")
    signs = [sign_of(char) for char in unseen]
    assert None not in signs and len(set(signs)) == len(unseen) and set(SIGNS) <= set(unseen)


def test_a_page_has_the_signs() -> None:
    page = page_of(Sheet([read(dstok.load("deepseek-v3"), "a\n\x1b")]))
    [given] = re.findall(r'<main data-signs="(.*?)">', page)
    assert json.loads(unescape(given)) == SIGNS and STYLE in page


def test_the_signs_stand_in_one_file() -> None:
    """Of the style every sign comes from a variable, and every variable is set; the scripts have none of their own."""
    names = set(re.findall(r"--[\w-]+", STYLE))
    used = {name for style in STYLES for name in re.findall(r"content: var\((--[\w-]+)\)", asset(style))}
    assert names == used and [sign for sign in BLANKS.values() if sign not in STYLE] == []
    for file in (files("dstok.viewer") / "files").iterdir():
        assert not set(file.read_text(encoding="utf-8")) & set(SIGNS.values()), file.name


def test_the_bytes_of_a_token_are_split_without_loss() -> None:
    for data in (b"", b"abc", "é中🦙".encode(), b"\xf0\x9f", b"a\xf0\x9f b\xa6\xa6c", "\ufffd".encode(), b"\xed\xa0\x80a"):
        found = split_bytes(data)
        assert b"".join(part.encode() if isinstance(part, str) else part for part in found) == data
        assert all(found) and all(type(one) is not type(next) for one, next in zip(found, found[1:]))
    assert [split_bytes(b" \xf0\x9f"), split_bytes(b"\xa6\x99a")] == [[" ", b"\xf0\x9f"], [b"\xa6\x99", "a"]]


def test_how_characters_stand_on_a_page_and_in_a_line() -> None:
    assert [sign_of(char) for char in " \x1b\u202ea"] == ["·", "␛", "U+202E", None]
    assert [circle_before("\u0301"), circle_before("a"), circle_before("\ufe0f")] == ["◌", "", ""]
    assert shown("❤\ufe0f") == "❤<i class=u>U+FE0F</i>"
    assert shown("<b> \u202e\u0301") == "&lt;b&gt;<i> </i><i class=u>U+202E</i>\u0301"
    assert byte_parts(b" \xf0\x9f") == "<i> </i><code>f0 9f</code>"
    assert visible_line(" a\tb\n\x1b\u202e") == "·a⇥b↵␛U+202E"
