"""The rules of merging, written as slowly and plainly as they can be, to hold the fast code against.

In: bytes and merges. Out: tokens. It also has the settings of tests with random examples.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings

DEEP, BRIEF = (os.environ.get("DSTOK_PROFILE") == name for name in ("deep", "brief"))
PART = {"nightly": 1, "deep": 1, "brief": 10}.get(os.environ.get("DSTOK_PROFILE", ""), 8)  # one of so many of the night's cases


def examples(count: int, deep: int | None = None) -> settings:
    """Settings for a fifth of `count` examples at night, other ones with each seed; else for a part of these.

    In the deep profile for `deep`, or twenty times `count`.
    """
    return settings(max_examples=(deep or 20 * count) if DEEP else -(-count // (5 * PART)), deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])


def part_of_examples(part: float) -> settings:
    """A part of the profile's examples, at least one: where a test runs for each of many versions."""
    return settings(max_examples=max(int(settings.default.max_examples * part), 1))  # type: ignore[union-attr]


def naive_bpe(text: bytes, merges: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """Byte-level BPE: the adjacent pair of least rank is joined, the leftmost of equals first, while there is one.

    >>> naive_bpe(b"aaab", [(b"a", b"a"), (b"a", b"b")])
    [b'aa', b'ab']
    """
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    parts = [bytes([byte]) for byte in text]
    while True:
        candidates = [(ranks[pair], at) for at, pair in enumerate(zip(parts, parts[1:])) if pair in ranks]
        if not candidates:
            return parts
        _, at = min(candidates)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def bpe_by_passes(text: bytes, merges: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
    """The same for long texts, where no merge makes a part of an earlier one: one pass over the text a merge.

    >>> bpe_by_passes(b"aaab", [(b"a", b"a"), (b"a", b"b")])
    [b'aa', b'ab']
    """
    parts = [bytes([byte]) for byte in text]
    for left, right in merges:
        joined: list[bytes] = []
        waiting = False  # the last part is a `left` that may be joined
        for part in parts:
            if waiting and part == right:
                joined[-1] = left + right
                waiting = False
            else:
                joined.append(part)
                waiting = part == left
        parts = joined
    return parts


def cut_at(text: str | bytes, places: Sequence[int]) -> list[str | bytes]:
    """`text` cut at the places, which are taken modulo its length; the parts may be empty."""
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip(bounds, bounds[1:])]
