"""Result files as Markdown: all tables, those of docs/speed.md, or that of the README.

    python -m benchmarks.table FILE... --write DOCUMENT                all tables
    python -m benchmarks.table FILE... --short [--write | --check]     docs/speed.md, of runs with --quick
    python -m benchmarks.table FILE... --brief [--write | --check]     README.md, of the same runs

In: result files, one for each instruction set. Out: Markdown on stdout, or between the marker comments of a document.
Invariant: the text between the markers equals the output of `sections`, `short` or `brief` for the files, to the byte;
otherwise `--check` exits with 1. A number stands only for ids that were compared; see `summary.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.cases import PUBLIC, ROOT
from benchmarks.engines import ENGINES, LEVELS, UPSTREAM
from benchmarks.goals import growth_cases, ratio, typical
from benchmarks.summary import OURS, CaseSummary, EngineSummary, Results, Spread, best_peer, figure

__all__ = ["BEGIN", "END", "SHORT_MODES", "brief", "level_name", "main", "number", "replaced", "sections", "short",
           "tables"]

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
DEFAULT = Path()  # the document that has these tables
_RATIO = "dstok over the best exact peer"
SHORT_MODES = ("whole", "list", "lines")
MODE_NAMES = {"whole": "one call, array", "docs": "4 KB documents, arrays", "lines": "a call a line, lists",
              "list": "one call, list", "slices": "4 KB documents, each once"}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description="result files as Markdown")
    parser.add_argument("results", type=Path, nargs="+", metavar="FILE", help="one for each instruction set")
    parser.add_argument("--spread", action="store_true", help="with the least and the most of all rounds")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="one table a level: each public text")
    form.add_argument("--brief", action="store_true", help="one table of the level that most processors have")
    action = parser.add_mutually_exclusive_group()
    for name, what in (("write", "replace the table in a document"), ("check", "exit with 1 if it is not current")):
        action.add_argument(f"--{name}", type=Path, nargs="?", const=DEFAULT, metavar="FILE", help=what)
    options = parser.parse_args(arguments)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in options.results]
    made = brief(found) if options.brief else short(found) if options.short else sections(found, options.spread)
    document = options.write or options.check
    if document is None:
        print(made)
        return 0
    if document == DEFAULT:
        document = ROOT / ("README.md" if options.brief else "docs/speed.md")
    try:
        return _update(document, made, write=options.write is not None)
    except ValueError as error:
        print(f"benchmarks.table: {document.name}: {error}", file=sys.stderr)
        return 1


def _update(document: Path, made: str, write: bool) -> int:
    old = document.read_text(encoding="utf-8")
    new = replaced(old, made)
    if write:
        document.write_text(new, encoding="utf-8")
    elif new != old:
        print(f"benchmarks.table: the table in {document.name} is not current", file=sys.stderr)
        return 1
    return 0


def replaced(document: str, made: str, opening: str = BEGIN, closing: str = END) -> str:
    """The document with `made` between its markers. Raises `ValueError` unless each stands there once, in order."""
    before, begin, rest = document.partition(opening)
    _, end, after = rest.partition(closing)
    if not (begin and end) or opening in rest or closing in before + after:
        raise ValueError(f"expected {opening} and {closing}, once each and in this order")
    return f"{before}{opening}\n{made}\n{closing}{after}"


def sections(found: Iterable[Results], spread: bool = False) -> str:
    """The tables of each result under the name of its instruction set, the widest first."""
    return "\n\n".join(f"### {level_name(results)}\n\n{tables(results, spread)}" for results in _widest_first(found))


def short(found: Iterable[Results]) -> str:
    """A small table for each instruction set, that of most processors first: the public texts by kind of call."""
    parts = []
    for results in _widest_first(found)[::-1]:
        engines = [name for name in ENGINES if any(name in case["engines"] for case in results["cases"])]
        rows = [[case["source"], MODE_NAMES[case["mode"]], *_cells(case, engines, False), _ratios(case)]
                for mode in SHORT_MODES for case in results["cases"]
                if case["mode"] == mode and case["source"] in PUBLIC]
        parts += [f"### {level_name(results)}", _markdown(["text", "calls", *engines, _RATIO], rows, 2),
                  _setting(results, engines), _notes(results)]
    return "\n\n".join(part for part in parts if part)


def brief(found: Iterable[Results]) -> str:
    """One table at the level of most processors: dstok, the best exact peer and upstream, warm."""
    results = _widest_first(found)[-1]
    cases = [case for mode, sources in (("whole", PUBLIC), ("lines", PUBLIC[:1])) for source in sources
             for case in results["cases"] if (case["mode"], case["source"]) == (mode, source)]
    rows = []
    for case in cases:
        ours, upstream = (figure(case, name, "warm_mb_s") for name in (OURS, UPSTREAM))
        peer, value = best_peer(case, "warm_mb_s") or ("–", None)
        times = case["ratios"].get("warm_mb_s")
        text = case["source"] + (", a call a line" if case["mode"] == "lines" else "")
        rows.append([text, number(ours) if ours else "–", f"{number(value)} ({peer})" if value else "–",
                     number(upstream) if upstream else "–", f"{times:.2f} ×" if times else "–"])
    heads = ["text", "dstok", "the fastest other exact tokenizer", "Hugging Face tokenizers", "times as fast"]
    m = results["machine"]
    return _markdown(heads, rows, 1) + (f"\n\nMB/s, warm, {level_name(results)}: {m['cpu']}, {results['python']}, "
                                        f"{results['date']}, commit {str(results['commit'])[:10]}.")


def _widest_first(found: Iterable[Results]) -> list[Results]:
    """The results, sorted by their instruction sets."""
    order = [*LEVELS, None]
    return sorted(found, key=lambda results: order.index(results.get("level")))


def level_name(results: Results) -> str:
    """dstok's instruction set; older result files do not name it."""
    level = results.get("level")
    return LEVELS[level] if level else "instruction set not recorded"


