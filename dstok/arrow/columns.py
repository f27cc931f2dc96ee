"""Arrow arrays of texts -> rows of buffers, which the core reads in place; and checks that an array is sound.

In: an array or a chunked array of strings or binaries, plain, large or as views, or of a dictionary of these. Out:
the place of each text, as numpy arrays; the null rows; or the texts as large binaries, for Python.
Invariant: no text of a `Column` is copied. Each used entry of a dictionary is one text, however many rows have it. A
row outside its buffer is a `TextError`, raised here or by `Rows`, before anything is read. Only an array that was
checked with `whole` may be given to pyarrow's functions, which check nothing and crash. A producer's last offset must
be trusted: the C data interface gives the sizes of views' buffers, and no others.
Source: the Arrow columnar format; `Array.validate`, plus the checks that it omits (`_fault`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from types import UnionType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dstok.core.text.utf8 import Rows
from dstok.errors import ArgumentError, TextError
from dstok.pretokenizer.splitter import Splitter
from dstok.tokenizer import Tokenizer

BYTES = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_list_view, pa.types.is_large_list_view,
         pa.types.is_fixed_size_list, pa.types.is_map)
VIEW = 16    # bytes of a view: length, then the text, or its first four bytes, a buffer's number, a place there
INLINE = 12  # bytes of a text that lies in its view
NOWHERE = np.int32(-(1 << 31))  # no buffer's number, however many buffers of other chunks come before
TEXTS = (pa.string(), pa.binary(), pa.large_string(), pa.large_binary(), pa.string_view(), pa.binary_view())
LARGE = (pa.large_string(), pa.large_binary())

LIMIT = (1 << 31) - 1  # what offsets of 32 bits can count

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def check(arrays: Iterable[pa.Array], whole: bool) -> None:
    """Raises `TextError`, which names the row, for an array that is not sound. UTF-8 is not checked."""
    before = 0
    for array in arrays:
        fault = _fault(array, whole)
        if fault:
            raise TextError(f"expected a valid Arrow array: {fault}", 0, before + _first_row(array, whole))
        before += len(array)


def _fault(array: pa.Array, whole: bool) -> str:
    """The fault in words; "" if there is none."""
    parts = list(_parts(array))
    for part in parts:
        if part.offset < 0 or any(buffer is not None and buffer.size < 0 for buffer in part.buffers()):
            return "a negative offset, or a buffer of negative size"
    try:
        (_as_bytes(array) if whole else array).validate(full=whole)
    except pa.ArrowException as error:
        return str(error)
    for part in parts:
        bitmap, rows = part.buffers()[0], part.offset + len(part)
        if bitmap is not None:
            present = pa.Array.from_buffers(pa.bool_(), len(part), [None, bitmap], offset=part.offset).true_count
            if len(part) - present != part.null_count:
                return f"{part.null_count} rows said to be null, found {len(part) - present}"
        if pa.types.is_fixed_size_list(part.type) and rows * part.type.list_size > len(part.values):
            return f"{rows * part.type.list_size} values needed, found {len(part.values)}"
    return ""


def _parts(array: pa.Array) -> Iterator[pa.Array]:
    """An array, and the arrays inside it."""
    yield array
    if pa.types.is_dictionary(array.type):
        yield from _parts(array.dictionary)
    elif pa.types.is_struct(array.type):
        for number in range(array.type.num_fields):
            yield from _parts(array.field(number))
    elif any(is_one(array.type) for is_one in LISTS):
        yield from _parts(array.values)


def _as_bytes(array: pa.Array) -> pa.Array:
    """The same buffers as an array of bytes, if it is one of strings."""
    if pa.types.is_dictionary(array.type):
        return pa.DictionaryArray.from_arrays(array.indices, _as_bytes(array.dictionary), safe=False)
    return array.view(BYTES[array.type]) if array.type in BYTES else array


def _first_row(array: Any, whole: bool) -> int:
    """The last row of the shortest slice that is not sound either."""
    try:
        count = len(array)
    except SystemError:  # a negative size
        return 0
    return max(0, bisect_left(range(count + 1), True, key=lambda end: bool(_fault(array.slice(0, end), whole))) - 1)


class Texts(NamedTuple):
    """Text i is `buffers[owners[i]][starts[i] : starts[i] + lengths[i]]`; a null text, not `present`, has no bytes."""

    buffers: list[Any]
    owners: npt.NDArray[np.int32]
    starts: Ints
    lengths: Ints
    present: Bools

    def rows(self) -> Rows:
        """The texts, in the core's form. Raises `TextError` for a text outside its buffer."""
        return Rows(*self[:4])


