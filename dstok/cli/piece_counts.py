"""`dstok pieces --count`: the frequency of each piece in files or records.

In: the options of `dstok pieces`. Out: a row a distinct piece, the most frequent first. Invariant: the counts equal
those of whole texts in one call of `Splitter.count_pieces`. Memory holds tables of `--memory`, a block of text for each
thread, and the text between two places where every text may be cut.

With `--work` the counts go to disk after each `SEGMENT` of text, and `piece_work.py` notes the place.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from argparse import Namespace
from array import array
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from dstok.base.numbers import thread_count
from dstok.cli.arguments import field_of, refuse_unless
from dstok.cli.models import load_model, load_splitter
from dstok.cli.piece_inputs import Inputs, Place, State, input_states
from dstok.cli.piece_work import Work
from dstok.cli.progress import watching
from dstok.counts.counting import PieceCounter, count_together
from dstok.errors import FileError
from dstok.files.outputs import Output
from dstok.vocabularies.base import made_by

if TYPE_CHECKING:
    from dstok.splitting.splitter import Splitter

__all__ = ["count_pieces"]

LINES_AT_ONCE = 4096
MEMORY = 1024  # MB
SEGMENT = 1 << 28  # bytes of text


def count_pieces(arguments: Namespace) -> None:
    """Counts pieces, and writes the counts."""
    refuse_unless(arguments.special in (None, "none"), "--special", "pieces without --count, which counts plain text")
    arguments.field = field_of(arguments)
    splitter = _splitter(arguments)
    made = made_by(splitter.unicode_version, splitter.splits)
    states = input_states(arguments.files)
    work = None if arguments.work is None else Work(arguments.work, _settings(arguments, made, states))
    folder = arguments.work or os.path.join(tempfile.gettempdir(), f"dstok-{os.urandom(8).hex()}")
    counters = _counters(arguments, splitter, folder, made)
    try:
        with (work.entered() if work else nullcontext(),
              Output(arguments.output, arguments.files) as output):
            _count(arguments, splitter, counters, work, states)
            _write(output, arguments, counters)
    finally:
        if work is None:
            shutil.rmtree(folder, ignore_errors=True)


def _splitter(arguments: Namespace) -> Splitter:
    from dstok.splitting.splitter import Splitter

    if arguments.splitter is not None:
        return load_splitter(arguments.splitter, arguments.upstream)
    return Splitter.from_tokenizer(load_model(arguments.model, arguments.upstream))


def _settings(arguments: Namespace, made_by: str, states: Sequence[State | None]) -> dict[str, object]:
    """All that decides the counts, for people who read that it differs. Raises `FileError`."""
    for path, state in zip(arguments.files, states):
        if state is None:
            raise FileError(f"{path}: expected a file, which can be read again (--work)")
    return {"splitter": made_by, "files": [[*state] for state in states if state], "field": arguments.field,
            "errors": arguments.errors}


def _counters(arguments: Namespace, splitter: Splitter, folder: str, made_by: str) -> list[PieceCounter]:
    threads = thread_count(1 if arguments.threads is None else arguments.threads)
    memory = (MEMORY if arguments.memory is None else arguments.memory) << 20
    finder = splitter.finder
    return [PieceCounter(finder, memory // threads, folder, made_by) for _ in range(threads)]


def _count(
    arguments: Namespace, splitter: Splitter, counters: Sequence[PieceCounter], work: Work | None,
    states: Sequence[State | None],
) -> None:
    """Counts all texts that `work` has not."""
    counters[0].spills += work.spills if work else []
    with watching(arguments.files) as progress:
        inputs = Inputs(arguments, splitter.may_cut, progress, work.place if work else Place(0, 0),
                        states)
        while not inputs.done:
            count_together(counters, ([text] for text in inputs.segment(SEGMENT)))
            if work is not None:
                for counter in counters:
                    counter.spill()
                work.record(inputs.place, [path for counter in counters for path in counter.spills])


def _write(output: Output, arguments: Namespace, counters: Sequence[PieceCounter]) -> None:
    """Adds up the counts of all threads, and writes them."""
    first, *others = counters
    for other in others:
        first.take(other)
    first.limit(first.memory * len(counters))
    line = _table if arguments.format == "table" else _json
    for pieces, offsets, counts in first.most_frequent_first(keep=arguments.work is not None):
        for at in range(0, len(counts), LINES_AT_ONCE):
            rows = _rows(pieces, offsets[at : at + LINES_AT_ONCE + 1], counts[at : at + LINES_AT_ONCE])
            output.write("".join(line(*row) for row in rows).encode())


def _rows(pieces: bytes, offsets: array[int], counts: array[int]) -> Iterator[tuple[str, int]]:
    for start, end, count in zip(offsets, offsets[1:], counts):
        yield pieces[start:end].decode(), count


def _json(piece: str, count: int) -> str:
    return f'{{"text": {json.dumps(piece, ensure_ascii=False)}, "count": {count}}}\n'


def _table(piece: str, count: int) -> str:
    return f"{count:>12}  {piece!r}\n"
