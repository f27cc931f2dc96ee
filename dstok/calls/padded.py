"""Batches of one length for a model, and texts that are cut by their ids.

In: texts, a length, a side. Out: ids and a mask as two arrays; or the ids of a text in parts that overlap.
Invariant: each row has the ids that upstream gives with the same truncation and padding. The cuts are between ids, so a
part may begin or end inside a character. (`truncate` and `chunk` cut the text between characters.)
Source: upstream's truncation and padding; tests/calls/test_padded.py compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok.base.arguments import explained
from dstok.base.numbers import MANY, thread_count, whole_number
from dstok.base.texts import Errors, Special, Text
from dstok.calls.batches import encode_batch_arrays, framed
from dstok.calls.sides import Side, check_side
from dstok.errors import ArgumentError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts

    Ids = npt.NDArray[np.uint32]
    Lengths = npt.NDArray[np.int64]

__all__ = ["MAX_ID", "Shape", "cut_texts", "encode_batch_padded", "encode_with_overflow", "file_settings", "filled",
           "overflow_spans", "room_of", "row_width", "shape_of"]

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
    >>> ids, mask = dstok.rows.encode_batch_padded(tok, ["Hello", "Hello wide world"], pad_id=2, max_length=2)
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
    >>> dstok.rows.file_settings(dstok.load("deepseek-v3"))
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
    >>> parts = dstok.rows.encode_with_overflow(dstok.load("deepseek-v3"), "Hello wide world", 2, stride=1)
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
