"""The checks of `verify`: their order, each one's share of the time, and those that are more than texts to compare.

In: the names of the wanted checks, the caller's texts; a pair of runners. Out: a list of checks to run; causes, a
`Tally` of the work done in time, `Growth`.
Invariant: checks that find most in the least time come first; only the last may take all the time left. Each call
beside `encode` must agree with `encode` of one text, which is not judged here: batches and threads are compared with
the candidate's own `encode` of each text alone; decoding with the text; offsets with the reference's (or dstok's, if it
has none); added tokens as plain text with dstok's ids of the model. A time is processor time of the candidate's own
process, the least of several; a kind of text is super-linear if four times the text costs at least `FACTOR` times as
much, at two pairs of sizes, and the largest takes long enough to measure. Times decide nothing else.
"""

from __future__ import annotations

import itertools
import math
import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.causes import FAULTS, Cause
from dstok.conformance.differences import Pair, decoded, shrink
from dstok.conformance.worker import Fault, OutOfTimeError, Runner

BATCH, THREADS, DECODE, OFFSETS = "batch and single differ", "threads", "round trip", "offset unit"
PLAIN = "added-token policy"
SIZES = (1, 2, 3, 7, 64, 65, 128, 255, 256, 257, 1000, 1024, 1025, 4096, 4097, 10_000)
PART = 64  # texts in one request
Row = bytes | Fault
Wrong = tuple[int, Row, Row]  # number of a text in a batch, found, expected


@dataclass
class Tally:
    """How much of a check was done: the number of texts, and whether it is complete."""

    texts: int = 0
    complete: bool = True

    @contextmanager
    def while_there_is_time(self) -> Iterator[None]:
        """The work inside ends when the time is up, and is then incomplete."""
        try:
            yield
        except OutOfTimeError:
            self.complete = False


def _smallest(
    pool: list[str], ask: Callable[[list[str]], list[Any]], tally: Tally, tries: int
) -> tuple[str, Any, int] | None:
    """(text, `ask`'s result for it, how many of `pool` fail) for the smallest failing text found."""
    bad: dict[str, Any] = {}
    with tally.while_there_is_time():
        for start in range(0, len(pool), PART):
            part = pool[start : start + PART]
            bad |= {text: answer for text, answer in zip(part, ask(part)) if answer is not None}
            tally.texts += len(part)
    if not bad:
        return None
    smallest = min(bad, key=len), bad[min(bad, key=len)]

    def fails(texts: Sequence[str]) -> list[bool]:
        nonlocal smallest
        answers = ask(list(texts))
        smallest = next(((text, answer) for text, answer in zip(texts, answers) if answer is not None), smallest)
        return [answer is not None for answer in answers]

    shrink(smallest[0], fails, tries)
    return *smallest, len(bad)


def _sample(pair: Pair, guide: Guide, count: int, seed: int) -> list[str]:
    """Random texts that the candidate's `encode` can handle. On others, the other calls may fail too."""
    texts = [text for text in islice(texts_of.random_texts(guide, seed), count) if "\0" not in text]
    failed = pair.candidate.encode(texts).faults
    return [text for at, text in enumerate(texts) if at not in failed]


def _right(pair: Pair, texts: list[str]) -> list[str]:
    """The texts on which the candidate's `encode` is right: a fault of it is not counted again."""
    wrong = {*pair.candidate.encode(texts).differ(pair.reference.encode(texts))}
    return [text for at, text in enumerate(texts) if at not in wrong]


def check_batches(pair: Pair, guide: Guide, tally: Tally) -> Iterator[Cause]:
    """One call for many texts of many sizes, including the empty text."""
    chance, pool = random.Random(6), _sample(pair, guide, 2000, 6)
    for size in SIZES:
        batch = ["" if not at % 50 else chance.choice(pool) for at in range(size)]
        if wrong := _wrong_in_batch(pair, batch):
            batch, (at, found, expected) = _smallest_batch(pair, batch, wrong)
            title = f"text {at} of a batch of {len(batch)} has other ids than the text alone"
            if isinstance(found, Fault):
                title = f"a batch of {len(batch)} fails, each of its texts alone does not"
            yield Cause(BATCH, title, batch[at] if at < len(batch) else "",
                        found if isinstance(found, Fault) else decoded(found),
                        decoded(expected) if isinstance(expected, bytes) else (),
                        note=f"the batch: {len(batch)} texts, {batch.count('a')} of them 'a'")
            return
        tally.texts += size


def _wrong_in_batch(pair: Pair, batch: list[str]) -> Wrong | None:
    """The first text with a wrong result in a batch."""
    answers, alone = pair.candidate.batch(batch), pair.candidate.encode(batch)
    if answers.faults:
        return 0, answers.faults[0], alone.rows()[0]
    rows, expected = answers.rows(), alone.rows()
    if len(rows) != len(expected):
        at = min(len(rows), len(expected))
        return at, Fault("error", f"{len(rows)} results for {len(expected)} texts"), ([*expected, b""])[at]
    return next(((at, one, two) for at, (one, two) in enumerate(zip(rows, expected)) if one != two), None)


