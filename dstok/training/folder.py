"""The folder of a training: its result, and the work of one that is not done.

    OUT/tokenizer.json      the trained tokenizer
    OUT/tokenizer_config.json  its BOS, EOS and the like, if it has them
    OUT/train.json          last: all that decided it, and what came out
    OUT/work/plan.json      first: the inputs and settings
    OUT/work/pieces.counts  the counted pieces
    OUT/work/merges.part    the merges so far (training/learn.py)

In: a folder, a plan. Out: these files. Invariant: a file with its name is complete; merges.part knows where it ends. A
folder that holds another training is refused, and so is a second run at the same time. train.json records
no time and no machine: the same training writes the same bytes anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from dstok._util.files import StrPath, file_faults, hold_alone, write_at_once
from dstok.counts import CountsFile
from dstok.errors import FileError
from dstok.training.learn import Journal

__all__ = ["MANIFEST", "TOKENIZER", "TrainingFolder", "as_json", "digest", "file_hash", "read_json"]

MANIFEST, TOKENIZER, CONFIG = "train.json", "tokenizer.json", "tokenizer_config.json"
_BLOCK = 1 << 20


class TrainingFolder:
    """The folder `out`."""

    def __init__(self, out: StrPath) -> None:
        self.out = os.path.abspath(out)
        self.work = os.path.join(self.out, "work")
        self.counts_path = os.path.join(self.work, "pieces.counts")

    def finished(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest, if the training of `plan` is done here. Raises `FileError` if another one is."""
        path = os.path.join(self.out, MANIFEST)
        if not os.path.exists(path):
            return None
        manifest = read_json(path)
        _refuse_other(self.out, manifest, plan)
        shutil.rmtree(self.work, ignore_errors=True)  # of a call that was killed at its very end
        return manifest

    @contextmanager
    def entered(self, plan: Mapping[str, Any], state: Any) -> Iterator[None]:
        """Begins or continues the training of `plan`. `state`: of its inputs; it must stay the same until all is done.

        Raises `FileError`.
        """
        if os.path.exists(os.path.join(self.out, TOKENIZER)) and not os.path.exists(self.work):
            raise FileError(f"{self.out}: expected no {TOKENIZER} in this folder, found one that no training here made")
        with file_faults(self.out):
            os.makedirs(self.work, exist_ok=True)
            lock = open(os.path.join(self.work, ".lock"), "ab")
        with lock:
            if not hold_alone(lock.fileno()):
                raise FileError(f"{self.out}: another training is running in this folder")
            self._check({**plan, "state": state})
            yield

    def _check(self, plan: Mapping[str, Any]) -> None:
        path = os.path.join(self.work, "plan.json")
        if os.path.exists(path):
            _refuse_other(self.out, read_json(path), plan)
        else:
            with file_faults(self.out):
                write_at_once(path, as_json(plan))

    def counts(self) -> CountsFile | None:
        """The counted pieces, if all are counted."""
        return CountsFile(self.counts_path) if os.path.exists(self.counts_path) else None

    def journal(self, *decides: object) -> Journal:
        """The merges so far. decides: all that decides them."""
        return Journal(os.path.join(self.work, "merges.part"), digest(decides))

    def finish(self, tokenizer: bytes, config: bytes, manifest: Mapping[str, Any]) -> None:
        """Writes the result, and removes the work. config: of a tokenizer_config.json; empty if there is none."""
        with file_faults(self.out):
            for name, data in ((TOKENIZER, tokenizer), *([(CONFIG, config)] if config else []),
                               (MANIFEST, as_json(manifest))):
                write_at_once(os.path.join(self.out, name), data, self.work)  # a kill leaves its scratch file there
        shutil.rmtree(self.work, ignore_errors=True)


def digest(value: object) -> str:
    """The SHA-256 of a value as JSON."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_hash(path: StrPath) -> str:
    """The SHA-256 of a file. Raises `FileError`."""
    found = sha256()
    with file_faults(os.fspath(path)), open(path, "rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def as_json(value: object) -> bytes:
    """A manifest's bytes."""
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def read_json(path: str) -> dict[str, Any]:
    """An object in a file. Raises `FileError`."""
    with file_faults(path), open(path, "rb") as file:
        try:
            value = json.loads(file.read())
        except ValueError as error:
            raise FileError(f"{path}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileError(f"{path}: expected an object, found {type(value).__name__}")
    return value


def _refuse_other(out: str, found: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    plain = json.loads(as_json(plan))
    different = [name for name in plain if found.get(name) != plain[name]]
    if different:
        raise FileError(f"{out}: expected the training of this call, found one with other {', '.join(different)} (name "
                        "another folder, or remove this one)")
