"""Generates `dstok/unicode/ucd.jsonl`, the Unicode data that dstok ships.

    python unicode_tables/generate.py [--check]    # --check: write nothing, exit 1 if the file is not current

In: the pinned inputs in this folder (README.md), checked against their `SHA256SUMS`. Out: a line of JSON a section: its
name and its content. `dstok/unicode/properties.py` reads them.
A set of code points is the list of distances between its borders, from 0 on: the places where it begins, and where it
has ended. A mapping is a list of two: the set of its code points, and their texts.
Invariant: a pure function of the inputs; the categories partition 0..0x10FFFF. The sections of `BASE` hold whole sets;
those of another version hold, for each set that differs, the code points that only one of the two versions has, and
null for a name that only `BASE` has. Depends on the standard library alone: it must run where no data exists yet.
Source of the rules: Unicode Standard Annex #44 (general categories in 5.7.1).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

MAX_CODE_POINT = 0x10FFFF
BASE = "16.0"
HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "dstok" / "unicode" / "ucd.jsonl"
FILES = {"scripts": "scripts.txt", "script_extensions": "script_extensions.txt", "binary": "binary.txt"}

Borders = list[int]
Sets = dict[str, Borders]


class InputError(Exception):
    """An input is missing, altered or not in the format."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes or checks the file; returns the exit status (0 written or current, 1 stale or a bad input)."""
    parser = argparse.ArgumentParser(description="Generate dstok/unicode/ucd.jsonl.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if not current")
    parser.add_argument("--data", type=Path, default=HERE, help="the folder of the inputs")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the file to write or check")
    options = parser.parse_args(arguments)
    try:
        text = render(options.data)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not options.check:
        options.output.write_text(text, encoding="utf-8", newline="\n")
    elif not options.output.exists() or options.output.read_text(encoding="utf-8") != text:
        state = "not current" if options.output.exists() else "missing"
        print(f"error: {options.output} is {state}: run python unicode_tables/generate.py", file=sys.stderr)
        return 1
    return 0


def render(folder: Path) -> str:
    """The whole file."""
    sections = {**property_sections(folder), **normalization_sections(folder / "normalization"),
                "punctuation": distances(borders(folder / "punctuation", "punctuation.txt"))}
    return "".join(json.dumps([name, content], ensure_ascii=False, separators=(",", ":")) + "\n"
                   for name, content in sections.items())


def property_sections(folder: Path) -> dict[str, Any]:
    """The sets of each version by kind, and the further names of categories and scripts."""
    versions = sorted(path.name for path in (folder / "data").iterdir())
    aliases = {version: [*rows(folder / "data" / version, "property_value_aliases.txt")] for version in versions}
    for version in versions:
        if aliases[version] != aliases[BASE]:
            raise InputError(f"expected the names of categories of {BASE}, found others in {version}")
    found: dict[str, Any] = {"category_names": aliases[BASE]}
    scripts: dict[str, str] = {}
    base = property_sets(folder, BASE, scripts)
    for version in versions:
        own = property_sets(folder, version, scripts)
        for kind, sets in own.items():
            changes = sets if version == BASE else changed(base[kind], sets)
            found[f"{kind} {version}"] = {name: None if each is None else distances(each)
                                          for name, each in changes.items()}
    return {**found, "script_names": scripts}


def property_sets(folder: Path, version: str, script_names: dict[str, str]) -> dict[str, Sets]:
    """All sets of a version, by kind and name; adds the further names of its scripts."""
    data = folder / "data" / version
    found = {"categories": category_sets(rows(data, "general_category.txt"))}
    for kind, file in FILES.items():
        found[kind] = {}
        for name, further, ranges in rows(folder / "properties" / version, file):
            found[kind][name] = joined(ranges.split(), "-")
            if kind == "scripts" and further and script_names.setdefault(name, further) != further:
                raise InputError(f"expected {name} with the further names {script_names[name]!r}, found {further!r}")
    found["binary"]["Alphabetic"] = borders(data, "alphabetic.txt")
    found["binary"]["White_Space"] = borders(data, "white_space.txt")
    return found


