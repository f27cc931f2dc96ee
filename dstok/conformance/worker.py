"""A tokenizer in processes of its own, with limits of time and memory.

In: a spec or an object, limits, a clock. Out: `Answers` for many texts at once. A text at which the tokenizer raised,
crashed, hung or ran out of memory has a `Fault` in place of ids.
Invariant: every text gets an answer, whatever the tokenizer does or prints: within `patience` seconds a text, and all
of them before the clock's time is up. Only processes that were started here are ended.

A loader (a new Python process for a spec, a fork of this one for an object, which cannot be sent) loads the tokenizer
once, and from then on only forks workers. A worker answers requests until it dies. The next one is a fresh copy of the
loaded tokenizer. So a crash costs no second load, and no worker sees another one's cache.
They share a folder: `request`, `answer`, `words` (what the tokenizer prints) and `state`, a mapped file with the number
of the current text and the worker's process id. The connection carries only short messages, each sent in one piece: a
worker killed at any moment, even inside an answer, leaves no half of one to its successor.
"""

from __future__ import annotations

import faulthandler
import math
import mmap
import os
import pickle
import signal
import struct
import sys
import tempfile
import time
import traceback
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any, NamedTuple

from dstok.conformance.engines import CandidateError, Engine, engine_of, open_engine

STATE_SIZE = 16  # u64 number of the text, u64 process id
AGAIN, ENDED = 16, 17  # exit codes of a worker: start a fresh one; no more requests
# The working directory comes last: a checkout of dstok, or a candidate's, must not hide installed packages.
LOADER = ("import os, sys; sys.path[:1] = []; sys.path.append(os.getcwd()); "
          "from dstok.conformance.worker import load; load(*sys.argv[1:])")
MAX_DEATHS = 30  # in one call; after that the rest have no answer
GRACE = 0.5  # seconds for a process to stop by itself when the time is up
TICK = 0.25  # seconds between two looks at the number of the text
TOLD = 5.0  # seconds for the news that a killed worker is dead; else the loader is started anew
GOING = 60.0  # seconds for a process to be gone: a large one takes some on a busy machine
AT_ONCE = 1000  # so many texts in one call have twice the patience of one


class Fault(NamedTuple):
    """Why a text has no ids. kind: error, crash, hang, memory; skipped, late: it was not encoded."""

    kind: str
    message: str


LATE = Fault("late", "no time was left")  # the fault of a text that was not begun or not finished


@dataclass
class Answers:
    """The ids (uint32 bytes) of texts, flat, with the number of each; and the faults by number."""

    flat: bytes = b""
    lengths: array[int] = field(default_factory=lambda: array("I"))
    faults: dict[int, Fault] = field(default_factory=dict)

    def append(self, more: Answers) -> None:
        """Append the answers for further texts."""
        before = len(self.lengths)
        self.flat += more.flat
        self.lengths += more.lengths
        self.faults |= {before + number: fault for number, fault in more.faults.items()}

    def late(self) -> list[int]:
        """Return the numbers of the texts that got no time."""
        return [number for number, fault in self.faults.items() if fault == LATE]

    def rows(self) -> list[bytes | Fault]:
        """Return for each text its ids as uint32 bytes, or its fault."""
        rows: list[bytes | Fault] = []
        at = 0
        for number, length in enumerate(self.lengths):
            rows.append(self.faults.get(number) or self.flat[at : at + 4 * length])
            at += 4 * length
        return rows

    def differ(self, other: Answers) -> list[int]:
        """Return the numbers of the texts whose answers differ."""
        if self.flat == other.flat and self.lengths == other.lengths and not self.faults and not other.faults:
            return []
        return [at for at, (one, two) in enumerate(zip(self.rows(), other.rows())) if one != two]


def _without_ids(count: int, fault: Fault) -> Answers:
    """The answers for `count` texts that all have the same fault."""
    return Answers(b"", array("I", [0]) * count, dict.fromkeys(range(count), fault))


class OutOfTimeError(Exception):
    """The time is up. `found`: the results so far."""

    def __init__(self, found: Sequence[Any] = ()) -> None:
        super().__init__("no time was left")
        self.found = found


