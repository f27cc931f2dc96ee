"""Texts that must fit a number of tokens: counting up to it, truncating to it, cutting into chunks.

In: a tokenizer, a text, a budget in ids. Out: counts, or parts of the text, cut between characters: `str` of `str`,
bytes of bytes.
Invariant: each part that comes out re-encodes to at most the budget. A part that ends where the text was cut
may encode otherwise at the cut than within the text, so each candidate is counted again, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dstok.base.texts import Text, characters, lone_surrogate
from dstok.errors import SpecialTokenError, TextError

if TYPE_CHECKING:
    from dstok.text.added_tokens import Special
    from dstok.tokenizer import Tokenizer

__all__ = ["chunk", "count_up_to", "truncate"]

_ROOM = 64  # code points looked at per id of the budget, at first: more than any ordinary text has


def count_up_to(tokenizer: Tokenizer, text: Text, limit: int, extra: int, special: Special, replace: bool) -> int:
    """The number of ids of `text` and `extra`, or `limit` + 1 if there are more; time is bounded by the limit.

    But for bytes, which are checked as a whole, and for a model with a normalizer, which looks at the whole text first:
    at a gigabyte a second or more.
    """
    if limit < 0:
        raise ValueError(f"expected a limit of at least 0, found {limit}")
    ids, _, _ = tokenizer._prefix(text, max(limit + 1 - extra, 0), special, replace)
    return min(len(ids) + extra, limit + 1)


def truncate(
    tokenizer: Tokenizer, text: Text, budget: int, extra: int, side: str, special: Special, replace: bool,
) -> str | bytes:
    """The longest start (or end, for side="left") of `text` that is found to fit `budget` beside `extra` ids."""
    if side not in ("right", "left"):
        raise ValueError(f'expected side to be "right" or "left", found {side!r}')
    room = _room(budget, extra, 0)
    chars = characters(text, replace)
    if side == "right":
        kept = chars[: _fitting(tokenizer, chars, 0, room, special)]
    else:
        kept = _truncate_left(tokenizer, chars, room, special)
    return kept if isinstance(text, str) else kept.encode()


def chunk(
    tokenizer: Tokenizer, text: Text, budget: int, extra: int, overlap: int, special: Special, replace: bool,
) -> Iterator[str] | Iterator[bytes]:
    """Parts of `text` that each fit `budget` beside `extra` ids.

    Each begins at most `overlap` ids before the last one's end.
    """
    room = _room(budget, extra, 1)
    if not 0 <= overlap < room:
        rest = f", less {extra} for BOS and EOS" if extra else ""
        raise ValueError(f"expected an overlap of at least 0 and below the budget {budget}{rest}, found {overlap}")
    parts = _chunks(tokenizer, characters(text, replace), room, overlap, special)
    return parts if isinstance(text, str) else map(str.encode, parts)


def _room(budget: int, extra: int, least: int) -> int:
    """How many ids of the budget are for text: at least `least`."""
    if budget < extra + least:
        why = f" ({extra} for BOS and EOS)" if extra else ""
        raise ValueError(f"expected a budget of at least {extra + least}{why}, found {budget}")
    return budget - extra


def _chunks(tokenizer: Tokenizer, text: str, budget: int, overlap: int, special: Special) -> Iterator[str]:
    start = covered = 0
    while covered < len(text):
        end = _fitting(tokenizer, text, start, budget, special)
        if start < covered and end <= covered:
            start = covered  # the overlap leaves no room for the next character: go on without it
            continue
        if end == start:
            raise ValueError(f"expected a budget that the character at code point {start} fits, "
                             f"found {budget} ids for text")
        yield text[start:end]
        covered = end
        start = _overlap_start(tokenizer, text, start, end, overlap, special)


def _fitting(tokenizer: Tokenizer, text: str, start: int, budget: int, special: Special) -> int:
    """How far `text[start:]` fits the budget, in code points."""
    ends, whole = _token_ends(tokenizer, text, start, budget, special)
    if whole:
        return len(text)
    return start + _longest([end - start for end in ends], lambda length: (
        count_up_to(tokenizer, text[start : start + length], budget, 0, special, False) <= budget))


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


def _token_ends(
    tokenizer: Tokenizer, text: str, start: int, budget: int, special: Special
) -> tuple[list[int], bool]:
    """Ends, in code points of `text`, of the first `budget` tokens from `start`; and whether they are all.

    An end inside a character is moved back to before it.
    """
    room = max(_ROOM * budget, 256)
    while True:
        part = text[start : start + room]
        try:
            ids, spans = tokenizer._limited_spans(part, budget + 1, special)
        except TextError as error:
            raise lone_surrogate(part[error.offset], start + error.offset) from None
        except SpecialTokenError as error:
            raise SpecialTokenError(error.token, len(text[:start].encode()) + error.offset) from None
        last = start + len(part) == len(text)
        if last and len(ids) <= budget:
            return [], True
        if len(ids) > budget:
            return [start + end for end in spans[:budget]], False
        room *= 4  # these characters need few ids: look at more


def _truncate_left(tokenizer: Tokenizer, text: str, budget: int, special: Special) -> str:
    """The longest end of `text` that is found to fit: candidates are the token starts of the whole text."""
    encoding = tokenizer.encode_with_offsets(text, special=special)
    if len(encoding) <= budget:
        return text
    spans = encoding.char_spans[len(encoding) - budget - 1 :]
    partial = spans[1:, 0] < spans[:-1, 1]  # begins inside the last one's character
    lengths = (len(text) - spans[1:, 0].astype(int) - partial)[::-1].tolist()
    found = _longest(lengths, lambda length: (
        count_up_to(tokenizer, text[len(text) - length :], budget, 0, special, False) <= budget))
    return text[len(text) - found :]


def _overlap_start(
    tokenizer: Tokenizer, text: str, start: int, end: int, overlap: int, special: Special
) -> int:
    """Where the next chunk begins: at most `overlap` ids before `end`, and after `start`."""
    if overlap == 0:
        return end
    kept = _truncate_left(tokenizer, text[start:end], overlap, special)
    return max(end - len(kept), start + 1)
