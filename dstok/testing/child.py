"""The process that a tokenizer under test runs in.

In: requests on a pipe. Out: answers on a pipe. Invariant: if the tokenizer raises, crashes, hangs or prints, the
requesting process learns at which text it did so, and nothing that the tokenizer prints reaches the pipe.

A process loads the tokenizer once, and from then on only forks workers. A worker answers requests until it is told to
end, or dies. The next worker is a fresh copy of the loaded tokenizer. So a crash costs no second load, and no worker
sees another one's cache. Without fork, or if `forks` is false, the loader itself is the worker.

Frames on the pipes: a length (8 bytes, little-endian), then that many bytes of pickle. A small mapped file holds the
number of the current text and the worker's process id.

    main(SPEC FILE MAPPED_FILE MEMORY FORKS)
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

from dstok.testing.adapters import Engine, open_engine

__all__ = ["CONTROL_SIZE", "LATE", "Begin", "Faults", "read_frame", "serve", "write_frame"]

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
