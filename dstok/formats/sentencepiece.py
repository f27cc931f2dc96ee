"""SentencePiece's .model files, and pieces with scores, as GGUF has them, too -> `ModelDescription`.

In: a .model file of BPE with byte fallback, as Llama 2 and Mistral have it, and the tokenizer_config.json beside it; or
pieces with scores and types, in the order of ids. Out: the model of characters that merges as SentencePiece does.
Invariant: SentencePiece joins the two neighbours whose joined text is the piece with the best score, the leftmost of
equals. The rules of the description do the same: all ways to cut a piece in two, by score. A file whose equal scores
could make a difference, or whose settings ask for more, is refused: docs/exactness.md.
Source: sentencepiece_model.proto, SentencePiece 0.2.3 and llama.cpp v0.5.0, run; tests/formats/test_sentencepiece.py.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from dstok._util.json_value import load_json, shown
from dstok.core.bpe.tables import MAX_IDS, MAX_MERGES
from dstok.core.text.model_json import pack_tokens
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8, byte_spelling
from dstok.formats.character_bpe import canonical_steps
from dstok.formats.description import BLANK, ENDS, AddedToken, CharacterShape, ModelDescription, Prefix, TokenizerConfig
from dstok.formats.tokenizer_config import entries_by_id, read_tokenizer_config

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # the types in both formats
MAX_PIECE = 256  # characters: all its cuts are looked up
MAX_RUN = 64     # characters of a run with the score of another one


class Piece(NamedTuple):
    """A piece as files spell it, with U+2581 for a space; its score and type."""

    text: str
    score: float
    kind: int


def describe_pieces(
    pieces: Sequence[Piece], prefix: Prefix, strip: int, where: str, *, raw: bool = False,
) -> ModelDescription:
    """The model of pieces. `where` is the place of the list of pieces, for errors.

    prefix, strip: as in `CharacterShape`. Control tokens and the unknown token are special; user-defined ones are
    added tokens, too. raw: added tokens are found in the raw text. So merging can make those with U+2581, of spaces;
    the others are taken out before. A piece with a literal space that is looked for after spaces became U+2581 stands
    in no text: its id is a raw one. Raises `UnsupportedError` and `TokenizerFileError`.
    """
    if len(pieces) > MAX_IDS:
        raise UnsupportedError(f"more than {MAX_IDS} pieces", where)
    lost = {i for i, piece in enumerate(pieces)
            if " " in piece.text and (piece.kind == NORMAL or (piece.kind == USER_DEFINED and not raw))}
    ids = _ids(pieces, lost, where)
    byte_ids = _byte_ids(pieces, ids, where)
    merged = {i for i, piece in enumerate(pieces) if (piece.kind == NORMAL and i not in lost)
              or (raw and piece.kind in (UNKNOWN, CONTROL, USER_DEFINED) and BLANK in piece.text)}
    merges = _rules(pieces, merged, where)
    _check_scores(pieces, merges, merged, where)
    apart = {UNUSED} if raw else {UNUSED, CONTROL, UNKNOWN}  # no characters become one of these
    tokens = [None if piece.kind in apart else piece.text.replace(BLANK, " ").encode() for piece in pieces]
    for byte, token_id in enumerate(byte_ids):
        if token_id >= 0:
            tokens[token_id] = bytes([byte])
    shape = CharacterShape(prefix, False, strip, byte_ids)
    added = tuple(AddedToken(i, piece.text, special=piece.kind != USER_DEFINED) for i, piece in enumerate(pieces)
                  if piece.kind in (UNKNOWN, CONTROL, USER_DEFINED) and i not in lost)
    places = {f"added_tokens[{number}]": f"{where}[{token.id}]" for number, token in enumerate(added)}
    return ModelDescription((), pack_tokens(tokens), frozenset(lost), merges, added, False,
                            normalizer=canonical_steps(shape, where), characters=shape,
                            places={"vocab": where, "merges": where, **places})


def _ids(pieces: Sequence[Piece], lost: set[int], where: str) -> dict[str, int]:
    """The ids by text, with U+2581 for spaces but in `lost` pieces. No two pieces have one."""
    ids: dict[str, int] = {}
    for i, (text, score, _) in enumerate(pieces):
        owner = ids.setdefault(text if i in lost else text.replace(" ", BLANK), i)
        fault = ("expected a piece, found an empty one" if not text else
                 f"expected a piece of its own, found {shown(text)} of id {owner} again" if owner != i else
                 "expected a score, found NaN" if score != score else None)
        if fault:
            raise TokenizerFileError(fault, f"{where}[{i}]")
        if i in lost and BLANK in text:
            raise UnsupportedError(f"the piece {shown(text)} with a space and U+2581", f"{where}[{i}]")
    return ids


def _byte_ids(pieces: Sequence[Piece], ids: dict[str, int], where: str) -> tuple[int, ...]:
    """The id of each byte's piece, or -1. A byte that characters need has one."""
    found = [ids.get(byte_spelling(byte), -1) for byte in range(256)]
    found = [i if i >= 0 and pieces[i].kind == BYTE else -1 for i in found]
    for byte, token_id in enumerate(found):
        owner = ids.get(BLANK if byte == ord(" ") else chr(byte)) if byte < 0x80 else None
        alone = owner is not None and pieces[owner].kind in (NORMAL, USER_DEFINED)
        if not alone and byte not in NOT_IN_UTF_8 and (token_id < 0 or byte == ord(" ")):
            missing = BLANK if byte == ord(" ") else byte_spelling(byte)
            raise UnsupportedError(f"a vocabulary without the piece {missing!r}, which characters need", where)
    for number in (i for i, piece in enumerate(pieces) if piece.kind == BYTE and i not in found):
        raise TokenizerFileError(f"expected the spelling of a byte, found {shown(pieces[number].text)}",
                                 f"{where}[{number}]")
    return tuple(found)


