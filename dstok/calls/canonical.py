"""Ids that encoding their own text gives: canonical ids.

In: ids, for example those that a model sampled. Out: whether they are canonical, the place from which on they are not,
the canonical ids of their text.
Invariant: ids are canonical if and only if `encode(decode(ids)) == ids`. Example: "Hello" is one token, so the ids of
"He" and "llo" have its text, but are not canonical. Ids whose bytes are not UTF-8 are not canonical: no text has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dstok.base.ids import common_start, id_list
from dstok.base.texts import Errors, Special
from dstok.calls.batches import encode_batch_arrays
from dstok.calls.decoding import decode, decode_batch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts

__all__ = ["canonical", "first_noncanonical", "first_noncanonical_batch", "is_canonical"]


def canonical(self: Parts, ids: Iterable[int], *, special: Special = "all", errors: Errors = "strict") -> list[int]:
    """The ids that encoding the text of `ids` gives. Keywords as `encode`.

    Raises `DecodeError` if the bytes of `ids` are not UTF-8; with errors="replace" U+FFFD stands for these bytes, as in
    `decode`. Raises `UnknownIdError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> he, llo = tok.token_to_id("He"), tok.token_to_id("llo")
    >>> tok.canonical([he, llo])
    [19923]
    """
    return self.encode(decode(self, ids, errors=errors), special=special)


def is_canonical(self: Parts, ids: Iterable[int], *, special: Special = "all") -> bool:
    """Whether encoding the text of `ids` gives `ids` again. Keywords and errors as `first_noncanonical`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.is_canonical(tok.encode("Hello world")), tok.is_canonical([tok.token_to_id("He"), tok.token_to_id("llo")])
    (True, False)
    """
    return first_noncanonical(self, ids, special=special) is None


def first_noncanonical(self: Parts, ids: Iterable[int], *, special: Special = "all") -> int | None:
    """The index of the first id that encoding the text of `ids` does not give at its place; None: `ids` are canonical.

    `special` as in `encode`: with "none", the id of an added token is not canonical. It takes the time of decoding and
    encoding. Raises `UnknownIdError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.first_noncanonical([*tok.encode("Yes. "), tok.token_to_id("He"), tok.token_to_id("llo")])
    2
    """
    given = id_list(ids)
    expected = self.encode(decode(self, given), special=special)
    return None if given == expected else common_start(given, expected)


def first_noncanonical_batch(
    self: Parts, batch: Iterable[Any], *, offsets: npt.NDArray[np.int64] | None = None, threads: int = 1,
    special: Special = "all",
) -> npt.NDArray[np.int64]:
    """`first_noncanonical` of each list of `batch`, as int64[n]; -1 where a list is canonical.

    `batch` and `offsets` as in `decode_batch`, `threads` as in `encode_batch`. An error names the list.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.first_noncanonical_batch([tok.encode("Hello"), [tok.token_to_id("He"), tok.token_to_id("llo")]])
    array([-1,  0])
    """
    import numpy as np

    lists: Any = list(batch) if isinstance(batch, Iterable) and not hasattr(batch, "__getitem__") else batch
    if isinstance(lists, list):
        lists = [list(row) if isinstance(row, Iterator) else row for row in lists]  # they are read twice
    texts = decode_batch(self, lists, offsets=offsets)
    expected, bounds = encode_batch_arrays(self, texts, threads=threads, special=special)
    given = lists if offsets is None else [lists[start:end] for start, end in pairwise(np.asarray(offsets).tolist())]
    rows = (row if isinstance(row, np.ndarray) else id_list(row) for row in given)
    found = [_first_difference(np.asarray(row, np.int64), expected[start:end])
             for row, (start, end) in zip(rows, pairwise(bounds.tolist()))]
    return np.array(found, np.int64)


def _first_difference(one: npt.NDArray[np.int64], other: npt.NDArray[np.uint32]) -> int:
    """The first index at which two arrays differ; -1: they are equal."""
    import numpy as np

    both = min(len(one), len(other))
    differs = np.flatnonzero(one[:both] != other[:both])
    return int(differs[0]) if len(differs) else -1 if len(one) == len(other) else both
