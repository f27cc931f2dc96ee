"""tokenizer.json -> `ModelDescription`.

In: the text of upstream's tokenizer.json and, for BOS and EOS, of tokenizer_config.json.
Out: its `ModelDescription`, for a BPE model of bytes, or of characters with byte fallback (character_bpe.py).
Invariant: upstream loads each file that is read, too. Each field that can change upstream's encoding or decoding is
either in the description or has a value that changes nothing. Any other file is an `UnsupportedError` (upstream does
it, dstok does not) or a `TokenizerFileError` (the file is broken, or contradicts itself), with the JSON path.
Source: upstream 0.23.3, measured field by field; tests/formats/test_tokenizer_json.py repeats the measurements.

Upstream's rules that the file does not state:
- An unknown key is ignored, except on the top level.
- The ids of added tokens are not read. A token that the vocabulary has gets its id there. The others are counted on
  from the vocabulary's size: its number of entries, not its largest id. So the ids may collide where the vocabulary
  has holes. A file that says otherwise is refused.
- Merges are all strings or all pairs. A string that begins with "#version" is skipped. Of two equal merges the later
  rank counts. Such a file may well be broken: it is refused.
- unk_token, fuse_unk and byte_fallback have no effect once all bytes that UTF-8 has are in the vocabulary. Else bytes
  without a token are left out of a piece before merging, or the unk_token stands for each, or for a row of them. It is
  looked up in the vocabulary when a text has such a byte; if it is not there, encoding raises an error.
- Two added tokens with normalized=true that normalizing makes alike: both get the first one's id. Refused.
- The post-processor runs even if nobody asks for special tokens: a template may drop or double the text, and
  trim_offsets moves offsets.

`ModelDescription` -> tokenizer.json.

In: a description. Out: the text of a tokenizer.json.
Invariant: with the file, upstream and dstok give the ids of the description. The writer reads the file again, and
refuses another model.
Source: upstream 0.23.3, whose own files have this form; tests/formats/test_convert.py compares with upstream.

Upstream does not read the ids of added tokens: it counts tokens outside the vocabulary on from its end. If that does
not give them their ids, the writer puts all of them into the vocabulary, too.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from dstok._util.json_value import Value, join_path, load_json, shown
from dstok.core.merge._tables import MAX_IDS
from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, NOT_IN_UTF_8, decoded_bytes, is_spelling, spelling
from dstok.formats.character_bpe import (
    canonical_steps,
    canonical_tokens,
    check_added,
    is_character_bpe,
    parts_of,
    read_shape,
    refuse_byte_merges,
)
from dstok.formats.components import (
    BUT_FIRST,
    DIGITS_PATTERN,
    GPT2_PATTERN,
    WORDS_PATTERN,
    Steps,
    check_byte_level,
    prefix_step,
    raw_tokens,
    read_framing,
    read_padding,
    read_pre_tokenizers,
    read_trimming,
    read_truncation,
    steps_of,
)
from dstok.formats.description import (
    NORMALIZERS,
    PREFIX_SPACE,
    AddedToken,
    ModelDescription,
    NormalizerStep,
    TokenizerConfig,
    refuse_repeated,
    spelled,
)
from dstok.formats.tekken import describe_tekken, is_tekken
from dstok.formats.tokenizer_config import read_tokenizer_config
from dstok.formats.upstream import NEWEST, Upstream, upstream_version
from dstok.regex.ast import Split
from dstok.unicode.normalization import FORMS, OLDEST

__all__ = ["GPT2_PATTERN", "read_normalizer", "read_tokenizer_json", "token_spelling", "write_tokenizer_json"]

MAX_U32 = (1 << 32) - 1
PLACES = {"vocab": "$.model.vocab", "merges": "$.model.merges", "added_tokens": "$.added_tokens"}
TOP_LEVEL = frozenset({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                       "post_processor", "decoder", "model"})


def read_tokenizer_json(
    data: str | bytes, config: str | bytes | None = None, upstream: str = NEWEST
) -> ModelDescription:
    """The model of a tokenizer.json. A tokenizer_config.json, `config`, adds BOS, EOS and the settings of chats.

    A tekken.json is read, too (tekken.py). `upstream` names the version of upstream whose Unicode tables count.

    Raises `TokenizerFileError` for a broken file and `UnsupportedError` for one that dstok cannot follow
    exactly. Patterns are not checked here: compiling `splits` does that.

    >>> read_tokenizer_json('{"model": {"type": "Unigram", "vocab": []}}')
    Traceback (most recent call last):
    ...
    dstok.errors.UnsupportedError: expected the model type 'BPE', found 'Unigram' - at $.model.type
    >>> read_tokenizer_json('{"model": {"dropout": "0.1", "vocab": {}, "merges": []}}')
    Traceback (most recent call last):
    ...
    dstok.errors.TokenizerFileError: expected a number or null, found the string '0.1' - at $.model.dropout
    """
    versions = upstream_version(upstream)
    file = load_json(data)
    if is_tekken(file):
        if upstream != NEWEST:
            raise ArgumentError("a tekken.json, whose ids are tiktoken's: no version of upstream reads it", "upstream")
        return _read_tekken(file, config)
    model = file.need("model")
    _check_model_options(model)
    _check_top_level(file)
    cutting = steps_of(file.member("pre_tokenizer"), "pretokenizers")
    decoding = steps_of(file.member("decoder"), "decoders")
    vocab, by_characters = _read_vocab(model.need("vocab")), is_character_bpe(model, cutting, decoding)
    if not by_characters:
        _check_decoder(file.member("decoder"), decoding)
    added = tuple(_read_added_tokens(file.object().get("added_tokens", []), vocab))
    ids = {**vocab, **{token.content: token.id for token in added}}
    if by_characters:
        described = _describe_characters(file, cutting, decoding, vocab, added, versions)
    else:
        described = _describe_bytes(file, cutting, vocab, added, versions)
    finishing = steps_of(file.member("post_processor"), "processors")
    trim_offsets, framing = read_trimming(finishing), read_framing(finishing)
    truncation, padding = read_truncation(file.get("truncation")), read_padding(file.get("padding"))
    settings = _read_config(config, ids)
    if settings.unk_id is None and model.get("unk_token") is not None:
        settings = replace(settings, unk_id=ids.get(model.need("unk_token").text()))
    settings = replace(settings, framing=framing, truncation=truncation, padding=padding)
    return replace(described, config=settings, trim_offsets=trim_offsets, places=PLACES)


def _describe_bytes(
    file: Value, cutting: Steps, vocab: dict[str, int], added: tuple[AddedToken, ...], versions: Upstream,
) -> ModelDescription:
    """A byte-level model, without the parts that all models have."""
    model = file.need("model")
    splits = tuple(read_pre_tokenizers(file.member("pre_tokenizer"), cutting, versions))
    tokens, raw_ids = _tokens_by_id(vocab)
    unknown = _read_unknown(model)
    own = {vocab.get(unknown[0], -1)} if unknown else set()  # compiled/build.py looks whether merges have it as a side
    merges = _read_merges(model.need("merges"), vocab, raw_ids - own)
    ignore_merges = _boolean(model, "ignore_merges", False, nullable=True)
    prefix = prefix_step(cutting)
    normalizer = (*read_normalizer(file.member("normalizer"), versions), *([prefix] if prefix else []))
    return ModelDescription(splits, tokens, raw_ids, merges, raw_tokens(normalizer, added), ignore_merges,
                            versions.patterns, normalizer, unknown=unknown)


def _describe_characters(
    file: Value, cutting: Steps, decoding: Steps, vocab: dict[str, int], added: tuple[AddedToken, ...],
    versions: Upstream,
) -> ModelDescription:
    """A model of characters, without the parts that all models have."""
    model, normalizer = file.need("model"), file.member("normalizer")
    shape = read_shape(file, steps_of(normalizer, "normalizers"), cutting, decoding, vocab)
    tokens, raw_ids = canonical_tokens(vocab, PLACES["vocab"])
    merges = _read_merges(model.need("merges"), vocab, raw_ids)
    refuse_byte_merges(merges, shape.byte_ids, PLACES["merges"])
    where = file.member("pre_tokenizer" if normalizer.value is None else "normalizer").path
    steps, splits = canonical_steps(shape, where), (Split(" ", "MergedWithNext", False, where),) * shape.split
    return ModelDescription(splits, tokens, raw_ids, merges, check_added(added, cutting), False, versions.patterns,
                            steps, characters=shape)


def _read_tekken(file: Value, config: str | bytes | None) -> ModelDescription:
    model = describe_tekken(file)
    ids = {token.content: token.id for token in model.added_tokens}
    return model if config is None else replace(model, config=read_tokenizer_config(config, ids))


def _check_top_level(file: Value) -> None:
    for key in file.object():
        if key not in TOP_LEVEL:
            Value(key, join_path("$", key)).wrong(f"one of the keys {', '.join(sorted(TOP_LEVEL))}")
    if "version" in file.object():
        _require(file.need("version"), "version", "1.0")


def _boolean(owner: Value, key: str, default: bool, nullable: bool = False) -> bool:
    if key not in owner.object() or (nullable and owner.get(key) is None):
        return default
    return owner.need(key).boolean()


def _require(value: Value, what: str, expected: str) -> None:
    if value.text() != expected:
        value.unsupported(f"expected {what} {expected!r}, found {shown(value.text())}")


def _refuse_type(step: Value, what: str) -> NoReturn:
    step.need("type").unsupported(f"the {what} {shown(step.need('type').text())}")


# The normalizer


def read_normalizer(normalizer: Value, upstream: Upstream) -> Iterator[NormalizerStep]:
    """The steps of a tokenizer.json's `normalizer`. Raises `UnsupportedError` and `TokenizerFileError`."""
    for kind, step in steps_of(normalizer, "normalizers"):
        if kind == "Replace":
            yield _read_replace(step, upstream)
        elif kind == "Prepend":
            yield _read_prepend(step)
        elif kind == "Strip":
            left, right = (step.need(key).boolean() for key in ("strip_left", "strip_right"))
            yield NormalizerStep(kind, left=left, right=right, where=step.path)
        elif kind in FORMS:
            version = None if upstream.forms == OLDEST else upstream.forms
            yield NormalizerStep(kind, where=step.path, unicode_version=version)
        elif kind in NORMALIZERS:
            yield NormalizerStep(kind, where=step.path)
        else:
            _refuse_type(step, "normalizer")


