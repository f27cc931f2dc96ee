"""From records to a summary: ids compared first, then medians and spread.

In: the records of all rounds of a case. Out: a `CaseSummary`, and a line for each mismatch.
Invariant: a figure of an engine counts only if all its runs gave the reference's ids. The reference is upstream
(`tokenizers`) if it ran, else the common result of all exact engines; if these disagree, nothing in the case counts. An
engine that should be exact and differs is a mismatch, and makes the run fail. A ratio to the best exact peer is that of
one round (cold) or of one turn (warm), whose figures lie side by side; the median of all of them counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, TypedDict, cast

from benchmarks.cases import Case
from benchmarks.engines import ENGINES, UPSTREAM
from benchmarks.measure import Record

__all__ = ["FIGURES", "OURS", "CaseSummary", "EngineSummary", "Results", "Spread", "best_peer", "figure", "summarise"]

FIGURES = ("import_ms", "load_ms", "start_ms", "cold_mb_s", "warm_mb_s", "loaded_mb", "grown_mb")
LOWER_IS_BETTER = ("import_ms", "load_ms", "start_ms", "loaded_mb", "grown_mb")
OURS = "dstok"


class Spread(TypedDict):
    """A figure over the rounds."""

    median: float
    min: float
    max: float


class EngineSummary(TypedDict, total=False):
    """An engine in a case: `failed`: why there are no figures; `equal`: whether its ids are upstream's."""

    failed: str
    equal: bool
    rounds: int
    figures: dict[str, Spread]


class CaseSummary(TypedDict):
    """A case: its properties, and each engine that was measured."""

    name: str
    group: str
    source: str
    mode: str
    bytes: int
    tokens: int
    upstream: bool
    ratios: dict[str, float]  # ours over the best exact peer's
    engines: dict[str, EngineSummary]


class Results(TypedDict):
    """A result file."""

    format: int
    date: str
    machine: dict[str, Any]
    level: str | None
    python: str
    versions: dict[str, str]
    commit: str | None
    dirty: bool | None
    in_tree: bool
    settings: dict[str, Any]
    absent: dict[str, str]
    skipped: dict[str, str]
    mismatches: list[str]
    cases: list[CaseSummary]


def summarise(case: Case, records: Sequence[Record]) -> tuple[CaseSummary, list[str]]:
    """The summary of a case, and the errors in its ids."""
    runs = {name: [r for r in records if r["engine"] == name and "absent" not in r] for name in ENGINES}
    done = {name: [r for r in rs if "failed" not in r] for name, rs in runs.items()}
    hashes = {name: {r["ids_sha256"] for r in rs} for name, rs in done.items() if rs}
    reference = _reference(hashes)
    engines = {name: _engine(rs, reference) for name, rs in runs.items() if rs}
    measured = [r for rs in done.values() for r in rs]
    agreed = next((r for r in measured if r["ids_sha256"] == reference), None)
    summary = CaseSummary(
        name=case.name, group=case.group, source=case.source, mode=case.mode, bytes=measured[0]["bytes"] if measured
        else 0, tokens=agreed["tokens"] if agreed else 0, upstream=UPSTREAM in hashes, engines=engines,
        ratios=_ratios({name: done[name] for name, engine in engines.items()
                        if ENGINES[name].exact and "figures" in engine}))
    return summary, _mismatches(case.name, hashes, reference)


def best_peer(case: CaseSummary, name: str) -> tuple[str, float] | None:
    """The exact engine other than ours with the best median of a figure, and that median."""
    found = {peer: value for peer in case["engines"] if peer != OURS and ENGINES[peer].exact
             if (value := figure(case, peer, name)) is not None}
    choose = min if name in LOWER_IS_BETTER else max
    return choose(found.items(), key=lambda item: item[1]) if found else None


def figure(case: CaseSummary, engine: str, name: str) -> float | None:
    """The median of a figure; None if it was not measured or does not count."""
    spread = case["engines"].get(engine, EngineSummary()).get("figures", {}).get(name)
    return spread["median"] if spread else None


def _ratios(done: Mapping[str, Sequence[Record]]) -> dict[str, float]:
    """The medians of the paired ratios; `done`: the records, by round, of the exact engines whose figures count."""
    pairs: dict[str, list[float]] = {"cold_mb_s": [], "warm_mb_s": []}
    for number, ours in enumerate(done.get(OURS, ())):
        peers = [records[number] for name, records in done.items() if name != OURS and len(records) > number]
        if peers:
            pairs["cold_mb_s"].append(ours["cold_mb_s"] / max(peer["cold_mb_s"] for peer in peers))
        for turn, speed in enumerate(ours["turns"]):
            if beside := [peer["turns"][turn] for peer in peers if len(peer["turns"]) > turn]:
                pairs["warm_mb_s"].append(speed / max(beside))
    return {name: median(found) for name, found in pairs.items() if found}


def _reference(hashes: Mapping[str, set[str]]) -> str | None:
    """The hash of the ids that count."""
    exact = [found for name, found in hashes.items() if ENGINES[name].exact]
    judges = hashes.get(UPSTREAM) or (set().union(*exact) if exact else set())
    return next(iter(judges)) if len(judges) == 1 else None


def _engine(records: Sequence[Record], reference: str | None) -> EngineSummary:
    failed = [r["failed"] for r in records if "failed" in r]
    if failed:
        return EngineSummary(failed=failed[0], rounds=len(records))
    equal = reference is not None and all(r["ids_sha256"] == reference for r in records)
    found = EngineSummary(equal=equal, rounds=len(records))
    if equal or (reference is not None and not ENGINES[records[0]["engine"]].exact):
        found["figures"] = {name: s for name in FIGURES if (s := _spread(records, name)) is not None}
    return found


def _spread(records: Sequence[Record], name: str) -> Spread | None:
    values = [cast(float, r.get(name)) for r in records if r.get(name) is not None]
    return Spread(median=median(values), min=min(values), max=max(values)) if values else None


def _mismatches(case: str, hashes: Mapping[str, set[str]], reference: str | None) -> list[str]:
    exact = {name: found for name, found in hashes.items() if ENGINES[name].exact}
    if reference is None and exact:
        said = ", ".join(f"{name} {'/'.join(sorted(h[:8] for h in found))}" for name, found in exact.items())
        return [f"{case}: the engines give different ids ({said}); nothing in this case counts"]
    judge = UPSTREAM if UPSTREAM in hashes else "the others"
    return [f"{case}: {name} does not give the ids of {judge}" for name, found in exact.items() if found != {reference}]
