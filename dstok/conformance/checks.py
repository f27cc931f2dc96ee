"""Plans the checks of `verify`, and does those that are more than comparing texts.

In: the names of the wanted checks, the caller's texts; a pair of runners. Out: the checks in their order, each with its
share of the time; the causes of a check, with None for a step that found none. Invariant: checks that find most in the
least time come first, and only the last may take all the time left. Each other call must agree with `encode` of one
text. A time is processor time of the candidate's own process, the least of several. A kind of text is super-linear if
four times the text costs at least `FACTOR` times as much, at two pairs of sizes, in a time that can be measured.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice, pairwise
from typing import Any, NamedTuple

from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.causes import FAULTS, Cause, Pair, decoded, shrink, shrink_run
from dstok.conformance.report import Check
from dstok.conformance.worker import Fault, OutOfTimeError, Row, Runner

BATCH, THREADS, DECODE, OFFSETS = "batch and single differ", "threads", "round trip", "offset unit"
PLAIN, SUPER_LINEAR = "added-token policy", "super-linear time"
SIZES = (1, 2, 3, 7, 64, 65, 128, 255, 256, 257, 1000, 1024, 1025, 4096, 4097, 10_000)
PART = 64  # texts in one request
Causes = Iterator[Cause | None]


@contextmanager
def in_time(check: Check) -> Iterator[None]:
    """End the work inside when the time is up, and mark the check as incomplete."""
    try:
        yield
    except OutOfTimeError:
        check.complete = False


def _smallest(
    pool: list[str], ask: Callable[[list[str]], list[Any]], check: Check, tries: int
) -> Iterator[tuple[str, Any, int]]:
    """Yield the smallest failing text found, what `ask` finds in it, and how many of `pool` fail, if any fails."""
    bad: dict[str, Any] = {}
    with in_time(check):
        for start in range(0, len(pool), PART):
            part = pool[start : start + PART]
            bad |= {text: answer for text, answer in zip(part, ask(part)) if answer is not None}
            check.texts += len(part)
    if bad:
        text, answer = min(bad.items(), key=lambda item: len(item[0]))
        yield *shrink(text, ask, answer, tries), len(bad)


def _sample(pair: Pair, guide: Guide, count: int, seed: int) -> list[str]:
    """Return random texts that the candidate's `encode` can handle. On others, the other calls may fail, too."""
    texts = [text for text in islice(texts_of.random_texts(guide, seed), count) if "\0" not in text]
    return [text for text, row in zip(texts, pair.candidate.encode(texts)) if not isinstance(row, Fault)]


def _right(pair: Pair, texts: list[str]) -> list[str]:
    """Return the texts on which the candidate's `encode` is right: its faults are not counted again."""
    rows = zip(texts, pair.candidate.encode(texts), pair.reference.encode(texts))
    return [text for text, row, judge in rows if row == judge]


