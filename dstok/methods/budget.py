"""Texts that must fit a number of ids: truncating to it, cutting into chunks.

In: a tokenizer, a text, `max_tokens`. Out: parts of the text, cut between characters, or the spans of these parts.
Invariant: each part has at most `max_tokens` ids when it is encoded alone: a cut may change the ids beside it, so each
candidate is counted, and shortened in growing steps: time is linear. The last ids of a long text are those of the text
from a *sure start* on, whatever stands before: a piece begins there (core/split/piece_finder.pyx), no added token
reaches over it, and the text is normalized from a boundary before it on. If none is known, it is the text's start.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import MANY, Side, characters, check_choice, explained, lone_surrogate, whole_number
from dstok.added_tokens import TextOptions
from dstok.core.encode.pieces import char_spans
from dstok.errors import ArgumentError, SpecialTokenError, TextError
from dstok.normalizers import NormalizedText, normalized_text

if TYPE_CHECKING:
    from dstok._util.arguments import Errors, Special, Text
    from dstok.core.encode.encoder import Encoder
    from dstok.core.text.added_tokens import Policy
    from dstok.core.text.normalize import Normalizer
    from dstok.tokenizer import Tokenizer

Binary = bytes | bytearray | memoryview
Places: TypeAlias = "tuple[int, Callable[[int], int]]"  # the number of ids; index -> place, in code points

_WINDOW = 512  # code points in which a start is searched
_TRIES = 16  # attempts, one window each: no window of an endless piece has a start
_BOUNDARY = 64  # code points in which a boundary of the normalizer is searched
_LIKELY = 6  # code points per id in the first part that is encoded: more than most texts have
_SAMPLES, _SAMPLE = 8, 512  # parts, and the code points of each: they tell how many code points an id has
_LEAST = 1024  # code points in the first part at least
_ROOM = 16  # code points per id of `room` in the first attempt: more than ordinary text has
_BLOCK = 1 << 17  # code points that `_Ahead` encodes at once


def start_before(encoder: Encoder, normalizer: Normalizer | None, policy: Policy, text: str, place: int) -> int:
    """A sure start in `text`, at most `_WINDOW` code points after `place`; or 0."""
    policy = policy.quick  # no call asks which ids from a start on are added tokens
    if normalizer is not None:
        if not normalizer.local or (normalizer.prefix and policy.contents[1]):
            return 0
        normalizer = normalizer.bare()
    if policy.reach < 0:
        return 0
    for window in range(place, max(place - _TRIES * _WINDOW, 0), -_WINDOW):
        before, stop = max(window - policy.reach, 0), window + _WINDOW
        try:
            data = text[window:stop].encode()
            piece = encoder.finder.resync_point(data, 0)
            if piece < 0 or not policy.absent(text[before : stop + policy.reach].encode()):
                continue
            if normalizer is not None:
                lead = text[max(before - _BOUNDARY, 0) : before].encode()
                boundary = normalizer.last_boundary(lead, 0, len(lead))
                if boundary <= 0 or not normalizer.is_normalized(text[before - len(lead[boundary:].decode()) :]):
                    continue
        except UnicodeEncodeError:  # a lone surrogate
            continue
        start = window + len(data[:piece].decode())
        if start:
            return start
    return 0


class Fitting:
    """The parts of a text that fit, for one model under one policy, and the places of its ids that lead to them.

    A place is a border of characters. An end inside a character moves before it, a start moves after it.
    """

    def __init__(self, tok: Tokenizer, policy: Policy) -> None:
        self._encoder, self._normalizer, self._policy = tok._encoder, tok._normalizer, policy

    def chunks(self, text: str, room: int, overlap: int) -> Iterator[tuple[int, int]]:
        """(start, end) of parts that fit. Each begins at most `overlap` ids before the end of the part before."""
        ahead = _Ahead(self._encoder, self._policy, text, room)
        start = covered = 0
        while covered < len(text):
            end = ahead.after(start, room)
            if not end or self._count(text, start, end, room) != room:
                end = self.end(text, start, room)
            if start < covered and end <= covered:
                start = covered  # the overlap leaves no room for the next character: go on without it
                continue
            if end == start:
                needed = self._count(text, start, start + 1, MANY)
                raise ArgumentError(f"expected max_tokens to be at least {needed - room} more, as the character "
                                    f"{text[start]!r} at code point {start} has {needed} ids, found room for {room}",
                                    "max_tokens")
            yield start, end
            covered = end
            if not overlap:
                start = end
                continue
            before = ahead.before(end, overlap)
            if not start < before < end or self._count(text, before, end, overlap) != overlap:
                before = end - len(self.last(text[start:end], overlap))
            start = max(before, start + 1)

    def end(self, text: str, start: int, room: int) -> int:
        """The end of the longest start of `text[start:]` that is found to fit, in code points."""
        size = max(_ROOM * room, 256)
        while True:
            part = text[start : start + size]
            try:
                count, ends = self.first_ends(part, room + 1)
            except TextError as error:
                raise lone_surrogate(part[error.offset], start + error.offset) from None
            except SpecialTokenError as error:
                raise SpecialTokenError(error.token, len(text[:start].encode()) + error.offset) from None
            if count > room:
                return start + _longest(
                    room, ends, lambda length: self._count(text, start, start + length, room) <= room)
            if start + len(part) == len(text):
                return len(text)
            size *= 4  # these characters need few ids: take more

    def last(self, text: str, room: int) -> str:
        """The longest end of `text` that is found to fit. A candidate begins where an id of the whole text begins."""
        count, starts = self.last_starts(text, room)
        if count <= room:
            return text
        length = _longest(room, lambda index: len(text) - starts(count - 1 - index),
                          lambda length: self._count(text, len(text) - length, len(text), room) <= room)
        return text[len(text) - length :]

    def _count(self, text: str, start: int, end: int, room: int) -> int:
        """The number of ids of a part of `text`, or some number above `room`."""
        return self._encoder.count_to(text, self._policy, False, room + 1, start, end)

    def first_ends(self, text: str, limit: int) -> Places:
        """The ends of the first ids of `text`: at least `limit` ids, or all."""
        chars, normalized = self._spans(text, max(limit, 0))
        if normalized is not None:
            ends = normalized.cuts(chars[:, 1], len(text))
            return len(ends), lambda index: int(ends[index])

        def end(index: int) -> int:
            place = int(chars[index, 1])
            return place - (index + 1 < len(chars) and place > int(chars[index + 1, 0]))  # it ends inside a character

        return len(chars), end

    def last_starts(self, text: str, count: int) -> Places:
        """The starts of the last ids of `text`: more than `count` ids, or all.

        Time depends on `count` alone, unless the normalizer looks far.
        """
        size = min(_LIKELY * count + _LEAST, len(text))
        if min(count, size) >= _SAMPLES * _SAMPLE:  # else counting samples takes longer than encoding too much
            starts_of_samples = range(len(text) - size, len(text), size // _SAMPLES)
            sample = "".join(text[start : start + _SAMPLE] for start in starts_of_samples)
            size = len(text)
            with suppress(TextError, SpecialTokenError):
                ids = self._encoder.count_to(sample, self._policy, False, sys.maxsize)
                size = count * len(sample) * 5 // (4 * max(ids, 1)) + _LEAST
        while size < len(text):
            start = start_before(self._encoder, self._normalizer, self._policy, text, len(text) - size)
            if start == 0:
                break
            try:
                number, starts = self._starts(text, start)
            except (TextError, SpecialTokenError):
                break  # the pass over the whole text raises the error with its place
            if number > count:
                return number, starts
            size = size * 5 // 4 + size * (count - number) // max(number, 1)
        return self._starts(text)

    def _starts(self, text: str, origin: int = 0) -> Places:
        """The starts of all ids of `text` from a sure start on."""
        chars, normalized = self._spans(text[origin:], inside=origin > 0)
        if normalized is not None:
            chars = normalized.char_spans(chars)

        def start(index: int) -> int:
            place = int(chars[index, 0])
            return origin + place + (index > 0 and place < int(chars[index - 1, 1]))  # it begins inside a character

        return len(chars), start

    def _spans(
        self, text: str, limit: int = sys.maxsize, inside: bool = False,
    ) -> tuple[npt.NDArray[np.int64], NormalizedText | None]:
        """The spans of ids in the normalized text, in code points, and that text; None if it is `text` itself.

        `inside`: the text is the rest of another one from a sure start on.
        """
        _, spans, chars, _, end = self._encoder.encode_spans(text, self._policy, False, limit, inside, True)
        if chars is not None:
            return chars, None
        data, normalized = text.encode("utf-8", "surrogatepass"), None  # no surrogate before `end`
        if self._normalizer is not None and not self._normalizer.is_normalized(text):
            normalized = normalized_text(self._normalizer, data, self._policy)
        return char_spans((data if normalized is None else normalized.text)[:end], spans), normalized


class _Ahead:
    """The ends of a text's ids, found block by block. They tell where a part of so many ids likely ends.

    Each block begins where a part begins. Blocks grow: time is linear, and the first part takes little.
    """

    def __init__(self, encoder: Encoder, policy: Policy, text: str, room: int) -> None:
        self._encoder, self._policy, self._text = encoder, policy, text
        self._size, self._most = 8 * room, max(_BLOCK, 8 * room)
        self._start = 0
        self._block = memoryview(b"").cast("q")  # the ends of the ids from `_start` on, in code points from there
        self._known: dict[int, int] = {}  # for places found last: the number of ids that end there or before

    def after(self, start: int, count: int) -> int:
        """The end of the `count`th id from `start` on; 0 if it is not known."""
        index = self._index(start) + count
        if index >= len(self._block):
            self._read(start)
            index = count
        return self._place(index) if index < len(self._block) else 0

    def before(self, end: int, count: int) -> int:
        """The start of the last `count` ids before `end`; 0 if it is not known."""
        index = self._index(end) - count
        return self._place(index) if index > 0 else 0

    def _place(self, index: int) -> int:
        """The end of the first `index` ids."""
        end = self._block[index - 1]
        if end > (self._block[index - 2] if index > 1 else 0):  # else another id ends there, too
            self._known[self._start + end] = index
        return self._start + end

    def _index(self, place: int) -> int:
        """The number of ids that end at a place or before it."""
        index = self._known.get(place)
        if index is None:
            place -= self._start
            index = bisect_left(self._block, place)
            index += place > 0 and index < len(self._block) and self._block[index] == place
        self._known.clear()
        return index

    def _read(self, start: int) -> None:
        """Encodes the block that begins at `start`, if it is valid text that the normalizer does not change."""
        self._start, ends = start, None
        if self._size:
            with suppress(TextError, SpecialTokenError):  # the part that reaches the fault raises the error
                stop = min(start + self._size, len(self._text))
                ends = self._encoder.char_ends(self._text, start, stop, self._policy)
        self._size = 0 if ends is None else min(4 * self._size, self._most)
        self._block = memoryview(b"").cast("q") if ends is None else ends.data


def _longest(count: int, length_of: Callable[[int], int], fits: Callable[[int], bool]) -> int:
    """The longest length that is found to fit, or 0. The lengths of 1, 2, ... `count` ids rise.

    The cut itself may cost ids: the piece that is cut merges otherwise, or becomes two pieces. Then the search goes
    back in growing steps, which keeps the time linear. At last it tries parts of the first id.
    """
    least = 0
    while least < count and length_of(least) == 0:
        least += 1  # a part of the first character
    step, at = 1, count - 1
    while at > least:
        if fits(length_of(at)):
            return length_of(at)
        at -= step
        step *= 2
    length = length_of(least) if least < count else 1
    while length and not fits(length):
        length //= 2
    return length


@overload
def truncate(
    self: Tokenizer, text: str, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> str: ...
@overload
def truncate(
    self: Tokenizer, text: Binary, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> bytes: ...
def truncate(
    self: Tokenizer, text: Text, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> str | bytes:
    """`text` cut to at most `max_tokens` ids, counted again after the cut; `truncation_side` is the end that goes.

    The cut is between characters. Bytes give bytes. The ids of `add_bos` and `add_eos` count, too. With
    truncation_side="left" only the end of a `str` is looked at: a lone surrogate, or a token that special="raise"
    refuses, raises no error far before the cut.
    Other keywords as `encode`. Raises `ArgumentError` if `max_tokens` is below 0, or too small for BOS and EOS.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.truncate("Hello wide world", 2), tok.truncate(b"Hello wide world", 2, add_bos=True)
    ('Hello wide', b'Hello')
    """
    options = TextOptions.of(self, special, add_bos, add_eos, errors)
    check_choice("truncation_side", truncation_side, Side)
    room, policy = _room(max_tokens, options.extra, 0), options.policy
    chars, fitting = characters(text, options.replace), Fitting(self, policy)
    if truncation_side == "left":
        kept = fitting.last(chars, room)
    else:
        fits = False
        with suppress(TextError, SpecialTokenError):  # if it lies far behind the cut, it does not count
            # The whole may fit where a start of it does not: a token at its end that trims all the space before.
            fits = self._encoder.count_to(chars, policy, False, room + 1) <= room
        kept = chars if fits else chars[: fitting.end(chars, 0, room)]
    return kept if isinstance(text, str) else kept.encode()


@overload
def chunk(
    self: Tokenizer, text: str, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[str]: ...
@overload
def chunk(
    self: Tokenizer, text: Binary, max_tokens: int, *, overlap: int = 0, special: Special = "all",
    add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[bytes]: ...
def chunk(
    self: Tokenizer, text: Text, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[str] | Iterator[bytes]:
    """Parts of `text`, in order, of at most `max_tokens` ids each; without overlap they join to `text`.

    Each part begins at most `overlap` ids before the end of the part before. The ids of `add_bos` and `add_eos` count
    in each part. Other keywords as `encode`. Raises `ArgumentError` at once if `max_tokens` leaves no id for text, or
    not more than `overlap`. Iteration raises it at a character that has more ids than a part may have.

    >>> import dstok
    >>> list(dstok.load("deepseek-v3").chunk("Hello wide world", 2))
    ['Hello wide', ' world']
    """
    chars, spans = _chunks(self, text, max_tokens, overlap, TextOptions.of(self, special, add_bos, add_eos, errors))
    parts = (chars[start:end] for start, end in spans)
    return parts if isinstance(text, str) else map(str.encode, parts)


@explained
def chunk_spans(
    tok: Tokenizer, text: Text, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[tuple[int, int]]:
    """Start and end of each part that `chunk` gives, half-open, in code points of the text.

    Of bytes they are code points, too; with `errors="replace"` those of the text with U+FFFD. `overlap` as `chunk`,
    other keywords as `encode`. Raises as `chunk`.

    >>> import dstok
    >>> list(dstok.padding.chunk_spans(dstok.load("deepseek-v3"), "Hello wide world", 2))
    [(0, 10), (10, 16)]
    """
    return _chunks(tok, text, max_tokens, overlap, TextOptions.of(tok, special, add_bos, add_eos, errors))[1]


def _chunks(
    tok: Tokenizer, text: Text, max_tokens: int, overlap: int, options: TextOptions,
) -> tuple[str, Iterator[tuple[int, int]]]:
    """`text` as characters, and the places of its parts."""
    extra, overlap = options.extra, whole_number("overlap", overlap)
    room = _room(max_tokens, extra, 1)
    if overlap >= room:
        rest = f", less {extra} for BOS and EOS" if extra else ""
        raise ArgumentError(f"expected overlap to be below max_tokens, {max_tokens}{rest}, found {overlap}", "overlap")
    chars = characters(text, options.replace)
    return chars, Fitting(tok, options.policy).chunks(chars, room, overlap)


def _room(max_tokens: int, extra: int, least: int) -> int:
    """The number of these ids that text may have: at least `least`."""
    why = f" ({extra} for BOS and EOS)" if extra else ""
    return whole_number("max_tokens", max_tokens, extra + least, why, MANY) - extra
