"""Models from a tokenizer.json -> their files: an image for each vocabulary, and a small file for each model.

In: models as their tokenizer.json describes them. Out: files in a folder.
Invariant: all models of an image have the same vocabulary, merges, splits and normalizer; the same models give the
same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dstok.formats.description import ModelDescription
from dstok.tables.build import build_tables
from dstok.tables.image.file import write_image

__all__ = ["shared", "vocab_size", "write_json", "write_tables"]


def shared(model: ModelDescription) -> tuple[Any, ...]:
    """The part of a model that its image holds: models with equal parts share an image."""
    bare = model.without_places()
    return (bare.splits, bare.tokens, bare.raw_ids, bytes(bare.merges), bare.ignore_merges, bare.unicode_version,
            bare.normalizer, bare.trim_offsets)


def vocab_size(model: ModelDescription) -> int:
    """One more than the largest id."""
    return max([len(model.tokens), *(token.id + 1 for token in model.added_tokens)])


def write_tables(path: Path, model: ModelDescription) -> None:
    """Writes the image of a model's tables."""
    tables = build_tables(model)
    write_image(path, tables.description, {name: bytes(data) for name, data in tables.sections.items()})


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Writes JSON."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")

