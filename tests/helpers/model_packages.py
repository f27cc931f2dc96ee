"""Packages of models, as pip leaves them in a folder of packages, without pip: to break them in all ways.

In: a folder, a package's name, its models' names and aliases. Out: the module's folder, with the metadata's beside it.
"""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from images import MODELS

from dstok.models.package_writer import Package, source_of, write_package

__all__ = ["found_at", "install", "metadata", "name_models", "with_path"]


def install(site: Path, name: str, models: Sequence[str], scratch: Path) -> Path:
    """The package `name` with models such as `mine,me/mine-7b`, all of one small tokenizer.json."""
    (scratch / "model").mkdir(parents=True)
    (scratch / "model" / "tokenizer.json").write_text(MODELS["plain"], encoding="utf-8")
    (scratch / "LICENSE").write_text("Do as you like.\n", encoding="utf-8")
    package = Package(name, "1.0.0", "MIT", (scratch / "LICENSE",))
    write_package(scratch / name, package, [source_of(f"{model}={scratch / 'model'}") for model in models])
    shutil.copytree(scratch / name / package.module, site / package.module)
    metadata(site / package.module).mkdir()
    (metadata(site / package.module) / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n", encoding="utf-8")
    name_models(site / package.module, dict.fromkeys(",".join(models).split(","), package.module))
    return site / package.module


def metadata(module: Path) -> Path:
    return module.with_name(f"{module.name}-1.0.0.dist-info")


def name_models(module: Path, points: dict[str, str]) -> None:
    """The entry points of a package: model -> module."""
    lines = [f"{name} = {target}\n" for name, target in points.items()]
    (metadata(module) / "entry_points.txt").write_text("".join(["[dstok.models]\n", *lines]), encoding="utf-8")


def found_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the folder where this process looks for packages."""
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return folder


def with_path(folder: Path) -> dict[str, str]:
    """The environment of a process that looks for packages there, too."""
    return {**os.environ, "PYTHONPATH": str(folder)}
