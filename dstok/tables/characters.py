r"""The characters that merging may take as one symbol, instead of starting from their bytes.

In: the tokens of a model. Out: two tables for `BPE.symbols`.
Invariant: merging gives the same ids from these characters as from single bytes. Example: merging may take 中
(E4 B8 AD) whole, if merging its bytes gives its token. But not after a space if " \xe4" is a token: it could take the
first byte. core/merge/_bpe.pyx has the proof.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence, Set

from dstok.core.merge._bpe import BPE

__all__ = ["TORN_BYTES", "torn_borders", "whole_characters"]

TORN_BYTES = 8192
Tokens = Sequence[bytes | None]


def whole_characters(tokens: Tokens, bpe: BPE, settled: Set[int]) -> bytes:
    """The table of BMP characters that are tokens: uint32[0x10000], id + 1 or 0, as bytes.

    `tokens` are all tokens by id; only those in `settled` (byte_pairs.py) count.
    """
    table = array("I", bytes(4 * 0x10000))
    for i in settled:
        token = tokens[i] or b""
        if _is_character(token) and bpe.encodes_to_itself(i):
            table[ord(token.decode())] = i + 1
    return table.tobytes()


def torn_borders(tokens: Tokens) -> bytes:
    r"""The bitmap, 65,536 bits, of pairs of bytes (left << 8 | right) that stand at a torn border inside a token.

    A border between characters is torn if on one side of it the token holds only a part of a character.

    >>> bits = torn_borders([b" \xe4", "中文".encode()])
    >>> [pair for pair in range(65536) if bits[pair >> 3] >> (pair & 7) & 1] == [0x20E4]
    True
    """
    bits = bytearray(TORN_BYTES)
    for token in tokens:
        if token is None or token.isascii():
            continue
        for border in range(1, len(token)):
            if token[border] & 0xC0 != 0x80 and _is_torn(token, border):
                pair = token[border - 1] << 8 | token[border]
                bits[pair >> 3] |= 1 << (pair & 7)
    return bytes(bits)


def _is_torn(token: bytes, border: int) -> bool:
    """Is the character before the border, or the one after it, incomplete?"""
    start, end = border - 1, border + 1
    while start > 0 and token[start] & 0xC0 == 0x80:
        start -= 1
    while end < len(token) and token[end] & 0xC0 == 0x80:
        end += 1
    return not (_is_character(token[start:border]) and _is_character(token[border:end]))


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False
