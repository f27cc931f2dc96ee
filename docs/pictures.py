"""The pictures of the documentation, drawn by dstok itself.

In: nothing. Out: the files of `PICTURES`, in `docs/images`. Invariant: each is what the built-in model compiles to;
`--check`, and tests/project/test_docs.py, compare. They are laid out by graphviz-pure 0.2.2, which draws the same
everywhere.

    python docs/pictures.py [--check]
"""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

import dstok
from dstok._util.columns import width
from dstok.inspection.explain import (
    BLANKS,
    HEAD,
    Move,
    automaton_dot,
    class_names,
    examples,
    paths,
    quoted,
    reason,
    symbol_name,
)
from dstok.inspection.explain import Path as Way
from dstok.regex.cascade import Cascade, Program, compile_splits
from dstok.regex.dfa import DEAD, START
from dstok.regex.marked_language import FINAL

FOLDER = Path(__file__).parent / "images"
LAYOUT = "graphviz-pure"
SPLITS = dstok.load("deepseek-v3").inspect().splits
_LINE, _PLACE, _STEP, _RADIUS = 20, 7.4, 62, 12  # pixels: a line of text, a place of one, between two states, a state
_MOST_MOVES = 16  # drawn moves of a piece
LEGEND = (
    "A state has its number, and under it why a piece is one that ends there: 2.1 is alternative 1 of step 2.",
    "An arrow has an example of each class that it is for. Dashed: the piece may end before that character, or go on.",
)
MARKED_LEGEND = ("A blue arrow reads the mark that stands after each piece. Whoever gets to the end has read a text",
                 "that is marked rightly.")
STYLE = """\
svg { background: var(--paper); --paper: #ffffff; --many: #f3f5f8;
  --ink: #1b1f24; --soft: #57606a; --edge: #7c8794; --accent: #0b57c4;
  --step0: #e3edff; --step1: #fde0de; --step2: #fff1d6; --step3: #dff3e2; --step4: #e9ddff; --step5: #d9f1f3 }
@media (prefers-color-scheme: dark) { svg { --paper: #15181c; --many: #2b323a;
  --ink: #e8eaed; --soft: #a8b0ba; --edge: #8791a0; --accent: #8ab8ff;
  --step0: #1f3355; --step1: #552523; --step2: #443313; --step3: #1d4026; --step4: #45306b;
  --step5: #17424a } }
svg text { fill: var(--ink); font: 12px ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre }
svg .soft { fill: var(--soft) } svg .head { font-weight: 600 }
svg ellipse, svg circle { fill: none; stroke: var(--edge) } svg .begin ellipse { fill: var(--ink) }
svg .many ellipse, svg .gap ellipse, svg circle.many { fill: var(--many) }
svg .step0 ellipse { fill: var(--step0) } svg .step1 ellipse { fill: var(--step1) }
svg .step2 ellipse { fill: var(--step2) } svg .step3 ellipse { fill: var(--step3) }
svg .step4 ellipse { fill: var(--step4) } svg .step5 ellipse { fill: var(--step5) }
svg .move path, svg path.line { fill: none; stroke: var(--edge) }
svg .move polygon { fill: var(--edge); stroke: var(--edge) }
svg .used path { stroke: var(--accent); stroke-width: 2.5 }
svg .used polygon { fill: var(--accent); stroke: var(--accent) }
svg .used text { fill: var(--accent); font-weight: 600 } svg path.end { stroke: var(--accent); stroke-width: 2.5 }
"""


def shown(char: str) -> str:
    """The character if it is visible by itself, else its code point."""
    return char if unicodedata.category(char)[0] in "LNPS" else f"U+{ord(char):04X}"


def picture(program: Program, text: str) -> str:
    """The automaton, its classes, and the path of a text, as SVG that needs nothing else, for light and dark."""
    walked = list(paths(program, text))
    used = {(move.state, move.symbol) for path in walked for move in path.moves}
    title = (f"An automaton of {program.dfa.states} states and {len(program.alphabet.classes)} classes, "
             f"and the path of {text!r} through it")
    return _stacked([_lines_svg(LEGEND), drawn(automaton_dot(program, used)), _classes_svg(program),
                     path_svg(program, walked)], title)


