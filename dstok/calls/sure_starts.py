"""Places from which the rest of a text may be encoded alone: the last ids of a long text need no pass over all of it.

In: a text, a place in it. Out: a sure start near the place, or the start of the text.
Invariant: the ids from a sure start on are those that the whole text has there, whatever stands before. Three things
make a start sure. A piece begins there (core/find/_sure_start.pyx). No added token lies near it, so none reaches over
it. The text is normalized from a boundary before it on. If one of these is not known, the text's start is the result.
If the model puts a space before a text, the rest gets none when it is encoded alone (`inside` of `encode_spans`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.core.find._sure_start import sure_start

if TYPE_CHECKING:
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.core.text._policy import Policy

__all__ = ["start_before"]

_WINDOW = 512  # code points in which a start is searched
_TRIES = 16  # attempts, one window each: no window of an endless piece has a start
_BOUNDARY = 64  # code points in which a boundary of the normalizer is searched


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
        try:
            start = _start_in(encoder, normalizer, policy, text, window)
        except UnicodeEncodeError:  # a lone surrogate
            continue
        if start:
            return start
    return 0


def _start_in(encoder: Encoder, normalizer: Normalizer | None, policy: Policy, text: str, place: int) -> int:
    """A sure start in the window that begins at `place`, or 0."""
    before, stop = max(place - policy.reach, 0), place + _WINDOW
    data = text[place:stop].encode()
    piece = sure_start(encoder.finder, data, 0)
    if piece < 0 or not policy.absent(text[before : stop + policy.reach].encode()):
        return 0
    if normalizer is not None and not _is_normalized(normalizer, text, before):
        return 0
    return place + len(data[:piece].decode())


def _is_normalized(normalizer: Normalizer, text: str, place: int) -> bool:
    """Whether the text is normalized from a boundary on that lies at `place` or shortly before it."""
    data = text[max(place - _BOUNDARY, 0) : place].encode()
    boundary = normalizer.last_boundary(data, 0, len(data))
    return boundary > 0 and normalizer.is_normalized(text[place - len(data[boundary:].decode()) :])
