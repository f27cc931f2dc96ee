"""Texts to compare with: files, and data sets by the `datasets` package.

In: paths; or a data set's name, configuration, split and column. Out: texts, one after the other, never all at once.
Invariant: nothing is changed or left out; an unavailable source is a `CandidateError` that names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from dstok.base.faults import reason
from dstok.testing.adapters import CandidateError

__all__ = ["check_files", "documents", "rows"]

DOCUMENT = 20_000  # characters of a file that are one text


def documents(files: Iterable[str]) -> Iterator[str]:
    """The texts of files, in parts of whole lines. Raises `CandidateError` for an unreadable file."""
    for path in files:
        try:
            with open(os.fspath(path), encoding="utf-8", newline="") as file:
                while lines := file.readlines(DOCUMENT):
                    yield "".join(lines)
        except (OSError, UnicodeDecodeError) as error:
            raise CandidateError(f"{path}: {reason(error)}") from error


def check_files(files: Iterable[str]) -> None:
    """Reports a missing file at once, not when its turn comes."""
    for path in files:
        try:
            open(path, "rb").close()
        except OSError as error:
            raise CandidateError(f"{path}: {reason(error)}") from error


def rows(spec: str) -> Iterator[str]:
    """The texts of a data set, a row each; `spec` is NAME[:CONFIGURATION[:SPLIT[:COLUMN]]], by default `test`, `text`.

    The name is one that `datasets.load_dataset` takes: of the hub, or a folder of files. Rows are streamed. Raises
    `CandidateError` if the package, the data set, the split or the column is missing.
    """
    name, configuration, split, column = [*spec.split(":"), "", "", ""][:4]
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise CandidateError(f"datasets is not installed here: pip install 'dstok[corpus]' ({error})") from error
    try:
        data = load_dataset(name, configuration or None, split=split or "test", streaming=True)
    except Exception as error:  # many kinds: no network, no such name, no such split
        raise CandidateError(f"{spec}: {type(error).__name__}: {str(error)[:200]}") from error
    return _texts(spec, data, column or "text")


def _texts(spec: str, found: Iterable[dict[str, object]], column: str) -> Iterator[str]:
    for number, row in enumerate(found):
        text = row.get(column)
        if not isinstance(text, str):
            raise CandidateError(f"{spec}: expected a text in the column {column!r} of row {number}, "
                                 f"found the columns {', '.join(map(repr, row))}")
        yield text
