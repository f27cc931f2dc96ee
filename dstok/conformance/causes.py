"""Two tokenizers side by side: their differences, the smallest text that still shows one, and the cause by its name.

In: two runners; differences, one after another. Out: `Cause`s, each with its smallest text and the number of texts it
explains: a known one that predicts the difference, else the text is shrunk, and explained by the catalog of hypotheses,
by characters in another class, or by what is seen. Invariant: the result of `shrink` still differs; without any one of
its characters the two agree, unless the tries or the time ran out. A hypothesis predicts the candidate's ids on the
text exactly, and is tried on further texts that tell it from others: the share of right predictions is the evidence.
Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (ddmin).
"""

from __future__ import annotations

import random
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, islice, product
from typing import NamedTuple, TypeVar

from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide, Ids, bytes_of, ends, spelled
from dstok.conformance.hypotheses import ADDED, SET, Hypothesis, catalog, truncations
from dstok.conformance.worker import LATE, Fault, OutOfTimeError, Row, Runner
from dstok.unicode import category_of
from dstok.viewer.reading import merge_steps

MERGES, LONG, PIECES = "merge order", "merge order of long pieces", "pieces cut elsewhere"
LOST, STATE, UNKNOWN = "text lost or changed", "what was encoded before", "not explained"
FAULTS = {"error": "error", "crash": "crash", "hang": "no end", "memory": "out of memory"}
REORDERED = "pairs are merged in another order"
NO_MERGE = "added tokens"
MANY = 25  # merges out of order, each reported alone; further ones are counted with them
LONG_PIECE = 33  # bytes: a fault that cannot be shrunk below this depends on length
SURE = 0.7  # share of the neighbourhood that a hypothesis must predict
MAX_CAUSES = 40
MAX_EXAMPLES = 5  # further texts of a cause
HISTORY = 20_000  # texts that are remembered, to find those that a later one depends on
MAX_TRIES = 4000  # texts, in one shrinking


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

    def compare(self, texts: Sequence[str]) -> list[Difference | None]:
        """For each text the difference that it shows; texts that the reference refuses are kept in `refused`.

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
        if found == expected and not late:
            return [None] * len(rows)
        shown = list[Difference | None]()
        for text, row, judge in rows:
            if isinstance(judge, Fault) and row != judge:
                self.refused[text[:200]] = f"{judge.kind}: {judge.message}"
            same = row == judge or isinstance(judge, Fault) or (isinstance(row, Fault) and row.kind == "skipped")
            shown.append(None if same else Difference(text, decoded(row), tuple(array("I", judge))))
        if late:
            raise OutOfTimeError([*filter(None, shown)])
        return shown

    def differences(self, texts: Sequence[str]) -> list[Difference]:
        """The differences that texts show. Raises `OutOfTimeError` as `compare`."""
        return [*filter(None, self.compare(texts))]

    def fresh(self) -> None:
        """Forgets all texts: from here on the candidate has seen none."""
        self.candidate.fresh()
        self.history.clear()


Parts = TypeVar("Parts", str, list[str])
Found = TypeVar("Found")


def shrink(
    text: Parts, ask: Callable[[list[Parts]], Sequence[Found | None]], found: Found, max_tries: int = MAX_TRIES,
) -> tuple[Parts, Found]:
    """The smallest text, or list, for which `ask` still finds something, and this. `found`: what it finds in `text`.

    Parts are removed while there is time. `ask` gives None for what shows nothing.
    """
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
                text, at, found = next(((part, start, answer) for part, start, answer in zip(
                    shorter, starts, ask(shorter)) if answer is not None), (text, starts[-1] + step, found))
            if step == 1 and text == before:
                break
            step = max(min(step // 2, len(text) // 2), 1)
    return text, found


def shrink_run(text: Parts, ask: Callable[[Parts], Found | None], found: Found) -> tuple[Parts, Found]:
    """The shortest beginning of a text or list in which `ask` finds something, by bisection while there is time.

    Longer ones are taken to show the same. `found`: what it finds in `text`.
    """
    shorter = 0  # shows nothing
    with suppress(OutOfTimeError):
        while len(text) - shorter > 1:
            middle = (shorter + len(text)) // 2
            if (answer := ask(text[:middle])) is None:
                shorter = middle
            else:
                text, found = text[:middle], answer
    return text, found


@dataclass
class Cause:
    """One cause. `examples`: further texts with it. `evidence`: (predicted, tried) in the neighbourhood."""

    cause: str
    title: str
    text: str
    found: Ids | Fault
    expected: Ids
    hypothesis: Hypothesis | None = None
    evidence: tuple[int, int] | None = None
    before: tuple[str, ...] = ()  # texts that must be encoded first
    count: int = 1
    details: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def characters(self) -> dict[str, int]:
        """Characters treated as members of another class: that class."""
        return (self.hypothesis and self.hypothesis.characters) or {}


class Explainer:
    """Collects differences into causes."""

    def __init__(self, guide: Guide, pair: Pair) -> None:
        self.guide, self.pair = guide, pair
        self.catalog = catalog(guide)
        self.causes: list[Cause] = []
        self.diagnosed: dict[Difference, Cause] = {}  # by the smallest text, which others may share
        self.waiting: list[Difference] = []  # those without a cause so far
        self.smallest: Difference  # the difference in work, as far as it is shrunk

    def take(self, difference: Difference, search: bool = True) -> None:
        """Counts a difference with its cause. Looks for that cause if it is new and `search` is true."""
        known = None
        with suppress(OutOfTimeError):
            known = self._known(difference)
        if known is None:
            known = self._new(difference, search and len(self.causes) < MAX_CAUSES)
        else:
            known.count += 1
        if known is None:
            self.waiting.append(difference)
        elif difference.text not in (known.text, *known.examples) and len(known.examples) < MAX_EXAMPLES:
            known.examples.append(difference.text)

    def settle(self) -> None:
        """Gives those without a cause to the causes that have been named since."""
        waiting, self.waiting = self.waiting, []
        for difference in waiting:
            self.take(difference, search=False)

    def _new(self, difference: Difference, search: bool) -> Cause | None:
        """The new cause of a difference; None if causes are known and the search is off or runs out of time."""
        self.smallest = difference
        with suppress(OutOfTimeError):
            if search and (cause := self._diagnose(difference)):
                return cause
        if isinstance(fault := self.smallest.found, Fault):
            return self._add(Cause(FAULTS[fault.kind], fault.message, *self.smallest))
        return None if self.causes else self._add(
            Cause(UNKNOWN, "no time was left to look for the cause", *self.smallest))

    def _known(self, difference: Difference) -> Cause | None:
        return next((cause for cause in self.causes if self._explains(cause, difference)), None)

    def _explains(self, cause: Cause, difference: Difference) -> bool:
        found, text = difference.found, difference.text
        if isinstance(found, Fault):
            return isinstance(cause.found, Fault) and cause.found.kind == found.kind and (found.kind != "error" or (
                cause.found.message.partition(":")[0] == found.message.partition(":")[0]))
        if cause.hypothesis:
            return cause.hypothesis.predict(text) == found or self._grows(cause, difference)
        if cause.cause == PIECES:
            return cause.title == self._sight(text)
        if cause.cause == LONG:
            return self._longest_piece(text) >= LONG_PIECE and self._inside_pieces(difference)
        if cause.cause == MERGES and cause.title == REORDERED and self._inside_pieces(difference):
            # One of the merges known to be out of order; or these are so many that any merge counts.
            detail, many = self._merge_detail(difference), len(cause.details) >= MANY
            if detail in cause.details or (many and self._longest_piece(text) < LONG_PIECE):
                cause.details[detail] += 1
                return True
        return False

    def _grows(self, cause: Cause, difference: Difference) -> bool:
        """Whether one more character in the same wrong class explains the difference. If so, it is added."""
        class_of, known = self.guide.alphabet.class_of, cause.characters
        for first, target in [*known.items()][:1]:
            for char in dict.fromkeys(difference.text):
                if char not in known and class_of(char) == class_of(first):
                    wider = Hypothesis(SET, "", partial(self.guide.reclassified, {**known, char: target}))
                    if wider.predict(difference.text) == difference.found and self._holds(wider, char):
                        known[char] = target
                        return True
        return False

    def _diagnose(self, difference: Difference) -> Cause | None:
        """Shrinks the text, and finds the cause; None for a fault, which names itself."""
        text = difference.text
        if isinstance(difference.found, Fault):  # shrunk as long as it is of this kind
            kind = difference.found.kind
            tries = {"error": 2000, "crash": 300, "memory": 30, "hang": 6}[kind]
            _, self.smallest = shrink(text, lambda texts: [
                each if each and isinstance(each.found, Fault) and each.found.kind == kind else None
                for each in self.pair.compare(texts)], difference, tries)
            return None
        history = list(self.pair.history)
        self.pair.fresh()
        if self.pair.compare([text]) == [None]:
            known = next((cause for cause in self.causes if cause.cause == STATE), None)
            if known is None:
                return self._add(self._state(difference, history))
        else:
            _, self.smallest = shrink(text, self.pair.compare, difference)
            small = self.smallest = self._simplified(self.smallest)
            known = self._known(small) or self.diagnosed.get(small)
            if known is None:
                self.diagnosed[small] = known = self._add(
                    self._by_hypothesis(small) or self._by_class(small) or self._by_effect(small))
                return known
        known.count += 1
        return known

    def _simplified(self, small: Difference) -> Difference:
        """The difference with characters replaced by the best-known members of their classes, where one remains."""
        with suppress(OutOfTimeError):
            for at, char in enumerate(small.text[:12]):
                plain = self.guide.representatives[self.guide.alphabet.class_of(char)]
                if char not in "a1 .\n中é" and plain != char:
                    small = self.pair.compare([small.text[:at] + plain + small.text[at + 1 :]])[0] or small
        return small

    def _add(self, cause: Cause) -> Cause:
        for same in self.causes:
            if (same.cause, same.title, same.hypothesis) == (cause.cause, cause.title, None):
                same.count += 1
                same.details.update([*cause.details])
                return same
        self.causes.append(cause)
        if cause.hypothesis:
            self._absorb(cause, cause.hypothesis)
        return cause

    def _absorb(self, new: Cause, hypothesis: Hypothesis) -> None:
        """Takes the earlier causes of which it predicts each text: they are the same fault."""
        for other in [one for one in self.causes if not (one is new or one.before or isinstance(one.found, Fault))]:
            texts = [other.text, *other.examples]
            answers = {d.text: d.found for d in self.pair.differences(texts)}
            if all(hypothesis.predict(text) == answers.get(text) for text in texts):
                new.count += other.count
                new.examples += [text for text in texts if text not in new.examples][: MAX_EXAMPLES - len(new.examples)]
                self.causes.remove(other)
                self.diagnosed = {small: new if one is other else one for small, one in self.diagnosed.items()}

    def _state(self, difference: Difference, history: list[str]) -> Cause:
        """The text is right in a fresh worker: finds the texts that must come before it."""
        def wrong(texts: list[str]) -> Difference | None:
            self.pair.fresh()
            return self.pair.compare(texts)[-1]

        before, target = [text for text in history if text != difference.text], difference.text
        seen = wrong([*before, target])
        if seen is None:
            return Cause(STATE, "wrong once, right when asked again", *difference)
        before, small = shrink(before, lambda some: [wrong([*one, target]) for one in some], seen, 120)
        texts = [*before, target]
        for at in reversed(range(len(texts))) if len(texts) <= 3 else ():
            texts[at], small = shrink(texts[at], lambda some, at=at: [  # type: ignore[misc]
                wrong([*texts[:at], text, *texts[at + 1 :]]) for text in some], small, 60)
        words = "an earlier text changes the ids of a later one (a cache or piece table with colliding keys)"
        return Cause(STATE, words, *small, before=tuple(texts[:-1]))

    def _by_hypothesis(self, small: Difference) -> Cause | None:
        assert not isinstance(small.found, Fault)
        lengths = truncations(self.guide, small.text, small.found)
        fitting = [one for one in (*self.catalog, *lengths) if one.predict(small.text) == small.found]
        further = texts_of.longer(self.guide, small.text) if any(one in lengths for one in fitting) else ()
        return self._best(small, fitting, further)

    def _by_class(self, small: Difference) -> Cause | None:
        """Treats one character of the text as a member of another class."""
        own, fitting = self.guide.alphabet.class_of, list[Hypothesis]()

        def in_words(number: int) -> str:
            """The general categories of a class, and a member."""
            members = self.guide.alphabet.classes[number]
            letters = 1 if len(members) > 60 else 2
            names = sorted({category_of(ord(char))[:letters] for char in self.guide.members[number]})
            script = "ASCII " if members.ranges[-1][1] < 0x80 else ""
            return f"{script}{'/'.join(names)} (like {self.guide.representatives[number]!r})"

        for char, number in product(list(dict.fromkeys(small.text))[:8], self.guide.classes):
            self.pair.clock.check()
            words = f"members of {in_words(own(char))} taken as {in_words(number)}"
            taken = {char: number}
            one = Hypothesis(SET, words, partial(self.guide.reclassified, taken), taken)
            if number != own(char) and one.predict(small.text) == small.found and self._holds(one, char):
                fitting.append(one)
        points = texts_of.code_points(self.guide, map(ord, dict.fromkeys(small.text[:8])))
        return self._best(small, fitting, islice(points, 600))

    def _best(self, small: Difference, fitting: list[Hypothesis], further: Iterable[str] = ()) -> Cause | None:
        """The hypothesis that predicts the candidate best near the text, where it predicts a difference."""
        if not fitting:
            return None
        tried = self._tried(fitting, [*texts_of.neighbours(self.guide, small.text), *further])
        keys = [(round(right / max(telling, 1), 2), telling) for right, telling in tried]
        key, one, evidence = max(zip(keys, fitting, tried), key=lambda row: row[0])  # of equals the more informative
        return Cause(one.cause, one.title, *small, one, evidence) if key > (SURE, 0) else None

    def _tried(self, hypotheses: list[Hypothesis], around: list[str]) -> list[tuple[int, int]]:
        """For each: (how many texts it predicts, how many it expects to differ)."""
        reference = {text: self.guide.reference(text) for text in around}
        answers = {d.text: d.found for d in self.pair.differences(around)}
        counts = []
        for one in hypotheses:
            self.pair.clock.check()
            telling = [(text, ids) for text in around if (ids := one.predict(text)) not in (None, reference[text])]
            counts.append((sum(answers.get(text, reference[text]) == ids for text, ids in telling), len(telling)))
        return counts

    def _holds(self, one: Hypothesis, char: str) -> bool:
        """Whether it is right about a character in all contexts, not only in one text."""
        [(right, telling)] = self._tried([one], list(texts_of.code_points(self.guide, [ord(char)])))
        return right >= SURE * telling

    def _by_effect(self, small: Difference) -> Cause:
        """Names what is seen: pieces merged in another order, or cut where no class explains it, or lost text."""
        assert not isinstance(small.found, Fault)
        if self.guide.reference(small.text) != small.expected:
            return Cause(UNKNOWN, "the reference is not the tokenizer that dstok knows under this name", *small)
        if self._loses(small.text, small.found):
            return Cause(LOST, "the ids do not stand for the bytes of the text", *small)
        inside, longest = self._inside_pieces(small), self._longest_piece(small.text)
        if inside and longest >= LONG_PIECE:
            return Cause(LONG, f"pieces of {longest} bytes or more are merged in another way than shorter ones", *small)
        if not inside or self._always_cut(small):
            return Cause(PIECES, self._sight(small.text), *small)
        detail = self._merge_detail(small)
        if detail == NO_MERGE:
            return Cause(ADDED, "an added token is not found in some texts", *small)
        return Cause(MERGES, REORDERED, *small, details=Counter([detail]))

    def _merge_detail(self, difference: Difference) -> str:
        """The first merge that the candidate's tokens show to be missing."""
        assert not isinstance(difference.found, Fault)
        ids = list(difference.found)
        for piece in self._pieces(difference.text):
            size = next((number for number, end in enumerate(ends(self.guide, ids), 1) if end >= len(piece.encode())),
                        len(ids))
            theirs, ids = ids[:size], ids[size:]
            if self.guide.merged(piece) != theirs:
                data, cuts = piece.encode(), ends(self.guide, theirs)
                return next((f"{spelled(data[step.start : step.middle])} + {spelled(data[step.middle : step.end])} "
                             f"(rank {step.rank})" for step in merge_steps(self.guide.tokenizer, data)
                             if step.middle in cuts), "one merge too few or too many at the end")
        return NO_MERGE

    def _always_cut(self, small: Difference) -> bool:
        """Whether the candidate's tokens have an edge where other texts of the same classes also have one."""
        assert not isinstance(small.found, Fault)
        seen = self.guide.model.seen(small.text)
        chance, word = random.Random(1), self.guide.classes_of(seen)
        edges = set(ends(self.guide, small.found)) - set(ends(self.guide, small.expected))
        pool = list(dict.fromkeys(self.guide.spell_at_random(word, chance) for _ in range(300)))
        pool += [self.guide.spell(word), self.guide.spell_backward(word)]
        answers = {d.text: d.found for d in self.pair.differences(pool)}
        for at in range(1, len(word)):
            if len(seen[:at].encode()) not in edges:
                continue
            crossed = [text for text in pool
                       if len(text[:at].encode()) not in ends(self.guide, self.guide.reference(text))]
            cut = sum(len(text[:at].encode()) in ends(self.guide, ids) for text in crossed
                      if not isinstance(ids := answers.get(text, ()), Fault))
            if len(crossed) > 1 and cut >= SURE * len(crossed):
                return True
        return False

    def _inside_pieces(self, difference: Difference) -> bool:
        """Whether all edges of pieces are edges of the candidate's tokens, and the text is complete."""
        found, text = difference.found, difference.text
        if isinstance(found, Fault) or self.guide.reference(text) != difference.expected or self._loses(text, found):
            return False
        return {*ends(self.guide, found)}.issuperset(accumulate(len(piece.encode()) for piece in self._pieces(text)))

    def _pieces(self, text: str) -> list[str]:
        """The pieces of the text as the model sees it, with added tokens as text."""
        return self.guide.pieces(self.guide.model.seen(text))

    def _longest_piece(self, text: str) -> int:
        return max((len(piece.encode()) for piece in self._pieces(text)), default=0)

    def _loses(self, text: str, found: Ids) -> bool:
        """Whether these ids stand for other bytes than the model sees."""
        return b"".join(bytes_of(self.guide, id) for id in found) != self.guide.model.seen(text).encode()

    def _sight(self, text: str) -> str:
        word = "".join(self.guide.representatives[number] for number in self.guide.classes_of(text[:6]))
        return f"in texts such as {word!a}"
