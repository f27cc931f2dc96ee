"""The fuzzer: its texts and models are the same for the same seed, it finds what differs, and cuts it down."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from typing import Any

import fuzz
import fuzz_calls
import fuzz_models
import fuzz_patterns
import fuzz_texts
import pytest
from fuzz_subjects import family
from real_models import levels
from reference import BRIEF, DEEP, PART
from shares import SEED, seeds

from dstok.compiled.kernel_selection import NONE, find_kernel
from dstok.errors import UnsupportedError
from dstok.regex import Split
from dstok.regex.cascade import compile_splits

V3, ALL = "deepseek-v3", tuple(levels())
CORPUS = ["Some words, 123 numbers.\n\n  \u4e2d\u6587 caf\u00e9 " * 50]


@pytest.fixture(autouse=True)
def a_small_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_texts, "slices", lambda: CORPUS)


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--upstream", "0", *options])
    return fuzz.main()


def texts(name: str, seed: int, count: int) -> list[str]:
    return [text for number in range(count) for _, text, _, _ in fuzz.jobs(name, seed, number, ALL[:1], 0)]


def test_texts_repeat() -> None:
    assert texts(V3, 5, 10) == texts(V3, 5, 10) != texts(V3, 6, 10)


@pytest.mark.parametrize("name", fuzz.MADE)
def test_models_repeat(name: str) -> None:
    one, two = texts(name, 5, 1), texts(name, 5, 1)
    assert one == two
    assert len(one) >= fuzz.MADE[name][1]


@pytest.mark.parametrize("name", [V3, *fuzz.MADE])
def test_no_difference(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--seed", str(SEED), "--count", "20" if DEEP else "1", "--subjects", name, "--upstream", "1") == 0
    assert re.search(r"^\d+ texts, \d+ characters, no difference \(" + name, capsys.readouterr().out, re.M)


def test_what_upstream_says_of_models() -> None:
    """All kinds of outcomes come, and those of a text are not those of another."""
    seen = dict[str, bool]()
    for seed in range(35):
        made = fuzz_models.small(random.Random(seed), ALL[:1])
        if made is None:
            continue
        (tok,) = made.levels.values()
        assert made.judged
        for what, found, expected in made.judged(tok, "a e\u0301<b> \u4e2d 1A", random.Random(seed)):
            assert found == expected
            seen[what] = True
    assert {"ids", "spans of characters", "spans of bytes", "decode, skip_special_tokens=True", "truncate", "chunk",
            "encode_batch where normalizing fails"} <= seen.keys()


def test_a_planted_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a text that differs wherever it has a 7 with a newline somewhere after it, these two are left."""
    def planted(subject: Any, tok: Any, text: str) -> Iterator[tuple[str, Any, Any]]:
        yield "planted", "\n" in text[text.find("7") :] and "7" in text, False

    monkeypatch.setattr(fuzz_calls, "whole", planted)
    assert run(monkeypatch, "--seed", "3", "--subjects", V3) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"{V3}: planted at level {levels()[0]}, after ")
    assert lines[2] == r"'7\n'"


@pytest.mark.parametrize("group", fuzz_calls.DRAWN)
def test_each_group_of_calls_is_made(group: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a text of some kinds each says something, and it says it of this tokenizer."""
    subject, text = family(V3, ALL[-1:]), "Some words,\n 123 \u4e2d\u6587 caf\u00e9 \u30ab\u30bf"
    how = fuzz_calls.How(False, True, tuple(other.__name__ for other in fuzz_calls.DRAWN if other is not group))
    made = list(fuzz_calls.outcomes(subject, subject.levels[ALL[-1]], text, 1, how))
    assert len(made) > 3
    assert all(found == expected for _, found, expected in made)
    wrong = list(group(subject, subject.levels[ALL[-1]], text, [1], random.Random(1)))
    assert group in (fuzz_calls.broken, fuzz_calls.forked) or any(found != expected for _, found, expected in wrong)


def test_texts_have_what_is_rare() -> None:
    """Each class and width comes, and so do neighbours that may be cut apart before a rare one."""
    letters, chance = family(V3, ALL[:1]).letters, random.Random(1)
    seen = set("".join(fuzz_texts.text_of(letters, chance) for _ in range(600)))
    assert all(seen.intersection(group) for group in letters.groups)
    assert len(letters.groups) > len(family(V3, ALL[:1]).reference.inspect().automaton.alphabet.classes)
    assert any("\u3042" <= char <= "\u30ff" for char in seen)


def test_patterns_written_again() -> None:
    """With the family's own classes, a written pattern is the family's."""
    for name in fuzz_patterns.known():
        own = fuzz_patterns.program(name)
        again = compile_splits([Split(pattern) for pattern in fuzz_patterns.patterns(name, list(own.alphabet.classes))])
        assert again.alphabet.classes == own.alphabet.classes, name
        assert again.boundaries.fingerprint() == own.boundaries.fingerprint(), name


@pytest.mark.skipif(BRIEF, reason="its one pattern is too few to count on")
def test_many_patterns_have_rules() -> None:
    """... with other classes, in which characters of one to four bytes have moved; if of ASCII, there may be none, and of LLM
    and Coder, which name most of ASCII, there seldom are."""
    kept, widths = 0, set[int]()
    for seed in seeds(40, 28 * max(PART // 2, 1)):  # half of the night's: fewer may all be without rules
        chance = random.Random(seed)
        name = chance.choice(fuzz_patterns.known())
        own = fuzz_patterns.program(name).alphabet.classes
        classes = fuzz_patterns.other_classes(chance, own)
        try:
            program = compile_splits([Split(pattern) for pattern in fuzz_patterns.patterns(name, classes)])
        except UnsupportedError:  # too long
            continue
        kept += find_kernel(program).rules != NONE
        new = [chr(code) for now, before in zip(classes, own) for pair in (now - before).ranges[:3] for code in pair]
        widths.update(len(char.encode()) for char in new if not "\ud800" <= char <= "\udfff")
    assert kept >= (15 if DEEP else 2)  # of all 40, or of those of any day
    assert widths == {1, 2, 3, 4}
