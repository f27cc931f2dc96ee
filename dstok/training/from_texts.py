"""Texts -> a trained tokenizer.

In: texts, the settings of a trainer, the model that the training follows. Out: a `Tokenizer`.
Invariant: upstream's vocabulary and merges, in `Tokenizer.train_from_iterator` of a tokenizer without added tokens that
normalizes and cuts as `like` does.
"""

from __future__ import annotations

from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from dstok.base.arguments import explained
from dstok.base.paths import StrPath
from dstok.core.find._finder import Finder
from dstok.core.text._normalize import Normalizer
from dstok.counts.file import CountsFile
from dstok.errors import ArgumentError
from dstok.pattern.cascade import compile_splits
from dstok.splitting.finders import make_finder
from dstok.text.normalizers import make_normalizer
from dstok.tokenizer import Tokenizer, tokenizer_of_description
from dstok.training.like import Like, Normalizing, find_base
from dstok.training.sources import texts_of
from dstok.vocabularies.base import Base
from dstok.vocabularies.counting import Texts, counted, counted_file
from dstok.vocabularies.learning import learn
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["check", "checked_trainer", "count_from_iterator", "readers_of", "train_from_iterator"]


@explained
def train_from_iterator(
    texts: Texts | Any, trainer: BpeTrainer | None = None, *, like: Like,
    normalizer: Normalizing = None, threads: int = 1, memory: int = 1 << 30, field: str = "text",
) -> Tokenizer:
    """A tokenizer with a new vocabulary, as upstream's `Tokenizer.train_from_iterator` learns it from the same texts.

    texts: `str` or UTF-8 bytes, or lists of them; a generator serves. Each is normalized and cut by itself. Also a
        table: an Arrow array, record batch, table or reader, those of pandas and Polars, a `Dataset` or
        `IterableDataset` of `datasets`. Each row is a text then.
    field: the column of a table.
    trainer: the settings; None: the defaults.
    like: the model to follow in normalizing and cutting: its name or path; a tokenizer.json as a path, text or dict,
        whose vocabulary may be empty; a `Tokenizer`; a `Splitter`, then with a `normalizer` such as "NFC", or as a
        tokenizer.json has it. Its vocabulary and added tokens are not used.
    threads: how many share the work. memory: in bytes, for the distinct pieces; more of them go to temporary files;
        then for the merges.

    Raises `UnsupportedError` for a training that cannot be exact; `TextError` with the number of the text;
    `ArgumentError`, also for a `vocab_size` that special tokens and bytes exceed, and for too little memory for the
    merges; what reading `like` raises.

    >>> import dstok
    >>> trainer = dstok.BpeTrainer(vocab_size=260, initial_alphabet=dstok.BpeTrainer.byte_alphabet())
    >>> tok = dstok.train_from_iterator(["low lower lowest", "low low"], trainer, like="gpt-2")
    >>> [tok.id_to_token(i) for i in tok.encode("lower low")]
    ['low', 'e', 'r', 'Ġlow']
    """
    settings = checked_trainer(trainer)
    base = find_base(like, normalizer)
    check(base, settings)
    with counted(*readers_of(base), texts_of(texts, field), threads, memory) as rows:
        return tokenizer_of_description(base.trained(learn(rows, settings, memory=memory, threads=threads)))


@explained
def count_from_iterator(
    texts: Texts | Any, out: StrPath, *, like: Like, normalizer: Normalizing = None, threads: int = 1,
    memory: int = 1 << 30, field: str = "text",
) -> CountsFile:
    """Counts the pieces of texts into the counts file `out`, for `train_from_counts` at many settings.

    The arguments and errors are those of `dstok.train_from_iterator`; `dstok.corpus.count` counts files.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     count_from_iterator(["low low", "lower"], os.path.join(place, "a.counts"), like="gpt-2").totals
    Totals(distinct=3, length=12, occurrences=3, longest=5)
    """
    base = find_base(like, normalizer)
    with TemporaryDirectory(prefix="dstok-") as spills:
        return counted_file(*readers_of(base), texts_of(texts, field), threads, memory, spills, base.made_by(), out)


def checked_trainer(trainer: Any) -> BpeTrainer:
    """The trainer, or one with the defaults for None. Raises `ArgumentError`, also for upstream's."""
    if trainer is None:
        return BpeTrainer()
    if not isinstance(trainer, BpeTrainer):
        raise ArgumentError(f"expected a dstok.BpeTrainer, found {type(trainer).__module__}.{type(trainer).__name__}",
                            "trainer")
    return trainer


def readers_of(base: Base) -> tuple[Finder, Normalizer | None]:
    """The finder of pieces, and the normalizer."""
    model = base.model
    finder = make_finder(compile_splits(model.splits, model.unicode_version))
    return finder, make_normalizer(model.normalizer, model.unicode_version, model.characters)


def check(base: Base, trainer: BpeTrainer) -> None:
    """Refuses, before any text is read, a model that no vocabulary makes a `Tokenizer`: tries it without merges."""
    base.check(trainer)
    bytes_alone = replace(trainer, limit_alphabet=None, initial_alphabet=tuple(trainer.byte_alphabet()))
    tokenizer_of_description(base.trained(learn(lambda: (), bytes_alone, strict=False)))
