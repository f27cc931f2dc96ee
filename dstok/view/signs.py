"""Signs for characters that cannot be seen, on pages and in a terminal; the whole characters in a token's bytes.

In: a character, or the bytes of a token. Out: a sign, such as "↵" for a line feed; the bytes, split into text and rest.
Invariant: `SIGNS` is the one table of signs: a page's style and its scripts get theirs from it (`STYLE`,
`pages.view_body`). A character that cannot be seen and is not in the table stands as its number, such as U+202E.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby

__all__ = ["BLANKS", "SIGNS", "STYLE", "circle_before", "sign_of", "split_bytes"]

BLANKS = {" ": "·", "\n": "↵", "\t": "⇥"}
# Unicode has a picture of each control character of ASCII, from U+2400 on; the picture of U+007F comes after them.
SIGNS = {chr(code): chr(0x2400 + code) for code in range(32)} | {"\x7f": "\u2421"} | BLANKS
DOTTED_CIRCLE = "\u25cc"
STYLE = f':root {{ --space: "{BLANKS[" "]}"; --line-feed: "{BLANKS[chr(10)]}"; --tab: "{BLANKS[chr(9)]}" }}\n'


def circle_before(text: str) -> str:
    r"""The dotted circle, for Unicode's way to write a combining mark alone; "" if `text` begins with none.

    >>> circle_before("\u0301"), circle_before("a")
    ('◌', '')
    """
    return DOTTED_CIRCLE if unicodedata.category(text[:1] or "a")[0] == "M" else ""


def sign_of(char: str) -> str | None:
    r"""The sign of a character that cannot be seen; None for one that can.

    >>> sign_of(" "), sign_of("\x1b"), sign_of("\u202e"), sign_of("a")
    ('·', '␛', 'U+202E', None)
    """
    return SIGNS.get(char) or (None if char.isprintable() else f"U+{ord(char):04X}")


def split_bytes(data: bytes) -> list[str | bytes]:
    r"""The bytes of a token in parts: whole characters as text, the bytes between them as bytes.

    >>> split_bytes(b" \xf0\x9f"), split_bytes(b"\xa6\x99a")
    ([' ', b'\xf0\x9f'], [b'\xa6\x99', 'a'])
    """
    text = data.decode("utf-8", "surrogateescape")  # a byte outside whole characters becomes a lone surrogate
    parts = [(wrong, "".join(chars)) for wrong, chars in groupby(text, key=lambda char: "\udc80" <= char <= "\udcff")]
    return [part.encode("utf-8", "surrogateescape") if wrong else part for wrong, part in parts]
