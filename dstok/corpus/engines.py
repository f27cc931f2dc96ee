"""The engines: shards -> done, by processes of this machine, or by the machines of a Ray cluster.

In: a `Work` and shards. Out: their manifests, in the order of completion. Invariant: a process does one shard at a
time, by the same function whatever the engine, so the bytes are the same. One done again replaces its files.
Local processes are spawned, so that they inherit only the job. If one dies, or this process is stopped, all stop. When
this process is killed its pipes close, and a worker ends as soon as it has something to report. A Ray task takes one
CPU while it runs and none before, so tasks cannot block each other. All machines share the corpus' folder.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Any, NamedTuple, Protocol

from dstok._util.files import StrPath, available_cpus, reason, without_interrupts
from dstok._util.imports import needed
from dstok.corpus.encoding import Watch
from dstok.corpus.inputs import Shard, dataset_file, find_inputs, plan_shards
from dstok.corpus.settings import CorpusSettings
from dstok.errors import ArgumentError, FileError

INTERVAL = 0.1  # seconds between two messages of a worker, at least
PATIENCE = 5.0  # seconds for a worker to end
RETRIES = 10  # of a shard whose machine or process dies, by Ray
AHEAD = 4  # tasks given to Ray for each worker


class Work(Protocol):
    """The common data of all shards, and the work on each. It pickles."""

    def done(self, shard: Shard, watch: Watch, ahead: bool = False) -> dict[str, Any]:
        """Does a shard, and returns its manifest. ahead: whether it may use a second core."""


class ShardReport(NamedTuple):
    """The progress of a shard: bytes of its input read, documents and ids written since it began.

    earlier: the shard was done before this run began.
    """

    shard: str
    read: int
    documents: int
    tokens: int
    earlier: bool = False


Progress = Callable[[ShardReport], None]
Manifests = Iterator[dict[str, Any]]
Engine = Callable[[Any, Sequence[Shard], int | None, Progress], Manifests]  # of a `Work`
_Do = Callable[[Shard, Watch], dict[str, Any]]


class Inputs:
    """The input files of a run, and their shards. Raises `FileError` for missing ones, and `ArgumentError`."""

    def __init__(self, paths: Sequence[StrPath], settings: CorpusSettings, dataset: str | None) -> None:
        self.files = find_inputs([os.fspath(path) for path in paths], settings) if paths else []
        if dataset is not None:
            self.files.append(dataset_file(dataset))
        self.changes = [file.checked_change() for file in self.files]
        self.shards = plan_shards(self.files, settings)

    def do(
        self, job: Any, shards: Sequence[Shard], known: Callable[[Shard], dict[str, Any] | None], engine: Engine,
        workers: int | None, progress: Progress, forget: Callable[[list[str]], None] = lambda shards: None,
    ) -> tuple[dict[str, dict[str, Any]], int]:
        """(the manifest of each of `shards`, how many are `known` from an earlier run).

        Raises `FileError`, also for a file that has changed since this run began: `forget` gets its shards.
        """
        done = dict[str, dict[str, Any]]()
        for one in shards:
            if (manifest := known(one)) is not None:
                done[one.name], tokens = manifest, manifest.get("tokens", 0)
                progress(ShardReport(one.name, one.size, manifest["documents"], tokens, earlier=True))
        before, missing = len(done), [one for one in shards if one.name not in done]
        for manifest in engine(job, missing, workers, progress) if missing else ():
            done[manifest["shard"]] = manifest
        for file, change in zip(self.files, self.changes) if missing else ():
            try:
                file.checked_change(change)
            except FileError:
                forget([one.name for one in self.shards if file in (part.file for part in one.parts)])
                raise
        return done, before


def run(job: Work, shards: Sequence[Shard], workers: int | None, progress: Progress) -> Manifests:
    """Do `shards` in `workers` processes (one a processor), and yield each manifest. Raises the errors of workers."""
    size = min(workers or available_cpus(), len(shards))
    do = partial(job.done, ahead=size < available_cpus())
    if size <= 1:
        yield from (do(shard, _watch(shard.name, progress)) for shard in shards)
        return
    crew, waiting = dict[Any, Any](), list(shards[::-1])  # processes by our ends of their pipes
    try:
        for _ in range(size):
            _start(do, crew)
        busy = list(crew)
        for each in busy:
            _give(each, waiting.pop())
        while busy:
            pipe: Any
            for pipe in wait(busy):
                try:
                    message: Any = pipe.recv()
                except (EOFError, OSError):
                    crew[pipe].join(PATIENCE)
                    raise _died(f"with exit code {crew[pipe].exitcode}") from None
                if isinstance(message, BaseException):
                    raise message
                if isinstance(message, ShardReport):
                    progress(message)
                    continue
                if not waiting:
                    busy.remove(pipe)
                _give(pipe, waiting.pop() if waiting else None)
                yield message
    finally:
        for pipe, process in crew.items():
            pipe.close()
            process.terminate()
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()


def _start(do: _Do, crew: dict[Any, Any]) -> None:
    """Adds a process."""
    context = get_context("spawn")
    try:
        pipe, other = context.Pipe()
        with other, without_interrupts():  # only this process handles an interrupt, and it stops the worker
            process = context.Process(target=_work, args=(do, other), daemon=True)
            process.start()
        crew[pipe] = process
    except BrokenPipeError:  # from Python 3.14 on, if it ends before it has read its task
        raise _died("before it began") from None
    except OSError as error:
        raise FileError(f"a worker process cannot start: {reason(error)}") from error


def _give(pipe: Any, shard: Shard | None) -> None:
    with suppress(OSError):  # it has died: `wait` notices that too
        pipe.send(shard)


def _died(how: str) -> FileError:
    return FileError(f"a worker process has died {how}; the same command goes on where it stopped")


def _work(do: _Do, pipe: Connection) -> None:
    """The worker's side of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # nothing waits for it any more
        while (shard := pipe.recv()) is not None:
            try:
                message: Any = do(shard, _watch(shard.name, pipe.send))
            except Exception as error:  # the other process raises it
                message = error
            pipe.send(message)


