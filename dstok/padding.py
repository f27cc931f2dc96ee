"""Rows of ids as models take them: batches of one length, texts in parts that overlap, pairs of texts.

In: a tokenizer, texts, the length of a row, the id that fills it. Out: numpy arrays.
Invariant: each row has the ids, masks and type ids that upstream gives with the same truncation, padding and
post-processor; so have the parts that truncation leaves over. The cuts are between ids, so a part may begin or end
inside a character. (`truncate` and `chunk` cut the text between characters.) dstok refuses a model file that asks for a
pair it cannot make in the same way.
Source: upstream, whose truncation, post-processing and padding tests/methods/test_padded.py and
tests/methods/test_pairs.py compare.

>>> import dstok
>>> ids, mask = dstok.padding.encode_batch_padded(dstok.load("deepseek-v3"), ["Hello", "Hello world"], pad_id=2)
>>> ids.tolist(), mask.tolist()
([[19923, 2], [19923, 2058]], [[1, 0], [1, 1]])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

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

if TYPE_CHECKING:
    from dstok.protocols import Parts

__all__ = [
    "PaddedPairs", "PairIds", "chunk_spans", "encode_batch_padded", "encode_pair", "encode_pair_with_overflow",
    "encode_pairs_padded", "encode_with_overflow", "file_settings",
]

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Ints: TypeAlias = "npt.NDArray[np.int64]"
Truncation = Literal["longest_first", "only_first", "only_second"]
NTH = "first", "second"
_AROUND_PAIR = "what stands around the texts"
MAX_ID = (1 << 32) - 1  # the largest `pad_id` and type id, as in upstream


class _Shape(NamedTuple):
    """The shape of rows: the numbers that a call was given, as ints. `room`: the ids in a row that text may have."""

    length: int | None
    multiple: int
    room: int | None
    pad_id: int
    threads: int


def _shape(
    tok: Parts, length: Any, pad_to_multiple_of: Any, max_length: Any, pad_id: Any, threads: Any, extra: int,
    around: str = "BOS and EOS",
) -> _Shape:
    """The numbers of a call for rows. `extra` ids, named by `around`, stand around each text. Raises `DstokError`."""
    if length is not None:
        length = whole_number("length", length, most=MANY)
    multiple = 1
    if pad_to_multiple_of is not None:
        multiple = whole_number("pad_to_multiple_of", pad_to_multiple_of, 1, most=MANY)
    room = None if max_length is None else _room("max_length", max_length, extra, around)
    pad_id = tok.config.pad_id if pad_id is None else whole_number("pad_id", pad_id, most=MAX_ID)
    if pad_id is None:
        raise ArgumentError("expected a pad_id, found none, and the model names no token to fill with: give pad_id, or "
                            "name it with tok.replace(pad_id=...)", "pad_id")
    return _Shape(length, multiple, room, pad_id, thread_count(threads))


def _room(name: str, most: Any, extra: int, around: str = "BOS and EOS") -> int:
    """The number of `most` ids that text may have. `name` is the argument's name. Raises `ArgumentError`."""
    return whole_number(name, most, extra, f", for {around}" if extra else "") - extra


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
    check_side("padding_side", padding_side)
    check_side("truncation_side", truncation_side)
    before, after = tok._ends.before(add_bos), tok._ends.after(add_eos)
    shape = _shape(tok, length, pad_to_multiple_of, max_length, pad_id, threads, len(before) + len(after))
    flat, offsets = encode_batch_arrays(tok, texts, threads=shape.threads, special=special, errors=errors)
    lengths = np.diff(offsets)
    if shape.room is not None:
        kept = np.minimum(lengths, shape.room)
        flat, lengths = _cut(flat, lengths, kept, truncation_side), kept
    if before or after:
        flat, lengths = framed(flat, lengths, before, after, None)
    return filled(flat, lengths, _width(lengths, shape), padding_side, shape.pad_id)


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
    check_side("truncation_side", truncation_side)
    stride = whole_number("stride", stride)
    room = _room("max_tokens", max_tokens, tok._ends.extra(add_bos, add_eos))
    ids = tok.encode_array(text, special=special, errors=errors)
    before, after = (np.array(ends, np.uint32) for ends in (tok._ends.before(add_bos), tok._ends.after(add_eos)))
    spans = _overflow_spans(len(ids), room, stride, truncation_side)
    return [np.concatenate([before, ids[start:end], after]) for start, end in spans]


