"""The process that a tokenizer under test runs in.

In: requests on a pipe. Out: answers on a pipe. Invariant: if the tokenizer raises, crashes, hangs or prints, the
requesting process learns at which text it did so, and nothing that the tokenizer prints reaches the pipe.

A process loads the tokenizer once, and from then on only forks workers. A worker answers requests until it is told to
end, or dies. The next worker is a fresh copy of the loaded tokenizer. So a crash costs no second load, and no worker
sees another one's cache. Without fork, or if `forks` is false, the loader itself is the worker.

Frames on the pipes: a length (8 bytes, little-endian), then that many bytes of pickle. A small mapped file holds the
number of the current text and the worker's process id.

    main(SPEC FILE MAPPED_FILE MEMORY FORKS)

A tokenizer's answers for many texts.

In: the answers of its process. Out: `Answers`. Invariant: each text has its ids, or a `Fault` with the reason.

The time limits of a run: the one clock for all of its parts.

In: seconds, for the whole run and for each part. Out: `Clock`; `OutOfTimeError`, if something was not finished.
Invariant: no part lasts beyond the end of the run, except the `GRACE` in which a process is ended.

A fork of this process that serves an object, and the control of a process from outside.

In: an object, a mapped file. Out: `Forked`, with the part of Popen that the runner needs. Invariant: only processes
that were started here are ended.

A tokenizer in its own process, seen from the requesting process.

In: a spec or an object, and limits. Out: `Answers` for many texts at once. A text at which the tokenizer raised,
crashed, hung or ran out of memory has a `Fault` in place of ids. Invariant: every text gets an answer, whatever the
tokenizer does: within `patience` seconds a text, and all of them before the clock's time is up. When it is up, the
current text is given up, and the rest are marked as late.

An object cannot be sent to another process, so its process is a fork of this one. Without fork, only specs can be run.
"""

from __future__ import annotations

import faulthandler
import math
import mmap
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import IO, Any, NamedTuple

from dstok.conformance.engines import CandidateError, Engine, engine_of, open_engine

__all__ = [
    "CONTROL_SIZE",
    "GRACE",
    "LATE",
    "Answers",
    "Begin",
    "Clock",
    "Fault",
    "Faults",
    "Forked",
    "Limits",
    "OutOfTimeError",
    "Runner",
    "answers_of",
    "is_stopped",
    "kill",
    "read_frame",
    "serve",
    "without_ids",
    "write_frame",
]

Faults = dict[int, tuple[str, str]]  # number of the text -> (kind, message)
Begin = Callable[[int], None]
CONTROL_SIZE = 16  # u64 number of the text, u64 process id
HEADER = struct.Struct("<Q")
LATE = "late", "no time was left"  # the fault of a text that was not begun or not finished


def write_frame(pipe: IO[bytes], value: Any) -> None:
    """Writes a value, pickled, after its length."""
    data = pickle.dumps(value, protocol=5)
    pipe.write(HEADER.pack(len(data)) + data)
    pipe.flush()


def read_frame(pipe: IO[bytes]) -> Any:
    """Reads a value. Raises `EOFError` at the end of the pipe, also inside a value."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    size = HEADER.unpack(header)[0]
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def serve(
    engine: Engine, requests: IO[bytes], answers: IO[bytes], control: mmap.mmap, memory: int, forks: bool,
) -> None:
    """Answers until the pipe ends. `memory`: bytes that a worker may take beyond those of loading; 0: no limit."""
    write_frame(answers, ("ready", {"name": engine.name, "version": engine.version, "calls": [
        call for call in ("batch", "decode", "offsets", "plain") if getattr(engine, call)],
        "plain_special": engine.plain_special}))
    while forks:
        worker = os.fork()
        if not worker:
            os._exit(_work(engine, requests, answers, control, memory))
        _, status = os.waitpid(worker, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == ENDED:
            return
        if code:
            write_frame(answers, ("died", code))
    _work(engine, requests, answers, control, memory)


AGAIN, ENDED = 0, 17  # exit codes of a worker: start a fresh one; no more requests


def _work(engine: Engine, requests: IO[bytes], answers: IO[bytes], control: mmap.mmap, memory: int) -> int:
    _limit(memory)
    struct.pack_into("<Q", control, 8, os.getpid())

    def begin(number: int) -> None:
        struct.pack_into("<Q", control, 0, number)

    while True:
        try:
            name, arguments = read_frame(requests)
        except EOFError:
            return ENDED
        if name == "fresh":
            write_frame(answers, ("fresh", None))
            return AGAIN
        write_frame(answers, ("done", CALLS[name](engine, begin, *arguments)))


def _limit(memory: int) -> None:
    """No core files, and `memory` more address space than is taken now."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    taken = _address_space()
    if memory and taken:
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _address_space() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * mmap.PAGESIZE
    except (OSError, ValueError):
        return 0


