"""Generates the tables of scripts and binary properties that dstok ships.

    python unicode_tables/generate_properties.py --unicode 16.0
    python unicode_tables/generate_properties.py --unicode 16.0 --check    # exit 1 if it is missing, stale or edited

In: the pinned inputs in `unicode_tables/properties/VERSION` (see README.md), checked against their `SHA256SUMS`. Out:
one module of string constants, `dstok/unicode/_properties_VERSION.py`; `dstok/unicode/properties.py` decodes it. The
module of `BASE` holds whole sets. The module of another version holds, for each set that differs, the code points that
only one of the two versions has: the symmetric difference.
Invariant: a pure function of the inputs; depends on the standard library alone.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from generate import HERE, InputError, check, read_input, read_sums, sha256

BASE = "16.0"
INPUTS = {"SCRIPTS": "scripts.txt", "SCRIPT_EXTENSIONS": "script_extensions.txt", "BINARY": "binary.txt"}
HEADER = '''\
# GENERATED, do not edit. Written by: python unicode_tables/generate_properties.py --unicode {version}
# Data: Unicode Character Database {version}, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/properties:
{sums}
"""Unicode {version}: scripts, script extensions and binary properties; decoded by dstok/unicode/properties.py.

By name: inclusive ranges in hexadecimal, "first-last", or "first" alone.{content}
"""

BASE = "{base}"

'''
WHOLE = " ALIASES: further names of scripts."
CHANGES = """
Sets that differ from those of {base}: the code points that only one of the two versions has.
ABSENT: names that only {base} has. ALIASES: further names of the scripts that {base} has not."""

Rows = dict[str, tuple[str, str]]  # name -> further names, ranges


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks one table; returns the exit status (0 written or current, 1 stale or a bad input)."""
    parser = argparse.ArgumentParser(description="Generate dstok/unicode/_properties_VERSION.py.")
    parser.add_argument("--unicode", required=True, metavar="VERSION", help="Unicode version, such as 16.0")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    options = parser.parse_args(arguments)
    name = f"_properties_{options.unicode.replace('.', '_')}.py"
    output = HERE.parent / "dstok" / "unicode" / name
    try:
        module = render(options.unicode, HERE / "properties" / options.unicode)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.check:
        return check(output, module, options.unicode)
    output.write_text(module, encoding="utf-8", newline="\n")
    return 0


def render(version: str, folder: Path) -> str:
    """The text of one version's module."""
    if version == BASE:
        sums, tables = _read(folder)
        return _module(version, sums, WHOLE, {}, tables)
    own_sums, own = _read(folder)
    base_sums, base = _read(folder.parent / BASE)
    absent = {constant: " ".join(sorted(base[constant].keys() - own[constant].keys())) for constant in INPUTS}
    changes = {constant: _changes(base[constant], own[constant]) for constant in INPUTS}
    return _module(version, base_sums + own_sums, CHANGES.format(base=BASE), absent, changes)


def _read(folder: Path) -> tuple[list[str], dict[str, Rows]]:
    """The lines that name the inputs and their checksums, and the inputs by constant."""
    pinned = read_sums(folder / "SHA256SUMS")
    texts = {constant: read_input(folder / file, pinned.get(file)) for constant, file in INPUTS.items()}
    sums = [f"#   {sha256(text.encode())}  {folder.name}/{INPUTS[constant]}" for constant, text in texts.items()]
    rows = {constant: [line.split(";") for line in text.splitlines()] for constant, text in texts.items()}
    return sums, {constant: {name: (further, ranges) for name, further, ranges in lines}
                  for constant, lines in rows.items()}


def _changes(base: Rows, own: Rows) -> Rows:
    """The sets of `own` that differ from those of `base`. Further names are kept where `base` lacks the name."""
    for name in base.keys() & own.keys():
        if base[name][0] != own[name][0]:
            raise InputError(f"expected {name} with the further names {base[name][0]!r}, found {own[name][0]!r}")
    found = {name: ("" if name in base else further, difference(base.get(name, ("", ""))[1], ranges))
             for name, (further, ranges) in own.items()}
    return {name: (further, ranges) for name, (further, ranges) in found.items() if ranges or name not in base}


def difference(one: str, other: str) -> str:
    """The code points that only one of two sets has, as ranges.

    The borders of a set are the places where it begins and where it has ended. Borders that both sets have cancel out.
    """
    borders: set[int] = set()
    for span in f"{one} {other}".split():
        first, _, last = span.partition("-")
        borders ^= {int(first, 16)}
        borders ^= {int(last or first, 16) + 1}
    ends = iter(sorted(borders))
    return " ".join(f"{first:X}" if end == first + 1 else f"{first:X}-{end - 1:X}" for first, end in zip(ends, ends))


def _module(version: str, sums: list[str], content: str, absent: dict[str, str], tables: dict[str, Rows]) -> str:
    head = HEADER.format(version=version, sums="\n".join(sums), content=content, base=BASE)
    names = _table("ABSENT", [f'    "{constant}": "{names}",' for constant, names in absent.items()])
    sets = [_table(constant, [f'    "{name}": (\n{_literals(ranges)}\n    ),' for name, (_, ranges) in rows.items()])
            for constant, rows in tables.items()]
    further = [f'    "{name}": "{further}",' for name, (further, _) in tables["SCRIPTS"].items() if further]
    return head + "\n".join([*([names] if absent else []), *sets, _table("ALIASES: dict[str, str]", further)])


def _table(name: str, lines: list[str]) -> str:
    return "\n".join([f"{name} = {{", *lines, "}", ""])


def _literals(ranges: str) -> str:
    lines = textwrap.wrap(ranges, 105, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f'        "{line}"' for line in [*(line + " " for line in lines[:-1]), lines[-1]])


if __name__ == "__main__":
    sys.exit(main())
