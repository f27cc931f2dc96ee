"""One reading, or two side by side, as a page asks for it: first a header, then section by section.

In: readings. Out: values of JSON. Invariant: a page asks in one way, whether a server answers or a file holds
everything: `header`, `section`, `piece`. A token's number is always its number in the whole text.

The columns of a section, for each reading. One value a token: `ids`; `pieces`, the difference of the token's piece
number from the token before (for the first: its piece number). Two values a token: `bytes` and `chars`, the distance of
its span's start from the previous span's start (for the first: from the start of the text), and its length. By id or
number of the token: `hex`, the bytes of each id; `states`, a token's bytes of a character; `added`, the added tokens;
`messages`, in a conversation, the message of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dstok.pattern.syntax import alternatives
from dstok.view.alignment import Alignment, align
from dstok.view.markup import tokens_html
from dstok.view.reading import Reading
from dstok.view.sections import section_starts

if TYPE_CHECKING:
    import numpy.typing as npt

    from dstok.protocol import TokenizerProtocol

__all__ = ["FORMAT", "Sheet"]

FORMAT = "dstok view 1"
FLAGS = ("special", "normalized", "single_word", "lstrip", "rstrip")


class Sheet:
    """One reading, or two of one text.

    >>> import dstok
    >>> from dstok.view import read
    >>> sheet = Sheet([read(dstok.load("deepseek-v3"), "Hello world")])
    >>> sheet.section(0)["html"]
    ['<ol><li>Hello<li><i> </i>world</ol>']
    """

    def __init__(self, readings: Sequence[Reading]) -> None:
        self.readings = tuple(readings)
        self.alignment: Alignment | None = align(*self.readings) if len(self.readings) == 2 else None
        self.starts = section_starts(self.readings)

    def __len__(self) -> int:
        return len(self.starts) - 1

    # The header

    def header(self) -> dict[str, Any]:
        """The page's first data.

        sections: for each, the first token of each reading, its characters, its lines, the number of its tokens that
        the other reading lacks, and in a conversation its message, -1 for none.
        """
        alignment = self.alignment
        return {"format": FORMAT, "models": [_model(reading) for reading in self.readings],
                "sections": self._sections(), "ends": self.starts[-1].tolist(),
                "differences": None if alignment is None else {
                    "places": len(alignment.places), "tokens": [int(flags.sum()) for flags in alignment.differ],
                    "ids": alignment.one_vocabulary}}

    def _sections(self) -> list[list[int]]:
        first = self.readings[0]
        if not len(first):
            return [[0] * (len(self.readings) + 3)]
        starts = self.starts[:-1]
        chars = np.append(first.encoding.char_spans[starts[:, 0], 0], len(first.text))
        lines = np.concatenate([[0], np.cumsum(np.frombuffer(first.data, np.uint8) == 10)])
        ends = np.append(first.encoding.byte_spans[starts[:, 0], 0], len(first.data))
        columns = [starts, np.diff(chars)[:, None], np.diff(lines[ends])[:, None], self._differing()[:, None]]
        if len(first.messages):
            columns.append(first.messages[starts[:, 0]][:, None])
        return np.hstack(columns).astype(np.int64).tolist()  # type: ignore[no-any-return]

    def _differing(self) -> npt.NDArray[np.int64]:
        """The number of tokens in each section that the other reading lacks."""
        total = np.zeros(len(self), np.int64)
        for side, flags in enumerate(self.alignment.differ if self.alignment else ()):
            sums = np.concatenate([[0], np.cumsum(flags)])
            total += np.diff(sums[self.starts[:, side]])
        return total

    # Its tokens

    def section(self, number: int) -> dict[str, Any]:
        """The tokens of a section, for each reading as HTML and as columns. Raises `IndexError`."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        ranges = list(zip(*self.starts[number : number + 2].tolist()))
        return {"html": [self.html(side, *each) for side, each in enumerate(ranges)],
                "tokens": [columns(reading, *each) for reading, each in zip(self.readings, ranges)]}

    def html(self, side: int, first: int, last: int) -> str:
        """Tokens of a reading as HTML."""
        return tokens_html(self.readings[side], first, last, self.alignment.differ[side] if self.alignment else None)

    def piece(self, side: int, number: int) -> dict[str, Any]:
        """A piece of a reading, as from `Reading.piece`. Raises `IndexError`."""
        if not 0 <= side < len(self.readings):
            raise IndexError(side)
        return self.readings[side].piece(number)

    @property
    def export(self) -> dict[str, Any]:
        """The whole sheet as JSON: the header, the text, and the columns of all tokens."""
        return {**self.header(), "text": self.readings[0].text,
                "tokens": [columns(reading, 0, len(reading)) for reading in self.readings]}


def columns(reading: Reading, first: int, last: int) -> dict[str, Any]:
    """The tokens `first` to `last` (excluded) of a reading, in the columns of the module's docstring."""
    encoding = reading.encoding
    ids = encoding.ids[first:last].tolist()
    partial = (np.flatnonzero(reading.shared[first:last] | reading.shared[first + 1 : last + 1]) + first).tolist()
    columns = {"start": first, "ids": ids, "bytes": _deltas(encoding.byte_spans[first:last]),
             "chars": _deltas(encoding.char_spans[first:last]),
             "pieces": np.diff(encoding.pieces[first:last], prepend=0).tolist(),
             "hex": {id: reading.vocabulary[id].hex() for id in dict.fromkeys(ids)},
             "states": {token: reading.state(token) for token in partial},
             "added": (np.flatnonzero(encoding.special[first:last]) + first).tolist()}
    return columns | ({"messages": reading.messages[first:last].tolist()} if len(reading.messages) else {})


def _deltas(spans: npt.NDArray[np.int64]) -> list[int]:
    pairs = np.column_stack([np.diff(spans[:, 0], prepend=0), spans[:, 1] - spans[:, 0]])
    return pairs.ravel().tolist()


def _model(reading: Reading) -> dict[str, Any]:
    tokenizer = reading.tokenizer
    return {"name": reading.name, "counts": reading.counts(), "messages": reading.message_counts(),
            "notes": list(reading.notes), **({"steps": None, "added": {}} if tokenizer is None else _parts(tokenizer))}


def _parts(tokenizer: TokenizerProtocol) -> dict[str, Any]:
    model = tokenizer.inspect()
    steps = [{"behavior": split.behavior, "pattern": split.pattern, "invert": split.invert,
              "alternatives": alternatives(split.pattern, split.unicode_version or tokenizer.inspect().unicode_version)}
             for split in model.splits]
    added = {token.id: {"content": token.content, **{name: getattr(token, name) for name in FLAGS}}
             for token in model.added_tokens}
    return {"steps": steps, "added": added, "size": tokenizer.vocab_size, "whole": model.takes_whole_tokens}
