"""The project's goals, and whether a result reaches them.

In: a result. Out: a Markdown table with one row for each goal that the result can answer, and the number reached.
Invariant: a goal is judged on medians, against the best exact peer in the same case of the same run. A case that was
not measured gives no row, so no unmeasured goal counts as reached.
Source: issue 3, "The fastest exact tokenizer there is, cold and warm, for every script"; for the start, issue 19.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.cases import GROWTH_SIZES, KINDS
from benchmarks.summary import OURS, CaseSummary, Results, best_peer, figure

__all__ = ["Goal", "goals", "goals_table", "growth_cases", "ratio", "typical"]

LEAST_RATIO = {("whole", "warm"): 2.0, ("docs", "warm"): 2.0, ("list", "warm"): 2.0, ("lines", "warm"): 2.5,
               ("slices", "warm"): 2.0, ("slices", "cold"): 1.5,
               ("whole", "cold"): 1.5, ("docs", "cold"): 1.5, ("list", "cold"): 1.5, ("lines", "cold"): 2.5}
LEAST_RATIO_OF = {("chinese", "warm"): 2.5, ("chinese", "cold"): 2.0, ("multilingual", "cold"): 2.0}  # whole and docs
WORST_RATIO = 2.0
WORST_TIMES_ENGLISH = 20.0
MOST_GROWTH = 1.2  # in time a byte, for ten times the text
START_MS, LOAD_MS, START_RATIO = 15.0, 3.0, 20.0
LOADED_MB, DISTINCT_MB = 45.0, 80.0
TWO_THREADS = 1.85


@dataclass(frozen=True)
class Goal:
    """A measure, its value, and the goal: at least, or at most."""

    measure: str
    found: float
    wanted: float
    at_most: bool = False
    unit: str = "x"

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


def goals_table(results: Results) -> str:
    """The goals as a Markdown table, with those not reached marked."""
    found = list(goals(results))
    rows = [f"| {g.measure} | {g.found:.2f} {g.unit} | {'at most' if g.at_most else 'at least'} {g.wanted:g} {g.unit} "
            f"| {'reached' if g.reached else '**not reached**'} |" for g in found]
    head = ["| goal | found | wanted | |", "|---|---:|---:|---|"]
    return "\n".join([*head, *rows, "", f"{sum(g.reached for g in found)} of {len(found)} goals reached."])


def goals(results: Results) -> Iterator[Goal]:
    """All goals that the result can answer."""
    cases = {case["name"]: case for case in results["cases"]}
    for case in cases.values():
        if case["group"] == "corpus":
            yield from _corpus(case)
    yield from _start_and_memory(results, cases)
    yield from _threads(cases)
    for kind in KINDS:
        yield from _worst(cases, kind)


def ratio(case: CaseSummary, name: str) -> float | None:
    """Our speed over the best exact peer's, the median of pairs; None if one is missing."""
    return case["ratios"].get(name)


def typical(results: Results, engine: str, name: str) -> float | None:
    """The median over the corpus cases of a figure that does not depend on the text."""
    found = [value for case in results["cases"] if case["group"] == "corpus"
             if (value := figure(case, engine, name)) is not None]
    return median(found) if found else None


def _corpus(case: CaseSummary) -> Iterator[Goal]:
    for temperature in ("cold", "warm"):
        wanted = LEAST_RATIO[case["mode"], temperature]
        if case["mode"] in ("whole", "docs"):
            wanted = LEAST_RATIO_OF.get((case["source"], temperature), wanted)
        if (found := ratio(case, f"{temperature}_mb_s")) is not None:
            yield Goal(f"{case['name']} {temperature}", found, wanted)


def _start_and_memory(results: Results, cases: dict[str, CaseSummary]) -> Iterator[Goal]:
    start, load = typical(results, OURS, "start_ms"), typical(results, OURS, "load_ms")
    peers = [ms for case in results["cases"] if case["group"] == "corpus" and (peer := best_peer(case, "start_ms"))
             for ms in [peer[1]]]
    if start is not None and load is not None:
        yield Goal("import, load and first ids", start, START_MS, at_most=True, unit="ms")
        yield Goal("load alone", load, LOAD_MS, at_most=True, unit="ms")
    if start is not None and peers:
        yield Goal("start, against the best peer", median(peers) / start, START_RATIO)
    loaded = typical(results, OURS, "loaded_mb")
    grown = figure(cases["distinct/docs"], OURS, "grown_mb") if "distinct/docs" in cases else None
    if loaded is not None:
        yield Goal("memory after load", loaded, LOADED_MB, at_most=True, unit="MB")
    if grown is not None:
        yield Goal("memory after 4 million distinct pieces", grown, DISTINCT_MB, at_most=True, unit="MB")


def _threads(cases: dict[str, CaseSummary]) -> Iterator[Goal]:
    speeds = [figure(cases[name], OURS, "warm_mb_s") for name in ("english/batch1", "english/batch2") if name in cases]
    if len(speeds) == 2 and speeds[0] and speeds[1]:
        yield Goal("two threads on a batch", speeds[1] / speeds[0], TWO_THREADS)


def _worst(cases: dict[str, CaseSummary], kind: str) -> Iterator[Goal]:
    case = cases.get(f"worst/{kind}")
    if case is not None:
        for temperature in ("cold", "warm"):
            if (found := ratio(case, f"{temperature}_mb_s")) is not None:
                yield Goal(f"{case['name']} {temperature}", found, WORST_RATIO)
        ours = figure(case, OURS, "warm_mb_s")
        english = figure(cases["english/whole"], OURS, "warm_mb_s") if "english/whole" in cases else None
        if ours and english:
            yield Goal(f"{case['name']} time a byte over english's", english / ours, WORST_TIMES_ENGLISH, at_most=True)
    steps = [value for name in growth_cases(kind) if name in cases
             if (value := figure(cases[name], OURS, "warm_mb_s")) is not None]
    if len(steps) == len(growth_cases(kind)):
        most = max(before / after for before, after in pairwise(steps))
        yield Goal(f"growth/{kind}: time a byte for ten times the text", most, MOST_GROWTH, at_most=True)


def growth_cases(kind: str) -> list[str]:
    """The names of the cases of 10 kB, 100 kB, 1 MB and 10 MB of a kind."""
    small, medium, large = (f"growth/{kind}/{label}" for label in GROWTH_SIZES)
    return [small, medium, f"worst/{kind}", large]