def marked_picture(cascade: Cascade) -> str:
    """The automaton of marked texts, as SVG."""
    title = f"An automaton of marked texts, of {len(cascade.visible.rows) - 1} states"
    return _stacked([_lines_svg(MARKED_LEGEND), drawn(marked_dot(cascade))], title)


def marked_dot(cascade: Cascade) -> str:
    """The automaton of marked texts in DOT: arrows of the class `used` read the mark."""
    rows, end = cascade.visible.rows, cascade.visible.end
    lines = [*HEAD, f'  {FINAL} [label="end" class="many"]']
    lines += [f'  {state} [label="{state}" class="none"]' for state in range(START, len(rows)) if state != FINAL]
    arrows: dict[tuple[int, int, bool], list[int]] = {}  # by states, and whether they read the mark
    for state, row in enumerate(rows):
        for symbol, target in enumerate(row):
            if target != DEAD:
                arrows.setdefault((state, target, symbol > end), []).append(symbol)
    for (state, target, is_mark), symbols in arrows.items():
        label, kind = ("mark", "move used") if is_mark else (class_names(cascade, symbols), "move")
        lines.append(f'  {state} -> {target} [label={quoted(label)} class="{kind}"]')
    return "\n".join([*lines, "}"])


def drawn(dot: str) -> str:
    """The element `svg` of a graph, without declarations, background and colours: the style sheet gives these."""
    done = subprocess.run([LAYOUT, "-Kdot", "-Tsvg"], input=dot, capture_output=True, encoding="utf-8", check=True)
    svg = done.stdout
    svg = re.sub(r'(width|height)="([\d.]+)pt"', r'\1="\2"', svg[svg.index("<svg") :], count=2)
    svg = re.sub(r"(?s)<!--.*?-->\n?", "", svg)
    svg = re.sub(r'<polygon fill="[^"]*" stroke="(?:none|transparent)"[^>]*/>\n', "", svg, count=1)
    return re.sub(r' (?:fill|stroke|font-family|font-size|xml:space)="[^"]*"', "", svg)


def path_svg(program: Program, found: list[Way]) -> str:
    """A line for each piece: its text, the reason for it, the states of its path."""
    pieces = [repr(path.text) for path in found]
    first = max(map(width, pieces)) * _PLACE + 16
    second = first + max(width(reason(path.tag)) for path in found) * _PLACE + 36
    rows = [_path(program, path, piece, first, second, number * 2.4 * _LINE + _LINE * 1.6)
            for number, (path, piece) in enumerate(zip(found, pieces))]
    across = second + max(min(len(path.moves), _MOST_MOVES + 1) for path in found) * _STEP + 30
    return _svg(across, len(found) * 2.4 * _LINE + _LINE, rows)


def _path(program: Program, path: Way, piece: str, first: float, second: float, y: float) -> str:
    """The moves of a piece: a state, the character that was read, the next state, to the stop."""
    parts = [f'<text x="4" y="{y + 4:g}" class="head">{escape(piece)}</text>',
             f'<text x="{first:g}" y="{y + 4:g}" class="soft">{escape(reason(path.tag))}</text>']
    for number, move in enumerate(path.moves[:_MOST_MOVES]):
        parts.append(_move(program, path, move, number, second + number * _STEP, y))
    if len(path.moves) > _MOST_MOVES:
        rest = f"and {len(path.moves) - _MOST_MOVES} more"
        parts.append(f'<text x="{second + _MOST_MOVES * _STEP:g}" y="{y + 4:g}" class="soft">{rest}</text>')
    return "\n".join(parts)


