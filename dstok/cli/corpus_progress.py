"""The progress of a corpus, on standard error, for a person who watches.

In: shards, and reports about them. Out: one line: a bar, the time left, MB/s, documents and tokens. Invariant: as in
`dstok.cli.progress`, there is no output unless standard error is a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dstok.cli.progress import Bar

if TYPE_CHECKING:
    from dstok.corpus.local import ShardReport
    from dstok.corpus.plan import Shard

__all__ = ["ShardProgress", "watching_shards"]

LAYOUT = "{percentage:3.0f}% |{bar}| {remaining} left, {rate_fmt}, {desc}"


class ShardProgress:
    """Adds up the reports of each shard. Shards that were done before do not count as work of this run."""

    def __init__(self, shards: Sequence[Shard], bar: Bar) -> None:
        self.sizes, self.bar = {shard.name: shard.size for shard in shards}, bar
        self.total = sum(self.sizes.values())
        self.read = self.documents = self.tokens = 0
        self.last = dict[str, tuple[int, int, int]]()

    def __call__(self, report: ShardReport) -> None:
        size = self.sizes[report.shard]
        if report.earlier:
            self.total -= size
            return
        now = min(report.read, size), report.documents, report.tokens
        before = self.last.get(report.shard, (0, 0, 0))
        self.last[report.shard] = now
        self.read += now[0] - before[0]
        self.documents += now[1] - before[1]
        self.tokens += now[2] - before[2]
        if self.bar.due():
            words = f"{self.documents:,} documents" + (f", {self.tokens:,} tokens" if self.tokens else "")
            self.bar.draw(LAYOUT, min(self.read, self.total), self.total, words)


@contextmanager
def watching_shards(shards: Sequence[Shard]) -> Iterator[ShardProgress]:
    """The progress of doing `shards`."""
    bar = Bar()
    try:
        yield ShardProgress(shards, bar)
    finally:
        bar.close()
