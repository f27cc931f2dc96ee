"""The calls beside `encode`: batches, threads, decoding, offsets, added tokens as plain text.

In: a pair of runners. Out: causes, and a `Tally` of the work done in time.
Invariant: each call must agree with `encode` of one text. This check does not judge the candidate's `encode`. Its
batches and threads are compared with its own `encode` of each text alone; decoding with the text; offsets with the
reference's (or dstok's, if it has none); added tokens as plain text with dstok's ids of the model.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dstok.testing import texts as texts_of
from dstok.testing.causes import FAULTS, Cause
from dstok.testing.clock import OutOfTimeError
from dstok.testing.differ import Pair, decoded, shrink
from dstok.testing.guide import Guide
from dstok.testing.runner import Fault

__all__ = ["CALLS", "Tally", "check_batches", "check_decode", "check_offsets", "check_plain", "check_threads"]

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


class _Failing:
    """Which texts fail: those for which `ask` returns something. Keeps the first of each request, with the result."""

    def __init__(self, ask: Callable[[list[str]], list[Any]]) -> None:
        self.ask = ask
        self.text, self.answer = "", None

    def __call__(self, texts: Sequence[str]) -> list[bool]:
        wanted = list(texts)
        answers = self.ask(wanted)
        at = next((at for at, one in enumerate(answers) if one is not None), None)
        if at is not None:
            self.text, self.answer = wanted[at], answers[at]
        return [one is not None for one in answers]


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
    failing = _Failing(ask)
    failing.text = min(bad, key=len)
    failing.answer = bad[failing.text]
    shrink(failing.text, failing, tries)
    return failing.text, failing.answer, len(bad)


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
            yield _batch_cause(*_smallest_batch(pair, batch, wrong))
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


def _batch_cause(batch: list[str], wrong: Wrong) -> Cause:
    at, wrong_ids, expected = wrong
    text = batch[at] if at < len(batch) else ""
    ids = decoded(expected) if isinstance(expected, bytes) else ()
    title = f"text {at} of a batch of {len(batch)} has other ids than the text alone"
    if isinstance(wrong_ids, Fault):
        title = f"a batch of {len(batch)} fails, each of its texts alone does not"
    return Cause(BATCH, title, text,
                 wrong_ids if isinstance(wrong_ids, Fault) else decoded(wrong_ids), ids,
                 note=f"the batch: {len(batch)} texts, {sum(text == 'a' for text in batch)} of them 'a'")


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
        expected = (tok.decode(tok.encode(text)) for text in texts)
        return [None if back == one else back for one, back in zip(expected, _decoded_by(pair, texts))]

    if differing := _smallest(pool, ask, tally, 500):
        text, back, count = differing
        ids = tuple(guide.tokenizer.encode(text))
        yield Cause(DECODE, "decode does not give the text back", text, back if isinstance(back, Fault) else ids, ids,
                    count=count, note=f"decoded as {back!r}")


def _decoded_by(pair: Pair, texts: list[str]) -> list[str | Fault]:
    ids = [list(decoded(row)) if isinstance(row, bytes) else [] for row in pair.reference.encode(texts).rows()]
    found = pair.candidate.call("decode", ids)
    if isinstance(found, Fault):
        return [found] * len(texts)
    back, faults = found
    return [Fault(*faults[at]) if at in faults else str(text) for at, text in enumerate(back)]


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
    expected = _as_text(pair, guide)

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


def _as_text(pair: Pair, guide: Guide) -> Callable[[str], list[int]]:
    """dstok's ids, with added tokens as text where the candidate's call takes them as text."""
    kept = [token.content for token in guide.model.added_tokens if not token.special]
    policy = frozenset(kept) if pair.candidate.info["plain_special"] else frozenset[str]()
    return lambda text: guide.tokenizer.encode(text, special=policy)


CALLS = (("batch", "batches", check_batches), ("", "threads", check_threads), ("decode", "decoding", check_decode),
         ("offsets", "offsets", check_offsets), ("plain", "added tokens as text", check_plain))