def check_batches(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that a batch of many texts, the empty one among them, gives the ids of each text alone."""
    chance, pool = random.Random(6), _sample(pair, guide, 2000, 6)
    for size in SIZES:
        batch = ["" if not at % 50 else chance.choice(pool) for at in range(size)]
        if wrong := _wrong_in_batch(pair, batch):
            with suppress(OutOfTimeError):  # the shortest texts, then fewer texts
                plain = ["a"] * size
                batch, wrong = (plain, found) if (found := _wrong_in_batch(pair, plain)) else (batch, wrong)
            batch, (at, row, expected) = shrink_run(batch, partial(_wrong_in_batch, pair), wrong)
            title = f"text {at} of a batch of {len(batch)} has other ids than the text alone"
            if isinstance(row, Fault):
                title = f"a batch of {len(batch)} fails, each of its texts alone does not"
            yield Cause(BATCH, title, batch[at] if at < len(batch) else "", decoded(row), _ids(expected),
                        note=f"the batch: {len(batch)} texts, {batch.count('a')} of them 'a'")
            return
        check.texts += size


def _wrong_in_batch(pair: Pair, batch: list[str]) -> tuple[int, Row, Row] | None:
    """Return (number of the text, found, expected) of the first text with a wrong result in a batch."""
    [rows], expected = pair.candidate.encode([batch], "batch", len(batch)), pair.candidate.encode(batch)
    if isinstance(rows, Fault):
        return 0, rows, expected[0]
    if len(rows) != len(expected):
        at = min(len(rows), len(expected))
        return at, Fault("error", f"{len(rows)} results for {len(expected)} texts"), [*expected, b""][at]
    return next(((at, one, two) for at, (one, two) in enumerate(zip(rows, expected)) if one != two), None)


def _ids(row: Row) -> tuple[int, ...]:
    return () if isinstance(row, Fault) else tuple(array("I", row))


def check_threads(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that four threads at once, each with all the texts in its own order, give the ids of one."""
    pool, count = _sample(pair, guide, 400, 7), 4
    expected = pair.candidate.encode(pool)
    [rows] = pair.candidate.encode([(pool, count)], "threads", len(pool))
    check.texts += len(pool)
    if isinstance(rows, Fault):
        yield Cause(THREADS, f"{count} threads at once fail", "", rows, ())
        return
    for text, row, judge in zip(pool * count, rows, expected * count):
        if row != judge and not isinstance(judge, Fault):
            yield Cause(THREADS, f"{count} threads at once give other ids than one", text, decoded(row), _ids(judge))
            return


def check_decode(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that the ids of a text decode to that text, or to the normalizer's result for it."""
    pool = [*texts_of.odd_texts(guide), *_sample(pair, guide, 2000, 8), *islice(texts_of.added_tokens(guide), 600)]
    tok = guide.tokenizer

    def ask(texts: list[str]) -> list[str | Fault | None]:
        found = pair.candidate.encode([list(_ids(row)) for row in pair.reference.encode(texts)], "decode")
        return [None if back == tok.decode(tok.encode(text)) else back for text, back in zip(texts, found)]

    for text, back, count in _smallest(pool, ask, check, 500):
        ids = tuple(tok.encode(text))
        yield Cause(DECODE, "decode does not give the text back", text, back if isinstance(back, Fault) else ids, ids,
                    count=count, note=f"decoded as {back!r}")


Spans = list[tuple[int, int]] | None  # of a text's tokens, if available


def check_offsets(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that spans equal the reference's, in code points."""
    pool = _right(pair, [text for text in [*texts_of.odd_texts(guide), *_sample(pair, guide, 500, 9)] if text])

    def spans(runner: Runner, texts: list[str]) -> list[Spans]:
        if "offsets" not in runner.calls:
            return [_in_unit(guide, text, "code points") for text in texts]
        return [None if isinstance(one, Fault) else one for one in runner.encode(texts, "offsets")]

    def ask(texts: list[str]) -> list[tuple[Spans, Spans] | None]:
        return [None if one is None or one == two else (one, two)
                for one, two in zip(spans(pair.candidate, texts), spans(pair.reference, texts))]

    for text, (found, expected), count in _smallest(pool, ask, check, 300):
        unit = next((unit for unit in ("bytes", "UTF-16 units") if found == _in_unit(guide, text, unit)), None)
        ids = tuple(guide.tokenizer.encode(text))
        title = f"offsets count {unit}, not code points" if unit else "offsets are not those of the reference"
        yield Cause(OFFSETS, title, text, ids, ids, count=count, note=f"spans {found}, expected {expected}")


def _in_unit(guide: Guide, text: str, unit: str) -> list[tuple[int, int]]:
    encoding = guide.tokenizer.encode_with_offsets(text)
    spans = encoding.byte_spans if unit == "bytes" else encoding.char_spans
    at = [*range(len(text.encode()) + 1)]
    if unit == "UTF-16 units":
        at = [len(text[:end].encode("utf-16-le")) // 2 for end in range(len(text) + 1)]
    return [(at[start], at[end]) for start, end in spans.tolist()]


def check_plain(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that the texts of added tokens can be encoded as plain text, so that no prompt forges a token."""
    pool = _right(pair, [
        *texts_of.odd_texts(guide), *islice(texts_of.added_tokens(guide), 2000), *_sample(pair, guide, 500, 10)])
    # The candidate's call takes all added tokens as text, or only the special ones.
    kept = [token.content for token in guide.model.added_tokens if not token.special]
    policy = frozenset(kept if pair.candidate.plain_special else ())

    def ask(texts: list[str]) -> list[Row | None]:
        return [None if row == array("I", guide.tokenizer.encode(text, special=policy)).tobytes() else row
                for text, row in zip(texts, pair.candidate.encode(texts, "plain"))]

    for text, row, count in _smallest(pool, ask, check, 500):
        cause, title = PLAIN, "added tokens as plain text: other ids"
        if isinstance(row, Fault) and row.kind in FAULTS:
            cause, title = FAULTS[row.kind], row.message
        yield Cause(cause, title, text, decoded(row), tuple(guide.tokenizer.encode(text, special=policy)), count=count)


GROWING = (2048, 8192, 32768)  # code points
CRASH_SIZE = 100_000
FACTOR = 8.0  # for four times the text: 4 if linear, 16 if quadratic
MEASURABLE = 0.05  # seconds
MOST_FAULTS = 4  # after more the growth of time is of no interest


class Growth(NamedTuple):
    """Holds the seconds by size of one kind of text, or the fault that ended it."""

    kind: str
    text: str  # the longest one tried
    seconds: tuple[tuple[int, float], ...]
    fault: Fault | None = None

    @property
    def super_linear(self) -> bool:
        times = [seconds for _, seconds in self.seconds]
        return not self.fault and len(times) > 2 and times[-1] >= MEASURABLE and all(
            slow >= FACTOR * fast for fast, slow in pairwise(times[-3:]))


def check_growth(pair: Pair, guide: Guide, check: Check) -> Causes:
    """Check that texts of any length take linear time, and do not make the candidate fail."""
    slow, faults = dict[str, Growth](), 0
    with in_time(check):
        for kind, longest in dict(texts_of.runs(guide, CRASH_SIZE)).items():
            grown = grow(pair.candidate, kind, longest)
            check.texts += 1
            if grown.super_linear:
                slow[grown.kind] = grown
            yield None
            if grown.fault:
                text, faults = grown.text, faults + 1
                if grown.fault.kind != "hang":
                    text, _ = shrink_run(
                        text, lambda some: isinstance(_timed(pair.candidate, some), Fault) or None, True)
                yield Cause(FAULTS[grown.fault.kind], f"from {len(text):,} characters on: {grown.fault.message}", text,
                            grown.fault, tuple(guide.tokenizer.encode(text)), details=Counter([kind]))
            if faults > MOST_FAULTS:
                check.complete = False
                break
    if check.texts and not check.complete:
        check.note = f"{check.texts} kinds of text"
    if slow:
        worst = max(slow.values(), key=lambda grown: grown.seconds[-1][1])
        rows = ", ".join(f"{seconds * 1000:,.0f} ms for {size:,}" for size, seconds in worst.seconds)
        (small, fast), (large, late) = worst.seconds[-2:]
        exponent = math.log(max(late, 1e-9) / max(fast, 1e-9), large / small)
        grows = Fault("slow", f"time grows with the power {exponent:.1f} of the length")
        yield Cause(SUPER_LINEAR, worst.kind, worst.text, grows, (), count=len(slow),
                    details=Counter([*slow]), note=f"{rows} characters")


def _timed(candidate: Runner, text: str, repeats: int = 1) -> float | Fault:
    [found] = candidate.encode([(text, repeats)], "timed")
    return found  # type: ignore[no-any-return]


def grow(candidate: Runner, kind: str, longest: str) -> Growth:
    """Measure how the time grows with the length of a kind of text."""
    rows: list[tuple[int, float]] = []
    for size in GROWING:
        text = longest[-size:]  # its end, where the odd character of a kind stands
        seconds = _timed(candidate, text, 2 if size < GROWING[-1] else 1)
        if isinstance(seconds, Fault):
            if seconds.kind == "hang":  # slow, if the times of shorter texts grew towards it
                shorter = [(part, _timed(candidate, text[-part:])) for part in (size // 16, size // 4)]
                times = [(part, time) for part, time in shorter if not isinstance(time, Fault)]
                slow = Growth(kind, text, (*times, (size, candidate.limits.patience)))  # it took longer than that
                if slow.super_linear:
                    return slow
            return Growth(kind, text, tuple(rows), seconds)
        rows.append((size, seconds))
    if rows[-1][1] < 1.0:  # else a crash at greater length would take too long to reach
        fault = _timed(candidate, longest)
        if isinstance(fault, Fault) and fault.kind != "hang":
            return Growth(kind, longest, tuple(rows), fault)
    return Growth(kind, text, tuple(rows))


HALF = 0.5  # for a check that mostly needs far less; twenty seconds of patience fit into it by default


class Planned(NamedTuple):
    """Holds a check: texts to compare (None: there are none), or a function that looks for causes in another way.

    share: the part of the time left when its turn comes. call: the call that the candidate must have, if any. k: the
    length of a class cover's paths.
    """

    name: str
    texts: Callable[[Guide], Iterator[str]] | None = None
    share: float = HALF
    find: Callable[[Pair, Guide, Check], Causes] | None = None
    call: str = ""
    k: int = 0


def _cover(k: int, share: float = HALF) -> Planned:
    return Planned(f"class cover, k = {k}", lambda guide: texts_of.cover(guide, k), share, k=k)


CORPORA, GROWTH = "corpora", "growth"
PLAN = (
    Planned("odd texts", texts_of.odd_texts),
    Planned("added tokens", texts_of.added_tokens, 0.1),
    _cover(1),
    _cover(2),
    Planned("some random texts", lambda guide: islice(texts_of.random_texts(guide, 6), 4000), 0.1),
    Planned(CORPORA, None, 0.3),  # early, because a caller who names texts wants them compared
    Planned(GROWTH, find=check_growth),
    Planned("batches", find=check_batches, call="batch"),
    Planned("threads", find=check_threads),
    Planned("decoding", find=check_decode, call="decode"),
    Planned("offsets", find=check_offsets, call="offsets"),
    Planned("added tokens as text", find=check_plain, call="plain"),
    Planned("long pieces", texts_of.long_pieces, 0.1),
    Planned("code points in contexts", texts_of.code_points, 0.3),
    Planned("vocabulary", texts_of.vocabulary, 0.25),
    Planned("concatenation at safe cuts", texts_of.concatenations, 0.05),
    _cover(3, 0.3),
    Planned("merges in conflict", texts_of.merge_conflicts, 0.3),
    Planned("long texts", texts_of.long_texts, 0.1),
    Planned("all code points, joined", texts_of.joined_code_points, 0.4),
    _cover(4, 0.7),
    Planned("random texts", texts_of.random_texts),
)
CHECKS = tuple(check.name for check in PLAN)


def planned(wanted: tuple[str, ...], corpus: Iterator[str] | None, max_k: int, named: bool) -> list[Planned]:
    """Return the checks named in `wanted`, with the longer covers; corpora only if there are any or they are named."""
    plan = [check._replace(texts=None if corpus is None else lambda _: corpus) if check.name == CORPORA else check
            for check in PLAN]
    return [each for check in plan if check.name in wanted and (check.name != CORPORA or named or corpus is not None)
            for each in (check, *(_cover(k, check.share) for k in range(5, max_k + 1) if check.k == 4))]
