"""A tokenizer in processes of its own, with limits of time and memory.

In: a spec or an object, limits, a clock. Out: for each text its ids, as uint32 bytes, or a `Fault`: the tokenizer
raised, crashed, hung or ran out of memory. Invariant: every text gets an answer, whatever the tokenizer does or prints:
within `patience` seconds a text, and all before the clock's time is up, or `STALL` seconds later.

A loader (a new Python process for a spec, a fork of this one for an object, which cannot be sent) loads the tokenizer
once, and from then on only forks workers: a crash costs no second load, and no worker sees another one's cache. Each
worker has a connection of its own to this process: one killed inside an answer leaves no half of it to its successor.
"""

from __future__ import annotations

import faulthandler
import math
import mmap
import os
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, NamedTuple, NoReturn

from dstok._util.files import write_at_once
from dstok.conformance.engines import CandidateError, Engine, engine_of, open_engine

# The working directory comes last: a checkout of dstok, or a candidate's, must not hide installed packages.
LOADER = ("import os, sys; sys.path[:1] = []; sys.path.append(os.getcwd()); "
          "from dstok.conformance.worker import load; load(*sys.argv[1:])")
CALLS = ("batch", "decode", "offsets", "plain")  # those that a tokenizer may lack
MAX_DEATHS = 30  # in one call; after that the rest have no answer
GRACE = 0.5  # seconds for a worker to stop by itself when the time is up
TICK = 0.25  # seconds between two looks at the number of the text
STALL = 5.0  # seconds for the next part of a message, and for the loader's news that a killed worker is dead
AT_ONCE = 1000  # so many texts in one call have twice the patience of one


class Fault(NamedTuple):
    """Why a text has no ids. kind: error, crash, hang, memory; skipped, late: it was not encoded."""

    kind: str
    message: str


Row = bytes | Fault  # the ids of a text, uint32
LATE = Fault("late", "no time was left")  # the fault of a text that was not begun or not finished


class OutOfTimeError(Exception):
    """The time is up. `found`: the results so far."""

    def __init__(self, found: Sequence[Any] = ()) -> None:
        super().__init__(LATE.message)
        self.found = found


