"""The Unicode character database as dstok needs it: sets of code points by property and version.

The values of a property, the set of each, and its members:

>>> from dstok import unicode
>>> unicode.versions()
('14.0', '15.0', '16.0', '17.0')
>>> kana = unicode.script("Hiragana", "17.0") | unicode.script("Katakana", "17.0")
>>> "か" in kana, kana.isdisjoint(unicode.binary_property("Ideographic", "17.0"))
(True, True)
>>> len(unicode.general_category("Cn", "16.0") - unicode.general_category("Cn", "17.0"))
4803
"""

from __future__ import annotations

from dstok.unicode.code_point_set import MAX_CODE_POINT, CodePointSet
from dstok.unicode.properties import (
    DEFAULT_VERSION,
    UnknownPropertyError,
    alphabetic,
    binary_properties,
    binary_property,
    category_of,
    checksum,
    digit,
    further_names,
    general_categories,
    general_category,
    named_set,
    posix_set,
    property_set,
    script,
    script_extensions,
    scripts,
    versions,
    white_space,
    word,
)

__all__ = [
    "DEFAULT_VERSION", "MAX_CODE_POINT", "CodePointSet", "UnknownPropertyError", "alphabetic", "binary_properties",
    "binary_property", "category_of", "checksum", "digit", "further_names", "general_categories", "general_category",
    "named_set", "posix_set", "property_set", "script", "script_extensions", "scripts", "versions", "white_space",
    "word",
]
