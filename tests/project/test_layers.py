"""What may import what, where import-linter (`lint-imports`, pyproject.toml) does not look: in the compiled modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "dstok" / "core"
SOURCES = sorted(path for path in CORE.iterdir() if path.suffix in (".pyx", ".pxd", ".pyi"))
BELOW = ("dstok.core.", "dstok.unicode.", "dstok.base.", "dstok.errors")  # the core knows no files and no models
IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import|c?import\s+(\S+))", re.M)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_core_imports_only_what_lies_below_it(path: Path) -> None:
    named = [one or other for one, other in IMPORT.findall(path.read_text(encoding="utf-8"))]
    assert [name for name in named if name.startswith("dstok") and not name.startswith(BELOW)] == []


def test_there_are_sources() -> None:
    assert len(SOURCES) > 30
