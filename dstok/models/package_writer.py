"""Writes a package of further models: a source folder for `pip install` and `pip wheel`.

In: names, folders with a tokenizer.json, a licence. Out: a folder with pyproject.toml, the licence's text, and a
module of files alone: index.json, an image for each vocabulary, a JSON file for each model. package_reader.py finds
them when the package is installed.
Invariant: the folder is written whole or not at all; the same sources give the same bytes; package_reader.py looks for
every name in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from dstok.errors import ArgumentError
from dstok.formats.kinds import about_file
from dstok.formats.reading import describe_json_file
from dstok.formats.upstream import NEWEST
from dstok.models.files import shared, vocab_size, write_json, write_tables
from dstok.models.metadata import GROUP
from dstok.models.names import FILES, common_form, is_taken
from dstok.models.package_reader import ENTRY, INDEX, NAME
from dstok.tables.image.parts import own_part

__all__ = ["Package", "Source", "source_of", "write_package"]

VERSION = re.compile(r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?", re.ASCII)
LICENCE = re.compile(r"\(*[A-Za-z0-9.-]+\+?\)*( (AND|OR|WITH) \(*[A-Za-z0-9.-]+\+?\)*)*")  # the form; pip checks names
FILE = re.compile(r"[A-Za-z0-9._-]+")  # license-files gives other characters a meaning
PACKAGE = re.compile(r"dstok-models(-[a-z0-9]+)+")
ALIAS = re.compile(rf"({NAME.pattern}/)?{NAME.pattern}")
PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = {name}
version = {version}
description = {description}
readme = "README.md"
requires-python = ">=3.10"
license = {licence}
license-files = {licence_files}
dependencies = ["dstok"]

[project.entry-points."{group}"]
{entry_points}

[tool.setuptools]
packages = [{module}]

[tool.setuptools.package-data]
{module} = ["*.json", "*.image"]
"""
README = """\
# {name}

Models for dstok: {models}. Once this package is installed, they load by their names:

```python
import dstok

tok = dstok.load("{first}")
```

Licence: {licence}. Made by `python -m dstok.models.build`, from the tokenizer.json files whose SHA-256 `dstok models`
shows.
"""


@dataclass(frozen=True)
class Package:
    """A package's name and version, the licence of its contents as an SPDX expression, and the files with its text."""

    name: str
    version: str
    licence: str
    licence_files: tuple[Path, ...]

    @property
    def module(self) -> str:
        """The module with its files."""
        return self.name.replace("-", "_")


class Source(NamedTuple):
    """A model's name, its aliases, and the folder with its tokenizer.json."""

    name: str
    aliases: tuple[str, ...]
    folder: Path


def source_of(text: str) -> Source:
    """A source from its form on the command line. Raises `ArgumentError`.

    >>> source_of("mine,Me/Mine-7B=models/mine")[:2]
    ('mine', ('me/mine-7b',))
    """
    names, equals, folder = text.partition("=")
    if not equals or not folder:
        raise ArgumentError(f"expected NAME=FOLDER, found {text!r}", "model")
    name, *aliases = names.lower().split(",")
    return Source(name, tuple(aliases), Path(folder))


def write_package(target: Path, package: Package, sources: Sequence[Source]) -> None:
    """Writes the source folder `target`, which must not exist.

    Raises `ArgumentError`, `OSError`, and the errors of `Tokenizer.from_json`.
    """
    _check_project(package)
    if os.path.lexists(target):
        raise ArgumentError(f"expected a folder that is not there yet, found {target}", "target")
    _check_names([name for source in sources for name in (source.name, *source.aliases)], [s.name for s in sources])
    for path in (*(source.folder / "tokenizer.json" for source in sources), *package.licence_files):
        path.stat()  # a missing file is an error at once, not after the models before it
    with tempfile.TemporaryDirectory(prefix=f".{package.name}-", dir=target.parent) as scratch:
        folder = Path(scratch) / package.name
        (folder / package.module).mkdir(parents=True)
        _write_models(folder / package.module, package.licence, sources)
        _write_project(folder, package, sources)
        folder.rename(target)  # at once: it lies beside the target


