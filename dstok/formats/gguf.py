"""GGUF, llama.cpp's file format <-> `ModelDescription`.

In: the path of a GGUF file, with tensors or without. Out: the model as upstream has it. From a model also a GGUF file
with a vocabulary and no tensors.
Invariant: the ids are those of upstream's tokenizer.json files that llama.cpp's `tokenizer.ggml.pre` stands for.
formats/llama_cpp.py tells where llama.cpp's own ids differ. A model that GGUF cannot describe is refused. `write_gguf`
returns, as sentences, the facts that llama.cpp's convention loses.
Source: the GGUF specification; llama.cpp v0.5.0, conversion/base.py (`get_vocab_base`) for the types of tokens.
The tokenizer model "gpt2" is byte-level BPE; "llama" is BPE from characters, which formats/gguf_llama.py reads.

GGUF does not say:
- which flags an added token has: one with lstrip, rstrip or single_word is refused;
- whether an added token is special: llama.cpp marks a token as CONTROL if it is special, or if it looks special;
- which ids have no token: they are written as [PADn], UNUSED.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dstok.base.extras import of_extra
from dstok.base.paths import StrPath, WholeFile
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import ModelDescription, TokenizerConfig
from dstok.formats.gguf_file import MERGES, TOKENS, need, read_gguf, strings, token_config, token_types
from dstok.formats.gguf_llama import describe_llama, scores_of, told_of_pieces
from dstok.formats.json_value import shown
from dstok.formats.llama_cpp import NO_WHOLE, UNICODE, family_base, family_of_pre, find_family
from dstok.formats.merges import refuse_repeated
from dstok.formats.pieces import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED
from dstok.formats.tokenizer_json_writer import token_spelling
from dstok.formats.tokens import NOT_IN_UTF_8, decoded_bytes, is_spelling, spelling
from dstok.formats.upstream import NEWEST

__all__ = ["describe_gguf", "write_gguf"]

PRE = "tokenizer.ggml.pre"


# Reading


def describe_gguf(path: StrPath, upstream: str = NEWEST) -> ModelDescription:
    """The model of a GGUF file, by the tables of `upstream`.

    Raises `UnsupportedError`, `TokenizerFileError` (with key or offset), and `OSError`.
    """
    values = read_gguf(path)
    kind = need(values, "tokenizer.ggml.model", str)
    if kind == "llama":
        return describe_llama(values)
    if kind != "gpt2":
        raise UnsupportedError("expected the tokenizer model 'gpt2' (byte-level BPE) or 'llama' (BPE from characters), "
                               f"found {shown(kind)}", "tokenizer.ggml.model")
    pre = need(values, PRE, str)
    base = family_base(family_of_pre(pre).names[0], upstream)
    texts = strings(values, TOKENS)
    types = token_types(values, len(texts), UNUSED)
    config = token_config(values, len(texts))
    merges = _merges(strings(values, MERGES), texts, types)
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
    model.refuse_shared("GGUF")
    texts, types = _spelled(model)
    if model.characters is not None:
        keys = _llama_keys(model, texts, types)
        _write_file(path, architecture or "llama", "llama", texts, types, config, keys)
        return (*told_of_pieces(model, texts, types), *_lost(model, config, types))
    _check_bytes(model.tokens, model.raw_ids)
    family, pre = find_family(model, hashes)
    if model.ignore_merges != family.ignore_merges and whole_pieces:
        value = str(model.ignore_merges).lower()
        raise UnsupportedError(f"ignore_merges {value}, which is not so for tokenizer.ggml.pre {pre!r}",
                               "ignore_merges")
    model.refuse_hidden("GGUF")
    merges = [f"{texts[left]} {texts[right]}" for left, right, _ in model.merge_rules()]
    keys = {"add_tokenizer_pre": pre, "add_token_merges": merges}
    _write_file(path, architecture or family.architecture, "gpt2", texts, types, config, keys)
    quirks = [quirk for quirk in family.quirks if quirk != NO_WHOLE or whole_pieces]
    return (*quirks, UNICODE, *_lost(model, config, types))


def _llama_keys(model: ModelDescription, texts: Sequence[str], types: Sequence[int]) -> dict[str, Any]:
    """The content of a file of a model of characters beside the tokens, by the calls of GGUFWriter."""
    unknown = [i for i, kind in enumerate(types) if kind == UNKNOWN]
    space = model.characters is not None and model.characters.prefix != "none"
    return {"add_token_scores": scores_of(model, texts, types), "add_add_space_prefix": space,
            "add_unk_token_id": unknown[0] if unknown else None}


def _write_file(
    path: StrPath, architecture: str, kind: str, texts: list[str], types: list[int], config: TokenizerConfig,
    keys: dict[str, Any],
) -> None:
    """Writes a file at once or not at all. `keys`: further values, by the calls of GGUFWriter."""
    with of_extra("gguf", "writing GGUF"):
        from gguf import GGUFWriter

    with WholeFile(path) as file:
        writer = GGUFWriter(file.name, architecture)
        writer.add_tokenizer_model(kind)
        writer.add_token_list(texts)
        writer.add_token_types(types)
        values: list[tuple[Callable[[Any], None], Any]] = [
            *((getattr(writer, name), value) for name, value in keys.items()),
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
    of_bytes = set(model.characters.byte_ids if model.characters is not None else ())
    for i, token in enumerate(model.tokens):
        if token is not None:
            texts[i] = token_spelling(model, i)
            types[i] = BYTE if i in of_bytes else NORMAL
    for number, added in enumerate(model.added_tokens):
        if added.lstrip or added.rstrip or added.single_word:
            raise UnsupportedError("an added token with lstrip, rstrip or single_word, which GGUF cannot say",
                                   f"added_tokens[{number}]")
        texts[added.id] = added.content
        types[added.id] = CONTROL if added.special or _looks_special(added.content) else USER_DEFINED
        if model.characters is not None and added.content == "<unk>":
            types[added.id] = UNKNOWN
    owners: dict[str, int] = {}
    for i, text in enumerate(texts):
        if owners.setdefault(text, i) != i:
            raise UnsupportedError(f"two tokens of one spelling, {shown(text)}: ids {owners[text]} and {i}", f"id {i}")
    return texts, types


def _looks_special(text: str) -> bool:
    """Does llama.cpp's conversion take `text` for special, whatever the file says?"""
    return (text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or (text.startswith("<|") and text.endswith("|>"))
            or (text.startswith("<｜") and text.endswith("｜>")) or (text.startswith("<unused") and text.endswith(">")))


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
