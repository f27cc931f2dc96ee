"""Why two tokenizers differ on a text: from a difference to a named cause.

In: differences, one after another. Out: `Cause`s, each with its smallest text and the number of texts it explains.
Invariant: a cause named by a hypothesis predicts the candidate's ids on its text exactly. The hypothesis is tried on
further texts, made to tell it from others, and the share of right predictions is kept as evidence. If no hypothesis
predicts the ids, the cause is named by its visible effects. Every difference gets a cause; if the time is up first, the
cause says so.

A known cause that predicts a new difference's ids takes the difference. Otherwise the text is shrunk. Then each
hypothesis of the catalog that predicts the ids of the shrunk text is tried on those texts near it on which it expects
candidate and reference to differ. After the catalog come single characters in another class, then the order of merges.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide, bytes_of, ends, tokens_of, violated, width
from dstok.conformance.differences import Difference, Pair, Test, fewest, shrink, simplify
from dstok.conformance.hypotheses import ADDED, SET, Hypothesis, Ids, Pipeline, catalog, class_override, truncations
from dstok.conformance.texts import Neighbourhood
from dstok.conformance.worker import Fault, OutOfTimeError

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
    characters: dict[str, int] = field(default_factory=dict)  # characters treated as another class: that class
    details: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    note: str = ""


class Explainer:
    """Collects differences into causes."""

    def __init__(self, guide: Guide, pair: Pair) -> None:
        self.guide, self.pair = guide, pair
        self.pipeline = Pipeline(guide)
        self.catalog = catalog(guide)
        self.neighbourhood = Neighbourhood(guide)
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
            if search:
                return self._diagnose(difference)
        cause, words, small = UNKNOWN, "no time was left to look for the cause", self.smallest
        if isinstance(small.found, Fault):
            cause, words = FAULTS[small.found.kind], small.found.message
        elif self.causes:
            return None
        return self._add(Cause(cause, words, small.text, small.found, small.expected))

    # Known causes

    def _known(self, difference: Difference) -> Cause | None:
        return next((cause for cause in self.causes if self._explains(cause, difference)), None)

    def _explains(self, cause: Cause, difference: Difference) -> bool:
        answer = difference.found
        if isinstance(answer, Fault):
            kinds = [(fault.kind, fault.message.partition(":")[0] if fault.kind == "error" else "")
                     for fault in (cause.found, answer) if isinstance(fault, Fault)]
            return len(kinds) == 2 and kinds[0] == kinds[1]
        if cause.hypothesis:
            return cause.hypothesis.predict(difference.text) == answer or self._grows(cause, difference)
        if cause.cause == MERGES and cause.title == REORDERED and self._inside_pieces(difference):
            # One of the merges known to be out of order; or these are so many that any merge counts.
            detail, many = self._merge_detail(difference), len(cause.details) >= MANY
            if detail in cause.details or (many and self._longest_piece(difference.text) < LONG_PIECE):
                cause.details[detail] = cause.details.get(detail, 0) + 1
                return True
        if cause.cause == PIECES:
            return cause.title == self._sight(difference.text)
        if cause.cause == LONG:
            return self._longest_piece(difference.text) >= LONG_PIECE and self._inside_pieces(difference)
        return False

    def _grows(self, cause: Cause, difference: Difference) -> bool:
        """Whether one more character in the same wrong class explains the difference. If so, it is added."""
        if not cause.characters:
            return False
        class_of = self.guide.alphabet.class_of
        first, target = next(iter(cause.characters.items()))
        for char in dict.fromkeys(difference.text):
            if char not in cause.characters and class_of(char) == class_of(first):
                wider = class_override(self.pipeline, {**cause.characters, char: target}, SET, "")
                if wider.predict(difference.text) == difference.found and self._holds(wider, char):
                    cause.characters[char] = target
                    return True
        return False

    # New causes

    def _diagnose(self, difference: Difference) -> Cause:
        if isinstance(difference.found, Fault):
            return self._add(self._fault(difference, difference.found))
        history = list(self.pair.history)
        self.pair.fresh()
        if not self.pair.differ([difference.text])[0]:
            known = next((cause for cause in self.causes if cause.cause == STATE), None)
            if known is None:
                return self._add(self._state(difference, history))
            known.count += 1
            return known
        fails = self._fails("")
        text = simplify(shrink(difference.text, fails), fails, self.guide)
        small = next(iter(self.pair.differences([text])), difference)
        known = self._known(small) or self.diagnosed.get(small)
        if known:
            known.count += 1
            return known
        self.diagnosed[small] = self._add(self._by_hypothesis(small) or self._by_class(small)
                                          or self._by_merges(small) or self._by_sight(small))
        return self.diagnosed[small]

    def _add(self, cause: Cause) -> Cause:
        same = next((one for one in self.causes if (one.cause, one.title) == (cause.cause, cause.title)
                     and one.hypothesis is None), None)
        if same:
            same.count += 1
            for detail in cause.details:
                same.details[detail] = same.details.get(detail, 0) + 1
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

    def _fails(self, kind: str) -> Test:
        """The texts that differ, by a fault of that `kind` if it names one; `smallest` is then the first of them."""
        def fails(texts: Sequence[str]) -> list[bool]:
            wrong = {d.text: d for d in self.pair.differences(texts)
                     if not kind or (isinstance(d.found, Fault) and d.found.kind == kind)}
            self.smallest = next((wrong[text] for text in texts if text in wrong), self.smallest)
            return [text in wrong for text in texts]

        return fails

    def _fault(self, difference: Difference, fault: Fault) -> Cause:
        """A crash, an error, no end, no memory: shrunk as long as the kind stays."""
        tries = {"error": 2000, "crash": 300, "memory": 30, "hang": 6}[fault.kind]
        text = shrink(difference.text, self._fails(fault.kind), tries)
        small = next(iter(self.pair.differences([text])), difference)
        return Cause(FAULTS[fault.kind], fault.message, small.text, small.found, small.expected)

    def _state(self, difference: Difference, history: list[str]) -> Cause:
        """The text is right in a fresh worker: finds the texts that must come before it."""
        def wrong(first: list[str], last: str) -> bool:
            self.pair.fresh()
            return self.pair.differ([*first, last])[-1]

        target = difference.text
        before = fewest([text for text in history if text != target], lambda first: wrong(first, difference.text))
        if before is None:
            return Cause(STATE, "wrong once, right when asked again", target, difference.found, difference.expected)
        if len(before) <= 2:
            first = before
            target = shrink(target, lambda some: [wrong(first, text) for text in some], 60)
            for at in range(len(before)):
                rest = before[:at], before[at + 1 :]
                before[at] = shrink(before[at], lambda some, rest=rest: [  # type: ignore[misc]
                    wrong([*rest[0], text, *rest[1]], target) for text in some], 60)
        self.pair.fresh()
        small = [difference, *(d for d in self.pair.differences([*before, target]) if d.text == target)][-1]
        words = "an earlier text changes the ids of a later one (a cache or piece table with colliding keys)"
        return Cause(STATE, words, target, small.found, small.expected, before=tuple(before))

    # Hypotheses

    def _by_hypothesis(self, small: Difference) -> Cause | None:
        assert not isinstance(small.found, Fault)
        lengths = list(truncations(self.pipeline, small.text, small.found))
        fitting = [one for one in (*self.catalog, *lengths) if one.predict(small.text) == small.found]
        further = texts_of.longer(self.guide, small.text) if any(one in lengths for one in fitting) else ()
        return self._best(small, fitting, further)

    def _by_class(self, small: Difference) -> Cause | None:
        """Treats one character of the text as a member of another class."""
        class_of, fitting, taken = self.guide.alphabet.class_of, [], []
        for char in list(dict.fromkeys(small.text))[:8]:
            for number in self.guide.classes:
                self.pair.clock.check()
                if number != class_of(char):
                    one = {char: number}
                    title = (f"members of {describe_class(self.guide, class_of(char))} taken as "
                             f"{describe_class(self.guide, number)}")
                    made = class_override(self.pipeline, one, SET, title)
                    if made.predict(small.text) == small.found and self._holds(made, char):
                        fitting.append(made)
                        taken.append(one)
        points = texts_of.code_points(self.guide, map(ord, dict.fromkeys(small.text[:8])))
        cause = self._best(small, fitting, islice(points, 600))
        if cause:
            cause.characters = taken[fitting.index(cause.hypothesis)]  # type: ignore[arg-type]
        return cause

    def _best(self, small: Difference, fitting: list[Hypothesis], further: Iterable[str] = ()) -> Cause | None:
        """The hypothesis that predicts the candidate best near the text, where it predicts a difference."""
        if not fitting:
            return None
        around = [*self.neighbourhood.of(small.text), *further]
        best: Cause | None = None
        best_key = (SURE, 0)
        for one, (right, telling) in zip(fitting, self._tried(fitting, around)):
            key = (round(right / telling, 2) if telling else 0.0, telling)
            if key > best_key:  # of two that are always right, the more informative one
                best_key = key
                best = Cause(one.cause, one.title, small.text, small.found, small.expected, one, (right, telling))
        return best

    def _tried(self, hypotheses: list[Hypothesis], around: list[str]) -> list[tuple[int, int]]:
        """For each: (how many texts it predicts, how many it expects to differ)."""
        reference = {text: self.pipeline.reference(text) for text in around}
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

    # Visible effects

    def _by_merges(self, small: Difference) -> Cause | None:
        """The pieces are right but merged in another order, or they are cut where no class explains it."""
        if not self._inside_pieces(small):
            return None
        longest = self._longest_piece(small.text)
        if longest >= LONG_PIECE:
            title = f"pieces of {longest} bytes or more are merged in another way than shorter ones"
            return Cause(LONG, title, small.text, small.found, small.expected)
        if self._always_cut(small):
            return None
        detail = self._merge_detail(small)
        if detail == NO_MERGE:
            return Cause(ADDED, "an added token is not found in some texts", small.text, small.found, small.expected)
        return Cause(MERGES, REORDERED, small.text, small.found, small.expected, details={detail: 1})

    def _merge_detail(self, difference: Difference) -> str:
        """The first merge that the candidate's tokens show to be missing."""
        ids = list(difference.found)
        for piece in self._pieces(difference.text):
            theirs = ids[: tokens_of(self.guide, ids, width(piece))]  # type: ignore[arg-type]
            ids = ids[len(theirs) :]
            if self.guide.merged(piece) != theirs:
                return violated(self.guide, piece.encode(), theirs)  # type: ignore[arg-type]
        return NO_MERGE

    def _always_cut(self, small: Difference) -> bool:
        """Whether the candidate's tokens have an edge where other texts of the same classes also have one."""
        assert not isinstance(small.found, Fault)
        seen = self.guide.model.seen(small.text)
        chance, word = random.Random(1), self.guide.classes_of(seen)
        edges = set(ends(self.guide, small.found)) - set(ends(self.guide, small.expected))
        places = [at for at in range(1, len(word)) if width(seen[:at]) in edges]
        pool = list(dict.fromkeys(self.guide.spell_at_random(word, chance) for _ in range(300)))
        pool += [self.guide.spell(word), self.guide.spell_backward(word)]
        answers = {d.text: d.found for d in self.pair.differences(pool)}
        for at in places:
            crossed = [text for text in pool
                       if width(text[:at]) not in ends(self.guide, self.pipeline.reference(text))]
            cut = sum(width(text[:at]) in ends(self.guide, ids) for text in crossed
                      if not isinstance(ids := answers.get(text, ()), Fault))
            if len(crossed) > 1 and cut >= SURE * len(crossed):
                return True
        return False

    def _inside_pieces(self, difference: Difference) -> bool:
        """Whether all edges of pieces are edges of the candidate's tokens, and the text is complete."""
        if isinstance(difference.found, Fault) or self.pipeline.reference(difference.text) != difference.expected:
            return False
        if self._loses(difference.text, difference.found):
            return False
        ends_found = set(ends(self.guide, difference.found))
        at = 0
        for piece in self._pieces(difference.text):
            at += width(piece)
            if at not in ends_found:
                return False
        return True

    def _pieces(self, text: str) -> list[str]:
        """The pieces of the text as the model sees it, with added tokens as text."""
        return self.pipeline.pieces(self.guide.model.seen(text))

    def _longest_piece(self, text: str) -> int:
        return max(map(width, self._pieces(text)), default=0)

    def _loses(self, text: str, found: Ids) -> bool:
        """Whether these ids stand for other bytes than the model sees."""
        return bytes_of(self.guide, found) != self.guide.model.seen(text).encode()

    def _by_sight(self, small: Difference) -> Cause:
        if self.pipeline.reference(small.text) != small.expected:
            return Cause(UNKNOWN, "the reference is not the tokenizer that dstok knows under this name",
                         small.text, small.found, small.expected)
        assert not isinstance(small.found, Fault)
        if self._loses(small.text, small.found):
            words = "the ids do not stand for the bytes of the text"
            return Cause(LOST, words, small.text, small.found, small.expected)
        return Cause(PIECES, self._sight(small.text), small.text, small.found, small.expected)

    def _sight(self, text: str) -> str:
        word = "".join(self.guide.representatives[number] for number in self.guide.classes_of(text[:6]))
        return f"in texts such as {word!a}"


def describe_class(guide: Guide, number: int) -> str:
    """A class in words: its general categories, and a member."""
    from dstok.unicode import category_of

    members = guide.alphabet.classes[number]
    letters = 1 if len(members) > 60 else 2
    names = sorted({category_of(ord(char))[:letters] for char in guide.members[number]})
    script = "ASCII " if members.ranges[-1][1] < 0x80 else ""
    return f"{script}{'/'.join(names)} (like {guide.representatives[number]!r})"
