"""Texts of several languages -> a vocabulary that serves each of them, as upstream's `ParityBpeTrainer` learns it.

In: texts or counted pieces of each language, perhaps dev texts of each or the compressions that are wanted, the
settings of a trainer. Out: a `Tokenizer`.
Invariant: the vocabulary and merges of upstream's `ParityBpeTrainer.train_from_iterator` of a tokenizer that normalizes
and cuts as `like` does. Each merge is that of one language, the most frequent pair in its words, of several the one
with the largest spellings, and is made in all languages. Where upstream looks for a language for ever, this ends or
goes on: docs/tutorials/training.md.
Source: upstream 0.23.3, models/bpe/parity_trainer.rs; Foroutan et al., Parity-Aware Byte-Pair Encoding, ACL 2026.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from dstok._util.arguments import explained, whole_number
from dstok.errors import ArgumentError
from dstok.tokenizer import Tokenizer
from dstok.training.learn import Progress, Rows
from dstok.training.piece_counts import CountsFile, Texts, counted
from dstok.training.run import begin, check_made_by, readers_of, texts_of, trained
from dstok.training.template import Like, Normalizing
from dstok.training.trainer import BpeTrainer


@explained
def train_parity(
    languages: Sequence[Texts | CountsFile | Any], trainer: BpeTrainer | None = None, *, like: Like,
    dev: Sequence[Texts | CountsFile | Any] | None = None, ratio: Sequence[float] | None = None,
    num_merges: int | None = None, variant: str = "base", global_merges: int = 0, window_size: int = 100,
    alpha: float = 2.0, normalizer: Normalizing = None, num_threads: int = 1, memory: int = 1 << 30,
    progress: Progress | None = None, field: str = "text",
) -> Tokenizer:
    """A tokenizer with a vocabulary that serves several languages alike, as upstream's `ParityBpeTrainer` learns it.

    languages: for each its texts, as `train_from_iterator` takes them, or a `CountsFile` of their pieces.
    dev: texts of each that say the same. The language whose dev texts have most tokens gets the next merge.
    ratio: how often each language's texts are to be shortened, against each other; the one that lacks most comes next.
        With neither, the language whose texts have most tokens.
    num_merges: as of upstream. None: as many as the trainer's `vocab_size` has room for, which is upstream's
        `total_symbols` with `num_merges=vocab_size`.
    variant: "window": no language has more than `alpha` times its share of the last `window_size` turns. Or "base".
    global_merges: the first merges take the most frequent pair of all languages.
    memory: in bytes, for the distinct pieces. Merges take memory for all pairs of all languages. Other arguments as of
        `dstok.training.train_from_iterator` and `dstok.training.train_from_counts`.

    Raises as these.

    >>> import dstok
    >>> trainer = dstok.training.BpeTrainer(vocab_size=259)
    >>> texts = [["low lower lowest"] * 9, ["niedrig niedriger"]]
    >>> tok = dstok.training.train_parity(texts, trainer, like="gpt-2", dev=[["low"], ["niedrig"]])
    >>> tok.inspect().token_bytes()[256:]
    [b'ri', b'rig', b'ni']
    """
    settings, base = begin(trainer, like, normalizer)
    if num_merges is not None:
        num_merges = whole_number("num_merges", num_merges)
        settings = replace(settings, vocab_size=1 << 31)
    if not languages:
        raise ArgumentError("expected texts of at least one language, found none", "languages")
    for name, others in (("dev", dev), ("ratio", ratio)):
        if others is not None and len(others) != len(languages):
            raise ArgumentError(f"expected {len(languages)} languages as {name}, found {len(others)}", name)
    if dev is not None and ratio is not None:
        raise ArgumentError("expected dev or ratio, found both", "ratio")
    for name, numbers in (("ratio", ratio or ()), ("alpha", [alpha])):
        for number in numbers:
            if not isinstance(number, float | int) or not 0 < number < math.inf:
                raise ArgumentError(f"expected numbers above 0 as {name}, found {number!r}", name)
    if variant not in ("base", "window"):
        raise ArgumentError(f"expected \"base\" or \"window\" as variant, found {variant!r}", "variant")
    balance = {"languages": len(languages), "dev": dev is not None, "ratios": array("d", ratio or ()),
               "together": whole_number("global_merges", global_merges), "num_merges": num_merges}
    window = whole_number("window_size", window_size, 1)
    if variant == "window":
        balance |= {"window": window, "share": alpha / len(languages)}
    sources, readers = [*languages, *(dev or ())], readers_of(base)
    with ExitStack() as stack:
        def rows_of(source: Any) -> Callable[[], Iterable[Rows]]:
            if isinstance(source, CountsFile):
                check_made_by(source, base)
                return source.rows
            return stack.enter_context(counted(*readers, texts_of(source, field), num_threads, memory // len(sources)))

        return trained(base, [*map(rows_of, sources)], settings, progress=progress, num_threads=num_threads, **balance)
