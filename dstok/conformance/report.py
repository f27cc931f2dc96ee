"""The results of `verify`: as data, as lines for a terminal, as one self-contained page.

In: causes of differences, the guide of the reference's tokenizer. Out: `Finding`s, `Report`; text, HTML, JSON.
Invariant: the results hold everything that page and lines show: they need no tokenizer any more, and both say the same.
A counterexample (markup, controls, characters that change the direction of writing) is quoted and shown, and cannot
act. The page, made of the base page of `dstok.viewer`, fetches nothing. With the tokenizer of the report's model each
counterexample has a link to its whole text as both tokenizers cut it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from dstok._util.files import visible
from dstok.conformance.automaton_guide import Guide, spelled
from dstok.conformance.causes import Cause
from dstok.conformance.unicode_changes import VERSIONS, categories
from dstok.conformance.worker import Fault
from dstok.errors import TextError
from dstok.viewer.html import page as base_page
from dstok.viewer.notebook import frame
from dstok.viewer.reading import read_ids
from dstok.viewer.sheet import Sheet

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

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
class Report:
    """The result of `verify`, which shows itself: `print` gives lines, a notebook the page of `verify --html`.

    Equal means: every check was run, and none found a difference.
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

    def __str__(self) -> str:
        return "\n".join(report_lines(self))

    def _repr_html_(self) -> str:
        return frame(page(self), 480)


def finding_of(guide: Guide, cause: Cause) -> Finding:
    """A cause as data."""
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
    odd = [char for char in dict.fromkeys(cause.text[:200]) if char in cause.characters or not char.isascii()]
    return Finding(cause.cause, title, cause.text, _tokens(guide, ids), _tokens(guide, cause.expected), first, fault,
                   cause.count, [_character(char) for char in odd[:6]], evidence, list(cause.before), cause.examples,
                   details, cause.note)


def _tokens(guide: Guide, ids: tuple[int, ...]) -> list[tuple[int, str]]:
    return [(id, spelled(guide.tokenizer.decode_bytes([id])) if guide.model.has(id) else "(no such id)")
            for id in ids[:200]]


def _character(char: str) -> Character:
    rows = categories(char)
    rows = {"": next(iter(rows.values()))} if len(set(rows.values())) == 1 else rows
    return Character(char, f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip(), rows)


SHOWN = 60  # characters of a text that are shown
MOST_BEFORE = 5  # a finding shows at most so many of the texts encoded before


def report_lines(report: Report) -> Iterator[str]:
    """The lines of a report for a terminal."""
    yield f"candidate  {report.candidate}"
    yield f"reference  {report.reference}"
    yield f"model      {report.model}"
    yield ""
    for check in report.checks:
        if not was_run(check):
            yield f"  {check.name:28}{'':>11}  not run: {why_not(check)}"
            continue
        wrong = f"  {check.differences:,} differ" if check.differences else ""
        left_out = f"  {check.note}" if check.note else f"  ({state(check)})" if state(check) else ""
        yield f"  {check.name:28} {check.texts:>11,} texts {check.seconds:>7.1f} s{wrong}{left_out}"
    for number, finding in enumerate(report.findings, 1):
        yield ""
        yield from _finding_lines(number, finding)
    yield ""
    yield from (f"note: {note}" for note in report.notes)
    yield f"{report.summary} ({report.texts:,} texts, {report.seconds:.0f} s)"


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


_AROUND = 4, 12  # tokens shown before and from the first one that differs
STYLE = """
main { max-width: 62rem; margin: 0 auto; padding: 1rem }
section { border-top: 1px solid var(--line); margin-top: 1.6rem; padding-top: .4rem }
.equal { color: var(--good) } .different { color: var(--bad) } .incomplete { color: var(--soft) }
.boxes { display: flex; flex-wrap: wrap; gap: 3px; direction: ltr; unicode-bidi: isolate }
.t { border: 1px solid var(--edge); border-radius: 4px; padding: 0 .4rem; background: var(--shade);
  white-space: pre-wrap; overflow-wrap: anywhere; max-width: 100%;
  font: .9rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
.t small { display: block; color: var(--soft); font-size: .75rem }
.t.x { background: var(--bad-tone); border: 2px solid var(--bad) }
h3 { font-size: .95rem; margin: .6rem 0 .2rem }
"""