def _rules(pieces: Sequence[Piece], merged: set[int], where: str) -> array[int]:
    """The rules (left, right, joined), flat, the best first; `merged` are the pieces that merging takes and makes."""
    ids = {pieces[i].text: i for i in merged}
    for i in merged:
        if len(pieces[i].text) > MAX_PIECE:
            raise UnsupportedError(f"the piece {shown(pieces[i].text)} of more than {MAX_PIECE} characters",
                                   f"{where}[{i}]")
    alone = {piece.text for piece in pieces if piece.kind in (NORMAL, USER_DEFINED)}
    made = [i for i, piece in enumerate(pieces)
            if 1 < len(piece.text) <= 2 * MAX_PIECE and (i in merged or piece.kind in (UNUSED, BYTE))]
    rules = array("I")
    for _, equal in groupby(sorted(made, key=lambda i: -pieces[i].score), key=lambda i: pieces[i].score):
        cuts: list[tuple[int, ...]] = []  # in this order: the longer left side first, then the longer right side
        for i in equal:
            text = pieces[i].text
            for at in range(1, len(text)):
                left, right = ids.get(text[:at]), ids.get(text[at:])
                if left is not None and right is not None:
                    cuts.append((-at, at - len(text), left, right, i))
        rules.extend(number for *_, left, right, i in sorted(cuts) for number in (left, right, i))
        if len(rules) > 3 * MAX_MERGES:
            raise UnsupportedError(f"more than {MAX_MERGES} merges", where)
    for i in sorted(set(rules[2::3]) - merged):
        raise UnsupportedError(f"the piece {shown(pieces[i].text)} of no text, which merging could make",
                               f"{where}[{i}]")
    for i in made:
        text, size = pieces[i].text, len(pieces[i].text)
        # Two parts that can stand side by side are pieces, or single characters, pieces or not.
        if not alone.issuperset(text) and any((at == 1 or text[:at] in ids) and (at == size - 1 or text[at:] in ids)
                                              for at in range(1, size)):
            char = next(char for char in text if char not in alone)
            raise UnsupportedError(f"the piece {shown(text)} with {char!r}, which is no piece", f"{where}[{i}]")
    return rules


