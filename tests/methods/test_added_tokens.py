r"""Added tokens are found as upstream finds them: on small models, against upstream, whole and in streams."""

from __future__ import annotations

import pickle
import random
import re
from typing import Any

import pytest
import tokenizers
from hypothesis import assume, given
from hypothesis import strategies as st
from real_models import level, levels
from reference import DEEP, cut_at, examples
from shares import SEED, chance_of_today, share
from small_models import added_token, both, both_with, model_json, upstream_ids

import dstok
from dstok.core.text.added_tokens import Matcher, Policy

_WIDE = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}


def wide(text: str) -> str:
    """ASCII in its fullwidth forms: an added token of one ASCII character would be the byte's token, with its id,
    and nobody could see whether it was matched."""
    return text.translate(_WIDE)


# Each way of cutting pieces reads text around tokens in its own way: up to the next character, up to the end of
# a run, with a look ahead at what may be the end of the text, and the whole text as one piece.
PATTERNS = [r".|\n", wide("a") + "+|" + wide("b") + r"+| +", r"\s+(?!\S)|\s+|\w+|[^\s\w]+",
            r" ?\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+", None]
_A, _B = wide("a").encode(), wide("b").encode()
MERGES = [(_A[:1], _A[1:2]), (_A[:2], _A[2:]), (_B[:2], _B[2:]), (_A, _B), (b" ", _A), (_A, _A), (b" " + _A, _B), (_B, _B),
          (b" ", b" ")]
FIRST_NEW = 256 + len(MERGES)  # of the ids that only added tokens have
FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"]


def in_stream(tok: dstok.Tokenizer, parts: list[Any], special: Any = "all") -> list[int]:
    stream = tok.encode_stream(special=special)
    return [*(id for part in parts for id in stream.feed_list(part)), *stream.finish_list()]


def check(tok: dstok.Tokenizer, judge: tokenizers.Tokenizer, text: str) -> None:
    """Ids, in one call and fed character by character, the tokens' spans, and which are added tokens."""
    expected = judge.encode(text, add_special_tokens=False)
    assert tok.encode(text) == expected.ids, text
    assert in_stream(tok, list(text)) == expected.ids, text
    found = tok.encode_with_offsets(text)
    assert found.ids.tolist() == expected.ids
    assert [tuple(span) for span in found.char_spans.tolist()] == expected.offsets, text
    flagged, plain = set(found.ids[found.special].tolist()), set(found.ids[~found.special].tolist())
    assert flagged <= set(tok.added_tokens.values())
    assert max(plain, default=0) < FIRST_NEW


def check_all(added: list[dict[str, Any]], *texts: str) -> None:
    """Holds tokens and texts, in fullwidth forms, against upstream."""
    for pattern in PATTERNS:
        tok, judge = both_with(MERGES, [{**token, "content": wide(token["content"])} for token in added], pattern)
        for text in texts:
            check(tok, judge, wide(text))


def test_raw_tokens_go_before_normalized_ones() -> None:
    """Also where the normalized one begins earlier; and a normalized one is not matched across a raw one."""
    check_all([added_token("abc", normalized=True), added_token("xb")], "abxbc", "abcxbabc", "axbbc")
    tok, _ = both(model_json([], [added_token("abc", normalized=True), added_token("xb")], None))
    assert tok.encode("abxbc") == [97, 98, 257, 99]


def test_of_the_tokens_that_begin_first_the_longest() -> None:
    tokens = [added_token(text) for text in ("a", "ab", "abcd", "bcd", "bc", "cde", "aab", "dd")]
    check_all(tokens, "abcd", "abcde", "abce", "aabcd", "aaab", "bcde", "xabcabcd", "abcddd", "ddd", "abcabcabcdabcx")


def test_tokens_side_by_side_and_at_the_ends() -> None:
    check_all([added_token("<a>"), added_token("<b>", normalized=True)], "<a><a><b><b><a>", "<a>", "<b>x<a>", "<<a>>",
              "", "<a", "<a<a>", "<b<b><b")


