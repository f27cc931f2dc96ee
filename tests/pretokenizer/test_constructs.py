r"""Both dialects construct by construct (constructs.toml): cut as the judge cuts, or refused; never loaded where it refuses.

The judge of fancy-regex is tiktoken; there each pattern ends in `|[\s\S]`, so that nothing is dropped. The judge of
upstream's dialect is upstream. Each day has another share.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from shares import share
from splitter_cases import tiktoken_cuts_so
from upstream import pieces_by, upstream_splitter

from dstok import DstokError, Split, Splitter

TABLE = tomllib.loads(Path(__file__).with_name("constructs.toml").read_text(encoding="utf-8"))
TEXTS = TABLE["texts"]


def patterns() -> list[str]:
    frames = TABLE["frames"]
    framed = (frame.replace("%s", item) for item in [*TABLE["plain"], *TABLE["classes"]] for frame in frames)
    parts = map("".join, product(TABLE["repeated"], TABLE["quantifiers"], TABLE["suffixes"]))
    return list(dict.fromkeys([*framed, *(frame.replace("%s", part) for part in parts for frame in frames[:3])]))


def look_behinds() -> Iterator[str]:
    for sign, count in product("=!", (1, 2, 3)):
        yield from (f"-(?<{sign}{''.join(parts)})" for parts in product(TABLE["behind"], repeat=count))


def by_tiktoken(pattern: str) -> bool:
    """Whether it was taken."""
    try:
        ours = Splitter(pattern, dialect="fancy-regex")
    except DstokError:
        return False
    assert tiktoken_cuts_so(pattern, TEXTS, [ours.split(text) for text in TEXTS]), pattern
    return True


def by_upstream(pattern: str) -> bool:
    try:
        ours = Splitter(pattern)
    except DstokError:
        return False
    judge = upstream_splitter([Split(pattern)])
    for text in TEXTS:
        assert ours.split(text) == pieces_by(judge, text), (pattern, text)
    return True


def test_constructs_by_tiktoken() -> None:
    found = [by_tiktoken(pattern + r"|[\s\S]") for pattern in share(patterns(), 6)]
    assert sum(found) > 0.1 * len(found)


def test_constructs_by_upstream() -> None:
    warnings.simplefilter("ignore")
    found = [by_upstream(pattern) for pattern in share(patterns(), 24)]
    assert sum(found) > 0.6 * len(found)


def test_look_behinds_by_upstream() -> None:
    found = [by_upstream(pattern) for pattern in share(look_behinds(), 20)]
    assert sum(found) > 0.4 * len(found)


@pytest.mark.parametrize(("pattern", "text", "pieces"), [
    (r"ab{2}?c|[\s\S]", "ac", ["a", "c"]), (r"ab{2}?c|[\s\S]", "abbc", ["abbc"]), (r"a{,2}b|[\s\S]", "aab", ["aab"])])
def test_quantifiers_of_fancy_regex(pattern: str, text: str, pieces: list[str]) -> None:
    assert tiktoken_cuts_so(pattern, [text], [pieces])
    assert Splitter(pattern, dialect="fancy-regex").split(text) == pieces


@pytest.mark.parametrize("pattern", [
    r"a\<b", r"a\>b", r"a{3,1}", "a(?:)?", "[" * 5000, "a{" + "9" * 5000 + ",1}"])
def test_what_is_refused_of_fancy_regex(pattern: str) -> None:
    with pytest.raises(DstokError, match="position"):
        Splitter(pattern + r"|[\s\S]", dialect="fancy-regex")


@pytest.mark.parametrize("pattern", ["-(?<=b{0}f?)", "-(?<=(?:x)?f{2}?)", "-(?<=c|a?b?)", "-(?<!a?b?)", "(?:ab){1}?"])
def test_what_is_refused_of_upstream(pattern: str) -> None:
    with pytest.raises(DstokError, match="position"):
        Splitter(pattern)
