"""Texts, files and counted pieces -> a trained tokenizer; and other vocabularies of one: extended, truncated, trimmed.

`train_from_iterator` and `train` learn a vocabulary as upstream does. `count_pieces`, `count_from_iterator` and `count`
count pieces alone, from which `train_from_counts` learns and `extend` goes on. `truncate_vocab`, `trim_vocab` and
`retrain` make another tokenizer of one that there is.

>>> from dstok.training import BpeTrainer, train_from_iterator
>>> trainer = BpeTrainer(vocab_size=258, initial_alphabet=BpeTrainer.byte_alphabet())
>>> tok = train_from_iterator(["low lower lowest low"], trainer, like="gpt-2")
>>> tok.decode_bytes([256]), tok.decode_bytes([257])
(b'lo', b'low')
"""

from typing import TYPE_CHECKING

from dstok._util.imports import late_names

if TYPE_CHECKING:
    from dstok.training.corpus_counts import count
    from dstok.training.edit import extend, retrain, trim_vocab, truncate_vocab
    from dstok.training.parity import train_parity
    from dstok.training.piece_counts import PieceCounts, count_pieces
    from dstok.training.run import count_from_iterator, train, train_from_counts, train_from_iterator
    from dstok.training.trainer import BpeTrainer

__all__ = [
    "BpeTrainer", "PieceCounts", "count", "count_from_iterator", "count_pieces", "extend", "retrain", "train",
    "train_from_counts", "train_from_iterator", "train_parity", "trim_vocab", "truncate_vocab",
]

__getattr__, __dir__ = late_names(globals(), {
    "count": "dstok.training.corpus_counts",
    **dict.fromkeys(("extend", "retrain", "trim_vocab", "truncate_vocab"), "dstok.training.edit"),
    **dict.fromkeys(("PieceCounts", "count_pieces"), "dstok.training.piece_counts"),
    **dict.fromkeys(("count_from_iterator", "train", "train_from_counts", "train_from_iterator"), "dstok.training.run"),
    "BpeTrainer": "dstok.training.trainer",
    "train_parity": "dstok.training.parity",
})
