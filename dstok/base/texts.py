r"""Texts from callers -> valid UTF-8, or a `str`.

In: a `str`, or UTF-8 in any object that holds bytes; "strict" or "replace" for errors. Out: bytes, or a `str`.
Invariant: the result is valid UTF-8, or the call raises `TextError`. Only `characters` leaves the lone surrogates of a
`str` in it: the encoder finds them. With `errors="replace"` a lone surrogate becomes U+FFFD, and so does each maximal
part of an invalid sequence of bytes: `b"a\xf0\x9f"` becomes "a\ufffd". The encoder does the same in Cython.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from dstok.errors import ArgumentError, TextError

__all__ = ["Errors", "Special", "Text", "characters", "checked_text", "checked_texts", "in_lists", "lone_surrogate",
           "not_utf8", "ready", "replaces_faults", "utf8"]

_LIST, _MANY = 1 << 14, 1 << 10  # of a part of a list: its bytes, and its texts at most
_PLAIN = {str, bytes}

Text = str | bytes | bytearray | memoryview
Errors = Literal["strict", "replace"]
Special = Literal["all", "none", "raise"] | AbstractSet[str] | list[str] | tuple[str, ...]  # which added tokens


def checked_text(text: Any, which: str = "text", batch: str = "encode_batch") -> str | bytes:
    """`text` in the core's form: `str` and bytes as they are; other buffers as a copy that nobody can change.

    In an object of a subclass the characters or bytes count, whatever its methods do. Raises `ArgumentError`, which
    says `which` text is neither, and names the call `batch` if several texts stand in place of one.
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
    raise ArgumentError(f"expected str or bytes as {which}, found {found}", "text")


def checked_texts(texts: Any) -> Iterable[Text]:
    """`texts` where many are expected. Raises `ArgumentError` for one text (nobody means its characters) and for none.

    >>> checked_texts("ab")
    Traceback (most recent call last):
    dstok.errors.ArgumentError: expected a list of texts, found one text
    """
    if isinstance(texts, str | bytes | bytearray | memoryview):
        raise ArgumentError("expected a list of texts, found one text", "texts")
    if not isinstance(texts, Iterable):
        raise ArgumentError(f"expected a list of texts, found {type(texts).__name__}", "texts")
    return texts


def in_lists(texts: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """The texts, in order: those of a list or tuple in parts of some thousand bytes, others one by one.

    >>> [len(some) for some in in_lists(["a"] * 5)], [len(some) for some in in_lists(iter("ab"))]
    ([1, 2, 2], [1, 1])
    """
    if not isinstance(texts, list | tuple):
        yield from ((text,) for text in texts)
        return
    start, many = 0, 1
    while start < len(texts):
        some = texts[start : start + many]
        yield some
        start += many
        size = sum(map(len, some))
        many = min(2 * many, _MANY) if size < _LIST // 2 else max(1, many // 2) if size > _LIST else many


def ready(texts: Sequence[Any], other: Callable[[Any, int], str | bytes], number: int) -> list[str | bytes]:
    """Texts in the form of the core: ASCII as it is, and what `other` makes of a text and its number."""
    return [text if type(text) in _PLAIN and text.isascii() else other(text, i) for i, text in enumerate(texts, number)]


def utf8(text: Text, replace: bool) -> bytes:
    r"""`text` as valid UTF-8. Raises `TextError` (with the offset) and `ArgumentError`.

    >>> utf8("\ud800!", replace=True)
    b'\xef\xbf\xbd!'
    """
    text = checked_text(text)
    if isinstance(text, bytes):
        decoded = _decoded(text, replace)
        return decoded.encode() if replace else text
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        if replace:
            return _repaired(text).encode()
        raise lone_surrogate(text[error.start], error.start) from None


def characters(text: Text, replace: bool) -> str:
    r"""`text` as `str`; lone surrogates of a `str` may stay. Raises `TextError` (for bytes) and `ArgumentError`.

    >>> characters(b"caf\xc3\xa9", replace=False)
    'café'
    """
    text = checked_text(text)
    if isinstance(text, bytes):
        return _decoded(text, replace)
    return _repaired(text) if replace else text


def replaces_faults(errors: str) -> bool:
    """Whether `errors` of a call asks for U+FFFD in place of faults. Raises `ArgumentError` for another value."""
    if errors not in ("strict", "replace"):
        raise ArgumentError(f'expected errors to be "strict" or "replace", found {errors!r}', "errors")
    return errors == "replace"


def lone_surrogate(char: str, at: int, where: str = "") -> TextError:
    """The error for a lone surrogate at code point `at`; `where` names the text, if the message needs it."""
    return TextError(f"expected text, found the lone surrogate U+{ord(char):04X} at code point {at}{where}", at)


def not_utf8(byte: int, at: int) -> TextError:
    """The error for a byte at offset `at` that is not part of well-formed UTF-8."""
    return TextError(f"expected utf-8, found byte 0x{byte:02x} at byte offset {at}", at)


def _repaired(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate."""
    import re  # not needed by well-formed texts

    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _decoded(text: bytes, replace: bool) -> str:
    try:
        return text.decode("utf-8", "replace" if replace else "strict")
    except UnicodeDecodeError as error:
        raise not_utf8(text[error.start], error.start) from None