def test_tokens_of_regex_characters_are_literal() -> None:
    texts = [".", "a.b", "a*", "[ab]", "(?i:x)", r"\w", "^", "$", "|", "a|b", "x{2}", r"\Q", "+?", "{", "}"]
    every = "a.b axb a* aa [ab] a (?i:x) X \\w w ^ $ | a|b xx x{2} \\Q +? {}{"
    for pattern in PATTERNS:
        # With another letter after it no token is that of a byte.
        tok, judge = both_with(MERGES, [added_token(f"{text}ж") for text in texts], pattern)
        for text in (every, every.replace(" ", "ж "), "ж".join(every), "ж".join(texts)):
            check(tok, judge, text)


def test_tokens_that_hold_white_space() -> None:
    tokens = [added_token(text, normalized=n) for text, n in (
        ("\n", False), ("a b", False), ("  ", True), (" x", True), ("\r\n", False), ("a\u3000", True), ("\t ", True))]
    check_all(tokens, "\n\n\r\n\r", "a b a  b", "a\u3000x", "    x", " \t  x \t", "x  \n x   x")


def test_stripping_takes_white_space_once() -> None:
    """Of every kind, but not what the token before has taken; on the left not beyond the text's start."""
    spaces = "".join(map(chr, [9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x202F, 0x205F, 0x3000]))
    for normalized in (False, True):
        for left in (False, True):
            tokens = [added_token("L", lstrip=True, normalized=left), added_token("R", rstrip=True, normalized=normalized),
                      added_token("B", lstrip=True, rstrip=True, normalized=normalized)]
            check_all(tokens, "a L b", "a R b", "  B  ", "R L", "R   L", "L R", "B B  B", "B L R B", " \n L", "\u200bL\u180e",
                      f"a{spaces}L{spaces}R{spaces}b{spaces}B{spaces}", "a  L", "R  a", "aR", "R", "  ", "aL  Rb")


@pytest.mark.parametrize("added", [
    added_token("<T>", single_word=True), added_token("T", single_word=True, normalized=True),
    added_token("<T>", lstrip=True), added_token("T", rstrip=True),
], ids=["word", "word-normalized", "left", "right"])
def test_every_code_point_beside_a_token(added: dict[str, Any]) -> None:
    r"""What is a word character and what is white space, for all code points (outside deep: a share of them)."""
    tok, judge = both(model_json([], [added], r".|\n"))
    pages = [page for page in range(0, 0x110000, 256) if not 0xD800 <= page < 0xE000]
    shown = [*pages[:18], *share(pages[18:], 80)]
    texts = []
    for page in shown:
        chars = [chr(c) for c in range(page, page + 256)]
        texts.append("".join(f"{c}<T>-" for c in chars) + "".join(f"-<T>{c}" for c in chars))
    for text, expected in zip(texts, judge.encode_batch_fast(texts, add_special_tokens=False)):
        assert tok.encode(text) == expected.ids, hex(ord(text[0]))


def test_a_single_word_has_no_word_character_beside_it() -> None:
    """Joiners, marks, underscore, digits and letters of all scripts count; a token's own text beside it does, too."""
    for normalized in (False, True):
        tokens = [added_token("w", single_word=True, normalized=normalized), added_token("-", normalized=normalized),
                  added_token("x"), added_token("s", single_word=True, lstrip=True, rstrip=True, normalized=normalized)]
        beside = ["", " ", "_", "7", "é", "中", "\u200d", "\u200c", "\u0301", "\u20dd", "\u00b2", "-", "x", "w", ".", "Ⓐ", "𝔞"]
        check_all(tokens, *(f"{left}{token}{right}" for token in "ws" for left in beside for right in beside))


def test_a_rejected_match_hides_what_begins_inside_it() -> None:
    """It is passed over whole; also if the stream ends inside it and the text is looked at again."""
    tokens = [added_token("ab", single_word=True), added_token("bb"), added_token("ba"), added_token("a-")]
    check_all(tokens, "xabbb", "xabbbbb", "xabaa", "xababa", "ab-", "xab-ab", "aba-b")
    nested = [added_token("abc", single_word=True), added_token("ab"), added_token("bc"), added_token("c")]
    check_all(nested, "xabcc", "abcabc", "-abc-", "abcc", "aabcbc")


