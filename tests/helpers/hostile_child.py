"""Loads files one after the other, in a process with little memory: `python hostile_child.py MEGABYTES FOLDER`.

In: a folder of files; their names' endings say what they claim to be. Out: for each file a JSON object on a line of
standard output: the name, and the error that refused it, or the ids of some texts.
A `DstokError` refuses; any other exception, a crash, or running out of memory or time ends the process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import dstok
from dstok.errors import DstokError

TEXTS = ["", "abcd ab<s>x<u>", "a1234 é中の\u0301\r\n  \n \U0001f999 <s", "abcdabcd" * 40 + " " * 300, "[PAD261]12 3"]


def load(path: Path) -> dstok.Tokenizer:
    if path.suffix == ".gguf":
        return dstok.load(path)
    if path.suffix == ".model":
        return dstok.load(path)
    if path.suffix == ".tiktoken":
        return dstok.Tokenizer.from_tiktoken(path, "cl100k_base")
    return dstok.Tokenizer.from_json(path)


def outcome(path: Path) -> dict[str, object]:
    try:
        tok = load(path)
    except DstokError as error:
        assert str(error) and len(str(error)) < 2000, "an error that is no sentence"
        return {"name": path.name, "refused": f"{type(error).__name__}: {error}"}
    found = []
    for text in TEXTS:
        ids = tok.encode(text)
        assert tok.decode_bytes(ids) is not None and tok.count(text) == len(ids)
        assert all(0 <= i < tok.vocab_size for i in ids)
        found.append(ids)
        tok.encode(text, special="none")
    return {"name": path.name, "ids": found}


if __name__ == "__main__":
    limit = int(sys.argv[1]) << 20
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # a sanitizer reserves terabytes, and has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for item in sorted(Path(sys.argv[2]).iterdir()):
        print(f"now {item.name}", file=sys.stderr, flush=True)
        print(json.dumps(outcome(item)), flush=True)
