"""The folder of a long count: what is done, so that the same command goes on after it was killed.

In: the settings of a run. Out: the place up to which everything is counted, and the spills with these counts.
Invariant: a spill counts if the journal names it, and the journal's place is where its texts end. Both are written at
once or not at all, so nothing is counted twice or left out. A folder of another command, or with other files, is
refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from dstok.base.faults import file_faults, reason
from dstok.base.paths import write_at_once
from dstok.base.platform import hold_alone
from dstok.cli.piece_inputs import Place
from dstok.errors import FileError

__all__ = ["Work"]

JOURNAL, LOCK = "journal.json", ".lock"


class Work:
    """The work in `folder`: `place` and `spills`. `settings`: JSON of all that decides the counts."""

    def __init__(self, folder: str, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self.place = Place(0, 0)
        self.spills: list[str] = []

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Locks the folder, and begins or continues its work; removes the folder in the end. Raises `FileError`."""
        with file_faults(self.folder):
            os.makedirs(self.folder, exist_ok=True)
            file = open(os.path.join(self.folder, LOCK), "ab")
        with file:
            with file_faults(self.folder):
                if not hold_alone(file.fileno()):
                    raise FileError(f"{self.folder}: another dstok command is at work here")
                self._begin()
            yield
            self.record(Place(0, 0), [])  # the counts are written: whoever is stopped below begins anew
            with file_faults(self.folder):
                self._remove_others()
                os.unlink(os.path.join(self.folder, JOURNAL))
        shutil.rmtree(self.folder, ignore_errors=True)

    def record(self, place: Place, spills: Sequence[str]) -> None:
        """Notes that everything up to `place` is in `spills`, which are on the disk. Raises `FileError`."""
        self.place, self.spills = place, list(spills)
        journal = {"settings": self.settings, "place": place, "spills": [os.path.basename(path) for path in spills]}
        with file_faults(self.folder):
            write_at_once(os.path.join(self.folder, JOURNAL), json.dumps(journal).encode())

    def _begin(self) -> None:
        path = os.path.join(self.folder, JOURNAL)
        if not os.path.exists(path):
            other = next((name for name in os.listdir(self.folder) if name[:1] != "."), None)
            if other is not None:
                raise FileError(f"{self.folder}: expected an empty folder or the work of this command, found {other}")
            self.record(self.place, [])
        self._read(path)
        self._remove_others()

    def _remove_others(self) -> None:
        """Removes what the journal does not name: a spill that was not noted, a half-written file."""
        kept = {JOURNAL, LOCK, *map(os.path.basename, self.spills)}
        for name in os.listdir(self.folder):
            if name not in kept:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, name))

    def _read(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                journal = json.loads(file.read())
            settings, (number, offset), spills = journal["settings"], journal["place"], journal["spills"]
            self.place = Place(int(number), int(offset))
            self.spills = [os.path.join(self.folder, os.path.basename(name)) for name in spills]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise FileError(f"{path}: not the journal of a count: {reason(error)}") from error
        different = [key for key in self.settings if settings.get(key) != self.settings[key]]
        if different:
            raise FileError(f"{self.folder}: expected the work of this command, found that with other {different[0]} "
                            "(name another folder, or remove this one)")
