"""`verify`: proves or refutes within a number of seconds that a tokenizer is right.

In: a candidate and its reference. Out: `Report`.
Invariant: checks run in a fixed order, each for at most its share of the time left. Omitted work is reported, and then
no verdict is "equal". No crash, hang or lack of memory of the candidate ends the run: the text becomes a finding, and
the rest goes on.
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
from dstok.conformance.causes import FAULTS, Cause, Explainer
from dstok.conformance.checks import CHECKS, CallCheck, GrowthCheck, Planned, Tally, TextCheck, measure, planned, timed
from dstok.conformance.differences import Pair, shrink_run
from dstok.conformance.engines import CandidateError
from dstok.conformance.report import NO_CALL, NO_TEXTS, NO_TIME, Check, Report, finding_of, shown
from dstok.conformance.texts import check_files, cover_size, documents
from dstok.conformance.worker import Clock, Fault, Limits, OutOfTimeError, Runner
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
SUPER_LINEAR = "super-linear time"


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
    files = list(files)
    check_files(files)
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
        for number, check in enumerate(checks):
            left, others = self.clock.all_left(), len(checks) - number
            if left <= 0:
                self.checks.append(_missed(check.name, 0.0))
                continue
            share = 1.0 if others == 1 else check.share
            began = time.monotonic()
            with self.clock.part(max(left * share, min(TURN, left / others))):
                self.checks.append(
                    self.texts(check, began) if isinstance(check, TextCheck) else
                    self.growth(check, began) if isinstance(check, GrowthCheck) else self.call(check, began))

    # Checks made of texts

    def texts(self, check: TextCheck, began: float) -> Check:
        if check.texts is None:
            return Check(check.name, 0, 0.0, False, note=NO_TEXTS, missed=True)
        done, differences, complete = 0, 0, False
        patience = max(EXPLAINING * self.clock.all_left(), LEAST)
        for block in _blocks(check.texts(self.guide), self.clock):
            before = self.pair.texts
            late = False
            try:
                differing = self.pair.differences(block)
            except OutOfTimeError as ended:
                differing, late = list(ended.found), True
            done += self.pair.texts - before
            for difference in differing:
                if differences < EXPLAINED:
                    patience -= self.explain(difference, patience)
                differences += 1
            self.progress(check.name, done, self.clock.all_left())
            if late:
                break
        else:
            complete = True
        if not complete and not done:
            return _missed(check.name, time.monotonic() - began)
        note = ""
        if check.k and not complete:
            size = cover_size(self.guide, check.k) * (3 if check.k <= 3 else 1)
            note, complete = f"of {size:,}", done >= size
        return Check(check.name, done, time.monotonic() - began, complete, differences, note)

    def explain(self, difference: Any, patience: float) -> float:
        """Finds the cause of a difference, if there is `patience`. Returns the seconds that it took."""
        began = time.monotonic()
        late = bool(self.explainer.causes) and (self.clock.all_left() <= 0 or patience <= 0 >= self.clock.left())
        with self.clock.part(max(patience, ONE * self.clock.all_left())):
            self.explainer.take(difference, search=patience > 0 and not late)
        return time.monotonic() - began

    # The other checks

    def growth(self, check: GrowthCheck, began: float) -> Check:
        slow, number, complete = dict[str, Any](), 0, False
        try:
            for grown in measure(self.pair.candidate, self.guide):
                number += 1
                self.progress(check.name, number, self.clock.all_left())
                if grown.fault:
                    self.add(self._long_fault(grown.text, grown.kind, grown.fault))
                elif grown.super_linear:
                    slow[grown.kind] = grown
                if sum(cause.cause in FAULTS.values() for cause in self.explainer.causes) > 4:
                    break
            else:
                complete = True
        except OutOfTimeError:
            pass
        if slow:
            worst = max(slow.values(), key=lambda grown: grown.seconds[-1][1])
            rows = ", ".join(f"{seconds * 1000:,.0f} ms for {size:,}" for size, seconds in worst.seconds)
            grows = Fault("slow", f"time grows with the power {worst.exponent:.1f} of the length")
            self.add(Cause(SUPER_LINEAR, worst.kind, worst.text, grows, (), count=len(slow),
                           details=dict.fromkeys(slow, 1), note=f"{rows} characters"))
        if not number:
            return _missed(check.name, time.monotonic() - began)
        return Check(check.name, number, time.monotonic() - began, complete,
                     note="" if complete else f"{number} kinds of text")

    def _long_fault(self, text: str, kind: str, fault: Fault) -> Cause:
        """A long text that makes the candidate fail: the shortest beginning of it that still does."""
        def fails(texts: Any) -> list[bool]:
            return [isinstance(timed(self.pair.candidate, one, 1), Fault) for one in texts]

        if fault.kind != "hang":
            text = shrink_run(text, fails)
        return Cause(FAULTS[fault.kind], f"from {len(text):,} characters on: {fault.message}", text, fault,
                     tuple(self.guide.tokenizer.encode(text)), details={kind: 1})

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

    def call(self, check: CallCheck, began: float) -> Check:
        if check.call and not self.pair.candidate.can(check.call):
            return Check(check.name, 0, 0.0, False, note=NO_CALL)
        self.progress(check.name, 0, self.clock.all_left())
        tally, causes = Tally(), list[Cause]()
        with tally.while_there_is_time():
            for cause in check.function(self.pair, self.guide, tally):
                causes.append(cause)
        for cause in causes:
            self.add(cause)
        seconds = time.monotonic() - began
        if not (causes or tally.texts or tally.complete):
            return _missed(check.name, seconds)
        return Check(check.name, tally.texts, seconds, tally.complete, sum(cause.count for cause in causes))

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


def _missed(name: str, seconds: float) -> Check:
    return Check(name, 0, seconds, False, note=NO_TIME, missed=True)


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
