"""Shows the results of `verify` as data, as lines for a terminal, and as one self-contained page.

In: causes of differences, the guide of the reference's tokenizer. Out: `Finding`s, `Report`; text, HTML, JSON.
Invariant: the results hold everything that page and lines show, and both say the same. A counterexample (markup,
controls, characters that change the direction of writing) is quoted and shown, and cannot act. The page fetches
nothing. With the tokenizer of the report's model it has each counterexample as both tokenizers cut it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from dstok._util.files import visible
from dstok.conformance.automaton_guide import VERSIONS, Guide, categories, spelled
from dstok.conformance.causes import Cause
from dstok.conformance.worker import Fault
from dstok.errors import TextError
from dstok.tokenizer import Tokenizer
from dstok.viewer.html import page as base_page
from dstok.viewer.notebook import frame
from dstok.viewer.reading import read_ids
from dstok.viewer.sheet import Sheet

EQUAL, INCOMPLETE, DIFFERENT = "equal", "incomplete", "different"
NO_TIME, NO_CALL, NO_TEXTS = "no time was left", "the candidate has no such call", "no texts were given"


@dataclass(frozen=True)
class Character:
    """Describes a character of a counterexample. `categories`: by Unicode version; one entry, "", if all agree."""

    char: str
    name: str
    categories: dict[str, str]

    def __str__(self) -> str:
        if "" in self.categories:
            return f"{self.name}: {self.categories['']} in Unicode {VERSIONS[0]} to {VERSIONS[-1]}"
        return f"{self.name}: {', '.join(f'{category} in {version}' for version, category in self.categories.items())}"


@dataclass(frozen=True)
class Finding:
    """Describes one distinct cause by the smallest text found.

    found, expected: (id, token's text as Python spells it). first: the number of the first token that differs. fault:
    the event that replaced ids, or "". evidence: how many further texts the cause predicts, of those that it should
    change. before: the texts that must be encoded first. examples: further texts.
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


@dataclass
class Check:
    """Counts the work of one check.

    texts: their number. complete: all of it was done. note: what was left out, and the reason. missed: nothing of it
    was done, although it was possible.
    """

    name: str
    texts: int = 0
    seconds: float = 0.0
    complete: bool = True
    differences: int = 0
    note: str = ""
    missed: bool = False

    @property
    def why_not(self) -> str:
        """Return the reason why the check tried no text; "" if it tried some."""
        return "" if self.texts or self.differences else self.note or "no text was tried"


@dataclass
class Report:
    """Holds the result of `verify`. `print` shows it as lines, a notebook as the page of `verify --html`.

    The two are equal if every check was run, and none found a difference.
    """

    candidate: str
    reference: str
    model: str
    findings: list[Finding] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """Return `equal`, `different`, or `incomplete`: no difference was found, but not every check was run."""
        if self.findings or any(check.differences for check in self.checks):
            return DIFFERENT
        return INCOMPLETE if self.not_run or not self.checks else EQUAL

    @property
    def equal(self) -> bool:
        """Tell whether every check was run, and none found a difference."""
        return self.verdict == EQUAL

    @property
    def not_run(self) -> list[str]:
        """Return the names of the checks that did nothing for lack of time or texts."""
        return [check.name for check in self.checks if check.missed]

    @property
    def summary(self) -> str:
        """Return the verdict in words."""
        if self.verdict == DIFFERENT:
            return f"different: {len(self.findings)} distinct cause{'' if len(self.findings) == 1 else 's'}"
        if self.verdict == INCOMPLETE:
            return f"no difference found; {len(self.not_run)} of {len(self.checks)} checks not run"
        part = sum(not check.complete and bool(check.texts) for check in self.checks)
        return "equal: no difference found" + (f"; {part} of {len(self.checks)} checks in part" if part else "")

    @property
    def texts(self) -> int:
        """Return the number of texts that both encoded."""
        return sum(check.texts for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        return {"verdict": self.verdict, "not_run": self.not_run, "texts": self.texts, **asdict(self)}

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_html_(self) -> str:
        return frame(page(self), 480)


def finding_of(guide: Guide, cause: Cause) -> Finding:
    """Return a cause as data."""
    fault = f"{cause.found.kind}: {cause.found.message}" if isinstance(cause.found, Fault) else ""
    ids = () if isinstance(cause.found, Fault) else cause.found
    first = next((at for at, (one, two) in enumerate(zip(ids, cause.expected)) if one != two),
                 min(len(ids), len(cause.expected)))
    evidence = ""
    if cause.evidence:
        evidence = f"predicts {cause.evidence[0]} of {cause.evidence[1]} further texts that it should change"
    title, wrong = cause.title, sorted(cause.characters)
    if wrong:
        more = f" and {len(wrong) - 6} more" if len(wrong) > 6 else ""
        title = f"{', '.join(f'U+{ord(char):04X}' for char in wrong[:6])}{more}: {title}"
    ranked = sorted(cause.details.items(), key=lambda item: -item[1])
    details = [f"{detail}, {count} times" if count > 1 else detail for detail, count in ranked[:8]]
    characters = []
    for char in [char for char in dict.fromkeys(cause.text[:200]) if char in wrong or not char.isascii()][:6]:
        kinds = categories(char)
        kinds = {"": next(iter(kinds.values()))} if len({*kinds.values()}) == 1 else kinds
        characters.append(Character(char, f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip(), kinds))
    found, expected = ([(id, spelled(guide.tokenizer.decode_bytes([id])) if guide.model.has(id) else "(no such id)")
                        for id in row[:200]] for row in (ids, cause.expected))
    return Finding(cause.cause, title, cause.text, found, expected, first, fault, cause.count, characters, evidence,
                   list(cause.before), cause.examples, details, cause.note)


def shown(text: str, most: int = 60) -> str:
    """Quote a text, and of a long one its ends."""
    if len(text) <= most:
        return ascii(text) if not text.isprintable() else repr(text)
    return f"{text[:10]!a} ... {text[-10:]!a} ({len(text):,} characters)"


MOST_BEFORE = 5  # a finding shows at most so many of the texts encoded before


def _parts(finding: Finding) -> Iterator[tuple[str, Any]]:
    """Yield what lines and page say of a finding, in their order: a label ("" of a remark), and words or tokens."""
    yield from (("after encoding ", shown(text)) for text in finding.before[:MOST_BEFORE])
    if finding.fault:
        yield "candidate  ", finding.fault
    elif finding.found != finding.expected:
        yield "candidate  ", finding.found
    yield "reference  ", finding.expected
    yield from (("", str(remark)) for remark in (
        *finding.characters, *finding.details, finding.note, finding.evidence) if remark)


def _head(number: int, finding: Finding) -> tuple[str, str]:
    """Return the heading of a finding, and the number of texts in words."""
    count = f"{finding.count:,} text{'s' if finding.count > 1 else ''}"
    return f"{number}. {finding.cause}: {finding.title}", count


def _lines(report: Report) -> Iterator[str]:
    """Yield the lines of a report for a terminal."""
    yield from (f"candidate  {report.candidate}", f"reference  {report.reference}", f"model      {report.model}", "")
    for check in report.checks:
        if check.why_not:
            yield f"  {check.name:28}{'':>11}  not run: {check.why_not}"
            continue
        wrong = f"  {check.differences:,} differ" if check.differences else ""
        left_out = f"  {check.note}" if check.note else "" if check.complete else "  (not all of it)"
        yield f"  {check.name:28} {check.texts:>11,} texts {check.seconds:>7.1f} s{wrong}{left_out}"
    for number, finding in enumerate(report.findings, 1):
        heading, count = _head(number, finding)
        yield from ("", heading, f"   in {count}; the smallest: {shown(finding.text)}")
        for label, part in _parts(finding):
            if isinstance(part, str):
                yield f"   {label}{part}"
            elif finding.found != finding.expected:
                start, end = max(0, finding.first - 3), finding.first + 5
                row = [*["..."] * (start > 0), *(f"{text}={id}" for id, text in part[start:end])]
                yield f"   {label}{' '.join([*row, *['...'] * (len(part) > end)])}"
        if finding.examples:
            yield f"   also {', '.join(shown(text, 24) for text in finding.examples)}"
    yield from ("", *(f"note: {note}" for note in report.notes))
    yield f"{report.summary} ({report.texts:,} texts, {report.seconds:.0f} s)"


def page(report: Report, like: Tokenizer | None = None) -> str:
    """Return the report as HTML. `like`: the tokenizer of the report's model, which views of the whole texts need.

    >>> from dstok.conformance import Report
    >>> "no difference found" in page(Report("mine", "dstok", "deepseek-v3"))
    True
    """
    views = {} if like is None else {number: _view(number, report, finding, like)
                                     for number, finding in enumerate(report.findings, 1)
                                     if not finding.fault and finding.found != finding.expected}
    body = "".join(_page_parts(report, views))
    style = Path(__file__).with_suffix(".css").read_text("utf-8")
    return base_page(f"{report.candidate}: {report.verdict}", f"<main>{body}</main>", styles=[style])


def _page_parts(report: Report, views: dict[int, str]) -> Iterator[str]:
    yield f"<h1>{escape(report.candidate)} against {escape(report.reference)}</h1>\n"
    yield f'<p><strong class="{report.verdict}">{escape(report.summary)}</strong></p>\n'
    yield f'<p class="soft">Model {escape(report.model)}; {report.texts:,} texts in {report.seconds:.0f} s.</p>\n'
    for number, finding in enumerate(report.findings, 1):
        yield from _finding(number, finding, views.get(number))
    yield '<section><h2>Checks</h2>\n<table><tr><th>check</th><th class="n">texts</th><th class="n">seconds</th>'
    yield '<th class="n">differ</th><th>note</th></tr>\n'
    idle: dict[str, list[str]] = {}  # by reason the names of the checks that had no texts
    for check in report.checks:
        if check.why_not:
            idle.setdefault(check.why_not, []).append(check.name)
            continue
        yield (f'<tr><td>{escape(check.name)}</td><td class="n">{check.texts:,}</td>'
               f'<td class="n">{check.seconds:.1f}</td><td class="n">{check.differences or ""}</td>'
               f"<td>{escape(check.note or ('' if check.complete else 'not all of it'))}</td></tr>\n")
    yield "</table>\n"
    yield from (f"<p>Not run, since {escape(why)}: {escape(', '.join(names))}.</p>\n" for why, names in idle.items())
    yield "</section>\n"
    yield from (f"<p>{escape(note)}</p>\n" for note in report.notes)
    if any(views.values()):
        yield "<section><h2>The texts as both tokenizers cut them</h2>\n"
        yield '<p class="soft">A wave is under each token that the other one lacks.</p></section>\n'
        yield from views.values()


def _finding(number: int, finding: Finding, view: str | None) -> Iterator[str]:
    heading, count = _head(number, finding)
    yield f'<section id="finding-{number}"><h2>{_visible(heading)}</h2>\n'
    yield f"<p>In {count}. The smallest: <code>{_visible(shown(finding.text))}</code></p>\n"
    for label, part in _parts(finding):
        yield f"<h3>{label.strip()}</h3>" if label else ""
        yield f"<p>{_visible(part)}</p>\n" if isinstance(part, str) else f"{_boxes(part, finding.first)}\n"
        if label.startswith("reference") and view:
            yield f'<p><a href="#view-{number}">The whole text, as both cut it</a></p>\n'
        elif label.startswith("reference") and view is not None:
            yield '<p class="soft">The tokens that are known do not make up the text, so it cannot be shown cut.</p>\n'
    if finding.examples:
        yield f"<p>Also: {', '.join(f'<code>{_visible(shown(text))}</code>' for text in finding.examples)}</p>\n"
    yield "</section>\n"


def _boxes(tokens: list[tuple[int, str]], first: int) -> str:
    """Return tokens as HTML, around the first one that differs."""
    start, end = max(0, first - 4), first + 12
    boxes = (f"<span class=\"t{' x' if at == first else ''}\">{_visible(text)}<small>{id}</small></span>"
             for at, (id, text) in enumerate(tokens[start:end], start))
    return f"<div class=\"boxes\">{'… ' * (start > 0)}{''.join(boxes)}{' …' * (len(tokens) > end)}</div>"


def _view(number: int, report: Report, finding: Finding, like: Tokenizer) -> str:
    """Return the tokens of both, aligned; nothing if they do not make up the text."""
    sides = (report.candidate, finding.found), (report.reference, finding.expected)
    try:
        sheet = Sheet([read_ids(name, finding.text, [id for id, _ in tokens], like) for name, tokens in sides])
    except TextError:
        return ""
    lists = "".join(f"<h3>{escape(reading.name)}</h3>"
                    f'<div class="tokens blanks">{sheet.html(side, 0, len(reading))}</div>'
                    for side, reading in enumerate(sheet.readings))
    return f'<section id="view-{number}"><h2><a href="#finding-{number}">{number}.</a></h2>{lists}</section>\n'


def _visible(text: str) -> str:
    return escape(visible(text))
