"""Arrow arrays of texts -> lists of ids, or their numbers, and back; conversations -> a table for training.

In: any argument of `column_of`; lists of integers of any width and kind (plain, large, of fixed size, views);
conversations, as a list or an Arrow array of lists of messages, or of JSON; for a `ColumnEncoder` what Arrow libraries
pass to functions. Out: lists of ids, and strings, in the buffers that the core wrote; int64; a `pyarrow.Table` with a
row for each conversation; from a `ColumnEncoder` the kind of object given.
Invariant: row i holds the result of `Tokenizer.encode` or `decode`, or of `dstok.chat.encode`; a null row is null. A
null among the ids is an error. A chunked array keeps its chunks, a table its rows and other columns. A `ColumnEncoder`
pickles to the same bytes in every process, so that a cache keyed by the pickle (as in `datasets`) recognizes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dstok import chat
from dstok._util.arguments import Dtype, Errors, Special, checked_dtype, explained, in_dtype, thread_count
from dstok.arrow.columns import LIMIT, Column, check, check_argument, column_of, pieces_of
from dstok.errors import ArgumentError, ChatError, ColumnError, SpecialTokenError, TextError, UnknownIdError
from dstok.methods.batch import count_rows, encode_rows
from dstok.methods.decoding import decode_lists
from dstok.tokenizer import Tokenizer

if TYPE_CHECKING:
    from dstok._util.arguments import Side
    from dstok.chat import Template, VersionName

SCHEMA = pa.schema([("input_ids", pa.large_list(pa.uint32())), ("labels", pa.large_list(pa.int64())),
                    ("message_index", pa.large_list(pa.int32()))])


@explained
def conversations(tok: Tokenizer, talks: Any, version: VersionName | Template, **arguments: Any) -> Any:
    """The ids of conversations for training, as a `pyarrow.Table` of three columns, a row a conversation.

    `input_ids`: uint32. `labels`: int64, the id where the model would have written it, else -100. `message_index`:
    int32, the message of each id, -1 for none. `talks`: lists of messages, or an Arrow array of lists of structs or
    of JSON texts; a null row stays null. `arguments` as for `dstok.chat.encode`. Raises `ChatError`, which names the
    row, and `TextError` for a broken array.

    >>> import dstok
    >>> from dstok import arrow
    >>> talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    >>> table = arrow.conversations(dstok.load("deepseek-v3"), [talk, None], "v3")
    >>> table["input_ids"].to_pylist(), table["labels"].to_pylist()
    ([[0, 128803, 19923, 128804, 23166, 1], None], [[-100, -100, -100, -100, 23166, 1], None])
    """
    given = talks if isinstance(talks, Iterable) else [talks]
    if isinstance(talks, pa.Array | pa.ChunkedArray):
        check(pieces_of(talks)[0], whole=True)
        given = map(_of_arrow, talks)
    rows = list[Any]()
    for row, talk in enumerate(given):
        try:
            messages = json.loads(talk) if isinstance(talk, str | bytes) else talk
            rows.append(None if talk is None else chat.encode(tok, messages, version, **arguments))
        except ChatError as error:
            raise ChatError(f"row {row}: {error.message}", error.index, error.field, error.reference) from None
        except (ValueError, RecursionError) as error:
            raise ChatError(f"row {row}: expected JSON: {error}") from None
    columns = ([None if row is None else row.array() for row in rows],
               [None if row is None else row.labels for row in rows],
               [None if row is None else row.message_index for row in rows])
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA)], SCHEMA)


def _of_arrow(value: Any) -> Any:
    try:
        return _present(value.as_py())
    except ValueError as error:  # a struct with two fields of one name
        raise ArgumentError(f"expected structs with a message's fields, found {value.type}: {error}", "talks") from None


def _present(value: Any) -> Any:
    """Removes the fields that a struct has only because another message has them. A null content is no missing one."""
    if isinstance(value, list):
        return [_present(item) for item in value]
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None or key == "content"}
    return value


@explained
def encode(
    tok: Tokenizer, array: Any, *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
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
    return encode_and_count(tok, array, dtype, num_threads=num_threads, special=special, add_bos=add_bos,
                            add_eos=add_eos, errors=errors)[0]


def encode_and_count(tok: Tokenizer, array: Any, dtype: str, **options: Any) -> tuple[Any, Any]:
    """The results of `encode` and of `count`."""
    content = pa.type_for_alias(checked_dtype(dtype))
    check_argument(tok, Tokenizer)
    column = column_of(array)
    with rows_named(column):
        ids, lengths = encode_rows(tok, column.texts.rows(), column.texts.present, **options)
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    large, ids = column.exceeds(lengths), in_dtype(ids, dtype)
    kind = (pa.large_list if large else pa.list_)(content)

    def lists(texts: slice) -> pa.Array:
        ends, null = bounds[texts.start : texts.stop + 1], column.null(texts)
        offsets = pa.array((ends - ends[0]).astype(np.int64 if large else np.int32))
        return (pa.LargeListArray if large else pa.ListArray).from_arrays(
            offsets, pa.array(ids[ends[0] : ends[-1]], content), type=kind,
            mask=None if null is None else pa.array(null))

    return column.of_texts(lists, kind), counts_of(column, lengths)


@explained
def count(
    tok: Tokenizer, array: Any, *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
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
        lengths = count_rows(tok, column.texts.rows(), column.texts.present, num_threads=num_threads, special=special,
                             add_bos=add_bos, add_eos=add_eos, errors=errors)
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
    kind = pa.large_string() if column.exceeds(column.texts.lengths) else pa.string()

    def cut(text: bytes) -> bytes:
        return tok.truncate(text, max_tokens, truncation_side=truncation_side, special=special, add_bos=add_bos,
                            add_eos=add_eos, errors=errors)

    cut(b"")  # an argument that no text can have is told without one
    rows, kept = column.texts.rows(), list[bytes | None]()
    for text, present in enumerate(column.texts.present.tolist()):
        try:
            kept.append(cut(rows[text]) if present else None)
        except (TextError, SpecialTokenError) as error:
            raise _of_row(error, column.row_of(text)) from None
    return column.of_texts(lambda texts: pa.array(kept[texts], kind), kind)


def counts_of(column: Column, lengths: npt.NDArray[np.int64]) -> pa.Array | pa.ChunkedArray:
    """The numbers of a column's texts, by row."""
    return column.of_texts(lambda texts: pa.array(lengths[texts], mask=column.null(texts)), pa.int64())


