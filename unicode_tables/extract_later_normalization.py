"""Pins what a later Unicode version adds to the normalization data of 9.0: `unicodedata2` in, text files out.

    pip install --no-deps --target SCRATCH unicodedata2==17.0.1
    PYTHONPATH=SCRATCH python unicode_tables/extract_later_normalization.py unicode_tables/normalization

In: the installed release of `unicodedata2`, and the files of 9.0 in the folder. Out: the folder's subfolder of the
version, such as `17.0`, with the code points that 9.0 does not have.
Invariant: nothing that 9.0 has may differ, as Unicode's stability policy promises; else the script stops.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import unicodedata2

VERSION = unicodedata2.unidata_version.removesuffix(".0")
ORIGIN = f"# extracted from unicodedata2, Unicode {VERSION}: the code points that are not in the file of 9.0"
SYLLABLES = range(0xAC00, 0xD7A4)  # Hangul is arithmetic


def main() -> None:
    folder = Path(sys.argv[1])
    target = folder / VERSION
    target.mkdir(exist_ok=True)
    for name, found in (("combining_classes.txt", dict(classes())), ("decompositions.txt", dict(decompositions()))):
        old = read(folder / name)
        changed = [code for code, value in old.items() if found.get(code) != value]
        if changed:
            sys.exit(f"error: {name}: expected the values of 9.0, found others, first for U+{changed[0]:04X}")
        lines = [f"{code:04X};{value}" for code, value in found.items() if code not in old]
        (target / name).write_text("\n".join([ORIGIN, *lines]) + "\n", encoding="utf-8")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(target.glob("*.txt"))]
    (target / "SHA256SUMS").write_text("\n".join(sums) + "\n", encoding="utf-8")


def classes() -> Iterator[tuple[int, str]]:
    for code in range(0x110000):
        value = unicodedata2.combining(chr(code))
        if value:
            yield code, str(value)


def decompositions() -> Iterator[tuple[int, str]]:
    """One step of each: after `<` a compatibility mapping, after `!` one that composition never makes."""
    for code in range(0x110000):
        mapping = "" if code in SYLLABLES else unicodedata2.decomposition(chr(code))
        if mapping.startswith("<"):
            yield code, "< " + mapping.split("> ")[1]
        elif mapping:
            excluded = unicodedata2.normalize("NFC", chr(code)) != chr(code)
            yield code, f"! {mapping}" if excluded else mapping


def read(path: Path) -> dict[int, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split(";") for line in lines if not line.startswith("#"))
    return {int(code, 16): value for code, value in rows}


if __name__ == "__main__":
    main()
