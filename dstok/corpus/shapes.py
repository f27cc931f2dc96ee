"""The shapes of a corpus' JSON files: their keys and types.

In: a value of JSON, and a shape: a type, `[shape]` for a list, `{key: shape}` for an object. Out: nothing, or a
`ValueError` that names the place. Invariant: a value that passes has every key that a reader needs. It may have other
keys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from dstok.files.inputs import json_kind

__all__ = ["CORPUS_SHAPE", "MANIFEST_SHAPE", "PLAN_SHAPE", "SUMS", "Inside", "check_shape"]

SUMS = ("documents", "tokens", "rows", "padding", "skipped")  # these are summed over manifests


class Inside(str):
    """The shape of a path below the corpus' folder."""


class InputKind(str):
    """The shape of an input's kind."""


INPUT_KINDS = ("jsonl", "lines", "text", "parquet", "arrow", "dataset")
_COUNTS: dict[str, Any] = dict.fromkeys(SUMS, int)
PLAN_SHAPE = {"dstok": str, "tokenizer": {"model": str, "upstream": str, "fingerprint": str}, "settings": dict,
              "inputs": [{"path": str, "name": str, "kind": InputKind, "size": int}]}
CORPUS_SHAPE = {**_COUNTS, "shards": [Inside]}
MANIFEST_SHAPE = {**_COUNTS, "shard": Inside, "inputs": [{"sha256": str}],
                  "outputs": [{"file": Inside, "size": int, "sha256": str}]}
_KINDS = {str: "a string", Inside: "a path below this folder", InputKind: f"one of {', '.join(INPUT_KINDS)}",
          int: "a number of 0 or more", dict: "an object"}


def check_shape(value: Any, shape: Any, path: str = "$") -> None:
    """Raises `ValueError` if `value` does not have the shape.

    >>> check_shape({"shards": ["a", 5]}, {"shards": [str]})
    Traceback (most recent call last):
    ValueError: expected a string, found a number - at $.shards[1]
    """
    if isinstance(shape, dict):
        _check_type(value, dict, path)
        for key, inner in shape.items():
            if key not in value:
                raise ValueError(f"expected the key {key!r}, found none - at {path}")
            check_shape(value[key], inner, f"{path}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"expected an array, found {json_kind(value)} - at {path}")
        for index, item in enumerate(value):
            check_shape(item, shape[0], f"{path}[{index}]")
    else:
        _check_type(value, shape, path)


def _check_type(value: Any, kind: type, path: str) -> None:
    right = type(value) is (str if issubclass(kind, str) else kind)
    if not right or not _ALLOWED.get(kind, lambda value: True)(value):
        found = repr(value)[:80] if right else json_kind(value)
        raise ValueError(f"expected {_KINDS[kind]}, found {found} - at {path}")


def _is_inside(path: str) -> bool:
    return "\0" not in path and "\\" not in path and not path.startswith("/") and ".." not in PurePosixPath(path).parts


_ALLOWED: dict[type, Callable[[Any], bool]] = {
    int: lambda value: bool(value >= 0), Inside: _is_inside, InputKind: INPUT_KINDS.__contains__,
}
