"""A tokenizer in its own process, seen from the requesting process.

In: a spec or an object, and limits. Out: `Answers` for many texts at once. A text at which the tokenizer raised,
crashed, hung or ran out of memory has a `Fault` in place of ids. Invariant: every text gets an answer, whatever the
tokenizer does: within `patience` seconds a text, and all of them before the clock's time is up. When it is up, the
current text is given up, and the rest are marked as late.

An object cannot be sent to another process, so its process is a fork of this one. Without fork, only specs can be run.
"""

from __future__ import annotations

import mmap
import os
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from dstok.testing.adapters import CandidateError
from dstok.testing.answers import Answers, Fault, answers_of, without_ids
from dstok.testing.child import CONTROL_SIZE, LATE, read_frame, write_frame
from dstok.testing.clock import GRACE, Clock, OutOfTimeError
from dstok.testing.forked import Forked, is_stopped, kill

__all__ = ["Answers", "Fault", "Limits", "Runner"]

MAX_DEATHS = 30  # in one call; after that the rest have no answer
# The working directory comes last: a checkout of dstok, or a candidate's, must not hide installed packages.
CHILD = ("import os, sys; sys.path[:1] = []; sys.path.append(os.getcwd()); "
         "from dstok.testing.child import main; sys.exit(main(*sys.argv[1:]))")
TICK = 0.25  # seconds between two looks at the counter
TOLD = 5.0  # seconds for the news that a killed worker is dead; else the process is started anew
GOING = 60.0  # seconds for a process to be gone: a large one takes some on a busy machine
AT_ONCE = 1000  # so many texts in one call have twice the patience of one


@dataclass(frozen=True)
class Limits:
    """memory: bytes beyond those of loading; patience: seconds for one text; load: seconds to load."""

    memory: int = 4 << 30
    patience: float = 20.0
    load: float = 120.0


class _DiedError(Exception):
    """The worker is gone; `number` is the text that it was encoding."""

    def __init__(self, fault: Fault, number: int) -> None:
        self.fault, self.number = fault, number


