"""Bad input to every call of a splitter: the error, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from shares import seeds

from dstok import PatternError, Splitter, TextError, UnsupportedError
from dstok.training import count_pieces

WORDS = Splitter(r"\w+|\s")
BOTH_SIDES = Splitter(r"(?<=a)b+c?|(?<=\d)(?=(?:\d{3})+(?!\d))")
SINGLE: dict[str, Callable[..., Any]] = {
    "split": Splitter.split, "spans": Splitter.spans, "count": Splitter.count, "pieces": Splitter.pieces,
    "stream": lambda splitter, text, **keywords: _streamed(splitter, text, **keywords),
}
BATCHES: dict[str, Callable[..., Any]] = {
    "split_batch": Splitter.split_batch, "spans_batch": Splitter.spans_batch, "count_batch": Splitter.count_batch,
    "count_pieces": count_pieces,
}
each_single = pytest.mark.parametrize("call", SINGLE.values(), ids=SINGLE)
each_batch = pytest.mark.parametrize("call", BATCHES.values(), ids=BATCHES)
each_splitter = pytest.mark.parametrize("splitter", [WORDS, BOTH_SIDES], ids=["one side", "both sides"])
INVALID: list[tuple[str | bytes, str]] = [
    (b"ab\xff", "byte offset 2"), (b"\xc3", "byte offset 0"), (b"a\xed\xa0\x80", "byte offset 1"), ("é\udc80", "code point 1")]
WRONG = [1, None, ["a"], 1.5]


def _streamed(splitter: Splitter, text: Any, **keywords: Any) -> list[str]:
    stream = splitter.stream(**keywords)
    return [*stream.feed(text), *stream.finish()]


def test_a_pattern_that_is_no_text() -> None:
    """Upstream takes none, a saved or pickled splitter cannot be read, and no text holds a surrogate."""
    for dialect in ("oniguruma", "fancy-regex"):
        with pytest.raises(PatternError, match="expected a character, found a lone surrogate at position 1 of pattern"):
            Splitter("a\ud800", dialect=dialect)


@each_splitter
@each_single
def test_a_text_that_is_none(call: Callable[..., Any], splitter: Splitter) -> None:
    for text, where in INVALID:
        with pytest.raises(TextError, match=where):
            call(splitter, text)
        assert call(splitter, text, errors="replace") is not None
    for wrong in WRONG:
        with pytest.raises(TypeError, match=f"expected str or bytes as text, found {type(wrong).__name__}"):
            call(splitter, wrong)
    with pytest.raises(TypeError, match="_batch takes several texts"):
        call(splitter, ["a"])
    with pytest.raises(ValueError, match="errors"):
        call(splitter, "a", errors="ignore")


@each_splitter
@each_batch
def test_a_batch_with_a_text_that_is_none(call: Callable[..., Any], splitter: Splitter) -> None:
    for text, where in INVALID:
        with pytest.raises(TextError, match=f"{where} of text 2"):
            call(splitter, ["a", b"b", text, b"\xff"])
        assert call(splitter, ["a", text], errors="replace") is not None
    for wrong in WRONG:
        with pytest.raises(TypeError, match=f"expected str or bytes as text 1, found {type(wrong).__name__}$"):
            call(splitter, ["a", wrong])
    for one in ("ab", b"ab", bytearray(b"ab")):
        with pytest.raises(TypeError, match="expected a list of texts, found one text"):
            call(splitter, one)
    with pytest.raises(TypeError, match="expected a list of texts, found int"):
        call(splitter, 1)
    with pytest.raises(ValueError, match="errors"):
        call(splitter, ["a"], errors="ignore")


@pytest.mark.parametrize("call", [BATCHES["split_batch"], BATCHES["spans_batch"], BATCHES["count_batch"]])
def test_threads(call: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="expected num_threads to be at least 1, found 0"):
        call(WORDS, ["a"], num_threads=0)


def test_an_error_of_the_callers_own_is_let_through() -> None:
    def texts() -> Iterable[str]:
        yield "a"
        raise KeyError("mine")

    for call in BATCHES.values():
        with pytest.raises(KeyError, match="mine"):
            call(WORDS, texts())


@pytest.mark.parametrize(("pattern", "position", "message"), [
    ("a(b", 1, "unclosed group"), ("a)b", 1, "unmatched close"), ("a|*", 2, "nothing before"), ("[a-", 0, "unclosed"),
    ("ab\\", 2, "backslash"), ("[z-a]", 1, "larger"), ("a(?<>b)", 1, "name"), (r"\p{L", 0, "unclosed property"),
])
def test_a_broken_pattern(pattern: str, position: int, message: str) -> None:
    with pytest.raises(PatternError, match=message) as caught:
        Splitter(pattern)
    assert (caught.value.position, caught.value.pattern) == (position, pattern)


@pytest.mark.parametrize("wrong", [1, None, b"a", [b"a"], [["a"]]])
def test_a_pattern_of_the_wrong_type(wrong: Any) -> None:
    with pytest.raises(TypeError):
        Splitter(wrong)


GROWING = [(r"(?=(?:a|b)*a(?:a|b){12})b", "pattern 0, look-ahead at position 0"), ("(?:a{1000}){1000}", "pattern 0"),
           ("(?:a|b)*a(?:a|b){30}", "pattern 0")]


@pytest.mark.parametrize(("pattern", "place"), [GROWING[number] for number in seeds(len(GROWING), 1)])
def test_a_pattern_that_grows_beyond_the_limits_is_refused(pattern: str, place: str) -> None:
    with pytest.raises(UnsupportedError, match=f"more than.*{place}"):
        Splitter(pattern)
