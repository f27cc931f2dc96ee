"""An Arrow array of texts -> an Arrow array of lists of ids, or of their numbers.

In: any argument of `column_of`. Out: lists of ids, which stay in the buffer that the encoder wrote; int64. Invariant:
row i holds the result of `Tokenizer.encode` for text i; a null row is null. A chunked array keeps its chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dstok.arrow.columns import Chunk, Column, check_argument, column_of
from dstok.base.arguments import explained
from dstok.base.ids import Dtype, checked_dtype, in_dtype
from dstok.base.texts import Errors, Special
from dstok.calls.batches import count_rows, encode_rows
from dstok.errors import SpecialTokenError, TextError
from dstok.tokenizer import Tokenizer

if TYPE_CHECKING:
    from dstok.calls.sides import Side

__all__ = ["LIMIT", "count", "counts_of", "encode", "encode_and_count", "joined", "rows_named", "total", "truncate"]

LIMIT = (1 << 31) - 1  # ids in an array with offsets of 32 bits


@explained
def encode(
    tok: Tokenizer, array: Any, *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict", dtype: Dtype = "uint32",
) -> Any:
    """The ids of each text of an Arrow array, as `ListArray`; a null text stays null, without BOS and EOS.

    `array`: of strings or binaries (UTF-8), plain, large or as views, or of a dictionary of these, whose entries are
    encoded once. A `ChunkedArray` gives a `ChunkedArray`, and so does a Polars `Series`. A large array, and one with
    more ids than 32 bits can count, gives a `LargeListArray`. Keywords as for `Tokenizer.encode_batch_arrays`. Texts
    are read from Arrow's buffers, without the GIL: no thread may write to them meanwhile. `dtype` of the ids:
    "uint32", or the copies "int32" (Spark has no unsigned type) and "int64".

    Raises `TextError` and `SpecialTokenError`, whose `batch_index` is the row, and `ArgumentError` for another array.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> tok = dstok.load("deepseek-v3")
    >>> arrow.encode(tok, pyarrow.array(["Hello", None, ""]), add_bos=True).to_pylist()
    [[0, 19923], None, [0]]
    """
    return encode_and_count(tok, array, dtype, threads=threads, special=special, add_bos=add_bos, add_eos=add_eos,
                            errors=errors)[0]


def encode_and_count(tok: Tokenizer, array: Any, dtype: str, **options: Any) -> tuple[Any, Any]:
    """The results of `encode` and of `count`."""
    content = pa.type_for_alias(checked_dtype(dtype))
    check_argument(tok, Tokenizer)
    column = column_of(array)
    with rows_named(column):
        ids, lengths = encode_rows(tok, column.rows(), column.present(), **options)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    kind = (pa.large_list if column.large or _exceed(column, lengths) else pa.list_)(content)
    ids, arrays, at = in_dtype(ids, dtype), [], 0
    for chunk in column.chunks:
        end = at + len(chunk.owners)
        lists = _lists(ids, bounds[at : end + 1], chunk.present, kind)
        arrays.append(lists if chunk.places is None else lists.take(chunk.places))
        at = end
    return joined(column, arrays, kind), counts_of(column, lengths)


@explained
def count(
    tok: Tokenizer, array: Any, *, threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Any:
    """The number of ids of each text of an Arrow array, as `Int64Array`, without making them. Else like `encode`.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.count(dstok.load("deepseek-v3"), pyarrow.array(["Hello world", None])).to_pylist()
    [2, None]
    """
    check_argument(tok, Tokenizer)
    column = column_of(array)
    with rows_named(column):
        lengths = count_rows(tok, column.rows(), column.present(), threads=threads, special=special, add_bos=add_bos,
                             add_eos=add_eos, errors=errors)
    return counts_of(column, lengths)


def truncate(
    tok: Tokenizer, array: Any, max_tokens: int, *, truncation_side: Side = "right", special: Special = "all",
    add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> Any:
    """Each text of an Arrow array cut to at most `max_tokens` ids, as `StringArray`; a null text stays null.

    `array` as for `encode`; a large array, and one with more bytes than 31 bits can count, gives a `LargeStringArray`.
    Keywords and errors as for `Tokenizer.truncate`; `TextError` and `SpecialTokenError` name the row.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.truncate(dstok.load("deepseek-v3"), pyarrow.array(["Hello wide world", None]), 2).to_pylist()
    ['Hello wide', None]
    """
    check_argument(tok, Tokenizer)
    column = column_of(array)
    large = column.large or any(total(chunk, chunk.lengths) > LIMIT for chunk in column.chunks)
    kind = pa.large_string() if large else pa.string()

    def cut(text: bytes) -> bytes:
        return tok.truncate(text, max_tokens, truncation_side=truncation_side, special=special, add_bos=add_bos,
                            add_eos=add_eos, errors=errors)

    cut(b"")  # an argument that no text can have is told without one
    rows, kept = column.rows(), list[bytes | None]()
    with rows_named(column):
        for row, present in enumerate(column.present().tolist()):
            try:
                kept.append(cut(rows[row]) if present else None)
            except TextError as error:
                raise TextError(error.message, error.offset, len(kept)) from None
            except SpecialTokenError as error:
                raise SpecialTokenError(error.token, error.offset, len(kept)) from None
    arrays, at = [], 0
    for chunk in column.chunks:
        texts = pa.array(kept[at : at + len(chunk.owners)], kind)
        arrays.append(texts if chunk.places is None else texts.take(chunk.places))
        at += len(chunk.owners)
    return joined(column, arrays, kind)


def counts_of(column: Column, lengths: npt.NDArray[np.int64]) -> pa.Array | pa.ChunkedArray:
    """The numbers of a column's texts, by row."""
    arrays, at = [], 0
    for chunk in column.chunks:
        counts = pa.array(lengths[at : at + len(chunk.owners)], mask=_mask(chunk.present))
        arrays.append(counts if chunk.places is None else counts.take(chunk.places))
        at += len(chunk.owners)
    return joined(column, arrays, pa.int64())