class Clock:
    """Counts down to the end of a part of a run, and to the end of the run. Without `start` there is no end."""

    _end = _until = math.inf

    def start(self, seconds: float) -> None:
        self._end = self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left for the current part; 0 or less if none are left."""
        return self._until - time.monotonic()

    def all_left(self) -> float:
        """Return the seconds left for the run."""
        return self._end - time.monotonic()

    def check(self) -> None:
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


def load(spec: str, file: str, folder: str, memory: str) -> None:
    """Run as the loader of a spec; standard input is the connection."""
    control = Connection(os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    try:
        engine = open_engine(spec, file or None)
    except BaseException as error:
        control.send(str(error) or type(error).__name__)
    else:
        _serve(engine, control, folder, int(memory))


def _serve(engine: Engine, control: Connection, folder: str, memory: int) -> None:
    """Fork a worker for each connection that comes, one after another; send its process id, and its exit code."""
    calls = [call for call in CALLS if getattr(engine, call)]
    control.send((f"{engine.name} {engine.version}".strip(), calls, engine.plain_special))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        while True:
            handle = recv_handle(control)
            worker = os.fork()
            if not worker:
                control.close()
                _work(engine, Connection(handle), folder, memory)
            os.close(handle)
            control.send(worker)
            control.send(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))


def _work(engine: Engine, connection: Connection, folder: str, memory: int) -> NoReturn:
    """Answer requests. `memory`: bytes that the worker may take beyond those of loading; 0: no limit."""
    code = 1
    try:
        with suppress(ImportError, OSError, ValueError):
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with open("/proc/self/statm", encoding="ascii") as file:
                taken = int(file.read().split()[0]) * mmap.PAGESIZE
            if memory:
                resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
        number = _mapped(folder)
        while True:
            try:
                request = connection.recv()
            except (EOFError, OSError):
                code = 0
                break
            connection.send(_answer(engine, number, *request))
    except BaseException:
        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(code)


def _mapped(folder: str) -> memoryview:
    """The number of the current text, which all processes see: one element."""
    with open(f"{folder}/number", "r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")


def _answer(engine: Engine, number: memoryview, call: str, items: list[Any], seconds: float) -> list[Any]:
    """The result of a call for each item; no further one is begun after so many seconds."""
    rows, end = [LATE] * len(items), time.monotonic() + seconds
    for at, item in enumerate(items):
        if time.monotonic() >= end:
            break
        number[0] = at
        try:
            rows[at] = RESULTS[call](engine, item)
        except BaseException as error:  # a panic of a Rust library is not an Exception
            kind = "memory" if isinstance(error, MemoryError) else "error"
            rows[at] = Fault(kind, f"{type(error).__name__}: {str(error)[:300]}")
    return rows


def _packed(ids: Iterable[int]) -> bytes:
    return array("I", [*ids]).tobytes()


def _by_threads(engine: Engine, given: tuple[list[str], int]) -> list[bytes]:
    """The ids of all the texts by each of several threads at once that share the engine, each in another order."""
    from concurrent.futures import ThreadPoolExecutor

    def encoded(thread: int) -> list[bytes]:
        order = ((step + thread * 7) % len(texts) for step in range(len(texts)))
        rows = {at: _packed(engine.encode(texts[at])) for at in order}
        return [rows[at] for at in sorted(rows)]

    texts, count = given
    with ThreadPoolExecutor(count) as pool:
        return [row for rows in pool.map(encoded, range(count)) for row in rows]


def _seconds(engine: Engine, given: tuple[str, int]) -> float:
    """The least processor time of some calls of `encode`."""
    text, repeats = given

    def seconds() -> float:
        before = time.process_time()
        sum(1 for _ in engine.encode(text))
        return time.process_time() - before

    return min(seconds() for _ in range(repeats))


RESULTS: dict[str, Callable[[Any, Any], Any]] = {  # by call, what is sent of an engine's result for one item
    "encode": lambda engine, text: _packed(engine.encode(text)),
    "plain": lambda engine, text: _packed(engine.plain(text)),
    "batch": lambda engine, texts: [_packed(getattr(ids, "ids", ids)) for ids in engine.batch(texts)],
    "decode": lambda engine, ids: str(engine.decode(ids)),
    "offsets": lambda engine, text: [(int(start), int(end)) for start, end in engine.offsets(text)[1]],
    "threads": _by_threads, "timed": _seconds,
}


@dataclass(frozen=True)
class Limits:
    """memory: bytes beyond those of loading; patience: seconds for one text; load: seconds to load."""

    memory: int = 4 << 30
    patience: float = 20.0
    load: float = 120.0


class Runner(AbstractContextManager["Runner"]):
    """A tokenizer in its own process. Use it in a `with`.

    calls: those of `CALLS` that it has. unfinished: the text at which a worker was ended when the time was up.
    Raises `CandidateError` if the tokenizer cannot be loaded. Each call raises `OutOfTimeError` when the clock's time
    is up.
    """

    name: str
    calls: list[str]
    plain_special: bool

    def __init__(
        self, thing: Any, file: str | None = None, limits: Limits | None = None, clock: Clock | None = None,
    ) -> None:
        if not hasattr(os, "fork"):
            raise CandidateError("this system cannot fork: a tokenizer under test needs a process of its own")
        self.clock, self.file, self.limits = clock or Clock(), file, limits or Limits()
        self.unfinished: str | None = None
        self._loader = self._worker = 0
        self._directory = tempfile.TemporaryDirectory(prefix="dstok-verify-")
        self._folder = self._directory.name
        write_at_once(f"{self._folder}/words", b"")
        write_at_once(f"{self._folder}/number", bytes(8))
        self._number = _mapped(self._folder)
        try:
            if type(thing).__module__.partition(".")[0] == "tokenizers":  # whose threads do not survive a fork
                if not hasattr(thing, "to_str"):
                    raise CandidateError(
                        "an object of tokenizers that cannot be written to a file: name it by tokenizers:FILE")
                write_at_once(f"{self._folder}/tokenizer.json", thing.to_str().encode())
                thing = f"tokenizers:{self._folder}/tokenizer.json"
            self.thing = thing if isinstance(thing, str) else engine_of(thing)
            self._start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def encode(self, items: Sequence[Any], call: str = "encode", at_once: int = 0) -> list[Any]:
        """Return the answer for each item, or a `Fault`.

        call: encode, plain (which takes added tokens as plain text) or offsets, of texts; decode, of lists of ids;
        timed, the least processor time of encoding, in seconds, of pairs of a text and the number of repeats. An item
        is `at_once` texts for batch; for threads these and the number of threads, whose rows come one after the other.
        """
        self.clock.check()
        self.begin(items, call, at_once)
        rows = self.finish()
        if LATE in rows:
            raise OutOfTimeError
        return rows

    def begin(self, items: Sequence[Any], call: str = "encode", at_once: int = 0) -> None:
        """Start `encode`; `finish` returns its answers. Meanwhile this process may do something else."""
        self._begun = call, list(items), at_once
        self._ask(call, self._begun[1])

    def finish(self) -> list[Any]:
        """Return the answers; items that got no time have the fault `LATE`. A death costs only the current item."""
        call, items, at_once = self._begun
        rows: list[Any] = [LATE] * len(items)
        spans, deaths = [(0, len(items))], 0  # those without answers; the last one is the next
        while spans and deaths < MAX_DEATHS:
            start, end = spans.pop()
            if deaths:
                self._ask(call, items[start:end])
            answer = self._wait(at_once)
            if isinstance(answer, list):
                rows[start:end] = answer
                continue
            deaths, at = deaths + 1, start + self._number[0]
            if answer == LATE:
                self.unfinished = items[at] if isinstance(items[at], str) else None
                return rows
            rows[at] = answer
            spans += [span for span in ((at + 1, end), (start, at)) if span[0] < span[1]]
        for start, end in spans:
            rows[start:end] = [Fault("skipped", f"not tried after {MAX_DEATHS} deaths")] * (end - start)
        return rows

    def fresh(self) -> None:
        """Forget all earlier texts: a new worker gets the next call."""
        if self._worker:
            _kill(self._worker)
            self._connection.close()
            self._worker = 0
            if _message(self._control, STALL) is None:
                self._restart()

    def _ask(self, call: str, items: list[Any], again: bool = True) -> None:
        """Send a request to the worker; the loader forks one if there is none."""
        os.truncate(f"{self._folder}/words", 0)
        self._number[0] = 0
        try:
            if not self._worker:
                self._connection, theirs = _pipe()
                with theirs:
                    send_handle(self._control, theirs.fileno(), self._loader)
                self._worker = _message(self._control, self.limits.load) or 0
                if not self._worker:
                    raise EOFError
            # A request of few items is finished, so that its check has something to tell.
            self._connection.send((call, items, self.clock.left() if call in ("encode", "plain") else math.inf))
        except (EOFError, OSError):  # the loader or the worker died, or stopped, between two calls
            if not again:
                raise CandidateError(f"{self.name}: its process ended twice before it took a text") from None
            self._restart()
            self._ask(call, items, again=False)

    def _wait(self, at_once: int) -> list[Any] | Fault:
        """The worker's answer, or why it died; `_number` then tells the item that it was at."""
        # A single text has the time of the whole run: an endless text is told from a late one.
        left, seen, waited = self.clock.left if at_once else self.clock.all_left, -1, 0.0
        patience = self.limits.patience * (1 + at_once / AT_ONCE)
        fault = Fault("hang", f"no answer for {patience:g} s")
        while waited <= patience:
            try:
                if self._connection.poll(min(TICK, max(left() + GRACE, 0.01))):
                    return self._connection.recv()  # type: ignore[no-any-return]
            except BlockingIOError:
                fault = Fault("hang", f"stopped inside its answer for {STALL:g} s")
                break
            except (EOFError, OSError):
                return self._death()
            if left() + GRACE <= 0:
                fault = LATE
                break
            waited = waited + TICK if self._number[0] == seen else 0.0  # by looks: this process may have been stopped
            seen = self._number[0]
        self.fresh()
        return fault

    def _death(self) -> Fault:
        words, code = self._last_words(), _message(self._control, STALL)
        if code is None:
            code = self._restart()
        self._worker = 0
        if any(sign in words for sign in ("memory allocation of", "MemoryError", "bad_alloc")):
            return Fault("memory", words)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Fault("crash", f"{name} {words}".strip())

    def _last_words(self) -> str:
        """The end of what the tokenizer printed since the request."""
        with open(f"{self._folder}/words", "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 300))
            return " ".join(file.read().decode(errors="replace").split())[-200:]

    def _start(self) -> None:
        self._control, theirs = _pipe()
        with theirs:
            self._loader = os.fork()
            if not self._loader:
                self._load(theirs)
        told = _message(self._control, self.limits.load)
        if not isinstance(told, tuple):
            words = told or self._last_words() or "could not be loaded"
            self.close()  # also after a restart
            label = self.thing if isinstance(self.thing, str) else self.thing.name
            raise CandidateError(words if words.startswith(label) else f"{label}: {words}")
        self.name, self.calls, self.plain_special = told

    def _load(self, control: Connection) -> NoReturn:
        try:
            faulthandler.disable()  # the exit code reports a crash; pytest would have it printed
            self._control.close()
            words = os.open(f"{self._folder}/words", os.O_WRONLY | os.O_APPEND)
            os.dup2(words, 1)
            os.dup2(words, 2)
            if isinstance(self.thing, str):
                os.dup2(control.fileno(), 0)
                argv = [sys.executable, "-c", LOADER, self.thing, self.file or "", self._folder,
                        str(self.limits.memory)]
                os.execve(sys.executable, argv, {
                    **os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"})
            _serve(self.thing, control, self._folder, self.limits.memory)
        finally:
            os._exit(0)

    def _restart(self) -> int:
        """Start the loader anew. Returns the exit code of the last one."""
        code = self._stop()
        self._start()
        return code

    def _stop(self) -> int:
        worker, loader = self._worker, self._loader
        self._worker = self._loader = 0
        for pid in filter(None, (worker, loader)):
            _kill(pid)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(loader, 0)[1]) if loader else 0
        except ChildProcessError:  # the program that uses this kit ignores or collects the ends of processes
            return 1

    def close(self) -> None:
        """End the process."""
        self._stop()
        self._directory.cleanup()


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def _pipe() -> tuple[Connection, Connection]:
    """A pipe. Our end, the first, raises `BlockingIOError` if the other makes no progress inside a message."""
    ours, theirs = Pipe()
    with socket.socket(fileno=os.dup(ours.fileno())) as end:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(STALL), 0))
    return ours, theirs


def _message(connection: Connection, seconds: float) -> Any:
    """The next message; None if none comes in time, or none will come."""
    with suppress(EOFError, OSError):
        if connection.poll(min(seconds, 1e6)):
            return connection.recv()
    return None