def test_five_thousand_tokens() -> None:
    """They are all found, beside each other and in text, and cost no more than a few."""
    rng = random.Random(5)
    contents = {"".join(rng.choices(wide("abc<|>") + "▁я", k=rng.randint(1, 9))) for _ in range(8000)}
    contents = set(sorted(contents)[:5000])
    assert len(contents) == 5000
    added = [added_token(content, normalized=rng.random() < 0.5, single_word=rng.random() < 0.1,
                         lstrip=rng.random() < 0.1, rstrip=rng.random() < 0.1) for content in sorted(contents)]
    tok, judge = both(model_json(MERGES, added, PATTERNS[2]))
    for _ in range(40):
        parts = rng.choices(sorted(contents), k=50) + rng.choices([*wide("ab|x_"), " ", "é"], k=50)
        rng.shuffle(parts)
        check(tok, judge, "".join(parts))


letters = st.sampled_from(wide("aab_") + " ")


@st.composite
def token_sets(draw: st.DrawFn) -> list[dict[str, Any]]:
    contents = draw(st.lists(st.text(letters, min_size=1, max_size=4), min_size=1, max_size=5, unique=True))
    tokens = [added_token(content, **{flag: draw(st.booleans()) for flag in FLAGS}) for content in contents]
    for token in tokens:
        if token["content"].startswith(" "):  # refused beside a token with rstrip, see below
            assume(not any(other["rstrip"] and other["normalized"] == token["normalized"] for other in tokens))
    return tokens


@examples(250, deep=30_000)
@given(st.data(), token_sets(), st.sampled_from(PATTERNS[:3] + [None]))
def test_random_tokens(data: st.DataObject, added: list[dict[str, Any]], pattern: str | None) -> None:
    """All flags, on texts of the tokens' letters: whole, in random parts of str and of bytes, and in single bytes."""
    tok, judge = both_with(MERGES, added, pattern)
    pieces = st.sampled_from([*(token["content"] for token in added), *wide("ab_"), " ", "é"])
    for text in data.draw(st.lists(st.lists(pieces, max_size=12).map("".join), min_size=1, max_size=4)):
        check(tok, judge, text)
        expected = upstream_ids(judge, text)
        places = data.draw(st.lists(st.integers(0, 40), max_size=6))
        assert in_stream(tok, cut_at(text, places)) == expected
        assert in_stream(tok, cut_at(text.encode(), places)) == expected
        assert in_stream(tok, [bytes([byte]) for byte in text.encode()]) == expected
        assert tok.count(text) == len(expected)


def test_white_space_that_two_tokens_would_take_is_refused() -> None:
    """Upstream gives both tokens, with spans that overlap, or panics; only where both are matched in one pass."""
    after, blank = added_token("a", rstrip=True), added_token(" b")
    judge = tokenizers.Tokenizer.from_str(model_json([], [after, blank]))
    assert judge.encode("a b", add_special_tokens=False).offsets == [(0, 2), (1, 3)]
    with pytest.raises(dstok.UnsupportedError, match=r"begins with white space") as caught:
        dstok.Tokenizer.from_str(model_json([], [after, blank]))
    assert caught.value.where == "$.added_tokens[1]"
    check_all([after, {**blank, "normalized": True}], "a b", " b a b", "a  b")


@pytest.mark.parametrize("normalized", [False, True])
def test_a_token_far_longer_than_one_that_it_begins_with_is_refused(normalized: bool) -> None:
    """What is after the shorter one would be read again for each place of a text: a megabyte of `a` for hours."""
    def tokens(after: int) -> list[dict[str, Any]]:
        texts = "a" * 3 + "b" * after, "a" * 2, "a"
        return [added_token(text, normalized=normalized) for text in texts]

    check_all(tokens(331), "a" * 20, "a" * 5 + "b" * 331, "a" * 5 + "b" * 330 + "a")  # three bytes a letter
    with pytest.raises(dstok.UnsupportedError, match="begins with 'a', another one, and has more than 1000") as caught:
        dstok.Tokenizer.from_str(model_json([], tokens(999)))
    assert caught.value.where == "$.added_tokens[0]"


