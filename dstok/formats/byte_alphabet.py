"""How files spell bytes.

In: bytes, or a token's spelling. Out: the other of the two. Invariant: each spelling has its own bytes, and each
sequence of bytes its own spelling: " a" is "Ġa".
Source: GPT-2's byte-level alphabet. A byte that is a visible character in Latin-1 is spelled as that character. The
other 68 bytes, in order, are U+0100, U+0101 and so on.
"""

from __future__ import annotations

import codecs
from itertools import count

_VISIBLE, _spare = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}, count(0x100)
BYTE_TO_CHAR = "".join(chr(byte if byte in _VISIBLE else next(_spare)) for byte in range(256))
BLANK = "▁"  # U+2581: files write it for a space
NOT_IN_UTF_8 = frozenset([0xC0, 0xC1, *range(0xF5, 0x100)])  # a vocabulary may be without tokens for these
_ALPHABET = frozenset(BYTE_TO_CHAR)
_ENCODING = {ord(char): byte for byte, char in enumerate(BYTE_TO_CHAR)}


def spelling(data: bytes) -> str:
    """`data` in the byte-level alphabet, as tokenizer.json spells it."""
    return codecs.charmap_decode(data, "strict", BYTE_TO_CHAR)[0]


def is_spelling(text: str) -> bool:
    """Is every character of `text` in the byte-level alphabet, and is there one?"""
    return text != "" and _ALPHABET.issuperset(text)


def decoded_bytes(text: str) -> bytes:
    """The bytes that upstream's ByteLevel decoder makes of a token, added tokens included.

    A token with a character outside the byte-level alphabet stands for itself as a whole.
    """
    try:
        return codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError:
        return text.encode()


def byte_spelling(byte: int) -> str:
    """The token of a byte: "<0x0A>" of 10."""
    return f"<0x{byte:02X}>"