def page(report: Report, like: Tokenizer | None = None) -> str:
    """The report as HTML. `like`: the tokenizer of the report's model; with it there are views of the whole texts.

    >>> from dstok.conformance import Report
    >>> "no difference found" in page(Report("mine", "dstok", "deepseek-v3"))
    True
    """
    views = {} if like is None else {number: _view(number, report, finding, like)
                                     for number, finding in enumerate(report.findings, 1)
                                     if not finding.fault and finding.found != finding.expected}
    body = "".join(_parts(report, views))
    return base_page(f"{report.candidate}: {report.verdict}", f"<main>{body}</main>", styles=[STYLE])


def _parts(report: Report, views: dict[int, str]) -> Iterator[str]:
    yield f"<h1>{escape(report.candidate)} against {escape(report.reference)}</h1>\n"
    yield f'<p><strong class="{report.verdict}">{escape(report.summary)}</strong></p>\n'
    yield f'<p class="soft">Model {escape(report.model)}; {report.texts:,} texts in {report.seconds:.0f} s.</p>\n'
    for number, finding in enumerate(report.findings, 1):
        yield from _finding(number, finding, views.get(number))
    yield from _checks(report.checks)
    yield from (f"<p>{escape(note)}</p>\n" for note in report.notes)
    if any(views.values()):
        yield "<section><h2>The texts as both tokenizers cut them</h2>\n"
        yield '<p class="soft">A wave is under each token that the other one lacks.</p></section>\n'
        yield from views.values()


def _checks(checks: Iterable[Check]) -> Iterator[str]:
    """A row for each check that had texts; the others are grouped by the reason for having none."""
    yield '<section><h2>Checks</h2>\n<table><tr><th>check</th><th class="n">texts</th><th class="n">seconds</th>'
    yield '<th class="n">differ</th><th>note</th></tr>\n'
    idle: dict[str, list[str]] = {}
    for check in checks:
        if not was_run(check):
            idle.setdefault(why_not(check), []).append(check.name)
            continue
        yield (f'<tr><td>{escape(check.name)}</td><td class="n">{check.texts:,}</td>'
               f'<td class="n">{check.seconds:.1f}</td><td class="n">{check.differences or ""}</td>'
               f"<td>{escape(state(check))}</td></tr>\n")
    yield "</table>\n"
    yield from (f"<p>Not run, since {escape(why)}: {escape(', '.join(names))}.</p>\n" for why, names in idle.items())
    yield "</section>\n"


def _finding(number: int, finding: Finding, view: str | None) -> Iterator[str]:
    yield f'<section id="finding-{number}"><h2>{_visible(heading(number, finding))}</h2>\n'
    yield f"<p>In {in_texts(finding)}. The smallest: <code>{_visible(shown(finding.text))}</code></p>\n"
    yield from (f"<p>After encoding <code>{_visible(text)}</code></p>\n" for text in before(finding))
    if finding.fault:
        yield f"<h3>candidate</h3><p>{_visible(finding.fault)}</p>\n"
    elif finding.found != finding.expected:
        yield f"<h3>candidate</h3>{_tokens_html(finding.found, finding.first)}\n"
    yield f"<h3>reference</h3>{_tokens_html(finding.expected, finding.first)}\n"
    if view:
        yield f'<p><a href="#view-{number}">The whole text, as both cut it</a></p>\n'
    elif view is not None:
        yield '<p class="soft">The tokens that are known do not make up the text, so it cannot be shown cut.</p>\n'
    for char in finding.characters:
        yield f"<p><code>{_visible(char.name)}</code>: {escape(category_words(char))}</p>\n"
    yield from (f"<p>{_visible(remark)}</p>\n" for remark in remarks(finding))
    if finding.examples:
        yield f"<p>Also: {', '.join(f'<code>{_visible(shown(text))}</code>' for text in finding.examples)}</p>\n"
    yield "</section>\n"


def _tokens_html(tokens: list[tuple[int, str]], first: int) -> str:
    most_before, most_after = _AROUND
    start = max(0, first - most_before)
    boxes = (f"<span class=\"t{' x' if at == first else ''}\">{_visible(text)}<small>{id}</small></span>"
             for at, (id, text) in enumerate(tokens[start : first + most_after], start))
    more = " …" if len(tokens) > first + most_after else ""
    return f"<div class=\"boxes\">{'… ' if start else ''}{''.join(boxes)}{more}</div>"


def _view(number: int, report: Report, finding: Finding, like: Tokenizer) -> str:
    """The tokens of both, aligned; nothing if they do not make up the text."""
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