# The calls


def _fault(error: BaseException) -> tuple[str, str]:
    kind = "memory" if isinstance(error, MemoryError) else "error"
    return kind, f"{type(error).__name__}: {str(error)[:300]}"


def encode(engine: Engine, begin: Begin, texts: list[str], seconds: float) -> tuple[bytes, bytes, Faults]:
    """(ids uint32, their number a text uint32, faults). A text that raises, or begins too late, has no ids."""
    flat, lengths, faults = array("I"), array("I"), Faults()
    call, end = engine.encode, time.monotonic() + seconds
    for number, text in enumerate(texts):
        if time.monotonic() >= end:
            faults[number] = LATE
            lengths.append(0)
            continue
        begin(number)
        before = len(flat)
        try:
            flat.extend(call(text))
        except BaseException as error:  # a panic of a Rust library is not an Exception
            faults[number] = _fault(error)
            del flat[before:]
        lengths.append(len(flat) - before)
    return flat.tobytes(), lengths.tobytes(), faults


def plain(engine: Engine, begin: Begin, texts: list[str], seconds: float) -> tuple[bytes, bytes, Faults]:
    """As `encode`, with added tokens as plain text."""
    assert engine.plain is not None
    return encode(replace(engine, encode=engine.plain), begin, texts, seconds)


def batch(engine: Engine, begin: Begin, texts: list[str]) -> tuple[bytes, bytes, Faults]:
    """As `encode`, in one library call for many texts."""
    assert engine.batch is not None
    begin(0)
    try:
        rows = [array("I", row if not hasattr(row, "ids") else row.ids) for row in engine.batch(texts)]
    except BaseException as error:
        return b"", b"", {0: _fault(error)}
    return b"".join(row.tobytes() for row in rows), array("I", map(len, rows)).tobytes(), {}


def threads(engine: Engine, begin: Begin, texts: list[str], count: int) -> tuple[bytes, bytes, Faults]:
    """As `encode`, by several threads at once that share the engine; each encodes all the texts, in turn."""
    from concurrent.futures import ThreadPoolExecutor

    begin(0)
    rows: list[Any] = [None] * (len(texts) * count)

    def some(first: int) -> None:
        for at in range(len(texts)):
            number = (at + first * 7) % len(texts)
            rows[first * len(texts) + number] = array("I", engine.encode(texts[number]))

    try:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(some, range(count)))
    except BaseException as error:
        return b"", b"", {0: _fault(error)}
    return b"".join(row.tobytes() for row in rows), array("I", map(len, rows)).tobytes(), {}


def decode(engine: Engine, begin: Begin, batch: list[list[int]]) -> tuple[list[str | None], Faults]:
    """The text of each of `batch`."""
    assert engine.decode is not None
    texts: list[str | None] = []
    faults = Faults()
    for number, ids in enumerate(batch):
        begin(number)
        try:
            texts.append(engine.decode(ids))
        except BaseException as error:
            faults[number] = _fault(error)
            texts.append(None)
    return texts, faults


def offsets(engine: Engine, begin: Begin, texts: list[str]) -> tuple[list[list[tuple[int, int]] | None], Faults]:
    """The spans of each text's tokens."""
    assert engine.offsets is not None
    rows: list[list[tuple[int, int]] | None] = []
    faults = Faults()
    for number, text in enumerate(texts):
        begin(number)
        try:
            rows.append([(int(start), int(end)) for start, end in engine.offsets(text)[1]])
        except BaseException as error:
            faults[number] = _fault(error)
            rows.append(None)
    return rows, faults


def timed(engine: Engine, begin: Begin, text: str, repeats: int) -> float | tuple[str, str]:
    """Seconds of processor time for one `encode`, the least of some; or the fault."""
    begin(0)
    best = float("inf")
    for _ in range(repeats):
        before = time.process_time()
        try:
            sum(1 for _ in engine.encode(text))
        except BaseException as error:
            return _fault(error)
        best = min(best, time.process_time() - before)
    return best


CALLS: dict[str, Callable[..., Any]] = {"encode": encode, "batch": batch, "threads": threads, "decode": decode,
                                        "offsets": offsets, "plain": plain, "timed": timed}


def main(spec: str, file: str, control_path: str, memory: str, forks: str) -> int:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the tokenizer's own output
    try:
        engine = open_engine(spec, file or None)
    except BaseException as error:
        write_frame(answers, ("failed", str(error) or type(error).__name__))
        return 1
    with open(control_path, "r+b") as control_file, mmap.mmap(control_file.fileno(), CONTROL_SIZE) as control:
        serve(engine, sys.stdin.buffer, answers, control, int(memory), bool(int(forks)) and hasattr(os, "fork"))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))