class Clock:
    """Counts down to the end of a part of a run, and to the end of the run. Without `start` there is no end."""

    def __init__(self) -> None:
        self._end = self._until = math.inf

    def start(self, seconds: float) -> None:
        """From now on the run has so many seconds."""
        self._end = self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left for the current part; 0 or less if none are left."""
        return self._until - time.monotonic()

    def all_left(self) -> float:
        """Return the seconds left for the run."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise `OutOfTimeError` if the part has no time left."""
        if self.left() <= 0:
            raise OutOfTimeError

    @contextmanager
    def part(self, seconds: float) -> Iterator[None]:
        """Give the work inside so many seconds, but none beyond the end of the run."""
        before, self._until = self._until, min(self._end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._until = before


# The loader and its workers


def load(spec: str, file: str, folder: str, memory: str) -> None:
    """Run as the loader of a spec; standard input is the connection."""
    connection = Connection(os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        engine = open_engine(spec, file or None)
    except BaseException as error:
        connection.send(("failed", str(error) or type(error).__name__))
        return
    _serve(engine, connection, folder, int(memory))


def _serve(engine: Engine, connection: Connection, folder: str, memory: int) -> None:
    """Forks workers, one after another, until there are no more requests."""
    connection.send(("ready", {"name": engine.name, "version": engine.version, "calls": [
        call for call in ("batch", "decode", "offsets", "plain") if getattr(engine, call)],
        "plain_special": engine.plain_special}))
    code = AGAIN
    while code != ENDED:
        worker = os.fork()
        if not worker:
            code = 1
            try:
                code = _work(engine, connection, folder, memory)
            except BaseException:
                os.write(2, traceback.format_exc().encode(errors="replace"))
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        if code not in (AGAIN, ENDED):
            connection.send(("died", code))


def _work(engine: Engine, connection: Connection, folder: str, memory: int) -> int:
    """Answers requests. `memory`: bytes that the worker may take beyond those of loading; 0: no limit."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * mmap.PAGESIZE
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    state = _map(folder)
    struct.pack_into("<Q", state, 8, os.getpid())
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return ENDED
        if message == "fresh":
            return AGAIN
        name, arguments = _read(f"{folder}/request")
        _write(f"{folder}/answer", _answer(engine, state, name, *arguments))
        connection.send(("done", None))


def _map(folder: str) -> mmap.mmap:
    with open(f"{folder}/state", "r+b") as file:
        return mmap.mmap(file.fileno(), STATE_SIZE)


def _write(path: str, value: Any) -> None:
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=5)


def _read(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


def _answer(engine: Engine, state: mmap.mmap, name: str, given: Any, extra: float = 0) -> Any:
    """The answer to a call of `Runner`; `given`: texts, a text or rows of ids; `extra`: seconds, threads or repeats."""
    if name in ("encode", "plain"):
        call = getattr(engine, name)
        rows, faults = _each(lambda text: _row(call(text)), given, state, time.monotonic() + extra)
        return _flat([row or array("I") for row in rows], faults)
    if name == "decode":
        return _each(engine.decode, given, state)
    if name == "offsets":
        spans = engine.offsets
        assert spans is not None
        return _each(lambda text: [(int(start), int(end)) for start, end in spans(text)[1]], given, state)
    try:
        if name == "timed":  # the least processor time of some calls of `encode`
            best = math.inf
            for _ in range(int(extra)):
                before = time.process_time()
                sum(1 for _ in engine.encode(given))
                best = min(best, time.process_time() - before)
            return best
        if name == "threads":
            return _flat(_threads(engine, given, int(extra)), {})
        assert name == "batch" and engine.batch is not None
        return _flat([_row(getattr(row, "ids", row)) for row in engine.batch(given)], {})
    except BaseException as error:
        return _fault(error) if name == "timed" else Answers(faults={0: _fault(error)})


def _each(
    call: Callable[[Any], Any] | None, items: Sequence[Any], state: mmap.mmap, end: float = math.inf,
) -> tuple[list[Any], dict[int, Fault]]:
    """The result of each item, and the faults of those that raise, or begin too late."""
    assert call is not None
    found, faults = [None] * len(items), dict[int, Fault]()
    for number, item in enumerate(items):
        if time.monotonic() >= end:
            faults[number] = LATE
            continue
        struct.pack_into("<Q", state, 0, number)
        try:
            found[number] = call(item)
        except BaseException as error:  # a panic of a Rust library is not an Exception
            faults[number] = _fault(error)
    return found, faults


def _row(ids: Iterable[int]) -> array[int]:
    row = array("I")
    row.extend(ids)
    return row


def _flat(rows: list[array[int]], faults: dict[int, Fault]) -> Answers:
    return Answers(b"".join(row.tobytes() for row in rows), array("I", map(len, rows)), faults)


def _fault(error: BaseException) -> Fault:
    kind = "memory" if isinstance(error, MemoryError) else "error"
    return Fault(kind, f"{type(error).__name__}: {str(error)[:300]}")


def _threads(engine: Engine, texts: list[str], count: int) -> list[array[int]]:
    """The ids of all the texts by each of several threads at once that share the engine, each in another order."""
    from concurrent.futures import ThreadPoolExecutor

    rows: list[Any] = [None] * (len(texts) * count)

    def some(first: int) -> None:
        for at in range(len(texts)):
            number = (at + first * 7) % len(texts)
            rows[first * len(texts) + number] = _row(engine.encode(texts[number]))

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(some, range(count)))
    return rows


# The requesting process


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
        if not hasattr(os, "fork"):
            raise CandidateError("this system cannot fork: a tokenizer under test needs a process of its own")
        self.clock, self.file, self.limits = clock or Clock(), file, limits or Limits()
        self.unfinished: str | None = None  # the text at which the worker was ended when the time was up
        self._pid = 0
        self._directory = tempfile.TemporaryDirectory(prefix="dstok-verify-")
        self._folder = self._directory.name
        for name, size in (("state", STATE_SIZE), ("words", 0)):
            with open(f"{self._folder}/{name}", "wb") as part:
                part.truncate(size)
        self._state = _map(self._folder)
        try:
            self.thing = thing if isinstance(thing, str) else self._of_object(thing)
            self.info = self._start()
        except BaseException:
            self.close()
            raise

    def _of_object(self, thing: Any) -> Engine | str:
        """The engine of an object; of one of tokenizers, whose threads do not survive a fork, the spec of its file."""
        if type(thing).__module__.partition(".")[0] != "tokenizers":
            return engine_of(thing)
        if not hasattr(thing, "to_str"):
            raise CandidateError(
                "an object of tokenizers that cannot be written to a file: name it by tokenizers:FILE")
        with open(f"{self._folder}/tokenizer.json", "w", encoding="utf-8") as file:
            file.write(thing.to_str())
        return f"tokenizers:{file.name}"

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
        """Return the answer for each text."""
        return self._all("encode", list(texts))

    def plain(self, texts: Sequence[str]) -> Answers:
        """As `encode`, with added tokens as plain text."""
        return self._all("plain", list(texts))

    def begin(self, texts: Sequence[str]) -> None:
        """Start `encode`; `finish` returns its answers. Meanwhile this process may do something else."""
        self._begun = list(texts)
        self._ask("encode", self._begun, self.clock.left())

    def finish(self) -> Answers:
        """Return the answers; texts that got no time have the fault `LATE`."""
        return self._many("encode", self._begun, asked=True)

    def batch(self, texts: Sequence[str]) -> Answers:
        """As `encode`, in one call of the library for all the texts."""
        return self._one("batch", texts)

    def threads(self, texts: Sequence[str], count: int) -> Answers:
        """As `encode`, by several threads at once: the answers of the first for all the texts, then of the second."""
        return self._one("threads", texts, count)

    def call(self, name: str, *arguments: Any, at_once: int = 0) -> Any:
        """Return the answer to another call, or a `Fault`. `at_once`: the texts of a call that takes many as one."""
        self.clock.check()
        self._ask(name, *arguments)
        try:
            return self._wait(at_once)
        except _DiedError as died:
            return died.fault

    def fresh(self) -> None:
        """Forget all earlier texts: a new worker gets the next call."""
        self._send("fresh")

    def _one(self, name: str, texts: Sequence[str], count: int = 0) -> Answers:
        answers: Answers | Fault = self.call(name, list(texts), count, at_once=len(texts))
        return Answers(faults={0: answers}) if isinstance(answers, Fault) else answers

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
                total.append(self._wait())
                break
            except OutOfTimeError as late:
                self.unfinished = texts[late.found[0]]
                total.append(_without_ids(len(texts), LATE))
                break
            except _DiedError as died:
                deaths += 1
                total.append(self._again(name, texts[: died.number]))
                total.append(_without_ids(1, died.fault))
                texts = texts[died.number + 1 :]
            if deaths >= MAX_DEATHS:
                total.append(_without_ids(len(texts), Fault("skipped", f"not tried after {deaths} deaths")))
                break
        return total

    def _again(self, name: str, texts: list[str]) -> Answers:
        """The answers for texts that a worker had finished when it died."""
        self._ask(name, texts, self.clock.left())
        try:
            answers: Answers = self._wait()
        except OutOfTimeError:
            return _without_ids(len(texts), LATE)
        except _DiedError as died:  # not the text alone, but those before it too, cause the death
            return _without_ids(len(texts), died.fault)
        return answers

    # The process

    def _ask(self, name: str, *arguments: Any) -> None:
        os.truncate(f"{self._folder}/words", 0)
        struct.pack_into("<Q", self._state, 0, 0)
        _write(f"{self._folder}/request", (name, arguments))
        self._send("asked")

    def _send(self, message: str) -> None:
        try:
            self._connection.send(message)
        except OSError:  # the loader died on its own, between two calls
            self._restart()
            self._connection.send(message)

    def _wait(self, at_once: int = 0) -> Any:
        """The answer to the request.

        `at_once`: texts in one call, which have the time of the check. A single text has the time of the whole run, so
        that an endless text is told from a late one.
        """
        seen, waited = -1, 0.0
        left = self.clock.left if at_once else self.clock.all_left
        patience = self.limits.patience * (1 + at_once / AT_ONCE)
        while True:
            kind, value = self._get(min(TICK, max(left() + GRACE, 0.01)))
            number, worker = struct.unpack_from("<QQ", self._state)
            if kind == "done":
                return _read(f"{self._folder}/answer")
            if kind != "late":
                words = self._last_words()
                code = value if kind == "died" else self._restart()
                if any(sign in words for sign in ("memory allocation of", "MemoryError", "bad_alloc")):
                    raise _DiedError(Fault("memory", words), number)
                name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                raise _DiedError(Fault("crash", f"{name} {words}".strip()), number)
            if left() + GRACE <= 0:
                self._kill_worker()
                raise OutOfTimeError([number])
            # Looks are counted, not the clock: this process, or the worker, may have been stopped for a while.
            waited = waited + TICK if number == seen and not _is_stopped(worker) else 0.0
            seen = number
            if waited > patience:
                self._kill_worker()
                raise _DiedError(Fault("hang", f"no answer for {patience:g} s"), number)

    def _get(self, seconds: float) -> tuple[str, Any]:
        """The next message: done, died, ready or failed; "late" if none comes in time, "gone" if none will come."""
        try:
            if self._connection.poll(min(seconds, 1e6)):
                message: tuple[str, Any] = self._connection.recv()
                return message
        except (EOFError, OSError):
            return "gone", ""
        return "late", f"nothing for {seconds:g} s"

    def _last_words(self) -> str:
        """The end of what the tokenizer printed since the request."""
        with open(f"{self._folder}/words", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 300))
            return " ".join(file.read().decode(errors="replace").split())[-200:]

    def _start(self) -> Any:
        self._state[:] = bytes(STATE_SIZE)
        self._connection, theirs = Pipe()
        words = f"{self._folder}/words", os.O_WRONLY | os.O_APPEND, 0
        if isinstance(self.thing, str):
            argv = [sys.executable, "-c", LOADER, self.thing, self.file or "", self._folder, str(self.limits.memory)]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                           "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
            self._pid = os.posix_spawn(sys.executable, argv, environment, file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), (os.POSIX_SPAWN_OPEN, 1, *words),
                (os.POSIX_SPAWN_DUP2, 1, 2)])
        else:
            self._pid = os.fork()
            if not self._pid:
                try:
                    faulthandler.disable()  # the exit code reports a crash; pytest would have it printed
                    self._connection.close()
                    printed = os.open(*words)
                    os.dup2(printed, 1)
                    os.dup2(printed, 2)
                    _serve(self.thing, theirs, self._folder, self.limits.memory)
                finally:
                    os._exit(0)
        theirs.close()
        kind, value = self._get(self.limits.load)
        if kind != "ready":
            said = value if kind == "failed" else self._last_words()
            self.close()  # also after a restart
            label = self.thing if isinstance(self.thing, str) else self.thing.name
            raise CandidateError(said if said.startswith(label) else f"{label}: {said or 'could not be loaded'}")
        return value

    def _restart(self) -> int:
        """Starts the loader anew. Returns the exit code of the last one, 1 if it did not end by itself."""
        code = self._stop()
        self._start()
        return code

    def _kill_worker(self) -> None:
        """Kills a worker that hangs. If the loader does not tell its end, the loader is started anew."""
        worker = self._worker()
        if worker:
            _kill(worker)
            kind = "done"
            while kind == "done":  # it may have been done just before
                kind, _ = self._get(TOLD)
        if not worker or kind != "died":
            self._restart()

    def _worker(self) -> int:
        """The worker's process id, or 0."""
        return int(struct.unpack_from("<Q", self._state, 8)[0])

    def _stop(self) -> int:
        """Ends the loader and its worker. Returns the loader's exit code, 1 if it did not end by itself."""
        pid, self._pid = self._pid, 0
        self._connection.close()
        code = _end_of(pid, GRACE)
        if code is None:
            _kill(pid)
            if worker := self._worker():
                _kill(worker)
            _end_of(pid, GOING)
        return 1 if code is None else code

    def close(self) -> None:
        """End the process."""
        if self._pid:
            self._stop()
        self._state.close()
        self._directory.cleanup()


def _kill(pid: int) -> None:
    assert pid > 0  # 0 would end all of this one's group
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _end_of(pid: int, seconds: float) -> int | None:
    """The exit code of a process that ends in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # the program that uses this kit ignores or collects the ends of processes
            return 1
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.005)


def _is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process; False where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False
