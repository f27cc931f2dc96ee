"""Inputs for corpora, and what a corpus of them has to hold: shared by the tests of `dstok.corpus`.

In: texts. Out: files of them, a corpus, the ids that it should have, checksums of its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dstok.corpus

TEXTS = ["Hello world", "", "naïve 🦙 text\nof two lines", "<｜User｜> is plain here", "x" * 300, "東京 12345"]


def many(count: int) -> list[str]:
    """Texts of some variety, none like another."""
    return [f"{TEXTS[i % len(TEXTS)]} {i}" for i in range(count)]


def json_lines(path: Path, texts: Iterable[str], field: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(json.dumps({"id": i, field: text}, ensure_ascii=i % 2 == 0).encode() + b"\n"
                              for i, text in enumerate(texts)))
    return path


def two_files() -> None:
    """500 documents in a folder `in` and one in it, below the current folder."""
    json_lines(Path("in/a.jsonl"), many(300))
    json_lines(Path("in/b/c.jsonl"), many(200)[::-1])


def tokenize_two_files(out: str = "out", **options: Any) -> dstok.corpus.Totals:
    """Into some shards, in this process."""
    return dstok.corpus.tokenize("in", out, **{"shard_bytes": 5000, "workers": 1, **options})


def ids_of(texts: Iterable[str], **keywords: object) -> list[list[int]]:
    tok = dstok.load("deepseek-v3")
    return [tok.encode(text, **{"special": "none", **keywords}) for text in texts]  # type: ignore[arg-type]


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below a folder, but for what lies under a name that begins with a dot."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if "/." not in f"/{name}"}
