"""Arrow arrays of every layout with wrong numbers, through every call: `python broken_arrays_child.py COUNT SEED`.

In: how many arrays, and a seed. Out: a JSON object on standard output, from each layout to how often a call gave an
answer, how often dstok refused the array, and how often pyarrow did before.
Invariant: an answer is what the buffers say, read here number by number; a row outside of its buffer is refused with
its number. Any other exception, or a crash, ends the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from c_arrays import Made
from small_models import model_json

import dstok
from dstok import arrow

TOK = dstok.Tokenizer.from_str(model_json([(b"a", b"b"), (b"ab", b" ")]))
SPLITTERS = [dstok.Splitter(r"\w+"), dstok.Splitter(r"\s+", behavior="Removed")]
TEXTS = ["ab ab", None, "", "twelve bytes", "thirteen byte", "é中文 a", None, "a long one, of more than a view holds"]
IDS = [[97, 98], None, [], [256, 257, 32], [97] * 9, None, [10]]
ROWS = 6  # of an array, from row 1 of the whole on
LARGE = (pa.large_string(), pa.large_binary(), pa.large_list(pa.uint32()), pa.large_list_view(pa.uint32()))
VIEWS = (pa.string_view(), pa.binary_view())
FORMS = {pa.string(): "u", pa.binary(): "z", pa.large_string(): "U", pa.large_binary(): "Z", pa.string_view(): "vu",
         pa.binary_view(): "vz", pa.list_(pa.uint32()): "+l", pa.large_list(pa.uint32()): "+L",
         pa.list_view(pa.uint32()): "+vl", pa.large_list_view(pa.uint32()): "+vL", pa.list_(pa.uint32(), 2): "+w:2",
         pa.uint32(): "I", pa.int8(): "c", pa.int32(): "i", pa.uint64(): "L"}
WIDE = (1 << 31) - 1, -(1 << 31), 1 << 32, (1 << 63) - 1, -(1 << 63)


@dataclass(frozen=True)
class Array:
    """The numbers of an array, before anybody has looked at them; `inner` are its values or its dictionary."""

    kind: pa.DataType
    length: int
    buffers: list[bytes | None]
    offset: int = 0
    null_count: int = -1
    inner: Array | None = None
    dictionary: bool = False
    type: pa.DataType | None = field(default=None)

    def numbers(self, buffer: int, width: int) -> list[int]:
        data = self.buffers[buffer] or b""
        return [int(n) for n in np.frombuffer(data, f"<i{width}", len(data) // width)]


def taken_apart(array: pa.Array) -> Array:
    """The numbers of a valid array."""
    kind = array.type
    buffers = [None if buffer is None else buffer.to_pybytes() for buffer in array.buffers()]
    if pa.types.is_dictionary(kind):
        return Array(kind.index_type, len(array), buffers[:2], array.offset, -1, taken_apart(array.dictionary), True, kind)
    if kind in LISTS:
        count = 1 if kind == PAIRS else 3 if "view" in str(kind) else 2
        return Array(kind, len(array), buffers[:count], array.offset, -1, taken_apart(array.values), False, kind)
    return Array(kind, len(array), buffers, array.offset, -1, None, False, kind)


PAIRS = pa.list_(pa.uint32(), 2)
LISTS = [kind for kind in FORMS if pa.types.is_nested(kind)]
CODES = [pa.dictionary(index, kind) for index in (pa.int8(), pa.int32(), pa.uint64()) for kind in (pa.string(), pa.binary_view())]


def sound(kind: pa.DataType) -> Array:
    if kind == PAIRS:
        values: list[Any] = [[97, 98], None, [256, 257], [32, 10], None, [97, 97], [10, 10]]
    else:
        values = IDS if kind in LISTS else TEXTS
    if pa.types.is_dictionary(kind):
        array = pa.array(values, kind.value_type).dictionary_encode()
        array = pa.DictionaryArray.from_arrays(array.indices.cast(kind.index_type), array.dictionary)
    else:
        array = pa.array(values, kind)
    return taken_apart(array[1 : 1 + ROWS])


# Wrong numbers


def changed(array: Array, chance: Random) -> Array:
    """With one or two numbers that are others."""
    if array.inner is not None and chance.random() < 0.3:
        return replace(array, inner=changed(array.inner, chance))
    what = chance.random()
    if what < 0.1:
        return replace(array, offset=chance.choice([-2, -1, 0, 2, 3]))
    if what < 0.2:
        return replace(array, length=chance.choice([0, 1, ROWS - 1, ROWS + 1, ROWS + 5]))
    if what < 0.3:
        return replace(array, null_count=chance.choice([0, 1, 2, ROWS, ROWS + 1]))
    buffers = list(array.buffers)
    number = chance.randrange(len(buffers))
    if buffers[number]:
        buffers[number] = _changed(buffers[number] or b"", array.kind, number, chance)
    return replace(array, buffers=buffers)


def _changed(data: bytes, kind: pa.DataType, number: int, chance: Random) -> bytes | None:
    what = chance.random()
    if what < 0.1:
        return data[: chance.randrange(len(data))]
    if what < 0.15 and not (kind in VIEWS and number == 1):  # without its views an array ends pyarrow's own check
        return None
    width = 8 if kind in LARGE or kind == pa.uint64() else 1 if kind == pa.int8() or number == 0 else 4
    wrong = bytearray(data)
    at = chance.randrange(max(1, len(data) // width)) * width
    value = chance.choice([-1, 0, 1, 3, 9, 40, len(data), len(data) - 1, len(data) + 1, *WIDE])
    wrong[at : at + width] = value.to_bytes(9, "little", signed=True)[:width]
    return bytes(wrong[: len(data)])


def by_pyarrow(array: Array) -> pa.Array:
    held = [None if data is None else pa.py_buffer(data) for data in array.buffers]
    if array.inner is None:
        return pa.Array.from_buffers(array.kind, array.length, held, array.null_count, array.offset)
    inner = by_pyarrow(array.inner)
    if array.dictionary:
        return pa.DictionaryArray.from_buffers(array.type, array.length, held, inner, array.null_count, array.offset)
    return pa.Array.from_buffers(array.kind, array.length, held, array.null_count, array.offset, children=[inner])


def by_hand(array: Array) -> Made | None:
    """Through the C data interface; None where it would claim memory that is not there, which nobody can find out."""
    held = [None if data is None else np.frombuffer(data + bytes(8), np.uint8) for data in array.buffers]
    if array.kind in VIEWS:
        held.append(np.array([len(data or b"") for data in array.buffers[2:]], np.int64))
    inner = None if array.inner is None else by_hand(array.inner)
    if _claims(array) or (array.inner is not None and inner is None):
        return None
    return Made(FORMS[array.kind], array.length, held, offset=array.offset, null_count=array.null_count, inner=inner,
                dictionary=array.dictionary)


def _claims(array: Array) -> bool:
    """Whether a buffer is shorter than its array's numbers say."""
    end = array.offset + array.length
    if array.buffers[0] is not None and 8 * len(array.buffers[0]) < end:
        return True
    if array.kind == PAIRS:
        return False
    size = {pa.int8(): 1, pa.uint64(): 8}.get(array.kind, 16 if array.kind in VIEWS else 8 if array.kind in LARGE else 4)
    bounds = 1 if array.kind in LISTS and "view" not in str(array.kind) else 0
    plain = array.kind in FORMS and FORMS[array.kind] in "uzUZ"
    needed = (end + (1 if plain else bounds)) * size
    if any(data is not None and len(data) < needed for data in array.buffers[1 : 2 if array.kind not in LISTS else 3]):
        return True
    return plain and end >= 0 and sum(array.numbers(1, size)[end : end + 1]) > len(array.buffers[2] or b"")


