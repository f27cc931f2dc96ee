r"""SentencePiece's .model files -> `ModelDescription`.

In: a .model file of BPE with byte fallback, as Llama 2 and Mistral have it; the tokenizer_config.json beside it.
Out: the model, by way of pieces.py.
Invariant: the ids of a text without control tokens are SentencePiece's. A file whose settings ask for more is refused,
with the field's name.
Source: sentencepiece_model.proto and SentencePiece 0.2.3; tests/formats/test_sentencepiece.py compares with it.

- SentencePiece puts a space, its dummy prefix, before a text. Here a space stands before each stretch between control
  tokens. SentencePiece finds no control token in a text, so its callers encode the stretches one by one.
- User-defined symbols are found in the text with its space. No space is put after them. The text has U+2581 for
  spaces by then, so a symbol with a literal space is never found.
- A folder of the hub may add tokens in its tokenizer_config.json.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.character_shape import byte_spelling
from dstok.formats.description import ENDS, ModelDescription, TokenizerConfig
from dstok.formats.json_value import Value, load_json
from dstok.formats.pieces import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, Piece, describe_pieces
from dstok.formats.tokenizer_config import entries_by_id, read_tokenizer_config

__all__ = ["describe_sentencepiece", "pieces_of"]

BPE = 2
ALGORITHMS = {1: "Unigram", 2: "BPE", 3: "words", 4: "characters"}
_Fields = dict[int, Any]
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5  # protobuf's wire types
WIRE = {VARINT: "a number", FIXED_64: "64 bits", BYTES: "bytes", FIXED_32: "32 bits"}
MAX_FIELD = (1 << 29) - 1
PIECES, TRAINER, NORMALIZER, DENORMALIZER = 1, 2, 3, 5
FILE = {PIECES: BYTES, TRAINER: BYTES, NORMALIZER: BYTES, DENORMALIZER: BYTES}  # the fields that are read
PIECE = {1: BYTES, 2: FIXED_32, 3: VARINT}
SETTINGS = {TRAINER: {3: VARINT, 24: VARINT, 35: VARINT, 46: BYTES, 47: BYTES, 48: BYTES},
            NORMALIZER: {1: BYTES, 2: BYTES, 3: VARINT, 4: VARINT, 5: VARINT}, DENORMALIZER: {1: BYTES, 2: BYTES}}


def describe_sentencepiece(data: bytes, config: bytes | None = None, added: bytes | None = None) -> ModelDescription:
    """The model of a .model file; `config` and `added` are the tokenizer_config.json and added_tokens.json beside it.

    Raises `UnsupportedError` and `TokenizerFileError`.
    """
    pieces, specs = pieces_of(data), dict[int, _Fields]()
    for field, value, at in _fields(data, 0, FILE):
        if field in SETTINGS:
            specs.setdefault(field, {}).update(
                (number, found) for number, found, _ in _fields(value, at, SETTINGS[field]))
    if not pieces:
        raise TokenizerFileError("expected a .model file of SentencePiece, found no pieces", "byte 0")
    trainer, normalizer = specs.get(TRAINER, {}), specs.get(NORMALIZER, {})
    _check_trainer(trainer)
    _check_normalizer(normalizer, specs.get(DENORMALIZER, {}))
    prefix = bool(normalizer.get(3, True))
    model = describe_pieces(pieces, "stretch" if prefix else "none", int(prefix), "pieces")
    assert model.characters is not None
    if -1 in model.characters.byte_ids:
        missing = byte_spelling(model.characters.byte_ids.index(-1))
        raise TokenizerFileError(f"expected a piece of type {BYTE} for each byte, found none for {missing}", "pieces")
    for i in [i for i, piece in enumerate(pieces) if piece.kind == UNKNOWN][1:]:
        raise TokenizerFileError(f"expected one unknown piece, of type {UNKNOWN}, found another", f"pieces[{i}]")
    # Symbols are found in the normalized text. A normalizer that puts a space before it would change them, too.
    tokens = [token._replace(normalized=True, literal=prefix) if pieces[token.id].kind == USER_DEFINED else token
              for token in model.added_tokens]
    ends = _ends(trainer, pieces)
    if config is not None:
        tokens += _tokens_beside(load_json(config, "tokenizer_config.json: "), pieces, tokens)
    _check_names(added, tokens)
    if config is not None:
        ids = {piece.text: i for i, piece in enumerate(pieces)} | {token.content: token.id for token in tokens}
        found = read_tokenizer_config(config, ids)
        ends = replace(found, **{name: getattr(ends, name) for name in ENDS if getattr(found, name) is None})
    return replace(model, added_tokens=tuple(tokens), config=ends)


def pieces_of(data: bytes) -> list[Piece]:
    """The pieces of a .model file, by their ids. Raises `TokenizerFileError`."""
    return [_piece(value, at) for field, value, at in _fields(data, 0, FILE) if field == PIECES]


# Settings


def _check_trainer(trainer: _Fields) -> None:
    algorithm = trainer.get(3, 1)
    if algorithm != BPE:
        raise UnsupportedError(f"expected the model type BPE, found {ALGORITHMS.get(algorithm, algorithm)}",
                               "trainer_spec.model_type")
    if not trainer.get(35):
        raise UnsupportedError("BPE without byte_fallback", "trainer_spec.byte_fallback")
    if trainer.get(24):
        raise UnsupportedError("a space at the end of words", "trainer_spec.treat_whitespace_as_suffix")


def _check_normalizer(normalizer: _Fields, denormalizer: _Fields) -> None:
    for spec, name in ((normalizer, "normalizer_spec"), (denormalizer, "denormalizer_spec")):
        if spec.get(2):
            rule = spec.get(1, b"").decode("utf-8", "replace")[:80]
            raise UnsupportedError(f"the normalization {rule!r}", f"{name}.precompiled_charsmap")
    if normalizer.get(4, True):
        raise UnsupportedError("extra spaces that are removed", "normalizer_spec.remove_extra_whitespaces")
    if not normalizer.get(5, True):
        raise UnsupportedError("spaces that are not written as U+2581", "normalizer_spec.escape_whitespaces")


def _ends(trainer: _Fields, pieces: list[Piece]) -> TokenizerConfig:
    """BOS, EOS and the padding: the control tokens with the names that the trainer had for them."""
    control = {piece.text: i for i, piece in enumerate(pieces) if piece.kind == CONTROL}
    names = ((46, b"<s>"), (47, b"</s>"), (48, b"<pad>"))
    bos, eos, pad = (control.get(trainer.get(field, name).decode("utf-8", "replace")) for field, name in names)
    unknown = next((i for i, piece in enumerate(pieces) if piece.kind == UNKNOWN), None)
    return TokenizerConfig(bos, eos, pad, unknown)


# Added tokens


def _tokens_beside(settings: Value, pieces: list[Piece], known: list[AddedToken]) -> Iterator[AddedToken]:
    """The further tokens in `added_tokens_decoder`."""
    contents = {token.content for token in known}
    for number, entry in entries_by_id(settings.get("added_tokens_decoder")).items():
        content = entry.need("content")
        if number < len(pieces) and pieces[number].text != content.text():
            content.wrong(f"the piece {pieces[number].text!r}")
        if content.text() in contents:
            continue
        flags = {name: entry.need(name).boolean() for name in ("single_word", "lstrip", "rstrip", "special")}
        yield AddedToken(number, content.text(), **flags)


def _check_names(added: bytes | None, tokens: list[AddedToken]) -> None:
    """Refuses an added_tokens.json with tokens that a tokenizer_config.json does not list, with their flags."""
    known = {token.content for token in tokens}
    for content in load_json(added, "added_tokens.json: ").object() if added is not None else ():
        if content not in known:
            raise UnsupportedError(f"the token {content[:80]!r}, which no tokenizer_config.json lists in "
                                   "added_tokens_decoder", "added_tokens.json")


# The wire format of protobuf


def _piece(value: bytes, at: int) -> Piece:
    fields: _Fields = {1: b"", 2: bytes(4), 3: NORMAL}
    fields.update((field, found) for field, found, _ in _fields(value, at, PIECE))
    (score,), kind = struct.unpack("<f", fields[2]), fields[3]
    try:
        spelled = fields[1].decode()
    except UnicodeDecodeError as error:
        raise TokenizerFileError(f"expected a piece in UTF-8, found {error.reason}", f"byte {at}") from None
    if "\0" in spelled:
        raise TokenizerFileError("expected a piece without the character U+0000, which SentencePiece refuses, found "
                                 f"{spelled[:80]!r}", f"byte {at}")
    if kind not in range(NORMAL, BYTE + 1):
        raise TokenizerFileError(f"expected a type from 1 to 6, found {kind!r}", f"byte {at}")
    return Piece(spelled, score, kind)


def _fields(data: bytes, start: int, wires: Mapping[int, int]) -> Iterator[tuple[int, Any, int]]:
    """The fields of a message as (number, value, offset in the file): an int for VARINT, else bytes.

    wires: the wire types of the fields that are read. Another one is refused, where protobuf skips the field. A group
    is refused: the format has none.
    """
    at = 0
    while at < len(data):
        begin = at
        key, at = _varint(data, at, start, 5)
        kind = key & 7
        if not 0 < key >> 3 <= MAX_FIELD:
            raise TokenizerFileError(f"expected a field's number from 1 to {MAX_FIELD}, found {key >> 3}",
                                     f"byte {start + begin}")
        if wires.get(key >> 3, kind) != kind:
            raise TokenizerFileError(f"expected {WIRE[wires[key >> 3]]}, found {WIRE.get(kind, f'wire type {kind}')}",
                                     f"byte {start + begin}")
        if kind == VARINT:
            value, at = _varint(data, at, start, 10)
            yield key >> 3, value, start + begin
            continue
        if kind == BYTES:
            size, at = _varint(data, at, start, 5)
        elif kind in (FIXED_32, FIXED_64):
            size = 4 if kind == FIXED_32 else 8
        else:
            raise TokenizerFileError(f"expected a field of protobuf, found wire type {kind}", f"byte {start + begin}")
        if size > len(data) - at:
            raise TokenizerFileError(f"expected {size} bytes, found {len(data) - at}: the file is cut short or damaged",
                                     f"byte {start + at}")
        yield key >> 3, data[at : at + size], start + at
        at += size


def _varint(data: bytes, at: int, start: int, most: int) -> tuple[int, int]:
    """A number of up to 64 bits in at most `most` bytes, seven bits in each, and the offset after it."""
    value = 0
    for shift in range(0, 7 * most, 7):
        if at == len(data):
            break
        byte = data[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if byte < 0x80:
            return value & (1 << 64) - 1, at
    raise TokenizerFileError(f"expected a number, found the end or more than {most} bytes", f"byte {start + at}")
