r"""Two splitters are equal exactly if the same spans come out of every text, whatever they drop in between.

Pairs of random splitters, most of them dropping text, are held against each other on every short text: `difference`,
`==`, the hash, and the facts of properties.py, in which equal splitters agree. Random patterns over two letters and a
blank are so small that many of them are equal by chance.
"""

from __future__ import annotations

from itertools import combinations, product
from random import Random

import pytest
from reference import BRIEF
from shares import chance_of_today

from dstok import DstokError, Split, Splitter
from dstok.regex import BEHAVIORS

LETTERS, LENGTH, SPLITTERS, ALIKE = "ab ", 5, 100 if BRIEF else 400, 6
TEXTS = ["".join(word) for length in range(LENGTH + 1) for word in product(LETTERS, repeat=length)]
ATOMS = ["a", "b", " ", "[ab]", "[^a]", r"\s", r"\S", "(?m:.)", "(?:ab)", "(?:a|ab)"]
LOOKS = ["(?=a)", "(?!b)", "(?<=a)", "(?<! )", "^", "$"]
QUANTIFIERS = ["", "", "+", "?", "*", "{2}", "{1,2}", "+?", "{2,}"]

Outcome = tuple[tuple[tuple[int, int], ...], ...]  # of each of TEXTS the spans that come out


def outcome(splitter: Splitter) -> Outcome:
    spans, offsets = splitter.spans_batch(TEXTS)
    rows = [tuple(span) for span in spans.tolist()]
    return tuple(tuple(rows[start:end]) for start, end in zip(offsets, offsets[1:]))


def random_pattern(chance: Random) -> str:
    def item() -> str:
        return chance.choice(LOOKS) if chance.random() < 0.2 else chance.choice(ATOMS) + chance.choice(QUANTIFIERS)

    return "|".join("".join(item() for _ in range(chance.choice([1, 1, 2]))) for _ in range(chance.choice([1, 1, 2])))


def random_splitter(chance: Random) -> Splitter:
    while True:
        behaviors = [*BEHAVIORS, *["Removed"] * 5]
        steps = [Split(random_pattern(chance), chance.choice(behaviors), chance.random() < 0.4)
                 for _ in range(chance.choice([1, 1, 2]))]
        try:
            return Splitter(steps)
        except DstokError:  # a pattern that cannot be compiled exactly
            continue


def check(one: Splitter, other: Splitter, ours: Outcome, theirs: Outcome) -> bool:
    """Whether they are equal; that this is true as far as short texts show."""
    found = one.analyze().difference(other)
    first = next((text for text, left, right in zip(TEXTS, ours, theirs) if left != right), None)
    assert (found is None) == (one == other)
    if found is None:
        assert first is None and hash(one) == hash(other)
        assert facts(one) == facts(other)
        return True
    assert found.spans != found.other_spans
    for splitter, spans, pieces in ((one, found.spans, found.pieces), (other, found.other_spans, found.others)):
        assert list(map(tuple, splitter.spans(found.text, unit="characters").tolist())) == spans
        assert splitter.split(found.text) == pieces
    if first is None:
        assert len(found.text) > LENGTH or set(found.text) - set(LETTERS)
    else:
        assert len(found.text) <= len(first)
    return False


def facts(splitter: Splitter) -> tuple[object, ...]:
    lost = splitter.analyze().loses_text
    places = [splitter.analyze().may_cut(left, right) for left, right in product(LETTERS + "x1\n", repeat=2)]
    return None if lost is None else len(lost), splitter.analyze().longest_piece, splitter.analyze().look_ahead, places


def test_random_splitters() -> None:
    chance = chance_of_today("dropped text")
    splitters = [random_splitter(chance) for _ in range(SPLITTERS)]
    outcomes = [outcome(splitter) for splitter in splitters]
    groups: dict[Outcome, list[int]] = {}
    for number, each in enumerate(outcomes):
        groups.setdefault(each, []).append(number)
    pairs = [pair for group in groups.values() for pair in combinations(group[:ALIKE], 2)]
    pairs += [(chance.randrange(SPLITTERS), chance.randrange(SPLITTERS)) for _ in range(SPLITTERS)]
    equal = [check(splitters[i], splitters[j], outcomes[i], outcomes[j]) for i, j in pairs]
    assert 20 < sum(equal) < len(equal) - 20


@pytest.mark.parametrize(("one", "other"), [(r"\s+", r"\s"), ("[^a]+", "[^a]"), (r"\s\s(?!a)|\s", r"\s{1,3}"), ("a?a", "a+")])
def test_dropped_runs_are_cut_anyhow(one: str, other: str) -> None:
    first, second = (Splitter(pattern, behavior="Removed") for pattern in (one, other))
    assert check(first, second, outcome(first), outcome(second))
    lengths = Splitter([Split(one, "Removed"), "a"]), Splitter([Split(other, "Removed"), "a"])
    assert lengths[0] == lengths[1]


def test_a_dropped_step_above_or_below() -> None:
    """Dropped by one step, or in two parts by two."""
    at_once, in_turn = Splitter([Split(r"[\sb]+", "Removed")]), Splitter([Split(r"\s", "Removed"), Split("b", "Removed")])
    assert check(at_once, in_turn, outcome(at_once), outcome(in_turn))
    kept, inverted = Splitter("a+", behavior="Removed", invert=True), Splitter("[^a]", behavior="Removed")
    assert check(kept, inverted, outcome(kept), outcome(inverted))


def test_equal_pieces_at_other_places_differ() -> None:
    found = Splitter("a(?=a)", behavior="Removed").analyze().difference(Splitter("(?<=a)a", behavior="Removed"))
    assert found is not None and (found.text, found.pieces, found.others) == ("aa", ["a"], ["a"])
    assert (found.spans, found.other_spans) == ([(1, 2)], [(0, 1)])


def test_what_is_kept_is_cut_as_it_is() -> None:
    found = Splitter(r"\s+").analyze().difference(Splitter(r"\s"))
    assert found is not None and len(found.text) == 2
