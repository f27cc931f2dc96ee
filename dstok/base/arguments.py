"""The argument that made a call fail: what its annotation asks for, in the caller's words, and what was found.

In: a function, and the arguments of a call that has failed. Out: an `ArgumentError`, or None if each argument is what
its annotation asks for.
Invariant: only calls that fail come here, so a value that works is never refused, whatever its type. An annotation
that `WORDS` does not know asks for nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from operator import index
from typing import Any, ParamSpec, TypeVar

from dstok.errors import ArgumentError, DstokError

__all__ = ["WORDS", "explained", "wrong_argument"]

P = ParamSpec("P")
R = TypeVar("R")


def _is_index(value: Any) -> bool:
    try:
        return index(value) is not None and not isinstance(value, bool)
    except TypeError:
        return False


def _has(*names: str) -> Callable[[Any], bool]:
    """Whether a value has these attributes. A class, which has its objects' methods, has none of them here."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names)


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


_TOKENIZER = "a tokenizer, such as dstok.load gives,", _has("encode", "decode", "vocab_size")
_MANY = (str, bytes, bytearray, memoryview, Mapping)
WORDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "None": ("None", lambda value: value is None),
    "str": ("str", _of(str)),
    "bytes": ("bytes", _of(bytes, bytearray, memoryview)),
    "int": ("a whole number", _is_index),
    "float": ("a number", lambda value: hasattr(value, "__float__") and not isinstance(value, bool)),
    "bool": ("True or False", lambda value: isinstance(value, int) or type(value).__name__.startswith("bool")),
    "Text": ("str or bytes", _of(str, bytes, bytearray, memoryview)),
    "StrPath": ("a path (str or os.PathLike)", _of(str, os.PathLike)),
    "Errors": ('"strict" or "replace"', lambda value: isinstance(value, str) and value in ("strict", "replace")),
    "Special": ('"all", "none", "raise" or a set of added tokens', _of(str, set, frozenset, list, tuple)),
    "VersionName": ('the name of a version, such as "v3.1",', _of(str)),
    "Template": ("a dstok.chat.Template", _has("render")),
    "Rendered": ("what dstok.chat.render gives", _has("special_ranges")),
    "Tokenizer": _TOKENIZER, "TokenizerProtocol": _TOKENIZER, "Parts": _TOKENIZER,
    "Splitter": ("a dstok.Splitter", _has("split", "splits", "fingerprint")),
    "Split": ("a dstok.Split", _has("pattern", "behavior")),
    "CodePointSet": ("a CodePointSet", _has("ranges")),
    "CountsFile": ("a counts file", _has("made_by")),
    "TokenizerConfig": ("a tokenizer's config", _has("chat_template")),
    "Limits": ("dstok.testing.Limits", _has("patience")),
    "Engine": ("an engine", _has("run")),
    "Callable": ("a function", callable), "Progress": ("a function", callable),
    "Mapping": ("a dictionary", _of(Mapping)), "dict": ("a dictionary", _of(Mapping)),
    "tuple[int, int]": ("a pair of whole numbers", lambda value: isinstance(value, list | tuple) and (
        len(value) == 2 and all(map(_is_index, value)))),
    "Iterable": ("a list", lambda value: isinstance(value, Iterable) and not isinstance(value, _MANY)),
}
WORDS |= {name: WORDS["Iterable"] for name in ("Sequence", "list", "tuple")}
WORDS["Unit"] = '"bytes" or "characters"', lambda value: isinstance(value, str) and value in ("bytes", "characters")
ITEMS = ("Iterable", "Sequence", "list")  # their items are looked at, too, if they can be read twice
SHOWN = 60  # characters of a value


def explained(call: Callable[P, R]) -> Callable[P, R]:
    """The same call. Its error names the argument at fault where that explains the error.

    An error that is none of dstok's own, and that a wrong argument explains, becomes an `ArgumentError`.

    >>> @explained
    ... def encode_batch(texts: list[str], *, threads: int = 1): return [text.encode() for text in texts]
    >>> encode_batch(["a", 5])
    Traceback (most recent call last):
    ...
    dstok.errors.ArgumentError: expected str as texts, found int: 5 at index 1
    """
    @wraps(call)
    def made(*arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            return call(*arguments, **keywords)
        except DstokError:
            raise
        except Exception as error:
            fault = wrong_argument(call, arguments, keywords)
            if fault is None:
                raise
            raise fault from error

    return made


def wrong_argument(call: Callable[..., Any], arguments: Any, keywords: Any) -> ArgumentError | None:
    """The first argument that is other than its annotation; None also for arguments that do not fit the function."""
    import inspect  # not needed by calls that succeed

    signature = inspect.signature(call)
    try:
        given = signature.bind(*arguments, **keywords).arguments
    except TypeError:
        return None
    for name, value in given.items():
        parameter = signature.parameters[name]
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in ("self", "cls"):
            continue
        fault = _fault(str(parameter.annotation), value)
        if fault is not None:
            words, found, place = fault
            shown = f": {found!r}" if isinstance(found, str | bytes | int | float) and len(repr(found)) <= SHOWN else ""
            kind = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
            kind = "None" if found is None else kind
            return ArgumentError(f"expected {words} as {name}, found {kind}{shown}{place}", name)
    return None


def _fault(annotation: str, value: Any) -> tuple[str, Any, str] | None:
    """What was expected and found, and where inside of it; None for what the annotation asks for, or is not known."""
    import re

    known = []
    for kind in re.split(r"\s*\|\s*(?![^\[]*\])", annotation):  # the kinds of a union
        name, _, items = (kind, "", "") if kind in WORDS else kind.partition("[")
        if name == "Literal":
            choices = re.findall(r"[\"']([^\"']*)[\"']", items)
            words, holds = " or ".join(f'"{each}"' for each in choices), choices.__contains__
        elif name in WORDS:
            words, holds = WORDS[name]
        else:
            return None
        if holds(value):
            if name in ITEMS and hasattr(value, "__len__"):
                faults = ((_fault(items[:-1], item), at) for at, item in enumerate(value))
                return next(((*fault[:2], f" at index {at}") for fault, at in faults if fault is not None), None)
            return None
        known.append(words)
    return " or ".join(known), value, ""
