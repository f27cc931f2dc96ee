"""The Ray engine: shards -> done, by the machines of a Ray cluster.

In: a `Work` and shards; all machines share its folder. Out: their manifests, in the order of completion.
Invariant: a shard is one Ray task that runs the same function as local workers, so the bytes are the same. If a
machine dies, Ray runs its task again elsewhere: the task writes under new temporary names, and gives its files the
same names. A task takes one CPU while it runs and none before, so tasks cannot block each other, however many there
are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from dstok.corpus.extras import needed
from dstok.corpus.local import Progress, ShardReport, Work
from dstok.corpus.plan import Shard
from dstok.errors import FileError

__all__ = ["run"]

RETRIES = 10  # of a shard whose machine or process dies
AHEAD = 4  # tasks given to Ray for each worker


def run(job: Work, shards: Sequence[Shard], workers: int | None, progress: Progress) -> Iterator[dict[str, Any]]:
    """Do `shards`, and yield the manifest of each; `workers` at a time, or as many as the cluster has CPUs.

    The cluster is the one of `ray.init`, if called, or of RAY_ADDRESS, or one of this machine alone. Raises the
    errors of a shard, and `FileError` for a shard whose machines died again and again.
    """
    ray = needed("ray", "ray")
    mine = not ray.is_initialized()
    if mine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=None if "RAY_ADDRESS" in os.environ else False, log_to_driver=False)
    try:
        yield from _Tasks(ray, job, workers).results(shards, progress)
    finally:
        if mine:
            ray.shutdown()


class _Tasks:
    """The tasks given to Ray."""

    def __init__(self, ray: Any, job: Work, workers: int | None) -> None:
        self.ray, self.job = ray, ray.put(job)
        self.most = workers or AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.task = ray.remote(num_cpus=1, max_retries=RETRIES)(_task)
        self.running = dict[Any, Shard]()

    def results(self, shards: Sequence[Shard], progress: Progress) -> Iterator[dict[str, Any]]:
        waiting = list(shards[::-1])
        while waiting or self.running:
            while waiting and len(self.running) < self.most:
                shard = waiting.pop()
                self.running[self.task.remote(self.job, shard)] = shard
            for done in self.ray.wait(list(self.running))[0]:
                shard = self.running.pop(done)
                manifest = self._result(done, shard)
                progress(ShardReport(shard.name, shard.size, manifest["documents"],
                                     manifest.get("tokens", 0)))
                yield manifest

    def _result(self, done: Any, shard: Shard) -> dict[str, Any]:
        try:
            return dict(self.ray.get(done))
        except self.ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except self.ray.exceptions.RayError as error:
            raise FileError(f"{shard.name}: {str(error).splitlines()[0]}; the same command goes on where it stopped"
                            ) from error


def _task(job: Work, shard: Shard) -> dict[str, Any]:
    return job.done(shard, lambda read, documents, tokens: None)
