r"""Checks the arguments of public calls: texts, ids, numbers, sides of a text.

In: any value, and the name of the argument. Out: the value in the form that the core takes (valid UTF-8 or `str`, a
list of ids, an int within bounds), or an `ArgumentError` or `TextError` that says what was expected and found.
Invariant: an object of a subclass counts for its content, whatever its methods do. True and False are no numbers. Only
`characters` leaves lone surrogates in a `str`: the encoder finds them. With `errors="replace"` a lone surrogate becomes
U+FFFD, and so does each maximal part of an invalid sequence of bytes: `b"a\xf0\x9f"` becomes "a\ufffd", as in the core.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import wraps
from operator import index
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, ParamSpec, TypeVar

from dstok.errors import ArgumentError, DstokError, TextError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")


def _is_index(value: Any) -> bool:
    try:
        return index(value) is not None and not isinstance(value, bool)
    except TypeError:
        return False


def _is_path(value: Any) -> bool:
    try:
        return isinstance(value, str | os.PathLike) and b"\0" not in os.fsencode(value)
    except (TypeError, UnicodeEncodeError):
        return False


def _has(*names: str) -> Callable[[Any], bool]:
    """Return a test: does a value, which is no class, have these attributes?"""
    return lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names)


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _word(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return " or ".join(f'"{word}"' for word in words), lambda value: isinstance(value, str) and value in words


_TOKENIZER = "a tokenizer, such as dstok.load gives,", _has("encode", "decode", "vocab_size")
_MANY = (str, bytes, bytearray, memoryview, Mapping)
_LIST = "a list", lambda value: isinstance(value, Iterable) and not isinstance(value, _MANY)
WORDS: dict[str, tuple[str, Callable[[Any], bool]]] = {  # by annotation: its words, and whether a value fits
    "None": ("None", lambda value: value is None),
    "str": ("str", _of(str)),
    "bytes": ("bytes", _of(bytes, bytearray, memoryview)),
    "int": ("a whole number", _is_index),
    "float": ("a number", lambda value: hasattr(value, "__float__") and not isinstance(value, bool)),
    "bool": ("True or False", lambda value: isinstance(value, int) or type(value).__name__.startswith("bool")),
    "Text": ("str or bytes", _of(str, bytes, bytearray, memoryview)),
    "StrPath": ("a path (str or os.PathLike; no NUL, no lone surrogate)", _is_path),
    "Errors": _word("strict", "replace"), "Unit": _word("bytes", "characters"),
    "Special": ('"all", "none", "raise" or a set of added tokens', _of(str, set, frozenset, list, tuple)),
    "VersionName": ('the name of a version, such as "v3.1",', _of(str)),
    "Template": ("a dstok.chat.Template", _has("render")),
    "Rendered": ("what dstok.chat.render gives", _has("special_ranges")),
    "Tokenizer": _TOKENIZER, "TokenizerProtocol": _TOKENIZER,
    "Splitter": ("a dstok.Splitter", _has("split", "splits", "unicode_version")),
    "Split": ("a dstok.Split", _has("pattern", "behavior")),
    "Padding": ("a dstok.padding.Padding", _has("multiple_of")),
    "Truncation": ("a dstok.padding.Truncation", _has("stride")),
    "CodePointSet": ("a CodePointSet", _has("ranges")),
    "CountsFile": ("a counts file", _has("made_by")),
    "TokenizerConfig": ("a tokenizer's config", _has("chat_template")),
    "Limits": ("dstok.conformance.Limits", _has("patience")),
    "Engine": ("an engine", _has("run")),
    "Callable": ("a function", callable), "Progress": ("a function", callable),
    "Mapping": ("a dictionary", _of(Mapping)), "dict": ("a dictionary", _of(Mapping)),
    "tuple[int, int]": ("a pair of whole numbers", lambda value: isinstance(value, list | tuple) and (
        len(value) == 2 and all(map(_is_index, value)))),
    "Iterable": _LIST, "Sequence": _LIST, "list": _LIST, "tuple": _LIST,
}
ITEMS = ("Iterable", "Sequence", "list")  # their items are looked at, too, if they can be read twice


def explained(call: Callable[P, R]) -> Callable[P, R]:
    """Turn an error that is none of dstok's own, and that a wrong argument explains, into an `ArgumentError`.

    Only calls that fail are looked at, so no value that works is refused.
    """
    @wraps(call)
    def made(*arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            return call(*arguments, **keywords)
        except Exception as error:
            fault = None if isinstance(error, DstokError) else wrong_argument(call, arguments, keywords)
            if fault is None:
                raise
            raise fault from error

    return made


def wrong_argument(call: Callable[..., Any], arguments: Any, keywords: Any) -> ArgumentError | None:
    """Return the error for the first argument that is other than its annotation, if there is one."""
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
            shown = f": {_shown(found)}" if isinstance(found, str | bytes | int | float) else ""
            kind = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
            kind = "None" if found is None else kind
            return ArgumentError(f"expected {words} as {name}, found {kind}{shown}{place}", name)
    return None


def _fault(annotation: str, value: Any) -> tuple[str, Any, str] | None:
    """Return what was expected, what was found, and where inside of it; None if it fits, or for other annotations."""
    import re

    known = []
    for kind in re.split(r"\s*\|\s*(?![^\[]*\])", annotation):  # the kinds of a union
        name, _, items = (kind, "", "") if kind in WORDS else kind.partition("[")
        if name != "Literal" and name not in WORDS:
            return None
        words, holds = WORDS[name] if name in WORDS else _word(*re.findall(r"[\"']([^\"']*)[\"']", items))
        if holds(value):
            if name in ITEMS and hasattr(value, "__len__"):
                faults = ((_fault(items[:-1], item), at) for at, item in enumerate(value))
                return next(((*fault[:2], f" at index {at}") for fault, at in faults if fault is not None), None)
            return None
        known.append(words)
    return " or ".join(known), value, ""


Dtype = Literal["uint32", "int32", "int64"]
Side = Literal["right", "left"]
Text = str | bytes | bytearray | memoryview
Errors = Literal["strict", "replace"]
Special = Literal["all", "none", "raise"] | AbstractSet[str] | list[str] | tuple[str, ...]  # which added tokens
MOST = sys.maxsize  # the largest count of the core and numpy
MANY = 1 << 40      # ids: more than any memory holds


def id_list(ids: Iterable[int]) -> list[int]:
    """Return the ids as a list. Raises `ArgumentError`."""
    found: Any = ids.tolist() if hasattr(ids, "tolist") else ids  # numpy's ints and torch's are slow one by one
    if found is not ids and isinstance(found, list):
        return found
    if isinstance(found, str | bytes | bytearray):
        raise ArgumentError(f"expected ids, found {type(found).__name__}", "ids")
    try:
        each = iter(found)
    except TypeError:
        hint = f": give one id as [{_shown(found)}]" if hasattr(found, "__index__") else ""
        raise ArgumentError(f"expected ids, found {type(ids).__name__}{hint}", "ids") from None
    return list(each)


def first_ids(ids: npt.NDArray[np.uint32] | list[int]) -> str:
    """Return the number of ids and the first eight, as a `repr` shows them."""
    return f"{len(ids)} ids: {', '.join(str(int(id)) for id in ids[:8])}{', ...' if len(ids) > 8 else ''}"


def common_start(one: list[int], other: list[int]) -> int:
    """Return the number of ids that two lists have in common at their starts."""
    at, end, step = 0, min(len(one), len(other)), 1 << 10
    while at < end and one[at : at + step] == other[at : at + step]:  # compared in C
        at += step
    return next((n for n in range(at, end) if one[n] != other[n]), end)


def id_array(count: int) -> array[int]:
    """Return an array of `count` zeros, uint32, to which the encoder's calls write ids."""
    return array("I", bytes(4 * count))


