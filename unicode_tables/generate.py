"""Generates the Unicode tables that dstok ships.

In: the pinned inputs in `unicode_tables/data/VERSION` (see README.md), checked against their `SHA256SUMS`. Out: one
module of string constants, `dstok/unicode/_ucd_VERSION.py`, which is checked in. `dstok/unicode/properties.py` decodes
it on first use.

Invariant: the categories partition all of 0..0x10FFFF. The module is a pure function of the inputs, so that `--check`
can tell a stale or edited file. This script depends on the standard library alone, not on dstok: it must run where no
table exists yet.

Source of the rules: Unicode Standard Annex #44, "Unicode Character Database" (general categories in 5.7.1,
White_Space and Alphabetic in 5.1).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_CODE_POINT = 0x10FFFF
INPUT_NAMES = ("alphabetic.txt", "general_category.txt", "property_value_aliases.txt", "white_space.txt")
HERE = Path(__file__).resolve().parent
LINE_WIDTH = 100

MODULE = '''\
# GENERATED, do not edit. Written by: python unicode_tables/generate.py --unicode {version}
# Data: Unicode Character Database {version}, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/data/{version}:
{sums}
"""Unicode {version}: the general categories, Alphabetic and White_Space of all code points.

Encodings, decoded by dstok/unicode/properties.py:
GENERAL_CATEGORY is run-length coded from U+0000 on: a category and its count of code points, 1 left out.
ALPHABETIC and WHITE_SPACE are inclusive ranges in hexadecimal: "first-last", or "first" alone.
UNICODE_DATA_CHECKSUM is the sha256 of the two-letter categories of all 0x110000 code points in a row.
"""

UNICODE_VERSION = "{version}"
UNICODE_DATA_CHECKSUM = "{checksum}"
GENERAL_CATEGORY_NAMES = (
{names}
)
WHITE_SPACE = (
{white_space}
)
ALPHABETIC = (
{alphabetic}
)
GENERAL_CATEGORY = (
{general_category}
)
'''


class InputError(Exception):
    """An input is missing, altered or not in the format."""


@dataclass(frozen=True)
class Range:
    """The code points `first` to `last`, both included, share `value`."""

    first: int
    last: int
    value: str

    def __len__(self) -> int:
        return self.last - self.first + 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks one table; returns the exit status (0 written or current, 1 stale or a bad input)."""
    options = parse_arguments(arguments)
    output = options.output or HERE.parent / "dstok" / "unicode" / module_name(options.unicode)
    try:
        module = render_module(options.unicode, read_inputs(options.data / options.unicode))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.check:
        return check(output, module, options.unicode)
    output.write_text(module, encoding="utf-8", newline="\n")
    return 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Generate dstok/unicode/_ucd_VERSION.py.")
    parser.add_argument("--unicode", required=True, metavar="VERSION", help="Unicode version, such as 16.0")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="holds one folder a version")
    parser.add_argument("--output", type=Path, help="the module to write or check")
    return parser.parse_args(arguments)


def module_name(version: str) -> str:
    return f"_ucd_{version.replace('.', '_')}.py"


def check(output: Path, module: str, version: str) -> int:
    on_disk = output.read_text(encoding="utf-8") if output.exists() else None
    if on_disk == module:
        return 0
    state = "missing" if on_disk is None else "not current"
    command = f"python unicode_tables/generate.py --unicode {version}"
    print(f"error: {output} is {state}: run {command}", file=sys.stderr)
    return 1


def read_inputs(folder: Path) -> dict[str, str]:
    """Reads the input files of one version by name, each equal to its line in SHA256SUMS."""
    if not folder.is_dir():
        found = ", ".join(sorted(p.name for p in folder.parent.glob("*") if p.is_dir())) or "none"
        raise InputError(f"expected a data folder for Unicode {folder.name}, found {found}")
    sums = read_sums(folder / "SHA256SUMS")
    return {name: read_input(folder / name, sums.get(name)) for name in INPUT_NAMES}


def read_sums(path: Path) -> dict[str, str]:
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise InputError(f"expected the checksums of the inputs: {error}") from error
    return {name: digest for digest, name in rows}


def read_input(path: Path, expected: str | None) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected an input file: {error}") from error
    if sha256(data) != expected:
        raise InputError(f"expected {path.name} with sha256 {expected}, found {sha256(data)}")
    return data.decode("utf-8")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def data_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield line.split(";")


def parse_ranges(text: str) -> list[Range]:
    """Parses lines `first..last;value`: hexadecimal, inclusive, in ascending order."""
    ranges: list[Range] = []
    for span, value in data_rows(text):
        first, last = (int(end, 16) for end in span.split(".."))
        after = ranges[-1].last if ranges else -1
        if not after < first <= last <= MAX_CODE_POINT:
            raise InputError(f"expected ascending ranges after U+{after:04X}, found {span}")
        ranges.append(Range(first, last, value))
    return ranges


def require_partition(ranges: Sequence[Range]) -> None:
    covered = sum(len(r) for r in ranges)
    if covered != MAX_CODE_POINT + 1:
        raise InputError(f"expected a category for all {MAX_CODE_POINT + 1} code points, found {covered}")


def render_module(version: str, inputs: dict[str, str]) -> str:
    categories = parse_ranges(inputs["general_category.txt"])
    require_partition(categories)
    return MODULE.format(
        version=version,
        sums="\n".join(f"#   {sha256(text.encode())}  {name}" for name, text in inputs.items()),
        checksum=sha256("".join(r.value * len(r) for r in categories).encode()),
        names=render_names(data_rows(inputs["property_value_aliases.txt"])),
        white_space=render_string(encode_ranges(parse_ranges(inputs["white_space.txt"])), separator=" "),
        alphabetic=render_string(encode_ranges(parse_ranges(inputs["alphabetic.txt"])), separator=" "),
        general_category=render_string(encode_runs(categories), separator=""),
    )


def render_names(rows: Iterable[list[str]]) -> str:
    return "\n".join("    ({}),".format(", ".join(f'"{name}"' for name in row)) for row in rows)


def encode_runs(ranges: Iterable[Range]) -> list[str]:
    return [r.value if len(r) == 1 else f"{r.value}{len(r)}" for r in ranges]


def encode_ranges(ranges: Iterable[Range]) -> list[str]:
    return [f"{r.first:X}" if len(r) == 1 else f"{r.first:X}-{r.last:X}" for r in ranges]


def render_string(words: Iterable[str], separator: str) -> str:
    """Renders the joined words as adjacent string literals; a line never cuts a word."""
    lines = textwrap.wrap(" ".join(words), LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    literals = [line.replace(" ", separator) for line in lines]
    return "\n".join(f'    "{literal}{separator}"' for literal in literals)


if __name__ == "__main__":
    sys.exit(main())
