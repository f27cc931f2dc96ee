"""What goes wrong inside a call comes out of it as an exception, never as ids; nothing is lost by it."""

from __future__ import annotations

import gc
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from faulty import faulty
from shares import seeds

import dstok

HELPERS = Path(__file__).parents[1] / "helpers"  # whose modules a child may import
CALLS: dict[str, Callable[[dstok.Tokenizer, str], Any]] = {
    "encode": lambda tok, text: tok.encode(text),
    "encode bytes": lambda tok, text: tok.encode(text.encode()),
    "encode_array": lambda tok, text: tok.encode_array(text),
    "count": lambda tok, text: tok.count(text),
    "raise": lambda tok, text: tok.encode(text, special="raise"),
    "encode_with_offsets": lambda tok, text: tok.encode_with_offsets(text),
    "truncate": lambda tok, text: tok.truncate(text, 5),
    "growing": lambda tok, text: tok.encode_incremental().append(text),
    "encode_stream": lambda tok, text: (s := tok.encode_stream()).feed_list(text) + s.finish_list(),
    "encode_batch": lambda tok, text: tok.encode_batch([text] * 40),
    "encode_batch 2": lambda tok, text: tok.encode_batch([text] * 40, num_threads=2),
    "encode_batch 4": lambda tok, text: tok.encode_batch([text] * 40, num_threads=4),
    "count_batch": lambda tok, text: tok.count_batch(["a", text, "b"] * 9, num_threads=2),
    "encode_batch_arrays": lambda tok, text: tok.encode_batch_arrays([text, "a"] * 20, num_threads=2),
}


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize("size", [1, 2000])
@pytest.mark.parametrize("call", CALLS)
def test_an_exception_while_normalizing(call: str, size: int) -> None:
    """It is the one that the call raises; afterwards all workspaces are at rest, and ids are right."""
    tok, fault = faulty()
    text = "ABA <x> abÀ" * size
    expected = tok.encode(text)
    for error in (RuntimeError("here"), RecursionError("deep"), MemoryError("none left"), SystemExit(3)):
        fault.act = raising(error)
        with pytest.raises(type(error)) as caught:
            CALLS[call](tok, text)
        assert caught.value is error
        fault.act = lambda: None
        made, resting = tok._encoder.pool.workspaces()
        assert made == resting
        assert tok.encode(text) == expected


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_while_normalizing(call: str) -> None:
    """Ctrl-C ends a call whose text is just being normalized."""
    tok, fault = faulty()
    text = "ABA <x> abÀ" * 2000
    presses = [signal.SIGINT]  # one

    def act() -> None:
        if presses:
            signal.raise_signal(presses.pop())

    fault.act = act
    gc.disable()  # an exception in one of hypothesis' callbacks of the collector is only printed
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come up at any place of these
            CALLS[call](tok, text)
            for _ in range(10000):  # what was pressed while a helping thread was normalizing comes up in the main one
                pass
    finally:
        signal.signal(signal.SIGINT, before)
        gc.enable()
    assert not presses


def test_of_several_errors_the_first_texts() -> None:
    """In a batch, too, if one text's error is an exception of the normalizer and another one is no text."""
    tok, fault = faulty()

    def act() -> None:
        raise LookupError("here")

    fault.act = act
    small, bad = "abab", "\ud800"
    for threads in (1, 2, 3):
        with pytest.raises(LookupError):
            tok.encode_batch([*[small] * 5000, "À" * 10, *[small] * 5000, bad], num_threads=threads)
        with pytest.raises(dstok.TextError, match="of text 5000"):
            tok.encode_batch([*[small] * 5000, bad, *[small] * 5000, "À" * 10], num_threads=threads)


SHORT_CALLS = ["is_normalized", "count", "count bytes", "count_batch", "encode", "raise"]
SHORT_CASES = [*product(["NFC", "NFD"], SHORT_CALLS)]
SHORT_OF_MEMORY = """
import json, resource, sys
from small_models import model_json
import dstok

file = json.loads(model_json([(b"\\xcc", b"\\x81")], [], r"."))
tok = dstok.Tokenizer.from_str(json.dumps({**file, "normalizer": {"type": sys.argv[1]}}))
text = "a" + "\\u0341\\u0323" * 300_000   # marks that change, out of order, without a place to cut
calls = {"is_normalized": tok._normalizer.is_normalized, "count": tok.count,
         "count bytes": lambda text: tok.count(text.encode()), "count_batch": lambda text: tok.count_batch([text])[0],
         "encode": lambda text: len(tok.encode(text)), "raise": lambda text: tok.count(text, special="raise")}
call = calls[sys.argv[2]]
expected = call(text)
short = 0
for more in [*range(1 << 21, 64 << 20, 3 << 20), 1 << 33]:
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))
    try:
        found = call(text)
    except MemoryError:
        found = expected
        short += 1
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    assert found == expected, (more, found, expected)
assert short >= 3, short
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space")
@pytest.mark.parametrize(("form", "call"), [SHORT_CASES[number] for number in seeds(len(SHORT_CASES), 2)])
def test_short_of_memory_while_normalizing(form: str, call: str) -> None:
    """The right ids or a MemoryError: never those of the text as it was before it was normalized."""
    # The memory that a thread of the load has left to malloc is more than the limits below leave.
    subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY, form, call], check=True, cwd=HELPERS,
                   env={**os.environ, "MALLOC_ARENA_MAX": "1"})


def test_no_compiled_function_swallows_an_exception(tmp_path: Path) -> None:
    """What Cython makes of the core has no place where an exception would be printed and dropped."""
    pytest.importorskip("Cython")
    core = Path(__file__).parents[2] / "dstok" / "core"
    if not core.is_dir():
        pytest.skip("not a checkout: there are no sources to compile")
    every = sorted(map(str, core.rglob("*.pyx")))
    assert len(every) > 10
    sources = [every[number] for number in seeds(len(every), 1)]  # Cython takes two seconds for it
    directives = runpy.run_path(str(core.parents[1] / "setup.py"))["DIRECTIVES"].items()
    options = [word for name, value in directives for word in ("-X", f"{name}={value}")]
    subprocess.run([sys.executable, "-m", "cython", *options, "-o", str(tmp_path), *sources], check=True, cwd=core.parents[1])
    made = sorted(tmp_path.glob("*.c"))
    assert len(made) == len(sources)
    for file in made:
        dropped = [line.split('"')[1] for line in file.read_text().splitlines() if '__Pyx_WriteUnraisable("' in line]
        assert dropped == [], f"{file.name}: these cannot raise, and hold what may"
