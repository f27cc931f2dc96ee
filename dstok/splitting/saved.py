"""A splitter as a file, and as a pickle: its steps and the fingerprint of what they compile to.

In: a splitter. Out: JSON, and from it the splitter again, or `ImageError`.
Invariant: what is opened splits as what was saved: the steps are compiled again, and the fingerprints are compared. So
a damaged or hostile file can do no more than a pattern can.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dstok.errors import DstokError, ImageError
from dstok.formats.image import write_at_once
from dstok.formats.json_value import shown
from dstok.pattern.split import Split

if TYPE_CHECKING:
    import os

    from dstok.splitting.splitter import Splitter

__all__ = ["described", "opened", "restored", "save"]

SAVED_FORMAT = 1


def described(splitter: Splitter) -> str:
    """The splitter as JSON."""
    splits = [vars(split) for split in splitter.splits]
    parts = {"dstok_splitter": SAVED_FORMAT, "name": splitter.name, "unicode_version": splitter.unicode_version,
             "splits": splits, "fingerprint": splitter.fingerprint}
    return json.dumps(parts, indent=1)


def save(splitter: Splitter, path: str | os.PathLike[str]) -> None:
    """Writes it at once or not at all."""
    write_at_once(path, described(splitter).encode())


def opened(cls: type[Splitter], path: str | os.PathLike[str]) -> Splitter:
    """The splitter that `save` wrote."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        return restored(cls, data.decode())
    except (ImageError, UnicodeDecodeError) as error:
        raise ImageError(f"{path}: {error}") from None


def restored(cls: type[Splitter], data: str) -> Splitter:
    """The splitter of what `described` gave. Raises `ImageError`."""
    try:
        parts = json.loads(data)
        splits, version, name = _read(parts)
        made, fingerprint = cls._of(splits, version, name), parts["fingerprint"]
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
