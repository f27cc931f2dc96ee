"""A document that cannot be encoded -> an error, or an entry in a list.

In: the document's place, and the error. Out: a `FileError`; or, if the run skips such documents, an entry in the list
of skipped ones. Invariant: each bad document is in one or the other, with its file, line or row, and the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from dstok.errors import FileError

__all__ = ["Faults", "Place", "with_skip"]


class Place(NamedTuple):
    """The place of a document: `number` counts lines from 1 and rows from 0, or is None for a whole file.

    >>> print(Place("a.jsonl", "line", 12))
    a.jsonl: line 12
    """

    path: str
    unit: str = ""
    number: int | None = None

    def __str__(self) -> str:
        return self.path if self.number is None else f"{self.path}: {self.unit} {self.number}"


class Faults:
    """Handles bad documents: raises an error, or passes `listed` a line of JSON each."""

    def __init__(self, listed: Callable[[bytes], None] | None) -> None:
        self.listed, self.count = listed, 0

    @property
    def skips(self) -> bool:
        return self.listed is not None

    def found(self, place: Place, why: str, parameter: str = "") -> None:
        """Reports a bad document. Raises `FileError` unless it is skipped."""
        if self.listed is None:
            raise FileError(f"{place}: {why}", with_skip(parameter))
        self.count += 1
        entry = {"file": place.path, **({place.unit: place.number} if place.unit else {}), "reason": why}
        self.listed(json.dumps(entry).encode() + b"\n")


def with_skip(parameter: str) -> str:
    """The parameters of a `FileError`, and `skip`.

    >>> with_skip("field"), with_skip("")
    ('field, skip', 'skip')
    """
    return parameter if parameter.endswith("skip") else f"{parameter}, skip".removeprefix(", ")
