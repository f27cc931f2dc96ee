"""The folder of a corpus: its plan, its workers, and its finished shards.

    OUT/plan.json            first: dstok, tokenizer, settings, inputs. A command with another plan is refused.
    OUT/NAME-00000.bin ...   the files of a shard
    OUT/manifests/NAME-00000.json    proof that they are there: documents, tokens, inputs and outputs with checksums
    OUT/corpus.json          last, when all shards are there: the totals, and all shards in order
    OUT/.1-of-1.lock, OUT/.1-of-1.tmp    the lock of a running job; its files that have no names yet

Invariant: no file records time, machine or worker: the same command writes the same bytes anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dstok.base.faults import reason
from dstok.base.platform import hold_alone
from dstok.corpus.output import make_folder, write_json
from dstok.corpus.plan import Shard
from dstok.corpus.settings import CorpusSettings
from dstok.corpus.shapes import CORPUS_SHAPE, MANIFEST_SHAPE, PLAN_SHAPE, SUMS, check_shape
from dstok.corpus.work import manifest_name
from dstok.errors import FileError

__all__ = ["CORPUS", "PLAN", "SUMS", "Folder", "read_corpus", "read_manifest", "read_plan"]

PLAN, CORPUS = "plan.json", "corpus.json"


class Folder:
    """The folder `out`. Job `number` of `count` works in it while it is `entered`."""

    def __init__(self, out: str, number: int, count: int) -> None:
        self.out, name = os.path.abspath(out), f".{number}-of-{count}"
        self.lock, self.scratch = os.path.join(self.out, f"{name}.lock"), os.path.join(self.out, f"{name}.tmp")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Locks this job. Raises `FileError`."""
        with _named(self.out):
            make_folder(self.out)
            file = open(self.lock, "ab")
        with file:
            _lock(file.fileno(), self.out)
            with _named(self.out):
                shutil.rmtree(self.scratch, ignore_errors=True)  # left by a run that was killed
                os.mkdir(self.scratch)
            try:
                yield
            finally:
                shutil.rmtree(self.scratch, ignore_errors=True)

    def begin(self, plan: dict[str, Any]) -> None:
        """Write the plan, or compare it with the plan that is here. Raises `FileError` with the differences."""
        if not os.path.exists(os.path.join(self.out, PLAN)):
            write_json(self.out, PLAN, plan, self.scratch)
            return
        known = _read_json(self.out, PLAN, {})
        different = list(_differences(known, plan))
        if different:
            raise FileError(f"{self.out}: expected the corpus of this command, found that of another: "
                            f"{'; '.join(different[:5])}")

    def manifest(self, shard: Shard) -> dict[str, Any] | None:
        """The manifest of a shard, if it is done and its files have their sizes."""
        if not os.path.exists(os.path.join(self.out, manifest_name(shard.name))):
            return None
        manifest = read_manifest(self.out, shard.name)
        whole = all(_size(os.path.join(self.out, output["file"])) == output["size"] for output in manifest["outputs"])
        return manifest if whole else None

    def finish(self, manifests: Sequence[dict[str, Any]]) -> None:
        """Write the file that says that the corpus is whole, unless it exists."""
        sums = {key: sum(each[key] for each in manifests) for key in SUMS}
        corpus = {**sums, "shards": [each["shard"] for each in manifests]}
        if not os.path.exists(os.path.join(self.out, CORPUS)):
            write_json(self.out, CORPUS, corpus, self.scratch)


def read_plan(out: str) -> tuple[dict[str, Any], CorpusSettings]:
    """The plan of the corpus in `out`, and its settings. Raises `FileError`."""
    plan = _read_json(out, PLAN, PLAN_SHAPE)
    try:
        return plan, CorpusSettings.from_json(plan["settings"])
    except ValueError as error:
        raise FileError(f"{os.path.join(out, PLAN)}: {error} - at $.settings") from None


def read_corpus(out: str) -> dict[str, Any]:
    """The file that says that the corpus in `out` is whole. Raises `FileError`."""
    return _read_json(out, CORPUS, CORPUS_SHAPE)


def read_manifest(out: str, shard: str) -> dict[str, Any]:
    """The manifest of a shard. Raises `FileError`."""
    return _read_json(out, manifest_name(shard), MANIFEST_SHAPE)


def _read_json(out: str, name: str, shape: dict[str, Any]) -> dict[str, Any]:
    path = os.path.join(out, name)
    try:
        with open(path, "rb") as file:
            value: dict[str, Any] = json.loads(file.read())
        check_shape(value, shape)
    except OSError as error:
        raise FileError(f"{path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: not the JSON of a corpus: {reason(error)}") from error
    return value


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _lock(file: int, out: str) -> None:
    try:
        alone = hold_alone(file)
    except OSError as error:
        raise FileError(f"{out}: {reason(error)}") from error
    if not alone:
        raise FileError(f"{out}: another dstok corpus command is at work here")


@contextmanager
def _named(out: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FileError(f"{error.filename or out}: {reason(error)}") from error


def _differences(there: Any, here: Any, where: str = "") -> Iterator[str]:
    """The places where two values of JSON differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            yield from _differences(there.get(key), here.get(key), f"{where} {key}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, (one, other) in enumerate(zip(there, here)):
            yield from _differences(one, other, f"{where} {index}")
    elif there != here:
        yield f"{where.strip()} {_shown(there)} there, {_shown(here)} here"


def _shown(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, list) else json.dumps(value)[:80]