def _check_scores(pieces: Sequence[Piece], merges: array[int], merged: set[int], where: str) -> None:
    """Raises `UnsupportedError` if the leftmost of two pieces with one score is not always the one with more rank."""
    joined = set(merges[2::3])
    times = Counter(pieces[made].score for made in joined)
    tied = {made for made in joined if times[pieces[made].score] > 1}
    if not tied:
        return
    runs: dict[str, tuple[set[int], set[float]]] = {}  # of each character: the lengths and scores of its runs
    for piece in (pieces[i] for i in merged):
        if len(piece.text) > 1 and _is_run(piece.text):
            lengths, scores = runs.setdefault(piece.text[0], (set(), set()))
            lengths.add(len(piece.text))
            scores.add(piece.score)
    alike = {char for char, (lengths, scores) in runs.items()
             if len(scores) == 1 and max(lengths) <= MAX_RUN and _grow_alike(lengths)}
    for made in tied:
        if pieces[made].text[0] not in alike or not _is_run(pieces[made].text):
            raise UnsupportedError(f"the piece {shown(pieces[made].text)}, with a score that another one has, too",
                                   f"{where}[{made}]")
    for left, right, made in zip(merges[::3], merges[1::3], merges[2::3]):
        text = pieces[made].text
        for side in {left, right} & tied:
            if pieces[made].score >= pieces[side].score and not _is_run(text):
                raise UnsupportedError(f"the piece {shown(text)}, which takes {shown(pieces[side].text)} before that "
                                       "has grown", f"{where}[{made}]")


def _is_run(text: str) -> bool:
    """Is the text one character, again and again?"""
    return text == text[0] * len(text)


def _grow_alike(lengths: set[int]) -> bool:
    """Is the leftmost pair in each run of a character the one with the longest left side? `lengths`: of the pieces.

    The longest piece is made first, with nothing but single characters after it, and is no left side. So what follows
    it is a run of its own, and twice its length shows all that can happen.
    """
    longest = max(lengths)
    for count in range(2, 2 * longest + 1):
        run = [1] * count
        while pairs := [(-one, -next, at) for at, (one, next) in enumerate(pairwise(run)) if one + next in lengths]:
            if min(pairs) != min(pairs, key=itemgetter(2)):
                return False
            at = min(pairs)[2]
            run[at : at + 2] = [run[at] + run[at + 1]]
            if at == 0 and run[0] == longest and max(run[1:], default=1) > 1:
                return False
        if count >= longest and run[0] != longest:
            return False
    return True


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
    _check_settings(trainer, normalizer, specs.get(DENORMALIZER, {}))
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
    # BOS, EOS and the padding are the control tokens with the names that the trainer had for them.
    control = {piece.text: i for i, piece in enumerate(pieces) if piece.kind == CONTROL}
    names = ((46, b"<s>"), (47, b"</s>"), (48, b"<pad>"))
    bos, eos, pad = (control.get(trainer.get(field, name).decode("utf-8", "replace")) for field, name in names)
    ends = TokenizerConfig(bos, eos, pad, next((i for i, piece in enumerate(pieces) if piece.kind == UNKNOWN), None))
    ids = {piece.text: i for i, piece in enumerate(pieces)}
    contents = {token.content for token in tokens}
    listed = load_json(config, "tokenizer_config.json: ").get("added_tokens_decoder") if config is not None else None
    for number, entry in entries_by_id(listed).items():
        content = entry.need("content")
        if number < len(pieces) and pieces[number].text != content.text():
            content.wrong(f"the piece {pieces[number].text!r}")
        if content.text() not in contents:
            flags = {name: entry.need(name).boolean() for name in ("single_word", "lstrip", "rstrip", "special")}
            tokens.append(AddedToken(number, content.text(), **flags))
    contents = {token.content for token in tokens}
    for name in load_json(added, "added_tokens.json: ").object() if added is not None else ():
        if name not in contents:
            raise UnsupportedError(f"the token {name[:80]!r}, which no tokenizer_config.json lists in "
                                   "added_tokens_decoder", "added_tokens.json")
    if config is not None:
        found = read_tokenizer_config(config, (ids | {token.content: token.id for token in tokens}).get)
        ends = found._replace(**{name: getattr(ends, name) for name in ENDS if getattr(found, name) is None})
    return model._replace(added_tokens=tuple(tokens), config=ends)


