"""Two readings of one text, aligned by byte, with their differences.

In: two readings of the same text. Out: `Alignment`: for each token of either, whether the other reading lacks it.
Invariant: a token is the same if the other reading has a token with the same start and end, in bytes. If both readings
have one vocabulary, as two tokenizers of one model should, the id must be the same too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dstok.errors import ArgumentError
from dstok.view.reading import Reading, Vocabulary

if TYPE_CHECKING:
    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]

__all__ = ["Alignment", "align"]


@dataclass(frozen=True)
class Alignment:
    """The common tokens of two readings.

    differ: for each reading bool[n], whether the other one lacks the token. one_vocabulary: whether ids were compared.
    places: int64[m], the byte where each stretch of such tokens begins.
    """

    differ: tuple[Flags, Flags]
    one_vocabulary: bool
    places: npt.NDArray[np.int64]


def align(one: Reading, other: Reading) -> Alignment:
    """Compares the two token by token. Raises `ArgumentError` for readings of different texts.

    >>> import dstok
    >>> from dstok.view import read
    >>> tok = dstok.load("deepseek-v3")
    >>> found = align(read(tok, "a<｜User｜>"), read(tok, "a<｜User｜>", special="none"))
    >>> found.differ[0].tolist(), found.differ[1].tolist(), found.places.tolist()
    ([False, True], [False, True, True, True, True, True], [1])
    """
    if one.text != other.text:
        raise ArgumentError("expected two readings of one text, found two texts", "other")
    same_ids = one_vocabulary(one, other)
    keys = [_keys(reading, same_ids) for reading in (one, other)]
    differ = ~np.isin(keys[0], keys[1]), ~np.isin(keys[1], keys[0])
    return Alignment(differ, same_ids, _places(one, other, differ))


def one_vocabulary(one: Reading, other: Reading) -> bool:
    """Whether an id means the same in both: their tokenizers have the same tokens, except added ones."""
    both = one.vocabulary, other.vocabulary
    if not all(isinstance(vocabulary, Vocabulary) for vocabulary in both):
        return False
    first, second = (vocabulary.tokenizer.inspect().tables for vocabulary in both)  # type: ignore[attr-defined]
    return all(first[name] == second[name] for name in ("starts", "blob"))


def _keys(reading: Reading, with_ids: bool) -> npt.NDArray[np.void]:
    """The parts of a token that must be the same: its span and, if compared, its id."""
    columns = [reading.encoding.byte_spans, *([reading.encoding.ids[:, None].astype(np.int64)] if with_ids else [])]
    rows = np.ascontiguousarray(np.hstack(columns))
    return rows.view([("", np.int64)] * rows.shape[1]).ravel()


def _places(one: Reading, other: Reading, differ: tuple[Flags, Flags]) -> npt.NDArray[np.int64]:
    """The places where stretches of differing tokens begin."""
    places = []
    for reading, flags in zip((one, other), differ):
        before = np.concatenate([[False], flags[:-1]])
        places.append(reading.encoding.byte_spans[flags & ~before, 0])
    return np.unique(np.concatenate(places))
