"""`verify`: proves or refutes within a number of seconds that a tokenizer is right; the same as tests of pytest.

In: a candidate and its reference. Out: `Report`; a test function.
Invariant: checks run in a fixed order, each for at most its share of the time left. Omitted work is reported, and then
no verdict is "equal". No crash, hang or lack of memory of the candidate ends the run: the text becomes a finding, and
the rest goes on. A test of a call that the tokenizer lacks is skipped; that of a check that got no time fails.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, count
from typing import Any

from dstok._util.arguments import explained
from dstok._util.files import reason
from dstok.conformance.automaton_guide import Guide, built_in, guide_of
from dstok.conformance.causes import FAULTS, Cause, Explainer, Pair
from dstok.conformance.checks import CHECKS, GROWTH, Planned, in_time, planned
from dstok.conformance.engines import CandidateError
from dstok.conformance.report import NO_CALL, NO_TEXTS, NO_TIME, Check, Report, finding_of, shown
from dstok.conformance.texts import cover_size, documents
from dstok.conformance.worker import Clock, Limits, OutOfTimeError, Runner
from dstok.errors import ArgumentError
from dstok.loading import load
from dstok.models import models
from dstok.models.names import find
from dstok.tokenizer import Tokenizer

Progress = Callable[[str, int, float], None]  # check, texts so far, seconds left
BLOCK = 2048  # texts in one request
BLOCK_SIZE = 400_000  # characters in one request
EXPLAINED = 400  # differences of one check that are explained one by one; the others are counted
EXPLAINING, LEAST = 0.15, 5.0  # share of the time left for one check's search for causes; seconds, at least
ONE = 0.5  # share of the time left for one cause, once its search has begun
TURN = 0.5  # least seconds for a check, however small its share, as long as others get as much


@explained
def verify(
    candidate: Any, reference: Any = None, *, model: str | Tokenizer = "deepseek-v3", files: Iterable[str] = (),
    seconds: float = 60.0, checks: Iterable[str] | None = None, tokenizer_json: str | None = None,
    limits: Limits | None = None, max_k: int = 4, corpus: Iterable[str] = (), progress: Progress | None = None,
    upstream: str | None = None,
) -> Report:
    """Compares `candidate` with `reference`, and reports their differences and the causes.

    candidate, reference: a spec (see `dstok.conformance.engines`), or an object with `encode`, or a function of a text.
        Default of the reference: dstok itself.
    model: the model that both should implement: a built-in name, a path, or a `Tokenizer`. Its automaton and merges
        guide the checks. upstream: the version of upstream whose tables it has, as for `dstok.load`.
    files: more texts to compare. corpus: more texts, such as `load_dataset("wikitext", ...)["text"]`; see
        `dstok.conformance.texts`. seconds: for all checks together, once both are loaded. checks: names out of
        `CHECKS`; None: all.
    tokenizer_json: the file for specs that name none. limits: of the candidate's process. max_k: of the class cover
        that fills the time left.

    Raises `CandidateError` if one of the two cannot be loaded, `DstokError` if the model cannot, `ArgumentError` for an
    unknown check.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> report = verify(lambda text: tok.encode(text.strip()), seconds=20, checks=["odd texts"])
    >>> [(finding.cause, finding.title, finding.text) for finding in report.findings]
    [('normalization', 'white space at the ends dropped', ' ')]
    """
    try:
        tokenizer = model if isinstance(model, Tokenizer) else built_in(model) if model == find(model) else load(model)
    except OSError as error:
        known = ", ".join(models())
        raise CandidateError(f"expected a file or one of {known}, found {model!r}: {reason(error)}") from error
    if upstream is not None:
        tokenizer = tokenizer.replace(upstream=upstream)
    wanted = CHECKS if checks is None else tuple(checks)
    for name in wanted:
        if name not in CHECKS:
            raise ArgumentError(f"expected a check out of {', '.join(CHECKS)}, found {name!r}", "checks")
    texts = chain(documents(files), corpus)
    first = next(texts, None)  # a source that is not there raises at once
    given = None if first is None else chain([first], texts)
    judge, clock = tokenizer if reference is None else reference, Clock()
    unlimited = replace(limits or Limits(), memory=0, patience=120.0)
    with (Runner(candidate, tokenizer_json, limits, clock) as tested,
          Runner(judge, tokenizer_json, unlimited, clock) as trusted):
        run = _Run(guide_of(tokenizer), Pair(tested, trusted), seconds, progress or (lambda *_: None))
        run.all(planned(wanted, given, max_k, named=checks is not None))
        name = tokenizer.name or (model if isinstance(model, str) else "a tokenizer of the caller's")
        return run.report(tested.name, trusted.name, name)


QUICK = tuple(name for name in CHECKS if name not in ("corpora", "class cover, k = 4", "all code points, joined"))


@explained
def conformance(
    load: Any, reference: Any = None, *, model: Any = "deepseek-v3", seconds: float = 10.0,
    checks: Iterable[str] | None = None, files: Iterable[str] = (),
) -> Callable[[str], None]:
    """A test function with one case a check, `seconds` for each, for a test module of another project.

    load: a tokenizer with `encode`, a function without arguments that makes one, or a spec of `verify`. To test
        a function of a text, wrap it: `Engine("name", "", function)`.
    reference, model, files: as in `verify`. checks: by default all that are quick.

    A check that finds a difference fails with the report: `test_conformance = conformance(my_tokenizer.load)`.
    """
    import pytest

    named = tuple(checks) if checks is not None else (*QUICK, *(["corpora"] if files else []))
    made: list[Any] = []

    @pytest.mark.parametrize("check", named)
    def test(check: str) -> None:
        if not made:
            made.append(load() if callable(load) and not hasattr(load, "encode") else load)
        report = verify(made[0], reference, model=model, seconds=seconds, checks=[check], files=files)
        if [one.note for one in report.checks] == [NO_CALL]:
            pytest.skip(NO_CALL)
        if not report.equal:
            raise AssertionError(f"\n{report}")  # under `python -O`, too

    return test


class _Run:
    """One run of `verify`: the clock, the finished work, the findings."""

    def __init__(self, guide: Guide, pair: Pair, seconds: float, progress: Progress) -> None:
        self.guide, self.pair, self.progress, self.clock = guide, pair, progress, pair.clock
        self.explainer = Explainer(guide, pair)
        self.checks: list[Check] = []
        guide.prepare()
        self.began = time.monotonic()
        self.clock.start(seconds)

    def all(self, checks: list[Planned]) -> None:
        for number, plan in enumerate(checks):
            left, others = self.clock.all_left(), len(checks) - number
            check, began = Check(plan.name), time.monotonic()
            share = 1.0 if others == 1 else plan.share
            check.complete = left > 0
            with self.clock.part(max(left * share, min(TURN, left / others))), in_time(check):
                if left > 0:
                    (self.find if plan.find else self.compare)(plan, check)
            check.seconds = time.monotonic() - began
            if not (check.texts or check.differences or check.complete or check.note):
                check.note, check.missed = NO_TIME, True
            self.checks.append(check)

    def compare(self, plan: Planned, check: Check) -> None:
        if plan.texts is None:
            check.note, check.complete, check.missed = NO_TEXTS, False, True
            return
        patience = max(EXPLAINING * self.clock.all_left(), LEAST)
        check.complete = False
        for block in _blocks(plan.texts(self.guide), self.clock):
            before, is_late = self.pair.texts, False
            try:
                differing = self.pair.differences(block)
            except OutOfTimeError as ended:
                differing, is_late = list(ended.found), True
            check.texts += self.pair.texts - before
            for difference in differing:
                if check.differences < EXPLAINED:
                    began, left = time.monotonic(), self.clock.all_left()
                    with self.clock.part(max(patience, ONE * left)):
                        self.explainer.take(difference, patience > 0 and (left > 0 or not self.explainer.causes))
                    patience -= time.monotonic() - began
                check.differences += 1
            self.progress(check.name, check.texts, self.clock.all_left())
            if is_late:
                break
        else:
            check.complete = True
        if plan.k and check.texts and not check.complete:
            size = cover_size(self.guide, plan.k) * (3 if plan.k <= 3 else 1)
            check.note, check.complete = f"of {size:,}", check.texts >= size

    def find(self, plan: Planned, check: Check) -> None:
        """Looks for causes in another way than by comparing texts."""
        assert plan.find is not None
        if plan.call and plan.call not in self.pair.candidate.calls:
            check.note, check.complete = NO_CALL, False
            return
        self.progress(check.name, 0, self.clock.all_left())
        for cause in plan.find(self.pair, self.guide, check):
            if cause:
                self.add(cause)
                check.differences += cause.count if plan.name != GROWTH else 0  # a slow text has no other ids
            self.progress(check.name, check.texts, self.clock.all_left())

    def add(self, cause: Cause) -> None:
        """Adds one cause for a kind of fault: the shortest text, with all the kinds of text."""
        for known in self.explainer.causes:
            if known.cause == cause.cause and cause.cause in FAULTS.values():
                known.count += 1
                known.details |= cause.details
                if len(cause.text) < len(known.text):
                    known.text, known.title, known.expected = cause.text, cause.title, cause.expected
                return
        self.explainer.causes.append(cause)

    def report(self, candidate: str, reference: str, model: str) -> Report:
        self.explainer.settle()
        causes = sorted(self.explainer.causes, key=lambda cause: -cause.count)
        notes = []
        if self.explainer.waiting:
            notes.append(f"{len(self.explainer.waiting):,} further differences have no cause named: "
                         "too many causes, or no time left")
        if self.pair.candidate.unfinished is not None:
            notes.append(f"the candidate was at {shown(self.pair.candidate.unfinished)} when the time was up")
        if self.pair.refused:
            text, why = next(iter(self.pair.refused.items()))
            notes.append(f"the reference made nothing of {len(self.pair.refused)} texts, such as {text[:40]!a}: {why}")
        return Report(candidate, reference, model, [finding_of(self.guide, cause) for cause in causes], self.checks,
                      notes, time.monotonic() - self.began)


def _blocks(texts: Iterable[str], clock: Clock) -> Iterator[list[str]]:
    """Texts in lists of one request each, until the time is up. Small lists come first, so that a fault shows soon."""
    source = iter(texts)
    for number in count():
        block, held = [], 0
        for text in source:
            block.append(text)
            held += len(text)
            if len(block) == min(BLOCK, 64 << number) or held > BLOCK_SIZE or clock.left() <= 0:
                break
        if not block:
            return
        yield block
