"""What `verify` found, as data and as words.

In: causes and checks. Out: `Report`, which goes to JSON and back, and to text for a terminal.
Invariant: the report holds all that its page and its text show; it needs no tokenizer any more.
"""

from __future__ import annotations

import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any

from dstok.testing.causes import Cause
from dstok.testing.guide import Guide
from dstok.testing.runner import Fault
from dstok.testing.unicode_changes import categories
from dstok.testing.words import report_lines

__all__ = ["NO_CALL", "NO_TEXTS", "NO_TIME", "Character", "Check", "Finding", "Report", "finding_of"]

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

    found, expected: (id, token's text as Python spells it). first: number of the first token that differs.
    fault: what happened in place of ids, or "". evidence: of so many further texts that the cause should change,
    so many came out as it says.
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
    """One check. texts: how many; complete: was all of it done; note: what was left out, and why.

    missed: nothing of it was done, though it could have been.
    """

    name: str
    texts: int
    seconds: float
    complete: bool
    differences: int = 0
    note: str = ""
    missed: bool = False


@dataclass
class Report:
    """The result of `verify`. Equal means: each check was run, and none found a difference."""

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
        """The names of the checks of which nothing was done, for want of time or texts."""
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
        """How many texts both encoded."""
        return sum(check.texts for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"verdict": self.verdict, "not_run": self.not_run, "texts": self.texts, **asdict(self)}

    def __str__(self) -> str:
        return "\n".join(report_lines(self))

    def _repr_html_(self) -> str:
        """The page of `verify --html`, in a frame of a notebook."""
        from dstok.testing.html import page
        from dstok.view.notebook import frame

        return frame(page(self), 480)


def finding_of(guide: Guide, cause: Cause) -> Finding:
    """A cause as data."""
    fault = f"{cause.found.kind}: {cause.found.message}" if isinstance(cause.found, Fault) else ""
    found = [] if isinstance(cause.found, Fault) else cause.found
    first = next((at for at, (one, two) in enumerate(zip(found, cause.expected)) if one != two),
                 min(len(found), len(cause.expected)))
    evidence = ""
    if cause.evidence:
        evidence = f"predicts {cause.evidence[0]} of {cause.evidence[1]} further texts that it should change"
    return Finding(cause.cause, _title(cause), cause.text, _tokens(guide, found), _tokens(guide, cause.expected), first,
                   fault, cause.count, _characters(guide, cause), evidence, list(cause.before), cause.examples,
                   _details(cause), cause.note)


def _title(cause: Cause) -> str:
    chars = list(cause.characters)
    if not chars:
        return cause.title
    names = ", ".join(f"U+{ord(char):04X}" for char in sorted(chars)[:6])
    more = f" and {len(chars) - 6} more" if len(chars) > 6 else ""
    return f"{names}{more}: {cause.title}"


def _details(cause: Cause) -> list[str]:
    ranked = sorted(cause.details.items(), key=lambda item: -item[1])
    return [f"{detail}, {count} times" if count > 1 else detail for detail, count in ranked[:8]]


def _tokens(guide: Guide, ids: Any) -> list[tuple[int, str]]:
    return [(id, _spelled(guide, id)) for id in list(ids)[:200]]


def _spelled(guide: Guide, id: int) -> str:
    if not guide.model.has(id):
        return "(no such id)"
    data = guide.tokenizer.token_bytes(id)
    try:
        return repr(data.decode())
    except UnicodeDecodeError:
        return repr(data)


def _characters(guide: Guide, cause: Cause) -> list[Character]:
    """The first characters of the text that are not ASCII, and those that are in a wrong class."""
    odd = [char for char in dict.fromkeys(cause.text[:200]) if char in cause.characters or not char.isascii()]
    return [_character(char) for char in odd[:6]]


def _character(char: str) -> Character:
    rows = categories(char)
    rows = {"": next(iter(rows.values()))} if len(set(rows.values())) == 1 else rows
    return Character(char, f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip(), rows)
