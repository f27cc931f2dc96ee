"""Corpora: from raw text to files of ids, on one machine or many, nothing lost.

>>> import dstok.corpus
>>> dstok.corpus.FORMATS
('raw', 'megatron', 'datatrove', 'parquet', 'arrow', 'jsonl')

`tokenize` makes a corpus, `open` reads it, and `dstok corpus` is the command: docs/corpora.md describes all three.
"""

from dstok.corpus.engines import ShardReport
from dstok.corpus.readers import Corpus
from dstok.corpus.readers import open_corpus as open
from dstok.corpus.run import Totals, tokenize
from dstok.corpus.settings import FORMATS, CorpusSettings

__all__ = ["FORMATS", "Corpus", "CorpusSettings", "ShardReport", "Totals", "open", "tokenize"]
