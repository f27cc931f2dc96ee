"""Inputs -> a corpus: a folder of files of ids, complete when it holds its last file, `corpus.json`.

In: paths, settings, an engine. Out: the folder, and `Totals`. Invariant: after an interruption the same call
continues where the run stopped, repeats nothing, and ends with the bytes of an uninterrupted run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import dstok
from dstok._util.arguments import explained
from dstok._util.imports import needed
from dstok.corpus.documents import Faults, reader_of
from dstok.corpus.encoding import BatchEncoder, Job
from dstok.corpus.engines import Engine, Inputs, Progress, find_engine
from dstok.corpus.folder import Folder
from dstok.corpus.settings import TABLES, CorpusSettings
from dstok.errors import ArgumentError

if TYPE_CHECKING:
    from dstok._util.files import StrPath
    from dstok.tokenizer import Tokenizer

FOLDER_FORMAT = 1
SHARDS, BATCHES = 16, 2  # shards whose start is read for an estimate, and batches of each


class Totals(NamedTuple):
    """The totals of a run's shards.

    documents, tokens: without the ids that fill rows; skipped: documents that could not be encoded. shards: of this
    run; done: the number of them that were done before it began. complete: whether all shards of the corpus are done,
    including those of other jobs.
    """

    documents: int
    tokens: int
    skipped: int
    shards: int
    done: int
    complete: bool


class Run(Inputs):
    """A corpus to be made: its settings, input files, and shards. Nothing is written yet.

    Raises `FileError` for missing inputs, and `ArgumentError` for invalid settings.
    """

    def __init__(
        self, inputs: Sequence[StrPath], model: str | Tokenizer, settings: CorpusSettings, dataset: str | None = None,
        upstream: str | None = None,
    ) -> None:
        self.upstream = upstream or ""
        if isinstance(model, str):  # the name or file from which the model can be loaded again
            from dstok.loading import is_path

            self.tokenizer = dstok.load(model, upstream=upstream)
            self.model = os.path.abspath(model) if is_path(model) else model
        else:
            self.tokenizer = model if upstream is None else model.replace(upstream=upstream)
            self.model = model.name
        self.settings = settings.resolved(self.tokenizer)
        super().__init__(inputs, self.settings, dataset)

    def plan(self) -> dict[str, Any]:
        """Everything that decides the bytes of the corpus."""
        return {
            "format": FOLDER_FORMAT, "dstok": dstok.__version__,
            "tokenizer": {"model": self.model, "upstream": self.upstream,
                          "fingerprint": self.tokenizer.fingerprint},
            "settings": self.settings.as_json(), "inputs": [file._asdict() for file in self.files],
        }

    def tokenize(
        self, out: StrPath, engine: Engine, workers: int | None, shard: tuple[int, int], progress: Progress,
    ) -> Totals:
        """Do every `shard[1]`-th shard from number `shard[0]` on, counted from 1."""
        number, count = shard
        if self.settings.format in TABLES:
            needed("pyarrow")  # before the folder exists, as it would keep this format
        folder, mine = Folder(out, number, count), self.shards[number - 1 :: count]
        with folder.entered(self.plan()):
            job = Job(folder.out, folder.scratch, self.settings, self.tokenizer)
            done, before = self.do(job, mine, folder.manifest, engine, workers, progress, folder.forget)
            manifests = [done.get(one.name) or folder.manifest(one) for one in self.shards]
            there = [manifest for manifest in manifests if manifest is not None]
            if len(there) == len(self.shards):
                folder.finish(there)
        documents, tokens, skipped = (sum(done[one.name][key] for one in mine)
                                      for key in ("documents", "tokens", "skipped"))
        return Totals(documents, tokens, skipped, len(mine), before, len(there) == len(self.shards))


@explained
def tokenize(
    inputs: StrPath | Sequence[StrPath], out: StrPath, *, model: str | Tokenizer = "deepseek-v3",
    upstream: str | None = None, engine: str | Engine = "local", workers: int | None = None,
    shard: tuple[int, int] = (1, 1), dataset: str | None = None, progress: Progress | None = None, **settings: Any,
) -> Totals:
    r"""Tokenize files, folders or globs into the folder `out`; a second call continues where the first stopped.

    settings: the fields of `CorpusSettings`, such as `format="megatron"`, `add_eos=True`.
    upstream: as for `dstok.load`. engine: "local", processes of this machine (spawned: in a script the call belongs
    under `if __name__ == "__main__"`), "ray", or a function. workers: by default as many as there are processors.
    shard=(i, n): every n-th shard from the i-th on, counted from 1. dataset: NAME[:CONFIG[:SPLIT]], through `datasets`.
    progress: called with a `ShardReport` now and then.

    Raises `FileError` for bad inputs and documents, with file and line, and for a folder that holds anything else;
    `ArgumentError` for invalid settings. After an error about a document, a call with `skip=True` or a greater
    `largest` continues.

    >>> import tempfile, dstok.corpus
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = folder.name + "/a.jsonl"
    >>> _ = open(path, "w").write('{"text": "Hello world"}\n{"text": "Hello"}\n')
    >>> dstok.corpus.tokenize(path, folder.name + "/out", add_eos=True).tokens
    5
    >>> [ids.tolist() for ids in dstok.corpus.open(folder.name + "/out")]
    [[19923, 2058, 1], [19923, 1]]
    """
    number, count = shard
    if not 1 <= number <= count:
        raise ArgumentError(f"expected a shard from 1 to the number of shards, found {number} of {count}", "shard")
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    run = Run(paths, model, CorpusSettings(**settings), dataset, upstream)
    if workers is not None and workers < 1:
        raise ArgumentError(f"expected at least 1 worker, found {workers}", "workers")
    return run.tokenize(out, find_engine(engine), workers, shard, progress or (lambda report: None))


class Estimate(NamedTuple):
    """bytes: of the inputs as stored. documents, tokens: estimated from `sampled` bytes of text, unpacked.

    The text of packed files and tables is assumed to have as many bytes as the files themselves. So the numbers are
    too small by their compression factor. `packed`: the bytes of such inputs.
    """

    shards: int
    bytes: int
    packed: int
    documents: int
    tokens: int
    sampled: int


def estimate(run: Run) -> Estimate:
    """The figures of a run, by the start of some shards, so in seconds. Nothing is written.

    Raises `FileError` for bad documents in the sample, unless they are skipped.
    """
    step = max(1, len(run.shards) // SHARDS)
    encoder = BatchEncoder(run.tokenizer, run.settings)
    faults = Faults((lambda line: None) if run.settings.skip else None)
    read = documents = tokens = 0
    for shard in run.shards[::step]:
        reader = reader_of(shard.parts[0], run.settings, faults)
        for _, batch in zip(range(BATCHES), reader.batches()):
            ids, lengths = encoder.one(reader, batch)
            read, documents, tokens = read + batch.size, documents + len(lengths), tokens + len(ids)
    total = sum(shard.size for shard in run.shards)
    packed = sum(file.size for file in run.files if file.packed or file.kind in ("parquet", "arrow"))
    share = total / max(1, read)
    return Estimate(len(run.shards), total, packed, round(documents * share), round(tokens * share), read)
