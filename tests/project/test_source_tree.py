"""Python started beside the source: what is not built says what to do, and `python -m pytest` tests what is installed.

The README's Set-up: what it shows works where its reader stands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone where nothing was built in place."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("dstok", "examples", "tests"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, folder)
    return folder


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("words", [("-c", "import dstok"), ("-c", "from dstok.unicode import sets"),
                                   ("-m", "dstok", "info")])
def test_source_that_is_not_built(clone: Path, words: tuple[str, ...]) -> None:
    """The error names what is missing, where Python found the source, and both remedies."""
    done = python(clone, *words)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: expected the compiled module dstok.core.")
    assert str(clone.resolve() / "dstok") in last and "another folder" in last and "`pip install -e .`" in last
    assert "During handling" not in done.stderr


def test_another_module_that_is_missing(clone: Path) -> None:
    done = python(clone / "examples", "-c", "import sys; sys.modules['dstok.loading'] = None; import dstok")
    assert done.returncode == 1 and "dstok.loading" in done.stderr.splitlines()[-1]
    assert "compiled" not in done.stderr


def test_python_m_pytest_tests_the_installed_dstok(clone: Path) -> None:
    for workers in ("0", "1"):
        done = python(clone, "-m", "pytest", "-n", workers, "tests/models/test_models.py::test_aliases")
        assert done.returncode == 0, done.stdout


def test_the_example_of_the_set_up(clone: Path) -> None:
    """The third block of commands of the README's Set-up runs in the clone, and gives what stands beside it."""
    section = (clone / "README.md").read_text(encoding="utf-8").split("## Set-up")[1].split("\n## ")[0]
    *_, block = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    [line] = [line for line in block.splitlines() if line]
    command, expected = line.split("#")
    assert command.split()[0] == "python"
    done = python(clone, *command.split()[1:])
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.splitlines()[0] == expected.strip()
