"""Generates the tables of normalization, of lower case and of case folding that dstok ships.

    python unicode_tables/generate_normalization.py [--check]

In: the pinned inputs in `unicode_tables/normalization` (see README.md), checked against their `SHA256SUMS`. Out:
`dstok/unicode/_ucd_9_0_normalization.py`, what 17.0 adds to it in `_ucd_17_0_normalization.py`,
`_ucd_17_0_lowercase.py` and `_ucd_17_0_folding.py`, which are checked in. `dstok/unicode/normalization.py` and
`folding.py` decode them on first use.

Invariant: the modules are a pure function of the inputs, so that `--check` can tell a stale or edited file.
Depends on the standard library alone, as generate.py does.
Source of the rules: Unicode Standard Annex #15, "Unicode Normalization Forms"; #44 for the fields.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = "python unicode_tables/generate_normalization.py"
LINE_WIDTH = 100

NORMALIZATION = '''\
# GENERATED, do not edit. Written by: {command}
# Data: Unicode Character Database 9.0, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/normalization:
{sums}
"""Unicode 9.0: what the normalization forms are made of; decoded by dstok/unicode/normalization.py.

COMBINING_CLASSES: "first-last:class" or "code:class", hexadecimal code points, decimal classes; all others have 0.
MARKS: the code points of the general categories Mn, Mc and Me, as inclusive ranges.
DECOMPOSITIONS: one step of each: "code=mapping", "code!mapping" if composition leaves it out, "code<mapping" if it
is a compatibility mapping. Hangul syllables are left to arithmetic.
"""

COMBINING_CLASSES = (
{combining_classes}
)
MARKS = (
{marks}
)
DECOMPOSITIONS = (
{decompositions}
)
'''

ADDITIONS = '''\
# GENERATED, do not edit. Written by: {command}
# Data: Unicode Character Database 17.0, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/normalization/17.0:
{sums}
"""Unicode 17.0: what it adds to `_ucd_9_0_normalization.py`, in the same form."""

COMBINING_CLASSES = (
{combining_classes}
)
DECOMPOSITIONS = (
{decompositions}
)
'''

LOWERCASE = '''\
# GENERATED, do not edit. Written by: {command}
# Data: Unicode Character Database 17.0, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/normalization:
{sums}
"""Unicode 17.0: lower case, character by character; decoded by dstok/unicode/normalization.py.

LOWERCASE: "code=mapping" in hexadecimal, for those that change.
"""

LOWERCASE = (
{lowercase}
)
'''


FOLDING = '''\
# GENERATED, do not edit. Written by: {command}
# Data: Unicode Character Database 17.0, (c) Unicode, Inc., under the Unicode License V3.
# sha256 of the inputs in unicode_tables/normalization:
{sums}
"""Unicode 17.0: case folding, decoded by dstok/unicode/normalization.py.

