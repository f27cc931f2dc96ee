"""The judge of the ids that upstream gives from 1.0 on: the wheel of 1.0.0rc3, in a process of its own.

Two versions of one package cannot be imported together. tests/fetch_judges leaves the wheel in a folder, which the child
has first on its path.
In: the text of a tokenizer.json. Out: `newer_of` gives a `Newer`, whose `encode` gives the ids of texts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from judges import judge

from dstok.formats.byte_alphabet import BYTE_TO_CHAR

NEWER = "1.0.0rc3"
NAME = f"tokenizers-{NEWER}"
CHILD = """
import json, sys, tokenizers
from importlib.metadata import version
assert version("tokenizers") == sys.argv[2], tokenizers.__file__
tok = tokenizers.Tokenizer.from_file(sys.argv[1])
for line in sys.stdin:
    try:
        answer = [one.ids for one in tok.encode_batch(json.loads(line), add_special_tokens=False)]
    except ValueError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def small_file(
    pre_tokenizer: dict[str, Any] = BYTE_LEVEL, normalizer: dict[str, Any] | None = None,
    added: Sequence[dict[str, Any]] = (),
) -> str:
    """A file with the bytes as its vocabulary, and merges of "x" and each byte after it."""
    vocab = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}
    merges = [f"x {char}" for char in BYTE_TO_CHAR if char != "x"]
    vocab |= {merge.replace(" ", ""): 256 + rank for rank, merge in enumerate(merges)}
    steps = [pre_tokenizer] if pre_tokenizer["type"] == "ByteLevel" else [pre_tokenizer, BYTE_LEVEL]
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [*added], "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": None, "decoder": BYTE_LEVEL,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocab, "merges": merges}})


def newer_path() -> Path:
    """The folder of the unpacked wheel."""
    return judge(f"tokenizers/{NEWER}")


def newer_of(file: str) -> Newer:
    """1.0.0rc3's tokenizer of a tokenizer.json; a function, so that needs.py sees that it needs the judges."""
    return Newer(file, newer_path())


class Newer:
    """The tokenizer, as a context."""

    def __init__(self, file: str, wheel: Path) -> None:
        self._folder = TemporaryDirectory(prefix="dstok-newer-")
        path = Path(self._folder.name) / "tokenizer.json"
        path.write_text(file, encoding="utf-8")
        # one thread: no faster with two beside the tests of the other core
        environment = os.environ | {"PYTHONPATH": str(wheel), "TOKENIZERS_PARALLELISM": "false"}
        self._child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), NEWER], env=environment, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="ascii")

    def __enter__(self) -> Newer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.communicate()
        self._folder.cleanup()

    def answer(self, texts: list[str]) -> list[list[int]] | str:
        """The ids of each text, or the message of the `ValueError` that the call raises."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(texts) + "\n")
        self._child.stdin.flush()
        answer: list[list[int]] | str = json.loads(self._child.stdout.readline())
        return answer

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        answer = self.answer(texts)
        assert not isinstance(answer, str), answer
        return answer
