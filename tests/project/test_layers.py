"""Which room may import which, where import-linter (`lint-imports`, pyproject.toml) does not look: in compiled modules, and
from Python's modules to these. And which floor of the core may use which: imports, stubs and C headers count alike.

And the map of the rooms and floors, docs/layout.md, is the list that import-linter checks, in its order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = CHECKOUT / "dstok" / "core"
SOURCES = sorted(path for path in CORE.rglob("*") if path.suffix in (".pyx", ".pxd", ".pyi", ".h"))
BELOW = ("dstok.core.", "dstok.unicode.", "dstok._util.", "dstok.errors")  # the core knows no files and no models
IMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import|c?import\s+(\S+))", re.M)
HEADER = re.compile(r'^\s*(?:#\s*include|#define VECTOR_CODE|cdef extern from) "([^"]+)\.h"', re.M)


def modules(text: str) -> list[str]:
    """The modules of dstok that a source imports."""
    named = [one or other for one, other in IMPORT.findall(text)]
    return [name for name in named if name.partition(".")[0] == "dstok"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_core_imports_only_what_lies_below_it(path: Path) -> None:
    assert [name for name in modules(path.read_text(encoding="utf-8")) if not name.startswith(BELOW)] == []


def layers(container: str = "dstok") -> list[set[str]]:
    """The rooms, or the floors of the core, layer by layer, the highest first."""
    [listed] = re.findall(rf'(?ms)^containers = \["{container}"\]$.*?^layers = \[\n(.*?)^\]',
                          (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    return [set(layer.split(" | ")) for layer in re.findall(r'"(.*?)"', listed)]


def used(text: str) -> set[str]:
    """The files of the core that a source uses, with their floor and without an ending: `text/utf8`."""
    imports = (name.removeprefix("dstok.core.").replace(".", "/") for name in modules(text) if name.startswith("dstok.core."))
    return {*imports, *HEADER.findall(text)} - {"Python"}


def faults(uses: dict[str, set[str]]) -> Iterator[str]:
    """The faults of files of the core, each given with the files that it uses: upward uses, and a circle."""
    height = {floor: -number for number, layer in enumerate(layers("dstok.core")) for floor in layer}
    for user, files in uses.items():
        floor = user.partition("/")[0]
        for file in files:
            below = file.partition("/")[0]
            if file not in uses or not (floor == below or height[floor] > height[below]):
                yield f"{user} uses {file}"
    try:
        TopologicalSorter({user: files - {user} for user, files in uses.items()}).prepare()
    except CycleError as error:
        yield f"circle: {' '.join(error.args[1])}"


def uses_of_the_core() -> dict[str, set[str]]:
    """Each file of the core, with those that it uses; a module and a header of one name are one."""
    uses: dict[str, set[str]] = {}
    for path in SOURCES:
        name = path.relative_to(CORE).with_suffix("").as_posix()
        uses[name] = uses.get(name, set()) | used(path.read_text(encoding="utf-8"))
    return {name: files for name, files in uses.items() if name != "__init__"}


def test_each_floor_of_the_core_uses_only_what_lies_below_it() -> None:
    uses = uses_of_the_core()
    assert len(uses) > 40 and sum(map(len, uses.values())) > 100
    assert list(faults(uses)) == []


@pytest.mark.parametrize(("name", "line", "fault"), [
    ("text/utf8", "from dstok.core.bpe.merge cimport BPE", "text/utf8 uses bpe/merge"),
    ("split/masks", '#include "bpe/pair_table.h"', "split/masks uses bpe/pair_table"),
    ("split/automaton", 'cdef extern from "bpe/pair_table.h":', "split/automaton uses bpe/pair_table"),
    ("encode/passes", "    from dstok.core.check.proofs import Walk", "encode/passes uses check/proofs"),
    ("cpu/vectors", '#include "platform.h"', "cpu/vectors uses platform"),
    ("text/utf8", "from dstok.core.text.normalize cimport Normalizer", "circle: "),
    ("split/kernel", '#define VECTOR_CODE "split/grid.h"', "circle: "),
])
def test_a_use_that_is_not_allowed(name: str, line: str, fault: str) -> None:
    uses = uses_of_the_core()
    [found] = faults({**uses, name: uses[name] | used(f"\n{line}\n")})
    assert found.startswith(fault)


def test_rooms_below_the_core_do_not_import_it() -> None:
    order = layers()
    below = set().union(*order[next(at for at, layer in enumerate(order) if "core" in layer) + 1:])
    assert {"unicode", "io", "_util", "errors"} <= below
    files = [path for room in below for path in [*(CHECKOUT / "dstok" / room).rglob("*.py"), CHECKOUT / "dstok" / f"{room}.py"]]
    sources = {path.name: path.read_text(encoding="utf-8") for path in files if path.exists()}
    assert [name for name, source in sources.items() if re.search(r"^\s*(from|import) dstok\.core", source, re.M)] == []


@pytest.mark.parametrize(("container", "title", "no_row"), [
    ("dstok", "room of `dstok/`", {"__main__"}),  # `python -m dstok` is no room
    ("dstok.core", "floor of `core/`", set()),
])
def test_the_map_is_the_list_of_layers(container: str, title: str, no_row: set[str]) -> None:
    """A row for each room or floor, with a sentence; those of one layer in any order, the layers in theirs."""
    page = (CHECKOUT / "docs" / "layout.md").read_text(encoding="utf-8")
    [table] = re.findall(rf"(?ms)^\| {title} .*?\n\|---\|---\|\n(.*?)\n\n", page)
    rows = [re.fullmatch(r"\| `(\w+)(?:/|\.py)` \| \S.*\. \|", row) for row in table.splitlines()]
    assert None not in rows, table
    names = [row[1] for row in rows if row]
    for layer in layers(container):
        expected = layer - no_row
        assert set(names[: len(expected)]) == expected
        del names[: len(expected)]
    assert names == []
