"""Model images: named sections of flat tables in one file that is mapped, not parsed.

In: a description (JSON-able) and sections (bytes); for a whole tokenizer also its own part (JSON-able). Out: a file;
and from the file the same again, mapped.
Invariant: an open image is whole, has this format number and the layout of `write_image`; other files are refused.
The same input gives the same bytes; sections start on pages.
Nobody sees an unfinished file: `write_image` makes it beside its place and moves it there. This also replaces an image
in use: the old one stays mapped. Writing into it, or cutting it short, changes the tables under a running tokenizer, or
ends the process (SIGBUS).
Layout, little-endian: `MAGIC`, uint32 format, uint32 length of the header, 32 bytes SHA-256 of everything after
them, the header (JSON: description, [name, offset, length] of each section, tokenizer), sections.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dstok._util.files import StrPath, map_file, write_at_once
from dstok.compiled.tables import Image
from dstok.errors import ImageError
from dstok.formats import IMAGE_MAGIC as MAGIC
from dstok.formats import AddedToken

if TYPE_CHECKING:
    from dstok.formats.description import TokenizerConfig

IMAGE_FORMAT = 1
PAGE = 4096
MAX_HEADER = 1 << 26  # bytes; V3's is 42,000
AGAIN = "make it again from the tokenizer.json, with this version of dstok"
_FIXED = len(MAGIC) + 8 + 32
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special", "literal")  # bits 0 to 5 of a token's flags
_BITS = [[bool(flags >> bit & 1) for bit in range(len(FLAGS))] for flags in range(1 << len(FLAGS))]


def _page_from(end: int) -> int:
    """The start of the first page at or after `end`."""
    return -(-end // PAGE) * PAGE


def write_image(
    path: StrPath, description: dict[str, Any], sections: Mapping[str, bytes], tokenizer: dict[str, Any] | None = None,
) -> None:
    """Writes an image, at once or not at all. Raises `OSError`."""
    write_at_once(path, image_bytes(description, sections, tokenizer))


def image_bytes(
    description: dict[str, Any], sections: Mapping[str, bytes], tokenizer: dict[str, Any] | None = None,
) -> bytes:
    """The bytes that `write_image` writes."""
    from hashlib import sha256  # not needed to map an image

    places = {name: (0, len(data)) for name, data in sections.items()}
    parts = {"description": description} | ({} if tokenizer is None else {"tokenizer": tokenizer})
    header = b""
    for _ in range(3):  # the header's length moves the offsets in it; it settles at once
        end = _FIXED + len(header)
        for name, (_, length) in places.items():
            places[name] = (_page_from(end), length)
            end = sum(places[name])
        listed = [[name, *place] for name, place in places.items()]
        text = json.dumps(parts | {"sections": listed}, sort_keys=True, separators=(",", ":"))
        header = text.encode().ljust(len(header))
    body = bytearray(header)
    for name, data in sections.items():
        body += bytes(places[name][0] - _FIXED - len(body)) + bytes(data)
    start = MAGIC + IMAGE_FORMAT.to_bytes(4, "little") + len(header).to_bytes(4, "little")
    return start + sha256(body).digest() + body


def open_image(path: StrPath, verify: bool = False) -> Image:
    """Maps an image. `verify` also reads it whole and compares the checksum.

    Raises `OSError`, and `ImageError` if it is no image, of another format number, cut short, or damaged.
    """
    try:
        with open(os.fspath(path), "rb") as file:
            view = map_file(file)
    except ValueError:
        raise ImageError(f"{path}: expected a dstok image, found an empty file") from None
    return read_image(path, view, verify)


def read_image(path: StrPath, view: memoryview, verify: bool) -> Image:
    """The image in these bytes; errors name it `path`. Raises `ImageError` as `open_image`."""
    if bytes(view[: len(MAGIC)]) != MAGIC:
        from dstok.formats.reading import LOOK, what_is  # not needed otherwise

        raise ImageError(f"{path}: expected a dstok image, found {what_is(bytes(view[:LOOK]))}")
    if len(view) < _FIXED:
        raise ImageError(f"{path}: expected an image of at least {_FIXED} bytes, found {len(view)}: it is cut short")
    number = int.from_bytes(view[8:12], "little")
    if number != IMAGE_FORMAT:
        raise ImageError(f"{path}: expected image format {IMAGE_FORMAT}, found {number}: {AGAIN}")
    image = _read_header(path, view)
    if verify:
        from hashlib import sha256  # not needed to map an image

        expected, found = bytes(view[16:_FIXED]).hex(), sha256(view[_FIXED:]).hexdigest()
        if found != expected:
            raise ImageError(f"{path}: expected the checksum {expected}, found {found}: the image is damaged")
    return image


def checksum(image: Image) -> bytes:
    """The SHA-256 of an image's contents, as its header says."""
    return bytes(image.view[16:_FIXED])


