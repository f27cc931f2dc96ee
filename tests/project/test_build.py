"""The build makes C anew when something that it is made of has changed, and else not."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
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


@pytest.mark.parametrize(("touched", "forced"), [("dstok/core/a.pyx", False), ("setup.py", True)])
def test_what_concerns_all_modules(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, touched: str, forced: bool) -> None:
    """Cython sees which sources have changed; how all of them are made stands in setup.py, which it does not look at."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(build, "cythonize", lambda extensions, **options: calls.append(options))
    monkeypatch.setattr(build, "make_shared", lambda force: None)
    modules = [build.extension("a.pyx"), build.extension("b.c")]
    assert build.make_c(modules, 1, False) == [["dstok/core/a.c"], ["dstok/core/b.c"]] and calls == []
    (tmp_path / touched).touch()
    build.make_c(modules, 1, False)
    assert [options["force"] for options in calls] == [forced]


def test_what_cython_adds_is_compiled_once(build: Any) -> None:
    """The module that the others take it from is one of those that are built, and Cython is told its name."""
    assert build.SHARED in build.EXTENSIONS and build.SHARED.name == "dstok.core._shared"
    assert all(source.endswith(".pyx") for each in build.EXTENSIONS if each is not build.SHARED for source in each.sources)


def test_what_cython_adds_has_a_package() -> None:
    """A module that registers itself under a name without one is in the way of another project's."""
    code = "import sys, dstok.core.encode.encoder; print('dstok.core._shared' in sys.modules, '_shared' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    assert done.stdout == "True False\n"
