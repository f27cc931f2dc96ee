"""Tokens as lines of a terminal.

In: a reading, a range of its tokens. Out: lines with a border at each token's end: `│` where a piece ends, `┆` inside
one. Invariant: a line is as wide as the package wcwidth says, and does not affect the terminal: characters that cannot
be seen stand as signs (signs.py). A character that several tokens share stands in brackets, with the bytes of each. An
added token stands between guillemets, so that nothing is lost without colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dstok.base.columns import width
from dstok.view.reading import Reading
from dstok.view.signs import circle_before, sign_of, split_bytes

__all__ = ["Lines", "visible_line"]

COLOURS, ADDED, OFF = ("\x1b[30;46m", "\x1b[30;43m"), "\x1b[97;45m", "\x1b[0m"  # black on cyan, black on yellow
PIECE, INSIDE = "│", "┆"


@dataclass
class Lines:
    """Writes tokens of one text, in any number of calls.

    columns: places of a line; 0: a line ends only where the text's does. colours: with two alternating colours. ids:
    adds a line of ids below each line.

    >>> import dstok
    >>> from dstok.view import read
    >>> print(*Lines(ids=True).tokens(read(dstok.load("deepseek-v3"), "Hello dstoken"), 0, 3), sep="", end="")
    │Hello│·dst ┆oken│
     19923 78474 6618
    """

    columns: int = 0
    colours: bool = False
    ids: bool = False
    _line: list[tuple[str, int]] = field(default_factory=list)  # of the unfinished line: text, places
    _below: list[str] = field(default_factory=list)
    _taken: int = 0  # its number of places
    _number: int = 0

    def tokens(self, reading: Reading, first: int, last: int) -> Iterator[str]:
        """The lines of the tokens `first` to `last` (excluded), each with its line feed; the last one ends."""
        yield from self.some(reading, first, last)
        yield from self.end()

    def some(self, reading: Reading, first: int, last: int) -> Iterator[str]:
        """As `tokens`, except that the last line may be continued."""
        pieces, at = reading.encoding.pieces, first
        while at < last:
            end = at + 1
            while end < last and reading.shared[end]:
                end += 1
            inside = end < len(reading) and pieces[end] == pieces[at] >= 0
            yield from self._cell(reading, at, end, INSIDE if inside else PIECE)
            at = end

    def end(self) -> Iterator[str]:
        """Ends the last line."""
        if self._line:
            yield "".join(text for text, _ in self._line).rstrip() + "\n"
            if self.ids:
                yield "".join(self._below).rstrip() + "\n"
        self._line, self._below, self._taken = [], [], 0

    def _cell(self, reading: Reading, first: int, last: int, border: str) -> Iterator[str]:
        """A token, or the tokens that share a character."""
        text, ends = _shown(reading, first, last)
        ids = " ".join(map(str, reading.encoding.ids[first:last].tolist()))
        places = max(width(text), len(ids) if self.ids else 0)
        if self.columns and self._line and self._taken + places + 1 > self.columns:
            yield from self.end()
        if not self._line:
            self._add(PIECE, " ", 1)
        colour = ADDED if reading.encoding.special[first] else COLOURS[self._number % 2]
        filled = text + " " * (places - width(text))
        self._add((f"{colour}{filled}{OFF}" if self.colours else filled) + border, ids.ljust(places + 1), places + 1)
        self._number += 1
        if ends:
            yield from self.end()

    def _add(self, text: str, below: str, places: int) -> None:
        self._line.append((text, places))
        self._below.append(below)
        self._taken += places


def _shown(reading: Reading, first: int, last: int) -> tuple[str, bool]:
    """The text for tokens that share a character, or for one token; and whether the text's line ends there."""
    start, end = int(reading.encoding.char_spans[first, 0]), int(reading.encoding.char_spans[last - 1, 1])
    text = reading.text[start:end] or reading.bytes_of(first).decode("utf-8", "replace")
    shown = visible_line(text)
    if last - first > 1:
        parts = INSIDE.join(_parts(reading.bytes_of(token)) for token in range(first, last))
        shown = f"[{shown} {parts}]"
    elif reading.encoding.special[first]:
        shown = f"«{shown}»"
    return shown, text.endswith("\n")


def _parts(data: bytes) -> str:
    """A token that holds parts of characters: whole characters as text, other bytes in hexadecimal."""
    return " ".join(visible_line(part) if isinstance(part, str) else part.hex(" ") for part in split_bytes(data))


def visible_line(text: str) -> str:
    r"""Text for a line. Signs and numbers replace unseen characters and those that would move the following ones.

    >>> visible_line(" a\tb\n\x1b\u202e")
    '·a⇥b↵␛U+202E'
    """
    return circle_before(text) + "".join([sign_of(char) or char for char in text])
