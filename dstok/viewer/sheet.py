"""One reading, or two of one text side by side, aligned by byte, in sections that a page asks for as it scrolls.

In: readings. Out: values of JSON: a page asks in one way, `header`, `section`, `piece`, whether a server answers or a
file holds everything. A token's number is always its number in the whole text.
Invariant: a token is the same in both if the other reading has one with the same start and end, in bytes; with one
vocabulary, the id must be the same too. Sections hold all tokens, and those of two readings begin at the same bytes. No
character lies in two. A message begins a section if it begins a token; a section ends after a line feed, if near.

The columns of a section, for each reading. One value a token: `ids`; `pieces`, the difference from the number of the
piece before. Two values a token: `bytes` and `chars`, the distance of its span's start from the previous span's start,
and its length. By id or number of the token: `hex`, the bytes of each id; `states`, a token's bytes of a character;
`added`, the added tokens; `messages`, in a conversation, the message of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok.errors import ArgumentError
from dstok.regex.parser import alternatives
from dstok.viewer.html import tokens_html
from dstok.viewer.reading import Reading, Vocabulary

Flags: TypeAlias = "npt.NDArray[np.bool_]"
Numbers: TypeAlias = "npt.NDArray[np.int64]"
FORMAT = "dstok view 1"
FLAGS = ("special", "normalized", "single_word", "lstrip", "rstrip")
LEAST, MOST = 150, 300  # tokens of the first reading: a line feed between these bounds ends a section
# With two readings a section is a row in which both begin at one height: short ones, unless there would be too many.
LEAST_OF_TWO, ROWS = 20, 10_000


@dataclass(frozen=True)
class Alignment:
    """The common tokens of two readings.

    differ: for each reading bool[n], whether the other one lacks the token. one_vocabulary: whether ids were compared.
    places: int64[m], the byte where each stretch of such tokens begins.
    """

    differ: tuple[Flags, Flags]
    one_vocabulary: bool
    places: Numbers


def align(one: Reading, other: Reading) -> Alignment:
    """Compares the two token by token. Raises `ArgumentError` for readings of different texts.

    >>> import dstok
    >>> from dstok.viewer import read
    >>> tok = dstok.load("deepseek-v3")
    >>> found = align(read(tok, "a<｜User｜>"), read(tok, "a<｜User｜>", special="none"))
    >>> found.differ[0].tolist(), found.differ[1].tolist(), found.places.tolist()
    ([False, True], [False, True, True, True, True, True], [1])
    """
    if one.text != other.text:
        raise ArgumentError("expected two readings of one text, found two texts", "other")
    same_ids = one_vocabulary(one, other)
    keys = []  # of a token: its span and, if compared, its id
    for reading in (one, other):
        ids = reading.encoding.ids[:, None].astype(np.int64)
        rows = np.ascontiguousarray(np.hstack([reading.encoding.byte_spans, *([ids] if same_ids else [])]))
        keys.append(rows.view([("", np.int64)] * rows.shape[1]).ravel())
    differ = ~np.isin(keys[0], keys[1]), ~np.isin(keys[1], keys[0])
    places = [reading.encoding.byte_spans[flags & ~np.concatenate([[False], flags[:-1]]), 0]
              for reading, flags in zip((one, other), differ)]
    return Alignment(differ, same_ids, np.unique(np.concatenate(places)))


def one_vocabulary(one: Reading, other: Reading) -> bool:
    """Whether an id means the same in both: their tokenizers have the same tokens, except added ones."""
    both = one.vocabulary, other.vocabulary
    if not all(isinstance(vocabulary, Vocabulary) for vocabulary in both):
        return False
    first, second = (vocabulary.tokenizer.inspect().tables for vocabulary in both)  # type: ignore[attr-defined]
    return all(first[name] == second[name] for name in ("starts", "blob"))


def section_starts(readings: Sequence[Reading]) -> Numbers:
    r"""int64[k + 1, readings]: the first token of each section, in each reading; the last row is the end.

    >>> import dstok
    >>> from dstok.viewer import read
    >>> section_starts([read(dstok.load("deepseek-v3"), "word\n" * 160)]).tolist()
    [[0], [150], [320]]
    """
    first, data = readings[0], np.frombuffer(readings[0].data, np.uint8)
    least = LEAST if len(readings) == 1 else min(LEAST, max(LEAST_OF_TWO, len(first) // ROWS))
    # A section may begin where a token of each reading begins a character.
    spans = first.encoding.byte_spans
    may_begin = ~first.shared[:-1] & (spans[:, 0] < len(first.data)) & (spans[:, 0] < spans[:, 1])
    for other in readings[1:]:
        may_begin &= np.isin(spans[:, 0], other.encoding.byte_spans[~other.shared[:-1], 0])
    borders = np.flatnonzero(may_begin)
    starts = first.encoding.byte_spans[borders, 0]
    lines = borders[(starts > 0) & (data[np.maximum(starts, 1) - 1] == 10)] if len(data) else borders[:0]
    messages = np.intersect1d(np.flatnonzero(np.diff(first.messages)) + 1, borders).tolist()
    chosen = [0]
    for stop in [*messages, len(first)]:
        while chosen[-1] + (MOST if len(readings) == 1 else least) < stop:
            at, most = int(np.searchsorted(lines, chosen[-1] + least)), chosen[-1] + MOST
            if at < len(lines) and lines[at] <= most:
                chosen.append(min(int(lines[at]), stop))
            elif most >= stop:
                break
            else:
                at = int(np.searchsorted(borders, most))
                chosen.append(min(int(borders[at]), stop) if at < len(borders) else stop)
        if chosen[-1] < stop:
            chosen.append(stop)
    rows = np.array(chosen[:-1] or chosen, np.int64)
    columns, places = [rows], first.encoding.byte_spans[rows, 0] if len(first) else np.zeros(len(rows), np.int64)
    for other in readings[1:]:
        columns.append(np.searchsorted(other.encoding.byte_spans[:, 0], places, "left").astype(np.int64))
        columns[-1][0] = 0
    return np.vstack([np.column_stack(columns), [len(reading) for reading in readings]])


class Sheet:
    """One reading, or two of one text.

    >>> import dstok
    >>> from dstok.viewer import read
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

    def header(self) -> dict[str, Any]:
        """The page's first data.

        sections: the first token of each in each reading, its characters, its lines, the number of tokens that the
        other reading lacks, and in a conversation its message, -1 for none.
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
        differing = np.zeros(len(self), np.int64)
        for side, flags in enumerate(self.alignment.differ if self.alignment else ()):
            differing += np.diff(np.concatenate([[0], np.cumsum(flags)])[self.starts[:, side]])
        columns = [starts, np.diff(chars)[:, None], np.diff(lines[ends])[:, None], differing[:, None]]
        if len(first.messages):
            columns.append(first.messages[starts[:, 0]][:, None])
        return np.hstack(columns).astype(np.int64).tolist()  # type: ignore[no-any-return]

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


def _deltas(spans: Numbers) -> list[int]:
    pairs = np.column_stack([np.diff(spans[:, 0], prepend=0), spans[:, 1] - spans[:, 0]])
    return pairs.ravel().tolist()


def _model(reading: Reading) -> dict[str, Any]:
    tokenizer = reading.tokenizer
    found = {"name": reading.name, "counts": reading.counts(), "messages": reading.message_counts(),
             "notes": list(reading.notes)}
    if tokenizer is None:
        return found | {"steps": None, "added": {}}
    model = tokenizer.inspect()
    steps = [{"behavior": split.behavior, "pattern": split.pattern, "invert": split.invert,
              "alternatives": alternatives(split.pattern, split.unicode_version or model.unicode_version)}
             for split in model.splits]
    added = {token.id: {"content": token.content, **{name: getattr(token, name) for name in FLAGS}}
             for token in model.added_tokens}
    return found | {"steps": steps, "added": added, "size": tokenizer.vocab_size, "whole": model.takes_whole_tokens}
