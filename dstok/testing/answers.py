"""A tokenizer's answers for many texts.

In: the answers of its process. Out: `Answers`. Invariant: each text has its ids, or a `Fault` with the reason.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

from dstok.testing.child import LATE, Faults

__all__ = ["Answers", "Fault", "answers_of", "without_ids"]


class Fault(NamedTuple):
    """Why a text has no ids. kind: error, crash, hang, memory; skipped, late: it was not encoded."""

    kind: str
    message: str


@dataclass
class Answers:
    """The ids (uint32 bytes) of texts, flat, with the number of each; and the faults by number."""

    flat: bytes = b""
    lengths: array[int] = field(default_factory=lambda: array("I"))
    faults: dict[int, Fault] = field(default_factory=dict)

    def append(self, more: Answers) -> None:
        """Append the answers for further texts."""
        before = len(self.lengths)
        self.flat += more.flat
        self.lengths += more.lengths
        self.faults |= {before + number: fault for number, fault in more.faults.items()}

    def late(self) -> list[int]:
        """The numbers of the texts that got no time."""
        return [number for number, fault in self.faults.items() if fault == LATE]

    def rows(self) -> list[bytes | Fault]:
        """For each text its ids as uint32 bytes, or its fault."""
        rows: list[bytes | Fault] = []
        at = 0
        for number, length in enumerate(self.lengths):
            rows.append(self.faults.get(number) or self.flat[at : at + 4 * length])
            at += 4 * length
        return rows

    def differ(self, other: Answers) -> list[int]:
        """The numbers of the texts whose answers differ."""
        if self.flat == other.flat and self.lengths == other.lengths and not self.faults and not other.faults:
            return []
        return [at for at, (one, two) in enumerate(zip(self.rows(), other.rows())) if one != two]


def answers_of(found: tuple[bytes, bytes, Faults]) -> Answers:
    """The answers that a process sent."""
    flat, lengths, faults = found
    return Answers(flat, array("I", lengths), {number: Fault(*fault) for number, fault in faults.items()})


def without_ids(count: int, fault: Fault) -> Answers:
    """The answers for `count` texts that all have the same fault."""
    return Answers(b"", array("I", [0]) * count, dict.fromkeys(range(count), fault))
