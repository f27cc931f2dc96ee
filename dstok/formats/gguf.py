"""GGUF, llama.cpp's file format <-> `ModelDescription`: byte-level BPE ("gpt2") and pieces with scores ("llama").

In: the path of a GGUF file, with tensors or without. Out: the model as upstream has it. From a model also a GGUF file
with a vocabulary and no tensors; `write_gguf` returns, as sentences, the facts that llama.cpp's convention loses.
Invariant: ids are those of upstream's tokenizer.json files that `tokenizer.ggml.pre` stands for (llama_cpp.py tells
where llama.cpp's differ); of pieces those of llama.cpp with parse_special=true, and of SentencePiece if the scores are
its own: docs/exactness.md. A model that would not come out the same when its file is read is refused. The file is
mapped, and a length is believed only if the bytes are there: a damaged file is a `TokenizerFileError` with the file
offset, in time in proportion to the file. (The reader of the package `gguf` makes two numpy arrays for each string.)
Source: the GGUF specification, versions 2 and 3, in ggml's docs/gguf.md; llama.cpp v0.5.0, run, and its
conversion/base.py (`get_vocab_base`) for the types of tokens; tests/formats/test_gguf.py.
"""

from __future__ import annotations

import mmap
import os
import struct
from array import array
from collections.abc import Sequence
from typing import Any, NoReturn

from dstok._util.files import StrPath, WholeFile
from dstok._util.imports import of_extra
from dstok._util.json_value import Value, shown
from dstok.core.bpe.merge import CharacterTable
from dstok.core.bpe.tables import MAX_IDS, live_merges
from dstok.core.text.model_json import TokenTable, pack_tokens
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats import GGUF_MAGIC as MAGIC
from dstok.formats.byte_alphabet import decoded_bytes, is_spelling, spelling
from dstok.formats.description import BLANK, AddedToken, ModelDescription, TokenizerConfig
from dstok.formats.llama_cpp import NO_WHOLE, UNICODE, family_base, family_of_pre, find_family
from dstok.formats.sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, Piece, describe_pieces
from dstok.formats.upstream import NEWEST

TOKENS, TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
MERGES, SCORES = "tokenizer.ggml.merges", "tokenizer.ggml.scores"
ARRAYS = frozenset([TOKENS, TYPES, MERGES, SCORES])  # those that are read
MAX_VALUES = 4 * MAX_IDS  # of one of them: more than a vocabulary and its merges have
MAX_KEYS = 1 << 16
PRE, PREFIX = "tokenizer.ggml.pre", "tokenizer.ggml.add_space_prefix"
PHI_3 = ("phi-3", "phi3")  # in `general.name`, in any case
PHI_3_BARE = ("<unk>", "<s>", "<|endoftext|>")  # after these white space stays there, too

VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def read_gguf(path: StrPath) -> dict[str, Any]:
    """The metadata: numbers, bools, strings, lists of these; for arrays that nobody reads a `range` of their length.

    Raises `UnsupportedError`, `TokenizerFileError` and `OSError`.
    """
    with open(os.fspath(path), "rb") as file:
        try:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise TokenizerFileError("expected a GGUF file, found an empty one", "byte 0") from None
    with mapped:
        return _Reader(mapped).metadata()


