"""Batches of one length for a model, and texts that are cut by their ids.

In: texts, a length, a side. Out: ids and a mask as two arrays; or the ids of a text in parts that overlap.
Invariant: each row has the ids that upstream gives with the same truncation and padding. The cuts are between ids, so a
part may begin or end inside a character. (`truncate` and `chunk` cut the text between characters.)
Source: upstream's truncation and padding; tests/calls/test_padded.py compares.

Two texts in a row, for a model: question and passage, premise and hypothesis.

In: two texts, or many of both. Out: their ids, with the framing of the model's files, and type ids, which tell the two
texts apart; for batches, arrays of one length.
Invariant: ids, type ids, masks and the parts that truncation leaves over are those of upstream's `encode(text, pair)`.
dstok refuses a model file that asks for a pair it cannot make in the same way.
Source: upstream's truncation, post-processing and padding; tests/calls/test_pairs.py compares.

Rows of ids as models take them: batches of one length, texts in parts that overlap, pairs of texts.

In: a tokenizer, texts, the length of a row, the id that fills it. Out: numpy arrays.
Invariant: each row is upstream's with the same truncation, padding and post-processor.

>>> import dstok
>>> ids, mask = dstok.padding.encode_batch_padded(dstok.load("deepseek-v3"), ["Hello", "Hello world"], pad_id=2)
>>> ids.tolist(), mask.tolist()
([[19923, 2], [19923, 2058]], [[1, 0], [1, 1]])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import (
    MANY,
    Errors,
    Side,
    Special,
    Text,
    check_side,
    checked_text,
    checked_texts,
    explained,
    thread_count,
    whole_number,
)
from dstok.errors import ArgumentError, SpecialTokenError, TextError
from dstok.formats.components import FramingItem, pair_parts
from dstok.methods.batch import encode_batch_arrays, framed
from dstok.methods.budget import chunk_spans

__all__ = [
    "MAX_ID", "PaddedPairs", "PairIds", "Shape", "Truncation", "chunk_spans", "cut_texts", "encode_batch_padded",
    "encode_pair", "encode_pair_with_overflow", "encode_pairs_padded", "encode_with_overflow", "file_settings",
    "filled", "kept_lengths", "overflow_spans", "room_of", "row_width", "shape_of",
]

if TYPE_CHECKING:
    from dstok.protocols import Parts

    Ids = npt.NDArray[np.uint32]
    Lengths = npt.NDArray[np.int64]

MAX_ID = (1 << 32) - 1  # the largest `pad_id` and type id, as in upstream


class Shape(NamedTuple):
    """The shape of rows: the numbers that a call was given, as ints. `room`: the ids in a row that text may have."""

    length: int | None
    pad_to_multiple_of: int
    room: int | None
    pad_id: int
    threads: int


@explained
def encode_batch_padded(
    tok: Parts, texts: Iterable[Text], *, length: int | None = None, padding_side: Side = "right",
    pad_id: int | None = None, pad_to_multiple_of: int | None = None, max_length: int | None = None,
    truncation_side: Side = "right", threads: int = 1, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(ids int64[len(texts), width], mask int64[len(texts), width]): the mask is 1 at ids of a text, 0 at padding.

    The width is `length`, or else the length of the longest row, rounded up to a multiple of `pad_to_multiple_of`.
    `padding_side` is the end of a row that is filled with `pad_id`, or else with the padding token that the model's
    files name. `max_length` cuts each row to so many ids. BOS and EOS count and are kept; `truncation_side` is the end
    of the text that is cut off. Other keywords as `encode_batch`; lengths are in ids.
    Raises `ArgumentError` for an impossible number (before any text is read), for a row longer than `length`, and if
    there is no `pad_id` and the model names no padding token.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> ids, mask = dstok.padding.encode_batch_padded(tok, ["Hello", "Hello wide world"], pad_id=2, max_length=2)
    >>> ids.tolist(), mask.tolist()
    ([[19923, 2], [19923, 7050]], [[1, 0], [1, 1]])
    """
    for name, value in (("padding_side", padding_side), ("truncation_side", truncation_side)):
        check_side(name, value)
    extra = tok._ends.extra(add_bos, add_eos)
    shape = shape_of(tok, length, pad_to_multiple_of, max_length, pad_id, threads, extra)
    flat, lengths = _rows(tok, texts, shape, truncation_side, special, add_bos, add_eos, errors)
    return filled(flat, lengths, row_width(lengths, shape), padding_side, shape.pad_id)