def _read_replace(step: Value, upstream: Upstream) -> NormalizerStep:
    pattern = step.need("pattern")
    if list(pattern.object()) not in (["Regex"], ["String"]):
        pattern.wrong("an object with one key, Regex or String")
    (key,) = pattern.object()
    text = pattern.need(key).text()
    if not text:
        pattern.need(key).unsupported("an empty pattern, on which upstream panics")
    if key == "Regex" and not upstream.replaces:
        pattern.unsupported(f"a pattern in Replace as {upstream.name} reads it")
    return NormalizerStep("Replace", text, key == "Regex", step.need("content").text(), where=step.path)


def _read_prepend(step: Value) -> NormalizerStep:
    text = step.need("prepend").text()
    if not text:
        step.need("prepend").unsupported("nothing to prepend, by which upstream loses offsets")
    return NormalizerStep("Prepend", content=text, where=step.path)


# The decoder must change nothing


def _check_decoder(decoder: Value, steps: Steps) -> None:
    """Accepts one ByteLevel; a Fuse after it has nothing left to join."""
    if decoder.value is None:
        decoder.unsupported("no decoder: upstream puts spaces between the tokens then")
    for index, (kind, step) in enumerate(steps):
        if kind != ("Fuse" if index else "ByteLevel"):
            _refuse_type(step, "decoder")
    if not steps:
        decoder.unsupported("a decoder without ByteLevel")
    check_byte_level(steps[0][1])


