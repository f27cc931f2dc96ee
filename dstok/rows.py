"""Rows of ids as models take them: batches of one length, texts in parts that overlap, pairs of texts.

In: a tokenizer, texts, the length of a row, the id that fills it. Out: numpy arrays.
Invariant: each row is upstream's with the same truncation, padding and post-processor.

>>> import dstok
>>> ids, mask = dstok.rows.encode_batch_padded(dstok.load("deepseek-v3"), ["Hello", "Hello world"], pad_id=2)
>>> ids.tolist(), mask.tolist()
([[19923, 2], [19923, 2058]], [[1, 0], [1, 1]])
"""

from __future__ import annotations

from dstok.calls.budget import chunk_spans
from dstok.calls.padded import encode_batch_padded, encode_with_overflow, file_settings
from dstok.calls.pairs import (
    PaddedPairs,
    PairIds,
    encode_pair,
    encode_pair_with_overflow,
    encode_pairs_padded,
)

__all__ = [
    "PaddedPairs",
    "PairIds",
    "chunk_spans",
    "encode_batch_padded",
    "encode_pair",
    "encode_pair_with_overflow",
    "encode_pairs_padded",
    "encode_with_overflow",
    "file_settings",
]
