"""The results of `verify`, as data.

In: nothing. Out: `Results` and its parts: characters, findings, checks.
Invariant: the results hold everything that their page and their text show; they need no tokenizer any more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["NO_CALL", "NO_TEXTS", "NO_TIME", "Character", "Check", "Finding", "Results"]

EQUAL, INCOMPLETE, DIFFERENT = "equal", "incomplete", "different"
NO_TIME, NO_CALL, NO_TEXTS = "no time was left", "the candidate has no such call", "no texts were given"


@dataclass(frozen=True)
class Character:
    """A character of a counterexample. `categories`: by Unicode version; one entry, "", if all agree."""

    char: str
    name: str
    categories: dict[str, str]


@dataclass(frozen=True)
class Finding:
    """One distinct cause, with the smallest text found.

    found, expected: (id, token's text as Python spells it). first: number of the first token that differs. fault: the
    event that replaced ids, or "". evidence: (number as the cause predicts, number of further texts that it should
    change).
    """

    cause: str
    title: str
    text: str
    found: list[tuple[int, str]]
    expected: list[tuple[int, str]]
    first: int
    fault: str
    count: int
    characters: list[Character]
    evidence: str
    before: list[str]
    examples: list[str]
    details: list[str]
    note: str


@dataclass(frozen=True)
class Check:
    """One check. texts: their number; complete: whether all of it was done; note: the omitted part, and the reason.

    missed: nothing of it was done, although it was possible.
    """

    name: str
    texts: int
    seconds: float
    complete: bool
    differences: int = 0
    note: str = ""
    missed: bool = False


@dataclass
class Results:
    """The results of `verify`. Equal means: every check was run, and none found a difference."""

    candidate: str
    reference: str
    model: str
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """`equal`; `different`; or `incomplete`: no difference was found, but not every check was run."""
        if self.findings or any(check.differences for check in self.checks):
            return DIFFERENT
        return INCOMPLETE if self.not_run or not self.checks else EQUAL

    @property
    def equal(self) -> bool:
        """Every check was run, and no difference was found."""
        return self.verdict == EQUAL

    @property
    def not_run(self) -> list[str]:
        """The names of the checks that did nothing for lack of time or texts."""
        return [check.name for check in self.checks if check.missed]

    @property
    def summary(self) -> str:
        """The verdict in words."""
        if self.verdict == DIFFERENT:
            return f"different: {len(self.findings)} distinct cause{'' if len(self.findings) == 1 else 's'}"
        if self.verdict == INCOMPLETE:
            return f"no difference found; {len(self.not_run)} of {len(self.checks)} checks not run"
        part = sum(not check.complete and bool(check.texts) for check in self.checks)
        return "equal: no difference found" + (f"; {part} of {len(self.checks)} checks in part" if part else "")

    @property
    def texts(self) -> int:
        """The number of texts that both encoded."""
        return sum(check.texts for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The results as JSON values."""
        return {"verdict": self.verdict, "not_run": self.not_run, "texts": self.texts, **asdict(self)}
