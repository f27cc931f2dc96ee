"""Reads `ucd.jsonl`: the Unicode Character Database, as far as dstok needs it.

In: the name of a section. Out: its content, decoded by a line of JSON; of sets and mappings in it, the code points.
Invariant: only sections that are asked for are decoded. unicode_tables/generate.py writes the file, and describes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from os.path import dirname, join
from typing import Any

from dstok.unicode.code_point_set import CodePointSet


def read_section(name: str) -> Any:
    """The content of a section."""
    return json.loads(_lines()[name.encode()])[1]


@cache
def _lines() -> dict[bytes, bytes]:
    with open(join(dirname(__file__), "ucd.jsonl"), "rb") as file:
        return {line[2 : line.index(b'"', 2)]: line for line in file.read().splitlines()}


def decode_set(*sets: Iterable[int]) -> CodePointSet:
    """The code points that an odd number of the sets have: of one set all, of two those that only one of them has.

    >>> decode_set([65, 26, 6, 26]), decode_set([65, 26], [65, 25])
    (CodePointSet(U+0041..U+005A, U+0061..U+007A), CodePointSet(U+005A))
    """
    borders: set[int] = set()
    for distances in sets:
        borders ^= {*accumulate(distances)}
    ends = iter(sorted(borders))
    return CodePointSet(tuple((first, end - 1) for first, end in zip(ends, ends)))


def decode_mapping(mapping: tuple[list[int], list[str]]) -> dict[int, str]:
    """The texts by code point.

    >>> decode_mapping(([223, 1], ["ss"]))
    {223: 'ss'}
    """
    return dict(zip(decode_set(mapping[0]), mapping[1], strict=True))
