"""The generated Unicode tables are current, and the generator refuses inputs that are not as pinned."""

from __future__ import annotations

import hashlib
import importlib.util
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from dstok import unicode
from dstok.unicode import _ucd_16_0

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "unicode_tables" / "generate.py"
VERSION = "16.0"
UNASSIGNED = "0378..0379;Cn\n"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


def run_generator(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GENERATOR), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", unicode.versions())
def test_generated_table_is_current(version: str) -> None:
    result = run_generator("--unicode", version, "--check")
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_check_tells_an_edited_and_a_missing_table(tmp_path: Path) -> None:
    table = tmp_path / "table.py"
    arguments = ("--unicode", VERSION, "--check", "--output", str(table))
    missing = run_generator(*arguments)
    assert missing.returncode == 1 and "is missing: run python unicode_tables/generate.py" in missing.stderr
    table.write_text(Path(_ucd_16_0.__file__).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    edited = run_generator(*arguments)
    assert edited.returncode == 1 and "is not current" in edited.stderr


def copy_inputs(folder: Path, edit: Callable[[str], str], renew_sums: bool) -> None:
    folder.mkdir()
    for path in (ROOT / "unicode_tables" / "data" / VERSION).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    edited = folder / "general_category.txt"
    edited.write_text(edit(edited.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    if renew_sums:
        names = load_generator().INPUT_NAMES
        sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def test_generator_takes_any_version_with_a_data_folder(tmp_path: Path) -> None:
    copy_inputs(tmp_path / "99.1", lambda text: text.replace(UNASSIGNED, "0378..0379;Lo\n"), renew_sums=True)
    output = tmp_path / "_ucd_99_1.py"
    result = run_generator("--unicode", "99.1", "--data", str(tmp_path), "--output", str(output))
    assert result.returncode == 0, result.stderr
    namespace = runpy.run_path(str(output))
    assert namespace["UNICODE_VERSION"] == "99.1"
    assert namespace["GENERAL_CATEGORY"] == _ucd_16_0.GENERAL_CATEGORY.replace("Cn2", "Lo2", 1)
    assert load_generator().module_name("99.1") == output.name


@pytest.mark.parametrize(
    ("edit", "renew_sums", "message"),
    [(lambda text: text + "\n", False, "expected general_category.txt with sha256"),
     (lambda text: text.replace(UNASSIGNED, ""), True, "expected a category for all 1114112 code points"),
     (lambda text: text.replace("0378..", "0377.."), True, r"expected ascending ranges after U\+0377")],
    ids=["altered", "incomplete", "overlapping"],
)  # fmt: skip
def test_generator_refuses_bad_inputs(
    tmp_path: Path, edit: Callable[[str], str], renew_sums: bool, message: str
) -> None:
    generator = load_generator()
    copy_inputs(tmp_path / VERSION, edit, renew_sums)
    with pytest.raises(generator.InputError, match=message):
        generator.render_module(VERSION, generator.read_inputs(tmp_path / VERSION))


def test_generator_names_the_versions_it_has() -> None:
    result = run_generator("--unicode", "1.0")
    assert result.returncode == 1
    assert result.stderr == "error: expected a data folder for Unicode 1.0, found 14.0, 15.0, 16.0, 17.0\n"