# The model


def _check_model_options(model: Value) -> None:
    if "type" in model.object():
        _require(model.need("type"), "the model type", "BPE")
    dropout = model.get("dropout")
    if dropout is not None and type(dropout.value) not in (int, float):
        dropout.wrong("a number or null")
    if dropout is not None and dropout.value != 0:
        dropout.unsupported("dropout, which makes encodings random")
    for key in ("continuing_subword_prefix", "end_of_word_suffix"):
        affix = model.get(key)
        if affix is not None and affix.text():
            affix.unsupported(f"a {key}")
    unk_token = model.get("unk_token")
    if unk_token is not None:
        unk_token.text()
    for key in ("fuse_unk", "byte_fallback"):
        _boolean(model, key, False, nullable=True)


def _read_vocab(value: Value) -> dict[str, int]:
    vocab: dict[str, int] = value.object()
    if not vocab:
        value.unsupported("a vocabulary without a token")
    if not all(type(i) is int and 0 <= i < MAX_IDS for i in vocab.values()):
        _refuse_id(value)
    if len(set(vocab.values())) < len(vocab):
        _refuse_shared_id(value)
    return vocab


def _read_unknown(model: Value) -> tuple[str, bool] | None:
    """The unk_token, and `fuse_unk`. Refuses options with which bytes without a token are lost in another way."""
    vocab, unknown = model.need("vocab").object(), model.get("unk_token")
    lost = [char for byte, char in enumerate(BYTE_TO_CHAR) if char not in vocab and byte not in NOT_IN_UTF_8]
    for char in lost if _boolean(model, "byte_fallback", False, nullable=True) else "":
        if all(f"<0x{byte:02X}>" in vocab for byte in char.encode()):
            model.need("byte_fallback").unsupported(f"byte_fallback with tokens for {char!r}, which itself has none")
    if unknown is None:
        return None
    if lost and (unknown.text() not in vocab or unknown.text() != unknown.text().strip()):
        unknown.unsupported(f"expected a token of the vocabulary without white space around it, for bytes such as "
                            f"{lost[0]!r} that have no token, found {shown(unknown.text())}")
    return unknown.text(), _boolean(model, "fuse_unk", False, nullable=True)


