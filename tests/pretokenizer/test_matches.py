"""Matches are those of the package `regex` and of upstream, in every call and on every kind of text."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import examples
from regex_patterns import judge_of_matches, matches_by
from upstream import upstream_pieces

from dstok import DstokError, Split, Splitter, TextError, UnsupportedError
from dstok.conformance.strategies import pattern_texts, patterns
from dstok.errors import ArgumentError, GroupError, PickleError
from dstok.pretokenizer.re_api import Match, Matcher
from dstok.regex.ast import is_nullable
from dstok.regex.parser import parse


def both(pattern: str) -> tuple[Splitter, Any]:
    """The splitter of a pattern, and the same pattern in `regex`; the example is dropped if one of them takes it not."""
    try:
        splitter, judge = Splitter(pattern), judge_of_matches(pattern)
    except (DstokError, regex.error):
        assume(False)
    assume(judge is not None)
    return splitter, judge


@given(patterns(), st.lists(pattern_texts(), min_size=4, max_size=4))
@examples(400)
def test_matches_are_those_of_regex(pattern: str, some: list[str]) -> None:
    splitter, judge = both(pattern)
    matcher = splitter._matcher._pattern
    groups = [n for n in range(judge.groups + 1) if n not in matcher.refused]
    for text in some:
        assert matches_by(splitter.matcher(), text, groups) == matches_by(judge, text, groups)
        assert splitter.matcher().count(text) == len(list(judge.finditer(text)))
        assert splitter.matcher().subn("-", text) == judge.subn("-", text)
        assert splitter.matcher().subn(lambda m: f"<{m.group()}>", text, 2) == judge.subn(lambda m: f"<{m.group()}>", text, 2)
        if not matcher.refused:
            assert splitter.matcher().findall(text) == judge.findall(text)


@given(patterns(), st.lists(pattern_texts(), min_size=4, max_size=4))
@examples(150)
def test_matches_are_upstream_s_pieces(pattern: str, some: list[str]) -> None:
    try:
        splitter, nullable = Splitter(pattern), is_nullable(parse(pattern))
    except DstokError:
        assume(False)
    assume(not nullable)
    for text in some:
        assert [match.group() for match in splitter.matcher().finditer(text)] == upstream_pieces(
            [Split(pattern, "Removed", True)], text)


@given(patterns(), pattern_texts())
@examples(100)
def test_each_kind_of_text_has_the_same_matches(pattern: str, text: str) -> None:
    try:
        splitter = Splitter(pattern)
    except DstokError:
        assume(False)
    found = [(match.span(), match.group()) for match in splitter.matcher().finditer(text)]
    assert [text[start:end] for (start, end), _ in found] == [group for _, group in found]
    data = text.encode()
    for buffer in (data, bytearray(data), memoryview(data)):
        in_bytes = list(splitter.matcher().finditer(buffer))
        assert [match.group().decode() for match in in_bytes] == [group for _, group in found]
        assert all(data[slice(*match.span())] == match.group() for match in in_bytes)
        assert [m.span() for m in splitter.matcher().finditer(buffer, unit="characters")] == [span for span, _ in found]
    assert [m.span() for m in splitter.matcher().finditer(text, unit="bytes")] == [m.span() for m in splitter.matcher().finditer(data)]
    called: list[tuple[int, int]] = []
    assert splitter.matcher().scan(text, lambda *span: called.append(span)) == len(found) == splitter.matcher().count(data)
    assert called == [span for span, _ in found]


@pytest.mark.parametrize("pattern", [r"(?<a>\w+)=(?<b>\d+)?", r"(a)|(b)|(c+)", r"((a|b)+)(c)?", "(a??)(b|)", "(?:(a)|b)+",
                                     r"(?<=x)(\w)(?=y+z)", "(a*?)(a*)b", "((a)|b|(c)){2}", r"(\w+?)(\d*)(?!\w)"])
@pytest.mark.parametrize("text", ["", "a=1, é=22 b=", "abcabcc", "xayz xby axy", "aab", "bca cab", "x1y éb22"])
def test_groups_are_those_of_regex(pattern: str, text: str) -> None:
    splitter, judge = Splitter(pattern), regex.compile(pattern.replace("?<a>", "?P<a>").replace("?<b>", "?P<b>"))
    for match, expected in zip(splitter.matcher().finditer(text), judge.finditer(text), strict=True):
        assert match.groups() == expected.groups()
        assert match.groupdict() == expected.groupdict()
        assert [match.span(n) for n in range(judge.groups + 1)] == list(expected.regs)
        assert match.group(0, 1) == expected.group(0, 1)
        assert match.expand(r"\1-\g<1>\n") == expected.expand(r"\1-\g<1>\n")
    assert splitter.matcher().sub(r"[\1]", text) == judge.sub(r"[\1]", text)
    assert splitter.matcher().findall(text) == judge.findall(text)


def test_a_large_text_is_read_in_blocks() -> None:
    text = "ab é 12 " * 60_000
    for splitter in (Splitter(r"\w+"), Splitter(r"z|\w+(?= 1)"), Splitter(r"(?<=é )\d+"), Splitter(r"\d*")):
        pattern = splitter.splits[0].pattern
        expected = [match.span() for match in regex.finditer(pattern, text)]
        assert [match.span() for match in splitter.matcher().finditer(text)] == expected
        assert [match.span() for match in splitter.matcher().finditer(text.encode(), unit="characters")] == expected
        assert splitter.matcher().count(text) == len(expected)
    assert Splitter("z").matcher().search(text) is None
    assert [match.span() for match in Splitter("z").matcher().finditer(text + "z")] == [(len(text), len(text) + 1)]
    assert next(Splitter(r"\w+").matcher().finditer(text)).group() == "ab"


def of(text: str | bytes, template: str) -> Any:
    return template if isinstance(text, str) else template.encode()


def each(ask: Callable[[Any, Any], Any]) -> Callable[[Splitter, Any], Any]:
    """What one call of a match gives, for each match of a text."""
    return lambda splitter, text: [ask(match, text) for match in splitter.matcher().finditer(text)]


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "findall": lambda s, text: s.matcher().findall(text), "finditer": lambda s, text: [*s.matcher().finditer(text)],
    "search": lambda s, text: s.matcher().search(text).groups(), "match": lambda s, text: s.matcher().match(text).groups(),
    "fullmatch": lambda s, text: s.matcher().fullmatch(text), "count": lambda s, text: s.matcher().count(text),
    "sub": lambda s, text: s.matcher().sub(of(text, r"<\1\g<b>>"), text), "scan": lambda s, text: s.matcher().scan(text, lambda *_: None),
    "subn": lambda s, text: s.matcher().subn(lambda match: match.expand(match.group()), text),
    "group": each(lambda m, _: m.group(1, "b")), "__getitem__": each(lambda m, _: m["b"]), "__repr__": each(lambda m, _: repr(m)),
    "groups": each(lambda m, _: m.groups()), "groupdict": each(lambda m, _: m.groupdict()),
    "span": each(lambda m, _: (m.span(), m.span(1))), "start": each(lambda m, _: m.start(2)), "end": each(lambda m, _: m.end(1)),
    "expand": each(lambda m, text: m.expand(of(text, r"\2\n\g<b>"))), "byte_span": each(lambda m, _: m.byte_span)}


def looked_at(call: Callable[[Any, Any], Any], splitter: Splitter, text: str | bytes) -> int:
    """The work of a call: the lengths of all texts that a method of C is called on, and of those read for oracles."""
    total = 0

    def note(_: Any, event: str, called: Any) -> None:
        nonlocal total
        if event == "c_call":
            owner = getattr(called, "__self__", None)
            total += len(owner) if isinstance(owner, str | bytes | memoryview) else 0
            total += len(text) if called.__name__ == "letters" else 0

    sys.setprofile(note)
    try:
        call(splitter, text)
    finally:
        sys.setprofile(None)
    return total


@pytest.mark.parametrize("pattern", [r"(?<a>\w)(?<b>\w)?", r"(?<a>.)(?=c?)(?<b>b)|", r"(?<a>\w)(?<b>c|(?!\w))?"])
@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_linear(name: str, pattern: str) -> None:
    splitter = Splitter(pattern)
    for run in ("ab ", "éb ", b"ab ", "éb ".encode()):
        less, more = (looked_at(CALLS[name], splitter, run * count) for count in (500, 2_000))
        assert more <= 4.2 * less + 1000


def test_each_public_call_is_among_them() -> None:
    public = {name for each in (Matcher, Match) for name in vars(each) if not name.startswith("_")}
    assert public == {name for name in CALLS if not name.startswith("_")}


def test_groups_of_a_very_long_match_are_refused() -> None:
    match: Any = Splitter("(a|b)+").matcher().search("ab" * 12_000_000)
    assert match.span() == (0, 24_000_000)
    with pytest.raises(UnsupportedError, match="groups of a match of 24000000 bytes, longer than [0-9]+"):
        match.group(1)
    assert next(Splitter("(a|b)+").matcher().finditer("ab" * 1_000_000)).group(1) == "b"


def test_behavior_and_inversion_do_not_matter() -> None:
    found = {Splitter(r"\d+", behavior=behavior, invert=invert).matcher().sub("", "a1 22b")
             for behavior in ("Isolated", "Removed", "MergedWithNext", "Contiguous") for invert in (False, True)}
    assert found == {"a b"}


@pytest.mark.parametrize(("pattern", "reason"), [
    ("(?>(a))", "inside an atomic group"), ("(?=(a))a", "inside a look-around"), ("(a)++", "inside an atomic group"),
    ("(?:(a)|b?)*", "inside a repetition of what can match the empty text")])
def test_a_group_that_cannot_be_exact_is_refused_by_name(pattern: str, reason: str) -> None:
    match: Any = Splitter(pattern).matcher().search("a")
    assert match.group() == "a"
    for ask in (lambda: match.group(1), match.groups, lambda: match.expand(r"\1")):
        with pytest.raises(UnsupportedError, match=reason):
            ask()


def test_the_name_of_several_groups_is_refused() -> None:
    match: Any = Splitter("(?<n>a)|(?<n>b)").matcher().search("b")
    assert match.groups() == (None, "b")
    with pytest.raises(UnsupportedError, match="several groups"):
        match.groupdict()


def test_wrong_arguments_are_errors_of_dstok() -> None:
    matcher: Any = Splitter("(a)").matcher()
    match = matcher.search("a")
    for group in (2, -1, "n", 1.5):
        with pytest.raises(GroupError, match="expected a group out of 0, 1"):
            match.group(group)
    with pytest.raises(UnsupportedError, match="a splitter with 2 steps"):
        Splitter(["a", "b"]).matcher().findall("a")
    with pytest.raises(UnsupportedError, match="a splitter with 0 steps"):
        Splitter([]).matcher().findall("a")
    for replacement in (1, b"x", lambda match: b"x", r"\q", "\\", r"\g<2>", r"\2", r"\0"):
        with pytest.raises((ArgumentError, GroupError)):
            matcher.sub(replacement, "a")
    with pytest.raises(ArgumentError, match="count"):
        matcher.sub("x", "a", -1)
    with pytest.raises(ArgumentError, match="unit"):
        matcher.finditer("a", unit="words")
    with pytest.raises(TextError, match="offset 1"):
        matcher.finditer(b"a\xff")
    for text, template, found in (("a", b"x", "bytes"), (b"a", "x", "str"), ("b", b"x", "bytes"), ("a", None, "NoneType")):
        with pytest.raises(ArgumentError, match=f"expected (a function or )?a template of type .*, found {found}"):
            matcher.sub(template, text)
        with pytest.raises(ArgumentError, match=f"expected a template of type .*, as the text is, found {found}"):
            matcher.search(text.replace(*("ba" if isinstance(text, str) else (b"b", b"a")))).expand(template)
    assert matcher.sub("b", b"a\xff".decode("latin-1")) == "bÿ"
    assert matcher.sub(b"b", b"a\xff", errors="replace") == "b�".encode()
    assert matcher.sub("b", "a\ud800", errors="replace") == "b�"


def test_a_match_is_its_own_copy_and_does_not_pickle() -> None:
    match = Splitter("(a)").matcher().search("a")
    assert copy(match) is deepcopy(match) is match
    with pytest.raises(PickleError, match="found a Match, which holds its whole text: pickle what you need of it"):
        pickle.dumps(match)


def test_templates_are_those_of_python() -> None:
    for template in (r"\1\1", r"\g<1>0", r"\\1", r"\n\t", r"a\-b\&", r"\g<0>!", "é"):
        assert Splitter("(a)|b").matcher().sub(template, "xaéb") == regex.sub("(a)|b", template, "xaéb")
        assert Splitter("(a)|b").matcher().sub(template.encode(), "xaéb".encode()) == regex.sub(
            b"(a)|b", template.encode(), "xaéb".encode())
