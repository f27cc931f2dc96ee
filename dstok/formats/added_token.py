"""An added token and its flags.

A module of its own, since every start reads some hundred of them, and needs no spelling.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["AddedToken"]


class AddedToken(NamedTuple):
    """A token that is matched in the text before anything else, with upstream's flags.

    literal: does decoding give the text as it is, as tiktoken does, even if it is also a spelling in the byte-level
        alphabet? Upstream's decoder takes every such added token for a spelling; see `decoded_bytes`.
        With `normalized`, the normalized text has this very text, with a space for U+2581.
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False
    literal: bool = False