def _smallest_batch(pair: Pair, batch: list[str], wrong: Wrong) -> tuple[list[str], Wrong]:
    """The smallest wrong batch found: shortest texts, then fewer texts."""
    with suppress(OutOfTimeError):
        simple = ["a"] * len(batch)
        if smaller := _wrong_in_batch(pair, simple):
            batch, wrong = simple, smaller
        step = max(len(batch) // 2, 1)
        while True:
            shorter = batch[: len(batch) - step]
            if shorter and (smaller := _wrong_in_batch(pair, shorter)):
                batch, wrong = shorter, smaller
            elif step == 1:
                break
            step = max(step // 2, 1)
    return batch, wrong


def check_threads(pair: Pair, guide: Guide, tally: Tally) -> Iterator[Cause]:
    """Four threads at once, each with all the texts in its own order."""
    pool, count = _sample(pair, guide, 400, 7), 4
    alone, answers = pair.candidate.encode(pool), pair.candidate.threads(pool, count)
    tally.texts += len(pool)
    if answers.faults:
        yield Cause(THREADS, f"{count} threads at once fail", "", answers.faults[0], ())
        return
    expected, rows = alone.rows(), answers.rows()
    for at, row in enumerate(rows):
        judge = expected[at % len(pool)]
        if row != judge and isinstance(row, bytes) and isinstance(judge, bytes):
            yield Cause(THREADS, f"{count} threads at once give other ids than one", pool[at % len(pool)], decoded(row),
                        decoded(judge))
            return


def check_decode(pair: Pair, guide: Guide, tally: Tally) -> Iterator[Cause]:
    """The ids of a text decode to that text, or to the normalizer's result for it."""
    pool = [*texts_of.odd_texts(guide), *_sample(pair, guide, 2000, 8), *islice(texts_of.added_tokens(guide), 600)]
    tok = guide.tokenizer

    def ask(texts: list[str]) -> list[str | Fault | None]:
        expected = [tok.decode(tok.encode(text)) for text in texts]
        ids = [list(decoded(row)) if isinstance(row, bytes) else [] for row in pair.reference.encode(texts).rows()]
        found = pair.candidate.call("decode", ids)
        if isinstance(found, Fault):
            return [found] * len(texts)
        back = [found[1].get(at) or str(text) for at, text in enumerate(found[0])]
        return [None if one == two else one for one, two in zip(back, expected)]

    if differing := _smallest(pool, ask, tally, 500):
        text, back, count = differing
        ids = tuple(guide.tokenizer.encode(text))
        yield Cause(DECODE, "decode does not give the text back", text, back if isinstance(back, Fault) else ids, ids,
                    count=count, note=f"decoded as {back!r}")


UNITS = ("code points", "bytes", "UTF-16 units")
Spans = list[tuple[int, int]] | None  # of a text's tokens, if available


def check_offsets(pair: Pair, guide: Guide, tally: Tally) -> Iterator[Cause]:
    """Spans equal the reference's, in code points."""
    pool = _right(pair, [text for text in [*texts_of.odd_texts(guide), *_sample(pair, guide, 500, 9)] if text])

    def ask(texts: list[str]) -> list[tuple[Spans, Spans] | None]:
        expected, found = _spans(pair.reference, texts, guide), _spans(pair.candidate, texts, guide)
        return [None if one is None or one == two else (one, two) for one, two in zip(found, expected)]

    if bad := _smallest(pool, ask, tally, 300):
        text, (found, expected), count = bad
        unit = next((unit for unit in UNITS[1:] if found == _in_unit(guide, text, unit)), None)
        ids = tuple(guide.tokenizer.encode(text))
        title = f"offsets count {unit}, not code points" if unit else "offsets are not those of the reference"
        yield Cause(OFFSETS, title, text, ids, ids, count=count, note=f"spans {found}, expected {expected}")


def _spans(runner: Any, texts: list[str], guide: Guide) -> list[Spans]:
    if not runner.can("offsets"):
        return [_in_unit(guide, text, "code points") for text in texts]
    answers = runner.call("offsets", texts)
    return [None] * len(texts) if isinstance(answers, Fault) else answers[0]


def _in_unit(guide: Guide, text: str, unit: str) -> list[tuple[int, int]]:
    encoding = guide.tokenizer.encode_with_offsets(text)
    if unit == "bytes":
        return [(start, end) for start, end in encoding.byte_spans.tolist()]
    spans = [(start, end) for start, end in encoding.char_spans.tolist()]
    if unit == "code points":
        return spans
    at = [0]
    for char in text:
        at.append(at[-1] + len(char.encode("utf-16-le")) // 2)
    return [(at[start], at[end]) for start, end in spans]


def check_plain(pair: Pair, guide: Guide, tally: Tally) -> Iterator[Cause]:
    """Texts that contain added tokens as plain text: no prompt forges a token."""
    pool = _right(pair, [
        *texts_of.odd_texts(guide), *islice(texts_of.added_tokens(guide), 2000), *_sample(pair, guide, 500, 10)])
    # The candidate's call takes all added tokens as text, or only the special ones.
    kept = [token.content for token in guide.model.added_tokens if not token.special]
    policy = frozenset(kept if pair.candidate.info["plain_special"] else ())

    def expected(text: str) -> list[int]:
        return guide.tokenizer.encode(text, special=policy)

    def ask(texts: list[str]) -> list[Row | None]:
        return [None if row == array("I", expected(text)).tobytes() else row
                for text, row in zip(texts, pair.candidate.plain(texts).rows())]

    if differing := _smallest(pool, ask, tally, 500):
        text, row, count = differing
        ids = row if isinstance(row, Fault) else decoded(row)
        cause, title = PLAIN, "added tokens as plain text: other ids"
        if isinstance(row, Fault) and row.kind in FAULTS:
            cause, title = FAULTS[row.kind], row.message
        yield Cause(cause, title, text, ids, tuple(expected(text)), count=count)


CALLS = (("batch", "batches", check_batches), ("", "threads", check_threads), ("decode", "decoding", check_decode),
         ("offsets", "offsets", check_offsets), ("plain", "added tokens as text", check_plain))


SIZES_GROWTH = (2048, 8192, 32768)  # code points
CRASH_SIZE = 100_000
FACTOR = 8.0  # for four times the text: 4 if linear, 16 if quadratic
MEASURABLE = 0.05  # seconds


@dataclass(frozen=True)
class Growth:
    """One kind of text: seconds by size, or the fault that ended it."""

    kind: str
    text: str  # the longest one tried
    seconds: tuple[tuple[int, float], ...]
    fault: Fault | None = None

    @property
    def exponent(self) -> float:
        """The exponent of the growth of time with length, at the largest sizes."""
        (small, fast), (large, slow) = self.seconds[-2:]
        return math.log(max(slow, 1e-9) / max(fast, 1e-9), large / small)

    @property
    def super_linear(self) -> bool:
        if self.fault or len(self.seconds) < 3:
            return False
        times = [seconds for _, seconds in self.seconds]
        pairs = list(itertools.pairwise(times))[-2:]
        return times[-1] >= MEASURABLE and all(slow >= FACTOR * fast for fast, slow in pairs)


def measure(candidate: Runner, guide: Guide) -> Iterator[Growth]:
    """The growth of each kind of text of `texts.runs`."""
    for kind, longest in dict(texts_of.runs(guide, CRASH_SIZE)).items():
        yield _grow(candidate, kind, longest)


def timed(candidate: Runner, text: str, repeats: int) -> float | Fault:
    """Seconds of processor time for one `encode`, the least of some, or the fault."""
    found: float | Fault = candidate.call("timed", text, repeats)
    return found


def _grow(candidate: Runner, kind: str, longest: str) -> Growth:
    rows: list[tuple[int, float]] = []
    for size in SIZES_GROWTH:
        text = longest[-size:]  # its end, where the odd character of a kind stands
        seconds = timed(candidate, text, 2 if size < SIZES_GROWTH[-1] else 1)
        if isinstance(seconds, Fault):
            return _ended(candidate, kind, text, rows, seconds)
        rows.append((size, seconds))
    if rows[-1][1] < 1.0:  # else a crash at greater length would take too long to reach
        seconds = timed(candidate, longest, 1)
        if isinstance(seconds, Fault) and seconds.kind != "hang":
            return Growth(kind, longest, tuple(rows), seconds)
    return Growth(kind, longest[-SIZES_GROWTH[-1] :], tuple(rows))


def _ended(candidate: Runner, kind: str, text: str, rows: list[tuple[int, float]], fault: Fault) -> Growth:
    """A fault. A missing answer is not a fault but slow, if the times of shorter texts grew towards it."""
    if fault.kind == "hang":
        sizes = (len(text) // 16, len(text) // 4)
        shorter = [(size, timed(candidate, text[-size:], 1)) for size in sizes]
        times = [(size, seconds) for size, seconds in shorter if not isinstance(seconds, Fault)]
        slow = Growth(kind, text, (*times, (len(text), candidate.limits.patience)))  # it took longer than that
        if slow.super_linear:
            return slow
    return Growth(kind, text, tuple(rows), fault)


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
    TextCheck("some random texts", lambda guide: islice(texts_of.random_texts(guide, 6), 4000), 0.1),
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
