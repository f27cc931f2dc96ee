"""`verify`: is a tokenizer right? Proved, or broken, within a number of seconds.

In: a candidate, and what it is to be held against. Out: `Report`.
Invariant: checks run in a fixed order, each with a share of the time that is left; what was not done is said. Neither
a crash, a hang nor want of memory of the candidate ends the run: the text is a finding, and the rest goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from typing import Any

import dstok
from dstok.testing import texts as texts_of
from dstok.testing.adapters import CandidateError
from dstok.testing.calls import CALLS
from dstok.testing.causes import FAULTS, Cause, Explainer
from dstok.testing.class_cover import cover_size
from dstok.testing.corpora import check_files, documents
from dstok.testing.differ import Pair, shrink_run
from dstok.testing.growth import measure
from dstok.testing.guide import Guide
from dstok.testing.report import Check, Report, finding_of
from dstok.testing.runner import Fault, Limits, Runner
from dstok.tokenizer import Tokenizer

__all__ = ["CHECKS", "Progress", "verify"]

Progress = Callable[[str, int, float], None]  # check, texts so far, seconds left
BLOCK = 2048  # texts in one request
BLOCK_SIZE = 400_000  # characters in one request
EXPLAINED = 400  # differences of one check that are explained one by one; the others are counted
EXPLAINING = 0.15  # share of the time left that one check may spend on finding causes
SUPER_LINEAR = "super-linear time"


@dataclass(frozen=True)
class TextCheck:
    """A check made of texts. share: of the time that is left when its turn comes; 1.0: all it needs."""

    name: str
    texts: Callable[[Guide], Iterator[str]]
    share: float = 1.0


def _some_random_texts(guide: Guide) -> Iterator[str]:
    return islice(texts_of.random_texts(guide, 6), 4000)


def _long_texts(guide: Guide) -> Iterator[str]:
    """Random texts joined to long ones: what lies over the edges of blocks and buffers."""
    source = texts_of.random_texts(guide, 11)
    for size in (4096, 8192, 16384, 65536, 100_000, 262_144):
        parts, held = [], 0
        while held < size:
            part = next(source)
            parts.append(part)
            held += len(part)
        yield "".join(parts)


TEXT_CHECKS = (
    TextCheck("odd texts", texts_of.odd_texts),
    TextCheck("added tokens", texts_of.added_tokens, 0.1),
    TextCheck("class cover, k = 1", lambda guide: texts_of.cover(guide, 1)),
    TextCheck("class cover, k = 2", lambda guide: texts_of.cover(guide, 2)),
    TextCheck("some random texts", _some_random_texts, 0.1),
    TextCheck("long pieces", texts_of.long_pieces, 0.1),
    TextCheck("code points in contexts", texts_of.code_points, 0.3),
    TextCheck("vocabulary", texts_of.vocabulary, 0.25),
    TextCheck("concatenation at safe cuts", texts_of.concatenations, 0.05),
    TextCheck("class cover, k = 3", lambda guide: texts_of.cover(guide, 3), 0.3),
    TextCheck("merges in conflict", texts_of.merge_conflicts, 0.3),
    TextCheck("long texts", _long_texts, 0.1),
    TextCheck("all code points, joined", texts_of.joined_code_points, 0.4),
)
FIRST = 5  # of them come before the checks that are not made of texts
CHECKS = (*(check.name for check in TEXT_CHECKS[:FIRST]), "corpora", "growth", *(name for _, name, _ in CALLS),
          *(check.name for check in TEXT_CHECKS[FIRST:]), "class cover, k = 4", "random texts")


def verify(
    candidate: Any, reference: Any = None, *, model: str | Tokenizer = "deepseek-v3", files: Iterable[str] = (),
    seconds: float = 60.0, checks: Iterable[str] | None = None, tokenizer_json: str | None = None,
    limits: Limits | None = None, max_k: int = 4, corpus: Iterable[str] = (), progress: Progress | None = None,
) -> Report:
    """Hold `candidate` against `reference`, and say where they differ, and why.

    candidate, reference: a spec (see `dstok.testing.adapters`), or an object with `encode`, or a function of a text.
        Default of the reference: dstok itself.
    model: what both should be: a built-in name, a path, or a `Tokenizer`. Its automaton and merges guide the checks.
    files: texts to compare, too. corpus: more texts, such as `load_dataset("wikitext", ...)["text"]`; see
        `dstok.testing.corpora`. seconds: for all of it. checks: names out of `CHECKS`; None: all.
    tokenizer_json: the file for specs that name none. limits: of the candidate's process. max_k: of the class cover
        that fills the time left.

    Raises `CandidateError` if one of the two cannot be loaded, `DstokError` if the model cannot, `ValueError` for
    the name of a check that there is not.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> report = verify(lambda text: tok.encode(text.strip()), seconds=20, checks=["odd texts"])
    >>> [(finding.cause, finding.title, finding.text) for finding in report.findings]
    [('normalization', 'white space at the ends dropped', ' ')]
    """
    tokenizer = model if isinstance(model, Tokenizer) else _tokenizer(model)
    wanted = CHECKS if checks is None else tuple(checks)
    for name in wanted:
        if name not in CHECKS:
            raise ValueError(f"expected a check out of {', '.join(CHECKS)}, found {name!r}")
    files = list(files)
    check_files(files)
    texts = _begun(chain(documents(files), corpus))
    judge = tokenizer if reference is None else reference
    with (Runner(candidate, tokenizer_json, limits) as tested,
          Runner(judge, tokenizer_json, _unlimited(limits)) as trusted):
        run = _Run(Guide(tokenizer), Pair(tested, trusted), seconds, progress or (lambda *_: None))
        run.all(wanted, texts, max_k)
        name = tokenizer.name or (model if isinstance(model, str) else "a tokenizer of the caller's")
        return run.report(tested.name, trusted.name, name)


def _tokenizer(name: str) -> Tokenizer:
    from dstok.formats.image import is_image

    if name in {model.name for model in dstok.models()}:
        return dstok.load(name)
    try:
        return Tokenizer.open(name) if is_image(name) else Tokenizer.from_file(name)
    except OSError as error:
        known = ", ".join(model.name for model in dstok.models())
        raise CandidateError(f"expected a file or one of {known}, found {name!r}: {_words(error)}") from error


def _begun(texts: Iterator[str]) -> Iterator[str] | None:
    """The same texts, or None if there are none: what cannot be had is said at once."""
    first = next(texts, None)
    return None if first is None else chain([first], texts)


def _unlimited(limits: Limits | None) -> Limits:
    return replace(limits or Limits(), memory=0, patience=120.0)


class _Run:
    """One run of `verify`: the clock, what was done, what was found."""

    def __init__(self, guide: Guide, pair: Pair, seconds: float, progress: Progress) -> None:
        self.guide, self.pair, self.progress = guide, pair, progress
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.explainer = Explainer(guide, pair)
        self.checks: list[Check] = []
        self.notes: list[str] = []

    def left(self) -> float:
        return self.end - time.monotonic()

    def all(self, wanted: tuple[str, ...], corpus: Iterator[str] | None, max_k: int) -> None:
        for check in TEXT_CHECKS[:FIRST]:
            self.if_wanted(check.name, wanted, lambda check=check: self.texts(check))  # type: ignore[misc]
        if corpus is not None:  # early: whoever names texts wants them compared
            self.if_wanted("corpora", wanted, lambda: self.texts(TextCheck("corpora", lambda _: corpus, 0.3)))
        self.if_wanted("growth", wanted, self.growth)
        for call, name, function in CALLS:
            self.if_wanted(name, wanted, lambda c=call, n=name, f=function: self.call(c, n, f))  # type: ignore[misc]
        for check in TEXT_CHECKS[FIRST:]:
            self.if_wanted(check.name, wanted, lambda check=check: self.texts(check))  # type: ignore[misc]
        for k in range(4, max_k + 1):
            share = 0.7 if "random texts" in wanted else 1.0
            self.if_wanted("class cover, k = 4", wanted, lambda k=k, s=share: self.texts(  # type: ignore[misc]
                TextCheck(f"class cover, k = {k}", lambda guide: texts_of.cover(guide, k), s)))
        self.if_wanted("random texts", wanted,
                       lambda: self.texts(TextCheck("random texts", texts_of.random_texts, 1.0)))

    def if_wanted(self, name: str, wanted: tuple[str, ...], do: Callable[[], None]) -> None:
        if name in wanted and self.left() > 0:
            do()
        elif name in wanted:
            self.checks.append(Check(name, 0, 0.0, False, note="no time was left"))

    # Checks made of texts

    def texts(self, check: TextCheck) -> None:
        began, before = time.monotonic(), self.pair.texts
        deadline = min(self.end, began + max(self.left() * check.share, 0.5))
        done, differences, complete = 0, 0, False
        patience = max(EXPLAINING * self.left(), 5.0)
        for block in _blocks(check.texts(self.guide)):
            found = self.pair.differences(block)
            done += len(block)
            for difference in found:
                if differences < EXPLAINED and time.monotonic() < deadline + 5:
                    before_it = time.monotonic()
                    self.explainer.take(difference, search=patience > 0)
                    patience -= time.monotonic() - before_it
                differences += 1
            self.progress(check.name, done, self.left())
            if time.monotonic() > deadline:
                break
        else:
            complete = True
        note = ""
        if check.name.startswith("class cover, k = ") and not complete:
            size = cover_size(self.guide, int(check.name[-1])) * (3 if int(check.name[-1]) <= 3 else 1)
            note = f"of {size:,}"
            complete = done >= size
        self.checks.append(Check(check.name, done, time.monotonic() - began, complete, differences, note))
        assert self.pair.texts >= before

    # The other checks

    def growth(self) -> None:
        began, slow, number = time.monotonic(), dict[str, Any](), 0
        deadline = min(self.end, began + max(5.0, 0.25 * self.left()))
        complete = True
        for grown in measure(self.pair.candidate, self.guide):
            number += 1
            self.progress("growth", number, self.left())
            if grown.fault:
                self.add(self._long_fault(grown.text, grown.kind, grown.fault))
            elif grown.super_linear:
                slow[grown.kind] = grown
            if time.monotonic() > deadline or sum(bool(c.cause in FAULTS.values()) for c in self.explainer.causes) > 4:
                complete = False
                break
        if slow:
            worst = max(slow.values(), key=lambda grown: grown.seconds[-1][1])
            self.add(_slow(worst, list(slow)))
        note = "" if complete else f"{number} kinds of text"
        self.checks.append(Check("growth", number, time.monotonic() - began, complete, note=note))

    def _long_fault(self, text: str, kind: str, fault: Fault) -> Cause:
        """A long text that brings the candidate down: the shortest beginning of it that still does."""
        def fails(texts: Any) -> list[bool]:
            return [isinstance(self.pair.candidate.call("timed", one, 1), Fault) for one in texts]

        if fault.kind != "hang":
            text = shrink_run(text, fails)
        return Cause(FAULTS[fault.kind], f"from {len(text):,} characters on: {fault.message}", text, fault,
                     tuple(self.guide.tokenizer.encode(text)), details={kind: 1})

    def add(self, cause: Cause) -> None:
        """One cause a kind of fault: the shortest text, with all the kinds of text."""
        for known in self.explainer.causes:
            if known.cause == cause.cause and cause.cause in FAULTS.values():
                known.count += 1
                known.details |= cause.details
                if len(cause.text) < len(known.text):
                    known.text, known.title, known.expected = cause.text, cause.title, cause.expected
                return
        self.explainer.causes.append(cause)

    def call(self, call: str, name: str, function: Callable[[Pair, Guide], Iterator[Cause]]) -> None:
        if call and not self.pair.candidate.can(call):
            self.checks.append(Check(name, 0, 0.0, False, note="the candidate has no such call"))
            return
        began = time.monotonic()
        self.progress(name, 0, self.left())
        causes = list(function(self.pair, self.guide))
        self.explainer.causes += causes
        self.checks.append(Check(name, 0, time.monotonic() - began, True, sum(cause.count for cause in causes)))

    def report(self, candidate: str, reference: str, model: str) -> Report:
        causes = sorted(self.explainer.causes, key=lambda cause: -cause.count)
        notes = [*self.notes]
        if self.explainer.unexplained:
            notes.append(f"{self.explainer.unexplained:,} further differences have no cause named: "
                         "too many causes, or no time left")
        if self.pair.refused:
            text, why = next(iter(self.pair.refused.items()))
            notes.append(f"the reference made nothing of {len(self.pair.refused)} texts, such as {text[:40]!a}: {why}")
        return Report(candidate, reference, model, [finding_of(self.guide, cause) for cause in causes], self.checks,
                      notes, time.monotonic() - self.began)


def _slow(worst: Any, kinds: list[str]) -> Cause:
    rows = ", ".join(f"{seconds * 1000:,.0f} ms for {size:,}" for size, seconds in worst.seconds)
    fault = Fault("slow", f"time grows with the power {worst.exponent:.1f} of the length")
    return Cause(SUPER_LINEAR, worst.kind, worst.text, fault, (), count=len(kinds),
                 details=dict.fromkeys(kinds, 1), note=f"{rows} characters")


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists that are one request each; small ones first, so that a fault shows soon."""
    source = iter(texts)
    for number in count():
        block, held = [], 0
        for text in islice(source, min(BLOCK, 64 << number)):
            block.append(text)
            held += len(text)
            if held > BLOCK_SIZE:
                break
        if not block:
            return
        yield block


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
