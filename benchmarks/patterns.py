r"""Twenty patterns of users: the spans of all matches, by dstok, `re`, `regex`, `re2` and `pcre2`.

    python -m benchmarks.patterns                            # a Markdown table on stdout
    python -m benchmarks.patterns --texts log --patterns URLs fields
    python -m benchmarks.patterns --output patterns.json               # for docs/splitter.md
    python -m benchmarks.patterns --table patterns.json --write        # into docs/splitter.md; or --check

In: the start of each text. Out: MB/s (10^6 bytes of UTF-8 a CPU second), best of several passes; dstok's way.
Invariant: the spans of all engines are compared with those of `regex`, in characters, before any is timed. An engine
with other spans is reported as "differs", one that refuses the pattern as "refuses", one that is not installed as
"absent". "?" takes the place of characters that are a word, a digit or a blank to one engine and not to another, such
as a raised 2. dstok and the others return what their fastest call for all spans gives: an array, and pairs from
`finditer`. The module pcre2 checks the whole text's UTF-8 again for each match, so it gets only the first 20,000
characters.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any, TypedDict

from benchmarks.cases import ROOT, Case, load_text
from benchmarks.engines import LEVELS
from benchmarks.machine import commit, dirty, machine, python
from benchmarks.table import replaced
from dstok import Splitter
from dstok.core.cpu.level import chosen_level

__all__ = ["ENGINES", "PATTERNS", "main", "measured", "table"]

PASSES, LEAST_SECONDS = 3, 0.1  # of a figure: so many passes, and so long, at least
BEGIN, END = "<!-- patterns:begin -->", "<!-- patterns:end -->"
PACKAGES = ("dstok", "regex", "google-re2", "pcre2")
MOST = {"pcre2": 20_000}  # characters
PATTERNS = {
    "words": r"\w+", "no blanks": r"\S+", "blanks": r"\s+", "numbers": r"\d+(?:\.\d+)?", "lines": r"[^\n]+",
    "identifiers": r"[A-Za-z_]\w*", "fields": r"[^,\n]+", "quoted": r'"(?:[^"\\\n]|\\.)*"',
    "URLs": r'https?://[^\s<>"]+', "mail": r"[\w.+-]+@[\w-]+\.[\w.-]+", "dates": r"\d{4}-\d{2}-\d{2}",
    "IPv4": r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "sentences": r"[^.!?]+[.!?]+\s*", "levels": r"\b(?:ERROR|WARN|FATAL)\b",
    "code tokens": r'[A-Za-z_]\w*|\d+(?:\.\d+)?|"(?:[^"\\\n]|\\.)*"|\s+|[^\w\s]',
    "kinds": r"\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+", "capitalized": r"\b[A-Z]\w+", "camel": r"[A-Z]?[a-z]+|[A-Z]+|\d+",
    "tags": r"[#@]\w+", "in parentheses": r"(?<=\()[^()\n]+(?=\))",
}
TEXTS = ("english", "code", "multilingual", "log")
SIZE = 1_000_000  # characters
Spans = list[tuple[int, int]]


def text_named(name: str) -> str:
    """The text; "log" is made here."""
    if name != "log":
        return _agreed(load_text(Case(name, "patterns", name, "whole", SIZE))[:SIZE])
    lines = (f"2026-11-28T19:{i // 60 % 60:02}:{i % 60:02}.{i * 37 % 1000:03} {'WARN' if i % 7 == 0 else 'INFO'} "
             f'10.0.{i % 251}.{i % 13} "GET /item/{i * 7919 % 100_000}?q=a,b HTTP/1.1" 200 {i * 31 % 9000}\n'
             for i in range(SIZE // 80))
    return "".join(lines)[:SIZE]


def _agreed(text: str) -> str:
    """`text` without the characters that the engines put into different classes."""
    characters = "".join(set(text))
    found = set[int]()
    for kind in (r"\w", r"\d", r"\s"):
        spans = [tuple(span) for span in matches_of(kind).spans(characters, unit="characters").tolist()]
        others = [ENGINES[name](kind)(characters) for name in ("re", "regex", "re2") if find_spec(name)]
        found.update(at for other in others for at, _ in set(spans).symmetric_difference(other))
    return text.translate({ord(characters[at]): "?" for at in found})


def _like_re(name: str, compile: Callable[[Any, str], Any]) -> Callable[[str], Callable[[str], Spans]]:
    """An engine whose module compiles to an object with `finditer`."""

    def opened(pattern: str) -> Callable[[str], Spans]:
        compiled = compile(import_module(name), pattern)
        return lambda text: [match.span() for match in compiled.finditer(text)]

    return opened


def _quiet(re2: Any) -> Any:
    """Suppresses re2's line on standard error for each pattern that it refuses."""
    options = re2.Options()
    options.log_errors = False
    return options


def _dstok(pattern: str) -> Callable[[str], Any]:
    return matches_of(pattern).spans


def matches_of(pattern: str) -> Splitter:
    """A splitter whose pieces are the matches alone."""
    return Splitter(pattern, behavior="Removed", invert=True)