def checked_dtype(dtype: str) -> str:
    """Return the dtype if a caller may ask for ids of it. Raises `ArgumentError`."""
    check_choice("dtype", dtype, Dtype)
    return dtype


def in_dtype(ids: npt.NDArray[np.uint32], dtype: str) -> npt.NDArray[Any]:
    """Return the ids in the `dtype` that a caller asks for: a copy for int64 alone, since ids are below 2**31.

    Raises `ArgumentError`.
    """
    return ids.astype(dtype) if checked_dtype(dtype) == "int64" else ids.view(dtype)


class Ends(NamedTuple):
    """The ids that may stand at the two ends of a text; None: the model names no such token.

    The methods raise `ArgumentError` if a caller wants a token that the model does not name.
    """

    bos_id: int | None
    eos_id: int | None

    def before(self, wanted: bool) -> list[int]:
        return self._named("bos", self.bos_id) if wanted else []

    def after(self, wanted: bool) -> list[int]:
        return self._named("eos", self.eos_id) if wanted else []

    def around(self, ids: list[int], add_bos: bool, add_eos: bool) -> list[int]:
        return [*self.before(add_bos), *ids, *self.after(add_eos)]

    def extra(self, add_bos: bool, add_eos: bool) -> int:
        """Return the number of ids around a text."""
        return len(self.around([], add_bos, add_eos))

    @staticmethod
    def _named(kind: str, id: int | None) -> list[int]:
        if id is None:
            raise ArgumentError(f"add_{kind} was asked for, but the model names no {kind} token: name it with "
                                f"tok.replace({kind}_id=...), or as {kind}_token in a tokenizer_config.json beside the "
                                "model's file", f"add_{kind}")
        return [id]


def whole_number(name: str, value: Any, least: int = 0, why: str = "", most: int = MOST) -> int:
    """Return `value` as an int from `least`, which `why` explains, to `most`. Raises `ArgumentError`."""
    if type(value) is int and least <= value <= most:
        return value
    if not _is_index(value):
        found = "None" if value is None else f"{type(value).__name__}: {_shown(value)}"
        raise ArgumentError(f"expected {name} to be a whole number, found {found}", name)
    number = index(value)
    if not least <= number <= most:
        limit = f"at least {least}{why}" if number < least else f"at most {most}"
        raise ArgumentError(f"expected {name} to be {limit}, found {_shown(number)}", name)
    return number


