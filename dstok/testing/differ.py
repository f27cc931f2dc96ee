"""Two tokenizers side by side: where they differ, and the smallest text on which they still do.

In: two runners. Out: `Difference`s; a text cut down. Invariant: what `shrink` gives differs too; taking any one
character out of it makes the two agree, unless the number of tries ran out.
Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (ddmin), with all the parts of one
round tried in one request.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dstok.testing.guide import Guide
from dstok.testing.runner import Answers, Fault, Runner

__all__ = ["Difference", "Pair", "decoded", "fewest", "shrink", "shrink_run", "simplify"]

HISTORY = 20_000  # texts that are remembered, to find what a later one depends on
MAX_TRIES = 4000  # texts, in one shrinking


@dataclass(frozen=True)
class Difference:
    """A text, and what the two made of it: ids, or a `Fault` of the candidate."""

    text: str
    found: tuple[int, ...] | Fault
    expected: tuple[int, ...]


def decoded(row: bytes) -> tuple[int, ...]:
    return tuple(array("I", row))


class Pair:
    """A candidate and a reference."""

    def __init__(self, candidate: Runner, reference: Runner) -> None:
        self.candidate, self.reference = candidate, reference
        self.history: deque[str] = deque(maxlen=HISTORY)  # what the candidate's worker has seen
        self.texts = 0
        self.refused: dict[str, str] = {}  # texts of which the reference made nothing, and why

    def differences(self, texts: Sequence[str]) -> list[Difference]:
        """The texts on which the two differ. What the reference cannot do is left out, and kept in `refused`."""
        self.candidate.begin(texts)
        expected = self.reference.encode(texts)
        found = self.candidate.finish()
        self.texts += len(texts)
        self.history.extend(texts)
        return self._pick(texts, found, expected)

    def _pick(self, texts: Sequence[str], found: Answers, expected: Answers) -> list[Difference]:
        numbers = found.differ(expected)
        if not numbers:
            return []
        ours, theirs = found.rows(), expected.rows()
        picked = []
        for number in numbers:
            judge, row = theirs[number], ours[number]
            if isinstance(judge, Fault):
                self.refused[texts[number][:200]] = f"{judge.kind}: {judge.message}"
            elif not (isinstance(row, Fault) and row.kind == "skipped"):
                picked.append(Difference(texts[number], row if isinstance(row, Fault) else decoded(row),
                                         decoded(judge)))
        return picked

    def differ(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether the two differ on it."""
        wrong = {difference.text for difference in self.differences(texts)}
        return [text in wrong for text in texts]

    def fresh(self) -> None:
        """Forget: the candidate has seen nothing from here on."""
        self.candidate.fresh()
        self.history.clear()


Test = Callable[[Sequence[str]], list[bool]]


def shrink(text: str, fails: Test, max_tries: int = MAX_TRIES) -> str:
    """The smallest text found on which `fails` is still true, by taking parts out."""
    step, tries = max(len(text) // 2, 1), 0
    while text and tries < max_tries:
        before, at = text, 0
        while at < len(text) and tries < max_tries:
            starts = range(at, min(len(text), at + step * _at_once(text)), step)
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


def _at_once(text: str) -> int:
    """How many variants of a text are tried in one request."""
    return max(1, min(64, 2_000_000 // len(text)))


def simplify(text: str, fails: Test, guide: Guide) -> str:
    """The text with the best-known member of its class in place of each character, where it still differs."""
    for at, char in enumerate(text[:12]):
        plain = guide.representatives[guide.alphabet.class_of(char)]
        if char not in "a1 .\n中é" and plain != char:
            simpler = text[:at] + plain + text[at + 1 :]
            if fails([simpler])[0]:
                text = simpler
    return text


def shrink_run(char_text: str, fails: Test) -> str:
    """The shortest beginning of a text that still fails, if longer ones fail too: by bisection."""
    low, high = 0, len(char_text)  # low passes, high fails
    while high - low > 1:
        middle = (low + high) // 2
        if fails([char_text[:middle]])[0]:
            high = middle
        else:
            low = middle
    return char_text[:high]


def fewest(history: list[str], fails_after: Callable[[list[str]], bool], patience: int = 120) -> list[str] | None:
    """The fewest earlier texts, in order, after which it still fails; None if it does not after all of them."""
    if not fails_after(history):
        return None
    step, tries = max(len(history) // 2, 1), 0
    while tries < patience:
        at, before = 0, len(history)
        while at < len(history) and tries < patience:
            fewer = history[:at] + history[at + step :]
            tries += 1
            if fails_after(fewer):
                history = fewer
            else:
                at += step
        if step == 1 and len(history) == before:
            break
        step = max(min(step // 2, len(history) // 2), 1)
    return history
