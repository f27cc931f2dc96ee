"""Files and JSON lines -> texts that are split by themselves, with their places.

In: inputs, and the place to begin at. Out: texts as valid UTF-8. Invariant: their pieces are those of the whole texts.
A file is read in blocks, and passed on in parts that are cut only where every text may be cut (`Splitter.may_cut`).
Without such a place, the held text grows.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dstok.base.texts import not_utf8, utf8
from dstok.cli.errors import about_input
from dstok.core.text._utf8 import first_invalid
from dstok.files.inputs import Source, checked_change, open_source, records

if TYPE_CHECKING:
    from dstok.cli.progress import Progress

__all__ = ["Inputs", "Place", "State", "input_states", "parts"]

MAY_CUT_WITHIN = 4096  # bytes from the end of the text read; the first place is mostly a few from it
MayCut = Callable[[str, str], bool]
State = tuple[str, int, int]


class Place(NamedTuple):
    """A byte of an input, unpacked: all before it has been taken."""

    file: int
    offset: int


class Inputs:
    """The texts of the command's inputs from `place` on, which moves with each text that is taken.

    states: of the inputs, by `input_states`. An input that has another one when it has been read is a `FileError`.
    """

    def __init__(
        self, arguments: Namespace, may_cut: MayCut, progress: Progress, place: Place, states: Sequence[State | None],
    ) -> None:
        self.place, self.done, self.states = place, False, states
        self._texts = self._all(arguments, may_cut, progress)

    def segment(self, size: int) -> Iterator[bytes]:
        """The next texts, of `size` bytes or somewhat more; the last ones if this sets `done`."""
        taken = 0
        for text, place in self._texts:
            self.place = place
            taken += len(text)
            yield text
            if taken >= size:
                return
        self.done = True

    def _all(self, arguments: Namespace, may_cut: MayCut, progress: Progress) -> Iterator[tuple[bytes, Place]]:
        first, begun = self.place
        for number, path in enumerate(arguments.files[first:], first):
            with open_source(path, progress) as source:
                after = begun if number == first else 0
                if not arguments.jsonl:
                    for text, end in parts(source, may_cut, arguments.errors, after=after):
                        yield text, Place(number, end)
                else:
                    for record in records(source, arguments.field, arguments.errors, after):
                        yield _text(record.name, record.text), Place(number, source.bytes_read)
            state = self.states[number]
            if state is not None:
                checked_change(*state)


def input_states(paths: Sequence[str]) -> list[State | None]:
    """The path, size and time of change of each input; None for one that is no file."""
    states = list[State | None]()
    for path in paths:
        status = os.stat(path) if os.path.isfile(path) else None
        states.append(status and (os.path.abspath(path), status.st_size, status.st_mtime_ns))
    return states


def _text(name: str, text: str) -> bytes:
    """The text of a record. JSON's escapes can spell lone surrogates: they are an error that names the record."""
    with about_input(name):
        return utf8(text, False)


def parts(
    source: Source, may_cut: MayCut, errors: str = "strict", block: int = 0, after: int = 0
) -> Iterator[tuple[bytes, int]]:
    """The text of a file from byte `after` on in parts, which split as within the whole, each with its end.

    The end is a place in the bytes as they are in the file, before faults are replaced.
    """
    held, end = bytearray(), 0
    for data in source.blocks(block):
        end += len(data)
        if end <= after:
            source.gave(1)
            continue
        held += memoryview(data)[max(0, len(data) - (end - after)) :] if not held else data
        at = _cut(held, may_cut)
        source.gave(at)
        if at:
            yield _checked(source.name, bytes(held[:at]), end - len(held), errors), end - len(held) + at
            del held[:at]
    if held:
        yield _checked(source.name, bytes(held), end - len(held), errors), end


def _cut(text: bytearray, may_cut: MayCut) -> int:
    """The last place where the text may be cut, if it is near the end; else 0. Never beside a byte that is no UTF-8."""
    tail = bytes(text[-MAY_CUT_WITHIN:]).decode("utf-8", "surrogateescape")
    after = 0
    for at in range(len(tail) - 1, 0, -1):
        after += 1 if tail[at] >= "\udc80" and tail[at] <= "\udcff" else len(tail[at].encode())
        if not any("\ud800" <= char <= "\udfff" for char in tail[at - 1 : at + 1]) and may_cut(tail[at - 1], tail[at]):
            return len(text) - after
    return 0


def _checked(name: str, text: bytes, start: int, errors: str) -> bytes:
    """Valid UTF-8, of a part of an input that begins at byte `start`."""
    at = first_invalid(text)
    if at < 0:
        return text
    if errors == "replace":
        return text.decode("utf-8", "replace").encode()
    with about_input(name):
        raise not_utf8(text[at], start + at)