def _refuse_id(vocab: Value) -> NoReturn:
    """Refuses an id that is too large, before a list with a place for each id is made."""
    for key in vocab.object():
        token_id = vocab.need(key).integer(MAX_U32)
        if token_id >= MAX_IDS:
            vocab.need(key).unsupported(f"the id {token_id}, where 0 to {MAX_IDS - 1} are taken")
    raise AssertionError("no id is wrong")


def _refuse_shared_id(vocab: Value) -> NoReturn:
    owners: dict[int, str] = {}
    for key, token_id in vocab.object().items():
        if owners.setdefault(token_id, key) != key:
            vocab.need(key).wrong(f"an id of its own, not the one of {shown(owners[token_id])}")
    raise AssertionError("no id is shared")


def _tokens_by_id(vocab: dict[str, int]) -> tuple[tuple[bytes | None, ...], frozenset[int]]:
    tokens: list[bytes | None] = [None] * (max(vocab.values()) + 1)
    for text, token_id in vocab.items():
        tokens[token_id] = decoded_bytes(text)
    return tuple(tokens), frozenset(token_id for text, token_id in vocab.items() if not is_spelling(text))


def _read_merges(value: Value, vocab: dict[str, int], raw_ids: frozenset[int]) -> array[int]:
    flat: list[int] = []
    read: list[tuple[int, int, int]] = []
    for index, left, right in _merge_pairs(value):
        try:
            left_id, right_id, merged_id = vocab[left], vocab[right], vocab[left + right]
        except KeyError as error:
            message = f"expected a token of the vocabulary, found {shown(error.args[0])}"
            raise TokenizerFileError(message, join_path(value.path, index)) from None
        read.append((index, left_id, right_id))
        if left_id not in raw_ids and right_id not in raw_ids:
            flat += (left_id, right_id, merged_id)
    refuse_repeated(read, value.path)
    return array("I", flat)


def _merge_pairs(value: Value) -> Iterator[tuple[int, str, str]]:
    """The merges as (index in the file, left, right); the file has "left right" or [left, right]."""
    if not isinstance(value.value, list):
        value.wrong("an array")
    kind = list if value.value and isinstance(value.value[0], list) else str
    expected = "an array of two strings" if kind is list else "a string of two tokens with a space between"
    for index, merge in enumerate(value.value):
        parts = merge
        if kind is str and isinstance(merge, str):
            if merge.startswith("#version"):
                continue
            parts = merge.split(" ")
        if not (isinstance(merge, kind) and len(parts) == 2
                and isinstance(parts[0], str) and isinstance(parts[1], str)):
            Value(merge, join_path(value.path, index)).wrong(expected)
        yield index, parts[0], parts[1]


# Added tokens


def _read_added_tokens(value: object, vocab: dict[str, int]) -> Iterator[AddedToken]:
    owners = dict(zip(vocab.values(), vocab))
    contents: set[str] = set()
    following = len(vocab)
    for item in Value(value, "$.added_tokens").array():
        token = _read_added_token(item)
        if not token.content or token.content in contents:
            item.need("content").wrong("a text that no added token before has")
        _check_id(item.need("id"), token, vocab.get(token.content), following, owners)
        contents.add(token.content)
        owners[token.id] = token.content
        following += token.content not in vocab
        yield token


def _read_added_token(item: Value) -> AddedToken:
    return AddedToken(
        id=item.need("id").integer(MAX_U32),
        content=item.need("content").text(),
        single_word=item.need("single_word").boolean(),
        lstrip=item.need("lstrip").boolean(),
        rstrip=item.need("rstrip").boolean(),
        normalized=item.need("normalized").boolean(),
        special=item.need("special").boolean(),
    )


def _check_id(
    value: Value, token: AddedToken, own: int | None, following: int, owners: dict[int, str]
) -> None:
    """Is the id upstream's: the token's own in the vocabulary, or else `following`?"""
    if own is not None and token.id != own:
        value.wrong(f"{own}, which $.model.vocab gives to this token")
    if owners.get(token.id, token.content) != token.content:
        value.wrong(f"an id of its own, not the one of {shown(owners[token.id])}")
    if own is None and token.id != following:
        value.unsupported(f"the id {token.id}, where upstream counts on and gives this token {following}")


# tokenizer_config.json


def _read_config(config: str | bytes | None, ids: dict[str, int]) -> TokenizerConfig:
    return TokenizerConfig() if config is None else read_tokenizer_config(config, ids)


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
