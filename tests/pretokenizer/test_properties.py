"""What `dstok.Splitter` says of all texts is so for all short ones, and is not said in vain.

Each answer is held against its definition on every text of up to six characters over four.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest

from dstok import Split, Splitter

LETTERS, LENGTH = "ab1 ", 6
SPLITTERS = {
    "words": Splitter(r"\w+|\s+"),
    "digits": Splitter(r"\d{1,3}"),
    "single": Splitter(r"(?m:.)"),
    "ab": Splitter(r"a+b|a|[b1 ]"),
    "blanks": Splitter(r"\s+(?!\S)|\s+|\w+"),
    "ahead": Splitter(r"a(?=b1)|(?m:.)"),
    "removed": Splitter("a|b+", behavior="Removed"),
    "removed at the end": Splitter(r"ab1", behavior="Removed"),
    "merged": Splitter("a", behavior="MergedWithNext"),
    "two steps": Splitter([Split(r"\s", "Removed"), "a{2}"]),
    "long drops": Splitter([Split(r"[^a]+", "Removed"), "a"]),
    "drops after drops": Splitter(r"\s\s(?!a)|\s", behavior="Removed"),
    "nothing kept": Splitter(r"a|[^a]+", behavior="Removed"),
    "at most two": Splitter(r"(?m:.){1,2}"),
}
LOSING = {"removed": 1, "removed at the end": 3, "two steps": 1, "long drops": 1, "drops after drops": 1,
          "nothing kept": 1}  # and the length of the shortest text that is lost
each = pytest.mark.parametrize("name", SPLITTERS)


def texts(longest: int = LENGTH) -> list[str]:
    """All texts, the shorter ones first."""
    return ["".join(word) for length in range(longest + 1) for word in product(LETTERS, repeat=length)]


@cache
def inside(name: str, text: str) -> frozenset[int]:
    """The places between two characters of one piece."""
    spans = SPLITTERS[name].spans(text, unit="characters").tolist()
    return frozenset(place for start, end in spans for place in range(start + 1, end))


@each
def test_loses_text(name: str) -> None:
    splitter = SPLITTERS[name]
    losing = [text for text in texts(4) if "".join(splitter.split(text)) != text]
    found = splitter.analyze().loses_text
    assert bool(losing) == (found is not None) == (name in LOSING)
    if found is not None:
        assert "".join(splitter.split(found)) != found and len(found) == len(losing[0]) == LOSING[name]


@each
def test_longest_piece(name: str) -> None:
    longest = max((len(piece) for text in texts() for piece in SPLITTERS[name].split(text)), default=0)
    limit = SPLITTERS[name].analyze().longest_piece
    assert longest == (LENGTH if limit is None else limit)  # no limit: some text of this length is one piece


@each
def test_look_ahead(name: str) -> None:
    """The least number of characters that tell, by all texts; where there is no limit, those cannot show more."""
    limit = SPLITTERS[name].analyze().look_ahead
    needed = next(k for k in range(LENGTH + 1) if _told(name, k))
    assert needed >= LENGTH - 1 if limit is None else needed == limit


def _told(name: str, ahead: int) -> bool:
    """Do `ahead` characters after each place, or the text's end, tell if it lies in a piece?"""
    answers: dict[tuple[int, str, bool], bool] = {}
    for text in texts():
        for place in range(1, len(text) + 1):
            seen = text[: place + ahead]
            answer = place in inside(name, text)
            if answers.setdefault((place, seen, len(text) < place + ahead), answer) != answer:
                return False
    return True


@each
def test_cut_places(name: str) -> None:
    """Where a text may be cut its parts give its pieces, and where not, some text shows why."""
    splitter = SPLITTERS[name]
    spans = {text: splitter.spans(text, unit="characters").tolist() for text in texts()}
    for left, right in product(LETTERS, repeat=2):
        pairs = ((before + left, right + after) for before in texts(2) for after in texts(2))
        same = all(spans[one] + [[start + len(one), end + len(one)] for start, end in spans[other]] == spans[one + other]
                   for one, other in pairs)
        assert splitter.analyze().may_cut(left, right) == same, (left, right)


def test_properties_of_presets() -> None:
    gpt_2, v3 = Splitter.preset("gpt-2"), Splitter.preset("deepseek-v3")
    assert gpt_2.analyze().loses_text is None and v3.analyze().loses_text is None
    assert gpt_2.analyze().longest_piece is None
    assert gpt_2.analyze().look_ahead == 2 and v3.analyze().look_ahead is None
    assert gpt_2.analyze().may_cut("a", " ") and not gpt_2.analyze().may_cut(" ", "a") and not gpt_2.analyze().may_cut("'", "s")


def test_a_difference_is_the_shortest_one() -> None:
    for one, other in (("words", "blanks"), ("words", "digits"), ("removed", "removed at the end"), ("ab", "single")):
        found = SPLITTERS[one].analyze().difference(SPLITTERS[other])
        assert found is not None
        assert SPLITTERS[one].split(found.text) == found.pieces != found.others == SPLITTERS[other].split(found.text)
        shorter = texts(len(found.text) - 1)
        assert all(SPLITTERS[one].split(text) == SPLITTERS[other].split(text) for text in shorter)
    assert Splitter(r"\w+|\s").analyze().difference(Splitter(r"[\w]+|\s")) is not None  # upstream's \w in a class is another one
    assert Splitter(r"a|b").analyze().difference(Splitter(r"[ab]")) is None


def test_a_character_that_a_pattern_forgot() -> None:
    """V3's pattern without `~` among its ASCII punctuation: two characters show it."""
    v3 = Splitter.preset("deepseek-v3")
    steps = [split.pattern.replace("`{|}~]", "`{|}]") for split in v3.splits]
    assert steps[2] != v3.splits[2].pattern
    found = v3.analyze().difference(Splitter(steps))
    assert found is not None and len(found.text) == 2 and found.text[0] == "~"
    assert (found.pieces, found.others) == ([found.text], ["~", found.text[1]])
