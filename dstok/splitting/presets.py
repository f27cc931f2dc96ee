r"""The splittings of well-known models, by name.

In: a name, and a version of upstream. Out: Split steps.
Invariant: each preset has the steps of the model's own file; presets.json names the file, and
tests/splitting/test_splitter.py compares with these files where available, and with upstream.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from dstok.base.arguments import explained
from dstok.errors import ModelNotFoundError, UnsupportedError
from dstok.formats.json_value import Value
from dstok.formats.upstream import NEWEST
from dstok.pattern.split import Split
from dstok.splitting.sources import splits_of_json

__all__ = ["preset_names", "preset_splits", "presets", "tiktoken_splits"]


@cache
def presets() -> dict[str, dict[str, Any]]:
    """By name: `source`, in words, and `pre_tokenizer`, as in a tokenizer.json."""
    known: dict[str, dict[str, Any]] = json.loads(files("dstok.splitting").joinpath("presets.json").read_bytes())
    return known


def preset_names() -> tuple[str, ...]:
    """The names of the presets.

    >>> preset_names()[:3]
    ('deepseek-v3', 'deepseek-llm', 'deepseek-coder')
    """
    return tuple(presets())


@explained
def preset_splits(name: str, upstream: str = NEWEST) -> tuple[tuple[Split, ...], str]:
    """The steps of a preset, and the Unicode version of their patterns.

    Raises `ModelNotFoundError`, with the known names, and `UnsupportedError` for an unknown version.
    """
    if name not in presets():
        raise ModelNotFoundError(f"expected a preset out of {', '.join(presets())}, found {name!r}")
    return splits_of_json(Value(presets()[name]["pre_tokenizer"], "$"), upstream)


@explained
def tiktoken_splits(encoding: str) -> tuple[Split, ...]:
    """The step of one of tiktoken's encodings. Raises `UnsupportedError`, with the known names."""
    from dstok.formats.tiktoken_encodings import ENCODINGS
    from dstok.pattern.fancy_regex import translate

    if encoding not in ENCODINGS:
        raise UnsupportedError(f"expected an encoding out of {', '.join(ENCODINGS)}, found {encoding!r}")
    return (Split(translate(ENCODINGS[encoding].pattern), "Isolated", False, encoding),)