def pieces_of(data: bytes) -> list[Piece]:
    """The pieces of a .model file, by their ids. Raises `TokenizerFileError`."""
    return [_piece(value, at) for field, value, at in _fields(data, 0, FILE) if field == PIECES]


def _check_settings(trainer: _Fields, normalizer: _Fields, denormalizer: _Fields) -> None:
    algorithm, rules = trainer.get(3, 1), [spec.get(1, b"").decode("utf-8", "replace")[:80]
                                           for spec in (normalizer, denormalizer)]
    for refused, what, where in (
        (algorithm != BPE, f"expected the model type BPE, found {ALGORITHMS.get(algorithm, algorithm)}",
         "trainer_spec.model_type"),
        (not trainer.get(35), "BPE without byte_fallback", "trainer_spec.byte_fallback"),
        (trainer.get(24), "a space at the end of words", "trainer_spec.treat_whitespace_as_suffix"),
        (normalizer.get(2), f"the normalization {rules[0]!r}", "normalizer_spec.precompiled_charsmap"),
        (denormalizer.get(2), f"the normalization {rules[1]!r}", "denormalizer_spec.precompiled_charsmap"),
        (normalizer.get(4, True), "extra spaces that are removed", "normalizer_spec.remove_extra_whitespaces"),
        (not normalizer.get(5, True), "spaces that are not written as U+2581", "normalizer_spec.escape_whitespaces"),
    ):
        if refused:
            raise UnsupportedError(what, where)


def _piece(value: bytes, at: int) -> Piece:
    fields: _Fields = {1: b"", 2: bytes(4), 3: NORMAL}
    fields.update((field, found) for field, found, _ in _fields(value, at, PIECE))
    (score,), kind = struct.unpack("<f", fields[2]), fields[3]
    try:
        spelled = fields[1].decode()
        fault = (f"a piece without the character U+0000, which SentencePiece refuses, found {spelled[:80]!r}"
                 if "\0" in spelled else f"a type from 1 to 6, found {kind!r}" if not NORMAL <= kind <= BYTE else None)
    except UnicodeDecodeError as error:
        fault = f"a piece in UTF-8, found {error.reason}"
    if fault:
        raise TokenizerFileError(f"expected {fault}", f"byte {at}")
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
        field, kind = key >> 3, key & 7
        fault = (f"expected a field's number from 1 to {MAX_FIELD}, found {field}" if not 0 < field <= MAX_FIELD else
                 f"expected {WIRE[wires[field]]}, found {WIRE.get(kind, f'wire type {kind}')}"
                 if wires.get(field, kind) != kind else
                 f"expected a field of protobuf, found wire type {kind}" if kind not in WIRE else None)
        if fault:
            raise TokenizerFileError(fault, f"byte {start + begin}")
        if kind == VARINT:
            value, at = _varint(data, at, start, 10)
            yield field, value, start + begin
            continue
        size, at = _varint(data, at, start, 5) if kind == BYTES else (4 if kind == FIXED_32 else 8, at)
        if size > len(data) - at:
            raise TokenizerFileError(f"expected {size} bytes, found {len(data) - at}: the file is cut short or damaged",
                                     f"byte {start + at}")
        yield field, data[at : at + size], start + at
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
