"""Many texts at once, by several threads.

In: texts, or rows of buffers that hold texts. Out: the ids of each, as lists or in one array, or their number; with BOS
and EOS around each text, if the caller asks for them.
Invariant: each text has the ids that `encode` gives it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import (
    Dtype,
    Errors,
    Special,
    Text,
    checked_texts,
    explained,
    in_dtype,
    replaces_faults,
    thread_count,
)
from dstok.core.encode.batch import Batch
from dstok.core.text.utf8 import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.encode.encoder import Encoder
    from dstok.core.text.added_tokens import Policy
    from dstok.protocols import Parts

    Chosen = npt.NDArray[np.bool_]  # for each text: whether it is encoded


@explained
def encode_batch(
    self: Parts, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[list[int]]:
    """The ids of each of `texts`, as lists. `threads` share the work, without the GIL. Other keywords as `encode`.

    An error names the text that is at fault. If several texts are at fault, the error is about the first one.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch(["Hello", "Hello world"])
    [[19923], [19923, 2058]]
    """
    lists, ends = _batch(self._encoder, texts, threads, self._added.policy(special), errors).lists(), self._ends
    return [ends.around(row, add_bos, add_eos) for row in lists] if add_bos or add_eos else lists


@explained
def encode_batch_arrays(
    self: Parts, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict", dtype: Dtype = "uint32",
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """(ids uint32[n], offsets int64[len(texts) + 1]): text i has `ids[offsets[i]:offsets[i + 1]]`.

    Keywords as `encode_batch`; `dtype` as `encode_array`.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch_arrays(["Hello", "Hello world"])
    (array([19923, 19923,  2058], dtype=uint32), array([0, 1, 3]))
    """
    import numpy as np

    flat, lengths = encode_rows(self, texts, None, threads=threads, special=special, add_bos=add_bos, add_eos=add_eos,
                                errors=errors)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return in_dtype(flat, dtype), offsets


@explained
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


def encode_rows(
    self: Parts, rows: Iterable[Text] | Rows, present: Chosen | None, *, threads: int = 1, special: Special = "all",
    add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """(ids uint32[n], lengths int64[len(rows)]) of texts; no BOS and EOS where a row is not `present`."""
    before, after = self._ends.before(add_bos), self._ends.after(add_eos)
    flat, lengths = _batch(self._encoder, rows, threads, self._added.policy(special), errors).arrays()
    return framed(flat, lengths, before, after, present) if before or after else (flat, lengths)


def count_rows(
    self: Parts, rows: Rows, present: Chosen, *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> npt.NDArray[np.int64]:
    """The lengths that `encode_rows` gives, without the ids."""
    extra = self._ends.extra(add_bos, add_eos)
    lengths = _batch(self._encoder, rows, threads, self._added.policy(special), errors).length_array()
    return lengths + extra * present if extra else lengths


def framed(
    flat: npt.NDArray[np.uint32], lengths: npt.NDArray[np.int64], before: list[int], after: list[int],
    present: Chosen | None,
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """The ids with BOS and EOS around each text that is `present` (None: around all texts), and the new lengths."""
    import numpy as np

    chosen = np.ones(len(lengths), np.bool_) if present is None else present
    lengths = lengths + (len(before) + len(after)) * chosen
    ends = np.cumsum(lengths)
    plain, framed = np.ones(int(lengths.sum()), np.bool_), np.empty(int(lengths.sum()), np.uint32)
    for places, frame in ((ends - lengths, before), (ends - 1, after)):
        if frame:
            framed[places[chosen]], plain[places[chosen]] = frame[0], False
    framed[plain] = flat
    return framed, lengths


def _batch(encoder: Encoder, texts: Iterable[Text] | Rows, threads: int, policy: Policy, errors: Errors) -> Batch:
    count = thread_count(threads)
    rows = texts if isinstance(texts, Rows) else list(checked_texts(texts))
    return Batch(encoder, rows, policy, replaces_faults(errors), count)
