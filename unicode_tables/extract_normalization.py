"""Pins the inputs of generate.py: a folder of the raw UCD in, text files out.

    python unicode_tables/extract_normalization.py UCD_FOLDER unicode_tables/normalization

UCD_FOLDER holds UnicodeData.txt, DerivedAge.txt and DerivedNormalizationProps.txt of any version from 9.0 on. The
output has only the code points of Unicode 9.0. The normalization of an assigned code point never changes (Unicode's
stability policy), so these are the tables of 9.0. extract_lowercase.mjs makes lowercase.txt in the same folder.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

AGE = (9, 0)
# General categories are not stable: where marks have come or gone since 9.0, these are the categories of 9.0.
CATEGORIES = {0x1CF2: "Mc", 0x1CF3: "Mc", 0x111C9: "Po"}
ORIGIN = "# extracted from the Unicode Character Database {}, code points of Age <= 9.0"


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    aged = {c for first, last, age in rows(source / "DerivedAge.txt") if tuple(map(int, age.split("."))) <= AGE
            for c in range(first, last + 1)}
    excluded = {c for first, last, name in rows(source / "DerivedNormalizationProps.txt")
                if name == "Full_Composition_Exclusion" for c in range(first, last + 1)}
    characters = [(int(f[0], 16), f[2], f[3], f[5]) for f in fields(source / "UnicodeData.txt")]
    characters = [row for row in characters if row[0] in aged]
    version = (source / "DerivedAge.txt").read_text().split("\n")[0].removeprefix("# DerivedAge-").removesuffix(".txt")
    write(target / "combining_classes.txt", version, [f"{c:04X};{k}" for c, _, k, _ in characters if k != "0"])
    write(target / "marks.txt", version, [f"{c:04X};{k}" for c, k in (
        (c, CATEGORIES.get(c, category)) for c, category, _, _ in characters) if k[0] == "M"])
    write(target / "decompositions.txt", version, [f"{c:04X};{shown(d, c in excluded)}"
                                                   for c, _, _, d in characters if d])
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in sorted(target.glob("*.txt"))]
    (target / "SHA256SUMS").write_text("\n".join(sums) + "\n")


def fields(path: Path) -> Iterator[list[str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line:
            yield [field.strip() for field in line.split(";")]


def rows(path: Path) -> Iterator[tuple[int, int, str]]:
    for span, value, *_ in fields(path):
        first, last = (span + ".." + span).split("..")[:2]
        yield int(first, 16), int(last, 16), value


def shown(mapping: str, excluded: bool) -> str:
    """`< ` for a compatibility mapping, `! ` for a canonical one that composition leaves out."""
    if mapping.startswith("<"):
        return "< " + mapping.split("> ")[1]
    return f"! {mapping}" if excluded else mapping


def write(path: Path, version: str, lines: list[str]) -> None:
    path.write_text("\n".join([ORIGIN.format(version), *lines]) + "\n")


if __name__ == "__main__":
    main()
