r"""The objects `truncation` and `padding` of a tokenizer.json: settings for rows, which no id of a text depends on.

In: the two objects. Out: the same with all keys, or None. Invariant: upstream loads each object that is read.
dstok keeps them as settings. `encode` gives upstream's ids with both switched off (`no_truncation`, `no_padding`);
`dstok.rows.file_settings` makes arguments of them.
Source: upstream 0.23.3, measured; tests/formats/test_row_settings.py repeats the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dstok.formats.json_value import Value

__all__ = ["check_row_settings", "read_padding", "read_truncation"]

MAX_U32, MAX_LENGTH = (1 << 32) - 1, (1 << 63) - 1


def read_truncation(value: Value | None) -> dict[str, Any] | None:
    """The settings in `truncation`. Raises `TokenizerFileError`.

    >>> read_truncation(Value({"max_length": 512, "strategy": "LongestFirst", "stride": 0}, "$.truncation"))
    {'max_length': 512, 'strategy': 'LongestFirst', 'stride': 0, 'direction': 'Right'}
    """
    if value is None:
        return None
    return {"max_length": value.need("max_length").integer(MAX_LENGTH),
            "strategy": _one_of(value.need("strategy"), "LongestFirst", "OnlyFirst", "OnlySecond"),
            "stride": value.need("stride").integer(MAX_LENGTH),
            "direction": _direction(value) if "direction" in value.object() else "Right"}


def read_padding(value: Value | None) -> dict[str, Any] | None:
    """The settings in `padding`. Raises `TokenizerFileError`.

    >>> read_padding(Value({"strategy": {"Fixed": 8}, "direction": "Left", "pad_id": 0, "pad_type_id": 0,
    ...                     "pad_token": "<pad>"}, "$.padding"))["strategy"]
    {'Fixed': 8}
    """
    if value is None:
        return None
    multiple = value.get("pad_to_multiple_of")
    return {"strategy": _strategy(value.need("strategy")), "direction": _direction(value),
            "pad_to_multiple_of": None if multiple is None else multiple.integer(MAX_LENGTH),
            "pad_id": value.need("pad_id").integer(MAX_U32), "pad_type_id": value.need("pad_type_id").integer(MAX_U32),
            "pad_token": value.need("pad_token").text()}


def check_row_settings(truncation: Mapping[str, Any] | None, padding: Mapping[str, Any] | None) -> None:
    """Raises `ValueError`, with the place, for settings that these readers never return."""
    for name, found, read in (("truncation", truncation, read_truncation), ("padding", padding, read_padding)):
        if found is not None and read(Value(found, name)) != found:
            raise ValueError(f"{name}: expected the keys of a tokenizer.json, found others")


def _strategy(value: Value) -> str | dict[str, int]:
    if not isinstance(value.value, dict):
        return _one_of(value, "BatchLongest")
    if list(value.object()) != ["Fixed"]:
        value.wrong('"BatchLongest" or an object with the key Fixed')
    return {"Fixed": value.need("Fixed").integer(MAX_LENGTH)}


def _direction(value: Value) -> str:
    return _one_of(value.need("direction"), "Left", "Right")


def _one_of(value: Value, *names: str) -> str:
    return value.text() if value.text() in names else value.wrong(f"one of {', '.join(names)}")
