"""How often each token is used: by counted pieces, as a tokenizer encodes them.

In: a tokenizer, counted pieces. Out: a number for each id; the ids to keep in a smaller vocabulary.
Invariant: the numbers are those of encoding all texts that were counted, but for added tokens in them. A set to keep is
one that `trimmed` takes.
"""

from __future__ import annotations

from typing import Any

from dstok.base.numbers import whole_number
from dstok.core.train._train import id_counts
from dstok.errors import UnsupportedError
from dstok.formats.description import ENDS
from dstok.vocabularies.base import base_of
from dstok.vocabularies.model import Model, byte_model, rows_of

__all__ = ["most_used", "pieces_of", "usage"]


def usage(self: Model, counts: Any) -> list[int]:
    """How often each id occurs. Raises `ArgumentError`, and `FileError` of a counts file."""
    totals = [0] * self.vocab_size
    for pieces, offsets, numbers in rows_of(counts)():
        found = id_counts(self._bpe, self.vocab_size, pieces, offsets, numbers)
        totals = [total + count for total, count in zip(totals, found)]
    return totals


def pieces_of(self: Model) -> str:
    """The SHA-256 of all that decides the model's pieces, as counts files have it."""
    return base_of(byte_model(self)).made_by()


def most_used(self: Model, counts: Any, vocab_size: int) -> list[int]:
    """The `vocab_size` ids that the counts use most, with all parts of each; bytes and added tokens are among them.

    A token counts as often as it is used, or a token that is made of it. Of equally frequent ones the earlier merges
    are taken. Raises `UnsupportedError` if bytes and added tokens are more, and `ArgumentError` if the model has fewer.
    """
    size, model = whole_number("vocab_size", vocab_size, most=self.vocab_size), byte_model(self)
    always = {i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in model.raw_ids}
    always |= {token.id for token in model.added_tokens}
    always |= {getattr(model.config, name) for name in ENDS} - {None}
    if self._bpe.lost is not None and self._bpe.lost.unknown >= 0:
        always.add(self._bpe.lost.unknown)
    if size < len(always):
        raise UnsupportedError(f"a vocab_size of {size}, where bytes and added tokens are {len(always)}", "vocab_size")
    needed, rank = usage(self, counts), dict[int, int]()
    rules = model.merge_rules()
    for number, (left, right, merged) in reversed([*enumerate(rules)]):
        rank[merged] = number
        needed[left], needed[right] = max(needed[left], needed[merged]), max(needed[right], needed[merged])
    order = sorted(rank.keys() - always, key=lambda i: (-needed[i], rank[i]))
    return sorted([*always, *order[: size - len(always)]])
