"""Two texts in a row, for a model: question and passage, premise and hypothesis.

In: two texts, or many of both. Out: their ids, with the framing of the model's files, and type ids, which tell the two
texts apart; for batches, arrays of one length.
Invariant: ids, type ids, masks and the parts that truncation leaves over are those of upstream's `encode(text, pair)`.
dstok refuses a model file that asks for a pair it cannot make in the same way.
Source: upstream's truncation, post-processing and padding; tests/calls/test_pairs.py compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from dstok.base.arguments import explained
from dstok.base.numbers import whole_number
from dstok.base.texts import Errors, Special, Text, checked_text, checked_texts
from dstok.calls.batches import encode_batch_arrays
from dstok.calls.padded import (
    MAX_ID,
    cut_texts,
    filled,
    overflow_spans,
    room_of,
    row_width,
    shape_of,
)
from dstok.calls.sides import Side, check_side
from dstok.errors import ArgumentError, SpecialTokenError, TextError
from dstok.formats.framing import FramingItem, pair_parts

if TYPE_CHECKING:
    import numpy.typing as npt

    from dstok.calls.interface import Parts

    Ids = npt.NDArray[np.uint32]
    Lengths = npt.NDArray[np.int64]  # int64[rows, 2]: the number of ids of each text

__all__ = ["PaddedPairs", "PairIds", "Truncation", "encode_pair", "encode_pair_with_overflow", "encode_pairs_padded",
           "kept_lengths"]

Truncation = Literal["longest_first", "only_first", "only_second"]
TRUNCATIONS = get_args(Truncation)
AROUND = "what stands around the texts"
NTH, BATCH = ("first", "second"), "encode_pairs_padded"


class PairIds(NamedTuple):
    """The ids of two texts in a row.

    ids: uint32[n]. type_ids: uint32[n], the text that an id belongs to, in the model's own numbers.
    special_tokens_mask: bool[n], whether the id belongs to neither text.
    """

    ids: Ids
    type_ids: Ids
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
    >>> found = dstok.rows.encode_pair(dstok.load("deepseek-vl2"), "Hello", "world")
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
    >>> found = dstok.rows.encode_pair_with_overflow(tok, "Who?", "One two three", 4, truncation="only_second")
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
    >>> found = dstok.rows.encode_pairs_padded(tok, ["Hello", "Hello"], ["world", "wide world"], pad_id=2)
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


def _joined(parts: Sequence[FramingItem], both: Sequence[Ids]) -> PairIds:
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


def _rows_of_pairs(parts: Sequence[FramingItem], texts: Sequence[Ids], lengths: Lengths) -> PairIds:
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


def kept_lengths(lengths: Lengths, room: int, truncation: Truncation) -> Lengths:
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


def _halved(lengths: Lengths, room: int) -> Lengths:
    """The lengths left in pairs that are too long: the longer text gets the room that the shorter leaves, or half."""
    shorter = lengths.min(axis=1)
    longer = np.maximum(shorter, room - shorter)
    both = shorter + longer > room
    ends = np.stack([np.where(both, room // 2, shorter), np.where(both, room - room // 2, longer)], axis=1)
    return np.where((lengths[:, 0] > lengths[:, 1])[:, None], ends[:, ::-1], ends)


def _both(tok: Parts, text: Text, pair: Text, special: Special, errors: Errors) -> list[Ids]:
    """The ids of both texts. An error names the text at fault."""
    both: list[Ids] = []
    try:
        for each in (text, pair):
            which = NTH[len(both)]
            both.append(tok.encode_array(checked_text(each, f"{which} text", BATCH), special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(both)) from None
    return both


def _columns(
    tok: Parts, texts: Iterable[Text], pairs: Iterable[Text], threads: int, special: Special, errors: Errors,
) -> list[tuple[Ids, npt.NDArray[np.int64]]]:
    """The ids and offsets of all first texts, and those of all second texts. An error names the pair and the text."""
    columns = [list(checked_texts(texts)), list(checked_texts(pairs))]
    if len(columns[0]) != len(columns[1]):
        raise ArgumentError(f"expected as many second texts as first ones, found {len(columns[1])} of "
                            f"{len(columns[0])}", "pairs")
    found: list[tuple[Ids, npt.NDArray[np.int64]]] = []
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