def _as_long_as_said(array: Array) -> Array:
    """The C data interface gives no size of a text's bytes: they end where the last offset says."""
    if array.inner is not None and array.dictionary:
        return replace(array, inner=_as_long_as_said(array.inner))
    if FORMS.get(array.kind, "") not in ("u", "z", "U", "Z"):
        return array
    offsets = array.numbers(1, 8 if array.kind in LARGE else 4)
    end = array.offset + array.length
    last = offsets[end] if 0 <= end < len(offsets) else -1
    data = array.buffers[2]
    return replace(array, buffers=[*array.buffers[:2], data and data[: max(0, last)]]) if last < len(data or b"") else array


# The contents of the buffers


class OutsideError(Exception):
    """A row lies outside of its buffer."""


def rows_of(array: Array) -> Iterator[Any]:
    """The value of each row: bytes, a list of ids, None; or `OutsideError`, the class itself."""
    for row in range(array.length):
        at = array.offset + row
        bitmap = array.buffers[0] if array.null_count else None  # if none is null, Arrow looks at no bitmap
        if at < 0 or (bitmap is not None and at >= 8 * len(bitmap)):
            yield OutsideError
        elif bitmap is not None and not bitmap[at >> 3] >> (at & 7) & 1:
            yield None
        else:
            try:
                yield _value(array, at)
            except (OutsideError, IndexError):
                yield OutsideError