def tables(results: Results, spread: bool = False) -> str:
    """All tables that the result has figures for, as Markdown without a last newline."""
    engines = [name for name in ENGINES if any(name in case["engines"] for case in results["cases"])]
    by_group = {group: [c for c in results["cases"] if c["group"] == group] for group in ("corpus", "worst", "threads")}
    parts = [_setting(results, engines), _corpora(by_group["corpus"], engines, spread), _start(results, engines),
             _worst(by_group["worst"], engines, spread), _growth(results, engines),
             _threads(by_group["threads"], engines, spread), _notes(results)]
    return "\n\n".join(part for part in parts if part)


def number(value: float) -> str:
    """Three digits or so."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _setting(results: Results, engines: list[str]) -> str:
    versions = [f"{name} {results['versions'].get(name, '?')}" for name in engines]
    m, commit = results["machine"], results["commit"]
    changed = ", with uncommitted changes" if results["dirty"] else ""
    at = f"; checkout at commit {commit[:10]}{changed}" if commit else ""
    where = "measured in the source tree" if results["in_tree"] else "installed"
    return (f"{m['cpu']}, {m['cores']} cores, {m['system']} {m['kernel']}, {results['python']}, {results['date']}. "
            f"{', '.join(versions)}; dstok {where}{at}, {_level(results)}. One core, one thread, "
            f"{_rounds(results)}.")


def _level(results: Results) -> str:
    """dstok's instructions, and whether DSTOK_SIMD asked for them; its peers choose for themselves."""
    wanted = results["settings"].get("DSTOK_SIMD")
    return level_name(results) + (" (by DSTOK_SIMD; its peers use what the processor has)" if wanted else "")


def _rounds(results: Results) -> str:
    """The number of rounds behind the medians; slow engines have one."""
    found = {engine["rounds"] for case in results["cases"] for name, engine in case["engines"].items()
             if not ENGINES[name].slow and case["group"] != "growth"}
    if not found or max(found) == 1:
        return "one round"
    return f"median of {max(found)} rounds" if len(found) == 1 else f"median of {min(found)} to {max(found)} rounds"


def _corpora(cases: list[CaseSummary], engines: list[str], spread: bool) -> str:
    if not cases:
        return ""
    rows = [[c["source"], MODE_NAMES[c["mode"]], *_cells(c, engines, spread), _ratios(c)] for c in cases]
    return "**MB/s, cold / warm**\n\n" + _markdown(["text", "calls", *engines, _RATIO], rows, 2)


def _worst(cases: list[CaseSummary], engines: list[str], spread: bool) -> str:
    if not cases:
        return ""
    rows = [[c["source"], *_cells(c, engines, spread), _ratios(c)] for c in cases]
    return ("**1 MB of one kind, MB/s, cold / warm (each warm pass over a text not seen before)**\n\n"
            + _markdown(["kind", *engines, _RATIO], rows, 1))


