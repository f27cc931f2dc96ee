"""The cases: texts and their calls.

In: a name such as "english/docs". Out: a `Case`, its text, and the items that an engine is called with. Invariant: a
text depends only on its source and size. Corpora are files; all other texts are made from constants and from the noise
of SHAKE-256. So every machine and Python version times the same bytes, and a smaller text is the start of a larger one
of its kind. Generated texts hold as many whole units as fit in the size.
Source: wiki.test.raw as found by `wikitext.py`, the texts of `texts.py`, and four corpora of the project's shared
folder (`DSTOK_SHARED`, else `../shared` beside the checkout). The worst cases are runs that a BPE tokenizer cannot cut
into short pieces, or that look like the start of a special token.
"""

from __future__ import annotations

import lzma
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOENT
from fnmatch import fnmatchcase
from functools import partial
from hashlib import shake_256
from pathlib import Path

import numpy as np

from benchmarks import texts, wikitext

__all__ = ["CORPORA", "KINDS", "MODES", "PUBLIC", "Case", "all_cases", "items", "load_text", "select", "slices"]

ROOT = Path(__file__).resolve().parent.parent
CORPORA = {"wiki": "wiki.test.raw", "english": "english.txt.xz", "code": "code.txt.xz", "chinese": "chinese.txt.xz",
           "multilingual": "multilingual.txt.xz"}
PUBLIC = ("wiki", *texts.FETCHED)  # texts that anyone can fetch
MODES = ("whole", "docs", "lines", "list", "slices")
SLICES = 6  # of a text in the mode "slices": one for the cold figure, the others for the warm one
DOCUMENT = 4096  # code points of a document in the modes "docs" and "batch"
WORST_SIZE = 1_000_000
GROWTH_SIZES = {"10kB": 10_000, "100kB": 100_000, "10MB": 10_000_000}  # 1 MB is the worst case itself
DISTINCT_SIZE = 24_000_000  # 4 million words of six bytes


@dataclass(frozen=True)
class Case:
    """One text in one kind of calls. `full`: only in a full run. `size` 0: the whole file."""

    name: str
    group: str
    source: str
    mode: str
    size: int = 0
    full: bool = False

    @property
    def threads(self) -> int:
        """The number of threads that the calls may use."""
        return int(self.mode.removeprefix("batch")) if self.mode.startswith("batch") else 1

    @property
    def small(self) -> bool:
        """Whether even a slow engine encodes the text in some seconds."""
        return self.source in PUBLIC or 0 < self.size <= WORST_SIZE

    @property
    def unseen(self) -> bool:
        """Whether a warm pass needs a text that the engine has not seen; see `measure.py`."""
        return self.group in ("worst", "growth")

    @property
    def text_name(self) -> str:
        """The same for all cases with the same text."""
        return f"{self.source}-{self.size}" if self.size else self.source


def all_cases() -> list[Case]:
    """All cases, in the order of the tables."""
    corpora = [Case(f"{source}/{mode}", "corpus", source, mode) for source in CORPORA for mode in MODES]
    fetched = [Case(f"{source}/{mode}", "corpus", source, mode, full=True)
               for source in texts.FETCHED for mode in MODES]
    threads = [Case(f"english/batch{n}", "threads", "english", f"batch{n}") for n in (1, 2)]
    memory = [Case("distinct/docs", "memory", "distinct", "docs", DISTINCT_SIZE)]
    worst = [Case(f"worst/{kind}", "worst", kind, "whole", WORST_SIZE) for kind in KINDS]
    growth = [Case(f"growth/{kind}/{label}", "growth", kind, "whole", size, full=True)
              for kind in KINDS for label, size in GROWTH_SIZES.items()]
    return corpora + fetched + threads + memory + worst + growth


