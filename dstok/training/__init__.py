"""Texts, files and counted pieces -> a trained tokenizer.

`dstok.train_from_iterator` and `dstok.train` are here, too; `train_from_counts` learns from a counts file.
"""

from typing import TYPE_CHECKING

from dstok.base.late import late_names

if TYPE_CHECKING:
    from dstok.training.from_counts import train_from_counts

__all__ = ["train_from_counts"]

__getattr__, __dir__ = late_names(globals(), {"train_from_counts": "dstok.training.from_counts"})