def _start(results: Results, engines: list[str]) -> str:
    distinct = next((c for c in results["cases"] if c["group"] == "memory"), None)
    rows = []
    for name in engines:
        found = [typical(results, name, f) for f in ("start_ms", "load_ms", "loaded_mb")]
        found.append(figure(distinct, name, "grown_mb") if distinct else None)
        rows.append([name, *("–" if value is None else number(value) for value in found)])
    if all(cell == "–" for row in rows for cell in row[1:]):
        return ""
    head = ["engine", "import, load, first ids: ms", "load alone: ms", "MB after load", "MB after 4 M distinct pieces"]
    return "**Start and memory, beyond Python with numpy**\n\n" + _markdown(head, rows, 1)


def _growth(results: Results, engines: list[str]) -> str:
    cases = {case["name"]: case for case in results["cases"]}
    kinds = list(dict.fromkeys(name.split("/")[1] for name in cases if name.startswith("growth/")))
    if not kinds:
        return ""
    rows = [[kind, *(" / ".join(_warm(cases.get(case), name) for case in growth_cases(kind)) for name in engines)]
            for kind in kinds]
    return ("**10 kB / 100 kB / 1 MB / 10 MB of one kind, MB/s, warm, one round**\n\n"
            + _markdown(["kind", *engines], rows, 1))


def _warm(case: CaseSummary | None, engine: str) -> str:
    if case is None or engine not in case["engines"]:
        return "–"
    value = figure(case, engine, "warm_mb_s")
    return "failed" if value is None else number(value)


def _threads(cases: list[CaseSummary], engines: list[str], spread: bool) -> str:
    if not cases:
        return ""
    rows = [[c["mode"].removeprefix("batch"), *_cells(c, engines, spread)] for c in cases]
    return "**Threads on a batch of 4 KB documents, MB/s by the clock, cold / warm**\n\n" + _markdown(
        ["threads", *engines], rows, 1)


def _notes(results: Results) -> str:
    widest = _largest_spread(results)
    found = [f"Largest spread of a warm figure, (max − min) / median: {widest}."] if widest else []
    if any(e.get("equal") is False and e.get("figures") for c in results["cases"] for e in c["engines"].values()):
        found.append("≠: not meant to be exact, and its ids differ on this text.")
    inexact = [n for n, e in ENGINES.items() if not e.exact and any(n in c["engines"] for c in results["cases"])]
    if inexact:
        found.append(f"Not exact on every text, so no peer to compare with: {', '.join(inexact)}.")
    found += [f"Absent: {name} ({why})." for name, why in results["absent"].items()]
    left = results["skipped"]
    found += [f"Left out ({why}): {', '.join(name for name in left if left[name] == why)}."
              for why in dict.fromkeys(left.values())]
    found += [f"IDS DIFFER: {line}." for line in results["mismatches"]]
    return "\n".join(f"- {line}" for line in found)


def _largest_spread(results: Results) -> str:
    """By engine, over all cases with more than one round."""
    worst: dict[str, float] = {}
    for case in results["cases"]:
        for name, engine in case["engines"].items():
            if engine["rounds"] > 1 and (s := engine.get("figures", {}).get("warm_mb_s")):
                worst[name] = max(worst.get(name, 0.0), (s["max"] - s["min"]) / s["median"])
    return ", ".join(f"{name} {share:.0%}" for name, share in worst.items())


def _cells(case: CaseSummary, engines: Iterable[str], spread: bool) -> list[str]:
    return [_cell(case["engines"].get(name), spread) for name in engines]


def _cell(engine: EngineSummary | None, spread: bool) -> str:
    if engine is None:
        return "–"
    if "failed" in engine:
        return "failed"
    figures = engine.get("figures")
    if not figures:
        return "not counted"
    both = " / ".join(_figure(figures[name], spread) for name in ("cold_mb_s", "warm_mb_s"))
    return both if engine["equal"] else f"{both} ≠"


def _figure(found: Spread, spread: bool) -> str:
    if not spread or found["min"] == found["max"]:
        return number(found["median"])
    return f"{number(found['median'])} ({number(found['min'])}–{number(found['max'])})"


def _ratios(case: CaseSummary) -> str:
    found = [ratio(case, name) for name in ("cold_mb_s", "warm_mb_s")]
    return " / ".join("–" if value is None else f"{value:.2f}" for value in found)


def _markdown(head: list[str], rows: list[list[str]], words: int) -> str:
    """A table whose first `words` columns are text, the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


if __name__ == "__main__":
    sys.exit(main())
