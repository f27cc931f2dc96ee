r"""The shape of a BPE model from characters: what it does to a text before merging, and to the joined tokens after it.

In: the findings of a reader (character_bpe.py for a tokenizer.json). Out: `CharacterShape`.
Invariant: the shape, the tokens and the merges decide each encoding and decoding. Inside dstok, text and tokens are
canonical: a space stands for U+2581, which the files write for it. Example: the file's token "▁the" is b" the" here.
The token "<0xE4>" is the one byte b"\xe4".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = ["BLANK", "PREFIXES", "CharacterShape", "Prefix", "byte_spelling", "canonical", "spelled"]

BLANK = "▁"  # U+2581: files write it for a space
Prefix = Literal["none", "stretch", "unless-blank", "text"]
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)


@dataclass(frozen=True)
class CharacterShape:
    """The steps of a model of characters around merging.

    prefix: where a space is put before a stretch of text between added tokens: nowhere ("none"), before each one
        ("stretch"), before each one that begins with none ("unless-blank"), or only before such a one at the start of
        the whole text ("text").
    split: is the text cut before each space?
    strip: how many spaces, 0 or 1, decoding drops at the start of a text.
    byte_ids: for each byte the id of its token, such as "<0x0A>", or -1.
    parts: the file's own normalizer, pre-tokenizer, decoder, unk_token and fuse_unk, as a JSON object. "": none, so a
        writer makes its own. They change nothing beyond the other fields.
    """

    prefix: Prefix
    split: bool
    strip: int
    byte_ids: tuple[int, ...]
    parts: str = field(default="", compare=False)


def byte_spelling(byte: int) -> str:
    """The token of a byte.

    >>> byte_spelling(10)
    '<0x0A>'
    """
    return f"<0x{byte:02X}>"


def canonical(text: str) -> str:
    """The text with spaces for U+2581.

    >>> canonical("▁a")
    ' a'
    """
    return text.replace(BLANK, " ")


def spelled(token: bytes, token_id: int, shape: CharacterShape) -> str:
    r"""The token as files spell it.

    >>> shape = CharacterShape("none", False, 0, (*range(3, 259),))
    >>> spelled(b"\n", 13, shape), spelled(b" a", 300, shape)
    ('<0x0A>', '▁a')
    """
    if len(token) == 1 and shape.byte_ids[token[0]] == token_id:
        return byte_spelling(token[0])
    return token.decode().replace(" ", BLANK)
