"""A tokenizer's tables and its own parts <-> an image (tables/image/file.py has the layout).

In: tables, added tokens, BOS, EOS, name, settings of chats. Out: the bytes of an image.
Invariant: the same tokenizer gives the same bytes; checks.py reads the same layout.
"""

from __future__ import annotations

from typing import Any

from dstok.formats.added_token import AddedToken
from dstok.formats.columns import pack_added
from dstok.formats.description import TokenizerConfig
from dstok.tables.flat import Tables
from dstok.tables.image.file import image_bytes

__all__ = ["image_of", "own_part"]


def image_of(tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig, name: str) -> bytes:
    """The image of a tokenizer."""
    sections = {name: bytes(data) for name, data in tables.sections.items()}
    return image_bytes(tables.description, sections, own_part(added, config, name))


def own_part(added: tuple[AddedToken, ...], config: TokenizerConfig, name: str) -> dict[str, Any]:
    """The parts of a tokenizer beside its tables, JSON-able; `tokenizer_parts` of checks.py reads them."""
    own: dict[str, Any] = {"added": pack_added(added), "bos_id": config.bos_id, "eos_id": config.eos_id, "name": name}
    rest = {key: value for key, value in vars(config).items() if key not in own and value not in (None, {})}
    if rest:  # images of models without it have no such key
        own["config"] = rest
    return own