class Runner:
    """A tokenizer in its own process. Use it in a `with`.

    Raises `CandidateError` if the tokenizer cannot be loaded. Each call raises `OutOfTimeError` when the clock's time
    is up.
    """

    def __init__(
        self, thing: Any, file: str | None = None, limits: Limits | None = None, clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.unfinished: str | None = None  # the text at which the worker was ended when the time was up
        self._saved = _saved(thing)
        self.thing = f"tokenizers:{self._saved.name}" if self._saved else thing
        self.file, self.limits = file, limits or Limits()
        self.forks = True
        self.deaths = 0
        self._control_file = tempfile.NamedTemporaryFile(prefix="dstok-verify-")
        self._control_file.write(bytes(CONTROL_SIZE))
        self._control_file.flush()
        self._control = mmap.mmap(self._control_file.fileno(), CONTROL_SIZE)
        self._stderr = tempfile.TemporaryFile(prefix="dstok-verify-")
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self.info = self._start()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        return f"{self.info['name']} {self.info['version']}".strip()

    def can(self, call: str) -> bool:
        """Whether the tokenizer has this call: batch, decode, offsets, plain."""
        return call in self.info["calls"]

    # Calls

    def encode(self, texts: Sequence[str]) -> Answers:
        """The answer for each text."""
        return self._all("encode", list(texts))

    def begin(self, texts: Sequence[str]) -> None:
        """Starts `encode`; `finish` returns its answers. Meanwhile this process may do something else."""
        self._begun = list(texts)
        self._ask("encode", self._begun, self.clock.left())

    def finish(self) -> Answers:
        """The answers; texts that got no time have the fault `late`."""
        return self._many("encode", self._begun, asked=True)

    def batch(self, texts: Sequence[str]) -> Answers:
        return self._one("batch", list(texts))

    def plain(self, texts: Sequence[str]) -> Answers:
        return self._all("plain", list(texts))

    def threads(self, texts: Sequence[str], count: int) -> Answers:
        return self._one("threads", list(texts), count)

    def call(self, name: str, *arguments: Any) -> Any:
        """Another call's answer, or a `Fault`."""
        self.clock.check()
        self._ask(name, *arguments)
        try:
            return self._answer()
        except _DiedError as died:
            return died.fault

    def fresh(self) -> None:
        """Forgets all earlier texts: a new worker gets the next call."""
        if self.forks:
            write_frame(self._requests, ("fresh", ()))
            self._get(self.limits.load)
        else:
            self._restart()

    def _one(self, name: str, texts: list[str], *arguments: Any) -> Answers:
        self.clock.check()
        self._ask(name, texts, *arguments)
        try:
            return answers_of(self._answer(len(texts)))
        except _DiedError as died:
            return Answers(faults={0: died.fault})

    def _all(self, name: str, texts: list[str]) -> Answers:
        self.clock.check()
        answers = self._many(name, texts)
        if answers.late():
            raise OutOfTimeError
        return answers

    def _many(self, name: str, texts: list[str], asked: bool = False) -> Answers:
        """Calls until every text has an answer: a death costs only the current text."""
        total, deaths = Answers(), 0
        while texts or asked:
            if not asked:
                self._ask(name, texts, self.clock.left())
            asked = False
            try:
                total.append(answers_of(self._answer()))
                break
            except OutOfTimeError as late:
                self.unfinished = texts[late.found[0]]
                total.append(without_ids(len(texts), Fault(*LATE)))
                break
            except _DiedError as died:
                deaths += 1
                total.append(self._before(name, texts[: died.number]))
                total.append(without_ids(1, died.fault))
                texts = texts[died.number + 1 :]
            if deaths >= MAX_DEATHS:
                total.append(without_ids(len(texts), Fault("skipped", f"not tried after {deaths} deaths")))
                break
        return total

    def _before(self, name: str, texts: list[str]) -> Answers:
        """The answers for finished texts of a worker that died later."""
        self._ask(name, texts, self.clock.left())
        try:
            return answers_of(self._answer())
        except OutOfTimeError:
            return without_ids(len(texts), Fault(*LATE))
        except _DiedError as died:  # not the text alone, but those before it too, cause the death
            return without_ids(len(texts), died.fault)

    # The process

    def _ask(self, name: str, *arguments: Any) -> None:
        struct.pack_into("<Q", self._control, 0, 0)
        try:
            write_frame(self._requests, (name, arguments))
        except OSError:  # it died on its own, between two calls
            self._restart()
            write_frame(self._requests, (name, arguments))

    def _answer(self, at_once: int = 0) -> Any:
        """The answer to the request.

        `at_once`: texts in one call, which have the time of the check. A single text has the time of the whole run, so
        that an endless text is told from a late one.
        """
        seen, waited = -1, 0.0
        left = self.clock.left if at_once else self.clock.all_left
        patience = self.limits.patience * (1 + at_once / AT_ONCE)
        while True:
            try:
                kind, value = self._frames.get(timeout=min(TICK, max(left() + GRACE, 0.01)))
            except queue.Empty:
                if left() + GRACE <= 0:
                    self._kill_worker()
                    raise OutOfTimeError([self._number()]) from None
                number, worker = self._number(), self._worker()
                # Looks are counted, not the clock: this process, or the worker, may have been stopped for a while.
                waited = waited + TICK if number == seen and not is_stopped(worker) else 0.0
                seen = number
                if waited > patience:
                    self._kill_worker()
                    raise _DiedError(Fault("hang", f"no answer for {patience:g} s"), seen) from None
                continue
            if kind == "done":
                return value
            raise self._death(kind, value)

    def _number(self) -> int:
        """The number of the current text."""
        return int(struct.unpack_from("<Q", self._control, 0)[0])

    def _worker(self) -> int:
        """The worker's process id, or 0."""
        return int(struct.unpack_from("<Q", self._control, 8)[0])

    def _death(self, kind: str, value: Any) -> _DiedError:
        number = self._number()
        if kind != "died":
            value = self._exit_code()
            self._restart()
        words = self._last_words()
        if "memory allocation of" in words or "MemoryError" in words or "bad_alloc" in words:
            return _DiedError(Fault("memory", words), number)
        name = signal.Signals(-value).name if value < 0 else f"exit code {value}"
        return _DiedError(Fault("crash", f"{name} {words}".strip()), number)

    def _kill_worker(self) -> None:
        """Kills a worker that hangs, and waits for its successor.

        A worker that was writing an answer leaves a part of it in the pipe. Nobody can tell the rest of that answer
        from the next one, so the process is started anew.
        """
        worker = self._worker()
        if not worker:
            self._restart()
            return
        kill(worker)
        kind = "done"
        while kind == "done":  # it may have been done just before
            kind, _ = self._get(TOLD)
        if kind != "died":
            self._restart()

    def _last_words(self) -> str:
        """The end of the text written to standard error since the last look."""
        self._stderr.seek(0, os.SEEK_END)
        size = self._stderr.tell()
        self._stderr.seek(max(0, size - 300))
        words = self._stderr.read().decode(errors="replace").strip()
        self._stderr.seek(0)
        self._stderr.truncate()
        return " ".join(words.split())[-200:]

    def _start(self) -> Any:
        self._control[:] = bytes(CONTROL_SIZE)
        command = [str(self._control_file.name), str(self.limits.memory), str(int(self.forks))]
        if isinstance(self.thing, str):
            argv = [sys.executable, "-c", CHILD, self.thing, self.file or "", *command]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                           "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
                                       env=environment)
            assert process.stdin and process.stdout
            self._process, self._requests, answers = process, process.stdin, process.stdout
        else:
            self._process = Forked(self.thing, self._control, self.limits.memory)
            self._requests, answers = self._process.stdin, self._process.stdout
        self._frames: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=_pump, args=(answers, self._frames), daemon=True).start()
        kind, value = self._get(self.limits.load)
        if kind != "ready":
            words = value if kind == "failed" else self._last_words()
            self.close()
            label = self._label()
            raise CandidateError(words if words.startswith(label) else f"{label}: {words or 'could not be loaded'}")
        self._last_words()  # output of loading does not belong to a text
        return value

    def _label(self) -> str:
        return self.thing if isinstance(self.thing, str) else type(self.thing).__name__

    def _get(self, seconds: float) -> tuple[str, Any]:
        try:
            return self._frames.get(timeout=seconds)
        except queue.Empty:
            return "late", f"nothing for {seconds:g} s"

    def _restart(self) -> None:
        self._stop()
        self._start()

    def _exit_code(self) -> int:
        assert self._process
        try:
            return self._process.wait(GOING)
        except subprocess.TimeoutExpired:
            return 1

    def _stop(self) -> None:
        if self._process:
            worker = self._worker()
            try:
                self._requests.close()
                self._process.wait(0.5)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                if worker and worker != self._process.pid:
                    kill(worker)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GOING)
            self._process = None

    def close(self) -> None:
        """Ends the process."""
        self._stop()
        self._stderr.close()
        self._control.close()
        self._control_file.close()
        if self._saved:
            self._saved.close()


def _saved(thing: Any) -> Any:
    """An object of tokenizers as a file, or None: its threads do not survive a fork."""
    if type(thing).__module__.partition(".")[0] != "tokenizers":
        return None
    if not hasattr(thing, "to_str"):
        raise CandidateError("an object of tokenizers that cannot be written to a file: name it by tokenizers:FILE")
    file = tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="dstok-verify-", suffix=".json")
    file.write(thing.to_str())
    file.flush()
    return file


def _pump(answers: IO[bytes], frames: queue.Queue[tuple[str, Any]]) -> None:
    """Moves frames from the pipe into the queue, until the pipe ends or holds what is no frame."""
    try:
        with answers:
            while True:
                frames.put(read_frame(answers))
    except Exception:  # half an answer and then another: unpickling may raise anything
        frames.put(("gone", None))