SIMPLE: "code+distance" or "first-last+distance", with "/2" after the last one for every other code point, hexadecimal.
FULL: "code=mapping", the folds to several characters.
"""

SIMPLE = (
{simple}
)
FULL = (
{full}
)
'''


class InputError(Exception):
    """An input is missing or altered."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the modules; returns the exit status (0 written or current, 1 stale or a bad input)."""
    parser = argparse.ArgumentParser(description="Generate the tables of normalization and of lower case.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    parser.add_argument("--data", type=Path, default=HERE / "normalization", help="the folder of the inputs")
    parser.add_argument("--output", type=Path, default=HERE.parent / "dstok" / "unicode", help="the modules' folder")
    options = parser.parse_args(arguments)
    try:
        modules = render(options.data)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    stale = [name for name, text in modules.items() if not current(options.output / name, text)]
    for name in stale:
        if options.check:
            print(f"error: {options.output / name} is not current: run {COMMAND}", file=sys.stderr)
        else:
            (options.output / name).write_text(modules[name], encoding="utf-8", newline="\n")
    return 1 if stale and options.check else 0


def current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def render(folder: Path) -> dict[str, str]:
    """The modules' texts by file name."""
    sums = read_sums(folder / "SHA256SUMS")
    normalization = ("combining_classes.txt", "decompositions.txt", "marks.txt")
    folding = ("simple_folding.txt", "full_folding.txt")
    rows = {name: read_rows(folder / name, sums.get(name)) for name in (*normalization, "lowercase.txt", *folding)}
    added_sums = read_sums(folder / "17.0" / "SHA256SUMS")
    added = {name: read_rows(folder / "17.0" / name, added_sums.get(name)) for name in normalization[:2]}
    return {
        "_ucd_17_0_normalization.py": ADDITIONS.format(
            command=COMMAND, sums=listed(added_sums, normalization[:2]),
            combining_classes=literals(runs(added["combining_classes.txt"])),
            decompositions=literals(decomposition(*row) for row in added["decompositions.txt"])),
        "_ucd_9_0_normalization.py": NORMALIZATION.format(
            command=COMMAND, sums=listed(sums, normalization),
            combining_classes=literals(runs(rows["combining_classes.txt"])),
            marks=literals(runs((code, "") for code, _ in rows["marks.txt"])),
            decompositions=literals(decomposition(*row) for row in rows["decompositions.txt"])),
        "_ucd_17_0_lowercase.py": LOWERCASE.format(
            command=COMMAND, sums=listed(sums, ("lowercase.txt",)),
            lowercase=literals(decomposition(*row) for row in rows["lowercase.txt"])),
        "_ucd_17_0_folding.py": FOLDING.format(
            command=COMMAND, sums=listed(sums, folding), simple=literals(distances(rows["simple_folding.txt"])),
            full=literals(decomposition(*row) for row in rows["full_folding.txt"])),
    }


def read_sums(path: Path) -> dict[str, str]:
    try:
        return {name: digest for digest, name in map(str.split, path.read_text(encoding="utf-8").splitlines())}
    except OSError as error:
        raise InputError(f"expected the checksums of the inputs: {error}") from error


def read_rows(path: Path, expected: str | None) -> list[tuple[int, str]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"expected an input file: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise InputError(f"expected {path.name} with sha256 {expected}, found {found}")
    lines = [line.split(";") for line in data.decode("utf-8").splitlines() if not line.startswith("#")]
    return [(int(code, 16), value) for code, value in lines]


def listed(sums: dict[str, str], names: Sequence[str]) -> str:
    return "\n".join(f"#   {sums[name]}  {name}" for name in names)


def runs(rows: Iterator[tuple[int, str]] | list[tuple[int, str]]) -> Iterator[str]:
    """Joins neighbouring code points of one value to a range."""
    found: list[list[int]] = []
    values: list[str] = []
    for code, value in rows:
        if found and found[-1][1] == code - 1 and values[-1] == value:
            found[-1][1] = code
        else:
            found.append([code, code])
            values.append(value)
    for (first, last), value in zip(found, values):
        yield (f"{first:X}" if first == last else f"{first:X}-{last:X}") + (f":{value}" if value else "")


def distances(rows: list[tuple[int, str]]) -> Iterator[str]:
    """Joins code points with one distance to their mapping: neighbours, or every other one."""
    found: list[tuple[int, int, int, int]] = []  # first, last, step (0: not known yet), distance
    for code, mapping in rows:
        distance = int(mapping, 16) - code
        first, last, step, before = found[-1] if found else (0, -9, 0, 0)
        if distance == before and code - last in ((step,) if step else (1, 2)):
            found[-1] = first, code, code - last, distance
        else:
            found.append((code, code, 0, distance))
    for first, last, step, distance in found:
        yield f"{first:X}" + (f"-{last:X}" if step else "") + "/2" * (step == 2) + f"{distance:+X}"


def decomposition(code: int, mapping: str) -> str:
    sign = mapping[0] if mapping[0] in "<!" else "="
    return f"{code:X}{sign}" + ",".join(f"{int(c, 16):X}" for c in mapping.lstrip("<!").split())


def literals(words: Iterator[str]) -> str:
    """The words as adjacent string literals, a blank after each; a line never cuts a word."""
    lines = textwrap.wrap(" ".join(words), LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f'    "{line} "' for line in lines)


if __name__ == "__main__":
    sys.exit(main())
