"""Everything that decides the ids of a tokenizer -> a hash of it.

In: tables, added tokens, BOS and EOS. Out: SHA-256, hex.
Invariant: two tokenizers with one fingerprint give the same ids, texts and errors. The fingerprint of a tokenizer is
the same in each version of dstok. So a field that a later version adds to a split, a step or a token is hashed only
where its value differs from the behaviour of the versions without it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from dstok.formats.added_token import AddedToken
from dstok.formats.description import TokenizerConfig
from dstok.tables.flat import Tables
from dstok.tables.image.parts import own_part

__all__ = ["fingerprint", "settings_hash"]


def fingerprint(tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None) -> str:
    """The hash."""
    part, merges = tables.description, tables.merges
    pairs = merges[: len(merges) // 3 * 2]
    pairs[::2], pairs[1::2] = merges[::3], merges[1::3]
    whole = sha256()
    for data in (tables.sections["starts"], tables.sections["blob"], pairs, merges[2::3]):
        whole.update(data)
    splits = [(s.pattern, s.behavior, s.invert, *([s.unicode_version] if s.unicode_version else []))
              for s in tables.splits]
    rest = (splits, part["unicode_version"], part["ignore_merges"], part["raw_ids"], bos_id, eos_id,
            [_told(token) for token in added])
    whole.update(repr(rest).encode())
    for step in tables.normalizer:
        whole.update(repr([value for name, value in step.stored().items() if name != "where"]).encode())
    shape = tables.characters
    if shape is not None:
        whole.update(repr((shape.prefix, shape.split, shape.strip, shape.byte_ids)).encode())
    if "lost" in part:
        whole.update(repr((part["lost"], tables.unknown and tables.unknown[1])).encode())
    if part.get("cuts_texts"):
        whole.update(b"cuts texts")
    return whole.hexdigest()


def settings_hash(tables: Tables, config: TokenizerConfig) -> bytes:
    """Hash of the settings outside the fingerprint: pairs, padding, chats, trimmed spans."""
    said = [own_part((), config, ""), tables.description.get("trim_offsets", "")]
    return sha256(json.dumps(said, sort_keys=True).encode()).digest()


def _told(token: AddedToken) -> tuple[Any, ...]:
    *old, literal = token
    return (*old, *([literal] if literal else []))
