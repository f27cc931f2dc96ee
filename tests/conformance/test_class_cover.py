"""The class cover takes every path, and the strategies reach every class; what is known of Unicode versions."""

from __future__ import annotations

import gc
import unicodedata
import weakref
from itertools import islice, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import DEEP, examples
from shares import share
from small_models import model_json
from text_strategies import GUIDE

import dstok
from dstok.conformance import Guide, class_cover, cover_size, strategies, texts
from dstok.conformance.automaton_guide import VERSIONS, categories, changed, guide_of, moved, stand_in
from dstok.regex.cascade import Program
from dstok.regex.dfa import DEAD, START
from dstok.unicode import category_of

TOK = GUIDE.tokenizer
PATTERNS = [r"\s+|\w+|[^\s\w]+", r"\p{N}{1,3}|\p{L}+|\s+(?!\S)|\s+", r"ab?c?|[^a]+"]


def paths(guide: Guide, text: str, k: int) -> set[tuple[int, tuple[int, ...]]]:
    """(state, the next k classes, which end the text) that a scan of `text` takes, piece after piece."""
    word = guide.classes_of(text)
    taken, at = set(), 0
    assert isinstance(guide.program, Program)
    for piece, _ in guide.program.pieces(text):
        state = START
        for place in range(at, len(word) + 1):
            if len(word) - place == k:
                taken.add((state, word[place:]))
            if place < len(word):
                state = guide.edges[state][word[place]][0]
            if state == DEAD:
                break
        at += len(piece)
    return taken


@pytest.mark.parametrize("pattern", [None, *PATTERNS])
@pytest.mark.parametrize("k", [0, 1, 2])
def test_every_path_is_taken(pattern: str | None, k: int) -> None:
    """From each state that a scan can be in, each sequence of k classes, then the end of the text."""
    guide = GUIDE if pattern is None else Guide(dstok.Tokenizer.from_str(model_json([], [], pattern)))
    taken = {path for text in class_cover(guide, k) for path in paths(guide, text, k)}
    wanted = {(state, word) for state in guide.access for word in product(guide.classes, repeat=k)
              if word or state != START}  # the empty text has no piece to scan
    assert taken >= wanted
    assert len(list(class_cover(guide, k))) == cover_size(guide, k)


def test_all_states_are_reached() -> None:
    assert GUIDE.access.keys() == set(range(START, len(GUIDE.edges)))


def test_merges_over_the_border_of_characters_come_first() -> None:
    """In 임a the merge of 임's last byte with "a" competes with that of 임, which has the rank after it."""
    merges = [(b"a", b"b"), (b"b", b"c"), (b"\xec", b"\x9e"), (b"\x84", b"a"), (b"\xec\x9e", b"\x84")]
    found = [*texts.merge_conflicts(Guide(dstok.Tokenizer.from_str(model_json(merges, []))))]
    assert found.index("임a") < found.index("abc")


def test_texts_are_of_their_classes() -> None:
    for spell in (GUIDE.spell, GUIDE.spell_backward, GUIDE.spell_plainly):
        for word in product(GUIDE.classes, repeat=3):
            assert GUIDE.classes_of(spell(word)) == word


def test_neighbours_glue_where_they_can() -> None:
    """What `glued` gives is merged across the border, and most pairs of classes of which a token holds both have it."""
    pairs = [(one, two, pair) for one, two in product(GUIDE.classes, repeat=2) for pair in GUIDE.glued(one, two)]
    for one, two, (left, right) in pairs:
        assert GUIDE.classes_of(left + right) == (one, two) and GUIDE.glues(left, right) is not None
    with_tokens = {key for key, found in GUIDE._vocabulary_pairs.items() if any(GUIDE.glues(*pair) is not None for pair in found)}
    assert with_tokens and with_tokens <= {(one, two) for one, two, _ in pairs}


def test_a_negative_length() -> None:
    with pytest.raises(ValueError, match="at least 0, found -1"):
        list(class_cover(TOK, -1))


def test_strategies_reach_pairs_and_triples_of_classes() -> None:
    pairs: set[tuple[int, ...]] = set()
    triples: set[tuple[int, ...]] = set()

    @settings(max_examples=3000 if DEEP else 1000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(strategies.texts(TOK))
    def draw(text: str) -> None:
        word = GUIDE.classes_of(text[:2000])
        pairs.update(zip(word, word[1:]))
        triples.update(zip(word, word[1:], word[2:]))

    draw()
    assert len(pairs) > 0.95 * len(GUIDE.classes) ** 2 and len(triples) > 0.4 * len(GUIDE.classes) ** 3


@examples(50)
@given(strategies.token_ids(TOK), strategies.bytes_texts(TOK, valid=False), strategies.bytes_texts(TOK), st.data())
def test_other_strategies(ids: list[int], broken: bytes, whole: bytes, data: st.DataObject) -> None:
    assert TOK.decode_bytes(ids) is not None
    assert whole.decode().encode() == whole
    assert TOK.decode(TOK.encode(broken, errors="replace")) == broken.decode(errors="replace")
    assert all(isinstance(text, str) for text in data.draw(strategies.batches(TOK, 3)))


def test_checks_of_texts_end_and_repeat() -> None:
    for make in (texts.odd_texts, texts.added_tokens, texts.long_pieces):
        assert list(make(GUIDE)) == list(make(GUIDE)) != []
    joined, of_a_context = texts.joined_code_points(GUIDE), 0x1100 - 8
    for before, after in texts.contexts(GUIDE)[: None if DEEP else 2]:
        found = list(islice(joined, of_a_context))
        assert len(found) == of_a_context
        assert found[0].startswith(f"{before}\0{after}") and found[-1].endswith(f"{before}\U0010ffff{after}")
    assert not DEEP or list(joined) == []


# Unicode versions


def test_the_column_of_16_is_the_table_of_dstok() -> None:
    assert all(categories(chr(code))["16.0"] == category_of(code) for code in share(range(0x110000), 8))
    assert categories("\u20c1") == {**dict.fromkeys(VERSIONS, "Cn"), "17.0": "Sc", "18.0": "Sc"}


def test_the_column_of_this_python() -> None:
    own = unicodedata.unidata_version.removesuffix(".0") if unicodedata.unidata_version.count(".") == 2 else ""
    if own not in VERSIONS:
        pytest.skip(f"no column for Unicode {unicodedata.unidata_version}")
    assert all(categories(chr(code))[own] == unicodedata.category(chr(code)) for code in share(range(0x110000), 8))


def test_how_much_moved() -> None:
    """4,803 code points were new in 17.0 (and one changed); surrogates and private use never change."""
    assert {version: len(moved(version, "16.0")) for version in ("15.1", "16.0", "17.0")} == \
        {"15.1": 5186, "16.0": 0, "17.0": 4804}
    assert not any(category_of(code) in ("Cs", "Co") for code in changed())
    assert category_of(ord(stand_in("Lu", 0xA7D2))) == "Lu"


def test_a_guide_is_made_once_and_not_kept_for_ever() -> None:
    toks = [dstok.Tokenizer.from_str(model_json([], [], pattern)) for pattern in ("a", "b", "c")]
    first = weakref.ref(toks[0])
    assert guide_of(toks[0]) is guide_of(toks[0]) is not guide_of(toks[1])
    strategies.characters(toks[2])
    del toks
    gc.collect()
    assert first() is None
