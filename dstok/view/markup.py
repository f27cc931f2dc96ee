"""Tokens -> HTML.

In: a reading, a range of its tokens. Out: a list, `<ol>`, with an item a token. The items are as short as possible, as
a long text has many.
Invariant: the text is shown and cannot act. Markup is escaped; controls, and characters that change the direction of
writing, stand as their numbers; blanks, tabs and line feeds are marked. A character that several tokens share stands
once, in a box with its tokens.

Classes of tokens: `c` continues the piece of the token before, `a` is an added token, `d` is missing in the other
reading, `w` has more than `MOST_WHOLE` characters or twice as many columns, so that a line may end inside it, `v` has
more than `MOST_WHOLE` columns, `m` is a box of several tokens, `g` is text that no token holds and a model drops, `r`
begins in a line that runs from right to left. Tokens follow one another in their line's direction, whatever the
direction of their letters: the style isolates each. In a line of class `r`, `<bdi>` isolates those with letters or
digits that run from left to right; all others stay joined, as Arabic letters are.
Classes of parts of a token: `n` line feed, `t` tab, `u` a character written as its number, or ∅ for no text; a blank
has no class.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

from dstok.base.columns import width
from dstok.view.reading import Reading
from dstok.view.signs import circle_before, sign_of, split_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["byte_parts", "shown", "tokens_html"]

MOST_WHOLE = 20  # characters of a token that stays in one piece on any screen

# Blanks stand as themselves, so that copied text has them; the style adds their signs (signs.py).
BLANKS = {" ": "<i> </i>", "\n": "<i class=n>\n</i>", "\t": "<i class=t>\t</i>"}
LOOK_BACK = 10_000  # characters: how far before a list's first token the start of its line is looked for
NOTHING = "<i class=u>\u2205</i>"
# The blocks of Unicode that have letters which run from right to left.
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def tokens_html(
    reading: Reading, first: int, last: int, differ: npt.NDArray[np.bool_] | None = None,
) -> str:
    """The tokens `first` to `last` (excluded) as a list.

    >>> import dstok
    >>> from dstok.view import read
    >>> print(tokens_html(read(dstok.load("deepseek-v3"), "<b> dstoken"), 0, 4))
    <ol><li>&lt;b<li>&gt;<li><i> </i>dst<li class=c>oken</ol>
    """
    return f"<ol>{''.join(_items(reading, first, last, differ))}</ol>"


def _items(reading: Reading, first: int, last: int, differ: npt.NDArray[np.bool_] | None) -> Iterator[str]:
    spans = reading.encoding.char_spans[first : last + 1].tolist()
    opened, shared = _opened(reading, first, last, differ), reading.shared[first : last + 1].tolist()
    backward = _backward(reading, first, last)
    text, at, done = reading.text, 0, int(reading.encoding.char_spans[first - 1, 1]) if first else 0
    while at < last - first:
        start, end = spans[at]
        right = backward[at]
        if start > done:
            yield _opening("gr" if right else "g") + _isolated(text[done:start], shown(text[done:start]), right)
        done = max(done, end)
        if not shared[at + 1]:
            part = text[start:end]
            html = shown(part) or _of_no_text(reading, first + at)
            yield OPEN[opened[at] + _long(part) + 32 * right] + _isolated(part, html, right and not opened[at] & 2)
            at += 1
            continue
        begin = at
        while shared[at + 1]:
            at += 1
        at += 1
        done = spans[at - 1][1]
        parts = "".join(OPEN[opened[each]] + byte_parts(reading.bytes_of(first + each)) for each in range(begin, at))
        yield f"{_opening('mr' if right else 'm')}<b>{shown(text[start:done])}</b><ol>{parts}</ol>"
    if last == len(reading) and done < len(text):
        right = backward[-1] if backward else False
        yield _opening("gr" if right else "g") + _isolated(text[done:], shown(text[done:]), right)


def _isolated(text: str, html: str, right: bool) -> str:
    apart = right and any(unicodedata.bidirectional(char) in ("L", "EN", "AN") for char in text)
    return f"<bdi>{html}</bdi>" if apart else html


def _backward(reading: Reading, first: int, last: int) -> list[bool]:
    """Whether each token begins in a line from right to left: one whose first letter outside added tokens runs so."""
    spans, special = reading.encoding.char_spans, reading.encoding.special
    if first == last:
        return []
    start, end = int(spans[first, 0]), int(spans[last - 1, 1])
    begin = reading.text.rfind("\n", max(0, start - LOOK_BACK), start) + 1 or max(0, start - LOOK_BACK)
    text = reading.text[begin:end]
    if not RIGHT_TO_LEFT.search(text):
        return [False] * (last - first)
    before = int(spans[:first, 0].searchsorted(begin))
    for start, stop in spans[before:last][special[before:last]].tolist():
        text = text[: start - begin] + " " * (stop - start) + text[stop - begin :]
    found, line_end, right = list[bool](), 0, False
    for start in spans[first:last, 0].tolist():
        if start - begin >= line_end or not found:
            line_end = text.find("\n", start - begin) + 1 or len(text)
            right = _runs_backward(text[text.rfind("\n", 0, start - begin) + 1 : line_end])
        found.append(right)
    return found


def _runs_backward(line: str) -> bool:
    if not RIGHT_TO_LEFT.search(line):
        return False
    classes = (unicodedata.bidirectional(char) for char in line if not sign_of(char))
    return next((its != "L" for its in classes if its in ("L", "R", "AL")), False)


def _opened(reading: Reading, first: int, last: int, differ: Any) -> list[int]:
    """For each item, the place of its opening tag in `OPEN`, if the token is short."""
    pieces, special = reading.encoding.pieces, reading.encoding.special[first:last].tolist()
    numbers = pieces[first:last].tolist()
    before = [int(pieces[first - 1]) if first else -2, *numbers[:-1]] if numbers else []
    flags = [False] * (last - first) if differ is None else differ[first:last].tolist()
    return [(number == earlier >= 0) + 2 * added + 4 * other
            for number, earlier, added, other in zip(numbers, before, special, flags)]


def _opening(classes: str) -> str:
    if len(classes) < 2:
        return f"<li class={classes}>" if classes else "<li>"
    return f'<li class="{" ".join(classes)}">'


OPEN = [_opening("".join(name for bit, name in enumerate("cadvwr") if flags >> bit & 1)) for flags in range(64)]


@lru_cache(1 << 12)
def _columns(text: str) -> int:
    """The columns of a text without its line feeds, as the terminal has them."""
    return sum(width(sign_of(char) or char) for char in text if char != "\n")


def _long(text: str) -> int:
    """The bits of `OPEN` for a token's text: 16, 8 or 0."""
    if len(text) <= MOST_WHOLE and (text.isascii() or len(text) < 3):  # no sign has more than the 8 of U+10FFFF
        return 0
    columns = _columns(text)
    return 16 * (len(text) > MOST_WHOLE or columns > 2 * MOST_WHOLE) or 8 * (columns > MOST_WHOLE)


def _of_no_text(reading: Reading, token: int) -> str:
    """The text shown for a token outside the text, such as BOS; the sign of the empty set if it has no bytes."""
    return shown(reading.bytes_of(token).decode("utf-8", "replace")) or NOTHING


@lru_cache(1 << 15)
def shown(text: str) -> str:
    """Text for a page.

    >>> shown("<b> \u202e\u0301")
    '&lt;b&gt;<i> </i><i class=u>U+202E</i>\u0301'
    """
    if text.isalnum() and text.isascii():
        return text
    return circle_before(text) + "".join([BLANKS.get(char) or _char(char) for char in text])


def _char(char: str) -> str:
    sign = sign_of(char)
    return f"<i class=u>{sign}</i>" if sign else escape(char, quote=False)


@lru_cache(1 << 12)
def byte_parts(data: bytes) -> str:
    r"""A token that holds parts of characters: whole characters as text, other bytes in hexadecimal.

    >>> byte_parts(b" \xf0\x9f")
    '<i> </i><code>f0 9f</code>'
    """
    return "".join(shown(part) if isinstance(part, str) else f"<code>{part.hex(' ')}</code>"
                   for part in split_bytes(data))
