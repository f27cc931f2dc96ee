"""A splitter as a file, and as a pickle: its steps and the fingerprint of their automaton.

In: a splitter. Out: JSON, and from it the splitter again, or `ImageError`.
Invariant: an opened splitter splits as the saved one. Opening compiles the steps again and compares the fingerprints.
A damaged or hostile file can do no more than a pattern.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from dstok.base.paths import StrPath
from dstok.errors import DstokError, ImageError
from dstok.formats.json_value import shown
from dstok.pattern.split import Split

__all__ = ["described", "opened", "restored"]

SAVED_FORMAT = 1


class Made(Protocol):
    """The part of `Splitter` that this module uses."""

    @property
    def fingerprint(self) -> str: ...


M = TypeVar("M", bound=Made)
Make = Callable[[tuple[Split, ...], str, str], M]  # takes the steps, the Unicode version and the name


def described(splits: Sequence[Split], unicode_version: str, name: str, fingerprint: str) -> str:
    """A splitter as JSON."""
    parts = {"dstok_splitter": SAVED_FORMAT, "name": name, "unicode_version": unicode_version,
             "splits": [vars(split) for split in splits], "fingerprint": fingerprint}
    return json.dumps(parts, indent=1)


def opened(make: Make[M], path: StrPath) -> M:
    """The splitter that was saved to a file."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return restored(make, data.decode())
    except (ImageError, UnicodeDecodeError) as error:
        raise ImageError(f"{path}: {error}") from None


def restored(make: Make[M], data: str) -> M:
    """The splitter of a result of `described`. Raises `ImageError`."""
    try:
        parts = json.loads(data)
        splits, version, name = _read(parts)
        made, fingerprint = make(splits, version, name), parts["fingerprint"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, DstokError) as error:
        raise ImageError(f"expected a saved splitter of format {SAVED_FORMAT}: {error}") from None
    if made.fingerprint != fingerprint:
        raise ImageError(f"expected a splitter of the fingerprint {shown(fingerprint)}, found {made.fingerprint}: "
                         "save it again with this version of dstok")
    return made


def _read(parts: Any) -> tuple[tuple[Split, ...], str, str]:
    if parts["dstok_splitter"] != SAVED_FORMAT:
        raise ValueError(f"found format {parts['dstok_splitter']!r}")
    splits = tuple(Split(**split) for split in parts["splits"])
    for value in [parts["name"], parts["unicode_version"], *(split.pattern for split in splits)]:
        if not isinstance(value, str):
            raise TypeError(f"expected text, found {type(value).__name__}")
    return splits, parts["unicode_version"], parts["name"]
