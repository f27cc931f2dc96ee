"""Splitting by itself: dstok beside upstream's pre-tokenizers, `regex`, `re2` and `pcre2`; counting of pieces.

    python -m benchmarks.splitter                            # a Markdown table on stdout
    python -m benchmarks.splitter --corpora wiki --characters 200000
    python -m benchmarks.splitter --corpora code --output splitter.json    # adds its cases to the file
    python -m benchmarks.splitter --table splitter.json                    # the file's table

In: the first million characters of each corpus. Out: MB/s (10^6 bytes of UTF-8 a CPU second), best of three passes.
Invariant: an engine's pieces are compared with upstream's before it is timed. An engine with other pieces is reported
as "differs", one that refuses the pattern as "refuses", one that is not installed as "absent". The module pcre2 checks
the whole text's UTF-8 again for each match (0.6 MB/s at 20 kB, 0.01 at 1 MB), so it gets only the first 20,000
characters. `count_pieces` stands beside upstream's trainer without merges, which counts words and collects their
alphabet.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.cases import CORPORA, Case, load_text
from benchmarks.splitter_results import SplitCase, added, opened, table
from dstok import Splitter
from dstok.training import count_pieces

__all__ = ["ENGINES", "NAMES", "main", "measured"]

PASSES = 3
MOST = {"pcre2": 20_000}  # characters
WITHOUT_RULES = r"[A-Z]+[a-z0-9_]*|[^\s\p{P}]+|\p{P}|\s+"  # no preset's: dstok has no mask kernel for it
NAMES = ("deepseek-v3", "llama-3", "gpt-2", "kimi-k2", "without rules")
Pieces = Callable[[str], list[str]]
Timed = Callable[[str], Any]


def splitter_of(name: str) -> Splitter:
    return Splitter(WITHOUT_RULES) if name == "without rules" else Splitter.preset(name)


def _dstok(splitter: Splitter) -> tuple[Timed, Pieces]:
    return splitter.spans, splitter.split


def _upstream(splitter: Splitter) -> tuple[Timed, Pieces]:
    steps = _upstream_steps(splitter)
    return steps.pre_tokenize_str, lambda text: [piece for piece, _ in steps.pre_tokenize_str(text)]


def _upstream_steps(splitter: Splitter) -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split.pattern), "isolated", split.invert)
                                    for split in splitter.splits])


def _like_re(name: str, compile: Callable[[Any, str], Any]) -> Callable[[Splitter], tuple[Timed, Pieces]]:
    """An engine whose module compiles to an object with `finditer`, like Python's `re`."""

    def engine(splitter: Splitter) -> tuple[Timed, Pieces]:
        module = import_module(name)
        compiled = [compile(module, split.pattern) for split in splitter.splits]

        def spans(text: str) -> list[tuple[int, int]]:
            found = [(0, len(text))]
            for step in compiled:
                found = list(_cut(step, text, found))
            return found

        return spans, lambda text: [text[start:end] for start, end in spans(text)]

    return engine


def _cut(step: Any, text: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Each span cut into matches and the text between: a step sees only its span, as in upstream."""
    for first, last in spans:
        at = first
        for match in step.finditer(text[first:last]):
            start, end = match.span()
            if first + start > at:
                yield at, first + start
            if end > start:
                yield first + start, first + end
            at = first + end
        if last > at:
            yield at, last


def _quiet(re2: Any) -> Any:
    """Suppresses re2's line on standard error for each pattern that it refuses."""
    options = re2.Options()
    options.log_errors = False
    return options


ENGINES: dict[str, tuple[str, Callable[[Splitter], tuple[Timed, Pieces]]]] = {  # name: module, preparation
    "dstok": ("dstok", _dstok),
    "tokenizers": ("tokenizers", _upstream),
    "regex": ("regex", _like_re("regex", lambda regex, pattern: regex.compile(pattern, regex.V1))),
    "re2": ("re2", _like_re("re2", lambda re2, pattern: re2.compile(pattern, _quiet(re2)))),
    "pcre2": ("pcre2", _like_re("pcre2", lambda pcre2, pattern: pcre2.compile(pattern, jit=True))),
}


def measured(engine: str, splitter: Splitter, text: str) -> float | str:
    """MB/s of an engine, or the reason why there is no figure."""
    module, opened = ENGINES[engine]
    text = text[: MOST.get(engine)]
    if find_spec(module) is None:
        return "absent"
    try:
        timed, pieces = opened(splitter)
    except Exception:  # each engine raises its own
        return "refuses"
    if pieces(text) != _upstream(splitter)[1](text):
        return "differs"
    return _speed(lambda: timed(text), text)


def _speed(work: Callable[[], Any], text: str) -> float:
    seconds = []
    for _ in range(PASSES):
        start = process_time()
        work()
        seconds.append(process_time() - start)
    return round(len(text.encode()) / 1e6 / max(min(seconds), 1e-9), 1)


def _counted(name: str, splitter: Splitter, text: str) -> float | str:
    """MB/s of counting the pieces of a text's lines."""
    lines = text.splitlines(keepends=True)
    if name == "dstok":
        counts = Counter(piece for line in lines for piece in splitter.split(line))
        assert count_pieces(splitter, lines).to_dict() == counts
        return _speed(lambda: count_pieces(splitter, lines), text)
    if find_spec("tokenizers") is None:
        return "absent"
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _upstream_steps(splitter)
    trainer = trainers.BpeTrainer(vocab_size=0, show_progress=False)
    return _speed(lambda: tokenizer.train_from_iterator(lines, trainer), text)


def _case(corpus: str, name: str, characters: int) -> SplitCase:
    text, splitter = load_text(Case(corpus, "corpus", corpus, "whole"))[:characters], splitter_of(name)
    return SplitCase(
        corpus=corpus, pattern=name, bytes=len(text.encode()),
        spans={engine: measured(engine, splitter, text) for engine in ENGINES},
        count_pieces={engine: _counted(engine, splitter, text) for engine in ("dstok", "tokenizers")})


def main(argv: list[str] | None = None) -> int:
    """Runs the command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.splitter", description="Splitting, timed.")
    parser.add_argument("--corpora", nargs="*", choices=tuple(CORPORA), default=list(CORPORA))
    parser.add_argument("--names", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--characters", type=int, default=1_000_000, help="of each corpus (default 1,000,000)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="add the cases to a JSON file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="measure nothing: write the table of a JSON file")
    arguments = parser.parse_args(argv)
    if arguments.table:
        print("\n".join(table(json.loads(arguments.table.read_text(encoding="utf-8"))["cases"])))
        return 0
    if arguments.output:
        opened(arguments.output)  # raises before any measurement
    cases = [_case(corpus, name, arguments.characters) for corpus in arguments.corpora for name in arguments.names]
    if arguments.output:
        added(arguments.output, cases)
    print("\n".join(table(cases)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
