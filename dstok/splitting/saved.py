"""A splitter as JSON, in a file or a pickle: its steps and the fingerprint of their automaton.

In: a splitter. Out: JSON, and from it the splitter again, or `TokenizerFileError`; from a pickle, `PickleError`.
Invariant: a splitter that is read splits as the written one. Reading compiles the steps again and compares the
fingerprints. A damaged or hostile file can do no more than a pattern.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from dstok.errors import DstokError, PickleError, TokenizerFileError
from dstok.formats.json_value import load_json, shown
from dstok.pattern.split import Split

__all__ = ["described", "is_described", "restored", "unpickled"]

SAVED_FORMAT = 1
_KEY = "dstok_splitter"


class Made(Protocol):
    """The part of `Splitter` that this module uses."""

    @property
    def fingerprint(self) -> str: ...


M = TypeVar("M", bound=Made)
Make = Callable[[tuple[Split, ...], str, str], M]  # takes the steps, the Unicode version and the name


def described(splits: Sequence[Split], unicode_version: str, name: str, fingerprint: str) -> str:
    """A splitter as JSON."""
    parts = {_KEY: SAVED_FORMAT, "name": name, "unicode_version": unicode_version,
             "splits": [vars(split) for split in splits], "fingerprint": fingerprint}
    return json.dumps(parts, indent=1)


def is_described(parts: object) -> bool:
    """Whether `described` wrote this JSON value; a tokenizer.json has no such key."""
    return isinstance(parts, dict) and _KEY in parts


def restored(make: Make[M], parts: Any) -> M:
    """The splitter of a JSON value of `described`. Raises `TokenizerFileError`."""
    try:
        splits, version, name = _read(parts)
        made, fingerprint = make(splits, version, name), parts["fingerprint"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DstokError) as error:
        raise TokenizerFileError(f"expected a splitter of dstok in format {SAVED_FORMAT}: {error}", "$") from None
    if made.fingerprint != fingerprint:
        raise TokenizerFileError(f"expected a splitter of the fingerprint {shown(fingerprint)}, found "
                                 f"{made.fingerprint}: write it again with this version of dstok", "$.fingerprint")
    return made


def unpickled(make: Make[M], data: str) -> M:
    """The splitter of a text of `described`. Raises `PickleError`."""
    try:
        return restored(make, load_json(data).value)
    except TokenizerFileError as error:
        raise PickleError(str(error)) from None


def _read(parts: Any) -> tuple[tuple[Split, ...], str, str]:
    if parts[_KEY] != SAVED_FORMAT:
        raise ValueError(f"found format {parts[_KEY]!r}")
    splits = tuple(Split(**split) for split in parts["splits"])
    for value in [parts["name"], parts["unicode_version"], *(split.pattern for split in splits)]:
        if not isinstance(value, str):
            raise TypeError(f"expected text, found {type(value).__name__}")
    return splits, parts["unicode_version"], parts["name"]
