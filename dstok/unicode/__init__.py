"""The Unicode character database as dstok needs it: sets of code points by property and version."""

from __future__ import annotations

from dstok.unicode.code_point_set import MAX_CODE_POINT, CodePointSet
from dstok.unicode.sets import (
    DEFAULT_VERSION,
    UnknownPropertyError,
    alphabetic,
    category_of,
    checksum,
    digit,
    general_category,
    property_set,
    versions,
    white_space,
    word,
)

__all__ = [
    "DEFAULT_VERSION",
    "MAX_CODE_POINT",
    "CodePointSet",
    "UnknownPropertyError",
    "alphabetic",
    "category_of",
    "checksum",
    "digit",
    "general_category",
    "property_set",
    "versions",
    "white_space",
    "word",
]
