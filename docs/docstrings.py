"""Docstrings as reStructuredText: lists of arguments become lists.

In: the lines of a docstring. Out: the same, in which a paragraph such as

    special: which added tokens are matched in the text: "all", "none",
        or a set of their texts.
    add_bos: whether BOS stands before the ids.

is a list with two items. Invariant: a paragraph whose lines begin in one column, and an example, stay as they are.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sphinx.application import Sphinx


def listed(lines: list[str]) -> list[str]:
    """The lines with lists as reStructuredText has them."""
    found: list[str] = []
    for blank, group in groupby(lines, key=lambda line: not line.strip()):
        paragraph = list(group)
        found += paragraph if blank else _paragraph(paragraph)
    return found


def _paragraph(lines: list[str]) -> list[str]:
    columns = [len(line) - len(line.lstrip()) for line in lines]
    if lines[0].lstrip().startswith(">>>") or max(columns) == columns[0]:
        return lines
    first = columns[0]
    return [f"{' ' * first}- {line[first:]}" if column == first else f"{' ' * first}  {line.lstrip()}"
            for line, column in zip(lines, columns)]


def _process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = listed(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}
