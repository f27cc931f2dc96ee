"""Rows of ids as models take them: batches of one length, texts in parts that overlap, pairs of texts.

In: a tokenizer, texts, a `Padding` and a `Truncation`. Out: numpy arrays. Invariant: each row has the ids, masks and
type ids that upstream gives with the same truncation, padding and post-processor; so have the parts that truncation
leaves over. The cuts are between ids, so a part may begin or end inside a character. (`truncate` and `chunk` cut the
text between characters.) dstok refuses a model file that asks for a pair it cannot make in the same way.

>>> import dstok
>>> from dstok.padding import Padding, pad_batch
>>> ids, mask = pad_batch(dstok.load("deepseek-v3"), ["Hello", "Hello world"], Padding(pad_id=2))
>>> ids.tolist(), mask.tolist()
([[19923, 2], [19923, 2058]], [[1, 0], [1, 1]])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import MANY, Side, check_choice, checked_text, checked_texts, explained, whole_number
from dstok.added_tokens import TextOptions
from dstok.errors import ArgumentError, SpecialTokenError, TextError
from dstok.formats.components import FramingItem, pair_parts
from dstok.methods.batch import encode_batch_arrays, framed
from dstok.methods.budget import chunk_spans

if TYPE_CHECKING:
    from dstok._util.arguments import Errors, Special, Text
    from dstok.tokenizer import Tokenizer

__all__ = [
    "PaddedPairs", "Padding", "PairIds", "Truncation", "chunk_spans", "encode_pair", "from_config", "overflow",
    "pad_batch", "pad_pairs", "pair_overflow",
]

Ids: TypeAlias = "npt.NDArray[np.uint32]"
Ints: TypeAlias = "npt.NDArray[np.int64]"
Strategy = Literal["longest_first", "only_first", "only_second"]
NTH = "first", "second"
_AROUND_PAIR = "what stands around the texts"
MAX_ID = (1 << 32) - 1  # the largest `pad_id` and type id, as in upstream
BOUNDS = ("pad_id", 0, MAX_ID), ("length", 0, MANY), ("multiple_of", 1, MANY), ("type_id", 0, MAX_ID)


@dataclass(frozen=True)
class Padding:
    """How rows are filled up.

    side: the end of a row that is filled. pad_id: the id that fills it; None: the padding token that the model's files
    name. length: the ids of a row; None: as many as the longest has. multiple_of: the length is rounded up to a
    multiple of it. type_id: the type id of padding, in rows of pairs. Raises `ArgumentError`.
    """

    side: Side = "right"
    pad_id: int | None = None
    length: int | None = None
    multiple_of: int | None = None
    type_id: int = 0

    def __post_init__(self) -> None:
        check_choice("side", self.side, Side)
        values = vars(self)
        for name, least, most in BOUNDS:
            if values[name] is not None or name == "type_id":
                values[name] = whole_number(name, values[name], least, most=most)


@dataclass(frozen=True)
class Truncation:
    """How rows are cut to at most `max_tokens` ids; BOS and EOS, or a pair's framing, count and are kept.

    side: the end of a text that is cut off. stride: the ids that neighbours share, in the parts of `overflow`.
    strategy: which text of a pair is cut: "longest_first", "only_first" or "only_second". Raises `ArgumentError`.
    """

    max_tokens: int
    side: Side = "right"
    stride: int = 0
    strategy: Strategy = "longest_first"

    def __post_init__(self) -> None:
        check_choice("side", self.side, Side)
        for name in ("max_tokens", "stride"):
            vars(self)[name] = whole_number(name, vars(self)[name])
        check_choice("strategy", self.strategy, Strategy)

    def room(self, extra: int, around: str = "BOS and EOS") -> int:
        """The ids in a row that text may have, beside `extra` ones."""
        return whole_number("max_tokens", self.max_tokens, extra, f", for {around}" if extra else "") - extra

    def spans(self, count: int, room: int) -> list[tuple[int, int]]:
        """(start, end) of the parts of so many ids, by upstream's rule: first the text after truncation."""
        if count <= room:
            return [(0, count)]
        if room == 0:
            return [(0, 0), (0, count)]
        if self.stride >= room:
            raise ArgumentError(f"expected a stride of at least 0 and below the {room} ids of text in a part, found "
                                f"{self.stride}", "stride")
        starts = range(0, count - self.stride, room - self.stride)
        spans = [(start, min(start + room, count)) for start in starts]
        return spans if self.side == "right" else [(count - end, count - start) for start, end in spans]