def joined(column: Column, arrays: list[pa.Array], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """The arrays of a column's chunks as one: chunked if the column is."""
    return pa.chunked_array(arrays, kind) if column.chunked else arrays[0]


def _lists(
    ids: npt.NDArray[Any], bounds: npt.NDArray[np.int64], present: npt.NDArray[np.bool_], kind: pa.DataType,
) -> pa.Array:
    """An array of lists: list i has `ids[bounds[i]:bounds[i + 1]]`."""
    large = pa.types.is_large_list(kind)
    values = pa.array(ids[bounds[0] : bounds[-1]], kind.value_type)
    offsets = pa.array((bounds - bounds[0]).astype(np.int64 if large else np.int32))
    made = pa.LargeListArray if large else pa.ListArray
    null = _mask(present)
    return made.from_arrays(offsets, values, type=kind, mask=None if null is None else pa.array(null))


def _mask(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """The null rows, None if there are none."""
    return None if present.all() else ~present


def _exceed(column: Column, lengths: npt.NDArray[np.int64]) -> bool:
    """Whether a chunk has more ids than offsets of 32 bits can count."""
    at = 0
    for chunk in column.chunks:
        counts = lengths[at : at + len(chunk.owners)]
        at += len(chunk.owners)
        if total(chunk, counts) > LIMIT:
            return True
    return False


def total(chunk: Chunk, counts: npt.NDArray[np.int64]) -> int:
    """The number of ids of a chunk's rows. Several rows may share a value of a dictionary."""
    if chunk.places is None:
        return int(counts.sum())
    return int(counts[chunk.places.drop_null().to_numpy(zero_copy_only=False)].sum())


@contextmanager
def rows_named(column: Column) -> Iterator[None]:
    """Errors of a text name its row. In a dictionary a text's number is not its row."""
    try:
        yield
    except TextError as error:
        if error.batch_index is None:
            raise
        text = f" of text {error.batch_index}"
        raise TextError(error.message.removesuffix(text), error.offset, column.row_of(error.batch_index)) from None
    except SpecialTokenError as error:
        if error.batch_index is None:
            raise
        raise SpecialTokenError(error.token, error.offset, column.row_of(error.batch_index)) from None
