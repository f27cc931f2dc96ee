"""Model images: named sections of flat tables in one file that is mapped, not parsed.

In: a description (JSON-able) and sections (bytes). Out: a file; and from the file the same again, mapped.
Invariant: an image that is opened is whole and of this format number, or refused; sections start on pages,
so that a process can have a private, copy-on-write view of one.
Layout, little-endian: `MAGIC`, uint32 format, uint32 length of the header, 32 bytes SHA-256 of all that
follows them, the header (JSON: description and [name, offset, length] of each section), sections.
"""

from __future__ import annotations

import json
import mmap
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstok.errors import ImageError

__all__ = ["Image", "open_image", "write_image"]

MAGIC = b"dstokimg"
FORMAT = 1
PAGE = 4096
_FIXED = len(MAGIC) + 8 + 32


@dataclass(frozen=True)
class Image:
    """An open image. `sections` are read-only views of the mapped file."""

    path: Path
    description: dict[str, Any]
    places: Mapping[str, tuple[int, int]]
    view: memoryview

    def section(self, name: str) -> memoryview:
        """The bytes of a section, read-only."""
        return _slice(self.view, self.places[name])

    def private(self, *names: str) -> tuple[memoryview, ...]:
        """Writable views that are this caller's own: pages are shared until they are written to."""
        with self.path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        if len(view) != len(self.view):
            raise ImageError(f"{self.path}: the image has changed since it was opened")
        return tuple(_slice(view, self.places[name]) for name in names)


def write_image(path: Path, description: dict[str, Any], sections: Mapping[str, bytes]) -> None:
    """Writes an image. The same input gives the same bytes."""
    from hashlib import sha256  # not needed to open an image

    places = {name: (0, len(data)) for name, data in sections.items()}
    header = b""
    for _ in range(3):  # the offsets stand in the header, whose length moves them; it settles at once
        offset = _FIXED + len(header)
        for name, (_, length) in places.items():
            offset = -(-offset // PAGE) * PAGE
            places[name] = (offset, length)
            offset += length
        listed = [[name, *place] for name, place in places.items()]
        text = json.dumps({"description": description, "sections": listed}, sort_keys=True, separators=(",", ":"))
        header = text.encode().ljust(len(header))
    body = bytearray(header)
    for name, data in sections.items():
        body += bytes(places[name][0] - _FIXED - len(body)) + bytes(data)
    start = MAGIC + FORMAT.to_bytes(4, "little") + len(header).to_bytes(4, "little")
    path.write_bytes(start + sha256(body).digest() + body)


def open_image(path: Path, verify: bool = False) -> Image:
    """Maps an image. `verify` also reads it whole and compares the checksum.

    Raises `ImageError` if it is no image, of another format number, cut short, or damaged.
    """
    if sys.byteorder != "little":
        raise ImageError(f"{path}: images are little-endian, this machine is not")
    try:
        with path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        raise ImageError(f"{path}: expected a dstok image, found an empty file") from None
    if bytes(view[: len(MAGIC)]) != MAGIC or len(view) < _FIXED:
        raise ImageError(f"{path}: expected a dstok image, found other data")
    found = int.from_bytes(view[8:12], "little")
    if found != FORMAT:
        raise ImageError(f"{path}: expected image format {FORMAT}, found {found}")
    if verify:
        _verify(path, view)
    return _read_header(path, view)


def _verify(path: Path, view: memoryview) -> None:
    from hashlib import sha256

    if sha256(view[_FIXED:]).digest() != bytes(view[16:_FIXED]):
        raise ImageError(f"{path}: the checksum does not match: the image is damaged")


def _read_header(path: Path, view: memoryview) -> Image:
    length = int.from_bytes(view[12:16], "little")
    try:
        header = json.loads(bytes(view[_FIXED : _FIXED + length]))
        places = {str(name): (int(offset), int(size)) for name, offset, size in header["sections"]}
        description = dict(header["description"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ImageError(f"{path}: the image's header is damaged") from None
    for name, (offset, size) in places.items():
        if offset < _FIXED or size < 0 or offset + size > len(view):
            raise ImageError(f"{path}: section {name!r} lies outside the image: it is cut short or damaged")
    return Image(path, description, places, view)


def _slice(view: memoryview, place: tuple[int, int]) -> memoryview:
    offset, length = place
    return view[offset : offset + length]
