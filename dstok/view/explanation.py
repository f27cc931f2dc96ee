"""The compiled form of a tokenizer's patterns, as a page: words, tables and pictures.

In: a tokenizer, a text or none. Out: a self-contained page. Invariant: it says the same as `dstok.inspection.explain`.
Without Graphviz a note replaces the picture of the automaton.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from dstok.base.faults import visible
from dstok.errors import DstokError
from dstok.inspection.explain import explain
from dstok.inspection.paths import Path, examples, paths, symbol_name
from dstok.inspection.picture import LEGEND, STYLE, automaton_svg, path_svg
from dstok.view.pages import page

if TYPE_CHECKING:
    from dstok.pattern.cascade import Program
    from dstok.protocol import TokenizerProtocol

__all__ = ["explanation_page"]

_PATH = ("A line for each piece: why it is one, and the states that the automaton goes through. At a bar the piece may "
        "end.")
_PAGE_STYLE = """
main { max-width: 70rem; margin: 0 auto; padding: 1rem }
figure { margin: .5rem 0; overflow-x: auto } p.soft { max-width: 45rem }
pre { white-space: pre-wrap; overflow-wrap: anywhere } ol { padding-inline-start: 1.6rem }
"""


def explanation_page(tokenizer: TokenizerProtocol, text: str | None = None, name: str = "") -> str:
    """The page as HTML. `name`: the heading for a tokenizer without a name.

    >>> import dstok
    >>> "path of the text" in explanation_page(dstok.load("deepseek-v3"), "Hello")
    True
    """
    model = tokenizer.inspect()
    shown = None if text is None else model.normalize(text)
    title = f"{tokenizer.name or name}: how it cuts texts"
    walked = [] if shown is None else list(paths(model.automaton, shown))
    parts = [f"<h1>{escape(title)}</h1>", *_steps(model.automaton), *_paths(model.automaton, walked),
             *_automaton(model.automaton, walked), *_classes(model.automaton),
             "<h2>All in words</h2><details><summary>dstok explain</summary>",
             f"<pre>{escape(explain(model, text))}</pre></details>"]
    return page(title, "<main>" + "\n".join(parts) + "</main>", styles=[STYLE, _PAGE_STYLE])


def _steps(program: Program) -> Iterator[str]:
    yield ('<h2>Steps</h2><p class="soft">Each cuts what the one before it has left. '
           f"Unicode {program.unicode_version}.</p>")
    rows = "".join(f"<li><code>{escape(visible(split.pattern))}</code> <span class=\"soft\">{split.behavior}"
                   f"{', invert' if split.invert else ''}</span></li>" for split in program.splits)
    yield f'<ol start="0">{rows}</ol>'


def _paths(program: Program, found: list[Path]) -> Iterator[str]:
    if found:
        yield (f"<h2>The path of the text</h2>{_figure('Path of the text', path_svg(program, found), _PATH)}")


def _automaton(program: Program, found: list[Path]) -> Iterator[str]:
    told, without = program.dfa.states, program.boundaries.states
    fewer = f"; {without}, where it need not tell which alternative has matched" if without != told else ""
    yield f"<h2>The automaton: {told} states{fewer}</h2>"
    try:
        drawing = automaton_svg(program, found)
    except DstokError as error:
        yield f'<p class="bad">No picture: {escape(str(error))}.</p>'
        return
    marked = " Blue: what the text uses." if found else ""
    yield _figure("Automaton", drawing, " ".join(LEGEND) + marked)


def _figure(name: str, drawing: str, caption: str) -> str:
    """A drawing that may be wider than the screen: the keyboard can also scroll it."""
    return (f'<figure tabindex="0" aria-label="{name}">{drawing}</figure>'
            f'<p class="soft">{escape(caption)}</p>')


def _classes(program: Program) -> Iterator[str]:
    yield f"<h2>Classes: {len(program.alphabet.classes)}</h2><p class=\"soft\">Characters that no step tells apart.</p>"
    rows = "".join(f'<tr><td>{symbol_name(program, number)}</td><td class="n">{len(members):,}</td>'
                   f"<td><code>{escape(' '.join(examples(members)))}</code></td></tr>"
                   for number, members in enumerate(program.alphabet.classes))
    yield f'<table><tr><th>class</th><th class="n">code points</th><th>examples</th></tr>{rows}</table>'
