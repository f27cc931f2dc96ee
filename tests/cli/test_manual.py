"""The page of the manual is the parser's."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from dstok.cli import app

RELEASE = Path(__file__).resolve().parents[2] / "release"


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
    assert all(f"dstok {command}" in page for command in app.NAMES) and "--max-tokens" in page
