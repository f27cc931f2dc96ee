"""Corpora: from raw text to files of ids, on one machine or many, nothing lost.

>>> import dstok.corpus
>>> dstok.corpus.FORMATS
('raw', 'megatron', 'datatrove', 'parquet', 'arrow', 'jsonl')

`tokenize` makes a corpus, `open` reads it, and `dstok corpus` is the command: docs/corpora.md describes all three.
`count` counts the pieces of the same inputs, to train a vocabulary.
"""

from dstok.corpus.counting import count
from dstok.corpus.local import ShardReport
from dstok.corpus.reading import Corpus
from dstok.corpus.reading import open_corpus as open
from dstok.corpus.run import Totals, tokenize
from dstok.corpus.settings import FORMATS, CorpusSettings

__all__ = ["FORMATS", "Corpus", "CorpusSettings", "ShardReport", "Totals", "count", "open", "tokenize"]