@contextmanager
def rows_named(column: Column) -> Iterator[None]:
    """Errors of a text name its row. In a dictionary a text's number is not its row."""
    try:
        yield
    except (TextError, SpecialTokenError) as error:
        if error.batch_index is None:
            raise
        raise _of_row(error, column.row_of(error.batch_index)) from None


def _of_row(error: TextError | SpecialTokenError, row: int) -> Exception:
    if isinstance(error, TextError):
        return TextError(error.message.removesuffix(f" of text {error.batch_index}"), error.offset, row)
    return SpecialTokenError(error.token, error.offset, row)


@explained
def decode(tok: Tokenizer, lists: Any, *, skip_special_tokens: bool = False, errors: Errors = "replace") -> Any:
    """The text of each list of an Arrow array of lists of ids, as `StringArray`; a null list stays null.

    A `ChunkedArray` gives a `ChunkedArray`. Lists with offsets of 64 bits, and texts with more bytes than 32 bits can
    count, give a `LargeStringArray`. Keywords as for `Tokenizer.decode`. Raises `UnknownIdError` and `DecodeError`,
    which name the row, `ArgumentError` for another array, and `TextError` for a broken one.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> arrow.decode(dstok.load("deepseek-v3"), pyarrow.array([[19923, 2058], None])).to_pylist()
    ['Hello world', None]
    """
    check_argument(tok, Tokenizer)
    pieces, kind, chunked = pieces_of(lists)
    large = pa.types.is_large_list(kind) or pa.types.is_large_list_view(kind)
    content = getattr(kind, "value_type", None)
    if not (large or pa.types.is_list(kind) or pa.types.is_list_view(kind) or pa.types.is_fixed_size_list(kind)) or (
            not pa.types.is_integer(content) and not pa.types.is_null(content)):
        raise ArgumentError(f"expected an Arrow array of lists of ids, found one of {kind}", "lists")
    check(pieces, whole=True)
    counts = [pc.list_value_length(piece).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
              for piece in pieces]
    data, sizes, repaired = decode_lists(
        tok, _ids(tok, pieces, counts), np.concatenate([np.empty(0, np.int64), *counts]),
        skip_special_tokens=skip_special_tokens, errors=errors)
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])  # text i is `data[bounds[i] : bounds[i + 1]]`
    spans = list(pairwise(np.cumsum([0, *map(len, pieces)]).tolist()))
    large = large or any(bounds[end] - bounds[at] > LIMIT for at, end in spans)
    in_bytes, in_chars = (pa.large_binary(), pa.large_string()) if large else (pa.binary(), pa.string())
    made = []
    for piece, (at, end) in zip(pieces, spans):
        ends = bounds[at : end + 1]
        offsets = pa.py_buffer((ends - ends[0]).astype(np.int64 if large else np.int32))
        held = pa.py_buffer(data).slice(int(ends[0]), int(ends[-1] - ends[0]))
        texts = pa.Array.from_buffers(in_bytes, len(piece), [None, offsets, held])
        changed = {number - at: text.encode() for number, text in repaired.items() if at <= number < end}
        if changed:
            mask = np.zeros(len(piece), np.bool_)
            mask[list(changed)] = True
            texts = pc.replace_with_mask(texts, pa.array(mask), pa.array(list(changed.values()), in_bytes))
        if piece.null_count:
            texts = pc.if_else(piece.is_valid(), texts, pa.scalar(None, in_bytes))
        made.append(texts.view(in_chars))
    return pa.chunked_array(made, in_chars) if chunked else made[0]


