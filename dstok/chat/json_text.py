"""JSON as the references read and write it.

In: a value, or the text of one. Out: the text that Python's json writes with raw non-ASCII characters, or the value.
Invariant: a value or text that json refuses is a `ChatError` with the class of json's error.
Source: `to_json` of the scripts of V3.2 and V4 (json.dumps, ensure_ascii=False).
"""

from __future__ import annotations

import json
from typing import Any

from dstok.errors import ChatError

__all__ = ["dump", "load"]


def dump(value: Any, index: int | None, field: str) -> str:
    """The value as JSON. Raises `ChatError` for cycles, too deep nesting, and values that JSON cannot express.

    >>> dump({"é": [1, 2.0, None]}, 0, "tools")
    '{"é": [1, 2.0, null]}'
    """
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ChatError(f"expected a value that JSON can hold: {error}", index, field, type(error).__name__) from None


def load(text: str, index: int | None, field: str) -> Any:
    """The value of a JSON text. Raises `ChatError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChatError(f"expected JSON: {error}", index, field, type(error).__name__) from None