def same_file(image: Image) -> bool:
    """Does an image's file still hold it, according to its checksum?"""
    try:
        with open(image.path, "rb") as file:
            return file.read(_FIXED) == bytes(image.view[:_FIXED])
    except OSError:
        return False


def _read_header(path: StrPath, view: memoryview) -> Image:
    length = int.from_bytes(view[12:16], "little")
    end = _FIXED + length
    if length > MAX_HEADER or end > len(view):
        raise ImageError(f"{path}: expected a header of {length} bytes, found {len(view) - _FIXED} bytes: "
                         "the image is cut short or damaged")
    try:
        header = json.loads(bytes(view[_FIXED:end]))
        places = {name: (offset, size) for name, offset, size in header["sections"]}
        description, tokenizer = dict(header["description"]), header.get("tokenizer")
        if not (tokenizer is None or isinstance(tokenizer, dict)):
            raise TypeError
        if not all(type(name) is str and type(at) is type(size) is int for name, (at, size) in places.items()):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ImageError(f"{path}: expected a header of JSON, found other data: the image is damaged") from None
    for name, (offset, size) in places.items():
        if offset != _page_from(end) or size < 0:
            raise ImageError(f"{path}: expected section {name!r} at byte {_page_from(end)}, found {size} bytes "
                             f"at {offset}: the image is damaged")
        end = offset + size
    if end != len(view):
        raise ImageError(f"{path}: expected {end} bytes, found {len(view)}: the image is cut short or damaged")
    return Image(path, description, tokenizer, places, view)


def pack_added(tokens: tuple[AddedToken, ...]) -> dict[str, list[Any]]:
    """Added tokens as columns, in images and built-in models: ids, contents, and flags as bits.

    >>> pack_added((AddedToken(7, "<think>", lstrip=True),))
    {'id': [7], 'content': ['<think>'], 'flags': [2]}
    """
    flags = [sum(getattr(t, flag) << bit for bit, flag in enumerate(FLAGS)) for t in tokens]
    return {"id": [t.id for t in tokens], "content": [t.content for t in tokens], "flags": flags}


def unpack_added(columns: dict[str, list[Any]]) -> tuple[AddedToken, ...]:
    """The tokens of such columns. The columns are not checked."""
    return tuple(AddedToken(id, content, *_BITS[flags])
                 for id, content, flags in zip(columns["id"], columns["content"], columns["flags"]))


def joined(shared: dict[str, list[Any]], own: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns of both, by id; where both have an id, the token is that of `own`.

    >>> joined({"id": [5, 7], "content": ["a", "b"], "flags": [0, 0]}, {"id": [7], "content": ["c"], "flags": [1]})
    {'id': [5, 7], 'content': ['a', 'c'], 'flags': [0, 1]}
    """
    rows = {row[0]: row for columns in (shared, own) for row in zip(*columns.values())}
    return dict(zip(own, map(list, zip(*(rows[id] for id in sorted(rows))))))


def own_part(added: tuple[AddedToken, ...], config: TokenizerConfig, name: str) -> dict[str, Any]:
    """The parts of a tokenizer beside its tables, JSON-able; `tokenizer_parts` reads them."""
    own: dict[str, Any] = {"added": pack_added(added), "bos_id": config.bos_id, "eos_id": config.eos_id, "name": name}
    rest = {key: value for key, value in vars(config).items() if key not in own and value not in (None, {})}
    return own | ({"config": rest} if rest else {})  # images of models without it have no such key
