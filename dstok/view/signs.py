"""What stands for a character that cannot be seen, on pages and in a terminal; which bytes of a token are characters.

In: a character, or the bytes of a token. Out: a sign, such as "↵" for a line feed; the bytes, split into text and rest.
Invariant: `SIGNS` is the one table of signs: a page's style and its scripts get theirs from it (`STYLE`,
`pages.view_body`). A character that is not in the table and cannot be seen stands as its number, such as U+202E.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby

__all__ = ["BLANKS", "SIGNS", "STYLE", "circle_before", "sign_of", "split_bytes"]

BLANKS = {" ": "·", "\n": "↵", "\t": "⇥"}
# Unicode has a picture of each control character of ASCII, from U+2400 on; that of U+007F stands after them.
SIGNS = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\x7f": "\u2421"} | BLANKS
DOTTED_CIRCLE = "\u25cc"
STYLE = f':root {{ --space: "{BLANKS[" "]}"; --line-feed: "{BLANKS[chr(10)]}"; --tab: "{BLANKS[chr(9)]}" }}\n'


def circle_before(text: str) -> str:
    r"""What Unicode writes a combining mark on that has nothing to stand on; "" where `text` begins with none.

    >>> circle_before("\u0301"), circle_before("a")
    ('◌', '')
    """
    return DOTTED_CIRCLE if unicodedata.category(text[:1] or "a")[0] == "M" else ""


def sign_of(char: str) -> str | None:
    r"""What stands for a character that cannot be seen; None for one that can.

    >>> sign_of(" "), sign_of("\x1b"), sign_of("\u202e"), sign_of("a")
    ('·', '␛', 'U+202E', None)
    """
    return SIGNS.get(char) or (None if char.isprintable() else f"U+{ord(char):04X}")


def split_bytes(data: bytes) -> list[str | bytes]:
    r"""The bytes of a token in parts: whole characters as text, and what stands between them as bytes.

    >>> split_bytes(b" \xf0\x9f"), split_bytes(b"\xa6\x99a")
    ([' ', b'\xf0\x9f'], [b'\xa6\x99', 'a'])
    """
    text = data.decode("utf-8", "surrogateescape")  # a byte that is part of no whole character is a lone surrogate
    found = [(wrong, "".join(chars)) for wrong, chars in groupby(text, key=lambda char: "\udc80" <= char <= "\udcff")]
    return [part.encode("utf-8", "surrogateescape") if wrong else part for wrong, part in found]