class _Reader:
    """Reads the values in turn; `at` is the offset of the next byte."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def broken(self, message: str, at: int) -> NoReturn:
        raise TokenizerFileError(message, f"byte {at}")

    def take(self, size: int) -> bytes:
        start, left = self.at, len(self.data) - self.at
        if size > left:
            self.broken(f"expected {size} bytes, found {left}: the file is cut short or damaged", start)
        self.at += size
        return self.data[start : start + size]

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def count(self, size: int) -> int:
        """A count of items of at least `size` bytes each."""
        start, count = self.at, int(self.number("Q"))
        most = (len(self.data) - self.at) // size
        if count > most:
            self.broken(f"expected at most {most} values, found {count}: the file is cut short or damaged", start)
        return count

    def string(self) -> str:
        data = self.take(self.count(1))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            self.broken(f"not UTF-8: {error.reason}", self.at - len(data) + error.start)

    def kind(self) -> int:
        start, kind = self.at, int(self.number("I"))
        if kind not in (STRING, ARRAY) and kind not in SCALARS:
            self.broken(f"expected a type from 0 to 12, found {kind}", start)
        return kind

    def array(self, key: str) -> list[Any] | range:
        start, kind = self.at, self.kind()
        if kind == ARRAY:
            self.broken("expected an array of numbers or strings, found one of arrays", start)
        size = 8 if kind == STRING else struct.calcsize(SCALARS[kind])
        count = self.count(size)
        if key in ARRAYS:
            if count > MAX_VALUES:
                raise UnsupportedError(f"more than {MAX_VALUES} values", key)
            return ([self.string() for _ in range(count)] if kind == STRING
                    else list(struct.unpack(f"<{count}{SCALARS[kind]}", self.take(count * size))))
        if kind != STRING:  # known to be there
            self.at += count * size
        for _ in range(count if kind == STRING else 0):
            length = self.count(1)
            self.at += length
        return range(count)

    def metadata(self) -> dict[str, Any]:
        if self.take(4) != MAGIC:
            from dstok.formats.reading import LOOK, kind_of  # not needed otherwise

            self.broken(f"expected a GGUF file, found {kind_of(self.data[: LOOK])}", 0)
        version = self.number("I")
        if version not in VERSIONS:
            self.broken(f"expected GGUF version 2 or 3, little-endian, found {version}", 4)
        self.number("Q")  # tensors
        values: dict[str, Any] = {}
        keys = self.count(13)  # a key's length, its type, and a value of one byte
        if keys > MAX_KEYS:
            raise UnsupportedError(f"more than {MAX_KEYS} keys", "byte 16")
        for _ in range(keys):
            start, key = self.at, self.string()
            if key in values:
                self.broken(f"expected a new key, found {key[:80]!r} again", start)
            kind = self.kind()
            values[key] = (self.array(key) if kind == ARRAY else self.string() if kind == STRING
                           else self.number(SCALARS[kind]))
        return values


class _Metadata:
    """The values of a file by key: each one knows its place, and checks its type."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def get(self, key: str) -> Value | None:
        return Value(self.values[key], key) if key in self.values else None

    def need(self, key: str) -> Value:
        if key not in self.values:
            raise TokenizerFileError("expected a value, found none", key)
        return Value(self.values[key], key)

    def strings(self, key: str) -> list[str]:
        found = self.need(key)
        if not (isinstance(found.value, list) and isinstance((found.value or [""])[0], str)):  # all are of one type
            found.wrong("an array of strings")
        return found.value

    def flag(self, key: str) -> bool | None:
        value = self.get(key)
        return None if value is None else value.boolean()

    def types(self, count: int, most: int) -> list[int]:
        """The types of the tokens, 1 to `most`. If the file does not tell, all are 1, normal, as in llama.cpp."""
        types = self.get(TYPES)
        if types is None:
            return [NORMAL] * count
        if not isinstance(types.value, list) or len(types.value) != count:
            types.wrong(f"{count} types, one a token")
        for i, kind in enumerate(types.value):
            if type(kind) is not int or not 1 <= kind <= most:
                Value(kind, f"{TYPES}[{i}]").wrong(f"a type from 1 to {most}")
        return types.value

    def config(self, count: int) -> TokenizerConfig:
        """The settings of BOS, EOS, padding and chats, in a file of `count` tokens."""
        ids = (self.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos", "padding"))
        bos, eos, pad = (None if each is None else each.integer(count - 1) for each in ids)
        add_bos, add_eos = (self.flag(f"tokenizer.ggml.add_{name}_token") for name in ("bos", "eos"))
        template = self.get("tokenizer.chat_template")
        return TokenizerConfig(bos, eos, pad, add_bos=add_bos, add_eos=add_eos,
                               chat_template=None if template is None else template.text())


def _describe_llama(values: _Metadata) -> ModelDescription:
    """The model of a file of this kind."""
    texts, scores, prefix = values.strings(TOKENS), values.need(SCORES), values.flag(PREFIX) is not False
    types, name, config = values.types(len(texts), BYTE), values.get("general.name"), values.config(len(texts))
    if not (isinstance(scores.value, list) and len(scores.value) == len(texts)
            and all(type(score) is float for score in scores.value)):
        scores.wrong(f"{len(texts)} scores, one a token")
    pieces = [Piece(*piece) for piece in zip(texts, scores.value, types)]
    model = describe_pieces(pieces, "stretch" if prefix else "none", int(prefix), TOKENS, raw=True)
    strips = name is not None and any(part in name.text().lower() for part in PHI_3)
    added = tuple(token._replace(rstrip=strips and token.content not in PHI_3_BARE) for token in model.added_tokens)
    return model._replace(added_tokens=added, config=config._replace(add_bos=config.add_bos is not False))


def scores_of(model: ModelDescription, texts: Sequence[str], types: Sequence[int]) -> list[float]:
    """The scores of the tokens of a model of characters, with their texts and types in GGUF.

    Raises `UnsupportedError` for a model that llama.cpp cannot follow with any scores.
    """
    shape = model.characters
    assert shape is not None
    if shape.split or shape.prefix not in ("none", "stretch"):
        raise UnsupportedError("a space that is put before some stretches only, or cuts before spaces: GGUF cannot say "
                               "that", "pre_tokenizer")
    if bool(shape.strip) != (shape.prefix == "stretch"):
        raise UnsupportedError("decoding that drops a space which is not put before the text, or keeps one that is",
                               "decoder")
    for number, token in enumerate(model.added_tokens):
        if token.normalized and (shape.prefix == "stretch" or {" ", BLANK} & set(token.content)):
            raise UnsupportedError("an added token that is found in the normalized text, which GGUF cannot say",
                                   f"added_tokens[{number}]")
    without_space = _ids_without_space(model)
    rules = [rule for rule in _live(model) if without_space.isdisjoint(rule)]
    scores = [-float(len(rules) + i) for i in range(len(texts))]  # of tokens that merging does not make
    for rank, (_, _, made) in enumerate(rules):
        scores[made] = -float(rank)
    again = describe_pieces([Piece(*piece) for piece in zip(texts, scores, types)], "none", 0, "vocab", raw=True)
    for expected, rule in zip([*rules, None], [*_live(again), None]):
        if expected != rule:
            made = (rule or expected or (0, 0, 0))[2]
            raise UnsupportedError(f"the token {shown(texts[made])}, which llama.cpp would make of other parts, or in "
                                   "another order", "merges")
    return scores


def _ids_without_space(model: ModelDescription) -> set[int]:
    """The added tokens without a space: they are found before merging wherever their text is."""
    return {token.id for token in model.added_tokens if not {" ", BLANK} & set(token.content)}


def _live(model: ModelDescription) -> list[tuple[int, int, int]]:
    """The merges that some text needs, the best first."""
    assert model.characters is not None
    starts, blob, byte_ids = model.tokens.starts, model.tokens.blob, model.characters.byte_ids
    alone = {model.tokens[i]: i for i in model.tokens.of_length(1) if i not in byte_ids}
    first = [alone.get(bytes([byte]), max(i, 0)) for byte, i in enumerate(byte_ids)]
    live, _ = live_merges(model.merges, starts, blob, first, CharacterTable(starts, blob))
    return list(zip(live[::3], live[1::3], live[2::3]))


def describe_gguf(path: StrPath, upstream: str = NEWEST) -> ModelDescription:
    """The model of a GGUF file, by the tables of `upstream`.

    Raises `UnsupportedError`, `TokenizerFileError` (with key or offset), and `OSError`.
    """
    values = _Metadata(read_gguf(path))
    kind = values.need("tokenizer.ggml.model")
    if kind.text() == "llama":
        return _describe_llama(values)
    if kind.text() != "gpt2":
        kind.unsupported("expected the tokenizer model 'gpt2' (byte-level BPE) or 'llama' (BPE from characters), "
                         f"found {shown(kind.text())}")
    base, texts = family_base(family_of_pre(values.need(PRE).text()).names[0], upstream), values.strings(TOKENS)
    types, config = values.types(len(texts), UNUSED), values.config(len(texts))
    merges = _merges(values.strings(MERGES), texts, types)
    tokens, raw_ids = _tokens(texts, types, frozenset(merges))
    added = tuple(AddedToken(i, texts[i], special=kind in (CONTROL, UNKNOWN))
                  for i, kind in enumerate(types) if kind in (UNKNOWN, CONTROL, USER_DEFINED))
    places = {f"added_tokens[{number}]": f"{TOKENS}[{token.id}]" for number, token in enumerate(added)}
    model = base._replace(splits=tuple(split._replace(where=PRE) for split in base.splits),
                          normalizer=tuple(step._replace(where=PRE) for step in base.normalizer), tokens=tokens,
                          raw_ids=raw_ids, merges=merges, added_tokens=added, config=config,
                          places={"vocab": TOKENS, "merges": MERGES, **places})
    _check_bytes(model)
    return model


def _tokens(texts: list[str], types: list[int], used: frozenset[int]) -> tuple[TokenTable, frozenset[int]]:
    """The vocabulary for merging: it has an added token only if a merge uses it."""
    tokens: list[bytes | None] = [None] * len(texts)
    raw: list[int] = []
    owners: dict[str, int] = {}
    for i, (text, kind) in enumerate(zip(texts, types)):
        if owners.setdefault(text, i) != i:
            raise TokenizerFileError(f"expected a token of its own, found {shown(text)} of id {owners[text]} again",
                                     f"{TOKENS}[{i}]")
        if not text:
            raise TokenizerFileError("expected a token, found an empty one", f"{TOKENS}[{i}]")
        if kind == NORMAL or (i in used and kind != UNUSED):
            tokens[i] = decoded_bytes(text)
            raw += [] if is_spelling(text) else [i]
    return pack_tokens(tokens), frozenset(raw)


def _merges(lines: list[str], texts: list[str], types: list[int]) -> array[int]:
    ids = {text: i for i, text in enumerate(texts) if types[i] != UNUSED}
    merges, first, again = array("I"), dict[tuple[int, int], int](), -1
    for index, line in enumerate(lines):
        left, space, right = line.partition(" ")
        missing = [text for text in (left, right, left + right) if text not in ids]
        if missing or not space:
            raise TokenizerFileError(f"expected two tokens that make one, with a space between, found {shown(line)}"
                                     + (f": no token is {shown(missing[0])}" if missing else ""), f"{MERGES}[{index}]")
        rule = ids[left], ids[right], ids[left + right]
        if first.setdefault(rule[:2], index) != index and again < 0:
            again = index
        if is_spelling(left) and is_spelling(right):
            merges.extend(rule)
    if again >= 0:
        raise TokenizerFileError(f"expected a new merge, found merge {lines.index(lines[again])} again",
                                 f"{MERGES}[{again}]")
    return merges


def _check_bytes(model: ModelDescription) -> None:
    for byte in model.lost_bytes():
        spelled = spelling(bytes([byte]))
        raise UnsupportedError(f"a vocabulary without a token for the byte 0x{byte:02X}, {spelled!r}", TOKENS)


def write_gguf(
    path: StrPath, model: ModelDescription, config: TokenizerConfig, hashes: Sequence[str], whole_pieces: bool,
    architecture: str | None = None,
) -> tuple[str, ...]:
    """Writes a GGUF file with the vocabulary of `model`, at once or not at all; returns the facts that it does not say.

    `hashes`: the hashes of the check text's ids (formats/llama_cpp.py). `whole_pieces`: are there tokens that can only
    be whole pieces? Raises `UnsupportedError` if GGUF cannot describe the model, `ImportError` without the package
    gguf, and `OSError`.
    """
    model.refuse_shared("GGUF")
    texts, types = _spelled(model)
    keys: dict[str, Any]  # further values, by the calls of GGUFWriter
    if model.characters is not None:
        kind, known_architecture, told = "llama", "llama", _lost_of_pieces(model, texts, types)
        keys = {"add_token_scores": scores_of(model, texts, types),
                "add_add_space_prefix": model.characters.prefix != "none",
                "add_unk_token_id": types.index(UNKNOWN) if UNKNOWN in types else None}
    else:
        _check_bytes(model)
        family, pre = find_family(model, hashes)
        if model.ignore_merges != family.ignore_merges and whole_pieces:
            value = str(model.ignore_merges).lower()
            raise UnsupportedError(f"ignore_merges {value}, which is not so for tokenizer.ggml.pre {pre!r}",
                                   "ignore_merges")
        model.refuse_hidden("GGUF")
        merges = [f"{texts[left]} {texts[right]}" for left, right, _ in model.merge_rules()]
        kind, known_architecture = "gpt2", family.architecture
        keys = {"add_tokenizer_pre": pre, "add_token_merges": merges}
        told = [*(quirk for quirk in family.quirks if quirk != NO_WHOLE or whole_pieces), UNICODE]
    with of_extra("gguf", "writing GGUF"):
        from gguf import GGUFWriter

    values = {"add_tokenizer_model": kind, "add_token_list": texts, "add_token_types": types, **keys,
              "add_bos_token_id": config.bos_id, "add_eos_token_id": config.eos_id, "add_pad_token_id": config.pad_id,
              "add_add_bos_token": bool(config.add_bos), "add_add_eos_token": config.add_eos,
              "add_chat_template": config.chat_template}
    with WholeFile(path) as file:
        writer = GGUFWriter(file.name, architecture or known_architecture)
        for name, value in values.items():
            if value is not None:
                getattr(writer, name)(value)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
    return (*told, *_lost(model, config, types))


def _spelled(model: ModelDescription) -> tuple[list[str], list[int]]:
    """The tokens in GGUF's spelling, and their types."""
    count = max(len(model.tokens), *(token.id + 1 for token in model.added_tokens), 0)
    texts, types = [f"[PAD{i}]" for i in range(count)], [UNUSED] * count
    of_bytes = set(model.characters.byte_ids if model.characters is not None else ())
    for i, token in enumerate(model.tokens):
        if token is not None:
            texts[i] = model.spelling(i)
            types[i] = BYTE if i in of_bytes else NORMAL
    for number, added in enumerate(model.added_tokens):
        if added.lstrip or added.rstrip or added.single_word:
            raise UnsupportedError("an added token with lstrip, rstrip or single_word, which GGUF cannot say",
                                   f"added_tokens[{number}]")
        texts[added.id] = text = added.content
        looks_special = (  # to llama.cpp's conversion, whatever the file says
            text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or (text.startswith("<|") and text.endswith("|>"))
            or (text.startswith("<｜") and text.endswith("｜>")) or (text.startswith("<unused") and text.endswith(">")))
        types[added.id] = CONTROL if added.special or looks_special else USER_DEFINED
        if model.characters is not None and text == "<unk>":
            types[added.id] = UNKNOWN
    owners: dict[str, int] = {}
    for i, text in enumerate(texts):
        if owners.setdefault(text, i) != i:
            raise UnsupportedError(f"two tokens of one spelling, {shown(text)}: ids {owners[text]} and {i}", f"id {i}")
    return texts, types


def _lost_of_pieces(model: ModelDescription, texts: Sequence[str], types: Sequence[int]) -> list[str]:
    """The facts about a model of characters that its file does not say, and the differences in llama.cpp."""
    lost, made = [], set(model.merges[2::3])
    both = made & _ids_without_space(model)
    alone = [token.content for token in model.added_tokens if token.id in both]
    if alone:
        lost.append(f"{len(alone)} added tokens that merging makes, too, {alone[0]!r} the first: without special "
                    "tokens the file gives their parts")
    tags = [text for i, text in enumerate(texts) if types[i] == NORMAL and i not in made and len(text) > 2
            and text[0] + text[-1] in ("<>", "[]")]
    if tags:
        lost.append(f"{len(tags)} tokens that merging does not make, {tags[0]!r} the first: llama.cpp may take one for "
                    "a control token by its text")
    return lost


def _lost(model: ModelDescription, config: TokenizerConfig, types: list[int]) -> list[str]:
    """The facts that the file does not say, and the differences in llama.cpp."""
    lost = []
    changed = [token.content for token in model.added_tokens if not token.special and types[token.id] == CONTROL]
    if changed:
        lost.append(f"{len(changed)} added tokens that are not special, {changed[0]!r} the first, look special and are "
                    "CONTROL by llama.cpp's convention: with parse_special=false it spells them out")
    if config.add_bos is None:
        lost.append("add_bos_token is written as false: no tokenizer_config.json tells")
    if any(types[i] == NORMAL for i in model.raw_ids):
        lost.append("tokens outside the byte-level alphabet, which no text encodes to, are decoded otherwise there")
    overlap = _overlap([token.content for token in model.added_tokens])
    if overlap:
        lost.append(f"the added tokens {overlap[0]!r} and {overlap[1]!r} can overlap: llama.cpp takes the longer one "
                    "first, upstream the one that begins first")
    if model.config.framing is not None:
        lost.append("what stands around texts and between those of a pair is not written, but for BOS and EOS")
    return lost


def _overlap(contents: Sequence[str]) -> tuple[str, str] | None:
    """Two added tokens: the end of the one is the beginning of the other."""
    begins = {content[:end]: content for content in contents for end in range(1, len(content))}
    for content in contents:
        for start in range(1, len(content)):
            if content[start:] in begins:
                return content, begins[content[start:]]
    return None
