"""Which room may import which, where import-linter (`lint-imports`, pyproject.toml) does not look: in compiled modules, and
from Python's modules to these.

And the map of the rooms, docs/layout.md, is the list that import-linter checks, in its order.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = CHECKOUT / "dstok" / "core"
SOURCES = sorted(path for path in CORE.iterdir() if path.suffix in (".pyx", ".pxd", ".pyi"))
BELOW = ("dstok.core.", "dstok.unicode.", "dstok.base.", "dstok.errors")  # the core knows no files and no models
IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import|c?import\s+(\S+))", re.M)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_core_imports_only_what_lies_below_it(path: Path) -> None:
    named = [one or other for one, other in IMPORT.findall(path.read_text(encoding="utf-8"))]
    assert [name for name in named if name.startswith("dstok") and not name.startswith(BELOW)] == []


def layers() -> list[set[str]]:
    """The rooms, layer by layer, the highest first."""
    [listed] = re.findall(r"(?ms)^layers = \[\n(.*?)^\]", (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    return [set(layer.split(" | ")) for layer in re.findall(r'"(.*?)"', listed)]


def test_rooms_below_the_core_do_not_import_it() -> None:
    order = layers()
    below = set().union(*order[order.index({"core"}) + 1:])
    assert {"pattern", "unicode", "base", "errors"} <= below
    files = [path for room in below for path in [*(CHECKOUT / "dstok" / room).rglob("*.py"), CHECKOUT / "dstok" / f"{room}.py"]]
    sources = {path.name: path.read_text(encoding="utf-8") for path in files if path.exists()}
    assert [name for name, source in sources.items() if re.search(r"^\s*(from|import) dstok\.core", source, re.M)] == []


def test_there_are_sources() -> None:
    assert len(SOURCES) > 30


def test_the_map_of_the_rooms_is_the_list_of_layers() -> None:
    """A row for each room, with a sentence; those of one layer in any order, the layers in theirs."""
    order = layers()
    page = (CHECKOUT / "docs" / "layout.md").read_text(encoding="utf-8")
    [table] = re.findall(r"(?ms)^\| room of `dstok/` .*?\n\|---\|---\|\n(.*?)\n\n", page)
    rows = [re.fullmatch(r"\| `(\w+)(?:/|\.py)` \| \S.*\. \|", row) for row in table.splitlines()]
    assert None not in rows, table
    rooms = [row[1] for row in rows if row]
    assert {"__main__"} == order.pop(0)  # `python -m dstok` is no room
    for layer in order:
        assert set(rooms[: len(layer)]) == layer
        del rooms[: len(layer)]
    assert rooms == []