def _overflow_spans(count: int, room: int, stride: int, side: Side) -> list[tuple[int, int]]:
    """(start, end) of the parts, in ids, by upstream's rule. The first part is the text after truncation."""
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


def _cut(flat: Ids, lengths: Ints, kept: Ints, side: Side) -> Ids:
    """The ids of all texts, with `kept` ids left of each; `side` is the end that is cut off."""
    if (lengths == kept).all():
        return flat
    ends = np.cumsum(lengths)
    place = np.arange(len(flat)) - np.repeat(ends - lengths, lengths)  # of an id in its text
    most, least = np.repeat(kept, lengths), np.repeat(lengths - kept, lengths)
    return flat[place < most if side == "right" else place >= least]


def filled(flat: Ids, lengths: Ints, width: int, side: Side, fill: int) -> tuple[Ints, Ints]:
    """(rows, mask), int64[n, width] each, of rows that lie one after the other; `fill` pads one end of each."""
    places = np.arange(width)
    own = places < lengths[:, None] if side == "right" else places >= width - lengths[:, None]
    rows = np.full(own.shape, fill, np.int64)
    rows[own] = flat
    return rows, own.astype(np.int64)


def _width(lengths: Ints, shape: _Shape, what: str = "text") -> int:
    """The number of ids of each row. Raises `ArgumentError` for a longer row; `what` is the error's word for a row."""
    longest = int(lengths.max()) if len(lengths) else 0
    width = longest if shape.length is None else shape.length
    if longest > width:
        row = int((lengths > width).argmax())
        raise ArgumentError(f"expected at most {width} ids, found {lengths[row]} in {what} {row}: max_length cuts "
                            f"{what}s", "length")
    return -(-width // shape.multiple) * shape.multiple


class PairIds(NamedTuple):
    """The ids of two texts in a row.

    ids: uint32[n]. type_ids: uint32[n], the text that an id belongs to, in the model's own numbers.
    special_tokens_mask: bool[n], whether the id belongs to neither text.
    """

    ids: npt.NDArray[np.uint32]
    type_ids: npt.NDArray[np.uint32]
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
    parts = pair_parts(tok.config.framing, add_special_tokens)
    return _joined(parts, _both(tok, text, pair, special, errors))


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
    parts = pair_parts(tok.config.framing, add_special_tokens)
    room = _room("max_tokens", max_tokens, sum(len(part.ids) for part in parts), _AROUND_PAIR)
    both = _both(tok, text, pair, special, errors)
    (kept,) = kept_lengths(np.array([[len(ids) for ids in both]]), room, truncation).tolist()
    spans = [_overflow_spans(len(ids), count, stride, truncation_side) for ids, count in zip(both, kept)]
    # The combinations of a part of each text, in upstream's order; the first has the kept parts of both.
    first, second = (part.text for part in parts if part.text is not None)  # in the order of the template
    of_first, of_second = (range(len(spans[number])) for number in (first, second))
    order = [(0, 0), *((i, j) for i in of_first[1:] for j in of_second), *((0, j) for j in of_second[1:])]
    rows = []
    for chosen in order if first == 0 else [(j, i) for i, j in order]:
        cut = [ids[slice(*spans[number][chosen[number]])] for number, ids in enumerate(both)]
        rows.append(_joined([part if part.text is None or chosen[part.text] == 0  # later parts have another type id
                             else part._replace(type_id=part.rest_type_id) for part in parts], cut))
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
    check_side("padding_side", padding_side)
    check_side("truncation_side", truncation_side)
    pad_type_id = whole_number("pad_type_id", pad_type_id, most=MAX_ID)
    parts = pair_parts(tok.config.framing, add_special_tokens)
    extra = sum(len(part.ids) for part in parts)
    shape = _shape(tok, length, pad_to_multiple_of, max_length, pad_id, threads, extra, _AROUND_PAIR)
    given = list(checked_texts(texts)), list(checked_texts(pairs))
    if len(given[0]) != len(given[1]):
        raise ArgumentError(f"expected as many second texts as first ones, found {len(given[1])} of "
                            f"{len(given[0])}", "pairs")
    found: list[tuple[Ids, Ints]] = []
    try:
        for column, which in zip(given, NTH):
            checked = [text if isinstance(text, (str, bytes)) else checked_text(text, f"{which} text of pair {row}")
                       for row, text in enumerate(column)]
            found.append(encode_batch_arrays(tok, checked, threads=shape.threads, special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(found)) from None
    counts = np.stack([np.diff(offsets) for _, offsets in found], axis=1)
    kept = counts if shape.room is None else kept_lengths(counts, shape.room, truncation)
    flats = [_cut(flat, counts[:, text], kept[:, text], truncation_side) for text, (flat, _) in enumerate(found)]
    rows, lengths = _joined_rows(parts, flats, kept), kept.sum(axis=1) + extra
    width = _width(lengths, shape, "pair")
    ids, mask = filled(rows.ids, lengths, width, padding_side, shape.pad_id)
    return PaddedPairs(ids, mask, filled(rows.type_ids, lengths, width, padding_side, pad_type_id)[0])


def _joined(parts: Sequence[FramingItem], both: Sequence[Ids]) -> PairIds:
    """One pair, as `_joined_rows` would give it, but faster."""
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


def _joined_rows(parts: Sequence[FramingItem], texts: Sequence[Ids], lengths: Ints) -> PairIds:
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


def kept_lengths(lengths: Ints, room: int, truncation: Truncation) -> Ints:
    """The number of ids of each text, int64[pairs, 2], that stay if a pair has so much room: upstream's rule.

    Raises `ArgumentError`.
    """
    over = lengths.sum(axis=1) - room
    if room == 0:
        return np.zeros_like(lengths)
    if truncation == "longest_first":  # the longer text gets the room that the shorter leaves, or half
        shorter = lengths.min(axis=1)
        longer = np.maximum(shorter, room - shorter)
        both = shorter + longer > room
        ends = np.stack([np.where(both, room // 2, shorter), np.where(both, room - room // 2, longer)], axis=1)
        halved = np.where((lengths[:, 0] > lengths[:, 1])[:, None], ends[:, ::-1], ends)
        return np.where(over[:, None] > 0, halved, lengths)
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


def _both(tok: Parts, text: Text, pair: Text, special: Special, errors: Errors) -> list[Ids]:
    """The ids of both texts."""
    both: list[Ids] = []
    try:
        for each, which in zip((text, pair), NTH):
            checked = checked_text(each, f"{which} text", "encode_pairs_padded")
            both.append(tok.encode_array(checked, special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(both)) from None
    return both


def _of_pair(error: TextError | SpecialTokenError, text: int) -> TextError | SpecialTokenError:
    """The error of a text, with its place in the pair: the first text (0) or the second (1)."""
    if isinstance(error, TextError):
        return TextError(error.message, error.offset, error.batch_index, text)
    return SpecialTokenError(error.token, error.offset, error.batch_index, text)


def _check_truncation(truncation: str) -> None:
    if truncation not in get_args(Truncation):
        raise ArgumentError(f"expected truncation to be one of {', '.join(get_args(Truncation))}, found {truncation!r}",
                            "truncation")
