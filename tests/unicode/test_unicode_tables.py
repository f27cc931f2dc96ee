"""The generated Unicode data is current, and the generator refuses inputs that are not as pinned."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from dstok.unicode import properties
from dstok.unicode.properties import decode_set

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "unicode_tables"
GENERATOR = TABLES / "generate.py"
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


def test_generated_data_is_current() -> None:
    result = run_generator("--check")
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_check_tells_an_edited_and_a_missing_file(tmp_path: Path) -> None:
    output = tmp_path / "ucd.jsonl"
    arguments = ("--check", "--output", str(output))
    missing = run_generator(*arguments)
    assert missing.returncode == 1 and "is missing: run python unicode_tables/generate.py" in missing.stderr
    output.write_bytes(Path(properties.__file__).with_name("ucd.jsonl").read_bytes() + b"\n")
    edited = run_generator(*arguments)
    assert edited.returncode == 1 and "is not current" in edited.stderr


def copy_inputs(folder: Path, version: str, edit: Callable[[str], str], renew_sums: bool) -> None:
    """All inputs, and a version made of those of 16.0 with edited categories."""
    for name in ("data", "properties", "normalization", "punctuation"):
        shutil.copytree(TABLES / name, folder / name)
    for name in ("data", "properties") if version != VERSION else ():
        shutil.copytree(TABLES / name / VERSION, folder / name / version)
    edited = folder / "data" / version / "general_category.txt"
    edited.write_text(edit(edited.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    if renew_sums:
        names = [path for path in edited.parent.iterdir() if path.suffix == ".txt"]
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in names]
        (edited.parent / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


def test_generator_takes_any_version_with_a_data_folder(tmp_path: Path) -> None:
    copy_inputs(tmp_path, "99.1", lambda text: text.replace(UNASSIGNED, "0378..0379;Lo\n"), renew_sums=True)
    output = tmp_path / "ucd.jsonl"
    result = run_generator("--data", str(tmp_path), "--output", str(output))
    assert result.returncode == 0, result.stderr
    sections = dict(map(json.loads, output.read_text(encoding="utf-8").splitlines()))
    changes = sections["categories 99.1"]
    assert {name: decode_set(each).ranges for name, each in changes.items()} == dict.fromkeys(
        ("C", "Cn", "L", "Lo"), ((0x378, 0x379),))
    assert sections["scripts 99.1"] == {}


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
    copy_inputs(tmp_path, VERSION, edit, renew_sums)
    with pytest.raises(generator.InputError, match=message):
        generator.render(tmp_path)


def test_generator_refuses_altered_data_of_lower_case(tmp_path: Path) -> None:
    copy_inputs(tmp_path, VERSION, str, renew_sums=False)
    altered = tmp_path / "normalization" / "lowercase.txt"
    altered.write_bytes(altered.read_bytes().replace(b"0041;0061", b"0041;0062"))
    result = run_generator("--check", "--data", str(tmp_path))
    assert result.returncode == 1 and "expected lowercase.txt with sha256" in result.stderr
