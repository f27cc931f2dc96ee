"""Mutations of a side file: other bytes, and other JSON.

In: the bytes of a correct file. Out: wrong files, or slightly wrong ones, by name.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

__all__ = ["other_bytes", "other_json"]

DEEP = 100_000
VALUES: tuple[Any, ...] = (None, True, -1, 1.5, 10**30, "x", "../x\0", {}, [[]], {"a": 1}, ["x"])


def other_bytes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files that are no text, no JSON, or cut short."""
    half = len(data) // 2
    yield from {
        "latin-1": data[:half] + b"\xe9" + data[half:], "lone byte": b"\xff", "utf-16": data.decode().encode("utf-16"),
        "surrogate": data[:half] + b"\xed\xa0\x80" + data[half:], "bom": b"\xef\xbb\xbf" + data, "empty": b"", "blank": b" \n",
        "cut": data[:half], "twice": data + data, "zeros": bytes(100), "arrays": b"[" * DEEP, "objects": b'{"a":' * DEEP,
        "deep": b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}", "digits": b"9" * DEEP, "nan": b"NaN", "null": b"null",
        "array": b"[]", "object": b"{}", "number": b'{"a": ' + b"9" * DEEP + b"}", "float": b'{"a": 1e999}',
    }.items()


def other_json(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The same JSON with one value after the other taken away, another one, a long number, or under its key twice."""
    tree = json.loads(data)
    for keys in _places(tree):
        for value in VALUES:
            changed = _changed(tree, keys, value)
            yield f"{keys} {value!r:.20}", json.dumps(changed).encode()
        yield f"{keys} long", json.dumps(_changed(tree, keys, "HERE")).replace('"HERE"', "9" * 5000).encode()
        yield f"{keys} gone", json.dumps(_changed(tree, keys)).encode()
        if isinstance(keys[-1], str):
            both = json.dumps(_changed(tree, keys, "HERE")).replace('"HERE"', f'1, {json.dumps(keys[-1])}: "x"')
            yield f"{keys} twice", both.encode()


def _places(tree: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key in tree if isinstance(tree, dict) else range(min(1, len(tree))):
        yield (*before, key)
        if isinstance(tree[key], (dict, list)):
            yield from _places(tree[key], (*before, key))


def _changed(tree: Any, keys: tuple[Any, ...], *value: Any) -> Any:
    tree = copy.deepcopy(tree)
    owner = tree
    for key in keys[:-1]:
        owner = owner[key]
    if value:
        owner[keys[-1]] = value[0]
    else:
        del owner[keys[-1]]
    return tree
