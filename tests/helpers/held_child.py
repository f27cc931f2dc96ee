"""The memory that stays after calls on a large text: `python held_child.py`.

In: nothing. Out: a JSON object on standard output. It maps each call to the bytes by which its process has grown when
the call is over. Each call gets a short text before the large one.
Invariant: freed memory goes back to the system at once (MALLOC_MMAP_THRESHOLD_, malloc_trim), so remaining bytes are in
use. Pages of files do not count: the system takes and gives them as other processes need memory. Nor does a thread that
is at its end.
"""

from __future__ import annotations

import _thread
import ctypes
import json
import re
import time
from collections.abc import Callable

import dstok
from dstok.pretokenizer.pieces import SplitStream

SIZE = 16 << 20
LINE = "It is a word, and 'é' another one: " + "blank " * 600 + "\n"

Call = Callable[[str], object]  # what it returns is not held
STREAMS: list[object] = []  # they are at their end, and not gone


def resident() -> int:
    while _thread._count():
        time.sleep(0.001)
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as file:
        return int(re.findall(r"RssAnon:\s+(\d+) kB", file.read())[0]) << 10


def calls_of_a_splitter(splitter: dstok.Splitter) -> dict[str, Call]:
    return {
        "count": splitter.count,
        "count of bytes": lambda text: splitter.count(text.encode()),
        "spans": lambda text: len(splitter.spans(text)),
        "split": lambda text: len(splitter.split(text[: len(text) // 4])),
        "spans_batch": lambda text: len(splitter.spans_batch([text, "a"], num_threads=2)[0]),
        "count_batch": lambda text: splitter.count_batch([text, "a"], num_threads=2),
        "count_pieces": lambda text: len(dstok.training.count_pieces(splitter, [text])),
        "stream": lambda text: ended(splitter.stream(), text.replace(" b", "_b")),  # long pieces: it gives each as a `str`
    }


def calls_of_a_tokenizer(tok: dstok.Tokenizer) -> dict[str, Call]:
    return {
        "count": tok.count,
        "count of bytes": lambda text: tok.count(text.encode()),
        "encode_array and decode": lambda text: len(tok.decode(tok.encode_array(text))),
        "encode_batch_arrays": lambda text: len(tok.encode_batch_arrays([text, "a"], num_threads=2)[0]),
        "decode_batch": lambda text: len(tok.decode_batch([tok.encode_array(text[: len(text) // 4])])),
        "count with a limit": lambda text: tok.count(text, limit=len(text)),
        "encode_with_offsets": lambda text: len(tok.encode_with_offsets(text[: len(text) // 8]).ids),
        "encode_stream": lambda text: ended(tok.encode_stream(), text),
    }


def ended(stream: SplitStream | dstok.EncodeStream, text: str) -> None:
    stream.feed(text)
    stream.finish()
    STREAMS.append(stream)


def grown(call: Call, text: str) -> int:
    call(text[: len(LINE) * 200])
    before = resident()
    call(text)
    return resident() - before


if __name__ == "__main__":
    large = LINE * (SIZE // len(LINE))
    words, both = dstok.Splitter(r"\w+|\s+|[^\w\s]+"), dstok.Splitter(r"\b\w+|(?<=a)\s|\S")
    assert not words.strategy().startswith("both sides") and both.strategy().startswith("both sides")
    calls = {"from the left": calls_of_a_splitter(words), "both sides": calls_of_a_splitter(both)}
    calls |= {name: calls_of_a_tokenizer(dstok.load(name)) for name in ("deepseek-v3", "deepseek-r1-distill-qwen")}
    found = {f"{whose}, {name}": grown(call, large) for whose, own in calls.items() for name, call in own.items()}
    print(json.dumps(found))
