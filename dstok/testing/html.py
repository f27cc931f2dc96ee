"""A report as one self-contained page.

In: a `Report`. Out: HTML with its style, and nothing to fetch. Invariant: whatever a counterexample holds (markup,
controls, characters that turn the direction of writing) is shown and does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from dstok.testing.words import category_words, shown

if TYPE_CHECKING:
    from dstok.testing.report import Finding, Report

__all__ = ["page"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2.5rem }
.equal { color: #17692c } .different { color: #a3201d } .incomplete { color: #8a5a00 }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
code, .t { font-family: ui-monospace, monospace; font-size: .9rem }
.tokens { display: flex; flex-wrap: wrap; gap: 3px; margin: .3rem 0; direction: ltr; unicode-bidi: isolate }
.t { border: 1px solid #b8b8b8; border-radius: 4px; padding: 0 .4rem; background: #f2f4f7; white-space: pre }
.t small { display: block; color: #666; font-size: .7rem }
.t.x { background: #fbe3e1; border-color: #a3201d }
@media (prefers-color-scheme: dark) { body { background: #16181b; color: #e6e6e6 }
  .t { background: #24282d; border-color: #555 } .t.x { background: #4b2020 } .t small { color: #aaa }
  .equal { color: #6fcf87 } .different { color: #ff8c86 } .incomplete { color: #e0b050 } }
"""


def page(report: Report) -> str:
    """The report as HTML."""
    return "".join(_parts(report))


def _parts(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    yield f"<title>{escape(report.candidate)}: {verdict}</title><style>{STYLE}</style></head><body>\n"
    yield (f"<h1>{escape(report.candidate)} against {escape(report.reference)}: "
           f"<span class=\"{verdict}\">{escape(report.summary)}</span></h1>\n")
    yield f"<p>Model {escape(report.model)}. {report.texts:,} texts in {report.seconds:.0f} s.</p>\n"
    for number, finding in enumerate(report.findings, 1):
        yield from _finding(number, finding)
    yield "<h2>Checks</h2>\n<table><tr><th>check</th><th>texts</th><th>seconds</th><th>differ</th><th></th></tr>\n"
    for check in report.checks:
        state = check.note or ("" if check.complete else "not all of it")
        yield (f"<tr><td>{escape(check.name)}</td><td class=\"n\">{check.texts:,}</td>"
               f"<td class=\"n\">{check.seconds:.1f}</td>"
               f"<td class=\"n\">{check.differences or ''}</td><td>{escape(state)}</td></tr>\n")
    yield "</table>\n"
    yield from (f"<p>{escape(note)}</p>\n" for note in report.notes)
    yield "</body></html>\n"


def _finding(number: int, finding: Finding) -> Iterator[str]:
    yield f"<h2>{number}. {escape(finding.cause)}: {_visible(finding.title)}</h2>\n"
    yield f"<p>In {finding.count:,} texts. The smallest: <code>{_visible(shown(finding.text))}</code></p>\n"
    for text in finding.before[:5]:
        yield f"<p>After encoding <code>{_visible(shown(text))}</code></p>\n"
    yield "<table>\n"
    if finding.fault:
        yield f"<tr><th>candidate</th><td>{_visible(finding.fault)}</td></tr>\n"
    elif finding.found != finding.expected:
        yield f"<tr><th>candidate</th><td>{_tokens(finding.found, finding.first)}</td></tr>\n"
    yield f"<tr><th>reference</th><td>{_tokens(finding.expected, finding.first)}</td></tr>\n</table>\n"
    for char in finding.characters:
        yield f"<p><code>{_visible(char.name)}</code>: {escape(category_words(char))}</p>\n"
    for line in [*finding.details, finding.note, finding.evidence]:
        yield f"<p>{_visible(line)}</p>\n" if line else ""
    if finding.examples:
        yield f"<p>Also: {', '.join(f'<code>{_visible(shown(text))}</code>' for text in finding.examples)}</p>\n"


def _tokens(tokens: list[tuple[int, str]], first: int) -> str:
    start = max(0, first - 4)
    boxes = (f"<span class=\"t{' x' if at == first else ''}\">{_visible(text)}<small>{id}</small></span>"
             for at, (id, text) in enumerate(tokens[start : first + 12], start))
    more = " …" if len(tokens) > first + 12 else ""
    return f"<div class=\"tokens\">{'… ' if start else ''}{''.join(boxes)}{more}</div>"


def _visible(text: str) -> str:
    """Text for a page, with what cannot be printed as escapes."""
    return escape("".join(char if char.isprintable() else ascii(char)[1:-1] for char in text))
