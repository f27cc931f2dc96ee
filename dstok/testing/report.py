"""What `verify` found, as data and as words.

In: causes and checks. Out: `Report`, which goes to JSON and back, and to text for a terminal.
Invariant: the report holds all that its page and its text show; it needs no tokenizer any more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from dstok.testing.causes import Cause
from dstok.testing.guide import Guide
from dstok.testing.runner import Fault
from dstok.testing.unicode_changes import VERSIONS, categories

__all__ = ["NO_CALL", "NO_TEXTS", "NO_TIME", "Character", "Check", "Finding", "Report", "finding_of", "shown"]

EQUAL, INCOMPLETE, DIFFERENT = "equal", "incomplete", "different"
NO_TIME, NO_CALL, NO_TEXTS = "no time was left", "the candidate has no such call", "no texts were given"
SHOWN = 60  # characters of a text that are shown


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
        return "\n".join(_lines(self))

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


# Words


def _lines(report: Report) -> Iterator[str]:
    yield f"candidate  {report.candidate}"
    yield f"reference  {report.reference}"
    yield f"model      {report.model}"
    yield ""
    for check in report.checks:
        yield _check_line(check)
    for number, finding in enumerate(report.findings, 1):
        yield ""
        yield from _finding_lines(number, finding)
    yield ""
    yield from (f"note: {note}" for note in report.notes)
    yield f"{report.summary} ({report.texts:,} texts, {report.seconds:.0f} s)"


def _check_line(check: Check) -> str:
    state = "" if check.complete else "  (not all of it)" if not check.note else ""
    wrong = f"  {check.differences:,} differ" if check.differences else ""
    note = f"  {check.note}" if check.note else ""
    return f"  {check.name:28} {check.texts:>11,} texts {check.seconds:>7.1f} s{wrong}{state}{note}"


def _finding_lines(number: int, finding: Finding) -> Iterator[str]:
    yield f"{number}. {finding.cause}: {finding.title}"
    yield f"   in {finding.count:,} text{'s' if finding.count > 1 else ''}; the smallest: {shown(finding.text)}"
    for text in finding.before[:5]:
        yield f"   after encoding {shown(text)}"
    if finding.fault:
        yield f"   candidate  {finding.fault}"
    elif finding.found != finding.expected:
        yield f"   candidate  {_row(finding.found, finding.first)}"
    if finding.found != finding.expected:
        yield f"   reference  {_row(finding.expected, finding.first)}"
    for char in finding.characters:
        yield f"   {char.name}: {category_words(char)}"
    yield from (f"   {detail}" for detail in [*finding.details, finding.note] if detail)
    if finding.evidence:
        yield f"   {finding.evidence}"
    if finding.examples:
        yield f"   also {', '.join(shown(text, 24) for text in finding.examples)}"


def category_words(char: Character) -> str:
    """A character's category, by version where it changed."""
    if "" in char.categories:
        return f"{char.categories['']} in Unicode {VERSIONS[0]} to {VERSIONS[-1]}"
    return ", ".join(f"{category} in {version}" for version, category in char.categories.items())


def shown(text: str, most: int = SHOWN) -> str:
    """A text, quoted; a long one by its ends."""
    if len(text) <= most:
        return ascii(text) if not text.isprintable() else repr(text)
    return f"{text[:10]!a} ... {text[-10:]!a} ({len(text):,} characters)"


def _row(tokens: list[tuple[int, str]], first: int) -> str:
    start = max(0, first - 3)
    row = [f"{text}={id}" for id, text in tokens[start : first + 5]]
    return ("... " if start else "") + " ".join(row) + (" ..." if len(tokens) > first + 5 else "")