@explained
def file_settings(tok: Parts) -> dict[str, Any]:
    """The objects `truncation` and `padding` of the model's tokenizer.json, as arguments of `encode_batch_padded`.

    With them a row has the ids that upstream's `encode_batch` gives without a post-processor. No call of dstok takes
    them by itself: `tok.config.truncation` and `tok.config.padding` hold the objects, None where the file has none.

    >>> import dstok
    >>> dstok.padding.file_settings(dstok.load("deepseek-v3"))
    {}
    """
    settings: dict[str, Any] = {}
    truncation, padding = tok.config.truncation, tok.config.padding
    if truncation is not None:
        settings |= {"max_length": truncation["max_length"], "truncation_side": truncation["direction"].lower()}
    if padding is not None:
        settings |= {"padding_side": padding["direction"].lower(), "pad_id": padding["pad_id"],
                     "pad_to_multiple_of": padding["pad_to_multiple_of"] or None}
        if padding["strategy"] != "BatchLongest":
            settings["length"] = padding["strategy"]["Fixed"]
    return settings


@explained
def encode_with_overflow(
    tok: Parts, text: Text, max_tokens: int, *, stride: int = 0, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> list[Ids]:
    """The ids of `text` in parts of at most `max_tokens` ids, uint32[n] each: the text cut to that, then the rest.

    Neighbours share `stride` ids. With truncation_side="left" the first part is the end of the text. BOS and EOS stand
    around each part, and count. If they leave no room, the first part has no id of the text, and a second part has
    all of them, whatever `max_tokens` is: upstream does the same. Keywords as `encode`. Raises `ArgumentError` for a
    `stride` that leaves no new id in a part, and for a `max_tokens` below the number of BOS and EOS.

    >>> import dstok
    >>> parts = dstok.padding.encode_with_overflow(dstok.load("deepseek-v3"), "Hello wide world", 2, stride=1)
    >>> [part.tolist() for part in parts]
    [[19923, 7050], [7050, 2058]]
    """
    import numpy as np

    check_side("truncation_side", truncation_side)
    stride = whole_number("stride", stride)
    room = room_of("max_tokens", max_tokens, tok._ends.extra(add_bos, add_eos))
    ids = tok.encode_array(text, special=special, errors=errors)
    before, after = (np.array(ends, np.uint32) for ends in (tok._ends.before(add_bos), tok._ends.after(add_eos)))
    spans = overflow_spans(len(ids), room, stride, truncation_side)
    return [np.concatenate([before, ids[start:end], after]) for start, end in spans]


def overflow_spans(count: int, room: int, stride: int, side: Side) -> list[tuple[int, int]]:
    """(start, end) of the parts, in ids, by upstream's rule. The first part is the text after truncation.

    >>> overflow_spans(5, 3, 1, "right"), overflow_spans(5, 3, 1, "left"), overflow_spans(2, 3, 1, "right")
    ([(0, 3), (2, 5)], [(2, 5), (0, 3)], [(0, 2)])
    """
    if count <= room:
        return [(0, count)]
    if room == 0:
        return [(0, 0), (0, count)]
    if not 0 <= stride < room:
        raise ArgumentError(f"expected a stride of at least 0 and below the {room} ids of text in a part, found "
                            f"{stride}", "stride")
    spans: list[tuple[int, int]] = []
    start = 0
    while not spans or spans[-1][1] < count:
        spans.append((start, min(start + room, count)))
        start += room - stride
    return spans if side == "right" else [(count - end, count - start) for start, end in spans]


def _rows(
    tok: Parts, texts: Iterable[Text], shape: Shape, side: Side, special: Special, add_bos: bool, add_eos: bool,
    errors: Errors,
) -> tuple[Ids, Lengths]:
    """The ids of all rows, and the number of ids of each row."""
    import numpy as np

    flat, offsets = encode_batch_arrays(tok, texts, threads=shape.threads, special=special, errors=errors)
    lengths = np.diff(offsets)
    if shape.room is not None:
        kept = np.minimum(lengths, shape.room)
        flat, lengths = cut_texts(flat, lengths, kept, side), kept
    before, after = tok._ends.before(add_bos), tok._ends.after(add_eos)
    return framed(flat, lengths, before, after, None) if before or after else (flat, lengths)


def cut_texts(flat: Ids, lengths: Lengths, kept: Lengths, side: Side) -> Ids:
    """The ids of all texts, with `kept` ids left of each; `side` is the end that is cut off.

    >>> import numpy as np
    >>> cut_texts(np.arange(5), np.array([3, 2]), np.array([1, 2]), "left").tolist()
    [2, 3, 4]
    """
    import numpy as np

    if (lengths == kept).all():
        return flat
    ends = np.cumsum(lengths)
    place = np.arange(len(flat)) - np.repeat(ends - lengths, lengths)  # of an id in its text
    most, least = np.repeat(kept, lengths), np.repeat(lengths - kept, lengths)
    return flat[place < most if side == "right" else place >= least]


def filled(
    flat: Ids, lengths: Lengths, width: int, side: Side, fill: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(rows int64[n, width], mask int64[n, width]) of rows that lie one after the other; `fill` pads one end of each.

    >>> import numpy as np
    >>> rows, mask = filled(np.array([5, 6, 7], np.uint32), np.array([1, 2]), 2, "left", 0)
    >>> rows.tolist(), mask.tolist()
    ([[0, 5], [6, 7]], [[0, 1], [1, 1]])
    """
    import numpy as np

    places = np.arange(width)
    own = places < lengths[:, None] if side == "right" else places >= width - lengths[:, None]
    rows = np.full(own.shape, fill, np.int64)
    rows[own] = flat
    return rows, own.astype(np.int64)


def row_width(lengths: Lengths, shape: Shape, what: str = "text") -> int:
    """The number of ids of each row. Raises `ArgumentError` for a longer row; `what` is the error's word for a row."""
    longest = int(lengths.max()) if len(lengths) else 0
    width = longest if shape.length is None else shape.length
    if longest > width:
        row = int((lengths > width).argmax())
        raise ArgumentError(f"expected at most {width} ids, found {lengths[row]} in {what} {row}: max_length cuts "
                            f"{what}s", "length")
    return -(-width // shape.pad_to_multiple_of) * shape.pad_to_multiple_of


def shape_of(
    tok: Parts, length: Any, pad_to_multiple_of: Any, max_length: Any, pad_id: Any, threads: Any, extra: int,
    around: str = "BOS and EOS",
) -> Shape:
    """The numbers of a call for rows. `extra` ids, named by `around`, stand around each text. Raises `DstokError`."""
    return Shape(
        None if length is None else whole_number("length", length, most=MANY),
        1 if pad_to_multiple_of is None else whole_number("pad_to_multiple_of", pad_to_multiple_of, 1, most=MANY),
        None if max_length is None else room_of("max_length", max_length, extra, around),
        _pad_id_of(tok) if pad_id is None else whole_number("pad_id", pad_id, most=MAX_ID),
        thread_count(threads))


def _pad_id_of(tok: Parts) -> int:
    """The id of the padding token that the model's files name. Raises `ArgumentError`."""
    own = tok.config.pad_id
    if own is None:
        raise ArgumentError("expected a pad_id, found none, and the model names no token to fill with: give pad_id, or "
                            "name it with tok.replace(pad_id=...)", "pad_id")
    return own


def room_of(name: str, most: Any, extra: int, around: str = "BOS and EOS") -> int:
    """The number of `most` ids that text may have. `name` is the argument's name. Raises `ArgumentError`."""
    return whole_number(name, most, extra, f", for {around}" if extra else "") - extra


if TYPE_CHECKING:
    import numpy.typing as npt

    from dstok.protocols import Parts

    Ids_pairs = npt.NDArray[np.uint32]
    Lengths_pairs = npt.NDArray[np.int64]  # int64[rows, 2]: the number of ids of each text

Truncation = Literal["longest_first", "only_first", "only_second"]
TRUNCATIONS = get_args(Truncation)
AROUND = "what stands around the texts"
NTH, BATCH = ("first", "second"), "encode_pairs_padded"


class PairIds(NamedTuple):
    """The ids of two texts in a row.

    ids: uint32[n]. type_ids: uint32[n], the text that an id belongs to, in the model's own numbers.
    special_tokens_mask: bool[n], whether the id belongs to neither text.
    """

    ids: Ids_pairs
    type_ids: Ids_pairs
    special_tokens_mask: npt.NDArray[np.bool_]


class PaddedPairs(NamedTuple):
    """Pairs as rows of one length: ids, mask and type_ids, each int64[rows, width]. The mask is 0 at padding."""

    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]
    type_ids: npt.NDArray[np.int64]


@explained
def encode_pair(
    tok: Parts, text: Text, pair: Text, *, add_special_tokens: bool = True, special: Special = "all",
    errors: Errors = "strict",
) -> PairIds:
    """The ids of two texts in a row, and their type ids: upstream's `encode(text, pair)`.

    The template in the model's tokenizer.json gives the framing and the type ids. Without a template there is no
    framing, and the type ids are 0 and 1. With `add_special_tokens=False` the template gives the type ids alone.
    Other keywords as `encode`. Raises `UnsupportedError` for a template that does more, such as to give a text twice.

    >>> import dstok
    >>> found = dstok.padding.encode_pair(dstok.load("deepseek-vl2"), "Hello", "world")
    >>> found.ids.tolist(), found.type_ids.tolist()
    ([0, 19923, 0, 29616], [0, 0, 1, 1])
    """
    parts = _parts(tok, add_special_tokens)
    both = _both(tok, text, pair, special, errors)
    return _joined(parts, both)


@explained
def encode_pair_with_overflow(
    tok: Parts, text: Text, pair: Text, max_tokens: int, *, truncation: Truncation = "longest_first", stride: int = 0,
    truncation_side: Side = "right", add_special_tokens: bool = True, special: Special = "all",
    errors: Errors = "strict",
) -> list[PairIds]:
    """Two texts in a row, in parts of at most `max_tokens` ids: first the pair cut to that, then the rest.

    `truncation` says which text is cut. Neighbours share `stride` ids of it. If both are cut, each part of one comes
    with each part of the other. With truncation_side="left" the first part has the ends of the texts. In the parts
    after the first, a text that is cut has the type id 0 or 1, whatever the template says: upstream does the same. If
    the framing leaves no room, the parts after the first have a whole text. Other keywords as `encode_pair`. Raises
    `ArgumentError` for a `max_tokens` below the number of ids of the framing, if the text to cut is too short, and for
    a `stride` that leaves no new id in a part.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> found = dstok.padding.encode_pair_with_overflow(tok, "Who?", "One two three", 4, truncation="only_second")
    >>> [part.ids.tolist() for part in found]
    [[18387, 33, 6111, 1234], [18387, 33, 2038]]
    """
    check_side("truncation_side", truncation_side)
    _check_truncation(truncation)
    stride = whole_number("stride", stride)
    parts = _parts(tok, add_special_tokens)
    room = room_of("max_tokens", max_tokens, _around(parts), AROUND)
    both = _both(tok, text, pair, special, errors)
    (kept,) = kept_lengths(np.array([[len(ids) for ids in both]]), room, truncation).tolist()
    spans = [overflow_spans(len(ids), count, stride, truncation_side) for ids, count in zip(both, kept)]
    rows = []
    for chosen in _combinations(parts, spans):
        cut = [ids[slice(*spans[text][chosen[text]])] for text, ids in enumerate(both)]
        rows.append(_joined([_part(part, chosen) for part in parts], cut))
    return rows


@explained
def encode_pairs_padded(
    tok: Parts, texts: Iterable[Text], pairs: Iterable[Text], *, length: int | None = None,
    padding_side: Side = "right", pad_id: int | None = None, pad_type_id: int = 0,
    pad_to_multiple_of: int | None = None, max_length: int | None = None,
    truncation: Truncation = "longest_first", truncation_side: Side = "right", threads: int = 1,
    add_special_tokens: bool = True, special: Special = "all", errors: Errors = "strict",
) -> PaddedPairs:
    """Many pairs as rows of one length: pair i is `texts[i]` with `pairs[i]`.

    `max_length` cuts each row to so many ids; `truncation` says which text loses them. `pad_type_id` is the type id of
    padding. Keywords and errors are those of `encode_batch_padded` and `encode_pair`. Raises `ArgumentError` also for a
    row whose text to cut is too short.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> found = dstok.padding.encode_pairs_padded(tok, ["Hello", "Hello"], ["world", "wide world"], pad_id=2)
    >>> found.ids.tolist(), found.mask.tolist(), found.type_ids.tolist()
    ([[19923, 29616, 2], [19923, 10285, 2058]], [[1, 1, 0], [1, 1, 1]], [[0, 1, 0], [0, 1, 1]])
    """
    _check_truncation(truncation)
    for name, value in (("padding_side", padding_side), ("truncation_side", truncation_side)):
        check_side(name, value)
    pad_type_id = whole_number("pad_type_id", pad_type_id, most=MAX_ID)
    parts = _parts(tok, add_special_tokens)
    shape = shape_of(tok, length, pad_to_multiple_of, max_length, pad_id, threads, _around(parts), AROUND)
    columns = _columns(tok, texts, pairs, shape.threads, special, errors)
    counts = np.stack([np.diff(offsets) for _, offsets in columns], axis=1)
    kept = counts if shape.room is None else kept_lengths(counts, shape.room, truncation)
    flats = [cut_texts(flat, counts[:, text], kept[:, text], truncation_side) for text, (flat, _) in enumerate(columns)]
    rows, lengths = _rows_of_pairs(parts, flats, kept), kept.sum(axis=1) + _around(parts)
    width = row_width(lengths, shape, "pair")
    ids, mask = filled(rows.ids, lengths, width, padding_side, shape.pad_id)
    return PaddedPairs(ids, mask, filled(rows.type_ids, lengths, width, padding_side, pad_type_id)[0])


def _parts(tok: Parts, add_special_tokens: bool) -> tuple[FramingItem, ...]:
    return pair_parts(tok.config.framing, add_special_tokens)


def _joined(parts: Sequence[FramingItem], both: Sequence[Ids_pairs]) -> PairIds:
    """One pair, as `_rows_of_pairs` would give it, but faster."""
    pieces = [both[part.text] if part.text is not None else np.array(part.ids, np.uint32) for part in parts]
    ids = np.concatenate(pieces)
    types, around = np.empty(len(ids), np.uint32), np.zeros(len(ids), np.bool_)
    end = 0
    for part, piece in zip(parts, pieces):
        start, end = end, end + len(piece)
        types[start:end] = part.type_id
        if part.text is None:
            around[start:end] = True
    return PairIds(ids, types, around)


def _rows_of_pairs(parts: Sequence[FramingItem], texts: Sequence[Ids_pairs], lengths: Lengths_pairs) -> PairIds:
    """The rows of pairs, one after the other. texts: the ids of all first texts, and those of all second texts."""
    rows = len(lengths)
    fixed = [np.full(rows, len(part.ids)) for part in parts]
    counts = np.stack([own if part.text is None else lengths[:, part.text] for part, own in zip(parts, fixed)], axis=1)
    number = np.repeat(np.tile(np.arange(len(parts)), rows), counts.ravel())  # for each id: the number of its part
    ids = np.empty(len(number), np.uint32)
    for at, part in enumerate(parts):
        ids[number == at] = np.tile(np.array(part.ids, np.uint32), rows) if part.text is None else texts[part.text]
    types = np.array([part.type_id for part in parts], np.uint32)
    around = np.array([part.text is None for part in parts], np.bool_)
    return PairIds(ids, types[number], around[number])


def _around(parts: Sequence[FramingItem]) -> int:
    """The number of ids of the framing."""
    return sum(len(part.ids) for part in parts)


def _part(part: FramingItem, chosen: tuple[int, int]) -> FramingItem:
    """The template's item for part `chosen[text]` of its text: parts after the first have another type id."""
    return part if part.text is None or chosen[part.text] == 0 else part._replace(type_id=part.rest_type_id)


def _combinations(parts: Sequence[FramingItem], spans: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """The combinations of a part of each text, in upstream's order; the first has the kept parts of both."""
    first, second = (part.text for part in parts if part.text is not None)  # in the order of the template
    counts = [range(len(spans[text])) for text in (first, second)]
    order = [(0, 0), *((i, j) for i in counts[0][1:] for j in counts[1]), *((0, j) for j in counts[1][1:])]
    return order if first == 0 else [(of_first, of_second) for of_second, of_first in order]


def kept_lengths(lengths: Lengths_pairs, room: int, truncation: Truncation) -> Lengths_pairs:
    """The number of ids of each text that stay if a pair has so much room: upstream's rule. Raises `ArgumentError`.

    >>> import numpy as np
    >>> kept_lengths(np.array([[3, 9], [9, 8], [1, 2]]), 7, "longest_first").tolist()
    [[3, 4], [4, 3], [1, 2]]
    """
    over = lengths.sum(axis=1) - room
    if room == 0:
        return np.zeros_like(lengths)
    if truncation == "longest_first":
        return np.where(over[:, None] > 0, _halved(lengths, room), lengths)
    text = int(truncation == "only_second")
    short = (over > 0) & (lengths[:, text] <= over)
    if short.any():
        row = int(short.argmax())
        where = f" in pair {row}" if len(lengths) > 1 else ""
        raise ArgumentError(f"expected a {NTH[text]} text of more than {over[row]} ids, which have to go"
                            f"{where}, found one of {lengths[row, text]}", "truncation")
    kept = lengths.copy()
    kept[:, text] -= np.maximum(over, 0)
    return kept


def _halved(lengths: Lengths_pairs, room: int) -> Lengths_pairs:
    """The lengths left in pairs that are too long: the longer text gets the room that the shorter leaves, or half."""
    shorter = lengths.min(axis=1)
    longer = np.maximum(shorter, room - shorter)
    both = shorter + longer > room
    ends = np.stack([np.where(both, room // 2, shorter), np.where(both, room - room // 2, longer)], axis=1)
    return np.where((lengths[:, 0] > lengths[:, 1])[:, None], ends[:, ::-1], ends)


def _both(tok: Parts, text: Text, pair: Text, special: Special, errors: Errors) -> list[Ids_pairs]:
    """The ids of both texts. An error names the text at fault."""
    both: list[Ids_pairs] = []
    try:
        for each in (text, pair):
            which = NTH[len(both)]
            both.append(tok.encode_array(checked_text(each, f"{which} text", BATCH), special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(both)) from None
    return both


def _columns(
    tok: Parts, texts: Iterable[Text], pairs: Iterable[Text], threads: int, special: Special, errors: Errors,
) -> list[tuple[Ids_pairs, npt.NDArray[np.int64]]]:
    """The ids and offsets of all first texts, and those of all second texts. An error names the pair and the text."""
    columns = [list(checked_texts(texts)), list(checked_texts(pairs))]
    if len(columns[0]) != len(columns[1]):
        raise ArgumentError(f"expected as many second texts as first ones, found {len(columns[1])} of "
                            f"{len(columns[0])}", "pairs")
    found: list[tuple[Ids_pairs, npt.NDArray[np.int64]]] = []
    try:
        for column, which in zip(columns, NTH):
            given = [text if isinstance(text, (str, bytes)) else checked_text(text, f"{which} text of pair {row}")
                     for row, text in enumerate(column)]
            found.append(encode_batch_arrays(tok, given, threads=threads, special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(found)) from None
    return found


def _of_pair(error: TextError | SpecialTokenError, text: int) -> TextError | SpecialTokenError:
    """The error of a text, with its place in the pair: the first text (0) or the second (1)."""
    if isinstance(error, TextError):
        return TextError(error.message, error.offset, error.batch_index, text)
    return SpecialTokenError(error.token, error.offset, error.batch_index, text)


def _check_truncation(truncation: str) -> None:
    if truncation not in TRUNCATIONS:
        raise ArgumentError(f"expected truncation to be one of {', '.join(TRUNCATIONS)}, found {truncation!r}",
                            "truncation")
