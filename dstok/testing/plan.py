"""The checks of `verify`, in their order, and each one's share of the time.

In: the names of the wanted checks, the caller's texts. Out: a list of checks to run. Invariant: checks that find most
in the least time come first; only the last check may take all the time left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from dstok.testing import texts as texts_of
from dstok.testing.calls import CALLS, Tally
from dstok.testing.causes import Cause
from dstok.testing.differ import Pair
from dstok.testing.guide import Guide

__all__ = ["CHECKS", "CallCheck", "GrowthCheck", "Planned", "TextCheck", "planned"]

HALF = 0.5  # for a check that mostly needs far less


@dataclass(frozen=True)
class TextCheck:
    """A check made of texts (None: there are none). share: of the time left when its turn comes.

    k: of a class cover.
    """

    name: str
    texts: Callable[[Guide], Iterator[str]] | None
    share: float = HALF
    k: int = 0


@dataclass(frozen=True)
class GrowthCheck:
    """The check of how time grows with length."""

    name: str = "growth"
    share: float = HALF  # by default twenty seconds of patience fit into it


@dataclass(frozen=True)
class CallCheck:
    """A check of another call than `encode`; `call`: the call that the candidate needs, if any."""

    name: str
    call: str
    function: Callable[[Pair, Guide, Tally], Iterator[Cause]]
    share: float = HALF


Planned = TextCheck | GrowthCheck | CallCheck


def _cover(k: int, share: float = HALF) -> TextCheck:
    return TextCheck(f"class cover, k = {k}", lambda guide: texts_of.cover(guide, k), share, k)


def _some_random_texts(guide: Guide) -> Iterator[str]:
    return islice(texts_of.random_texts(guide, 6), 4000)


def _long_texts(guide: Guide) -> Iterator[str]:
    """Random texts joined to long ones, which cross the edges of blocks and buffers."""
    source = texts_of.random_texts(guide, 11)
    for size in (4096, 8192, 16384, 65536, 100_000, 262_144):
        parts, held = [], 0
        while held < size:
            part = next(source)
            parts.append(part)
            held += len(part)
        yield "".join(parts)


FIRST = (
    TextCheck("odd texts", texts_of.odd_texts),
    TextCheck("added tokens", texts_of.added_tokens, 0.1),
    _cover(1),
    _cover(2),
    TextCheck("some random texts", _some_random_texts, 0.1),
)
CORPORA, GROWTH = "corpora", GrowthCheck()  # early, because a caller who names texts wants them compared
THEN: tuple[Planned, ...] = (
    *(CallCheck(name, call, function) for call, name, function in CALLS),
    TextCheck("long pieces", texts_of.long_pieces, 0.1),
    TextCheck("code points in contexts", texts_of.code_points, 0.3),
    TextCheck("vocabulary", texts_of.vocabulary, 0.25),
    TextCheck("concatenation at safe cuts", texts_of.concatenations, 0.05),
    _cover(3, 0.3),
    TextCheck("merges in conflict", texts_of.merge_conflicts, 0.3),
    TextCheck("long texts", _long_texts, 0.1),
    TextCheck("all code points, joined", texts_of.joined_code_points, 0.4),
)
LARGEST = _cover(4, 0.7)
LAST = TextCheck("random texts", texts_of.random_texts)
CHECKS = tuple(check.name for check in (*FIRST, TextCheck(CORPORA, None), GROWTH, *THEN, LARGEST, LAST))


def planned(wanted: tuple[str, ...], corpus: Iterator[str] | None, max_k: int, named: bool) -> list[Planned]:
    """The checks named in `wanted`; corpora only if there are any or they are named."""
    corpora = [TextCheck(CORPORA, None if corpus is None else lambda _: corpus, 0.3)]
    covers = [_cover(k, LARGEST.share) for k in range(LARGEST.k + 1, max_k + 1)] if LARGEST.name in wanted else []
    known: list[Planned] = [*FIRST, *(corpora if corpus is not None or named else []), GROWTH, *THEN, LARGEST]
    return [*(check for check in known if check.name in wanted), *covers, *([LAST] if LAST.name in wanted else [])]