def _watch(shard: str, progress: Progress) -> Watch:
    """Adds up the reports of a shard, and passes the sum on now and then."""
    now, due = ShardReport(shard, 0, 0, 0), 0.0

    def add(read: int, documents: int, tokens: int) -> None:
        nonlocal now, due
        now = ShardReport(shard, now.read + read, now.documents + documents, now.tokens + tokens)
        if monotonic() >= due:
            due = monotonic() + INTERVAL
            progress(now)

    return add


def run_ray_tasks(job: Work, shards: Sequence[Shard], workers: int | None, progress: Progress) -> Manifests:
    """Do `shards`, and yield the manifest of each; `workers` at a time, or as many as the cluster has CPUs.

    The cluster is the one of `ray.init`, if called, or of RAY_ADDRESS, or one of this machine alone. Raises the
    errors of a shard, and `FileError` for a shard whose machines died again and again.
    """
    ray = needed("ray", "ray")
    mine = not ray.is_initialized()
    if mine:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=None if "RAY_ADDRESS" in os.environ else False, log_to_driver=False)
    waiting, running = list(shards[::-1]), dict[Any, Shard]()
    try:
        put, most = ray.put(job), workers or AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_task)
        while waiting or running:
            while waiting and len(running) < most:
                shard = waiting.pop()
                running[task.remote(put, shard)] = shard
            for done in ray.wait(list(running))[0]:
                shard = running.pop(done)
                try:
                    manifest = dict(ray.get(done))
                except ray.exceptions.RayTaskError as error:
                    raise (error.cause or error) from None
                except ray.exceptions.RayError as error:
                    raise FileError(f"{shard.name}: {str(error).splitlines()[0]}; the same command goes on where it "
                                    "stopped") from error
                progress(ShardReport(shard.name, shard.size, manifest["documents"], manifest.get("tokens", 0)))
                yield manifest
    finally:
        if mine:
            ray.shutdown()


def _task(job: Work, shard: Shard) -> dict[str, Any]:
    return job.done(shard, lambda read, documents, tokens: None)


def find_engine(engine: str | Engine) -> Engine:
    """The engine of that name. Raises `ArgumentError`."""
    if not isinstance(engine, str):
        return engine
    if engine not in ("local", "ray"):
        raise ArgumentError(f'expected the engine "local" or "ray", found {engine!r}', "engine")
    return run if engine == "local" else run_ray_tasks
