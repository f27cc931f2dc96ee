"""Two tokenizers side by side: their differences, and the smallest text that still shows one.

In: two runners. Out: `Difference`s; a shrunk text. Invariant: the result of `shrink` still differs. Without any one of
its characters the two agree, unless the number of tries, or the time, ran out.
Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (ddmin), with all the parts of one
round tried in one request.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from dstok.conformance.automaton_guide import Guide
from dstok.conformance.worker import LATE, Fault, OutOfTimeError, Row, Runner

HISTORY = 20_000  # texts that are remembered, to find those that a later one depends on
MAX_TRIES = 4000  # texts, in one shrinking
Ids = tuple[int, ...]


class Difference(NamedTuple):
    """A text with both results: ids, or a `Fault` of the candidate."""

    text: str
    found: Ids | Fault
    expected: Ids


def decoded(row: Row) -> Ids | Fault:
    """The ids of a row."""
    return row if isinstance(row, Fault) else tuple(array("I", row))


class Pair:
    """A candidate and a reference."""

    def __init__(self, candidate: Runner, reference: Runner) -> None:
        self.candidate, self.reference, self.clock = candidate, reference, candidate.clock
        self.history: deque[str] = deque(maxlen=HISTORY)  # the texts that the candidate's worker has seen
        self.texts = 0  # texts with a result from both
        self.refused: dict[str, str] = {}  # texts that the reference refused, with the reason

    def differences(self, texts: Sequence[str]) -> list[Difference]:
        """The texts on which the two differ. Texts that the reference refuses are left out, and kept in `refused`.

        Raises `OutOfTimeError` with the differences so far, if the time does not suffice for all the texts.
        """
        self.clock.check()
        self.candidate.begin(texts)
        self.reference.begin(texts)
        expected, found = self.reference.finish(), self.candidate.finish()
        late = LATE in expected or LATE in found
        rows = [row for row in zip(texts, found, expected) if not late or LATE not in row]
        self.texts += len(rows)
        self.history.extend(text for text, _, _ in rows)
        picked = list[Difference]()
        for text, row, judge in rows if found != expected else ():
            if isinstance(judge, Fault):
                if row != judge:
                    self.refused[text[:200]] = f"{judge.kind}: {judge.message}"
            elif row != judge and not (isinstance(row, Fault) and row.kind == "skipped"):
                picked.append(Difference(text, decoded(row), tuple(array("I", judge))))
        if late:
            raise OutOfTimeError(picked)
        return picked

    def differ(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether the two differ on it."""
        wrong = {difference.text for difference in self.differences(texts)}
        return [text in wrong for text in texts]

    def fresh(self) -> None:
        """Forgets all texts: from here on the candidate has seen none."""
        self.candidate.fresh()
        self.history.clear()


Test = Callable[[Sequence[str]], list[bool]]
Parts = TypeVar("Parts", str, list[str])


def shrink(text: Parts, fails: Callable[[Sequence[Parts]], list[bool]], max_tries: int = MAX_TRIES) -> Parts:
    """The smallest text, or list, found on which `fails` is still true, made by removing parts while there is time."""
    step, tries = max(len(text) // 2, 1), 0
    with suppress(OutOfTimeError):
        while text and tries < max_tries:
            before, at = text, 0
            while at < len(text) and tries < max_tries:
                # Variants of a text in one request; a list stands for a run of its own.
                at_once = max(1, min(64, 2_000_000 // len(text))) if isinstance(text, str) else 1
                starts = range(at, min(len(text), at + step * at_once), step)
                shorter = [text[:start] + text[start + step :] for start in starts]
                tries += len(shorter)
                hit = next((number for number, bad in enumerate(fails(shorter)) if bad), None)
                if hit is None:
                    at = starts[-1] + step
                else:
                    text, at = shorter[hit], starts[hit]
            if step == 1 and text == before:
                break
            step = max(min(step // 2, len(text) // 2), 1)
    return text


def simplify(text: str, fails: Test, guide: Guide) -> str:
    """The text with its characters replaced by the best-known members of their classes, where it still differs."""
    with suppress(OutOfTimeError):
        for at, char in enumerate(text[:12]):
            plain = guide.representatives[guide.alphabet.class_of(char)]
            simpler = text[:at] + plain + text[at + 1 :]
            if char not in "a1 .\n中é" and plain != char and fails([simpler])[0]:
                text = simpler
    return text


def shrink_run(text: Parts, fails: Callable[[Parts], Any]) -> Parts:
    """The shortest beginning of a text or list that still fails, by bisection while there is time.

    Longer ones are taken to fail, too.
    """
    low, high = 0, len(text)  # low passes, high fails
    with suppress(OutOfTimeError):
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fails(text[:middle]) else (middle, high)
    return text[:high]