@explained
def pad_batch(
    tok: Tokenizer, texts: Iterable[Text], padding: Padding = Padding(), truncation: Truncation | None = None, *,
    num_threads: int = 1, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
    errors: Errors = "strict",
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(ids int64[len(texts), width], mask int64[len(texts), width]): the mask is 1 at ids of a text, 0 at padding.

    Keywords as `encode_batch`. Raises `ArgumentError` for a `max_tokens` below the number of BOS and EOS, if there is
    no `pad_id` and the model names no padding token (before any text is read), and for a row longer than the padding's
    `length`.

    >>> import dstok
    >>> tok, texts = dstok.load("deepseek-v3"), ["Hello", "Hello wide world"]
    >>> ids, mask = dstok.padding.pad_batch(tok, texts, Padding("left", pad_id=2), Truncation(2))
    >>> ids.tolist(), mask.tolist()
    ([[2, 19923], [19923, 7050]], [[0, 1], [1, 1]])
    """
    options, pad_id = TextOptions.of(tok, special, add_bos, add_eos, errors), _pad_id(tok, padding)
    room = None if truncation is None else truncation.room(options.extra)
    flat, offsets = encode_batch_arrays(tok, texts, num_threads=num_threads, special=special, errors=errors)
    lengths = np.diff(offsets)
    if truncation is not None and room is not None:
        kept = np.minimum(lengths, room)
        flat, lengths = _cut(flat, lengths, kept, truncation.side), kept
    if options.extra:
        flat, lengths = framed(flat, lengths, options)
    return _filled(flat, lengths, _width(lengths, padding), padding.side, pad_id)


@explained
def from_config(tok: Tokenizer) -> tuple[Padding | None, Truncation | None]:
    """The objects `padding` and `truncation` of the model's tokenizer.json; None where the file has none.

    With them a row has the ids that upstream's `encode_batch` gives without a post-processor. No call of dstok takes
    them by itself: `tok.config.padding` and `tok.config.truncation` hold the objects.

    >>> import dstok
    >>> dstok.padding.from_config(dstok.load("deepseek-v3"))
    (None, None)
    """
    cut, pad = tok.config.truncation, tok.config.padding
    padding = truncation = None
    if pad is not None:
        length = None if pad["strategy"] == "BatchLongest" else pad["strategy"]["Fixed"]
        padding = Padding(pad["direction"].lower(), pad["pad_id"], length, pad["pad_to_multiple_of"] or None,
                          pad["pad_type_id"])
    if cut is not None:
        strategy: Any = {"OnlyFirst": "only_first", "OnlySecond": "only_second"}.get(cut["strategy"], "longest_first")
        truncation = Truncation(cut["max_length"], cut["direction"].lower(), cut["stride"], strategy)
    return padding, truncation


@explained
def overflow(
    tok: Tokenizer, text: Text, truncation: Truncation, *, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[Ids]:
    """The ids of `text` in parts of at most `max_tokens` ids, uint32[n] each: the text cut to that, then the rest.

    With `Truncation(side="left")` the first part is the end of the text. BOS and EOS stand around each part. If they
    leave no room, the first part has no id of the text, and a second part has all of them, whatever `max_tokens` is:
    upstream does the same. Keywords as `encode`. Raises `ArgumentError` for a `stride` that leaves no new id in a part,
    and for a `max_tokens` below the number of BOS and EOS.

    >>> import dstok
    >>> parts = dstok.padding.overflow(dstok.load("deepseek-v3"), "Hello wide world", Truncation(2, stride=1))
    >>> [part.tolist() for part in parts]
    [[19923, 7050], [7050, 2058]]
    """
    options = TextOptions.of(tok, special, add_bos, add_eos, errors)
    room = truncation.room(options.extra)
    ids = tok.encode_array(text, special=special, errors=errors)
    before, after = np.array(options.before, np.uint32), np.array(options.after, np.uint32)
    return [np.concatenate([before, ids[start:end], after]) for start, end in truncation.spans(len(ids), room)]


def _pad_id(tok: Tokenizer, padding: Padding) -> int:
    pad_id = tok.config.pad_id if padding.pad_id is None else padding.pad_id
    if pad_id is None:
        raise ArgumentError("expected a pad_id, found none, and the model names no token to fill with: give "
                            "Padding(pad_id=...), or name it with tok.replace(pad_id=...)", "pad_id")
    return pad_id


def _cut(flat: Ids, lengths: Ints, kept: Ints, side: Side) -> Ids:
    """The ids of all texts, with `kept` ids left of each; `side` is the end that is cut off."""
    if (lengths == kept).all():
        return flat
    index = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)  # of an id in its text
    most, least = np.repeat(kept, lengths), np.repeat(lengths - kept, lengths)
    return flat[index < most if side == "right" else index >= least]


def _filled(flat: Ids, lengths: Ints, width: int, side: Side, fill: int) -> tuple[Ints, Ints]:
    """(rows, mask), int64[n, width] each, of rows that lie one after the other; `fill` pads one end of each."""
    columns = np.arange(width)
    mask = columns < lengths[:, None] if side == "right" else columns >= width - lengths[:, None]
    rows = np.full(mask.shape, fill, np.int64)
    rows[mask] = flat
    return rows, mask.astype(np.int64)


def _width(lengths: Ints, padding: Padding, what: str = "text") -> int:
    """The number of ids of each row. Raises `ArgumentError` for a longer row; `what` is the error's word for a row."""
    longest = int(lengths.max(initial=0))
    width = longest if padding.length is None else padding.length
    if longest > width:
        row = int((lengths > width).argmax())
        raise ArgumentError(f"expected at most {width} ids, found {lengths[row]} in {what} {row}: a Truncation cuts "
                            f"{what}s", "length")
    multiple = padding.multiple_of or 1
    return -(-width // multiple) * multiple


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
    tok: Tokenizer, text: Text, pair: Text, *, add_special_tokens: bool = True, special: Special = "all",
    errors: Errors = "strict",
) -> PairIds:
    """The ids of two texts in a row, and their type ids: upstream's `encode(text, pair)`.

    The template in the model's tokenizer.json gives the framing and the type ids. Without a template there is no
    framing, and the type ids are 0 and 1. With `add_special_tokens=False` the template gives the type ids alone. Other
    keywords as `encode`. Raises `UnsupportedError` for a template that does more, such as to give a text twice.

    >>> import dstok
    >>> found = dstok.padding.encode_pair(dstok.load("deepseek-vl2"), "Hello", "world")
    >>> found.ids.tolist(), found.type_ids.tolist()
    ([0, 19923, 0, 29616], [0, 0, 1, 1])
    """
    parts = pair_parts(tok.config.framing, add_special_tokens)
    return _joined(parts, _both(tok, text, pair, special, errors))


@explained
def pair_overflow(
    tok: Tokenizer, text: Text, pair: Text, truncation: Truncation, *, add_special_tokens: bool = True,
    special: Special = "all", errors: Errors = "strict",
) -> list[PairIds]:
    """Two texts in a row, in parts of at most `max_tokens` ids: first the pair cut to that, then the rest.

    If both texts are cut, each part of one comes with each part of the other. With `Truncation(side="left")` the first
    part has the ends of the texts. In the parts after the first, a text that is cut has the type id 0 or 1, whatever
    the template says: upstream does the same. If the framing leaves no room, the parts after the first have a whole
    text. Other keywords as `encode_pair`. Raises `ArgumentError` for a `max_tokens` below the number of ids of the
    framing, if the text to cut is too short, and for a `stride` that leaves no new id in a part.

    >>> import dstok
    >>> tok, cut = dstok.load("deepseek-v3"), Truncation(4, strategy="only_second")
    >>> [part.ids.tolist() for part in dstok.padding.pair_overflow(tok, "Who?", "One two three", cut)]
    [[18387, 33, 6111, 1234], [18387, 33, 2038]]
    """
    parts = pair_parts(tok.config.framing, add_special_tokens)
    room = truncation.room(sum(len(part.ids) for part in parts), _AROUND_PAIR)
    both = _both(tok, text, pair, special, errors)
    (kept,) = kept_lengths(np.array([[len(ids) for ids in both]]), room, truncation.strategy).tolist()
    spans = [truncation.spans(len(ids), count) for ids, count in zip(both, kept)]
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
def pad_pairs(
    tok: Tokenizer, texts: Iterable[Text], pairs: Iterable[Text], padding: Padding = Padding(),
    truncation: Truncation | None = None, *, num_threads: int = 1, add_special_tokens: bool = True,
    special: Special = "all", errors: Errors = "strict",
) -> PaddedPairs:
    """Many pairs as rows of one length: pair i is `texts[i]` with `pairs[i]`.

    Keywords and errors are those of `pad_batch` and `encode_pair`. Raises `ArgumentError` also for a row whose text to
    cut is too short.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> found = dstok.padding.pad_pairs(tok, ["Hello", "Hello"], ["world", "wide world"], Padding(pad_id=2))
    >>> found.ids.tolist(), found.mask.tolist(), found.type_ids.tolist()
    ([[19923, 29616, 2], [19923, 10285, 2058]], [[1, 1, 0], [1, 1, 1]], [[0, 1, 0], [0, 1, 1]])
    """
    parts, pad_id = pair_parts(tok.config.framing, add_special_tokens), _pad_id(tok, padding)
    extra = sum(len(part.ids) for part in parts)
    room = None if truncation is None else truncation.room(extra, _AROUND_PAIR)
    num_threads = whole_number("num_threads", num_threads, 1)
    given = list(checked_texts(texts)), list(checked_texts(pairs))
    if len(given[0]) != len(given[1]):
        raise ArgumentError(f"expected as many second texts as first ones, found {len(given[1])} of "
                            f"{len(given[0])}", "pairs")
    found: list[tuple[Ids, Ints]] = []
    try:
        for column, which in zip(given, NTH):
            checked = [text if isinstance(text, (str, bytes)) else checked_text(text, f"{which} text of pair {row}")
                       for row, text in enumerate(column)]
            found.append(encode_batch_arrays(tok, checked, num_threads=num_threads, special=special, errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(found)) from None
    flats, counts = [flat for flat, _ in found], np.stack([np.diff(offsets) for _, offsets in found], axis=1)
    if truncation is not None and room is not None:
        kept = kept_lengths(counts, room, truncation.strategy)
        flats = [_cut(flat, counts[:, text], kept[:, text], truncation.side) for text, flat in enumerate(flats)]
        counts = kept
    rows, lengths = _joined_rows(parts, flats, counts), counts.sum(axis=1) + extra
    width = _width(lengths, padding, "pair")
    ids, mask = _filled(rows.ids, lengths, width, padding.side, pad_id)
    return PaddedPairs(ids, mask, _filled(rows.type_ids, lengths, width, padding.side, padding.type_id)[0])


def _joined(parts: Sequence[FramingItem], both: Sequence[Ids]) -> PairIds:
    """One pair, as `_joined_rows` would give it, but faster."""
    pieces = [both[part.text] if part.text is not None else np.array(part.ids, np.uint32) for part in parts]
    ids = np.concatenate(pieces)
    types, around = np.empty(len(ids), np.uint32), np.zeros(len(ids), np.bool_)
    end = 0
    for part, piece in zip(parts, pieces):
        start, end = end, end + len(piece)
        types[start:end] = part.type_id
        around[start:end] = part.text is None
    return PairIds(ids, types, around)


def _joined_rows(parts: Sequence[FramingItem], texts: Sequence[Ids], lengths: Ints) -> PairIds:
    """The rows of pairs, one after the other. texts: the ids of all first texts, and those of all second texts."""
    rows = len(lengths)
    counts = np.stack([np.full(rows, len(part.ids)) if part.text is None else lengths[:, part.text] for part in parts],
                      axis=1)
    number = np.repeat(np.tile(np.arange(len(parts)), rows), counts.ravel())  # for each id: the number of its part
    ids = np.empty(len(number), np.uint32)
    for at, part in enumerate(parts):
        ids[number == at] = np.tile(np.array(part.ids, np.uint32), rows) if part.text is None else texts[part.text]
    types = np.array([part.type_id for part in parts], np.uint32)
    around = np.array([part.text is None for part in parts], np.bool_)
    return PairIds(ids, types[number], around[number])


def kept_lengths(lengths: Ints, room: int, strategy: str) -> Ints:
    """The number of ids of each text, int64[pairs, 2], that stay if a pair has so much room: upstream's rule.

    Raises `ArgumentError`.
    """
    over = lengths.sum(axis=1) - room
    if room == 0:
        return np.zeros_like(lengths)
    if strategy == "longest_first":  # the longer text gets the room that the shorter leaves, or half
        shorter = lengths.min(axis=1)
        longer = np.maximum(shorter, room - shorter)
        both = shorter + longer > room
        ends = np.stack([np.where(both, room // 2, shorter), np.where(both, room - room // 2, longer)], axis=1)
        halved = np.where((lengths[:, 0] > lengths[:, 1])[:, None], ends[:, ::-1], ends)
        return np.where(over[:, None] > 0, halved, lengths)
    text = int(strategy == "only_second")
    short = (over > 0) & (lengths[:, text] <= over)
    if short.any():
        row = int(short.argmax())
        where = f" in pair {row}" if len(lengths) > 1 else ""
        raise ArgumentError(f"expected a {NTH[text]} text of more than {over[row]} ids, which have to go"
                            f"{where}, found one of {lengths[row, text]}", "strategy")
    kept = lengths.copy()
    kept[:, text] -= np.maximum(over, 0)
    return kept


def _both(tok: Tokenizer, text: Text, pair: Text, special: Special, errors: Errors) -> list[Ids]:
    """The ids of both texts."""
    both: list[Ids] = []
    try:
        for each, which in zip((text, pair), NTH):
            both.append(tok.encode_array(checked_text(each, f"{which} text", "pad_pairs"), special=special,
                                         errors=errors))
    except (TextError, SpecialTokenError) as error:
        raise _of_pair(error, len(both)) from None
    return both


def _of_pair(error: TextError | SpecialTokenError, text: int) -> TextError | SpecialTokenError:
    """The error of a text, with its place in the pair: the first text (0) or the second (1)."""
    said = error.message if isinstance(error, TextError) else error.token
    return type(error)(said, error.offset, error.batch_index, text)
