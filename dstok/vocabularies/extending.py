"""A vocabulary extended: more merges, learned where the model's own have ended.

In: a tokenizer, counted pieces, a size. Out: a tokenizer with all old ids and merges, and new ones after them.
Invariant: the new merges are those that a training would make next whose words stand as the model encodes them. So a
vocabulary of V1 tokens that is extended to V2 by the counts that it was trained from is the vocabulary of V2 tokens.
A text gets other ids only by new merges: these come after all old ones.

Why: the model's merges in the order of their ranks leave words in the state in which a training that made them stands
(core/train/_loop.h). That needs ranks in which the parts of a token come before the token (`BPE.monotone`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dstok.base.numbers import whole_number
from dstok.core.train._train import MergeLoop
from dstok.errors import UnsupportedError
from dstok.formats.description import ModelDescription
from dstok.formats.json_value import shown
from dstok.formats.tokens import spelling
from dstok.tables.build import build_tables
from dstok.tables.objects import make_bpe
from dstok.vocabularies.learning import NO_LIMIT, Progress, Rows, finished, packed
from dstok.vocabularies.model import M, Model, byte_model, rows_of

__all__ = ["extend", "extended"]


def extend(
    self: M, counts: Any, vocab_size: int, *, min_frequency: int = 0, max_token_length: int | None = None,
) -> M:
    r"""A tokenizer with more merges, learned from counted pieces. All ids and merges stay; new ids follow the last id.

    counts: of pieces that this model cuts, as `Splitter.count_pieces` or a counts file has them.
    vocab_size: one more than the largest id, then; at least what it was, and less if no pairs are left. The other
        keywords are `BpeTrainer`'s.

    Raises `UnsupportedError` for a model whose merges are in no order of a training, `ArgumentError`, `DstokError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> counts = dstok.Splitter.from_tokenizer(tok).count_pieces([" Zarquon, Zarquon"])
    >>> more = tok.extend(counts, tok.vocab_size + 5)
    >>> [more.decode([i]) for i in more.encode(" Zarquon, Zarquon")]
    [' Zarquon', ',', ' Zarquon']
    """
    merges = MergeRules(min_frequency, max_token_length)
    size = whole_number("vocab_size", vocab_size, self.vocab_size, ", the number of ids that there are")
    model = extended(self, rows_of(counts)(), size, merges)[0]
    return self._of_description(model)


class MergeRules:
    """The settings of merges: those of `BpeTrainer` with these names."""

    def __init__(self, min_frequency: int = 0, max_token_length: int | None = None) -> None:
        self.min_frequency = whole_number("min_frequency", min_frequency)
        self.longest = NO_LIMIT if max_token_length is None else whole_number("max_token_length", max_token_length)


def extended(
    self: Model, rows: Iterable[Rows], vocab_size: int, rules: MergeRules, progress: Progress | None = None,
) -> tuple[ModelDescription, array[int]]:
    """(description, counts of the new merges' pairs)."""
    model = byte_model(self)
    if not self._bpe.monotone:
        raise UnsupportedError("extending a model with a merge before the merges of its parts", "merges")
    size = self.vocab_size
    tokens = [*model.tokens, *[None] * (size - len(model.tokens))]
    loop = MergeLoop(*packed(tokens), _taken(model), vocab_size, rules.min_frequency, rules.longest)
    lost = self._bpe.lost is not None  # words leave lost bytes out, even if a token stands for them in a text
    bpe = make_bpe(build_tables(replace(model, unknown=None))) if lost else self._bpe
    for pieces, offsets, counts in rows:
        loop.add(pieces, offsets, counts, [-1] * 256, bpe)
    merges, pair_counts = finished(loop, vocab_size, progress)
    _check_sides(model, merges)
    for left, right, merged in zip(merges[::3], merges[1::3], merges[2::3]):
        if merged == len(tokens):
            tokens.append((tokens[left] or b"") + (tokens[right] or b""))
    while tokens[-1] is None:  # added tokens alone
        tokens.pop()
    return replace(model, tokens=tuple(tokens), merges=model.merges + merges), pair_counts


def _taken(model: ModelDescription) -> array[int]:
    """The ids that a merge may spell, by length and bytes."""
    found = [i for i, token in enumerate(model.tokens) if token and len(token) > 1 and i not in model.raw_ids]
    return array("I", sorted(found, key=lambda i: (len(model.tokens[i] or b""), model.tokens[i] or b"")))


def _check_sides(model: ModelDescription, merges: array[int]) -> None:
    """Refuses new merges that make a token of old merges: these would come first, and undo what was counted."""
    used = {*model.merges[::3], *model.merges[1::3]}
    for merged in merges[2::3]:
        if merged < len(model.tokens) and merged in used:
            raise UnsupportedError(f"a new merge that makes {shown(spelling(model.tokens[merged] or b''))}, which old "
                                   "merges use and none makes", "merges")