ENGINES: dict[str, Callable[[str], Callable[[str], Any]]] = {
    "dstok": _dstok,
    "re": _like_re("re", lambda re, pattern: re.compile(pattern)),
    "regex": _like_re("regex", lambda regex, pattern: regex.compile(pattern, regex.V1)),
    "re2": _like_re("re2", lambda re2, pattern: re2.compile(pattern, _quiet(re2))),
    "pcre2": _like_re("pcre2", lambda pcre2, pattern: pcre2.compile(pattern, jit=True)),
}


def measured(engine: str, pattern: str, text: str) -> float | str:
    """MB/s of an engine, or the reason why there is no figure."""
    text = text[: MOST.get(engine)]
    if find_spec(engine) is None:
        return "absent"
    try:
        spans = ENGINES[engine](pattern)
        found = matches_of(pattern).spans(text, unit="characters").tolist() if engine == "dstok" else spans(text)
    except Exception:  # each engine raises its own
        return "refuses"
    if [tuple(span) for span in found] != ENGINES["regex"](pattern)(text):
        return "differs"
    return max(_speeds(lambda: spans(text), text))


def _speeds(work: Callable[[], Any], text: str) -> Iterator[float]:
    size, passes, end = len(text.encode()) / 1e6, 0, process_time() + LEAST_SECONDS
    while passes < PASSES or process_time() < end:
        start = process_time()
        work()
        yield size / max(process_time() - start, 1e-9)
        passes += 1


class Figures(TypedDict):
    """For each engine the MB/s, or a word in place of the figure."""

    text: str
    pattern: str
    way: str
    engines: dict[str, float | str]


def _results(cases: list[Figures]) -> dict[str, Any]:
    return {"format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
            "python": python(), "versions": dict(_versions()), "commit": commit(), "dirty": dirty(),
            "load_average": os.getloadavg()[0], "characters": SIZE, "cases": cases}


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


def table(results: dict[str, Any]) -> str:
    """A row for each pattern: all engines on the first text; on the others dstok, and its ratio to the best peer."""
    cases = {(case["pattern"], case["text"]): case for case in results["cases"]}
    patterns, texts = (list(dict.fromkeys(column)) for column in zip(*cases))
    first, *others = texts
    heads = [f"{first}: {name}" if name == "dstok" else name for name in ENGINES]
    rows = [["pattern", "way", *heads, *others], ["---", "---", *["---:"] * (len(heads) + len(others))]]
    for pattern in patterns:
        case = cases[pattern, first]
        shown = PATTERNS[pattern].replace("|", r"\|")
        figures = [_cell(case["engines"].get(name, "absent")) for name in ENGINES]
        rows.append([f"{pattern} `{shown}`", case["way"], *figures,
                     *(_beside(cases[pattern, text]["engines"]) for text in others)])
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", _setting(results)])


def _cell(figure: float | str) -> str:
    return figure if isinstance(figure, str) else f"{figure:.3g}" if figure < 100 else f"{figure:.0f}"


def _beside(engines: dict[str, float | str]) -> str:
    """dstok's figure, with its ratio to the best of the others in parentheses."""
    own = engines["dstok"]
    peers = [figure for name, figure in engines.items() if name != "dstok" and isinstance(figure, float)]
    return _cell(own) if not peers or isinstance(own, str) else f"{_cell(own)} ({_cell(own / max(peers))})"


def _setting(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return (f"{results['machine']['cpu']}, {LEVELS[results['level']]}, {results['python']}, {results['date']}; "
            f"{versions}; one core, {results['characters']:,} characters of each text, "
            f"load {results['load_average']:.1f}.")


def _cases(texts: Iterable[str], patterns: Iterable[str]) -> Iterator[Figures]:
    for name in texts:
        text = text_named(name)
        for pattern in patterns:
            figures = {engine: measured(engine, PATTERNS[pattern], text) for engine in ENGINES}
            yield Figures(text=name, pattern=pattern, way=matches_of(PATTERNS[pattern]).strategy(), engines=figures)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patterns", description="patterns of users")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=TEXTS)
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=list(PATTERNS))
    parser.add_argument("--output", type=Path, metavar="FILE", help="a JSON file for the figures")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing: this file's table")
    parser.add_argument("--write", action="store_true", help="with --table: into docs/splitter.md")
    parser.add_argument("--check", action="store_true", help="with --table: exit with 1 if the page has another")
    chosen = parser.parse_args(arguments)
    if chosen.table is not None:
        return _shown(table(json.loads(chosen.table.read_text(encoding="utf-8"))), chosen)
    results = _results(list(_cases(chosen.texts, chosen.patterns)))
    if chosen.output is not None:
        chosen.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))
    return 0


def _shown(made: str, chosen: argparse.Namespace) -> int:
    """Prints the table, or writes it into docs/splitter.md, or compares it with the page's."""
    page = ROOT / "docs" / "splitter.md"
    old = page.read_text(encoding="utf-8")
    if not (chosen.write or chosen.check):
        print(made)
        return 0
    new = replaced(old, made, BEGIN, END)
    if chosen.write:
        page.write_text(new, encoding="utf-8")
        return 0
    return int(new != old)


if __name__ == "__main__":
    raise SystemExit(main())