def _move(program: Program, path: Way, move: Move, number: int, x: float, y: float) -> str:
    """A state and the arrow after it. A bar stands before the arrow where the piece may end; a stop has no arrow."""
    parts = [f'<circle class="many" cx="{x:g}" cy="{y:g}" r="{_RADIUS}"/>',
             f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle">{move.state}</text>']
    if move.ends:
        parts.append(f'<path class="end" d="M{x + _RADIUS + 5:g},{y - 13:g}v26"/>')
    char = shown(path.text[number]) if number < len(path.text) else ""
    read = BLANKS.get(char, char) if number < len(path.text) else symbol_name(program, move.symbol)
    begin, end = x + _RADIUS + 9, x + _STEP - _RADIUS - 4
    parts.append(f'<text x="{(begin + end) / 2:g}" y="{y - 7:g}" text-anchor="middle">{escape(read)}</text>')
    if move.target:
        parts.append(f'<path class="line" d="M{begin:g},{y:g}H{end:g}m-5,-4l5,4l-5,4"/>')
    else:
        parts.append(f'<text x="{begin + 4:g}" y="{y + 8:g}" class="soft">stop</text>')
    return "".join(parts)


def _classes_svg(program: Program) -> str:
    rows = [(symbol_name(program, number), f"{len(members):,}", " ".join(examples(members)))
            for number, members in enumerate(program.alphabet.classes)]
    lines = ['<text x="4" y="14" class="head">classes: characters that no step tells apart</text>']
    for number, (name, size, chars) in enumerate(rows, 1):
        y = number * _LINE + 16
        lines.append(f'<text x="4" y="{y}">{name}</text><text x="126" y="{y}">{escape(chars)}</text>'
                     f'<text x="110" y="{y}" text-anchor="end" class="soft">{size}</text>')
    across = 126 + max(width(chars) for *_, chars in rows) * _PLACE + 10 if rows else 340
    return _svg(max(across, 340), len(rows) * _LINE + 24, lines)


def _lines_svg(lines: Sequence[str]) -> str:
    """Lines of text."""
    rows = [f'<text x="4" y="{number * _LINE - 6}" class="soft">{escape(line)}</text>'
            for number, line in enumerate(lines, 1)]
    return _svg(max(map(width, lines)) * _PLACE + 8, len(lines) * _LINE, rows)


def _svg(across: float, down: float, lines: list[str]) -> str:
    return "\n".join([f'<svg width="{across:.0f}" height="{down:.0f}" viewBox="0 0 {across:.0f} {down:.0f}" '
                      'xmlns="http://www.w3.org/2000/svg">', *lines, "</svg>\n"])


def _stacked(parts: list[str], title: str) -> str:
    """The parts below one another, in one picture."""
    sizes = [_size(part) for part in parts]
    across, down = max(w for w, _ in sizes) + 16, sum(h for _, h in sizes) + 16 * (len(parts) + 1)
    head = [f"<title>{escape(title)}</title>", f"<style>{escape(STYLE, quote=False)}</style>",
            *_placed(parts, [h for _, h in sizes])]
    return _svg(across, down, head).replace("<svg ", '<svg role="img" ', 1)


def _placed(parts: list[str], heights: list[float]) -> Iterator[str]:
    y = 16.0
    for part, height in zip(parts, heights):
        yield part.replace("<svg ", f'<svg x="8" y="{y:g}" ', 1)
        y += height + 16


def _size(svg: str) -> tuple[float, float]:
    """Width and height of an element `svg`."""
    across, down = re.findall(r'(?:width|height)="([\d.]+)"', svg[: svg.index(">")])
    return float(across), float(down)


def _of(steps: slice, text: str) -> Callable[[], str]:
    return lambda: picture(compile_splits(SPLITS[steps]), text)


PICTURES: dict[str, Callable[[], str]] = {
    "marked-digits.svg": lambda: marked_picture(compile_splits(SPLITS[:1])),
    "first-step.svg": _of(slice(0, 1), "ab12345"),
    "three-steps.svg": _of(slice(0, 3), "I'll pay 12345!"),
}


def main(arguments: list[str]) -> int:
    """Writes the pictures, or with `--check` says which are not current."""
    stale = [name for name, draw in PICTURES.items()
             if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != draw()]
    if arguments == ["--check"]:
        print(*(f"docs/images/{name} is not current: python docs/pictures.py" for name in stale), sep="\n")
        return int(bool(stale))
    for name in stale:
        (FOLDER / name).write_text(PICTURES[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
