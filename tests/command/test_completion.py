"""`dstok completion` and the page of the manual: both are the parser's."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dstok.cli import app

RELEASE = Path(__file__).resolve().parents[2] / "release"
COMPLETE = """
source "$1"
COMP_WORDS=(dstok "${@:2}") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_shtab_dstok dstok "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "dstok"
    assert app.main(["completion", "bash", "--output", str(path)]) == 0
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(("words", "expected"), [
    (["cou"], ["count"]), (["count", "--max-t"], ["--max-tokens"]), (["dump", "--format", "t"], ["table"]),
    (["truncate", "--side", "l"], ["left"]),
    (["no-such-command"], [""]),
    (["count", "--model", "deepseek-r"], ["deepseek-r1", "deepseek-r1-distill-qwen"]), (["count", "-m", "mo"], ["model.json"]),
    (["count", "no"], ["notes and more.txt"]), (["convert", "mo"], ["model.json"]), (["corpus", "in"], ["info", "in"]),
    (["corpus", "--out", ""], ["in"])])
def test_bash(script: Path, tmp_path: Path, words: list[str], expected: list[str]) -> None:
    """Commands, options, choices; the names of models, files, folders."""
    (tmp_path / "in").mkdir()
    for name in ("notes and more.txt", "model.json"):
        (tmp_path / name).touch()
    done = subprocess.run(["bash", "-c", COMPLETE, "bash", script, *words], capture_output=True, text=True, check=True,
                          cwd=tmp_path)
    assert done.stdout.splitlines() == expected and not done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell", "tcsh"])
def test_other_shells(capsysbinary: pytest.CaptureFixture[bytes], shell: str) -> None:
    assert app.main(["completion", shell]) == 0
    assert b"max-tokens" in capsysbinary.readouterr().out


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_models_in_other_shells(capsysbinary: pytest.CaptureFixture[bytes], shell: str) -> None:
    assert app.main(["completion", shell]) == 0
    assert b"deepseek-v3 deepseek-r1 deepseek-v3.1" in capsysbinary.readouterr().out


def test_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert app.main(["completion", "bash"]) == 2
    assert 'expected the package shtab, found none: pip install "dstok[completion]"' in capsys.readouterr().err


def test_manual() -> None:
    """Each command has its part, with its options."""
    if not RELEASE.is_dir():
        pytest.skip("not a checkout")
    spec = importlib.util.spec_from_file_location("manual", RELEASE / "manual.py")
    assert spec and spec.loader
    manual = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(manual)
    date, made = re.match(r'\.TH DSTOK "1" "(.*?)"', manual.page()), manual.page()
    assert date and re.fullmatch(r"\d{4}-\d\d-\d\d", date[1])
    assert re.findall(r"^\.SH ([A-Z ]+)$", made, re.M) == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "NOTES", "EXIT STATUS", "EXAMPLES"]
    page = made.replace("\\", "")
    assert page.startswith(".TH DSTOK") and "Generated Python Manual" not in page
    assert all(f"dstok {command}" in page for command in app.GROUPS) and "--max-tokens" in page