@examples(150)
@given(st.data(), token_sets(), st.sampled_from(PATTERNS))
def test_policies(data: st.DataObject, added: list[dict[str, Any]], pattern: str | None) -> None:
    """A set matches as if there were no other tokens, "none" as if there were none, "raise" refuses the first."""
    tok, judge = both_with(MERGES, added, pattern)
    chosen = data.draw(st.lists(st.sampled_from(added), unique_by=lambda token: token["content"]))
    kept = [token for token in added if token in chosen]  # in the order of the file
    _, judge_of_kept = both_with(MERGES, kept, pattern)
    _, judge_of_none = both_with(MERGES, [], pattern)
    pieces = st.sampled_from([*(token["content"] for token in added), *wide("ab"), " ", "é"])
    text = data.draw(st.lists(pieces, max_size=10).map("".join))
    places = data.draw(st.lists(st.integers(0, 40), max_size=6))
    special: Any
    allowed = {token["content"] for token in chosen}
    for special, expected in ((allowed, judge_of_kept), ("none", judge_of_none)):
        tokens = [expected.id_to_token(id) for id in upstream_ids(expected, text)]
        assert [tok.id_to_token(id) for id in tok.encode(text, special=special)] == tokens
        assert [tok.id_to_token(id) for id in in_stream(tok, cut_at(text, places), special)] == tokens
    found = tok.encode_with_offsets(text)
    if not found.special.any():
        assert tok.encode(text, special="raise") == upstream_ids(judge, text)
        return
    first = int(found.special.argmax())
    for refuse in (
        lambda: tok.encode(text, special="raise"), lambda: tok.encode(text.encode(), special="raise"),
        lambda: tok.count(text, special="raise"), lambda: tok.encode_batch(["é", text], special="raise"),
        lambda: tok.encode_with_offsets(text, special="raise"), lambda: tok.truncate(text, 1000, special="raise"),
        lambda: in_stream(tok, cut_at(text.encode(), places), "raise"), lambda: in_stream(tok, list(text), "raise"),
    ):
        with pytest.raises(dstok.SpecialTokenError) as caught:
            refuse()
        assert tok.token_to_id(caught.value.token) == found.ids[first]
        assert text.encode()[caught.value.offset :].startswith(caught.value.token.encode())
        start, end = found.byte_spans[first].tolist()
        assert start <= caught.value.offset < end
    pickle.loads(pickle.dumps(caught.value))


def test_policies_that_name_no_token() -> None:
    tok, _ = both(model_json([], [added_token("<a>")]))
    for special in ("every", "", "<a>"):
        with pytest.raises(ValueError, match="expected special to be"):
            tok.encode("x", special=special)  # type: ignore[arg-type]
    wrong: Any
    for wrong, found in ((None, "NoneType"), (5, "int"), (b"all", "bytes"), (iter(["<a>"]), "list_iterator")):
        with pytest.raises(TypeError, match=f"expected special to be .* texts, found {found}$"):
            tok.encode("x", special=wrong)
    for wrong, found in (([5], "int"), ([["<a>"]], "list"), ({b"<a>"}, "bytes")):
        with pytest.raises(TypeError, match=f"expected texts of added tokens in special, found {found}$"):
            tok.encode("x", special=wrong)
    with pytest.raises(dstok.errors.UnknownTokenError, match="<b>"):
        tok.encode("x", special={"<a>", "<b>"})
    assert tok.encode("<a>", special=["<a>"]) == tok.encode("<a>", special=frozenset({"<a>"})) == [256]
    assert tok.encode("<a>", special=[]) == [60, 97, 62]


