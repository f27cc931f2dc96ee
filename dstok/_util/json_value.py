r"""JSON text -> a `Value`, which knows its path and checks its type.

In: the text of a JSON file. Out: its root, which is an object.
Invariant: upstream's parser takes the same texts: UTF-8, no byte order mark, no NaN, no lone surrogate. No object has a
key twice: upstream takes sometimes the last one, sometimes none. Any other text is a `TokenizerFileError` that names
the path, or the line and column. (Upstream refuses 128 nested brackets; here Python's own limit counts.)
Source: RFC 8259, and serde_json as upstream uses it, measured (tests/formats/test_tokenizer_json.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from math import isfinite
from typing import Any, NamedTuple, NoReturn, TypeAlias

from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError

_Entry: TypeAlias = "tuple[Any, str | int]"  # the place of a value: that of its parent, None for the root; its key
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def load_json(data: str | bytes, name: str = "") -> Value:
    """The root of a JSON text. `name` goes before every path and position in errors."""
    if not isinstance(data, (str, bytes)):
        raise ArgumentError(f"expected str or bytes, found {type(data).__name__}", "json")
    text, faults = data if isinstance(data, str) else read_text(data, name), _Faults()
    try:
        if text is data:
            text.encode()
    except UnicodeEncodeError as error:
        raise TokenizerFileError("not text: a lone surrogate", f"{name}character {error.start}") from None
    if text.startswith("\ufeff"):
        raise TokenizerFileError("not JSON: a byte order mark", f"{name}line 1 column 1 (character 0)")
    try:
        root = json.loads(text, object_pairs_hook=faults.members, parse_constant=faults.constant,
                          parse_int=faults.integer, parse_float=faults.real)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        where = f"{name}line {error.lineno} column {error.colno} (character {error.pos})"
        raise TokenizerFileError(message, where) from None
    except RecursionError:
        raise TokenizerFileError("brackets nested too deeply", f"{name}$") from None
    messages = {id(value): message for value, message in faults.found}
    surrogates = _SURROGATE_ESCAPE.search(text)
    for value, entry in _walk(root, f"{name}$") if messages else ():
        if id(value) in messages:
            raise TokenizerFileError(messages[id(value)], _path(entry))
    for value, entry in _walk(root, f"{name}$") if surrogates else ():
        for each in (value, *(value if isinstance(value, dict) else ())):
            if isinstance(each, str) and _SURROGATE.search(each):
                raise TokenizerFileError(f"a lone surrogate in {shown(each)}", _path(entry))
    found = Value(root, f"{name}$")
    found.object()
    return found


class Value(NamedTuple):
    """A JSON value and its path. Each method checks the type."""

    value: object
    path: str

    def wrong(self, expected: str) -> NoReturn:
        raise TokenizerFileError(f"expected {expected}, found {_describe(self.value)}", self.path)

    def unsupported(self, message: str) -> NoReturn:
        raise UnsupportedError(message, self.path)

    def object(self) -> dict[str, Any]:
        return self.value if isinstance(self.value, dict) else self.wrong("an object")

    def array(self) -> list[Value]:
        if not isinstance(self.value, list):
            self.wrong("an array")
        return [Value(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def text(self) -> str:
        return self.value if isinstance(self.value, str) else self.wrong("a string")

    def integer(self, limit: int) -> int:
        if type(self.value) is not int or not 0 <= self.value <= limit:  # a bool is no integer here
            self.wrong(f"an integer from 0 to {limit}")
        return self.value

    def boolean(self) -> bool:
        return self.value if isinstance(self.value, bool) else self.wrong("true or false")

    def member(self, key: str) -> Value:
        """The member `key`; a missing one is null."""
        return Value(self.object().get(key), join_path(self.path, key))

    def get(self, key: str) -> Value | None:
        """The member `key`; None if it is missing or null."""
        member = self.member(key)
        return None if member.value is None else member

    def need(self, key: str) -> Value:
        """The member `key`, which may be null."""
        if key not in self.object():
            raise TokenizerFileError(f"expected the key {key!r}, found none", self.path)
        return self.member(key)


def join_path(path: str, key: str | int) -> str:
    """The path of a member."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if key.isascii() and key.isidentifier() else f"{path}[{_shorten(json.dumps(key))}]"


def shown(value: object) -> str:
    """A value for an error message, cut short if it is long."""
    return _shorten(repr(value))


def _describe(value: object) -> str:
    if isinstance(value, (list, dict, range)):  # a range stands for an array that nobody read
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    if isinstance(value, str):
        return f"the string {shown(value)}"
    return json.dumps(value) if value is None or isinstance(value, bool) else f"the number {value!r}"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else text[:76] + "..." + text[-1]


def read_text(data: bytes, name: str) -> str:
    """The text of a UTF-8 file. `name` goes before the position in an error."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise TokenizerFileError(f"not UTF-8: {error.reason}", f"{name}byte {error.start}") from None


class _Faults:
    """The errors that Python's json lets pass, gathered during the parse. It knows no paths."""

    def __init__(self) -> None:
        self.found: list[tuple[object, str]] = []

    def members(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) < len(pairs):
            keys = sorted(key for key, _ in pairs)
            key = next(key for key, following in pairwise(keys) if key == following)
            self.found.append((members, f"the key {shown(key)} occurs twice"))
        return members

    def constant(self, name: str) -> object:
        stand_in = object()
        self.found.append((stand_in, f"expected a number within the range of floats, found {_shorten(name)}"))
        return stand_in

    def real(self, text: str) -> object:
        value = float(text)
        return value if isfinite(value) else self.constant(text)

    def integer(self, text: str) -> object:
        # As upstream: -0 and numbers longer than 64 bits are floats. And int() of many digits is quadratic.
        return int(text) if len(text) < 20 and text != "-0" else self.real(text)


def _walk(root: object, path: str) -> Iterator[tuple[object, _Entry]]:
    """Every value of the tree, in the order of the text, with its place. No recursion: a file may be deeply nested."""
    stack: list[tuple[object, _Entry]] = [(root, (None, path))]
    while stack:
        value, entry = stack.pop()
        yield value, entry
        if isinstance(value, dict | list):
            members = [*value.items()] if isinstance(value, dict) else [*enumerate(value)]
            stack.extend((member, (entry, key)) for key, member in reversed(members))


def _path(entry: _Entry) -> str:
    keys: list[str | int] = []
    while entry[0] is not None:
        keys.append(entry[1])
        entry = entry[0]
    path = str(entry[1])
    for key in reversed(keys):
        path = join_path(path, key)
    return path
