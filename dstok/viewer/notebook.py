"""Tokens in a notebook and in a terminal: `Tokenizer.view`.

In: a tokenizer and a text; readings. Out: `TokenView`: a page in its own frame (`sandbox`), whose policy holds there;
or lines with a border at each token's end: `│` where a piece ends, `┆` inside one.
Invariant: a line is as wide as the package wcwidth says, and does not affect the terminal: characters that cannot be
seen stand as signs. A character that several tokens share stands in brackets, with the bytes of each, and an added
token between guillemets, so that nothing is lost without colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from dstok._util.arguments import Special, Text, explained
from dstok._util.columns import width
from dstok._util.files import StrPath, write_at_once
from dstok.viewer.html import circle_before, page_of, sign_of, split_bytes
from dstok.viewer.reading import Reading, read
from dstok.viewer.sheet import Sheet

if TYPE_CHECKING:
    from dstok.protocols import TokenizerProtocol

COLOURS, ADDED, OFF = ("\x1b[30;46m", "\x1b[30;43m"), "\x1b[97;45m", "\x1b[0m"  # black on cyan, black on yellow
PIECE, INSIDE = "│", "┆"


@dataclass
class Lines:
    """Writes tokens of one text, in any number of calls.

    columns: places of a line; 0: a line ends only where the text's does. colours: with two alternating colours. ids:
    adds a line of ids below each line.

    >>> import dstok
    >>> from dstok.viewer import read
    >>> print(*Lines(ids=True).tokens(read(dstok.load("deepseek-v3"), "Hello dstoken"), 0, 3), sep="", end="")
    │Hello│·dst ┆oken│
     19923 78474 6618
    """

    columns: int = 0
    colours: bool = False
    ids: bool = False
    _line: list[tuple[str, str]] = field(default_factory=list)  # the unfinished one: its text, and that below
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
        for each in list(zip(*self._line))[: 1 + self.ids]:
            yield "".join(each).rstrip() + "\n"
        self._line, self._taken = [], 0

    def _cell(self, reading: Reading, first: int, last: int, border: str) -> Iterator[str]:
        """A token, or the tokens that share a character."""
        text, ends = _shown(reading, first, last)
        ids = " ".join(map(str, reading.encoding.ids[first:last].tolist()))
        places = max(width(text), len(ids) if self.ids else 0)
        if self.columns and self._line and self._taken + places + 1 > self.columns:
            yield from self.end()
        if not self._line:
            self._line, self._taken = [(PIECE, " ")], 1
        colour = ADDED if reading.encoding.special[first] else COLOURS[self._number % 2]
        filled = text + " " * (places - width(text))
        self._line.append(((f"{colour}{filled}{OFF}" if self.colours else filled) + border, ids.ljust(places + 1)))
        self._taken += places + 1
        self._number += 1
        if ends:
            yield from self.end()


def _shown(reading: Reading, first: int, last: int) -> tuple[str, bool]:
    """The text for tokens that share a character, or for one token; and whether the text's line ends there."""
    start, end = int(reading.encoding.char_spans[first, 0]), int(reading.encoding.char_spans[last - 1, 1])
    text = reading.text[start:end] or reading.bytes_of(first).decode("utf-8", "replace")
    shown = visible_line(text)
    if last - first > 1:
        parts = (" ".join(visible_line(part) if isinstance(part, str) else part.hex(" ")
                          for part in split_bytes(reading.bytes_of(token))) for token in range(first, last))
        shown = f"[{shown} {INSIDE.join(parts)}]"
    elif reading.encoding.special[first]:
        shown = f"«{shown}»"
    return shown, text.endswith("\n")


def visible_line(text: str) -> str:
    """Text for a line. Signs and numbers replace unseen characters and those that would move the following ones."""
    return circle_before(text) + "".join([sign_of(char) or char for char in text])


MOST_SHOWN = 20_000  # tokens that a notebook shows: its file keeps the output


class TokenView:
    """The tokens of a text by one tokenizer or two: a notebook shows them as a page, `print` as lines.

    readings: a `Reading` for each tokenizer. `save` writes the page, `str` gives the lines.

    >>> import dstok
    >>> print(dstok.load("deepseek-v3").view("Hello world"))
    deepseek-v3: 2 tokens, 11 characters, 11 bytes
    │Hello│·world│
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet, self.readings = sheet, sheet.readings

    def page(self) -> str:
        """The page. It is self-contained."""
        return page_of(self.sheet)

    def save(self, path: StrPath) -> None:
        """Writes the page. Raises `OSError`."""
        write_at_once(path, self.page().encode("utf-8", "replace"))  # the given names may not be UTF-8

    def _repr_html_(self) -> str:
        tokens = max(map(len, self.readings))
        if tokens > MOST_SHOWN:
            return (f"<p>{escape(repr(self))}: too many for a notebook, which shows {MOST_SHOWN:,}; save(path) writes "
                    "the page</p>")
        return frame(self.page(), min(720, 420 + tokens))

    def __repr__(self) -> str:
        counts = ", ".join(f"{reading.name} {len(reading):,} tokens" for reading in self.readings)
        return f"<TokenView: {counts}>"

    def __str__(self) -> str:
        head = "{}: {tokens:,} tokens, {characters:,} characters, {bytes:,} bytes\n"
        parts = ([head.format(reading.name, **reading.counts()), *Lines().tokens(reading, 0, len(reading))]
                 for reading in self.readings)
        return "\n\n".join("".join(part).rstrip("\n") for part in parts)


def frame(page: str, height: int) -> str:
    """A page as a part of another one.

    >>> frame("<p>", 100).partition(" srcdoc")[0]
    '<iframe sandbox="allow-scripts allow-downloads" style="width: 100%; height: 100px; border: 0; resize: vertical"'
    """
    return (f'<iframe sandbox="allow-scripts allow-downloads" style="width: 100%; height: {height}px; border: 0; '
            f'resize: vertical" srcdoc="{escape(page)}"></iframe>')


@explained
def view(
    self: TokenizerProtocol, text: Text, *, beside: TokenizerProtocol | None = None, special: Special = "all",
    add_bos: bool = False, add_eos: bool = False,
) -> TokenView:
    """Shows the tokens of `text`: a notebook shows a page, `print` shows lines. Keywords as for `encode`.

    `beside`: another tokenizer, whose tokens stand beside, aligned by byte. A lone surrogate becomes U+FFFD.
    `TokenView.save` writes the page. Raises as `encode`. More: `dstok.viewer`, docs/view.md.

    >>> import dstok
    >>> dstok.load("deepseek-v3").view("Hello world")
    <TokenView: deepseek-v3 2 tokens>
    """
    both = [self] if beside is None else [self, beside]
    return TokenView(Sheet([read(each, text, special=special, add_bos=add_bos, add_eos=add_eos) for each in both]))
