"""GGUF files written by hand, so that they can be wrong in any way.

In: keys and values. Out: the bytes of a file. `small_values` are those of a small model.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from sentencepiece_bytes import SMALL

from dstok.formats.byte_alphabet import BYTE_TO_CHAR


@dataclass(frozen=True)
class Typed:
    """A number with the type code to write it by: "I" uint32, "Q" uint64, "f" float32, ..."""

    code: str
    value: Any


CODES = {"B": 0, "b": 1, "H": 2, "h": 3, "I": 4, "i": 5, "f": 6, "?": 7, "Q": 10, "q": 11, "d": 12}
STRING, ARRAY = 8, 9


def gguf_bytes(values: dict[str, Any], version: int = 3, tensors: int = 0) -> bytes:
    """A GGUF file of the values: str, bool, int (int32), lists of one kind, `Typed`."""
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, len(values))
    return head + b"".join(_string(key) + _value(value) for key, value in values.items())


def _string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    kind, data = _typed(value)
    return struct.pack("<I", kind) + data


def _typed(value: Any) -> tuple[int, bytes]:
    if isinstance(value, (str, bytes)):
        return STRING, _string(value)
    if isinstance(value, list):
        kinds = [_typed(item) for item in value]
        kind = kinds[0][0] if kinds else STRING
        return ARRAY, struct.pack("<IQ", kind, len(value)) + b"".join(data for _, data in kinds)
    code = value.code if isinstance(value, Typed) else "?" if isinstance(value, bool) else "i"
    number = value.value if isinstance(value, Typed) else value
    return CODES[code], struct.pack("<" + code, number)


def small_values(**changes: Any) -> dict[str, Any]:
    """A model with bytes, three merges, two added tokens and a hole. A change to None takes a key away."""
    texts = [*BYTE_TO_CHAR, "ab", "cd", "abcd", "<s>", "<u>", "[PAD261]"]
    values: dict[str, Any] = {
        "general.architecture": "llama", "general.alignment": Typed("I", 32), "x.floats": [Typed("f", 0.5), Typed("f", 2.0)],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "deepseek-v3", "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.token_type": [1] * 259 + [3, 4, 5], "tokenizer.ggml.merges": ["a b", "c d", "ab cd"],
        "tokenizer.ggml.bos_token_id": Typed("I", 259), "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": "{{ x }}",
    }
    for name, value in changes.items():
        key = next((key for key in values if key.rpartition(".")[2] == name), f"tokenizer.ggml.{name}")
        values[key] = value
    return {key: value for key, value in values.items() if value is not None}


def llama_bytes(pieces: Any = SMALL, **changes: Any) -> bytes:
    """A GGUF file of pieces; a change to None takes a key away."""
    texts, scores, types = map(list, zip(*pieces))
    values: dict[str, Any] = {
        "general.architecture": "llama", "general.name": "x", "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": texts, "tokenizer.ggml.scores": [Typed("f", score) for score in scores],
        "tokenizer.ggml.token_type": types, "tokenizer.ggml.bos_token_id": Typed("I", 1),
        "tokenizer.ggml.eos_token_id": Typed("I", 2), "tokenizer.ggml.unknown_token_id": Typed("I", 0),
    }
    for name, value in changes.items():
        values[next((key for key in values if key.rpartition(".")[2] == name), f"tokenizer.ggml.{name}")] = value
    return gguf_bytes({key: value for key, value in values.items() if value is not None})
