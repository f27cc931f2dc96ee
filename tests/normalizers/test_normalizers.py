"""Normalization forms and the other steps, against upstream's own normalizers."""

from __future__ import annotations

import random
from functools import cache

import pytest
import unicodedata2
from reference import DEEP
from shares import seeds, share
from tokenizers import Regex
from tokenizers import normalizers as upstream

from dstok.core.text.normalize import Form, Normalizer
from dstok.errors import DstokError, PatternError, UnsupportedError
from dstok.formats.description import NormalizerStep
from dstok.normalizers import make_normalizer
from dstok.unicode.normalization import FORMS, combining_classes, form_tables, lowercase, marks, unclean

PORTIONS = [range(first, first + 0x800) for first in range(0, 0x110000, 0x800) if first != 0xD800]  # no surrogates
CONTEXTS = ("{}", "{}{}", "a{}", "{}\u0301", "a{}\u0301", " {} ", "\u0301\u0327{}\u0323", "\u1100{}\u11a8")
JUDGES = {"NFC": upstream.NFC(), "NFD": upstream.NFD(), "NFKC": upstream.NFKC(), "NFKD": upstream.NFKD(),
          "Lowercase": upstream.Lowercase(), "StripAccents": upstream.StripAccents()}
STEPS = {
    **{name: (NormalizerStep(name), judge) for name, judge in JUDGES.items()},
    "letter": (NormalizerStep("Replace", "a", content="xyz"), upstream.Replace("a", "xyz")),
    "nothing": (NormalizerStep("Replace", "<", content=""), upstream.Replace("<", "")),
    "dots": (NormalizerStep("Replace", "..", content="."), upstream.Replace("..", ".")),
    "runs": (NormalizerStep("Replace", r"a+|\s+", True, "_$1"), upstream.Replace(Regex(r"a+|\s+"), "_$1")),
    "letters": (NormalizerStep("Replace", r"\p{L}\p{M}", True, "é"), upstream.Replace(Regex(r"\p{L}\p{M}"), "é")),
    "before": (NormalizerStep("Prepend", content="é_"), upstream.Prepend("é_")),
    "both ends": (NormalizerStep("Strip", left=True, right=True), upstream.Strip(True, True)),
    "left": (NormalizerStep("Strip", left=True), upstream.Strip(True, False)),
    "right": (NormalizerStep("Strip", right=True), upstream.Strip(False, True)),
    "no end": (NormalizerStep("Strip"), upstream.Strip(False, False)),
}
ODD = ["a", "A", "e", "İ", "ς", "Σ", " ", "  ", "\n", "\u3000", "\x1f", ".", "...", "<", "é", "e\u0301", "ế", "\u0301",
       "\u0323", "\u0344", "\u212b", "\ufb01", "\ufdfa", "가", "\u1100", "\u1161", "\u11a8", "\u0f73", "\u0f71", "中",
       "\U0001d15e", "\U0001f600", "\u1cf2", "\U000111c9"]


@cache
def normalizer(*names: str) -> Normalizer:
    found = make_normalizer(tuple(STEPS[name][0] for name in names), "16.0")
    assert found is not None
    return found


def normalized(text: str, *names: str) -> str:
    return normalizer(*names).normalize(text.encode()).decode()


# The tables


def test_tables_agree_with_another_source() -> None:
    """What normalizes a character never changes: unicodedata2, by another road from the UCD, has the same."""
    for code, value in combining_classes().items():
        assert unicodedata2.combining(chr(code)) == value
    for form in ("NFD", "NFKD"):
        for code in unclean(form):
            assert normalized(chr(code), form) == unicodedata2.normalize(form, chr(code))


@pytest.mark.parametrize("step", ["Lowercase", "StripAccents"])
def test_steps_of_one_character_for_all_code_points(step: str) -> None:
    by_table = lowercase() if step == "Lowercase" else dict.fromkeys(marks(), "")
    for portion in PORTIONS:
        found = JUDGES[step].normalize_str("\n".join(map(chr, portion))).split("\n")
        expected = "\n".join(by_table.get(code, chr(code)) for code in portion).split("\n")
        assert found == expected


