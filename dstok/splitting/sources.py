"""The sources of a splitter's steps: patterns, a tokenizer.json, tiktoken, a preset's name.

In: one of these. Out: `Split` steps and the Unicode version of their properties.
Invariant: the steps are upstream's; a step that cannot be exact is refused with its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from dstok.errors import ArgumentError, UnsupportedError
from dstok.formats.json_value import Value
from dstok.formats.pre_tokenizers import read_splits
from dstok.formats.steps import steps_of
from dstok.formats.upstream import NEWEST, Upstream, upstream_version
from dstok.pattern.split import BEHAVIORS, Split

__all__ = ["Dialect", "splits_of_json", "splits_of_patterns"]

Dialect = Literal["oniguruma", "fancy-regex"]


def splits_of_patterns(
    patterns: str | Split | Iterable[str | Split], behavior: str, invert: bool, dialect: Dialect,
) -> tuple[Split, ...]:
    """Steps of patterns, in order. A pattern gets `behavior` and `invert`; a `Split` has its own.

    The place of a step that names none is its number: `pattern 0`.
    """
    if behavior not in BEHAVIORS:
        raise ArgumentError(f"expected a behavior out of {', '.join(BEHAVIORS)}, found {behavior!r}", "behavior")
    if dialect not in ("oniguruma", "fancy-regex"):
        raise ArgumentError(f'expected the dialect "oniguruma" or "fancy-regex", found {dialect!r}', "dialect")
    several = [patterns] if isinstance(patterns, str | Split) else list(patterns)
    return tuple(_split(pattern, behavior, invert, dialect, number) for number, pattern in enumerate(several))


def _split(pattern: str | Split, behavior: str, invert: bool, dialect: Dialect, number: int) -> Split:
    if isinstance(pattern, Split):
        return pattern if pattern.where else replace(pattern, where=f"pattern {number}")
    if not isinstance(pattern, str):
        raise ArgumentError(f"expected a pattern as str or Split, found {type(pattern).__name__}", "patterns")
    if dialect == "fancy-regex":
        from dstok.pattern.fancy_regex import translate

        pattern = translate(pattern)
    return Split(pattern, behavior, invert, f"pattern {number}")


def splits_of_json(file: Value, upstream: str = NEWEST) -> tuple[tuple[Split, ...], str]:
    """The steps of a tokenizer.json, or of the value of its `pre_tokenizer` alone; and the Unicode version.

    Raises `TokenizerFileError` and `UnsupportedError`. A normalizer would change the text before it is split: refused.
    """
    version = upstream_version(upstream)
    whole = isinstance(file.value, dict) and "type" not in file.value
    if not whole:
        return _splits(file, version), version.patterns
    normalizer = file.get("normalizer")
    if normalizer is not None and normalizer.value is not None:
        raise UnsupportedError("a normalizer, which changes the text that is split: give the pre_tokenizer alone",
                               normalizer.path)
    return _splits(file.need("pre_tokenizer"), version), version.patterns


def _splits(component: Value, version: Upstream) -> tuple[Split, ...]:
    return tuple(read_splits(steps_of(component, "pretokenizers"), version))
