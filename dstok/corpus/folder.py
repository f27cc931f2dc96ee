"""The folder of a corpus: its plan, its jobs, and its finished shards. `settings.py` has the names of its files.

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

from dstok._util.files import StrPath, absolute, file_faults, write_json
from dstok._util.resumable import ResumableFolder, read_json
from dstok.corpus.inputs import Shard
from dstok.corpus.settings import CORPUS, KINDS, OWN, PLAN, SUMS, CorpusSettings, is_corpus, manifest_name
from dstok.errors import FileError
from dstok.io.text_files import json_kind

# A shape of JSON: a list of one shape, an object of shapes, or a type, the words for it, and which values are allowed.
TEXT, OBJECT, ARRAY = ((kind, words, lambda value: True)
                       for kind, words in ((str, "a string"), (dict, "an object"), (list, "an array")))
COUNT = (int, "a number of 0 or more", lambda value: value >= 0)
STOP = (int, "a number of -1 or more", lambda value: value >= -1)
INSIDE = (str, "a path below this folder", lambda path: not {"\0", "\\"} & {*path} and path[:1] != "/"
          and ".." not in path.split("/"))
KIND = (str, f"one of {', '.join(KINDS)}, dataset", (*KINDS, "dataset").__contains__)
PLAN_SHAPE = {"dstok": TEXT, "tokenizer": {"model": TEXT, "upstream": TEXT, "fingerprint": TEXT}, "settings": OBJECT,
              "inputs": [{"path": TEXT, "name": TEXT, "kind": KIND, "size": COUNT}]}
CORPUS_SHAPE = {**dict.fromkeys(SUMS, COUNT), "shards": [INSIDE]}
MANIFEST_SHAPE = {**dict.fromkeys(SUMS, COUNT), "shard": INSIDE,
                  "inputs": [{"file": TEXT, "start": COUNT, "stop": STOP, "sha256": TEXT}],
                  "outputs": [{"file": INSIDE, "size": COUNT, "sha256": TEXT}]}


class Folder(ResumableFolder):
    """The folder `out`. Job `number` of `count` works in it while it is `entered`."""

    def __init__(self, out: StrPath, number: int = 1, count: int = 1) -> None:
        job = os.path.join(OWN, f".{number}-of-{count}")
        super().__init__(absolute(out), f"{job}.lock", "another dstok corpus command is at work here")
        self.scratch = os.path.join(self.out, f"{job}.tmp")

    @contextmanager
    def entered(self, plan: dict[str, Any]) -> Iterator[None]:
        """Locks this job, and begins or continues the corpus of `plan`. Raises `FileError`."""
        self.check(plan)
        with self.locked():
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

        Writes nothing. Files of others are refused; hidden ones, as systems leave them, may be there.
        """
        path = os.path.join(self.out, PLAN)
        if not os.path.exists(path):
            if os.path.isdir(self.out) and not is_corpus(self.out):
                with file_faults(self.out):
                    other = min((name for name in os.listdir(self.out) if not name.startswith(".")), default=None)
                if other is not None:
                    raise FileError(f"{self.out}: expected an empty folder or a corpus, found other files, such as "
                                    f"{other}")
            return None
        known = _read(self.out, PLAN, {})
        different = list(_differences(_relax(known, plan), plan))
        if different:
            raise FileError(f"{self.out}: expected the corpus of this command, found that of another: "
                            f"{'; '.join(different[:5])} (name another folder, or remove this one)")
        return known

    def manifest(self, shard: Shard) -> dict[str, Any] | None:
        """The manifest of a shard, if it is done and its files have their sizes."""
        if not os.path.exists(os.path.join(self.out, manifest_name(shard.name))):
            return None
        manifest = read_manifest(self.out, shard.name)
        with suppress(OSError):
            if all(os.stat(os.path.join(self.out, output["file"])).st_size == output["size"]
                   for output in manifest["outputs"]):
                return manifest
        return None

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
    plan = _read(out, PLAN, PLAN_SHAPE)
    try:
        return plan, CorpusSettings.from_json(plan["settings"])
    except ValueError as error:
        raise FileError(f"{os.path.join(out, PLAN)}: {error} - at $.settings") from None


def read_corpus(out: str) -> dict[str, Any]:
    """The file that says that the corpus in `out` is whole. Raises `FileError`."""
    return _read(out, CORPUS, CORPUS_SHAPE)


def read_manifest(out: str, shard: str) -> dict[str, Any]:
    """The manifest of a shard. Raises `FileError`."""
    return _read(out, manifest_name(shard), MANIFEST_SHAPE)


def _read(out: str, name: str, shape: dict[str, Any]) -> dict[str, Any]:
    path, plan = (os.path.join(absolute(out), each) for each in (name, PLAN))
    if not os.path.exists(path):
        raise FileError(f"{out}: expected a corpus, found " + (
            "one that is not whole: the command that makes it goes on where it stopped" if os.path.exists(plan) else
            f"no {name}"))
    return read_json(path, "the JSON of a corpus", lambda value: check_shape(value, shape))


def _relax(known: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """The plan `known`, with the settings for bad documents of `plan`, if these change no finished shard.

    A shard that was finished without `skip` has no bad document. Its bytes are the same with `skip`, or if larger
    documents are allowed.
    """
    old, new = known.get("settings"), plan["settings"]
    least = old.get("largest") if isinstance(old, dict) and old.get("skip") is False else None
    if type(least) is not int or least > new["largest"]:
        return known
    return {**known, "settings": {**known["settings"], "skip": new["skip"], "largest": new["largest"]}}


def _differences(there: Any, here: Any, where: str = "") -> Iterator[str]:
    """The places where two values of JSON differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            yield from _differences(there.get(key), here.get(key), f"{where} {key}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, (one, other) in enumerate(zip(there, here)):
            yield from _differences(one, other, f"{where} {index}")
    elif there != here:
        shown = [f"{len(value)} of them" if isinstance(value, list) else json.dumps(value)[:80]
                 for value in (there, here)]
        yield f"{where.strip()} {shown[0]} there, {shown[1]} here"


def check_shape(value: Any, shape: Any, path: str = "$") -> None:
    """Raises `ValueError` if `value` does not have the shape. It may have other keys."""
    kind, words, allowed = shape if isinstance(shape, tuple) else ARRAY if isinstance(shape, list) else OBJECT
    right = type(value) is kind
    if not right or not allowed(value):
        found = repr(value)[:80] if right else json_kind(value)
        raise ValueError(f"expected {words}, found {found} - at {path}")
    if isinstance(shape, dict):
        for key, inner in shape.items():
            if key not in value:
                raise ValueError(f"expected the key {key!r}, found none - at {path}")
            check_shape(value[key], inner, f"{path}.{key}")
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{path}[{index}]")
