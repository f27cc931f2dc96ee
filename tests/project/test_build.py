"""The build makes C anew when something that it is made of has changed, and else not."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("Cython", reason="a build requirement")
pytest.importorskip("setuptools", reason="a build requirement")


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """setup.py, for a project in `tmp_path` whose C files are current."""
    monkeypatch.delenv("DSTOK_EMULATE", raising=False)
    spec = importlib.util.spec_from_file_location("setup", Path(__file__).resolve().parents[2] / "setup.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "dstok" / "core").mkdir(parents=True)
    for age, names in ((100, ("pyproject.toml", "dstok/core/a.pyx", "dstok/core/b.pxd", "dstok/core/b.pyx")),
                       (50, ("dstok/core/a.c", "dstok/core/b.c"))):
        for name in names:
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    return module


def made(project: Path) -> list[Path]:
    return [project / "dstok/core/a.c", project / "dstok/core/b.c"]


def test_current(build: Any, tmp_path: Path) -> None:
    assert build.current(made(tmp_path))


@pytest.mark.parametrize("name", ["pyproject.toml", "dstok/core/a.pyx", "dstok/core/b.pxd"])
def test_changed(build: Any, tmp_path: Path, name: str) -> None:
    """Also a .pxd, which others include, and pyproject.toml, which names Cython's version."""
    (tmp_path / name).touch()
    assert not build.current(made(tmp_path))


def test_missing(build: Any, tmp_path: Path) -> None:
    (tmp_path / "dstok/core/b.c").unlink()
    assert not build.current(made(tmp_path))