def _value(array: Array, at: int) -> Any:
    if array.dictionary:
        assert array.inner is not None
        width = {pa.int8(): 1, pa.uint64(): 8}.get(array.kind, 4)
        return _part(list(rows_of(array.inner)), _number(array, 1, width, at), 1)[0]
    if array.kind == pa.uint32():
        return _number(array, 1, 4, at) & 0xFFFFFFFF
    width = 8 if array.kind in LARGE else 4
    if array.kind in VIEWS:
        length, _, buffer, start = (_number(array, 1, 4, 4 * at + n) for n in range(4))
        if length <= 12:
            return _part(array.buffers[1] or b"", 16 * at + 4, length)
        if not 0 <= buffer < len(array.buffers) - 2:
            raise OutsideError
        return _part(array.buffers[2 + buffer] or b"", start, length)
    if array.kind == PAIRS:
        start, length = 2 * at, 2
    else:
        start = _number(array, 1, width, at)
        listed = "view" in str(array.kind)
        length = _number(array, 2, width, at) if listed else _number(array, 1, width, at + 1) - start
    if array.inner is not None:
        return _part(list(rows_of(array.inner)), start, length)
    return _part(array.buffers[2] or b"", start, length)


def _number(array: Array, buffer: int, width: int, at: int) -> int:
    data = (array.buffers[buffer] or b"")[at * width : at * width + width]
    if at < 0 or len(data) < width:
        raise OutsideError
    return int.from_bytes(data, "little", signed=True)


def _part(items: Any, start: int, length: int) -> Any:
    if not (0 <= start <= len(items) and 0 <= length <= len(items) - start):
        raise OutsideError
    part = items[start : start + length]
    if isinstance(part, list) and OutsideError in part:
        raise OutsideError
    return part


# Calls

Call = Callable[[Any], Any]


def text_calls() -> Iterator[tuple[Call, Callable[[str], Any]]]:
    for threads in (1, 2):
        yield partial(arrow.encode, TOK, num_threads=threads, errors="replace"), TOK.encode
    yield lambda array: arrow.count(TOK, array, errors="replace"), TOK.count
    yield arrow.ColumnEncoder(TOK, errors="replace"), TOK.encode
    for splitter in SPLITTERS:
        yield partial(arrow.split, splitter, errors="replace"), splitter.split
        yield partial(arrow.split, splitter, views=True, errors="replace"), splitter.split
        yield partial(arrow.number_of_pieces, splitter, errors="replace"), splitter.count


def decode_calls() -> Iterator[tuple[Call, Callable[[list[int]], Any]]]:
    yield lambda array: arrow.decode(TOK, array), TOK.decode


def wanted(values: list[Any], answer: Callable[[Any], Any]) -> list[Any] | None:
    """The result that a call must give; None if it must refuse."""
    try:
        texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
        return [None if text is None else answer(text) for text in texts]
    except (AttributeError, TypeError, dstok.errors.UnknownIdError):  # `OutsideError`, or a null or unknown id in a list
        return None


def outcomes(array: Array, make: Callable[[Array], Any]) -> Iterator[str]:
    """The outcome of each call. Each call gets its own array, because an import takes the array over."""
    values = list(rows_of(array))
    listed = array.kind in LISTS
    for call, answer in decode_calls() if listed else text_calls():
        expected = wanted(values, answer)
        try:
            found = call(make(array))
        except dstok.DstokError as error:
            row = getattr(error, "batch_index", None)
            assert row is None or 0 <= row <= max(0, array.length), (array, error)
            if OutsideError in values and isinstance(error, dstok.TextError) and "inside its buffer" in str(error):
                assert values[row or 0] is OutsideError, (array, error)
            yield "refused"
            continue
        except TypeError as error:
            assert listed and "found null" in str(error), (array, error)
            yield "refused"
            continue
        found.validate(full=True)
        assert found.to_pylist() == expected, (array, found.to_pylist(), expected)
        yield "answered"


def tried(array: Array, make: Callable[[Array], Any]) -> Iterator[str]:
    if make is by_hand:
        array = _as_long_as_said(array)
    try:
        given = make(array)
    except (pa.ArrowException, OverflowError):
        yield "refused by pyarrow"
        return
    if given is not None:
        yield from outcomes(array, make)


def run(count: int, seed: int) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    kinds = [kind for kind in FORMS if not pa.types.is_integer(kind)] + CODES
    for kind in kinds:
        chance, counts = Random(f"{kind} {seed}"), found.setdefault(str(kind), Counter())
        for make in (by_pyarrow, by_hand):
            assert set(tried(sound(kind), make)) == {"answered"}, kind
        for _ in range(count):
            array = changed(sound(kind), chance)
            if chance.random() < 0.3:
                array = changed(array, chance)
            for make in (by_pyarrow, by_hand):
                print(f"now {make.__name__} {array}", file=sys.stderr)
                counts.update(tried(array, make))
    return found


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))), flush=True)
    os._exit(0)