class Fault(NamedTuple):
    """Why a text has no ids. kind: error, crash, hang, memory; skipped, late: it was not encoded."""

    kind: str
    message: str


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
        """The numbers of the texts that got no time."""
        return [number for number, fault in self.faults.items() if fault == LATE]

    def rows(self) -> list[bytes | Fault]:
        """For each text its ids as uint32 bytes, or its fault."""
        rows: list[bytes | Fault] = []
        at = 0
        for number, length in enumerate(self.lengths):
            rows.append(self.faults.get(number) or self.flat[at : at + 4 * length])
            at += 4 * length
        return rows

    def differ(self, other: Answers) -> list[int]:
        """The numbers of the texts whose answers differ."""
        if self.flat == other.flat and self.lengths == other.lengths and not self.faults and not other.faults:
            return []
        return [at for at, (one, two) in enumerate(zip(self.rows(), other.rows())) if one != two]


def answers_of(found: tuple[bytes, bytes, Faults]) -> Answers:
    """The answers that a process sent."""
    flat, lengths, faults = found
    return Answers(flat, array("I", lengths), {number: Fault(*fault) for number, fault in faults.items()})


def without_ids(count: int, fault: Fault) -> Answers:
    """The answers for `count` texts that all have the same fault."""
    return Answers(b"", array("I", [0]) * count, dict.fromkeys(range(count), fault))


GRACE = 0.5  # seconds for a process to stop by itself when the time is up


class OutOfTimeError(Exception):
    """The time is up. `found`: the results so far."""

    def __init__(self, found: Sequence[Any] = ()) -> None:
        super().__init__("no time was left")
        self.found = found


class Clock:
    """Counts down to the end of a part, and to the end of the run. Without `start` there is no end."""

    def __init__(self) -> None:
        self._end = self._until = math.inf

    def start(self, seconds: float) -> None:
        """From now on the run has so many seconds."""
        self._end = self._until = time.monotonic() + seconds

    def left(self) -> float:
        """The seconds left for the current part; 0 or less if none are left."""
        return self._until - time.monotonic()

    def all_left(self) -> float:
        """The seconds left for the run."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raises `OutOfTimeError` if the part has no time left."""
        if self.left() <= 0:
            raise OutOfTimeError

    @contextmanager
    def part(self, seconds: float) -> Iterator[None]:
        """The work inside has so many seconds, but none beyond the end of the run."""
        before, self._until = self._until, min(self._end, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._until = before


class Forked:
    """The fork."""

    def __init__(self, thing: Any, control: mmap.mmap, memory: int) -> None:
        if not hasattr(os, "fork"):
            raise CandidateError("this system cannot fork: name the tokenizer by a spec such as MODULE:NAME")
        engine = engine_of(thing)
        request_out, request_in = os.pipe()
        answer_out, answer_in = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(request_in)
            os.close(answer_out)
            self._serve(engine, request_out, answer_in, control, memory)
        os.close(request_out)
        os.close(answer_in)
        self.stdin: IO[bytes] = os.fdopen(request_in, "wb")
        self.stdout: IO[bytes] = os.fdopen(answer_out, "rb")
        self.code: int | None = None

    @staticmethod
    def _serve(engine: Any, requests: int, answers: int, control: mmap.mmap, memory: int) -> None:
        faulthandler.disable()  # the exit code reports a crash; pytest would have it printed
        try:
            with open(os.devnull, "w", encoding="utf-8") as nothing:
                os.dup2(nothing.fileno(), 1)
                os.dup2(nothing.fileno(), 2)
            serve(engine, os.fdopen(requests, "rb"), os.fdopen(answers, "wb"), control, memory, True)
        finally:
            os._exit(0)

    def wait(self, seconds: float) -> int:
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise subprocess.TimeoutExpired("fork", seconds)
            else:
                time.sleep(0.005)
        return self.code

    def kill(self) -> None:
        kill(self.pid)


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped a process; False where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def kill(pid: int) -> None:
    """Ends a process that this one started; 0 would end all of this one's group."""
    assert pid > 0
    with suppress(OSError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


MAX_DEATHS = 30  # in one call; after that the rest have no answer
# The working directory comes last: a checkout of dstok, or a candidate's, must not hide installed packages.
CHILD = ("import os, sys; sys.path[:1] = []; sys.path.append(os.getcwd()); "
         "from dstok.conformance.worker import main; sys.exit(main(*sys.argv[1:]))")
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
