"""Small .model files of SentencePiece, byte by byte."""

from __future__ import annotations

import struct
from typing import Any

from dstok.formats.sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, Piece

SMALL = (
    Piece("<unk>", 0, UNKNOWN), Piece("<s>", 0, CONTROL), Piece("</s>", 0, CONTROL),
    *(Piece(f"<0x{byte:02X}>", 0, BYTE) for byte in range(256)),
    *(Piece(text, -number, NORMAL) for number, text in enumerate(("ab", "▁a", "▁ab", "▁", "a", "b", "c", "é"))),
)
TRAINER = {3: 2, 35: 1}  # BPE, byte_fallback
NORMALIZER = {1: b"identity", 2: b"", 3: 1, 4: 0}  # a space before the text; spaces stay as they are


def varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def message(fields: Any) -> bytes:
    """The fields (number, value): an int is a varint, a float has 32 bits; bytes have their length before them."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        elif isinstance(value, float):
            parts.append(varint(number << 3 | 5) + struct.pack("<f", value))
        else:
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


def model_bytes(pieces: Any = SMALL, trainer: Any = (), normalizer: Any = (), more: Any = ()) -> bytes:
    """A .model file; `trainer` and `normalizer` are changes to the settings, `more` further fields."""
    listed = [(1, message([(1, text.encode()), (2, float(score)), (3, kind)])) for text, score, kind in pieces]
    settings = {**TRAINER, **dict(trainer)}, {**NORMALIZER, **dict(normalizer)}
    return message([*listed, *((number, message(each.items())) for number, each in enumerate(settings, 2)), *more])
