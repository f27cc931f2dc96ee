"""The sources of a splitter's steps: patterns, a tokenizer.json, tiktoken, the presets.

In: one of these. Out: `Split` steps and the Unicode version of their properties.
Invariant: the steps are upstream's; a step that cannot be exact is refused with its place. Each preset has the steps of
the model's own file, which presets.json names; tests/pretokenizer/test_splitter.py compares with these files where
available, and with upstream.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from dstok._util.arguments import check_choice
from dstok._util.json_value import Value
from dstok.errors import ArgumentError, ModelNotFoundError, UnsupportedError
from dstok.formats.components import read_splits, steps_of
from dstok.formats.upstream import NEWEST, upstream_version
from dstok.regex import BEHAVIORS, Split

Dialect = Literal["oniguruma", "fancy-regex"]


def splits_of_patterns(
    patterns: str | Split | Iterable[str | Split], behavior: str, invert: bool, dialect: Dialect,
) -> tuple[Split, ...]:
    """Steps of patterns, in order. A pattern gets `behavior` and `invert`; a `Split` has its own.

    The place of a step that names none is its number: `pattern 0`.
    """
    if behavior not in BEHAVIORS:
        raise ArgumentError(f"expected a behavior out of {', '.join(BEHAVIORS)}, found {behavior!r}", "behavior")
    check_choice("dialect", dialect, Dialect)
    several = [patterns] if isinstance(patterns, str | Split) else list(patterns)
    steps = []
    for number, pattern in enumerate(several):
        if isinstance(pattern, Split):
            steps.append(pattern if pattern.where else pattern._replace(where=f"pattern {number}"))
            continue
        if not isinstance(pattern, str):
            raise ArgumentError(f"expected a pattern as str or Split, found {type(pattern).__name__}", "patterns")
        if dialect == "fancy-regex":
            from dstok.regex.fancy_regex import translate

            pattern = translate(pattern)
        steps.append(Split(pattern, behavior, bool(invert), f"pattern {number}"))
    return tuple(steps)


def splits_of_json(file: Value, upstream: str = NEWEST) -> tuple[tuple[Split, ...], str]:
    """The steps of a tokenizer.json, or of the value of its `pre_tokenizer` alone; and the Unicode version.

    Raises `TokenizerFileError` and `UnsupportedError`. A normalizer would change the text before it is split: refused.
    """
    version, component = upstream_version(upstream), file
    if isinstance(file.value, dict) and "type" not in file.value:
        normalizer = file.get("normalizer")
        if normalizer is not None:
            raise UnsupportedError("a normalizer, which changes the text that is split: give the pre_tokenizer alone",
                                   normalizer.path)
        component = file.need("pre_tokenizer")
    return tuple(read_splits(steps_of(component, "pretokenizers"), version)), version.patterns


@cache
def presets() -> dict[str, dict[str, Any]]:
    """By name: `source`, in words, and `pre_tokenizer`, as in a tokenizer.json."""
    known: dict[str, dict[str, Any]] = json.loads(files("dstok.pretokenizer").joinpath("presets.json").read_bytes())
    return known


def preset_names() -> tuple[str, ...]:
    """The names of the presets.

    >>> preset_names()[:3]
    ('deepseek-v3', 'deepseek-llm', 'deepseek-coder')
    """
    return tuple(presets())


def preset_splits(name: str, upstream: str = NEWEST) -> tuple[tuple[Split, ...], str]:
    """The steps of a preset, and the Unicode version of their patterns.

    Raises `ModelNotFoundError`, with the known names, and `UnsupportedError` for an unknown version.
    """
    if name not in presets():
        raise ModelNotFoundError(f"expected a preset out of {', '.join(presets())}, found {name!r}")
    return splits_of_json(Value(presets()[name]["pre_tokenizer"], "$"), upstream)


def tiktoken_splits(encoding: str) -> tuple[Split, ...]:
    """The step of one of tiktoken's encodings. Raises `UnsupportedError`, with the known names."""
    from dstok.formats.tiktoken import ENCODINGS
    from dstok.regex.fancy_regex import translate

    if encoding not in ENCODINGS:
        raise UnsupportedError(f"expected an encoding out of {', '.join(ENCODINGS)}, found {encoding!r}")
    return (Split(translate(ENCODINGS[encoding].pattern), "Isolated", False, encoding),)
