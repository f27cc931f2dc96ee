"""Texts -> counted pieces, for a training.

In: a finder, a normalizer, texts. Out: the distinct pieces with their counts, as often as they are asked for.
Invariant: each text is normalized and cut by itself, without looking for added tokens. Pieces that take more than
`memory` go to files in a folder that is removed afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from tempfile import TemporaryDirectory

from dstok._util.arguments import Text, checked_texts, in_lists, ready, thread_count, utf8, whole_number
from dstok._util.files import StrPath
from dstok.core.split.finder import Finder
from dstok.core.text.normalize import Normalizer
from dstok.counts import CountsFile, PieceCounter, count_together
from dstok.errors import TextError
from dstok.training.learn import Rows

Texts = Iterable["Text | Sequence[Text]"]


@contextmanager
def counted(
    finder: Finder, normalizer: Normalizer | None, texts: Texts, threads: int, memory: int,
) -> Iterator[Callable[[], Iterable[Rows]]]:
    """Counts the pieces of `texts`; gives a function that returns blocks of them. Raises `TextError`, `FileError`."""
    with TemporaryDirectory(prefix="dstok-") as folder:
        counter = _counter(finder, normalizer, texts, threads, memory, folder)
        if counter.spills:
            yield counter.write(os.path.join(folder, "all.counts")).rows
        else:
            block = counter.tally.counted()
            yield lambda: [block]


def counted_file(
    finder: Finder, normalizer: Normalizer | None, texts: Texts, threads: int, memory: int, folder: str, made_by: str,
    path: StrPath,
) -> CountsFile:
    """Counts the pieces of `texts` into a counts file. `folder`: for tables that do not fit. Raises as `counted`."""
    return _counter(finder, normalizer, texts, threads, memory, folder, made_by).write(path)


def _counter(
    finder: Finder, normalizer: Normalizer | None, texts: Texts, threads: int, memory: int, folder: str,
    made_by: str = "",
) -> PieceCounter:
    share = whole_number("memory", memory) // thread_count(threads)
    first, *others = [PieceCounter(finder, share, folder, made_by) for _ in range(threads)]
    count_together([first, *others], ready_texts(texts, normalizer))
    first.limit(memory)
    while others:
        first.take(others.pop())
    return first


def ready_texts(texts: Texts, normalizer: Normalizer | None) -> Iterator[list[str | bytes]]:
    """Texts as `ready_text` gives them, in lists. An error has the number of its text."""
    def other(text: Text, number: int) -> str | bytes:
        try:
            return ready_text(text, normalizer)
        except TextError as error:
            raise TextError(error.message, error.offset, number) from None

    checked, number = checked_texts(texts), 0
    kinds = {*map(type, checked)} if isinstance(checked, list | tuple) else {list}
    nested = any(issubclass(kind, list | tuple) for kind in kinds)
    for each in checked if nested else [checked]:  # a text, or a list of them
        for some in in_lists(each) if isinstance(each, list | tuple) else [(each,)]:
            yield ready(some, other, number) if normalizer is None else list(map(other, some, count(number)))
            number += len(some)


def ready_text(text: Text, normalizer: Normalizer | None) -> str | bytes:
    """A text in the form of the core, normalized. Raises `TextError`."""
    if normalizer is None and isinstance(text, str) and text.isascii():
        return text
    data = utf8(text, False)
    return data if normalizer is None else normalizer.normalize(data)
