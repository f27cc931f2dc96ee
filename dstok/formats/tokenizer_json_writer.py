"""`ModelDescription` -> tokenizer.json.

In: a description. Out: the text of a tokenizer.json.
Invariant: with the file, upstream and dstok give the ids of the description. The writer reads the file again, and
refuses another model.
Source: upstream 0.23.3, whose own files have this form; tests/formats/test_convert.py compares with upstream.

Upstream does not read the ids of added tokens: it counts tokens outside the vocabulary on from its end. If that does
not give them their ids, the writer puts all of them into the vocabulary, too.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from dstok.errors import UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.character_bpe import parts_of
from dstok.formats.character_shape import spelled
from dstok.formats.description import PREFIX_SPACE, ModelDescription, NormalizerStep, TokenizerConfig
from dstok.formats.json_value import shown
from dstok.formats.post_processors import BUT_FIRST
from dstok.formats.pre_tokenizers import DIGITS_PATTERN, WORDS_PATTERN
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.formats.tokens import decoded_bytes, spelling
from dstok.pattern.split import Split

__all__ = ["token_spelling", "write_tokenizer_json"]

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def write_tokenizer_json(model: ModelDescription) -> str:
    """The text of a tokenizer.json. Raises `UnsupportedError` if such a file cannot describe the model.

    >>> from dstok.formats.llama_cpp import family_base
    >>> text = write_tokenizer_json(family_base("gpt-2"))
    >>> json.loads(text)["pre_tokenizer"]["pretokenizers"][-1]["type"]
    'ByteLevel'
    """
    model.refuse_shared("a tokenizer.json")
    if model.cuts_texts:
        raise UnsupportedError("a model whose own code cuts long texts, which a tokenizer.json cannot say")
    vocab = _vocabulary(model)
    parts = _parts(model)
    text = json.dumps({
        "version": "1.0", "truncation": model.config.truncation, "padding": model.config.padding,
        "added_tokens": [_added_token(i, token) for i, token in enumerate(model.added_tokens)],
        "normalizer": parts["normalizer"], "pre_tokenizer": parts["pre_tokenizer"],
        "post_processor": _post_processor(model), "decoder": parts["decoder"],
        "model": {
            "type": "BPE", "dropout": None, "unk_token": parts["unk_token"], "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": parts["fuse_unk"],
            "byte_fallback": model.characters is not None, "ignore_merges": model.ignore_merges,
            "vocab": {}, "merges": [],
        },
    }, ensure_ascii=False, indent=1)
    text = _with_tables(text, vocab, _merges(model))
    _check(read_tokenizer_json(text), model)
    return text


def _parts(model: ModelDescription) -> dict[str, Any]:
    """The file's parts around the model, and two of its options, by their names there."""
    if model.characters is not None:
        return {"unk_token": None, "fuse_unk": False, **parts_of(model.characters)}
    unknown, fuse = model.unknown or (None, False)
    return {"normalizer": _normalizer(model), "pre_tokenizer": _pre_tokenizer(model), "decoder": _BYTE_LEVEL,
            "unk_token": unknown, "fuse_unk": fuse}


def token_spelling(model: ModelDescription, token_id: int) -> str:
    """A token as a tokenizer.json spells it."""
    token = model.tokens[token_id] or b""
    if token_id in model.raw_ids:
        return token.decode()
    return spelling(token) if model.characters is None else spelled(token, token_id, model.characters)


def _added_token(index: int, token: AddedToken) -> dict[str, Any]:
    if token.literal and token.normalized:
        raise UnsupportedError(f"the added token {shown(token.content)} of the normalized text: upstream would look "
                               "for it with a space before it", f"$.added_tokens[{index}].content")
    if token.literal:
        raise UnsupportedError(f"the added token {shown(token.content)}, which upstream decodes as "
                               f"{shown(decoded_bytes(token.content).decode('utf-8', 'replace'))}",
                               f"$.added_tokens[{index}].content")
    names = ("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special")
    return {name: getattr(token, name) for name in names}


def _vocabulary(model: ModelDescription) -> dict[str, int]:
    vocab: dict[str, int] = {}
    for i, token in enumerate(model.tokens):
        if token is not None:
            _put(vocab, token_spelling(model, i), i)
    new = [token for token in model.added_tokens if vocab.get(token.content) != token.id]
    whole = dict(vocab)
    for added in new:
        _put(whole, added.content, added.id)
    if [added.id for added in new] != list(range(len(vocab), len(vocab) + len(new))):
        vocab = whole
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


