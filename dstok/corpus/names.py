"""The names of a corpus' own files, below its folder.

    OUT/NAME-00000.bin ...                      the files of a shard
    OUT/__dstok__/plan.json                     first: dstok, tokenizer, settings, inputs
    OUT/__dstok__/manifests/NAME-00000.json     proof that a shard's files are there, with their checksums
    OUT/__dstok__/skipped/NAME-00000.jsonl      the shard's bad documents, if they are skipped
    OUT/__dstok__/corpus.json                   last, when all shards are there: the totals, and all shards in order
    OUT/__dstok__/.1-of-1.lock, .1-of-1.tmp     the lock of a running job; its files that have no names yet

Invariant: everything but ids is in one folder, which readers of tables pass over: pyarrow passes over names that begin
with "_", `datasets` over folders that begin with "__".
"""

from __future__ import annotations

import os

__all__ = ["CORPUS", "OWN", "PLAN", "SKIPPED", "is_corpus", "manifest_name"]

OWN = "__dstok__"
PLAN, CORPUS, SKIPPED = f"{OWN}/plan.json", f"{OWN}/corpus.json", f"{OWN}/skipped/"


def manifest_name(shard: str) -> str:
    """The file of a shard's manifest.

    >>> manifest_name("a.jsonl-00000")
    '__dstok__/manifests/a.jsonl-00000.json'
    """
    return f"{OWN}/manifests/{shard}.json"


def is_corpus(folder: str) -> bool:
    """Whether a corpus was begun in `folder`."""
    return os.path.isdir(os.path.join(folder, OWN))
