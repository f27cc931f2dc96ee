"""Texts that must fit a number of tokens: counting up to it, truncating to it, cutting into chunks.

In: a tokenizer, a text, `max_tokens`. Out: counts, or parts of the text, cut between characters: `str` of `str`,
bytes of bytes.
Invariant: each part that comes out re-encodes to at most `max_tokens` ids. A part that ends where the text was cut
may encode otherwise at the cut than within the text, so each candidate is counted again, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, overload

from dstok.base.numbers import MANY, whole_number
from dstok.base.texts import Errors, Special, Text, characters, lone_surrogate, replaces_faults, utf8
from dstok.calls.sides import Side, check_side
from dstok.errors import ArgumentError, SpecialTokenError, TextError

if TYPE_CHECKING:
    from dstok.calls.interface import Parts
    from dstok.calls.places import Places
    from dstok.core.run._encode import Encoder
    from dstok.core.text._policy import Policy

__all__ = ["chunk", "count_up_to", "truncate"]

_ROOM = 64  # code points looked at per id of `max_tokens`, at first: more than any ordinary text has
Binary = bytes | bytearray | memoryview


def count_up_to(
    self: Parts, text: Text, max_tokens: int, *, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> int:
    """The number of ids of `text` if it is at most `max_tokens`, else `max_tokens + 1`. Keywords as `encode`.

    It stops early: time is bounded by `max_tokens`, but for bytes, which are checked as a whole, and for a model with
    a normalizer, which looks at the whole text first: at a gigabyte a second or more. Raises `ArgumentError` for
    `max_tokens` below 0.

    >>> import dstok
    >>> dstok.load("deepseek-v3").count_up_to("Hello wide world", 2)
    3
    """
    extra = self._ends.extra(add_bos, add_eos)
    most = whole_number("max_tokens", max_tokens, most=MANY)
    found = _count(self._encoder, text, most - extra, self._added.policy(special), replaces_faults(errors))
    return min(found + extra, most + 1)


@overload
def truncate(
    self: Parts, text: str, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> str: ...
@overload
def truncate(
    self: Parts, text: Binary, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> bytes: ...
def truncate(
    self: Parts, text: Text, max_tokens: int, *, truncation_side: Side = "right",
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
) -> str | bytes:
    """`text` cut to at most `max_tokens` ids, counted again after the cut; `truncation_side` is the end that goes.

    It is cut between characters; of bytes it is bytes. With `add_bos` and `add_eos` these ids count, too.
    Other keywords as `encode`. Raises `ArgumentError` if `max_tokens` is below 0, or too small for BOS and EOS.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.truncate("Hello wide world", 2), tok.truncate(b"Hello wide world", 2, add_bos=True)
    ('Hello wide', b'Hello')
    """
    extra = self._ends.extra(add_bos, add_eos)
    check_side("truncation_side", truncation_side)
    room = _room(max_tokens, extra, 0)
    chars = characters(text, replaces_faults(errors))
    fitting = _Fitting(self._encoder, self._places, self._added.policy(special))
    kept = chars[: fitting.end(chars, 0, room)] if truncation_side == "right" else fitting.last(chars, room)
    return kept if isinstance(text, str) else kept.encode()


@overload
def chunk(
    self: Parts, text: str, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[str]: ...
@overload
def chunk(
    self: Parts, text: Binary, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[bytes]: ...
def chunk(
    self: Parts, text: Text, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[str] | Iterator[bytes]:
    """Parts of `text`, in order, of at most `max_tokens` ids each; without overlap they join to `text`.

    Each begins at most `overlap` ids before the end of the last one; with `add_bos` and `add_eos` these ids count
    in each part. Other keywords as `encode`. Raises `ArgumentError` if `max_tokens` leaves no id for text, or not
    more than `overlap`; and, when it comes to it, for a character that has more ids.

    >>> import dstok
    >>> list(dstok.load("deepseek-v3").chunk("Hello wide world", 2))
    ['Hello wide', ' world']
    """
    extra = self._ends.extra(add_bos, add_eos)
    room = _room(max_tokens, extra, 1)
    overlap = whole_number("overlap", overlap)
    if overlap >= room:
        rest = f", less {extra} for BOS and EOS" if extra else ""
        raise ArgumentError(f"expected overlap to be below max_tokens, {max_tokens}{rest}, found {overlap}", "overlap")
    chars = characters(text, replaces_faults(errors))
    parts = _Fitting(self._encoder, self._places, self._added.policy(special)).chunks(chars, room, overlap)
    return parts if isinstance(text, str) else map(str.encode, parts)


def _room(max_tokens: int, extra: int, least: int) -> int:
    """How many of these ids are for text: at least `least`."""
    why = f" ({extra} for BOS and EOS)" if extra else ""
    return whole_number("max_tokens", max_tokens, extra + least, why, MANY) - extra


def _count(encoder: Encoder, text: Text, limit: int, policy: Policy, replace: bool = False) -> int:
    """The number of ids, or some number above `limit`."""
    return encoder.count_to(text, policy, replace, max(limit + 1, 0))


class _Fitting:
    """What of a text fits into so many ids, of one model under one policy."""

    def __init__(self, encoder: Encoder, places: Places, policy: Policy) -> None:
        self._encoder, self._places, self._policy = encoder, places, policy

    def chunks(self, text: str, room: int, overlap: int) -> Iterator[str]:
        """Parts that fit, each of which begins at most `overlap` ids before the last one's end."""
        start = covered = 0
        while covered < len(text):
            end = self.end(text, start, room)
            if start < covered and end <= covered:
                start = covered  # the overlap leaves no room for the next character: go on without it
                continue
            if end == start:
                raise ArgumentError(f"expected max_tokens that the character at code point {start} fits, "
                                    f"found {room} ids for text", "max_tokens")
            yield text[start:end]
            covered = end
            start = end if overlap == 0 else max(end - len(self.last(text[start:end], overlap)), start + 1)

    def end(self, text: str, start: int, room: int) -> int:
        """How far `text[start:]` fits, in code points."""
        ends, whole = self._token_ends(text, start, room)
        if whole:
            return len(text)
        return start + _longest([end - start for end in ends],
                                lambda length: self._fits(text[start : start + length], room))

    def last(self, text: str, room: int) -> str:
        """The longest end of `text` that is found to fit: candidates are the token starts of the whole text."""
        encoding = self._places.encoding(utf8(text, False), self._policy)
        if len(encoding) <= room:
            return text
        spans = encoding.char_spans[len(encoding) - room - 1 :]
        partial = spans[1:, 0] < spans[:-1, 1]  # begins inside the last one's character
        lengths = (len(text) - spans[1:, 0].astype(int) - partial)[::-1].tolist()
        return text[len(text) - _longest(lengths, lambda length: self._fits(text[len(text) - length :], room)) :]

    def _fits(self, text: str, room: int) -> bool:
        return _count(self._encoder, text, room, self._policy) <= room

    def _token_ends(self, text: str, start: int, count: int) -> tuple[list[int], bool]:
        """Ends, in code points of `text`, of the first `count` tokens from `start`; and whether they are all.

        An end inside a character is moved back to before it.
        """
        size = max(_ROOM * count, 256)
        while True:
            part = text[start : start + size]
            try:
                ids, ends = self._places.first_ends(part, count + 1, self._policy)
            except TextError as error:
                raise lone_surrogate(part[error.offset], start + error.offset) from None
            except SpecialTokenError as error:
                raise SpecialTokenError(error.token, len(text[:start].encode()) + error.offset) from None
            if start + len(part) == len(text) and len(ids) <= count:
                return [], True
            if len(ids) > count:
                return [start + end for end in ends[:count]], False
            size *= 4  # these characters need few ids: look at more


def _longest(lengths: list[int], fits: Callable[[int], bool]) -> int:
    """The longest that is found to fit of `lengths`, which rise and are those of whole ids; 0 if nothing does.

    The cut itself may cost ids: the piece that is cut merges otherwise, or is two pieces. Then go back, in
    growing steps, so that no text makes this quadratic; at last to parts of the first id.
    """
    lengths = [length for length in lengths if length]
    step, at = 1, len(lengths) - 1
    while at > 0:
        if fits(lengths[at]):
            return lengths[at]
        at -= step
        step *= 2
    length = lengths[0] if lengths else 1
    while length and not fits(length):
        length //= 2
    return length