def test_more_sets_than_are_kept() -> None:
    added = [added_token(f"<{number}>") for number in range(12)]
    tok, _ = both(model_json([], added))
    text = "".join(token["content"] for token in added)
    for bits in range(1, 4096, 37):
        allowed = {token["content"] for number, token in enumerate(added) if bits >> number & 1}
        shown = [tok.id_to_token(id) for id in tok.encode(text, special=allowed) if id >= 256]
        assert set(shown) == allowed and len(shown) == len(allowed)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_longer_than_a_window(pattern: str | None) -> None:
    """Work goes on portion by portion, and a portion may end anywhere in a token, rejected or not."""
    rng = random.Random(8)
    for seed in range(3) if DEEP else [SEED % 3]:
        added = [added_token(wide("".join(rng.choices("aab_", k=rng.randint(1, 4))) + str(number)),
                             **{flag: rng.random() < 0.4 for flag in FLAGS}) for number in range(6)]
        added += [added_token(wide("ab"), single_word=True), added_token(wide("ba"), normalized=seed == 1),
                  added_token(wide("bb"))]
        tok, judge = both_with(MERGES, added, pattern)
        parts = [*(token["content"] for token in added), *wide("ab_0"), " ", "\n", "é", "x"]
        text = "".join(rng.choices(parts, k=70_000 if pattern else 5_000))
        expected = upstream_ids(judge, text)
        assert tok.encode(text) == tok.encode(text.encode()) == expected
        assert tok.count(text) == len(expected)
        assert in_stream(tok, cut_at(text, rng.choices(range(len(text)), k=300))) == expected


@pytest.mark.parametrize("before", ["é", "中", "𝔞", "\U0001f999"])
def test_what_stands_before_a_window(before: str) -> None:
    """A single word at the very start of a portion still sees the whole character before it, here of another token."""
    added = [added_token("<T>", single_word=True), added_token("<U>", single_word=True, normalized=True), added_token(before)]
    tok, judge = both_with([], added, "[^x]|x+")
    for length in [*share(range(65_520, 65_540), 4), 65_536]:
        text = "x" * (length - 3) + f"{before}<T>-{before}<U>-<T>"
        assert tok.encode(text) == upstream_ids(judge, text), length
        assert in_stream(tok, [text[: length + 1], text[length + 1 :]]) == upstream_ids(judge, text), length


@pytest.mark.parametrize("firsts", ["<", "<[", "<[]", "<[]\uff1c", "<[]\uff1c!"])
@pytest.mark.parametrize("name", levels())
def test_where_tokens_begin(firsts: str, name: str) -> None:
    """Bytes that begin a token, at every place of a block, and at none: at each level."""
    contents = [(first + "x").encode() for first in firsts]
    with level(name):
        matcher = Matcher([(content, False, False, False) for content in contents])
    policy = Policy(matcher, None, list(range(len(contents))), [], (tuple(map(bytes.decode, contents)), ()), False)
    for size in (0, 1, 31, 32, 33, 63, 64, 65, 200):
        assert policy.raw_spans(b"b" * size) == []
        for index, content in enumerate(contents):
            for at in range(size + 1):
                text = b"b" * at + content + b"b" * (size - at)
                assert policy.raw_spans(text) == [(at, at + len(content), at, index)]


@pytest.mark.parametrize("name", levels())
def test_starts_that_no_token_has(name: str) -> None:
    """Texts full of first bytes with others after them, for tokens of one to five bytes, and to the text's last byte."""
    chance = chance_of_today(f"starts {name}")
    for _ in range(100):
        contents = sorted({bytes(chance.choices(b"<|/t", k=chance.randint(1, 5))) for _ in range(chance.randint(1, 20))})
        with level(name):
            matcher = Matcher([(content, False, False, False) for content in contents])
        policy = Policy(matcher, None, list(range(len(contents))), [], (tuple(map(bytes.decode, contents)), ()), False)
        longest = re.compile(b"|".join(re.escape(content) for content in sorted(contents, key=len, reverse=True)))
        for _ in range(10):
            text = bytes(chance.choices(b"<|/t.", weights=[4, 1, 1, 1, chance.choice([1, 50])], k=chance.randint(0, 300)))
            spans = [(found.start(), found.end()) for found in longest.finditer(text)]
            assert [(start, end) for start, end, _, _ in policy.raw_spans(text)] == spans, (contents, text)