def _ids(tok: Tokenizer, pieces: list[pa.Array], counts: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.uint32]:
    """The ids of all lists in a row. Raises `UnknownIdError` for values outside uint32, and `ArgumentError`."""
    parts, row = [np.empty(0, np.uint32)], 0
    for piece, lengths in zip(pieces, counts):
        if not len(piece):
            continue  # its offsets may be invalid, and `flatten` reads them
        values = piece.flatten()
        ids: Any = None if values.null_count else values.to_numpy(zero_copy_only=False)
        bad = values.is_null().to_numpy(zero_copy_only=False) if ids is None else (ids < 0) | (ids > (1 << 32) - 1)
        if bad.any():
            place, ends = int(bad.argmax()), np.cumsum(lengths)
            number = int(np.searchsorted(ends, place, side="right"))
            index = place - int(ends[number] - lengths[number])
            if ids is None:
                raise ArgumentError(f"list {row + number}: expected an id at index {index}, found null", "lists")
            raise UnknownIdError(int(ids[place]), index, tok.vocab_size, row + number)
        parts.append(ids.astype(np.uint32, copy=False))
        row += len(piece)
    return parts[1] if len(parts) == 2 else np.concatenate(parts)


class ColumnEncoder:
    """Encodes the column `column` of its argument into the columns `ids` and `length`.

    ids: lists of `dtype`; length: int64, None: no such column. A column with one of these names is replaced. The
    other keywords are those of `dstok.arrow.encode`. It can be passed as it is to

        datasets    table.with_format("arrow").map(encoder, batched=True, num_proc=2)
        Ray Data    dataset.map_batches(encoder, batch_format="pyarrow")
        Polars      frame.lazy().map_batches(encoder), or series.map_batches(encoder) of ids alone
        DuckDB      connection.create_function("ids", encoder, ["VARCHAR"], "UINTEGER[]", type="arrow")
        Spark       frame.mapInArrow(encoder, schema), with dtype="int32"

    A table, record batch or Polars frame gives one with these columns; an array, chunked array or series gives the
    ids; an iterator gives an iterator over the results. Raises `ColumnError` if there is no such column, and as
    `encode`.

    >>> import dstok, pyarrow
    >>> from dstok import arrow
    >>> encoder = arrow.ColumnEncoder(dstok.load("deepseek-v3"), add_eos=True)
    >>> encoder(pyarrow.table({"text": ["Hello", None]})).to_pylist()
    [{'text': 'Hello', 'input_ids': [19923, 1], 'length': 2}, {'text': None, 'input_ids': None, 'length': None}]
    """

    @explained
    def __init__(
        self, tok: Tokenizer, column: str = "text", *, ids: str = "input_ids", length: str | None = "length",
        num_threads: int = 1, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict", dtype: Dtype = "uint32",
    ) -> None:
        named = special if isinstance(special, str) else sorted(special, key=repr)  # a set has no order of its own
        self._tok, self._column, self._ids, self._length = tok, column, ids, length
        self._options: dict[str, Any] = {
            "num_threads": thread_count(num_threads), "special": named, "add_bos": add_bos, "add_eos": add_eos,
            "errors": errors, "dtype": dtype}
        encode(tok, pa.array(["a"]), **self._options)  # invalid options raise here, not in a worker

    def __call__(self, batch: Any) -> Any:
        if isinstance(batch, pa.Table | pa.RecordBatch):
            return self._table(batch)
        if isinstance(batch, Iterator):
            return map(self, batch)
        polars = sys.modules.get("polars")
        if polars is not None and isinstance(batch, polars.DataFrame):
            texts = batch.to_series(self._place(batch.columns, self._column))
            return batch.with_columns([polars.Series(name, column) for name, column in self._columns(texts)])
        if polars is not None and isinstance(batch, polars.Series):
            return polars.Series(batch.name, self._encoded(batch))
        if isinstance(batch, dict):
            raise ArgumentError('expected a table, found dict: of a data set take with_format("arrow"), of Ray '
                                'batch_format="pyarrow"', "batch")
        return self._encoded(batch)

    def _encoded(self, array: Any) -> Any:
        return encode(self._tok, array, **self._options)

    def _table(self, table: Any) -> Any:
        for name, column in self._columns(table.column(self._place(table.schema.names, self._column))):
            if name in table.schema.names:
                table = table.set_column(self._place(table.schema.names, name), name, column)
            else:
                table = table.append_column(name, column)
        return table

    def _columns(self, texts: Any) -> Iterator[tuple[str, Any]]:
        lists, counts = encode_and_count(self._tok, texts, **self._options)
        yield self._ids, lists
        if self._length is not None:
            yield self._length, counts

    def _place(self, names: list[str], wanted: str) -> int:
        if names.count(wanted) != 1:
            found = ", ".join(map(repr, names)) or "no column"
            raise ColumnError(f"expected one column {wanted!r}, found {found}")
        return names.index(wanted)

    def __repr__(self) -> str:
        return f"<dstok.arrow.ColumnEncoder {self._column!r} -> {self._ids!r}: {self._tok!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """One text holds all options, so that the bytes are equal even if equal objects are not identical."""
        names = {"column": self._column, "ids": self._ids, "length": self._length}
        return _restored, (self._tok, json.dumps({**names, **self._options}, sort_keys=True))


def _restored(tok: Tokenizer, options: str) -> ColumnEncoder:
    return ColumnEncoder(tok, **json.loads(options))