def _check_project(package: Package) -> None:
    """Refuses what pip would refuse, with messages that say what to do."""
    if not PACKAGE.fullmatch(package.name):
        raise ArgumentError(f"expected a package's name like dstok-models-mine, found {package.name!r}", "name")
    if not VERSION.fullmatch(package.version):
        raise ArgumentError(f"expected a version like 1.0.0 or 1.1rc1 (PEP 440), found {package.version!r}", "version")
    if not LICENCE.fullmatch(package.licence):
        raise ArgumentError("expected an SPDX expression like Apache-2.0 or MIT AND Apache-2.0, or like "
                            f"LicenseRef-Mine, found {package.licence!r}", "licence")
    files = ["README.md", "pyproject.toml", *(file.name for file in package.licence_files)]
    if len(set(files)) < len(files):
        raise ArgumentError(f"expected licences in files of names of their own, found {', '.join(files[2:])}",
                            "licence_files")
    if wrong := [name for name in files if not FILE.fullmatch(name)]:
        raise ArgumentError("expected a licence's file with a name of letters, digits, dots, dashes and underscores, "
                            f"found {wrong[0]!r}", "licence_files")


def _check_names(names: Sequence[str], of_files: Sequence[str]) -> None:
    for name in names:
        if not (NAME if name in of_files else ALIAS).fullmatch(name) or name.endswith(FILES) or f"{name}.json" == INDEX:
            raise ArgumentError("expected a model's name of small letters, digits, dots, dashes and underscores that "
                                f"does not read like a file's, found {name!r}", "models")
        if is_taken(name):
            raise ArgumentError(f"expected a name that no built-in model has, found {name!r}", "models")
    if twice := [name for number, name in enumerate(names) if common_form(name) in map(common_form, names[:number])]:
        raise ArgumentError(f"expected each name once, found {twice[0]!r} again", "models")


def _write_models(folder: Path, licence: str, sources: Sequence[Source]) -> None:
    """The module: index.json, the images, a file for each model."""
    index: dict[str, dict[str, Any]] = {}
    images: list[tuple[str, tuple[Any, ...]]] = []
    for name, aliases, place in sources:
        path = place / "tokenizer.json"
        with about_file(path):
            model = describe_json_file(path, None, NEWEST)
            image = next((image for image, held in images if held == shared(model)), None)
            if image is None:
                image = f"{name}.image"
                images.append((image, shared(model)))
                write_tables(folder / image, model)
        write_json(folder / f"{name}.json", own_part(model.added_tokens, model.config, name))
        values = (image, sha256(path.read_bytes()).hexdigest(), vocab_size(model),
                  f"{place.resolve().name}/{path.name}", licence, list(aliases))
        index[name] = dict(zip(ENTRY, values, strict=True))
    write_json(folder / INDEX, index, indent=1)
    (folder / "__init__.py").write_text(f'"""Models for dstok: {", ".join(index)}."""\n', encoding="utf-8")


def _write_project(folder: Path, package: Package, sources: Sequence[Source]) -> None:
    """The files around the module."""
    for file in package.licence_files:
        shutil.copyfile(file, folder / file.name)
    models = ", ".join(source.name for source in sources)
    entry_points = [f"{json.dumps(name)} = {json.dumps(package.module)}"
                    for source in sources for name in (source.name, *source.aliases)]
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in {
        "name": package.name, "version": package.version, "description": f"Models for dstok: {models}",
        "licence": package.licence, "licence_files": [file.name for file in package.licence_files],
        "module": package.module}.items()}
    (folder / "pyproject.toml").write_text(
        PROJECT.format(**quoted, group=GROUP, entry_points="\n".join(entry_points)), encoding="utf-8")
    readme = README.format(name=package.name, models=models, first=sources[0].name, licence=package.licence)
    (folder / "README.md").write_text(readme, encoding="utf-8")
