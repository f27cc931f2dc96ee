"""Docstrings as reStructuredText: lists of arguments become lists.

In: the lines of a docstring. Out: the same, in which a paragraph such as

    special: which added tokens are matched in the text: "all", "none",
        or a set of their texts.
    add_bos: whether BOS stands before the ids.

is a list with two items. The signature of a compiled call gets the types of its stub. Invariant: a paragraph whose
lines begin in one column, and an example, stay as they are.
"""

from __future__ import annotations

import ast
from itertools import groupby
from pathlib import Path
from types import MethodDescriptorType
from typing import Any

from sphinx.application import Sphinx

import dstok


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


def _typed(app: Sphinx, what: str, name: str, obj: Any, *others: Any) -> tuple[str, str] | None:
    if not isinstance(obj, MethodDescriptorType) or not name.startswith("dstok."):
        return None
    stub = ast.parse((Path(dstok.__file__).parent / "core" / "encode" / "encoder.pyi").read_text(encoding="utf-8"))
    (owner,) = (node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "LineEncoder")
    (written,) = (node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == obj.__name__)
    del written.args.args[0]
    return f"({ast.unparse(written.args)})", ast.unparse(written.returns) if written.returns else ""


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _typed)
    return {"parallel_read_safe": True}
