"""A line of JSON -> the text under a key, or an error in the line.

In: the bytes of a line. Out: the text. The parser is orjson. It accepts exactly the standard, so that `NaN`, lone
surrogates and bytes that are not UTF-8 are refused. The last of two equal keys counts, as in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dstok.corpus.extras import needed
from dstok.files.inputs import json_kind

__all__ = ["BadLineError", "text_reader", "texts_reader"]


class BadLineError(ValueError):
    """A line without text under the key; `parameter` is "field" if another key may help."""

    def __init__(self, why: str, parameter: str = "") -> None:
        super().__init__(why)
        self.parameter = parameter


def text_reader(field: str) -> Callable[[bytes], str]:
    r"""Returns the function that gets the text under `field` of a line. The package may be missing.

    The function raises `BadLineError`.

    >>> text_reader("text")(b'{"id": 1, "text": "caf\\u00e9"}')
    'café'
    >>> text_reader("text")(b'{"text": 5}')
    Traceback (most recent call last):
    dstok.corpus.json_lines.BadLineError: expected a string under 'text', found a number
    """
    loads = needed("orjson").loads

    def text(line: bytes) -> str:
        try:
            found = loads(line)[field]
        except (ValueError, TypeError, KeyError, IndexError):
            raise _fault(line, field, loads) from None
        if type(found) is not str:
            raise BadLineError(f"expected a string under {field!r}, found {json_kind(found)}")
        return found

    return text


def texts_reader(field: str) -> Callable[[list[bytes | int]], list[Any] | None]:
    """Returns the function that gets the texts under `field` of lines; None if one of these has none.

    >>> texts_reader("text")([b'{"text": "a"}', b'{"text": "b"}']), texts_reader("text")([b'{"text": "a"}', b""])
    (['a', 'b'], None)
    """
    loads = needed("orjson").loads

    def texts(lines: list[bytes | int]) -> list[Any] | None:
        try:
            found = [loads(line)[field] for line in lines]
        except (ValueError, TypeError, KeyError, IndexError):
            return None
        return found if {*map(type, found)} <= {str} else None

    return texts


def _fault(line: bytes, field: str, loads: Callable[[bytes], Any]) -> BadLineError:
    try:
        line.decode()
        value = loads(line)
    except UnicodeDecodeError as error:
        return BadLineError(f"expected utf-8, found byte 0x{line[error.start]:02x} at byte offset {error.start}")
    except ValueError as error:
        return BadLineError(f"expected JSON, found {_words(error)}")
    if not isinstance(value, dict):
        return BadLineError(f"expected a JSON object, found {json_kind(value)}")
    return BadLineError(f"expected the field {field!r}, found {_keys(value)}", "field")


def _words(error: Any) -> str:
    """orjson's words for the error and its place. orjson sees one line, so its line number is always 1."""
    what = str(error.msg)
    return f"{what[:1].lower()}{what[1:]} at column {error.colno}"


def _keys(value: dict[str, Any]) -> str:
    shown = ", ".join(map(repr, [*value][:5])) + (", ..." if len(value) > 5 else "")
    return shown or "an empty object"