class Part(NamedTuple):
    """The rows of one array of a column."""

    texts: slice              # where its texts lie among those of the column
    firsts: Ints | None       # for a dictionary: the first row of each text ...
    places: pa.Array | None   # ... and for each row the number of its text in `texts`; None: each row is a text


class Column(NamedTuple):
    """The texts of all arrays of a column; whether it came as a chunked array; whether its offsets have 64 bits."""

    texts: Texts
    parts: list[Part]
    chunked: bool
    large: bool

    def null(self, texts: slice) -> Bools | None:
        """The null texts; None if there are none."""
        present = self.texts.present[texts]
        return None if present.all() else ~present

    def row_of(self, text: int) -> int:
        """The row of a text; for an entry of a dictionary, its first row."""
        before = 0
        for part in self.parts:
            if text < part.texts.stop:
                at = text - part.texts.start
                return before + (at if part.firsts is None else int(part.firsts[at]))
            before += part.texts.stop - part.texts.start if part.places is None else len(part.places)
        raise IndexError(text)

    def exceeds(self, counts: Ints) -> bool:
        """Whether offsets need 64 bits: the column has such, or the sum of an array's `counts` of texts, by row."""
        def total(part: Part) -> int:  # several rows may share an entry of a dictionary
            own = counts[part.texts]
            return int((own if part.places is None else own[part.places.drop_null().to_numpy()]).sum())

        return self.large or any(total(part) > LIMIT for part in self.parts)

    def of_texts(self, make: Callable[[slice], pa.Array], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
        """By row, what `make` gives for the texts of each array."""
        made = ((part, make(part.texts)) for part in self.parts)
        return self.joined([array if part.places is None else array.take(part.places) for part, array in made], kind)

    def joined(self, arrays: list[pa.Array], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
        """The arrays as one: chunked if the column is."""
        return pa.chunked_array(arrays, kind) if self.chunked else arrays[0]


def check_argument(given: object, wanted: type | UnionType) -> None:
    """Raises `ArgumentError` if the first argument of a call is no `Tokenizer`, no `Splitter`, or neither of both."""
    if not isinstance(given, wanted):
        kinds = {Tokenizer: 'a Tokenizer, such as dstok.load("deepseek-v3")',
                 Splitter: 'a Splitter, such as dstok.Splitter.preset("gpt-2")'}
        expected = " or ".join(text for kind, text in kinds.items() if issubclass(kind, wanted))
        raise ArgumentError(f"expected {expected}, found {type(given).__name__}",
                            "tok" if wanted is Tokenizer else "splitter" if wanted is Splitter else "by")


def column_of(array: Any) -> Column:
    """The column of an Arrow array, or of an object with `__arrow_c_array__` or `__arrow_c_stream__`.

    Raises `ArgumentError` for anything but an array of texts, with the type found, and `TextError` for a broken one.
    """
    pieces, kind, chunked = pieces_of(array)
    content = kind.value_type if pa.types.is_dictionary(kind) else kind
    if content not in (*TEXTS, pa.null()):
        raise ArgumentError(f"expected an Arrow array of strings or binaries, found one of {kind}", "array")
    check(pieces, whole=False)
    found, parts, row, text = list[Texts](), list[Part](), 0, 0
    for piece in pieces:
        texts, firsts, places = (_of_dictionary(piece, row) if pa.types.is_dictionary(kind) else
                                 (_texts(piece), None, None))
        found.append(texts)
        parts.append(Part(slice(text, text + len(texts.owners)), firsts, places))
        row, text = row + len(piece), parts[-1].texts.stop
    return Column(found[0] if len(found) == 1 else _joined(found), parts, chunked, content in LARGE)


def _joined(parts: list[Texts]) -> Texts:
    buffers, owners = list[Any](), [np.empty(0, np.int32)]
    for each in parts:
        owners.append(each.owners + np.int32(len(buffers)))
        buffers += each.buffers
    starts, lengths = (np.concatenate([np.empty(0, np.int64), *(each[field] for each in parts)]) for field in (2, 3))
    return Texts(buffers, np.concatenate(owners), starts, lengths,
                 np.concatenate([np.empty(0, np.bool_), *(each.present for each in parts)]))


def pieces_of(array: Any) -> tuple[list[pa.Array], pa.DataType, bool]:
    """(arrays, their type, whether it is a chunked array). Raises `ArgumentError` for anything but an Arrow array."""
    if not isinstance(array, pa.Array | pa.ChunkedArray):
        try:
            if hasattr(array, "__arrow_c_stream__"):
                array = pa.chunked_array(array)
            elif hasattr(array, "__arrow_c_array__"):
                array = pa.array(array)
            else:
                raise ArgumentError(f"expected an Arrow array, found {type(array).__name__}", "array")
        except pa.ArrowInvalid as error:
            raise TextError(f"expected a valid Arrow array: {error}", 0) from None
    chunked = isinstance(array, pa.ChunkedArray)
    return array.chunks if chunked else [array], array.type, chunked


def _texts(array: pa.Array) -> Texts:
    present = _present(array)
    if not len(array) or array.type == pa.null():
        nothing = np.zeros(len(array), np.int64)
        return Texts([b""], nothing.astype(np.int32), nothing, nothing, present)
    read = _views if array.type in (pa.string_view(), pa.binary_view()) else _offsets
    buffers, owners, starts, lengths = read(array)
    if array.null_count:  # the format leaves a null row's values open
        owners, starts, lengths = owners * present, starts * present, lengths * present
    return Texts(buffers, owners, starts, lengths, present)


def _present(array: pa.Array) -> Bools:
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else np.ones(len(array), np.bool_)


def _offsets(array: pa.Array) -> tuple[list[Any], npt.NDArray[np.int32], Ints, Ints]:
    """The texts of a plain or large array, in a row in one buffer."""
    _, offsets, data = array.buffers()
    width = np.int64 if array.type in LARGE else np.int32
    size, first = np.dtype(width).itemsize, array.offset
    places = np.frombuffer(offsets, width, len(array) + 1, first * size).astype(np.int64)
    return [data or b""], np.zeros(len(array), np.int32), places[:-1], np.diff(places)


def _views(array: pa.Array) -> tuple[list[Any], npt.NDArray[np.int32], Ints, Ints]:
    """The texts of an array of views. Short ones lie in their views, whose buffer has the number 0."""
    _, views, *data = array.buffers()
    numbers = np.arange(array.offset, array.offset + len(array), dtype=np.int64)
    fields = np.frombuffer(views, np.int32, 4 * len(array), array.offset * VIEW).reshape(-1, 4)
    lengths, inline = fields[:, 0].astype(np.int64), fields[:, 0] <= INLINE
    known = (fields[:, 2] >= 0) & (fields[:, 2] < len(data))
    owners = np.where(inline, np.int32(0), np.where(known, fields[:, 2] + np.int32(1), NOWHERE))
    starts = np.where(inline, numbers * VIEW + VIEW - INLINE, fields[:, 3])
    return [views, *data], owners, starts, lengths


def _of_dictionary(array: pa.DictionaryArray, first: int) -> tuple[Texts, Ints, pa.Array]:
    """The used entries, ordered by their first rows; these rows; each row's entry. `first`: the array's first row."""
    held = _present(array.indices)
    codes = array.indices.drop_null().to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero((codes < 0) | (codes >= len(array.dictionary)))
    if len(wrong):
        raise TextError(f"expected one of {len(array.dictionary)} entries of a dictionary, found the index "
                        f"{codes[wrong[0]]}", 0, first + int(np.flatnonzero(held)[wrong[0]]))
    used, firsts, places = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    buffers, *entries = tuple[Any, ...](_texts(array.dictionary))
    chosen = used[order].astype(np.int64)
    spread = np.zeros(len(array), np.int64)
    spread[held] = np.argsort(order)[places]
    return (Texts(buffers, *(each[chosen] for each in entries)), np.flatnonzero(held)[firsts[order]],
            pa.array(spread, mask=~held))


def as_binary(array: pa.Array) -> pa.LargeBinaryArray:
    """The texts of an array, for Python. Raises `ArgumentError` for other arrays, `TextError` for a broken one."""
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if kind not in (*TEXTS, pa.null()):
        raise ArgumentError(f"expected an Arrow array of strings or binaries, found one of {array.type}", "array")
    check([array], whole=True)
    return array.cast(kind).cast(pa.large_binary())
