r"""What a model file says, in one form for all file formats.

In: what a reader of a file format found. Out: `ModelDescription`, from which the engine's tables are built.
Invariant: it holds all that decides an encoding, and nothing else; tokens are bytes, never spellings. For
every merge, `tokens[left] + tokens[right] == tokens[merged]`.
Source: GPT-2's byte-level alphabet, computed here: a byte that Latin-1 shows as a visible character is
spelled as that character, and the other 68 bytes in order as U+0100, U+0101 and so on.
"""

from __future__ import annotations

import codecs
from array import array
from dataclasses import dataclass, replace
from itertools import count

from dstok.errors import UnsupportedError
from dstok.pattern.split import Split

__all__ = [
    "BYTE_TO_CHAR",
    "CHAR_TO_BYTE",
    "NORMALIZERS",
    "NOT_IN_UTF_8",
    "AddedToken",
    "ModelDescription",
    "NormalizerStep",
    "decoded_bytes",
    "is_spelling",
    "spelling",
]


def _byte_level_alphabet() -> str:
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = count(0x100)
    return "".join(chr(byte if byte in visible else next(spare)) for byte in range(256))


BYTE_TO_CHAR = _byte_level_alphabet()
NOT_IN_UTF_8 = frozenset([0xC0, 0xC1, *range(0xF5, 0x100)])  # a vocabulary may be without tokens for these
CHAR_TO_BYTE = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}
_ALPHABET = frozenset(BYTE_TO_CHAR)
_ENCODING = {ord(char): byte for char, byte in CHAR_TO_BYTE.items()}


def spelling(data: bytes) -> str:
    """`data` in the byte-level alphabet, as tokenizer.json spells it.

    >>> spelling(" é".encode())
    'ĠÃ©'
    """
    return codecs.charmap_decode(data, "strict", BYTE_TO_CHAR)[0]


def is_spelling(text: str) -> bool:
    """Is every character of `text` in the byte-level alphabet, and is there one?

    >>> is_spelling("Ġa"), is_spelling(" a"), is_spelling("")
    (True, False, False)
    """
    return text != "" and _ALPHABET.issuperset(text)


def decoded_bytes(text: str) -> bytes:
    r"""The bytes that upstream's ByteLevel decoder makes of a token, added tokens included.

    A token of which one character is outside the byte-level alphabet stands for itself as a whole.

    >>> decoded_bytes("Ġa"), decoded_bytes("Ġ中"), decoded_bytes("õ")
    (b' a', b'\xc4\xa0\xe4\xb8\xad', b'\xf5')
    """
    try:
        return codecs.charmap_encode(text, "strict", _ENCODING)[0]
    except UnicodeEncodeError:
        return text.encode()


@dataclass(frozen=True)
class AddedToken:
    """A token that is matched in the text before anything else, with upstream's flags.

    literal: does decoding give the text as it is, as tiktoken does, though it reads as a spelling in the byte-level
        alphabet? Upstream's decoder takes an added token for a spelling wherever it can; see `decoded_bytes`.
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False
    literal: bool = False


NORMALIZERS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Prepend", "Replace")


@dataclass(frozen=True)
class NormalizerStep:
    """One step of a normalizer, by upstream's type, one of `NORMALIZERS`; sequences are unfolded.

    pattern: of Replace: a regular expression if `is_regex`, else a literal text. content: what Replace puts there, or
    what Prepend puts before the text. left, right: the ends that Strip strips. where: the JSON path, for errors.
    """

    type: str
    pattern: str = ""
    is_regex: bool = False
    content: str = ""
    left: bool = False
    right: bool = False
    where: str = ""


@dataclass(frozen=True)
class ModelDescription:
    """A byte-level BPE model.

    splits: the pre-tokenizer's steps, ByteLevel's own regex (if it is used) among them.
    tokens: by id, the bytes of each entry of the vocabulary; None where an id has none. Added tokens above
        the vocabulary are not in here: its length is the largest id of the vocabulary + 1.
    raw_ids: ids of the vocabulary that BPE can never make, because they are not spelled in the
        byte-level alphabet; their bytes are their spelling's UTF-8.
    merges: typecode "I", flat: left id, right id, merged id, in the order of rank. Merges that can never
        happen, since one of the ids is raw, are not in here.
    added_tokens: in the order of the file.
    normalizer: its steps; none: text is taken as it is.
    ignore_merges: is a piece that is a token of the vocabulary that token, whatever the merges say?

    >>> merges = array("I", [0, 1, 2])
    >>> model = ModelDescription((), (b"a", b"b", b"ab"), frozenset(), merges, (), False, None, None)
    >>> [(model.tokens[left], model.tokens[right]) for left, right, merged in model.merge_rules()]
    [(b'a', b'b')]
    """

    splits: tuple[Split, ...]
    tokens: tuple[bytes | None, ...]
    raw_ids: frozenset[int]
    merges: array[int]
    added_tokens: tuple[AddedToken, ...]
    ignore_merges: bool
    bos_id: int | None
    eos_id: int | None
    unicode_version: str = "16.0"
    normalizer: tuple[NormalizerStep, ...] = ()

    def without_places(self) -> ModelDescription:
        """The same model without the places in its file, by which no encoding changes."""
        splits = tuple(replace(split, where="") for split in self.splits)
        return replace(self, splits=splits, normalizer=tuple(replace(step, where="") for step in self.normalizer))

    def refuse_hidden(self, format: str) -> None:
        """Refuses an added token whose id the vocabulary has for another text, which only a whole piece is.

        Raises `UnsupportedError`: a file of a `format` that has each token once cannot say that.
        """
        used = set(self.merges)
        for number, added in enumerate(self.added_tokens):
            token = self.tokens[added.id] if added.id < len(self.tokens) else None
            if (self.ignore_merges and token and added.id not in used and added.id not in self.raw_ids
                    and token != added.content.encode()):
                raise UnsupportedError(f"the added token {added.content!r}, whose id is also that of the text "
                                       f"{token.decode('utf-8', 'replace')!r}, which {format} cannot say",
                                       f"$.added_tokens[{number}]")

    def merge_rules(self) -> list[tuple[int, int, int]]:
        """The merges as (left id, right id, merged id), in the order of rank."""
        return list(zip(self.merges[::3], self.merges[1::3], self.merges[2::3]))
