"""The folder of a training: its result, and the work of one that is not done.

    OUT/tokenizer.json      the trained tokenizer
    OUT/tokenizer_config.json  its BOS, EOS and the like, if it has them
    OUT/train.json          last: all that decided it, and what came out
    OUT/work/plan.json      first: the inputs and settings
    OUT/work/pieces.counts  the counted pieces
    OUT/work/merges.part    the merges so far (training/learn.py)

In: a folder, a plan. Out: these files. Invariant: a file with its name is complete; merges.part knows where it ends. A
folder that holds another training is refused, and so is a second run at the same time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dstok._util.files import StrPath, file_faults, write_at_once
from dstok._util.resumable import ResumableFolder, as_json, read_json
from dstok.errors import FileError
from dstok.training.piece_counts import CountsFile

MANIFEST, TOKENIZER, CONFIG = "train.json", "tokenizer.json", "tokenizer_config.json"


class TrainingFolder(ResumableFolder):
    """The folder `out`."""

    def __init__(self, out: StrPath) -> None:
        lock = os.path.join("work", ".lock")
        super().__init__(os.path.abspath(out), lock, "another training is running in this folder")
        self.work = os.path.dirname(self.lock)
        self.counts_path = os.path.join(self.work, "pieces.counts")

    def finished(self, plan: Mapping[str, Any]) -> dict[str, Any] | None:
        """The manifest, if the training of `plan` is done here. Raises `FileError` if another one is."""
        path = os.path.join(self.out, MANIFEST)
        if not os.path.exists(path):
            return None
        manifest = self._known(path, plan)
        shutil.rmtree(self.work, ignore_errors=True)  # of a call that was killed at its very end
        return manifest

    @contextmanager
    def entered(self, plan: Mapping[str, Any], state: Any) -> Iterator[None]:
        """Begins or continues the training of `plan`. `state`: of its inputs; it must stay the same until all is done.

        Raises `FileError`.
        """
        if os.path.exists(os.path.join(self.out, TOKENIZER)) and not os.path.exists(self.work):
            raise FileError(f"{self.out}: expected no {TOKENIZER} in this folder, found one that no training here made")
        path, plan = os.path.join(self.work, "plan.json"), {**plan, "state": state}
        with self.locked():
            if os.path.exists(path):
                self._known(path, plan)
            else:
                with file_faults(self.out):
                    write_at_once(path, as_json(plan))
            yield

    def _known(self, path: str, plan: Mapping[str, Any]) -> dict[str, Any]:
        """The object in a file. Raises `FileError` if another plan made it."""
        known, wanted = read_json(path), json.loads(as_json(plan))
        different = [name for name in wanted if known.get(name) != wanted[name]]
        if different:
            raise FileError(f"{self.out}: expected the training of this call, found one with other "
                            f"{', '.join(different)} (name another folder, or remove this one)")
        return known

    def counts(self) -> CountsFile | None:
        """The counted pieces, if all are counted."""
        return CountsFile(self.counts_path) if os.path.exists(self.counts_path) else None

    def finish(self, tokenizer: bytes, config: bytes, manifest: Mapping[str, Any]) -> None:
        """Writes the result, and removes the work. config: of a tokenizer_config.json; empty if there is none."""
        with file_faults(self.out):
            for name, data in ((TOKENIZER, tokenizer), (CONFIG, config), (MANIFEST, as_json(manifest))):
                if data:
                    write_at_once(os.path.join(self.out, name), data, self.work)  # a kill leaves its scratch there
        shutil.rmtree(self.work, ignore_errors=True)
