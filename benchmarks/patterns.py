r"""Twenty patterns of users: the spans of all matches, by dstok, `re`, `regex`, `re2` and `pcre2`.

    python -m benchmarks.patterns                            # a Markdown table on stdout
    python -m benchmarks.patterns --texts log --patterns URLs fields

In: the start of each text. Out: MB/s (10^6 bytes of UTF-8 a CPU second), best of three passes; dstok's way.
Invariant: the spans of all engines are compared with those of `regex`, in characters, before any is timed. An engine
with other spans is reported as "differs", one that refuses the pattern as "refuses", one that is not installed as
"absent". "?" takes the place of characters that are a word, a digit or a blank to one engine and not to another, such
as a raised 2. dstok and the others return what their fastest call for all spans gives: an array, and pairs from
`finditer`. The module pcre2 checks the whole text's UTF-8 again for each match, so it gets only the first 20,000
characters.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from time import process_time
from typing import Any

from benchmarks.cases import Case, load_text
from dstok import Splitter

__all__ = ["ENGINES", "PATTERNS", "main", "measured"]

PASSES = 3
MOST = {"pcre2": 20_000}  # characters
PATTERNS = {
    "words": r"\w+", "no blanks": r"\S+", "blanks": r"\s+", "numbers": r"\d+(?:\.\d+)?", "lines": r"[^\n]+",
    "identifiers": r"[A-Za-z_]\w*", "fields": r"[^,\n]+", "quoted": r'"(?:[^"\\\n]|\\.)*"',
    "URLs": r'https?://[^\s<>"]+', "mail": r"[\w.+-]+@[\w-]+\.[\w.-]+", "dates": r"\d{4}-\d{2}-\d{2}",
    "IPv4": r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "sentences": r"[^.!?]+[.!?]+\s*", "levels": r"\b(?:ERROR|WARN|FATAL)\b",
    "code tokens": r'[A-Za-z_]\w*|\d+(?:\.\d+)?|"(?:[^"\\\n]|\\.)*"|\s+|[^\w\s]',
    "kinds": r"\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+", "capitalized": r"\b[A-Z]\w+", "camel": r"[A-Z]?[a-z]+|[A-Z]+|\d+",
    "tags": r"[#@]\w+", "in parentheses": r"(?<=\()[^()\n]*(?=\))",
}
TEXTS = ("english", "code", "multilingual", "log")
SIZE = 1_000_000  # characters
Spans = list[tuple[int, int]]


def text_named(name: str) -> str:
    """The text; "log" is made here."""
    if name != "log":
        return _agreed(load_text(Case(name, "patterns", name, "whole", SIZE)))
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
    size = len(text.encode()) / 1e6
    for _ in range(PASSES):
        start = process_time()
        work()
        yield size / max(process_time() - start, 1e-9)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patterns", description="patterns of users")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=TEXTS)
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=list(PATTERNS))
    chosen = parser.parse_args(arguments)
    print("| text | pattern | way |", *(f"{name} |" for name in ENGINES))
    print("|---|---|---|" + "---:|" * len(ENGINES))
    for name in chosen.texts:
        text = text_named(name)
        for pattern in chosen.patterns:
            figures = (measured(engine, PATTERNS[pattern], text) for engine in ENGINES)
            shown = (figure if isinstance(figure, str) else f"{figure:.1f}" for figure in figures)
            print(f"| {name} | {pattern} | {matches_of(PATTERNS[pattern]).way()} |", *(f"{each} |" for each in shown),
                  flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
