"""Many texts at once, by several threads.

In: texts, or rows of buffers that hold texts. Out: the ids of each, as lists or in one array, or their number; with BOS
and EOS around each text, if the caller asks for them.
Invariant: each text has the ids that `encode` gives it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import Dtype, Errors, Special, Text, checked_texts, explained, in_dtype, thread_count
from dstok._util.imports import LateImport
from dstok.added_tokens import TextOptions
from dstok.core.encode.batch import Batch
from dstok.core.text.utf8 import Rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.tokenizer import Tokenizer

    Ints = npt.NDArray[np.int64]
    Chosen = npt.NDArray[np.bool_]  # for each text: whether it is encoded
else:
    np = LateImport("numpy")


@explained
def encode_batch(
    self: Tokenizer, texts: Iterable[Text], *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[list[int]]:
    """The ids of each of `texts`, as lists. `num_threads` share the work, without the GIL. Other keywords as `encode`.

    The default is one thread, since data loaders run many processes. An error names the text that is at fault; if
    several texts are at fault, it is about the first one.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch(["Hello", "Hello world"])
    [[19923], [19923, 2058]]
    """
    options = TextOptions.of(self, special, add_bos, add_eos, errors)
    lists = _batch(self, texts, num_threads, options).lists()
    return [[*options.before, *row, *options.after] for row in lists] if options.extra else lists


@explained
def encode_batch_arrays(
    self: Tokenizer, texts: Iterable[Text], *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict", dtype: Dtype = "uint32",
) -> tuple[npt.NDArray[Any], Ints]:
    """(ids uint32[n], offsets int64[len(texts) + 1]): text i has `ids[offsets[i]:offsets[i + 1]]`.

    Keywords as `encode_batch`; `dtype` as `encode_array`.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_batch_arrays(["Hello", "Hello world"])
    (array([19923, 19923,  2058], dtype=uint32), array([0, 1, 3]))
    """
    flat, lengths = encode_rows(self, texts, num_threads=num_threads, special=special, add_bos=add_bos,
                                add_eos=add_eos, errors=errors)
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return in_dtype(flat, dtype), offsets


@explained
def count_batch(
    self: Tokenizer, texts: Iterable[Text], *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[int]:
    """The number of ids of each of `texts`, without making them. Keywords as `encode_batch`.

    >>> import dstok
    >>> dstok.load("deepseek-v3").count_batch(["Hello", b"Hello world"], add_bos=True)
    [2, 3]
    """
    options = TextOptions.of(self, special, add_bos, add_eos, errors)
    lengths = _batch(self, texts, num_threads, options).lengths()
    return [length + options.extra for length in lengths] if options.extra else lengths.tolist()


def encode_rows(
    tok: Tokenizer, rows: Iterable[Text] | Rows, present: Chosen | None = None, *, num_threads: int = 1,
    **keywords: Any,
) -> tuple[npt.NDArray[np.uint32], Ints]:
    """(ids uint32[n], lengths int64[len(rows)]) of texts; no BOS and EOS where a row is not `present`."""
    options = TextOptions.of(tok, **keywords)
    flat, lengths = _batch(tok, rows, num_threads, options).arrays()
    return framed(flat, lengths, options, present) if options.extra else (flat, lengths)


def count_rows(tok: Tokenizer, rows: Rows, present: Chosen, *, num_threads: int = 1, **keywords: Any) -> Ints:
    """The lengths that `encode_rows` gives, without the ids."""
    options = TextOptions.of(tok, **keywords)
    lengths = np.asarray(_batch(tok, rows, num_threads, options).lengths())
    return lengths + options.extra * present if options.extra else lengths


def framed(
    flat: npt.NDArray[np.uint32], lengths: Ints, options: TextOptions, present: Chosen | None = None,
) -> tuple[npt.NDArray[np.uint32], Ints]:
    """The ids with BOS and EOS around each text that is `present` (None: around all texts), and the new lengths."""
    chosen = np.ones(len(lengths), np.bool_) if present is None else present
    lengths = lengths + options.extra * chosen
    ends = np.cumsum(lengths)
    plain, ids = np.ones(int(lengths.sum()), np.bool_), np.empty(int(lengths.sum()), np.uint32)
    for places, frame in ((ends - lengths, options.before), (ends - 1, options.after)):
        if frame:
            ids[places[chosen]], plain[places[chosen]] = frame[0], False
    ids[plain] = flat
    return ids, lengths


def _batch(tok: Tokenizer, texts: Iterable[Text] | Rows, num_threads: int, options: TextOptions) -> Batch:
    count = thread_count(num_threads)
    rows = texts if isinstance(texts, Rows) else list(checked_texts(texts))
    return Batch(tok._encoder, rows, options.policy, options.replace, count)