def thread_count(num_threads: Any) -> int:
    """Return the number of threads that a call may use: at least one. Raises `ArgumentError`."""
    return whole_number("num_threads", num_threads, 1)


def _shown(value: Any) -> str:
    """Return the `repr` of a value, cut short if it is long. Python writes no digits of a very long int."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"{'-' if value < 0 else ''}2**{value.bit_length() - 1} or more"
    text = repr(value)
    return text if len(text) <= 60 else text[:56] + "..."


def checked_text(text: Any, which: str = "text", batch: str = "encode_batch") -> str | bytes:
    """Return a text in the core's form: `str` and bytes as they are, and other buffers as an immutable copy.

    Of an object of a subclass the characters or bytes count, whatever its methods do. Raises `ArgumentError`, which
    says `which` text is neither, and names the call `batch` if the caller gives several texts in place of one.
    """
    if type(text) is str or type(text) is bytes:
        return text
    if isinstance(text, str):
        return str.__str__(text)
    if isinstance(text, bytes):
        return bytes.__getitem__(text, slice(None))
    if isinstance(text, bytearray) or (isinstance(text, memoryview) and text.format in ("B", "b", "c")):
        return bytes(memoryview(text))
    found = f"a memoryview of format {text.format!r}" if isinstance(text, memoryview) else type(text).__name__
    if which.endswith("text") and isinstance(text, list | tuple):  # not for "text 1" of several
        found += f": {batch} takes several texts"
    if hasattr(text, "read"):  # a file, an mmap
        found += ": give what its read() returns"
    raise ArgumentError(f"expected str or bytes as {which}, found {found}", "text")


def checked_texts(texts: Any) -> Iterable[Text]:
    """Return `texts` if they are several. Raises `ArgumentError` for one text, whose characters nobody means."""
    if isinstance(texts, str | bytes | bytearray | memoryview):
        raise ArgumentError("expected a list of texts, found one text", "texts")
    if not isinstance(texts, Iterable):
        raise ArgumentError(f"expected a list of texts, found {type(texts).__name__}", "texts")
    return texts


def in_lists(texts: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """Yield the texts in order: those of a list or tuple in parts of some thousand bytes, others one by one."""
    if not isinstance(texts, list | tuple):
        yield from ((text,) for text in texts)
        return
    start, many = 0, 1
    while start < len(texts):
        some = texts[start : start + many]
        yield some
        start += many
        size = sum(map(len, some))
        many = min(2 * many, 1 << 10) if size < 1 << 13 else max(1, many // 2) if size > 1 << 14 else many


def ready(texts: Sequence[Any], other: Callable[[Any, int], str | bytes], number: int) -> list[str | bytes]:
    """Return texts in the core's form: ASCII as it is, and of others what `other` makes of a text and its number."""
    return [text if type(text) in (str, bytes) and text.isascii() else other(text, i)
            for i, text in enumerate(texts, number)]


def utf8(text: Text, replace: bool) -> bytes:
    """Return `text` as valid UTF-8. Raises `TextError` (with the offset) and `ArgumentError`."""
    text = checked_text(text)
    if isinstance(text, bytes):
        decoded = _decoded(text, replace)
        return decoded.encode() if replace else text
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        if replace:
            return characters(text, replace).encode()
        raise lone_surrogate(text[error.start], error.start) from None


def characters(text: Text, replace: bool) -> str:
    """Return `text` as `str`, in which lone surrogates may stay. Raises `TextError` (for bytes) and `ArgumentError`."""
    text = checked_text(text)
    if isinstance(text, bytes):
        return _decoded(text, replace)
    if not replace:
        return text
    import re  # not needed by well-formed texts

    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _decoded(text: bytes, replace: bool) -> str:
    try:
        return text.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError as error:
        raise not_utf8(text[error.start], error.start) from None


def replaces_faults(errors: str) -> bool:
    """Tell whether `errors` of a call asks for U+FFFD in place of faults. Raises `ArgumentError` for another value."""
    if type(errors) is not str or errors not in ("strict", "replace"):
        check_choice("errors", errors, Errors)
    return errors == "replace"


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise `ArgumentError` if the value of the argument `name` is none of the `choices`, a `Literal`."""
    words = choices.__args__  # `get_args` takes longer than all the rest
    if not isinstance(value, str) or value not in words:
        expected = " or ".join(f'"{word}"' for word in words) if len(words) == 2 else f"one of {', '.join(words)}"
        raise ArgumentError(f"expected {name} to be {expected}, found {_shown(value)}", name)


def lone_surrogate(char: str, at: int, where: str = "") -> TextError:
    """Return the error for a lone surrogate at code point `at`; `where` names the text, if the message needs it."""
    return TextError(f"expected text, found the lone surrogate U+{ord(char):04X} at code point {at}{where}", at)


def not_utf8(byte: int, at: int) -> TextError:
    """Return the error for a byte at offset `at` that is not part of well-formed UTF-8."""
    return TextError(f"expected utf-8, found byte 0x{byte:02x} at byte offset {at}", at)