def select(patterns: list[str], full: bool) -> list[Case]:
    """The cases whose names match one of the shell patterns; without patterns those of a short or a full run.

    Raises `ValueError` for a pattern that matches nothing.
    """
    cases = all_cases()
    for pattern in patterns:
        if not any(fnmatchcase(case.name, pattern) for case in cases):
            raise ValueError(f"no case matches {pattern!r}; the first are {', '.join(c.name for c in cases[:5])}")
    if not patterns:
        return [case for case in cases if full or not case.full]
    return [case for case in cases if any(fnmatchcase(case.name, pattern) for pattern in patterns)]


def load_text(case: Case) -> str:
    """The text of a case. Raises `FileNotFoundError` if a corpus is missing; its `strerror` tells the remedy."""
    if case.source in CORPORA:
        return _corpus(CORPORA[case.source])
    if case.source in texts.FETCHED:
        return texts.load(case.source)
    make = _distinct_words if case.source == "distinct" else KINDS[case.source]
    return make(case.size)


def items(text: str, mode: str) -> list[str]:
    """The texts of the calls of one pass."""
    if mode == "lines":
        return text.split("\n")
    if mode in ("docs", "slices") or mode.startswith("batch"):
        return [text[at : at + DOCUMENT] for at in range(0, len(text), DOCUMENT)]
    return [text]


def slices(texts: list[str]) -> list[list[str]]:
    """Disjoint parts of one kind: of the documents each sixth, from the first, the second and so on.

    A warm pass over one that no earlier pass had shows what an engine does with new text. A cache of whole texts, or of
    words that no other document has, does not help there.
    """
    return [texts[first::SLICES] for first in range(SLICES)]


def _corpus(name: str) -> str:
    if name == "wiki.test.raw":
        if (wiki := wikitext.find()) is None:
            raise FileNotFoundError(ENOENT, f"no {name}: {wikitext.HOW}")
        return wiki.decode()
    try:
        return lzma.decompress((wikitext.shared_folder() / "data" / name).read_bytes()).decode()
    except FileNotFoundError as error:
        raise FileNotFoundError(ENOENT, f"no {name}: set DSTOK_SHARED to the folder with data/") from error


# Generated texts


def _noise(seed: str, size: int) -> bytes:
    """The same bytes everywhere; fewer are the start of more. `random` promises that for only one method."""
    return shake_256(f"dstok benchmarks: {seed}".encode()).digest(size)


def _repeated(unit: str, size: int) -> str:
    return unit * (size // len(unit.encode()))


def _picked(first: int, count: int, size: int) -> str:
    """Code points drawn from the `count` that begin with `first`. All of them need equally many bytes."""
    width = len(chr(first).encode())
    numbers = np.frombuffer(_noise(hex(first), 4 * (size // width)), "<u4") % np.uint32(count) + np.uint32(first)
    return numbers.astype("<u4").tobytes().decode("utf-32-le")


def _base64(size: int) -> str:
    return b64encode(_noise("base64", size // 4 * 3)).decode()


def _distinct_words(size: int) -> str:
    """A space and five letters, again and again. No word occurs twice (up to 26^5 words), and neighbours are unlike."""
    numbers = np.arange(size // 6, dtype=np.int64) * 7_368_787 % 26**5  # the factor is prime to 26
    columns = [np.full(len(numbers), ord(" "))] + [numbers // 26**place % 26 + ord("a") for place in range(5)]
    return np.stack(columns, axis=1).astype(np.uint8).tobytes().decode()


KINDS: dict[str, Callable[[int], str]] = {
    "a": partial(_repeated, "a"),
    "spaces": partial(_repeated, " "),
    "digits": partial(_repeated, "1"),
    "one-ideograph": partial(_repeated, "中"),
    "ideographs": partial(_picked, 0x4E00, 20_902),
    "letters": partial(_picked, ord("a"), 26),
    "equals": partial(_repeated, "="),
    "newlines": partial(_repeated, "\n"),
    "base64": _base64,
    "ab": partial(_repeated, "ab"),
    "marks": partial(_picked, 0x300, 112),
    "special": partial(_repeated, "<｜begin▁of▁sentence｜><｜User｜><｜Assistant｜><｜end▁of▁sentence｜>"),
    "less-than": partial(_repeated, "<"),
}
