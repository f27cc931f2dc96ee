"""An error of the engine has the place that the reader of the file, or of the call, names: not that of another format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf_bytes import gguf_bytes, small_values
from small_models import added_token, model_json

import dstok
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.regex import Split
from dstok.regex.cascade import MAX_CLASSES

FAR = "<s>" + "x" * 1001  # begins with <s>, and may not be that much longer
MANY = "".join(chr(code) for code in range(0x4E00, 0x4E00 + MAX_CLASSES))
BYTES = {bytes([byte]): byte for byte in range(256)}


def from_json(added: tuple[str, ...] = (), pattern: str | list[str] = "a") -> dstok.Tokenizer:
    return dstok.Tokenizer.from_str(model_json(added=[added_token(text) for text in added], pattern=pattern))


def from_gguf(folder: Path, **changes: list[str]) -> dstok.Tokenizer:
    (folder / "x.gguf").write_bytes(gguf_bytes(small_values(**changes)))
    return dstok.load(folder / "x.gguf")


def with_far_token() -> list[str]:
    texts: list[str] = small_values()["tokenizer.ggml.tokens"]
    return [*texts[:260], FAR, texts[261]]


@pytest.mark.parametrize(("fails", "where"), [
    (lambda _: from_json(("<s>", FAR)), "$.added_tokens[1]"),
    (lambda folder: from_gguf(folder, tokens=with_far_token()), "tokenizer.ggml.tokens[260]"),
    (lambda _: from_json(pattern=["a", MANY]), "$.pre_tokenizer.pretokenizers[1]"),
    (lambda _: dstok.Tokenizer.from_tiktoken(BYTES, MANY), "pattern"),
    (lambda _: dstok.Splitter(MANY), "pattern 0"),
    (lambda _: dstok.Splitter([Split("a"), Split(MANY), Split("b")]), "pattern 1"),
    (lambda _: dstok.Splitter([MANY[: len(MANY) // 2], MANY[len(MANY) // 2 :]]), "pattern 1"),
    (lambda _: dstok.Splitter(Split("a", "No such")), "pattern 0"),
    (lambda folder: from_gguf(folder, merges=["a b", "c d", "a b"]), "tokenizer.ggml.merges[2]"),
])
def test_the_place(fails: Callable[[Path], object], where: str, tmp_path: Path) -> None:
    with pytest.raises((UnsupportedError, TokenizerFileError)) as caught:
        fails(tmp_path)
    error: Any = caught.value
    assert error.where == where and str(error).endswith(f" - at {where}")
