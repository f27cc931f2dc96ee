"""Model images: named sections of flat tables in one file that is mapped, not parsed.

In: a header (JSON-able) and sections (bytes); for a whole tokenizer also its own part (JSON-able). Out: a file's bytes;
and from the file the same again, mapped.
Invariant: an open image is whole, has this format number and the layout of `image_parts`; other files are refused. The
same input gives the same bytes; sections start on pages. A file is moved to its place when it is whole, so an image in
use stays mapped. Writing into it, or cutting it short, changes the tables under a running tokenizer, or ends the
process (SIGBUS).
Layout, little-endian: `MAGIC`, uint32 format, uint32 length of the JSON, 32 bytes SHA-256 of everything after them, the
JSON (description: the header; sections: [name, offset, length] of each; tokenizer), sections. The cache's images have
another checksum.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from dstok._util.files import StrPath, map_file
from dstok.compiled.tables import Buffer, Image
from dstok.errors import ImageError
from dstok.formats import IMAGE_MAGIC as MAGIC
from dstok.formats import AddedToken

if TYPE_CHECKING:
    from dstok.formats.description import TokenizerConfig

IMAGE_FORMAT = 1
PAGE = 4096
MAX_HEADER = 1 << 26  # bytes; V3's is 42,000
AGAIN = "make it again from the tokenizer.json, with this version of dstok"
CHECKSUM = slice(16, 48)  # its place; all bytes after it count
_FIXED = CHECKSUM.stop
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special", "literal")  # bits 0 to 5 of a token's flags
Digest = Callable[[Buffer], bytes]
_BITS = [tuple(bool(flags >> bit & 1) for bit in range(len(FLAGS))) for flags in range(1 << len(FLAGS))]
_NUMBERS = {bits: flags for flags, bits in enumerate(_BITS)}


def sha256_digest(data: Buffer) -> bytes:
    """The checksum of an image. Those of the cache have a faster one (core/check/proofs.pyx)."""
    from hashlib import sha256  # not needed to map an image

    return sha256(data).digest()


def image_parts(
    header: dict[str, Any], sections: Mapping[str, Buffer], tokenizer: dict[str, Any] | None = None,
) -> list[Buffer]:
    """The bytes of an image in parts, with zeros in place of the checksum."""
    places = {name: (0, len(data)) for name, data in sections.items()}
    dumps = partial(json.dumps, sort_keys=True, separators=(",", ":"))
    before = f'{{"description":{dumps(header)},"sections":'
    after = "}" if tokenizer is None else f',"tokenizer":{dumps(tokenizer)}}}'
    text = b""
    for _ in range(3):  # the length of the JSON moves the offsets in it; it settles at once
        end = _FIXED + len(text)
        for name, (_, length) in places.items():
            places[name] = (-(-end // PAGE) * PAGE, length)
            end = sum(places[name])
        listed = [[name, *place] for name, place in places.items()]
        text = (before + dumps(listed) + after).encode().ljust(len(text))
    parts: list[Buffer] = [MAGIC, IMAGE_FORMAT.to_bytes(4, "little"), len(text).to_bytes(4, "little"), bytes(32), text]
    end = _FIXED + len(text)
    for name, (offset, length) in places.items():
        parts += bytes(offset - end), sections[name]
        end = offset + length
    return parts


def image_bytes(parts: Iterable[Buffer], digest: Digest = sha256_digest) -> bytearray:
    """The bytes of an image of these parts, with the checksum that `digest` makes of those after it."""
    data = bytearray().join(parts)
    data[CHECKSUM] = digest(memoryview(data)[_FIXED:])
    return data


def open_image(path: StrPath, verify: bool = False) -> Image:
    """Maps an image. `verify` also reads it whole and compares the checksum.

    Raises `OSError`, and `ImageError` if it is no image, of another format number, cut short, or damaged.
    """
    try:
        with open(os.fspath(path), "rb") as file:
            view = map_file(file)
    except ValueError:
        raise ImageError(f"{path}: expected a dstok image, found an empty file") from None
    return read_image(path, view, sha256_digest if verify else None)


def read_image(path: StrPath, view: memoryview, digest: Digest | None) -> Image:
    """The image in these bytes, with the checksum that `digest` makes; errors name it `path`.

    Raises `ImageError` as `open_image`.
    """
    def refuse(expected: str, found: object, hint: str = ": the image is damaged") -> NoReturn:
        raise ImageError(f"{path}: expected {expected}, found {found}{hint}")

    if bytes(view[: len(MAGIC)]) != MAGIC:
        from dstok.formats.reading import LOOK, kind_of  # not needed otherwise

        refuse("a dstok image", kind_of(bytes(view[:LOOK])), "")
    if len(view) < _FIXED:
        refuse(f"an image of at least {_FIXED} bytes", len(view), ": it is cut short")
    number, length = (int.from_bytes(view[at : at + 4], "little") for at in (8, 12))
    if number != IMAGE_FORMAT:
        refuse(f"image format {IMAGE_FORMAT}", number, f": {AGAIN}")
    end = _FIXED + length
    if length > MAX_HEADER or end > len(view):
        refuse(f"a header of {length} bytes", f"{len(view) - _FIXED} bytes", ": the image is cut short or damaged")
    try:
        content = json.loads(bytes(view[_FIXED:end]))
        places = {name: (offset, size) for name, offset, size in content["sections"]}
        header, tokenizer = dict(content["description"]), content.get("tokenizer")
        if not ((tokenizer is None or isinstance(tokenizer, dict)) and all(
                type(name) is str and type(at) is type(size) is int for name, (at, size) in places.items())):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        refuse("a header of JSON", "other data")
    for name, (offset, size) in places.items():
        start = -(-end // PAGE) * PAGE
        if offset != start or size < 0:
            refuse(f"section {name!r} at byte {start}", f"{size} bytes at {offset}")
        end = offset + size
    if end != len(view):
        refuse(f"{end} bytes", len(view), ": the image is cut short or damaged")
    if digest is not None and (found := digest(view[_FIXED:])) != view[CHECKSUM]:
        refuse(f"the checksum {view[CHECKSUM].hex()}", found.hex())
    return Image(path, header, tokenizer, places, view)


def checksum(image: Image) -> bytes:
    """The SHA-256 of an image's contents, as its header says."""
    return bytes(image.view[CHECKSUM])


def same_file(image: Image) -> bool:
    """Does an image's file still hold it, according to its checksum?"""
    try:
        with open(image.path, "rb") as file:
            return file.read(_FIXED) == bytes(image.view[:_FIXED])
    except OSError:
        return False


def pack_added(tokens: tuple[AddedToken, ...]) -> dict[str, list[Any]]:
    """Added tokens as columns, in images and built-in models: ids, contents, and flags as bits.

    >>> pack_added((AddedToken(7, "<think>", lstrip=True),))
    {'id': [7], 'content': ['<think>'], 'flags': [2]}
    """
    ids, contents, *flags = zip(*tokens) if tokens else [()] * (2 + len(FLAGS))
    return {"id": [*ids], "content": [*contents], "flags": [*map(_NUMBERS.__getitem__, zip(*flags))]}


def unpack_added(columns: dict[str, list[Any]]) -> tuple[AddedToken, ...]:
    """The tokens of such columns. The columns are not checked."""
    flags = zip(*map(_BITS.__getitem__, columns["flags"]))
    return tuple(map(AddedToken._make, zip(columns["id"], columns["content"], *flags)))


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
    rest = {key: value for key, value in config._asdict().items() if key not in own and value not in (None, {})}
    return own | ({"config": rest} if rest else {})  # images of models without it have no such key
