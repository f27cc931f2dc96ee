"""A report in words: the lines for a terminal, and the phrases that they share with its page (html.py).

In: `Results`, or parts of it. Out: text. Invariant: a counterexample is quoted, so that nothing in it can act.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dstok.testing.unicode_changes import VERSIONS

if TYPE_CHECKING:
    from dstok.testing.results import Character, Check, Finding, Results

__all__ = ["before", "category_words", "heading", "in_texts", "remarks", "report_lines", "shown", "state", "was_run",
           "why_not"]

SHOWN = 60  # characters of a text that are shown
MOST_BEFORE = 5  # a finding shows at most so many of the texts encoded before


def report_lines(report: Results) -> Iterator[str]:
    """The lines of a report for a terminal."""
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
    if not was_run(check):
        return f"  {check.name:28}{'':>11}  not run: {why_not(check)}"
    wrong = f"  {check.differences:,} differ" if check.differences else ""
    left_out = f"  {check.note}" if check.note else f"  ({state(check)})" if state(check) else ""
    return f"  {check.name:28} {check.texts:>11,} texts {check.seconds:>7.1f} s{wrong}{left_out}"


def _finding_lines(number: int, finding: Finding) -> Iterator[str]:
    yield heading(number, finding)
    yield f"   in {in_texts(finding)}; the smallest: {shown(finding.text)}"
    yield from (f"   after encoding {text}" for text in before(finding))
    if finding.fault:
        yield f"   candidate  {finding.fault}"
    elif finding.found != finding.expected:
        yield f"   candidate  {_row(finding.found, finding.first)}"
    if finding.found != finding.expected:
        yield f"   reference  {_row(finding.expected, finding.first)}"
    for char in finding.characters:
        yield f"   {char.name}: {category_words(char)}"
    yield from (f"   {remark}" for remark in remarks(finding))
    if finding.examples:
        yield f"   also {', '.join(shown(text, 24) for text in finding.examples)}"


def was_run(check: Check) -> bool:
    """Whether any text was tried."""
    return bool(check.texts or check.differences)


def why_not(check: Check) -> str:
    """Why a check tried no text."""
    return check.note or "no text was tried"


def state(check: Check) -> str:
    """The omitted part of a check; "" if it is complete."""
    return check.note or ("" if check.complete else "not all of it")


def heading(number: int, finding: Finding) -> str:
    """The heading of a finding."""
    return f"{number}. {finding.cause}: {finding.title}"


def in_texts(finding: Finding) -> str:
    """The number of texts in which the cause was found."""
    return f"{finding.count:,} text{'s' if finding.count > 1 else ''}"


def before(finding: Finding) -> list[str]:
    """The texts that the candidate must encode first for the finding to show."""
    return [shown(text) for text in finding.before[:MOST_BEFORE]]


def remarks(finding: Finding) -> list[str]:
    """The remarks of a finding."""
    return [remark for remark in (*finding.details, finding.note, finding.evidence) if remark]


def category_words(char: Character) -> str:
    """A character's category, by version where it changed."""
    if "" in char.categories:
        return f"{char.categories['']} in Unicode {VERSIONS[0]} to {VERSIONS[-1]}"
    return ", ".join(f"{category} in {version}" for version, category in char.categories.items())


def shown(text: str, most: int = SHOWN) -> str:
    """A text, quoted; of a long text, its ends."""
    if len(text) <= most:
        return ascii(text) if not text.isprintable() else repr(text)
    return f"{text[:10]!a} ... {text[-10:]!a} ({len(text):,} characters)"


def _row(tokens: list[tuple[int, str]], first: int) -> str:
    start = max(0, first - 3)
    row = [f"{text}={id}" for id, text in tokens[start : first + 5]]
    return ("... " if start else "") + " ".join(row) + (" ..." if len(tokens) > first + 5 else "")
