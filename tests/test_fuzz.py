"""The fuzzer: its texts are the same for the same seed, it finds what differs, and cuts it down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import fuzz
import pytest
from real_models import levels


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(fuzz, "slices", lambda: ["Some words, 123 numbers.\n\n  \u4e2d\u6587 caf\u00e9 " * 50])
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--upstream", "0", *options])
    return fuzz.main()


def test_texts_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "slices", lambda: ["some words " * 50])
    assert [fuzz.text_of(5, number) for number in range(50)] == [fuzz.text_of(5, number) for number in range(50)]


def test_no_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--seed", "8", "--count", "12") == 0
    assert "12 texts" in capsys.readouterr().out


def test_a_planted_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a text that differs wherever it has a 7 with a newline somewhere behind it, these two are left."""
    def planted(tok: Any, text: str, seed: int) -> Iterator[tuple[str, Any, Any]]:
        yield "planted", "\n" in text[text.find("7") :] and "7" in text, False

    monkeypatch.setattr(fuzz, "outcomes", planted)
    assert run(monkeypatch, "--seed", "3") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(f"planted at level {levels()[0]}: --seed 3 --first ")
    assert lines[2] == r"'7\n'"
