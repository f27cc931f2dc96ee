"""Texts, files and counted pieces -> a trained tokenizer.

`dstok.train_from_iterator` and `dstok.train` are here, too; `count_from_iterator` makes a counts file, from which
`train_from_counts` learns.
"""

from typing import TYPE_CHECKING

from dstok.base.late import late_names

if TYPE_CHECKING:
    from dstok.training.from_counts import train_from_counts
    from dstok.training.from_texts import count_from_iterator

__all__ = ["count_from_iterator", "train_from_counts"]

__getattr__, __dir__ = late_names(globals(), {
    "count_from_iterator": "dstok.training.from_texts", "train_from_counts": "dstok.training.from_counts"})
