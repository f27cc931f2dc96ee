"""Many texts at once, by several threads.

In: texts. Out: the ids of each, as lists or in one array, or how many they are; BOS and EOS around each, where wanted.
Invariant: the ids of a text are those of `encode`, whatever texts stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dstok.base.texts import Errors, Special, Text, replaces
from dstok.core._batch import Batch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts
    from dstok.core._encode import Encoder
    from dstok.core._policy import Policy

__all__ = ["count_batch", "encode_batch", "encode_batch_arrays"]


def encode_batch(
    self: Parts, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[list[int]]:
    """The ids of each of `texts`, as lists. `threads` share the work, without the GIL. Other keywords as `encode`.

    An error of a text says which one it is of; of several that of the first.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch(["Hello", "Hello world"])
    [[19923], [19923, 2058]]
    """
    lists, ends = _batch(self._encoder, texts, threads, self._added.policy(special), errors).lists(), self._ends
    return [ends.around(row, add_bos, add_eos) for row in lists] if add_bos or add_eos else lists


def encode_batch_arrays(
    self: Parts, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """(ids uint32[n], offsets int64[len(texts) + 1]): text i has `ids[offsets[i]:offsets[i + 1]]`.

    Keywords as `encode_batch`.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch_arrays(["Hello", "Hello world"])
    (array([19923, 19923,  2058], dtype=uint32), array([0, 1, 3]))
    """
    import numpy as np

    flat, lengths = _batch(self._encoder, texts, threads, self._added.policy(special), errors).arrays()
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    before, after = self._ends.before(add_bos), self._ends.after(add_eos)
    if not (before or after):
        return flat, offsets
    offsets += np.arange(len(offsets)) * (len(before) + len(after))
    plain, framed = np.ones(int(offsets[-1]), np.bool_), np.empty(int(offsets[-1]), np.uint32)
    for places, frame in ((offsets[:-1], before), (offsets[1:] - 1, after)):
        if frame:
            framed[places], plain[places] = frame[0], False
    framed[plain] = flat
    return framed, offsets


def count_batch(
    self: Parts, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[int]:
    """The number of ids of each of `texts`, without making them. Keywords as `encode_batch`.

    >>> import dstok
    >>> dstok.load("deepseek-v3").count_batch(["Hello", b"Hello world"], add_bos=True)
    [2, 3]
    """
    extra = self._ends.extra(add_bos, add_eos)
    lengths = _batch(self._encoder, texts, threads, self._added.policy(special), errors).lengths()
    return [length + extra for length in lengths] if extra else lengths


def _batch(encoder: Encoder, texts: Iterable[Text], threads: int, policy: Policy, errors: Errors) -> Batch:
    if isinstance(texts, str | bytes | bytearray | memoryview):
        raise TypeError("expected a list of texts, found one text")
    if not isinstance(texts, Iterable):
        raise TypeError(f"expected a list of texts, found {type(texts).__name__}")
    if threads < 1:
        raise ValueError(f"expected at least 1 thread, found {threads}")
    return Batch(encoder, list(texts), policy, replaces(errors), threads)