# The forms


@pytest.mark.parametrize("context", [CONTEXTS[number] for number in seeds(len(CONTEXTS), 3)])
@pytest.mark.parametrize("form", FORMS)
def test_all_code_points_in_contexts(form: str, context: str) -> None:
    for portion in [*PORTIONS[:7], *share(PORTIONS[7:], 4)]:
        text = "\n".join(context.replace("{}", chr(code)) for code in portion)
        assert normalized(text, form).split("\n") == JUDGES[form].normalize_str(text).split("\n")


POOLS = (list(combining_classes()), unclean("NFKD"), unclean("NFC"),
         [0x61, 0x41, 0x65, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x20, 0x4E2D])


def mark_string(rng: random.Random, most: int) -> str:
    return "".join(chr(rng.choice(rng.choices(POOLS, (6, 2, 2, 2))[0])) for _ in range(rng.randrange(1, most)))


@pytest.mark.parametrize("form", FORMS)
def test_random_strings_of_marks(form: str) -> None:
    rng = random.Random(form)
    judge, ours = JUDGES[form], normalizer(form)
    for _ in range(400_000 if DEEP else 4_000):
        text = mark_string(rng, 14)
        expected = judge.normalize_str(text)
        found, sources = ours.align(text.encode())
        assert found.decode() == normalized(text, form) == expected, ascii(text)
        assert ours.is_normalized(text) == ours.is_normalized(text.encode()) == (expected == text), ascii(text)
        assert len(sources) == len(expected)
        assert all(0 <= a <= b < len(text) for a, b in zip(sources, sources[1:])), ascii(text)


@pytest.mark.parametrize("form", FORMS)
def test_parts_of_a_normalized_text_are_normalized(form: str) -> None:
    """Why one look at the whole text is enough, however added tokens cut it."""
    rng = random.Random(form)
    for _ in range(500):
        text = normalized(mark_string(rng, 9), form)
        assert all(normalizer(form).is_normalized(text[i:j]) for i in range(len(text)) for j in range(i, len(text)))


@pytest.mark.parametrize("form", FORMS)
def test_a_megabyte_of_marks(form: str) -> None:
    """Marks are sorted by counting; a run of one class, of falling classes and a random one."""
    rng = random.Random(7)
    codes = sorted(combining_classes(), key=lambda c: combining_classes()[c])
    for run in ("\u0301" * 500_000, "".join(map(chr, codes[::-1])) * (600 if DEEP else 150),
                "".join(rng.choices([*map(chr, codes)], k=400_000 if DEEP else 100_000))):
        for text in ("a" + run, run):
            expected = JUDGES[form].normalize_str(text)
            assert normalized(text, form) == expected
            assert len(normalizer(form).align(text.encode())[1]) == len(expected)


def test_the_scan_at_every_place_of_a_block() -> None:
    """Storage of one, two and four bytes a character, and UTF-8: what is not clean is seen wherever it is."""
    for filling in ("x", "é", "中", "\U0001f600", "x中é"):
        for size in range(0, 200, 1 if DEEP else 7):
            before = (filling * size)[:size]
            for char, stays in (("e\u0301", False), ("\u0344", False), ("e\u0335", True), ("\u0915\u093c", True)):
                for text in (before + char, before + char + filling * 70):
                    assert normalizer("NFC").is_normalized(text) is stays
                    assert normalizer("NFC").is_normalized(text.encode()) is stays
                    assert normalized(text, "NFC") == JUDGES["NFC"].normalize_str(text)


def test_latin_1_is_looked_at_where_a_form_changes_it() -> None:
    for form in FORMS:
        for char in map(chr, range(256)):
            assert normalizer(form).is_normalized("x" + char) == (JUDGES[form].normalize_str(char) == char)


def test_forms_are_not_those_of_later_versions() -> None:
    assert normalized("\U00011938\U00011935\U00011930", "NFC") == "\U00011938\U00011935\U00011930"  # Unicode 13.0
    assert unicodedata2.normalize("NFC", "\U00011935\U00011930") == "\U00011938"


