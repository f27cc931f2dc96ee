"""A report as one self-contained page.

In: `Results`, perhaps the tokenizer of its model. Out: HTML with its style that fetches nothing: the base page of
`dstok.view`. Invariant: a counterexample (markup, controls, characters that change the direction of writing) is shown
and cannot act. With the tokenizer each counterexample has a link to its whole text as both tokenizers cut it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from dstok.base.faults import visible
from dstok.errors import TextError
from dstok.testing.words import before, category_words, heading, in_texts, remarks, shown, state, was_run, why_not
from dstok.view.foreign import read_ids
from dstok.view.pages import page as base_page
from dstok.view.sheet import Sheet

if TYPE_CHECKING:
    from dstok.testing.results import Check, Finding, Results
    from dstok.tokenizer import Tokenizer

__all__ = ["page"]

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


def page(report: Results, like: Tokenizer | None = None) -> str:
    """The report as HTML. `like`: the tokenizer of the report's model; with it there are views of the whole texts.

    >>> from dstok.testing.results import Results
    >>> "no difference found" in page(Results("mine", "dstok", "deepseek-v3"))
    True
    """
    views = {} if like is None else {number: _view(number, report, finding, like)
                                     for number, finding in enumerate(report.findings, 1)
                                     if not finding.fault and finding.found != finding.expected}
    body = "".join(_parts(report, views))
    return base_page(f"{report.candidate}: {report.verdict}", f"<main>{body}</main>", styles=[STYLE])


def _parts(report: Results, views: dict[int, str]) -> Iterator[str]:
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
        yield f"<h3>candidate</h3>{_tokens(finding.found, finding.first)}\n"
    yield f"<h3>reference</h3>{_tokens(finding.expected, finding.first)}\n"
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


def _tokens(tokens: list[tuple[int, str]], first: int) -> str:
    most_before, most_after = _AROUND
    start = max(0, first - most_before)
    boxes = (f"<span class=\"t{' x' if at == first else ''}\">{_visible(text)}<small>{id}</small></span>"
             for at, (id, text) in enumerate(tokens[start : first + most_after], start))
    more = " …" if len(tokens) > first + most_after else ""
    return f"<div class=\"boxes\">{'… ' if start else ''}{''.join(boxes)}{more}</div>"


def _view(number: int, report: Results, finding: Finding, like: Tokenizer) -> str:
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