def category_sets(lines: Iterable[list[str]]) -> Sets:
    """The general categories and their groups."""
    found, end = dict[str, Borders](), 0
    for span, category in lines:
        first, last = (int(code, 16) for code in span.split(".."))
        if not end <= first <= last <= MAX_CODE_POINT:
            raise InputError(f"expected ascending ranges after U+{end - 1:04X}, found {span}")
        end = last + 1
        for name in (category, category[0], *(["LC"] if category in ("Ll", "Lt", "Lu") else [])):
            add(found.setdefault(name, []), first, end)
    covered = sum(end - first for name, each in found.items() if len(name) == 2 and name != "LC"
                  for first, end in zip(each[::2], each[1::2]))
    if covered != MAX_CODE_POINT + 1:
        raise InputError(f"expected a category for all {MAX_CODE_POINT + 1} code points, found {covered}")
    return dict(sorted(found.items()))


def normalization_sections(folder: Path) -> dict[str, Any]:
    """The data of normal forms, of lower case and of case folding."""
    found: dict[str, Any] = {}
    for version, place in (("9.0", folder), ("17.0", folder / "17.0")):
        classes: Sets = {}
        for code, value in rows(place, "combining_classes.txt"):
            add(classes.setdefault(value, []), int(code, 16), int(code, 16) + 1)
        steps: dict[str, dict[int, str]] = {"=": {}, "!": {}, "<": {}}
        for code, mapped in rows(place, "decompositions.txt"):
            sign = mapped[0] if mapped[0] in steps else "="
            steps[sign][int(code, 16)] = characters(mapped.lstrip("!<"))
        names = {"=": "composed", "!": "excluded", "<": "compatible"}
        found[f"normalization {version}"] = {"classes": {value: distances(each) for value, each in classes.items()},
                                             **{names[sign]: mapping(each) for sign, each in steps.items()}}
    found["marks"] = distances(borders(folder, "marks.txt"))
    for name in ("lowercase", "simple_folding", "full_folding"):
        found[name] = mapping({int(code, 16): characters(text) for code, text in rows(folder, f"{name}.txt")})
    return found


def rows(folder: Path, name: str) -> Iterator[list[str]]:
    """The fields of each line of an input, whose checksum is that of SHA256SUMS."""
    try:
        lines = (folder / "SHA256SUMS").read_text("utf-8").splitlines()
        sums = {file: digest for digest, file in map(str.split, lines)}
        data = (folder / name).read_bytes()
    except OSError as error:
        raise InputError(f"expected an input and its checksum: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sums.get(name):
        raise InputError(f"expected {name} with sha256 {sums.get(name)}, found {found}")
    return (line.split(";") for line in data.decode().splitlines() if line and not line.startswith("#"))


def borders(folder: Path, name: str) -> Borders:
    """The set of an input with a range a line."""
    return joined((row[0] for row in rows(folder, name)), "..")


def joined(spans: Iterable[str], to: str) -> Borders:
    found: Borders = []
    for span in spans:
        first, _, last = span.partition(to)
        add(found, int(first, 16), int(last or first, 16) + 1)
    return found


def add(found: Borders, first: int, end: int) -> None:
    """Adds a range after the others of a set."""
    if found and found[-1] == first:
        found[-1] = end
    else:
        found += [first, end]


def changed(base: Sets, own: Sets) -> dict[str, Borders | None]:
    """The sets that differ, as symmetric differences: borders that both have cancel out."""
    absent: dict[str, Borders | None] = dict.fromkeys(base.keys() - own.keys())
    different = {name: sorted({*each} ^ {*base.get(name, ())}) for name, each in own.items()
                 if each != base.get(name)}
    return dict(sorted((absent | different).items()))


def distances(found: Borders) -> list[int]:
    return [end - first for first, end in pairwise([0, *found])]


def mapping(texts: dict[int, str]) -> list[Any]:
    found: Borders = []
    for code in sorted(texts):
        add(found, code, code + 1)
    return [distances(found), [texts[code] for code in sorted(texts)]]


def characters(codes: str) -> str:
    return "".join(chr(int(code, 16)) for code in codes.split())


if __name__ == "__main__":
    sys.exit(main())
