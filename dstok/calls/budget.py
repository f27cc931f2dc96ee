"""Texts that must fit a number of tokens: counting up to it, truncating to it, cutting into chunks.

In: a tokenizer, a text, `max_tokens`. Out: counts, or parts of the text, cut between characters. Parts of a `str` are
`str`; parts of bytes are bytes. Or the places of these parts.
Invariant: each part has at most `max_tokens` ids when it is encoded alone. A cut may change the ids beside it, so each
candidate is counted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, overload

from dstok.base.arguments import explained
from dstok.base.numbers import MANY, whole_number
from dstok.base.texts import Errors, Special, Text, characters, replaces_faults
from dstok.calls.fitting import Fitting
from dstok.calls.sides import Side, check_side
from dstok.errors import ArgumentError

if TYPE_CHECKING:
    from dstok.calls.interface import Parts

__all__ = ["chunk", "chunk_spans", "count_up_to", "truncate"]

Binary = bytes | bytearray | memoryview


def count_up_to(
    self: Parts, text: Text, max_tokens: int, *, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> int:
    """The number of ids of `text` if it is at most `max_tokens`, else `max_tokens + 1`. Keywords as `encode`.

    It stops early, so `max_tokens` bounds the time. Two exceptions read the whole text first, at a gigabyte a second
    or more: bytes are checked as a whole, and a normalizer looks at the whole text. Raises `ArgumentError` for
    `max_tokens` below 0.

    >>> import dstok
    >>> dstok.load("deepseek-v3").count_up_to("Hello wide world", 2)
    3
    """
    extra = self._ends.extra(add_bos, add_eos)
    most = whole_number("max_tokens", max_tokens, most=MANY)
    limit = max(most - extra + 1, 0)
    found = self._encoder.count_to(text, self._added.policy(special), replaces_faults(errors), limit)
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

    The cut is between characters. Bytes give bytes. The ids of `add_bos` and `add_eos` count, too. With
    truncation_side="left" only the end of a `str` is looked at: a lone surrogate, or a token that special="raise"
    refuses, raises no error far before the cut.
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
    fitting = Fitting(self._encoder, self._normalizer, self._added.policy(special))
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

    Each part begins at most `overlap` ids before the end of the part before. The ids of `add_bos` and `add_eos` count
    in each part. Other keywords as `encode`. Raises `ArgumentError` at once if `max_tokens` leaves no id for text, or
    not more than `overlap`. Iteration raises it at a character that has more ids than a part may have.

    >>> import dstok
    >>> list(dstok.load("deepseek-v3").chunk("Hello wide world", 2))
    ['Hello wide', ' world']
    """
    chars, spans = _chunks(self, text, max_tokens, overlap, special, add_bos, add_eos, errors)
    parts = (chars[start:end] for start, end in spans)
    return parts if isinstance(text, str) else map(str.encode, parts)


@explained
def chunk_spans(
    tok: Parts, text: Text, max_tokens: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> Iterator[tuple[int, int]]:
    """Start and end of each part that `chunk` gives, half-open, in code points of the text.

    Of bytes they are code points, too; with `errors="replace"` those of the text with U+FFFD. `overlap` as `chunk`,
    other keywords as `encode`. Raises as `chunk`.

    >>> import dstok
    >>> list(dstok.rows.chunk_spans(dstok.load("deepseek-v3"), "Hello wide world", 2))
    [(0, 10), (10, 16)]
    """
    return _chunks(tok, text, max_tokens, overlap, special, add_bos, add_eos, errors)[1]


def _chunks(
    self: Parts, text: Text, max_tokens: int, overlap: int, special: Special, add_bos: bool, add_eos: bool,
    errors: Errors,
) -> tuple[str, Iterator[tuple[int, int]]]:
    """`text` as characters, and the places of its parts."""
    extra = self._ends.extra(add_bos, add_eos)
    room = _room(max_tokens, extra, 1)
    overlap = whole_number("overlap", overlap)
    if overlap >= room:
        rest = f", less {extra} for BOS and EOS" if extra else ""
        raise ArgumentError(f"expected overlap to be below max_tokens, {max_tokens}{rest}, found {overlap}", "overlap")
    chars = characters(text, replaces_faults(errors))
    fitting = Fitting(self._encoder, self._normalizer, self._added.policy(special))
    return chars, fitting.chunks(chars, room, overlap)


def _room(max_tokens: int, extra: int, least: int) -> int:
    """The number of these ids that text may have: at least `least`."""
    why = f" ({extra} for BOS and EOS)" if extra else ""
    return whole_number("max_tokens", max_tokens, extra + least, why, MANY) - extra

