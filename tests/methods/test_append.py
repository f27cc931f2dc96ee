"""Growing texts: after each part the ids are those of the whole, `kept` is exact, and work is for the end alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kept import kept
from real_models import at_level, levels
from reference import cut_at, examples
from small_models import added_token, model_json
from text_strategies import special_parts, special_texts, texts

import dstok
from dstok.methods.incremental import IncrementalEncoder

V3 = ("deepseek-v3", "deepseek-v4")
FLAGS = [added_token("<w>", single_word=True), added_token("<wn>", single_word=True, normalized=True),
         added_token("<l>", lstrip=True), added_token("<ln>", lstrip=True, normalized=True),
         added_token("<r>", rstrip=True), added_token("<rn>", rstrip=True, normalized=True),
         added_token("<a>"), added_token("<a>b"), added_token("ab", normalized=True),
         added_token("<lrw>", lstrip=True, rstrip=True, single_word=True),
         added_token("_ab", single_word=True, normalized=True), added_token("(<w>", single_word=True)]
MERGES = [(b"a", b"b"), (b" ", b"a"), (b"1", b"2"), (b"<", b"w"), (b" ", b" "), (b"ab", b"c")]
SMALL = {"words": r"\s+|\w+|[^\s\w]+", "one piece": None, "digits": [r"\p{N}{1,3}", r"\s+(?!\S)|\s+"]}
SPECIAL = ["all", "none", "raise", frozenset({"<｜User｜>", "<｜begin▁of▁sentence｜>"})]
SMALL_SPECIAL = ["all", "none", "raise", frozenset({"<w>", "<l>", "<rn>", "<a>b"})]

mixed = st.lists(st.one_of(special_texts, special_parts, texts), max_size=6).map("".join)
flagged = st.lists(st.one_of(
    st.sampled_from([token["content"] for token in FLAGS]),
    st.sampled_from(["ab<wn>", "c_ab", "c(<w>", "<a>b<wn>", "ab<", "ab<w"]),
    st.sampled_from(["<", ">", "<a", "b", "a", " ", "  ", "\n", "\u3000", "12", "é", "中", "\u200d", "_", "c"])),
    max_size=15).map("".join)
cuts = st.lists(st.integers(0, 400), max_size=10)


@kept()
def small(name: str) -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(model_json(MERGES, FLAGS, SMALL[name]))


def common(one: list[int], other: list[int]) -> int:
    """The length of the common start, by trying all."""
    return max(n for n in range(min(len(one), len(other)) + 1) if one[:n] == other[:n])


def check(tok: dstok.Tokenizer, parts: list[Any], special: Any, whole: Any = "") -> None:
    """Appends the parts one by one; where the whole is refused, the part is, and is left out."""
    growing, before = tok.encode_incremental(special=special), list[int]()
    for part in parts:
        try:
            expected = tok.encode(whole + part, special=special)
        except dstok.SpecialTokenError as error:
            with pytest.raises(dstok.SpecialTokenError) as caught:
                growing.append(part)
            assert (caught.value.token, caught.value.offset) == (error.token, error.offset)
            assert growing.ids == before
            continue
        kept, new = growing.append(part)
        assert growing.ids == before[:kept] + new == expected
        assert kept == common(before, expected) and len(growing) == len(expected)
        whole, before = whole + part, expected


@examples(400)
@given(mixed, cuts, st.sampled_from(SPECIAL), st.sampled_from(V3), st.booleans())
@example("<｜begin▁of▁sentence｜>", [14], "all", "deepseek-v3", False)
@example("<｜begin▁of▁sentence｜>", [14], "raise", "deepseek-v3", True)
@example("1234567890123", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "all", "deepseek-v3", False)
@example("日本語の中国人" * 9, [1, 5, 20, 40, 41], "all", "deepseek-v3", True)
@example("a  \n \n  b \r\n\r\n c", list(range(14)), "all", "deepseek-v3", False)
@example("", [], "all", "deepseek-v3", False)
def test_built_in_models(text: str, places: list[int], special: Any, name: str, as_bytes: bool) -> None:
    parts = cut_at(text, places)
    whole: Any = ""
    if as_bytes:
        parts, whole = [part.encode() for part in parts if isinstance(part, str)], b""
    check(dstok.load(name) if name == "deepseek-v4" else at_level(name, levels()[-1]), parts, special, whole)


@examples(150)
@given(mixed, cuts, st.sampled_from(levels()))
def test_at_each_level(text: str, places: list[int], level: str) -> None:
    check(at_level("deepseek-v3", level), cut_at(text, places), "all")


@examples(600)
@given(flagged, cuts, st.sampled_from(SMALL_SPECIAL), st.sampled_from(list(SMALL)))
@example("a<w>a <w> <w>", [1, 4, 5, 9, 10], "all", "words")
@example("a  <l>  <r>  b", [1, 2, 3, 6, 7, 8, 11, 12], "all", "words")
@example("<a>b<a>c", [3, 4, 7], "all", "digits")
@example("<a>b", [3], "raise", "one piece")
@example("ab<wn>", [], "all", "words")
@example("ab<wn>  ab<wn>", [3, 11], "all", "one piece")
@example("c_ab ab", [4, 5], "all", "words")
@example("c(<w>< ", [3, 4, 5, 6], "all", "one piece")
@example(" <lrw>  _<lrw>\n", [1, 6, 7, 8, 9, 14], "all", "words")
def test_flags_of_added_tokens(text: str, places: list[int], special: Any, name: str) -> None:
    check(small(name), cut_at(text, places), special)


def test_one_character_at_a_time() -> None:
    text = "Hello wörld, 12345!\r\n\r\n 东京都 \U0001f999\u20c1 don't<｜User｜>  x \t\n" * 3
    check(dstok.load("deepseek-v3"), list(text), "all")
    growing = dstok.load("deepseek-v3").encode_incremental()
    for char in "a" * 3000:
        growing.append(char)
    assert growing.ids == dstok.load("deepseek-v3").encode("a" * 3000)


def test_faulty_text() -> None:
    """A part that is no text changes nothing, and its offset is that in the part; or it is replaced."""
    tok = dstok.load("deepseek-v3")
    growing = tok.encode_incremental(add_bos=True)
    growing.append("é 12")
    for part, offset in (("ab\ud800", 2), (b"abc\xff", 3), (b"\xf0\x9f", 0)):
        with pytest.raises(dstok.TextError) as caught:
            growing.append(part)
        assert caught.value.offset == offset
    for wrong in (None, 5, ["a"]):
        with pytest.raises(TypeError):
            growing.append(wrong)  # type: ignore[arg-type]
    growing.append("3")
    assert growing.ids == tok.encode("é 123", add_bos=True)
    growing = tok.encode_incremental(errors="replace")
    for part in ("é\ud83e", "\udd99", b"\xff a"):
        growing.append(part)
    assert growing.ids == tok.encode("é\ud83e\udd99\ufffd a", errors="replace")


def test_bos() -> None:
    tok = dstok.load("deepseek-v3")
    growing = tok.encode_incremental(add_bos=True)
    assert growing.ids == [tok.bos_id] and len(growing) == 1
    assert growing.append("Hello") == (1, tok.encode("Hello"))
    assert growing.append("") == (2, [])
    growing.ids.clear()
    assert growing.ids == tok.encode("Hello", add_bos=True)


def test_bad_arguments() -> None:
    tok = dstok.load("deepseek-v3")
    with pytest.raises(ValueError, match="bogus"):
        tok.encode_incremental(errors="bogus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bogus"):
        tok.encode_incremental(special="bogus")  # type: ignore[arg-type]
    with pytest.raises(dstok.errors.UnknownTokenError):
        tok.encode_incremental(special={"bogus"})
    with pytest.raises(dstok.DstokError, match="add_bos"):
        small("words").encode_incremental(add_bos=True)


class _Meter:
    """An encoder that notes how many bytes each call is given to look at."""

    def __init__(self, tok: dstok.Tokenizer) -> None:
        self.encoder, self.bytes, self.cuts_texts = tok._encoder, 0, False

    def encode_part(self, text: bytes, *rest: Any) -> Any:
        self.bytes += 2 * len(text)
        return self.encoder.encode_part(text, *rest)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("parts", [
    ["A word, and 12345 more. ", "It is so!\n\n", "<｜User｜>", " don't", "\tx = f(y)\n"],
    ["东京都是日本的首都。", "かな", "カタカナ,", "한국어 "],
    ["1", "23456"],
    ["<｜begin▁of▁sen", "tence｜>"],
])
def test_work_is_for_the_end(level: str, parts: list[str]) -> None:
    """However long the text is, an append looks at what it adds, and at less than 200 bytes before it, twice."""
    tok = at_level("deepseek-v3", level)
    meter = _Meter(tok)
    growing = tok.encode_incremental()
    growing._encoder = IncrementalEncoder(tok, tok._added.policy("all"))
    growing._encoder._encoder = meter  # type: ignore[assignment]
    text = []
    for part in itertools.islice(itertools.cycle(parts), 4000):
        meter.bytes = 0
        growing.append(part)
        assert meter.bytes <= 2 * (len(part.encode()) + 200)
        text.append(part)
    assert growing.ids == tok.encode("".join(text))


def test_a_long_part() -> None:
    """A first part as long as a server's context, in one append, then small ones."""
    tok = dstok.load("deepseek-v3")
    text = "".join(f"Line {i}: it's 中文 and text. \n" for i in range(20_000))
    growing = tok.encode_incremental()
    assert growing.append(text) == (0, tok.encode(text))
    assert len(growing._encoder._seen.text) < 100
    growing.append("tail")
    assert growing.ids == tok.encode(text + "tail")
