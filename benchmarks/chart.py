"""A bar chart of a result file, as SVG text.

    python -m benchmarks.chart FILE [--output FILE.svg]

In: a result file. Out: an SVG document with a bar for each engine and corpus (one call, array): the full bar is the
warm speed, its solid part the cold speed.
Invariant: the same file gives the same bytes. The ground is transparent, and colours are readable on light and dark
grounds, even without support for media queries. An engine keeps its colour in every chart. A figure that does not count
is not drawn.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.engines import ENGINES
from benchmarks.summary import CaseSummary, Results, figure
from benchmarks.table import level_name, number

__all__ = ["chart", "main"]

COLOURS = {"dstok": "#2f81f7", "gigatoken": "#d9822b", "fastokens": "#3a9d5d", "tokenizers": "#8b6fc9",
           "tokenizers-1.0": "#b35900", "tokie": "#c2527a", "tiktoken": "#6b8e9e"}
WIDTH, LEFT, RIGHT, TOP = 720, 110, 100, 52
BAR, GAP = 13, 12  # of one bar with its space; between two texts
STYLE = """text { font: 12px system-ui, sans-serif; fill: #6e7781 }
.title { font-weight: 600; font-size: 14px }
.small { font-size: 10.5px }
.axis { stroke: #8c959f; stroke-width: 1 }
@media (prefers-color-scheme: light) { text { fill: #1f2328 } .small { fill: #59636e } }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .small { fill: #9198a1 } }"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chart", description="a result file as an SVG chart")
    parser.add_argument("result", type=Path)
    parser.add_argument("--output", type=Path, help="default: stdout")
    options = parser.parse_args(arguments)
    made = chart(json.loads(options.result.read_text(encoding="utf-8")))
    if options.output:
        options.output.write_text(made, encoding="utf-8")
    else:
        print(made, end="")
    return 0


def chart(results: Results) -> str:
    """The SVG document."""
    cases = [case for case in results["cases"] if case["group"] == "corpus" and case["mode"] == "whole"]
    engines = [name for name in ENGINES if any(figure(case, name, "warm_mb_s") for case in cases)]
    fastest = max((figure(case, name, "warm_mb_s") or 0.0 for case in cases for name in engines), default=0.0) or 1.0
    body, y = [], TOP
    for case in cases:
        shown = [name for name in engines if figure(case, name, "warm_mb_s") is not None]
        body += _group(case, shown, y, fastest)
        y += len(shown) * BAR + GAP
    height = y
    axis = f'<line class="axis" x1="{LEFT}" y1="{TOP - 4}" x2="{LEFT}" y2="{height - GAP + 2}"/>'
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img">')
    title = f"MB/s on one core, {level_name(results)}: full bar warm, solid part cold"
    return "\n".join([head, f"<title>{title}</title>", f"<style>{STYLE}</style>",
                      f'<text class="title" x="{LEFT}" y="16">{title}</text>', *_legend(engines), *body, axis,
                      "</svg>\n"])


def _legend(engines: list[str]) -> list[str]:
    lines, x = [], LEFT
    for name in engines:
        lines.append(f'<rect x="{x}" y="27" width="10" height="10" rx="2" fill="{COLOURS[name]}"/>')
        lines.append(f'<text x="{x + 14}" y="36">{escape(name)}</text>')
        x += 30 + 7 * len(name)
    return lines


def _group(case: CaseSummary, engines: list[str], y: int, fastest: float) -> list[str]:
    """The bars of one text."""
    middle = y + len(engines) * BAR / 2 + 4
    lines = [f'<text x="{LEFT - 8}" y="{middle:g}" text-anchor="end">{escape(case["source"])}</text>']
    for i, name in enumerate(engines):
        cold, warm = figure(case, name, "cold_mb_s") or 0.0, figure(case, name, "warm_mb_s") or 0.0
        lines += _bar(name, cold, warm, y + i * BAR, fastest)
    return lines


def _bar(name: str, cold: float, warm: float, y: int, fastest: float) -> list[str]:
    scale = (WIDTH - LEFT - RIGHT) / fastest
    place = f'x="{LEFT}" y="{y}" height="{BAR - 2}" fill="{COLOURS[name]}"'
    end = LEFT + warm * scale + 5
    return [f'<rect {place} width="{warm * scale:.1f}" opacity="0.5"/>',
            f'<rect {place} width="{min(cold, warm) * scale:.1f}"/>',
            f'<text class="small" x="{end:.1f}" y="{y + BAR - 4}">{number(cold)} / {number(warm)}</text>']


if __name__ == "__main__":
    sys.exit(main())
