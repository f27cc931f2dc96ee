"""The folder of a corpus: its plan, its workers, and its finished shards. `names.py` has the names of its files.

In: a folder, a plan, manifests. Out: the files that tell what the folder holds. Invariant: a folder that holds another
corpus or other files is refused before anything is written. No file records time, machine or worker: the same command
writes the same bytes anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from dstok._util.files import file_faults, hold_alone, make_folder, reason, write_json
from dstok.corpus.plan import Shard
from dstok.corpus.settings import (
    CORPUS,
    CORPUS_SHAPE,
    MANIFEST_SHAPE,
    OWN,
    PLAN,
    PLAN_SHAPE,
    SUMS,
    CorpusSettings,
    check_shape,
    is_corpus,
    manifest_name,
)
from dstok.errors import FileError

__all__ = ["Folder", "read_corpus", "read_manifest", "read_plan"]


class Folder:
    """The folder `out`. Job `number` of `count` works in it while it is `entered`."""

    def __init__(self, out: str, number: int, count: int) -> None:
        self.out = os.path.abspath(out)
        job = os.path.join(self.out, OWN, f".{number}-of-{count}")
        self.lock, self.scratch = f"{job}.lock", f"{job}.tmp"

    @contextmanager
    def entered(self, plan: dict[str, Any]) -> Iterator[None]:
        """Locks this job, and begins or continues the corpus of `plan`. Raises `FileError`."""
        self.check(plan)
        with file_faults(self.out):
            make_folder(os.path.dirname(self.lock))
            file = open(self.lock, "ab")
        with file:
            _lock(file.fileno(), self.out)
            with file_faults(self.out):
                shutil.rmtree(self.scratch, ignore_errors=True)  # left by a run that was killed
                os.mkdir(self.scratch)
            try:
                if self.check(plan) != plan:  # checked again: another job may have begun since
                    write_json(self.out, PLAN, plan, self.scratch)
                yield
            finally:
                shutil.rmtree(self.scratch, ignore_errors=True)

    def check(self, plan: dict[str, Any]) -> dict[str, Any] | None:
        """The plan that is here, if `plan` continues its corpus. Raises `FileError` with the differences.

        Writes nothing.
        """
        if not os.path.exists(os.path.join(self.out, PLAN)):
            _check_empty(self.out)
            return None
        known = _read_json(self.out, PLAN, {})
        different = list(_differences(_relaxed(known, plan), plan))
        if different:
            raise FileError(f"{self.out}: expected the corpus of this command, found that of another: "
                            f"{'; '.join(different[:5])} (name another folder, or remove this one)")
        return known

    def manifest(self, shard: Shard) -> dict[str, Any] | None:
        """The manifest of a shard, if it is done and its files have their sizes."""
        if not os.path.exists(os.path.join(self.out, manifest_name(shard.name))):
            return None
        manifest = read_manifest(self.out, shard.name)
        whole = all(_size(os.path.join(self.out, output["file"])) == output["size"] for output in manifest["outputs"])
        return manifest if whole else None

    def forget(self, shards: Iterable[str]) -> None:
        """Removes the proofs that shards are done."""
        with file_faults(self.out):
            for name in (CORPUS, *map(manifest_name, shards)):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.out, name))

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


def _check_empty(out: str) -> None:
    """Raises `FileError` if `out` holds files of others. Hidden ones, as systems leave them, may be there."""
    if os.path.isdir(out) and not is_corpus(out):
        with file_faults(out):
            other = min((name for name in os.listdir(out) if not name.startswith(".")), default=None)
        if other is not None:
            raise FileError(f"{out}: expected an empty folder or a corpus, found other files, such as {other}")


def _relaxed(known: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """The plan `known`, with the settings for bad documents of `plan`, if these change no finished shard.

    A shard that was finished without `skip` has no bad document. Its bytes are the same with `skip`, or if larger
    documents are allowed.
    """
    old, new = known.get("settings"), plan["settings"]
    if not isinstance(old, dict) or old.get("skip") is not False:
        return known
    least = old.get("largest")
    if type(least) is not int or least > new["largest"]:
        return known
    return {**known, "settings": {**old, "skip": new["skip"], "largest": new["largest"]}}


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
