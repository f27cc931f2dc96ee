"""GGUF, llama.cpp's file format <-> `ModelDescription`.

In: the path of a GGUF file, with tensors or without. Out: the model as upstream has it. From a model also a GGUF file
with a vocabulary and no tensors.
Invariant: the ids are those of upstream's tokenizer.json files that llama.cpp's `tokenizer.ggml.pre` stands for.
formats/llama_cpp.py tells where llama.cpp's own ids differ. A model that GGUF cannot describe is refused. `write_gguf`
returns, as sentences, the facts that llama.cpp's convention loses.
Source: the GGUF specification; llama.cpp v0.5.0, conversion/base.py (`get_vocab_base`) for the types of tokens.

GGUF does not say:
- which flags an added token has: one with lstrip, rstrip or single_word is refused;
- whether an added token is special: llama.cpp marks a token as CONTROL if it is special, or if it looks special;
- which ids have no token: they are written as [PADn], UNUSED.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from dstok.base.extras import of_extra
from dstok.base.paths import StrPath
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import ModelDescription, TokenizerConfig
from dstok.formats.gguf_file import read_gguf
from dstok.formats.json_value import shown
from dstok.formats.llama_cpp import NO_WHOLE, UNICODE, Family, family_base, family_of_pre, find_family
from dstok.formats.merges import refuse_repeated
from dstok.formats.tokens import NOT_IN_UTF_8, decoded_bytes, is_spelling, spelling
from dstok.formats.upstream import NEWEST

__all__ = ["describe_gguf", "write_gguf"]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5  # `tokenizer.ggml.token_type`
TOKENS, TYPES, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"
PRE = "tokenizer.ggml.pre"


# Reading


def describe_gguf(path: StrPath, upstream: str = NEWEST) -> ModelDescription:
    """The model of a GGUF file, by the tables of `upstream`.

    Raises `UnsupportedError`, `TokenizerFileError` (with key or offset), and `OSError`.
    """
    values = read_gguf(path)
    kind = _need(values, "tokenizer.ggml.model", str)
    if kind != "gpt2":
        raise UnsupportedError(f"expected the tokenizer model 'gpt2' (byte-level BPE), found {shown(kind)}",
                               "tokenizer.ggml.model")
    pre = _need(values, PRE, str)
    base = family_base(family_of_pre(pre).names[0], upstream)
    texts = _strings(values, TOKENS)
    types = _types(values, len(texts))
    config = _config(values, len(texts))
    merges = _merges(_strings(values, MERGES), texts, types)
    tokens, raw_ids = _tokens(texts, types, frozenset(merges))
    added = tuple(AddedToken(i, texts[i], special=kind in (CONTROL, UNKNOWN))
                  for i, kind in enumerate(types) if kind in (UNKNOWN, CONTROL, USER_DEFINED))
    _check_bytes(tokens, raw_ids)
    base = _placed(base, added)
    return replace(base, tokens=tokens, raw_ids=raw_ids, merges=merges, added_tokens=added, config=config)


def _placed(base: ModelDescription, added: Sequence[AddedToken]) -> ModelDescription:
    """A family's model with the places of a GGUF file: its normalizer and pre-tokenizer are one name there."""
    tokens = {f"added_tokens[{number}]": f"{TOKENS}[{token.id}]" for number, token in enumerate(added)}
    return replace(base, splits=tuple(replace(split, where=PRE) for split in base.splits),
                   normalizer=tuple(replace(step, where=PRE) for step in base.normalizer),
                   places={"vocab": TOKENS, "merges": MERGES, **tokens})


def _need(values: dict[str, Any], key: str, kind: type) -> Any:
    if key not in values:
        raise TokenizerFileError("expected a value, found none", key)
    return _typed(values, key, kind)


def _typed(values: dict[str, Any], key: str, kind: type) -> Any:
    value = values.get(key)
    if value is not None and type(value) is not kind:
        found = f"an array of {len(value)}" if isinstance(value, list) else shown(value)
        raise TokenizerFileError(f"expected a value of type {kind.__name__}, found {found}", key)
    return value


def _strings(values: dict[str, Any], key: str) -> list[str]:
    strings: list[str] = _need(values, key, list)
    if strings and not isinstance(strings[0], str):
        raise TokenizerFileError("expected an array of strings, found one of numbers", key)
    return strings


def _types(values: dict[str, Any], count: int) -> list[int]:
    """The types of the tokens. If the file does not tell, none of them is an added token, as in llama.cpp."""
    types: list[int] = _typed(values, TYPES, list)
    if types is None:
        return [NORMAL] * count
    if len(types) != count:
        raise TokenizerFileError(f"expected {count} types, one a token, found {len(types)}", TYPES)
    for i, kind in enumerate(types):
        if type(kind) is not int or not NORMAL <= kind <= UNUSED:
            raise TokenizerFileError(f"expected a type from 1 to 5, found {shown(kind)}", f"{TYPES}[{i}]")
    return types


def _tokens(
    texts: list[str], types: list[int], used: frozenset[int],
) -> tuple[tuple[bytes | None, ...], frozenset[int]]:
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
    return tuple(tokens), frozenset(raw)


def _merges(lines: list[str], texts: list[str], types: list[int]) -> array[int]:
    ids = {text: i for i, text in enumerate(texts) if types[i] != UNUSED}
    merges, read = array("I"), list[tuple[int, int, int]]()
    for index, line in enumerate(lines):
        left, space, right = line.partition(" ")
        try:
            rule = ids[left], ids[right], ids[left + right]
        except KeyError as error:
            raise TokenizerFileError(f"expected two tokens that make one, with a space between, found {shown(line)}: "
                                     f"no token is {shown(error.args[0])}", f"{MERGES}[{index}]") from None
        if not space:
            raise TokenizerFileError(f"expected two tokens with a space between, found {shown(line)}",
                                     f"{MERGES}[{index}]")
        read.append((index, *rule[:2]))
        if is_spelling(left) and is_spelling(right):
            merges.extend(rule)
    refuse_repeated(read, MERGES)
    return merges


