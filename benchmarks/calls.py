"""All calls of a tokenizer beside `encode_array`: offsets, pieces, budgets, chunks, decoding, growing texts, counting.

    python -m benchmarks.calls                                  # Markdown tables on stdout, in about two minutes
    DSTOK_SIMD=avx2 python -m benchmarks.calls --output benchmarks/results/DATE-calls-avx2.json
    python -m benchmarks.calls --table FILE... [--write | --check]     # the tables of results; those in docs/speed.md

In: the first two million characters of a corpus. Out: MB/s (10^6 bytes of UTF-8 in a second of CPU time), the best of
all rounds, and the share of `encode_array`.
Invariant: results are compared before they are timed. Offsets equal upstream's. Truncated texts and chunks have as many
ids as they may when they are encoded anew, and chunks join to the text. Decoding gives the text, growing gives the ids.
Each round runs each call once, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import process_time
from typing import Any, TypedDict

import numpy as np

import dstok
from benchmarks.cases import CORPORA, ROOT, Case, load_text
from benchmarks.engines import LEVELS
from benchmarks.machine import commit, dirty, machine, python
from benchmarks.table import replaced
from dstok.core.cpu.level import chosen_level

__all__ = ["CALLS", "Timed", "calls", "check", "main", "measured", "tables"]

MODEL = "deepseek-v3"
CHARACTERS, ROUNDS, TIMES = 2_000_000, 9, 8
CHUNK, OVERLAP, LAST, PART = 512, 64, 100, 4096
JUDGED = 200_000  # characters that upstream judges: it is slow
BEGIN, END = "<!-- calls:begin -->", "<!-- calls:end -->"
BASE = "encode_array"
SHORT, FAR = f"truncate, left, the last {LAST} ids", f"the same of {TIMES} times the text"
CALLS = (
    BASE, "count", "encode", "encode_with_offsets", "encode_with_offsets, pieces", "pretokenize", "piece_spans",
    "truncate to half, right", "truncate to half, left", f"chunk({CHUNK})", f"chunk({CHUNK}, overlap={OVERLAP})",
    "decode of a list", "decode of an array", "decode_batch of rows", f"growing, parts of {PART} characters",
    "Splitter.spans", "Splitter.count_pieces")


class Timed(TypedDict):
    """The figures of one text: MB/s of each of `CALLS`, and the microseconds of `SHORT` and `FAR`."""

    bytes: int
    ids: int
    mb_s: dict[str, float]
    microseconds: dict[str, float]


def calls(tok: dstok.Tokenizer, text: str) -> dict[str, Callable[[], Any]]:
    """Each of `CALLS`, ready to be called."""
    ids, splitter, model = tok.encode_array(text), dstok.Splitter.from_tokenizer(tok), tok.inspect()
    half, rows, listed = len(ids) // 2, _rows(ids), ids.tolist()
    every: tuple[Callable[[], Any], ...] = (
        partial(tok.encode_array, text), partial(tok.count, text), partial(tok.encode, text),
        partial(tok.encode_with_offsets, text), lambda: tok.encode_with_offsets(text).pieces,
        partial(model.pretokenize, text), partial(model.piece_spans, text),
        partial(tok.truncate, text, half), partial(tok.truncate, text, half, truncation_side="left"),
        lambda: list(tok.chunk(text, CHUNK)), lambda: list(tok.chunk(text, CHUNK, overlap=OVERLAP)),
        partial(tok.decode, listed), partial(tok.decode, ids), partial(tok.decode_batch, rows),
        partial(_grown, tok, [text[at : at + PART] for at in range(0, len(text), PART)]),
        partial(splitter.spans, text), partial(dstok.training.count_pieces, splitter, [text]))
    return dict(zip(CALLS, every, strict=True))


def _rows(ids: Any) -> list[Any]:
    return np.array_split(ids, max(len(ids) // CHUNK, 1))


def _grown(tok: dstok.Tokenizer, parts: list[str]) -> list[int]:
    growing = tok.encode_incremental()
    for part in parts:
        growing.append(part)
    return growing.ids


def check(tok: dstok.Tokenizer, upstream: Any, text: str) -> None:
    """Raises `AssertionError` if a call gives another result than it should."""
    made = calls(tok, text)
    ids, count = made[BASE](), tok.count
    half, pieces, splitter = len(ids) // 2, made["pretokenize"](), dstok.Splitter.from_tokenizer(tok)
    assert made["count"]() == len(ids) and made["encode"]() == ids.tolist()
    _check_offsets(tok, upstream, text[:JUDGED])
    assert made["piece_spans"]().tolist() == made["Splitter.spans"]().tolist() == [[p.start, p.end] for p in pieces]
    assert made["Splitter.count_pieces"]().to_dict() == Counter(splitter.split(text))
    right, left = made["truncate to half, right"](), made["truncate to half, left"]()
    assert text.startswith(right) and text.endswith(left) and count(right) == count(left) == half
    _check_chunks(tok, made)
    assert made["decode of a list"]() == made["decode of an array"]() == text
    assert made["decode_batch of rows"]() == [tok.decode(row.tolist()) for row in _rows(ids)]
    assert made[f"growing, parts of {PART} characters"]() == ids.tolist()
    assert tok.truncate(text, LAST, truncation_side="left") == _last(tok, text, LAST)


def _check_offsets(tok: dstok.Tokenizer, upstream: Any, text: str) -> None:
    found, expected = tok.encode_with_offsets(text), upstream.encode(text, add_special_tokens=False)
    assert found.ids.tolist() == expected.ids and list(map(tuple, found.char_spans.tolist())) == expected.offsets


def _check_chunks(tok: dstok.Tokenizer, made: dict[str, Callable[[], Any]]) -> None:
    parts, text = made[f"chunk({CHUNK})"](), made["decode of an array"]()
    assert "".join(parts) == text and max(map(tok.count, parts)) <= CHUNK
    start = end = 0
    for part in made[f"chunk({CHUNK}, overlap={OVERLAP})"]():
        start = text.index(part, start, end + len(part))
        assert tok.count(part) <= CHUNK and tok.count(text[start:end]) <= OVERLAP
        start, end = start + 1, start + len(part)
    assert end == len(text)


def _last(tok: dstok.Tokenizer, text: str, count: int) -> str:
    """The end of `text` with the last ids, found by a pass over all of it."""
    start = int(tok.encode_with_offsets(text).char_spans[-count, 0])
    return text[start:]


def measured(tok: dstok.Tokenizer, text: str, rounds: int) -> Timed:
    """The figures of one text."""
    timed = calls(tok, text)
    far, size = text * TIMES, len(text.encode())
    timed |= {SHORT: partial(tok.truncate, text, LAST, truncation_side="left"),
              FAR: partial(tok.truncate, far, LAST, truncation_side="left")}
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(rounds):
        for name, call in timed.items():
            best[name] = min(best[name], _seconds(call, 100 if name in (SHORT, FAR) else 1))
    return Timed(bytes=size, ids=tok.count(text),
                 mb_s={name: round(size / 1e6 / best[name], 1) for name in CALLS},
                 microseconds={name: round(best[name] * 1e6, 1) for name in (SHORT, FAR)})


def _seconds(call: Callable[[], Any], times: int) -> float:
    start = process_time()
    for _ in range(times):
        result = call()
    taken = process_time() - start
    del result  # after the clock: freeing a list of objects is not the call's work
    return max(taken / times, 1e-9)


def tables(results: Sequence[dict[str, Any]]) -> str:
    """A table of MB/s and shares, and a line for the short calls, for each result, the widest instructions first."""
    return "\n\n".join(_table(each) for each in sorted(results, key=lambda each: [*LEVELS].index(each["level"])))


def _table(found: dict[str, Any]) -> str:
    texts: dict[str, Timed] = found["texts"]
    held = f", {LEVELS[found['level']]}" + (" (by DSTOK_SIMD)" if found["settings"].get("DSTOK_SIMD") else "")
    lines = [f"{found['machine']['cpu']}{held}, {found['python']}, dstok {found['versions']['dstok']} at commit "
             f"{(found['commit'] or 'unknown')[:10]}, {found['date']}; best of {found['rounds']} rounds.", "",
             f"| call | {' | '.join(f'{name}: MB/s | share' for name in texts)} |",
             f"| --- |{' ---: | ---: |' * len(texts)}"]
    for call in CALLS:
        cells = [f"{each['mb_s'][call]:.4g} | {each['mb_s'][call] / each['mb_s'][BASE]:.2g}" for each in texts.values()]
        lines.append(f"| {call} | {' | '.join(cells)} |")
    short = "; ".join(f"{name} {each['microseconds'][SHORT]:.0f} and {each['microseconds'][FAR]:.0f} µs"
                      for name, each in texts.items())
    return "\n".join([*lines, "", f"{SHORT}, and {FAR}: {short}."])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description="All calls, timed.")
    parser.add_argument("--corpora", nargs="*", choices=tuple(CORPORA), default=["english", "chinese"])
    parser.add_argument("--characters", type=int, default=CHARACTERS, help=f"of each corpus (default {CHARACTERS:,})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of all calls (default {ROUNDS})")
    parser.add_argument("--tokenizer", type=Path, default=None, help="the model's tokenizer.json, for upstream")
    parser.add_argument("--output", type=Path, metavar="FILE", help="a JSON file for the figures")
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help="measure nothing: these files' tables")
    parser.add_argument("--write", action="store_true", help="with --table: into docs/speed.md")
    parser.add_argument("--check", action="store_true", help="with --table: exit with 1 if docs/speed.md has others")
    arguments = parser.parse_args(argv)
    if arguments.table is not None:
        return _shown([json.loads(path.read_text(encoding="utf-8")) for path in arguments.table], arguments)
    found = _results(arguments)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(tables([found]))
    return 0


def _shown(found: list[dict[str, Any]], arguments: argparse.Namespace) -> int:
    """Prints the tables, or writes them into docs/speed.md, or compares them with it."""
    page = ROOT / "docs" / "speed.md"
    old = page.read_text(encoding="utf-8")
    if not (arguments.write or arguments.check):
        print(tables(found))
        return 0
    new = replaced(old, tables(found), BEGIN, END)
    if arguments.write:
        page.write_text(new, encoding="utf-8")
        return 0
    return int(new != old)


def _results(arguments: argparse.Namespace) -> dict[str, Any]:
    tok, upstream = dstok.load(MODEL), _upstream(arguments.tokenizer)
    texts = {}
    for corpus in arguments.corpora:
        text = load_text(Case(corpus, "corpus", corpus, "whole"))[: arguments.characters]
        check(tok, upstream, text)
        texts[corpus] = measured(tok, text, arguments.rounds)
    return {"format": 1, "date": date.today().isoformat(), "machine": machine(), "level": chosen_level(),
            "python": python(), "versions": dict(_versions()), "commit": commit(), "dirty": dirty(),
            "in_tree": Path(dstok.__file__).resolve().parent.parent == ROOT, "load_average": os.getloadavg()[0],
            "settings": {name: os.environ[name] for name in ("DSTOK_SIMD",) if name in os.environ},
            "rounds": arguments.rounds, "texts": texts}


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in ("dstok", "tokenizers", "numpy"):
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def _upstream(path: Path | None) -> Any:
    """Upstream's tokenizer of the same model."""
    import tokenizers

    if path is not None:
        return tokenizers.Tokenizer.from_file(str(path))
    written = ROOT / "build" / f"{MODEL}.json"
    written.parent.mkdir(exist_ok=True)
    dstok.load(MODEL).to_json(written)
    return tokenizers.Tokenizer.from_file(str(written))


if __name__ == "__main__":
    sys.exit(main())