# The other steps


@pytest.mark.parametrize("name", STEPS)
def test_a_step_alone(name: str) -> None:
    rng = random.Random(name)
    for _ in range(5000 if DEEP else 300):
        text = "".join(rng.choices(ODD, k=rng.randrange(9)))
        assert normalized(text, name) == STEPS[name][1].normalize_str(text), ascii(text)


def test_steps_in_a_row() -> None:
    rng = random.Random(11)
    for _ in range(500 if DEEP else 40):
        names = tuple(rng.choices(list(STEPS), k=rng.randrange(2, 5)))
        judge = upstream.Sequence([STEPS[name][1] for name in names])
        for _ in range(100):
            text = "".join(rng.choices(ODD, k=rng.randrange(9)))
            expected = judge.normalize_str(text)
            assert normalized(text, *names) == expected, (names, ascii(text))
            if normalizer(*names).is_normalized(text):
                assert expected == text
            found, sources = normalizer(*names).align(text.encode())
            assert found.decode() == expected and len(sources) == len(expected)


def test_long_texts_are_linear_in_steps() -> None:
    text = "aA e\u0301" * 100_000
    for name in STEPS:
        assert normalized(text, name) == STEPS[name][1].normalize_str(text)


def test_boundaries() -> None:
    """A text may be cut at a boundary, and is not cut where a later character may change what is before."""
    rng = random.Random(5)
    for names in (("NFC",), ("NFD",), ("NFKC",), ("NFKD",), ("Lowercase", "NFC"), ("NFKD", "StripAccents", "NFC")):
        ours = normalizer(*names)
        assert ours.local
        for _ in range(500):
            text = mark_string(rng, 12).encode()
            cut = ours.last_boundary(text, 0, len(text))
            assert 0 <= cut < len(text)
            assert ours.normalize(text[:cut]) + ours.normalize(text[cut:]) == ours.normalize(text)
    assert normalizer("NFC").last_boundary(b"xyz", 0, 3) == 2
    assert normalizer("NFC").last_boundary("xe\u0301\u0323".encode(), 0, 6) == 1
    assert not any(normalizer(name).local for name in ("letter", "runs", "before", "both ends"))


@pytest.mark.parametrize("pattern", ["b*", "^", "x|", "(", r"(?=a)"])
def test_patterns_that_cannot_be_followed_are_refused(pattern: str) -> None:
    with pytest.raises((PatternError, UnsupportedError)) as error:
        make_normalizer((NormalizerStep("Replace", pattern, True, "-", where="$.normalizer"),), "16.0")
    assert isinstance(error.value, DstokError) and "$.normalizer" in str(error.value)


def test_no_steps_are_no_normalizer() -> None:
    assert make_normalizer((), "16.0") is None
    assert make_normalizer((NormalizerStep("NFC"),), "16.0") is make_normalizer((NormalizerStep("NFC"),), "15.0")


def test_tables_of_a_form_are_checked_by_type() -> None:
    with pytest.raises(TypeError):
        Normalizer(None, None, True)  # type: ignore[arg-type]
    assert Normalizer(Form(form_tables("NFC"), True), None, True).normalize(b"") == b""


@pytest.mark.parametrize("form", FORMS)
def test_a_text_in_a_newer_form_is_in_the_older_one(form: str) -> None:
    """`dstok verify` names the newer form by it (conformance/hypotheses.py)."""
    newer = make_normalizer((NormalizerStep(form, unicode_version="17.0"),), "16.0")
    rng, marks_of_both = random.Random(form), [*combining_classes("17.0"), *unclean("NFKD", "17.0"), 0x61, 0x915]
    assert newer is not None
    for _ in range(40_000 if DEEP else 2_000):
        text = newer.normalize("".join(map(chr, rng.choices(marks_of_both, k=rng.randrange(1, 12)))).encode())
        assert normalizer(form).is_normalized(text), ascii(text.decode())
