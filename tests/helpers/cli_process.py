"""The command as a process of its own, and what to feed it: shared by the tests of the command line.

In: words of a command line, and what stands on standard input. Out: what the process wrote, and its exit code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dstok.formats.tokens import BYTE_TO_CHAR

USER = "<｜User｜>"
TEXT = f"Hello wörld, 12345!\r\n\r\n 东京 \U0001f999\u20c1\x00 don't{USER}  x \t\n".encode()
TEXTS = [b"", b"\n", b"no line feed at the end", b"a\r\nb\r\r\n\x00", TEXT * 50]
MANY = TEXT * (1_200_000 // len(TEXT))  # longer than a block
FORMATS = ["ids", "json", "npy", "u32"]
DSTOK = (sys.executable, "-m", "dstok")


def run(*words: str, stdin: bytes = b"", **keywords: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*DSTOK, *words], input=stdin, capture_output=True, timeout=120, **keywords)


def ok(*words: str, stdin: bytes = b"") -> bytes:
    """The data of a command that succeeds, in silence."""
    done = run(*words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def fails(*words: str, stdin: bytes = b"", code: int = 2) -> str:
    """The one line of error of a command that fails."""
    done = run(*words, stdin=stdin)
    error = done.stderr.decode()
    assert done.returncode == code, error
    assert error.startswith("dstok: ") and error.count("\n") == 1 and "Traceback" not in error
    return error


def file(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def json_lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.decode().splitlines()]


def tiny_model(path: Path) -> str:
    """A model of single bytes, and one added token that looks at its neighbours."""
    step = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    added = {"id": 256, "content": "<>", "single_word": True, "lstrip": False, "rstrip": False,
             "normalized": False, "special": False}
    vocab = {c: i for i, c in enumerate(BYTE_TO_CHAR)}
    model = {"version": "1.0", "added_tokens": [added], "pre_tokenizer": step, "decoder": step,
             "model": {"type": "BPE", "vocab": vocab, "merges": []}}
    path.write_text(json.dumps(model))
    return str(path)
