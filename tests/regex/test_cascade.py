"""The one automaton of a sequence of Split steps cuts every text as upstream's cascade does.

Three kinds of text for the sequences of real models: every text of a few characters, one character a class
of the alphabet; texts from the edges of the classes; and what is known to be delicate. Then behaviors, and
random cascades, which are refused or equal upstream: the tests of the restart rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_strategies import fragments
from reference import DEEP, examples
from shares import share
from upstream import families, model_names, model_splits, pieces_by, upstream_splitter

from dstok.errors import UnsupportedError
from dstok.regex import BEHAVIORS, Split
from dstok.regex.cascade import MAX_STEPS, Program, Tag, compile_splits
from dstok.regex.dfa import DEAD, OPERATION, START

V3 = "deepseek-ocr"  # the first by name of the seven models that share V3's splits
WELL_KNOWN = {
    "GPT-2": [Split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")],
    "o200k": [Split(
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")],
}
SEQUENCES = {name: splits for name, splits in families().items()} | WELL_KNOWN


def kept(program: Program, text: str) -> list[str]:
    """The pieces of a text without the dropped ones."""
    return [piece for piece, tag in program.pieces(text) if not tag.dropped]


def assert_equal_upstream(program: Program, texts: Iterable[str]) -> None:
    splitter = upstream_splitter(program.splits)
    for text in texts:
        assert kept(program, text) == pieces_by(splitter, text), text


def all_texts(chars: Sequence[str], length: int) -> Iterable[str]:
    """Every text of 1 to `length` of the characters."""
    return ("".join(text) for n in range(1, length + 1) for text in product(chars, repeat=n))


# Real models


def test_the_families_of_the_44_files() -> None:
    names = model_names()
    assert len(names) == 44
    assert [name for name in names if not model_splits(name)] == ["jiutian-139moe-chat"]
    sizes = sorted(len(splits) for splits in families().values())
    assert sizes == [1, 1, 1, 1, 3, 5, 6]
    assert model_splits("deepseek-v3") == families()[V3]
    assert V3 in families()


@pytest.mark.parametrize("end", ["first", "last"])
def test_v3_on_every_short_text(end: str) -> None:
    """Each class of the alphabet stands for its characters, since no set of V3 tells them apart."""
    program = compile_splits(families()[V3])
    classes = program.alphabet.classes
    assert len(classes) == 14
    chars = [chr(c.ranges[0][0] if end == "first" else c.ranges[-1][1]) for c in classes]
    assert_equal_upstream(program, all_texts(chars, 5 if DEEP else 4))


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_family_on_every_short_text(name: str) -> None:
    program = compile_splits(SEQUENCES[name])
    chars = [chr(c.ranges[0][0]) for c in program.alphabet.classes]
    assert_equal_upstream(program, all_texts(chars, 4 if DEEP and len(chars) < 20 else 3))


def edge_texts(program: Program) -> st.SearchStrategy[str]:
    """Texts of the first and last characters of the ranges of the classes, alone and in runs."""
    edges = [[chr(edge) for r in c.ranges for edge in r] for c in program.alphabet.classes]
    char = st.sampled_from(edges).flatmap(st.sampled_from)
    delicate = st.sampled_from(list("〇゛゙ー・゗゠ヿㄱ龥龦一䷿²³½Ⅻ٣09 \t\r\n\u00a0\u0085\u2028\u3000'sSſtTéÉ\u0301!/"))
    run = st.builds(str.__mul__, char | delicate, st.integers(1, 5))
    words = st.sampled_from(["'s", "'LL", "'ſ", "don't", "\r\n", " \n ", "ABC漢DEF", "ABC漢DEFx", "a   1"])
    return st.lists(char | delicate | run | words, max_size=12).map("".join)


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_family_on_the_edges_of_its_classes(name: str) -> None:
    program = compile_splits(SEQUENCES[name])
    splitter = upstream_splitter(program.splits)

    @given(edge_texts(program))
    @examples(150, deep=30_000)
    def check(text: str) -> None:
        assert kept(program, text) == pieces_by(splitter, text)

    check()


@pytest.mark.parametrize(("text", "pieces"), [
    ("a   1", ["a", "   ", "1"]),
    ("a 1", ["a", " ", "1"]),
    ("a b", ["a", " b"]),
    ("²³½4", ["²³½", "4"]),
    ("一〇二", ["一", "〇", "二"]),
    ("か゛が", ["か", "゛", "が"]),
    ("\u3099\u3099", ["\u3099\u3099"]),
    ("ア・イ", ["ア", "・", "イ"]),
    ("!abcé", ["!abc", "é"]),
    (" \n \n  a", [" \n \n", " ", " a"]),
    ("\x00\x01a", ["\x00", "\x01a"]),
    ("1\u0301", ["1", "\u0301"]),
    ("", []),
])
def test_v3_where_it_is_delicate(text: str, pieces: list[str]) -> None:
    program = compile_splits(families()[V3])
    assert kept(program, text) == pieces
    assert_equal_upstream(program, [text])


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_program_is_total_and_tags_every_piece(name: str) -> None:
    program = compile_splits(SEQUENCES[name])
    start, others = program.dfa.edges[START], program.dfa.edges[START + 1 :]
    assert all(target != DEAD for target, _ in start[:-1])
    assert all(target == DEAD for row in program.dfa.edges for target, _ in row[-1:])
    assert all(0 <= tag % OPERATION < len(program.tags) for row in others for _, tag in row if tag != -1)
    assert program.boundaries.fingerprint() == compile_splits(program.splits).boundaries.fingerprint()


# Behaviors

INVERT = [False, True]
LETTERS = ["a", "b", " "]


@pytest.mark.parametrize("invert", INVERT)
@pytest.mark.parametrize("behavior", BEHAVIORS)
@pytest.mark.parametrize("pattern", [
    "a", "a+", "[ab]", "a{1,2}", "ab?", "b|a+", "a(?!b)", "a(?!\\S)", "a$", "ab", "ab|b", " ?a+", "\\s+(?!\\S)|\\s+",
    "aab|a", "ab{2}|a",
])
def test_behaviors(pattern: str, behavior: str, invert: bool) -> None:
    """Each behavior is refused or equals upstream; the two that keep all edges of the matches are never refused."""
    split = Split(pattern, behavior, invert)
    try:
        program = compile_splits([split])
    except UnsupportedError as error:
        assert error.message.startswith(("MergedWithNext", "Contiguous"))
        assert behavior not in ("Isolated", "Removed")
        return
    assert_equal_upstream(program, all_texts(LETTERS, 9 if DEEP else 6))


def test_few_behaviors_are_refused() -> None:
    refused = set()
    for pattern, behavior, invert in product(["a", "a+", "[ab]", "a{1,2}", "b|a+", "ab?"], BEHAVIORS, INVERT):
        try:
            compile_splits([Split(pattern, behavior, invert)])
        except UnsupportedError:
            refused.add((pattern, behavior, invert))
    assert refused == set()


@pytest.mark.parametrize(("splits", "message", "where"), [
    ([Split("a", "Sideways", where="$[0]")], "behavior 'Sideways'", "$[0]"),
    ([Split("(?<=a)b+c?", where="$[0]")], "cannot be restarted", "$[0]"),
    ([Split("[ab]{2}|[ab]", where="$[0]"), Split("a", where="$[1]")], "cannot be restarted", "$[1]"),
    ([Split("a", where=f"$[{i}]") for i in range(MAX_STEPS + 1)], "more than 16 Split steps", "$[16]"),
])
def test_what_is_refused_and_where(splits: list[Split], message: str, where: str) -> None:
    with pytest.raises(UnsupportedError, match=message) as caught:
        compile_splits(splits)
    assert caught.value.where == where


@pytest.mark.parametrize("text", ["", "a", "ab \n"])
def test_no_step_at_all(text: str) -> None:
    assert kept(compile_splits([]), text) == ([text] if text else [])


# Cascades: refused, or equal to upstream

_LOOKS = ["$", "(?!\\S)", "(?=a)", "(?!b)"]
SMALL = fragments(["a", "b", " "], ["[ab]", "[^a]", "[b ]", "\\s", "\\S"], _LOOKS).map(lambda f: f.text)
CRAFTED = [
    "ab", "a|b+", "ab|b", "ab|a", "a{1,2}", "[ab]{1,3}", "[ab]{2}|b", "b+|a", "aa|a", "a+b?", "ba?", "[ab]+", "b",
    "(?:ab)+|b", "a(?!b)|b", "b(?!\\S)|a+", "a$|b+", "a+|b+", "a{2}|a", "[ab]{2}|a|b", "a[ab]?", " +|a", "[ab] ?",
]


def program_of(*splits: Split) -> Program | None:
    """The program of the steps, or None where they are refused."""
    try:
        return compile_splits(splits)
    except UnsupportedError:
        return None


def count_equal_cascades(cascades: Iterable[Sequence[str]], texts: Sequence[str]) -> int:
    """How many of the cascades compile; each that does must equal upstream on all the texts."""
    programs = 0
    for patterns in cascades:
        if program := program_of(*map(Split, patterns)):
            programs += 1
            assert_equal_upstream(program, texts)
    return programs


def test_every_pair_of_crafted_steps_on_every_short_text() -> None:
    """The restart rule: a lower step may cut only where the upper one would go on in the same way."""
    texts = list(all_texts("ab ", 7 if DEEP else 5))
    assert count_equal_cascades(share(product(CRAFTED, repeat=2), 2), texts) > 5


def test_triples_of_crafted_steps_on_every_short_text() -> None:
    texts = list(all_texts("ab ", 6 if DEEP else 4))
    assert count_equal_cascades(share(product(CRAFTED, repeat=3), 30), texts) > 4


CASCADE_TEXTS = st.lists(st.text("ab c\n", min_size=1, max_size=12), min_size=6, max_size=12)
STEPS = st.builds(Split, st.one_of(st.sampled_from(CRAFTED), SMALL), st.sampled_from(BEHAVIORS), st.booleans())
FIRST_STEPS = st.builds(Split, st.sampled_from(CRAFTED), st.sampled_from(["Isolated", *BEHAVIORS]), st.booleans())


@given(FIRST_STEPS, STEPS, CASCADE_TEXTS)
@examples(400, deep=40_000)
def test_a_random_pair_of_steps(first: Split, second: Split, texts: list[str]) -> None:
    if program := program_of(first, second):
        assert_equal_upstream(program, texts)


@given(FIRST_STEPS, FIRST_STEPS, STEPS, CASCADE_TEXTS)
@examples(400, deep=40_000)
def test_random_triples_of_steps(first: Split, second: Split, third: Split, texts: list[str]) -> None:
    if program := program_of(first, second, third):
        assert_equal_upstream(program, texts)


@given(STEPS, CASCADE_TEXTS)
@examples(400, deep=40_000)
def test_a_random_step(step: Split, texts: list[str]) -> None:
    if program := program_of(step):
        assert_equal_upstream(program, texts)


# Tags


def cascade(steps: Sequence[Program], text: str) -> list[tuple[str, Tag]]:
    """The pieces of step after step, each with its reason: the lowest step that matched it, or none did."""
    pieces = [(text, Tag(None, None))] if text else []
    for step, program in enumerate(steps):
        pieces = [
            (part, reason if tag.alternative is None else Tag(step, tag.alternative))
            for piece, reason in pieces for part, tag in program.pieces(piece)]
    return pieces


def test_tags_of_v3_on_every_short_text() -> None:
    program = compile_splits(families()[V3])
    steps = [compile_splits([split]) for split in program.splits]
    for text in all_texts([chr(c.ranges[0][0]) for c in program.alphabet.classes], 3):
        assert list(program.pieces(text)) == cascade(steps, text), text


@pytest.mark.parametrize(("text", "tag"), [
    ("12", Tag(0, 0)), ("一", Tag(2, 1)), ("!a", Tag(2, 0)), ("a", Tag(2, 1)), ("!", Tag(2, 2)), (" \n", Tag(2, 3)),
    ("  ", Tag(2, 4)), ("\u3040", Tag(1, 0)), ("\x00", Tag(None, None)),
])
def test_a_tag_of_v3(text: str, tag: Tag) -> None:
    assert list(compile_splits(families()[V3]).pieces(text)) == [(text, tag)]


def test_a_piece_cut_off_before_the_upper_match_is_known_is_a_gap() -> None:
    program = compile_splits([Split("[ab]+(?=c)|[ab]+(?!c)"), Split("a")])
    gap = Tag(None, None)
    assert list(program.pieces("bac")) == [("b", gap), ("a", Tag(1, 0)), ("c", gap)]
    assert list(program.pieces("bc")) == [("b", Tag(0, 0)), ("c", gap)]
    assert list(program.pieces("ab")) == [("a", Tag(1, 0)), ("b", Tag(0, 1))]


def test_a_refusal_names_the_step_and_the_place_in_its_pattern() -> None:
    with pytest.raises(UnsupportedError) as caught:
        compile_splits([Split("a", where="$.first"), Split("b(?~c)", where="$.second")])
    assert caught.value.where == "$.second, position 1 of 'b(?~c)'"
