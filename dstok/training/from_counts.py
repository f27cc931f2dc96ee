"""Counted pieces -> a trained tokenizer, with a manifest of all that decided it.

In: a counts file, a trainer, the base of a model. Out: a `Tokenizer`; the manifest.
Invariant: the manifest has all settings, the SHA-256 of the counts and of the tokenizer.json: who repeats the training
with another version can compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import dstok
from dstok.base.arguments import explained
from dstok.base.numbers import thread_count, whole_number
from dstok.base.paths import StrPath
from dstok.core.merge._bpe import BPE
from dstok.counts.file import CountsFile
from dstok.errors import FileError
from dstok.formats.description import ENDS
from dstok.formats.tokenizer_config import write_tokenizer_config
from dstok.formats.tokenizer_json_writer import write_tokenizer_json
from dstok.tables.build import build_tables
from dstok.tables.objects import make_bpe
from dstok.tokenizer import Tokenizer, tokenizer_of_description
from dstok.training.folder import TrainingFolder, file_hash
from dstok.training.from_texts import check, checked_trainer
from dstok.training.like import Like, Normalizing, find_base
from dstok.vocabularies.base import Base
from dstok.vocabularies.forecast import Forecast
from dstok.vocabularies.learning import OVERFLOW, Learned, Progress, learn
from dstok.vocabularies.trainer import BpeTrainer

__all__ = ["check_made_by", "plan_of", "train_from_counts", "trained_in"]


@explained
def train_from_counts(
    counts: StrPath | CountsFile, trainer: BpeTrainer | None = None, *, like: Like, normalizer: Normalizing = None,
    threads: int = 1, memory: int = 1 << 30, progress: Progress | None = None,
) -> Tokenizer:
    """A tokenizer with a new vocabulary, learned from a counts file (`dstok train count`).

    trainer, like, normalizer, threads, memory: as of `dstok.train_from_iterator`. progress: called now and then with
        the number of tokens, and with `vocab_size`.

    Raises `FileError` for a broken file, or counts of pieces that `like` cuts otherwise; else as
    `dstok.train_from_iterator`.
    """
    settings, base = checked_trainer(trainer), find_base(like, normalizer)
    check(base, settings)
    file = counts if isinstance(counts, CountsFile) else CountsFile(counts)
    check_made_by(file, base)
    return tokenizer_of_description(base.trained(learn(file.rows, settings, progress=progress,
                                                       memory=whole_number("memory", memory),
                                                       threads=thread_count(threads))))


def check_made_by(file: CountsFile, base: Base) -> None:
    """Refuses counts of other pieces."""
    if file.made_by and file.made_by != base.made_by():
        raise FileError(f"{file.path}: expected counts of the pieces that `like` cuts, found those of other steps "
                        f"({file.made_by[:16]}, not {base.made_by()[:16]})")


def plan_of(base: Base, trainer: BpeTrainer, inputs: Any) -> dict[str, Any]:
    """All that decides a training, as JSON."""
    model = base.model
    steps = [{"pattern": split.pattern, "behavior": split.behavior, "invert": split.invert} for split in model.splits]
    settings = {name: value for name, value in asdict(trainer).items() if name != "show_progress"}
    specials = [token._asdict() for token in trainer.special_tokens]
    named = {token.content for token in trainer.special_tokens}
    ends = {name: text for name, text in base.ends.items() if text in named}
    return {"dstok": dstok.__version__, "unicode_version": model.unicode_version, "splits": steps,
            "normalizer": [step.stored() for step in model.normalizer],
            "trainer": {**settings, "special_tokens": [{**token, "id": None} for token in specials]},
            **({"ends": ends} if ends else {}), "inputs": inputs}


def trained_in(
    folder: TrainingFolder, base: Base, trainer: BpeTrainer, plan: dict[str, Any], counts: CountsFile,
    progress: Progress | None, found: dict[str, Any], threads: int, memory: int,
    announce: Callable[[Forecast], None] | None = None,
) -> Tokenizer:
    """The tokenizer of `counts`, which are in `folder`; writes it there. `found`: more for the manifest.

    memory, announce: as of `learn`.
    """
    hashed = file_hash(counts.path)
    journal = folder.journal(plan, hashed)
    try:
        learned = learn(counts.rows, trainer, progress=progress, journal=journal, encoder=_encoder(base),
                        memory=memory, announce=announce, threads=threads)
    finally:
        journal.close()
    model = base.trained(learned)
    text = write_tokenizer_json(model).encode()
    ends = write_tokenizer_config(model.config, {token.id: token.content for token in model.added_tokens})
    config = ends.encode() if any(getattr(model.config, name) is not None for name in ENDS) else b""
    counted = {"sha256": hashed, **counts.totals._asdict()}
    folder.finish(text, config, {**plan, **found, "counts": counted, **_outcome(learned),
                                 "lost_bytes": [*model.lost_bytes()], "tokenizer_sha256": sha256(text).hexdigest()})
    return tokenizer_of_description(model)


def _outcome(learned: Learned) -> dict[str, Any]:
    """Of the merges. upstream_overflows: whether a pair is more frequent than upstream's counts of 32 bits can say."""
    return {"vocab_size": len(learned.tokens), "merges": len(learned.counts), "highest_count": learned.highest,
            "last_count": learned.counts[-1] if learned.counts else None,
            "upstream_overflows": learned.highest >= OVERFLOW, "dropped": _dropped(learned)}


def _dropped(learned: Learned) -> dict[str, Any] | None:
    """The pieces that `drop_below` left out, and their share of all: of pieces, of their occurrences, of the bytes."""
    found = learned.survey
    if not found.drop_below:
        return None
    parts = {"pieces": (found.dropped_pieces, found.pieces), "bytes": (found.dropped_length, found.length),
             "occurrences": (found.dropped_occurrences, found.occurrences)}
    return {name: {"dropped": part, "share": round(part / whole, 6) if whole else 0.0}
            for name, (part, whole) in parts.items()}


def _encoder(base: Base) -> Callable[[Learned], BPE]:
    """The merging of words, which leave out bytes without a token, whatever stands for these in a text."""
    return lambda learned: make_bpe(build_tables(replace(base.trained(learned), unknown=None)))