def _check_bytes(tokens: Sequence[bytes | None], raw_ids: frozenset[int]) -> None:
    single = {token for i, token in enumerate(tokens) if token and len(token) == 1 and i not in raw_ids}
    for byte in range(256):
        if bytes([byte]) not in single and byte not in NOT_IN_UTF_8:
            spelled = spelling(bytes([byte]))
            raise UnsupportedError(f"a vocabulary without a token for the byte 0x{byte:02X}, {spelled!r}", TOKENS)


def _config(values: dict[str, Any], count: int) -> TokenizerConfig:
    ids: dict[str, int | None] = {}
    for name in ("bos", "eos", "padding"):
        key = f"tokenizer.ggml.{name}_token_id"
        value = _typed(values, key, int)
        if value is not None and not 0 <= value < count:
            raise TokenizerFileError(f"expected an id below {count}, found {value}", key)
        ids[name] = value
    add_bos, add_eos = (_typed(values, f"tokenizer.ggml.add_{name}_token", bool) for name in ("bos", "eos"))
    return TokenizerConfig(ids["bos"], ids["eos"], ids["padding"], add_bos, add_eos,
                           _typed(values, "tokenizer.chat_template", str))


# Writing


def write_gguf(
    path: StrPath, model: ModelDescription, config: TokenizerConfig, hashes: Sequence[str], whole_pieces: bool,
    architecture: str | None = None,
) -> tuple[str, ...]:
    """Writes a GGUF file with the vocabulary of `model`, at once or not at all; returns the facts that it does not say.

    `hashes`: the hashes of the check text's ids (formats/llama_cpp.py). `whole_pieces`: are there tokens that can only
    be whole pieces? Raises `UnsupportedError` if GGUF cannot describe the model, `ImportError` without the package
    gguf, and `OSError`.
    """
    family, pre = find_family(model, hashes)
    if model.ignore_merges != family.ignore_merges and whole_pieces:
        value = str(model.ignore_merges).lower()
        raise UnsupportedError(f"ignore_merges {value}, which is not so for tokenizer.ggml.pre {pre!r}",
                               "ignore_merges")
    model.refuse_hidden("GGUF")
    model.refuse_shared("GGUF")
    texts, types = _spelled(model)
    scratch = os.path.join(os.path.dirname(path), f".dstok-{os.urandom(8).hex()}.tmp")
    try:
        _write_file(scratch, architecture or family.architecture, pre, texts, types, model, config)
        os.replace(scratch, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(scratch)
    return tuple(_lost(model, config, family, types, whole_pieces))


def _write_file(
    path: str, architecture: str, pre: str, texts: list[str], types: list[int], model: ModelDescription,
    config: TokenizerConfig,
) -> None:
    with of_extra("gguf", "writing GGUF"):
        from gguf import GGUFWriter

    writer = GGUFWriter(path, architecture)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_merges([f"{texts[left]} {texts[right]}" for left, right, _ in model.merge_rules()])
    values: list[tuple[Callable[[Any], None], Any]] = [
        (writer.add_bos_token_id, config.bos_id), (writer.add_eos_token_id, config.eos_id),
        (writer.add_pad_token_id, config.pad_id), (writer.add_add_bos_token, bool(config.add_bos)),
        (writer.add_add_eos_token, config.add_eos), (writer.add_chat_template, config.chat_template),
    ]
    for add, value in values:
        if value is not None:
            add(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def _spelled(model: ModelDescription) -> tuple[list[str], list[int]]:
    """The tokens in GGUF's spelling, and their types."""
    count = max(len(model.tokens), *(token.id + 1 for token in model.added_tokens), 0)
    texts, types = [f"[PAD{i}]" for i in range(count)], [UNUSED] * count
    for i, token in enumerate(model.tokens):
        if token is not None:
            texts[i], types[i] = token.decode() if i in model.raw_ids else spelling(token), NORMAL
    for number, added in enumerate(model.added_tokens):
        if added.lstrip or added.rstrip or added.single_word:
            raise UnsupportedError("an added token with lstrip, rstrip or single_word, which GGUF cannot say",
                                   f"added_tokens[{number}]")
        texts[added.id] = added.content
        types[added.id] = CONTROL if added.special or _looks_special(added.content) else USER_DEFINED
    owners: dict[str, int] = {}
    for i, text in enumerate(texts):
        if owners.setdefault(text, i) != i:
            raise UnsupportedError(f"two tokens of one spelling, {shown(text)}: ids {owners[text]} and {i}", f"id {i}")
    return texts, types


def _looks_special(text: str) -> bool:
    """Does llama.cpp's conversion take `text` for special, whatever the file says?"""
    return (text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or (text.startswith("<|") and text.endswith("|>"))
            or (text.startswith("<｜") and text.endswith("｜>")) or (text.startswith("<unused") and text.endswith(">")))


def _lost(
    model: ModelDescription, config: TokenizerConfig, family: Family, types: list[int], whole_pieces: bool,
) -> list[str]:
    """The facts that the file does not say, and the differences in llama.cpp."""
    lost = [quirk for quirk in family.quirks if quirk != NO_WHOLE or whole_pieces] + [UNICODE]
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
