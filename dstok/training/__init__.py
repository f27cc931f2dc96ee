"""Texts, files and counted pieces -> a trained tokenizer.

`dstok.train_from_iterator` and `dstok.train` are here, too; `count_from_iterator` makes a counts file, from which
`train_from_counts` learns.

Vocabularies learned from counted pieces; extended, truncated and trimmed ones.
"""

from typing import TYPE_CHECKING

from dstok._util.imports import late_names

if TYPE_CHECKING:
    from dstok.training.corpus_counts import count
    from dstok.training.train import count_from_iterator, train_from_counts

__all__ = ["count", "count_from_iterator", "train_from_counts"]

__getattr__, __dir__ = late_names(globals(), {
    "count": "dstok.training.corpus_counts",
    "count_from_iterator": "dstok.training.train", "train_from_counts": "dstok.training.train"})