def _put(vocab: dict[str, int], text: str, token_id: int) -> None:
    if vocab.setdefault(text, token_id) != token_id:
        raise UnsupportedError(f"two tokens of one spelling, {shown(text)}: ids {vocab[text]} and {token_id}",
                               f"id {token_id}")


def _merges(model: ModelDescription) -> list[tuple[str, str]]:
    texts = {i: token_spelling(model, i) for i in set(model.merges)}
    return [(texts[left], texts[right]) for left, right, _ in model.merge_rules()]


def _with_tables(text: str, vocab: dict[str, int], merges: list[tuple[str, str]]) -> str:
    """The text with its two large tables, as json.dumps indents them: that would take eight times as long."""
    quoted = json.encoder.encode_basestring
    ids = ",\n   ".join(f"{quoted(token)}: {i}" for token, i in vocab.items())
    pairs = ",\n   ".join(f"[\n    {quoted(left)},\n    {quoted(right)}\n   ]" for left, right in merges)
    before, _, after = text.rpartition('"vocab": {},\n  "merges": []')
    tables = (f"{{\n   {ids}\n  }}" if ids else "{}", f"[\n   {pairs}\n  ]" if pairs else "[]")
    return f'{before}"vocab": {tables[0]},\n  "merges": {tables[1]}{after}'


def _pre_tokenizer(model: ModelDescription) -> dict[str, Any]:
    if any(step.type == PREFIX_SPACE for step in model.normalizer):  # comes from a ByteLevel that stands alone
        return {**_BYTE_LEVEL, "add_prefix_space": True, "use_regex": bool(model.splits)}
    return {"type": "Sequence", "pretokenizers": [*map(_split, model.splits), _BYTE_LEVEL]}


def _post_processor(model: ModelDescription) -> dict[str, Any] | None:
    framing, trimming = model.config.framing, model.trim_offsets
    if model.characters is not None and not trimming:
        steps = json.loads(framing) if framing else []
        return None if not steps else steps[0] if len(steps) == 1 else {"type": "Sequence", "processors": steps}
    byte_level = {**_BYTE_LEVEL, "trim_offsets": trimming != "", "add_prefix_space": trimming == BUT_FIRST}
    return {"type": "Sequence", "processors": [byte_level, *json.loads(framing)]} if framing else byte_level


def _split(split: Split) -> dict[str, Any]:
    """The step; Digits and Whitespace by their own names, since their Unicode versions differ from Split's."""
    if split.unicode_version is not None and split.pattern == DIGITS_PATTERN:
        return {"type": "Digits", "individual_digits": split.behavior == "Isolated"}
    if split.unicode_version is not None and split.pattern == WORDS_PATTERN:
        return {"type": "Whitespace"}
    return {"type": "Split", "pattern": {"Regex": split.pattern}, "behavior": split.behavior, "invert": split.invert}


def _normalizer(model: ModelDescription) -> dict[str, Any] | None:
    steps = [_normalizer_step(step) for step in model.normalizer if step.type != PREFIX_SPACE]
    return None if not steps else steps[0] if len(steps) == 1 else {"type": "Sequence", "normalizers": steps}


def _normalizer_step(step: NormalizerStep) -> dict[str, Any]:
    if step.type == "Replace":
        kind = "Regex" if step.is_regex else "String"
        return {"type": "Replace", "pattern": {kind: step.pattern}, "content": step.content}
    if step.type == "Prepend":
        return {"type": "Prepend", "prepend": step.content}
    if step.type == "Strip":
        return {"type": "Strip", "strip_left": step.left, "strip_right": step.right}
    return {"type": step.type}


def _check(found: ModelDescription, model: ModelDescription) -> None:
    """Refuses a model if reading the written file gives another one."""
    for name, expected, value in zip(vars(model), vars(_essence(model)).values(), vars(_essence(found)).values()):
        if expected != value:
            raise UnsupportedError(f"{name} that a tokenizer.json cannot say, or dstok cannot write", f"$.{name}")


def _essence(model: ModelDescription) -> ModelDescription:
    """The model without the parts that change no encoding or decoding.

    BOS and EOS stand in another file. Added tokens are matched before anything else, so it does not matter whether the
    vocabulary has them, too, unless a merge makes them.
    """
    made = set(model.merges)
    hidden = {token.id for token in model.added_tokens if token.id not in made}
    tokens = [None if i in hidden else token for i, token in enumerate(model.tokens)]
    while tokens and tokens[-1] is None:
        tokens.pop()
    raw_ids = model.raw_ids - hidden
    config = TokenizerConfig(framing=model.config.framing)
    return replace(model.without_places(), tokens=tuple(tokens), raw_ids=raw_ids, config=config)
