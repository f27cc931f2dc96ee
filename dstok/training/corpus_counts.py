"""The pieces of a corpus' documents -> a counts file.

In: paths, settings of reading, the base of a model. Out: a counts file, in the folder of a training.
Invariant: the same file bytes, whatever the workers, the memory, and kills in between: each shard has a counts file of
its own, and its record comes last. Each document is a text: normalized and cut by itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import explained
from dstok._util.files import StrPath, absolute, available_cpus, file_faults, write_at_once
from dstok._util.resumable import as_json, digest, read_json
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import Watch
from dstok.corpus.engines import Engine, Inputs, Progress, find_engine, run
from dstok.corpus.inputs import Shard
from dstok.corpus.settings import CorpusSettings
from dstok.errors import ArgumentError, FileError, TextError
from dstok.training.piece_counts import CountsFile, PieceCounter, merge_counts, ready_text
from dstok.training.run import TrainingFolder, readers_of
from dstok.training.template import Base, Like, Normalizing, find_base

if TYPE_CHECKING:
    from dstok.core.split.finder import Finder
    from dstok.core.text.normalize import Normalizer

SCRATCH = ".tmp"  # ends the names of what a killed run leaves over
_readers: dict[str, tuple[Finder, Normalizer | None]] = {}  # of this process: one pair, by what decides it


class CountJob(NamedTuple):
    """The common data of all shards. memory: of a worker's table, in bytes. It pickles."""

    work: str
    settings: CorpusSettings
    base: Base
    memory: int

    def done(self, shard: Shard, watch: Watch, ahead: bool = False) -> dict[str, Any]:
        """Counts a shard by one core, and returns its record. Raises `FileError`."""
        made = self.base.made_by()
        if made not in _readers:
            _readers.clear()
            _readers[made] = readers_of(self.base)
        finder, normalizer = _readers[made]
        path = self.path(shard)
        spills = f"{path}-{os.urandom(8).hex()}{SCRATCH}"  # Ray may run a task again while the first one still runs
        counter = PieceCounter(finder, self.memory, spills, made)
        readers = [reader_of(part, self.settings, Faults(None)) for part in shard.parts]
        documents = 0
        for reader in readers:
            for batch in reader.batches():
                texts = list[str | bytes]()
                for number, text in batch.each():
                    try:
                        texts.append(ready_text(text, normalizer))
                    except TextError as error:
                        reader.bad(number, error.message)
                counter.add(texts)
                documents += len(texts)
                watch(batch.size, len(texts), 0)
        counts = counter.write(path)
        shutil.rmtree(spills, ignore_errors=True)
        record = {"shard": shard.name, "documents": documents, "inputs": [reader.record() for reader in readers],
                  "pieces": counts.totals.occurrences}
        with file_faults(path):
            write_at_once(f"{path}.json", as_json(record))
        return record

    def path(self, shard: Shard) -> str:
        """The counts file of a shard."""
        return os.path.join(self.work, f"{digest(shard.name)[:32]}.counts")

    def record(self, shard: Shard) -> dict[str, Any] | None:
        """The record of a shard that is done."""
        path = self.path(shard)
        return read_json(f"{path}.json") if os.path.exists(path) and os.path.exists(f"{path}.json") else None


class Counting(Inputs):
    """The counting of `inputs` for a training. Raises `FileError` and `ArgumentError`, which name the path."""

    def __init__(
        self, inputs: Sequence[StrPath], settings: CorpusSettings, base: Base, dataset: str | None = None,
    ) -> None:
        super().__init__(inputs, settings, dataset)
        self.settings, self.base = settings, base

    def inputs(self) -> list[dict[str, Any]]:
        """The files, for the plan of a training."""
        return [{"file": file.name, "kind": file.kind, "size": file.size} for file in self.files]

    def count(
        self, folder: TrainingFolder, workers: int | None, memory: int, progress: Progress, engine: Engine = run,
        out: StrPath | None = None,
    ) -> tuple[CountsFile, list[dict[str, Any]]]:
        """(the counts file `out`, by default in `folder`, which is entered; the records of the shards).

        Goes on where it stopped.
        """
        size = min(workers or available_cpus(), len(self.shards)) or 1
        job = CountJob(folder.work, self.settings, self.base, memory // size)
        for name in os.listdir(folder.work):  # what a killed run left over: no other run works in this folder
            if name.endswith(SCRATCH):
                path = os.path.join(folder.work, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.do(job, self.shards, job.record, engine, workers, progress)
        records = [record for record in map(job.record, self.shards) if record is not None]
        if out is None and (counted := folder.counts()) is not None:
            return counted, records
        return merge_counts([job.path(shard) for shard in self.shards], out or folder.counts_path), records

    def count_to(
        self, out: StrPath, workers: int | None, memory: int, progress: Progress, engine: Engine = run,
    ) -> tuple[CountsFile, list[dict[str, Any]]]:
        """(the counts file `out`; the records of the shards). The folder `out`.work is there until all is counted."""
        folder = TrainingFolder(f"{absolute(out)}.work")
        if os.path.realpath(out) in [os.path.realpath(file.path) for file in self.files]:
            raise FileError(f"{out}: is both input and output")
        with folder.entered({"pieces": self.base.made_by(), "inputs": self.inputs()}, self.changes):
            counted = self.count(folder, workers, memory, progress, engine, out)
        shutil.rmtree(folder.work, ignore_errors=True)
        with suppress(OSError):  # it has files of others
            os.rmdir(folder.out)
        return counted


@explained
def count(
    inputs: StrPath | Sequence[StrPath], out: StrPath, *, like: Like, normalizer: Normalizing = None,
    dataset: str | None = None, engine: str | Engine = "local", workers: int | None = None, memory: int = 10**9,
    progress: Progress | None = None, kind: str = "", lines: bool = False, field: str = "text", shard_bytes: int = 0,
) -> CountsFile:
    r"""Counts the pieces of files, folders or globs into the counts file `out`, for `dstok.training.train_from_counts`.

    Each document is a text: normalized and cut by itself. While it counts, the folder `out`.work has the counts of
    each shard; a call that was killed goes on there.
    like, normalizer: as of `train_from_iterator`. memory: in bytes, for the tables of distinct pieces of all workers of
        a machine; more of them go to disk.
    dataset, engine, workers, progress: as of `dstok.corpus.tokenize`; kind, lines, field, shard_bytes: as in
        `CorpusSettings`.

    Raises `FileError` for bad inputs and documents, with file and line, and for other inputs than those of the folder;
    `ArgumentError`, and what reading `like` raises.

    >>> import tempfile, dstok.corpus
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = folder.name + "/a.jsonl"
    >>> _ = open(path, "w").write('{"text": "low lower"}\n{"text": "low"}\n')
    >>> dstok.training.count(path, folder.name + "/a.counts", like="gpt-2").totals
    Totals(distinct=2, length=9, occurrences=3, longest=6)
    """
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    settings = CorpusSettings(kind=kind, lines=lines, field=field, shard_bytes=shard_bytes)
    settings.check()
    counting = Counting(paths, settings, find_base(like, normalizer), dataset)
    if workers is not None and workers < 1:
        raise ArgumentError(f"expected at least 1 worker, found {workers}", "workers")
    return counting.count_to(out, workers, memory, progress or (lambda report: None), find_engine(engine))[0]
