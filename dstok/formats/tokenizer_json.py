"""tokenizer.json <-> `ModelDescription`, for BPE models of bytes, and of characters with byte fallback.

In: the text of upstream's tokenizer.json and, for BOS and EOS, of tokenizer_config.json; or a description. Out: the
other of the two. Invariant: upstream loads each file that is read, too. Each field that can change upstream's encoding
or decoding is either in the description or has a value that changes nothing. Any other file is an `UnsupportedError`
(upstream does it, dstok does not) or a `TokenizerFileError` (the file is broken, or contradicts itself), with the JSON
path. A written file is read again: another model is refused.
Source: upstream 0.23.3, measured field by field; docs/exactness.md has the rules that a file does not state.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from dstok._util.json_value import Value, join_path, load_json, shown
from dstok._util.threads import at_once
from dstok.core.bpe.tables import MAX_IDS
from dstok.core.text.model_json import NO_FAULT, TokenTable, Vocabulary, find_any, pack_tokens, scan_model
from dstok.errors import ArgumentError, TokenizerFileError, UnsupportedError
from dstok.formats import character_bpe, components
from dstok.formats.byte_alphabet import BYTE_TO_CHAR, NOT_IN_UTF_8, byte_spelling, decoded_bytes, is_spelling, spelling
from dstok.formats.components import MAX_U32, Steps
from dstok.formats.description import PREFIX_SPACE, WORD_END, AddedToken, ModelDescription, TokenizerConfig
from dstok.formats.tokenizer_config import parse_settings, read_tokenizer_config
from dstok.formats.upstream import DIGITS_PATTERN, NEWEST, WORDS_PATTERN, Upstream, upstream_version
from dstok.regex import Split

PLACES = {"vocab": "$.model.vocab", "merges": "$.model.merges", "added_tokens": "$.added_tokens"}
TOP_LEVEL = frozenset({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                       "post_processor", "decoder", "model"})
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")  # of an added token, as in `AddedToken`
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}


def read_tokenizer_json(
    data: str | bytes, config: str | bytes | None = None, upstream: str = NEWEST
) -> ModelDescription:
    """The model of a tokenizer.json. A tokenizer_config.json, `config`, adds BOS, EOS and the settings of chats.

    A tekken.json is read, too (tekken.py). `upstream` names the version of upstream whose Unicode tables count.

    Raises `TokenizerFileError` for a broken file and `UnsupportedError` for one that dstok cannot follow
    exactly. Patterns are not checked here: compiling `splits` does that.
    """
    versions = upstream_version(upstream)
    vocab: Vocabulary
    settings_text = "{}" if config is None else config
    (file, vocab), parsed = at_once(partial(_read_tables, data), partial(parse_settings, settings_text))
    if {"config", "vocab"} <= file.object().keys() and "model" not in file.object():
        from dstok.formats.tekken import describe_tekken  # not needed otherwise

        if upstream != NEWEST:
            raise ArgumentError("a tekken.json, whose ids are tiktoken's: no version of upstream reads it", "upstream")
        described = describe_tekken(file)
        ids = {token.content: token.id for token in described.added_tokens}
        return described if config is None else described._replace(config=read_tokenizer_config(parsed, ids.get))
    model = file.need("model")
    _check_model_options(model)
    for key in (key for key in file.object() if key not in TOP_LEVEL):
        Value(key, join_path("$", key)).wrong(f"one of the keys {', '.join(sorted(TOP_LEVEL))}")
    _need_text(file, "version", "1.0", "version")
    cutting = components.steps_of(file.member("pre_tokenizer"), "pretokenizers")
    decoding = components.steps_of(file.member("decoder"), "decoders")
    _check_vocab(model.need("vocab"), vocab)
    kinds = [kind for kind, _ in (*cutting, *decoding)]
    by_characters = "ByteLevel" not in kinds and (
        "ByteFallback" in kinds or model.member("byte_fallback").value is True)
    if not by_characters:
        _check_decoder(file.member("decoder"), decoding)
    added = tuple(map(AddedToken._make, vocab.added or _read_added_tokens(file, vocab)))
    added_ids = {token.content: token.id for token in added}

    def id_of(text: str) -> int | None:
        return added_ids.get(text, vocab.get(text))

    described = (_describe_characters(file, cutting, decoding, vocab, added, versions) if by_characters
                 else _describe_bytes(file, cutting, vocab, added, versions))
    finishing = components.steps_of(file.member("post_processor"), "processors")
    trim_offsets, framing = components.read_trimming(finishing), components.read_framing(finishing)
    settings = read_tokenizer_config(parsed, id_of)._replace(
        framing=framing, truncation=components.read_truncation(file.get("truncation")),
        padding=components.read_padding(file.get("padding")))
    if settings.unk_id is None and model.get("unk_token") is not None:
        settings = settings._replace(unk_id=id_of(model.need("unk_token").text()))
    return described._replace(config=settings, trim_offsets=trim_offsets, places=PLACES)


def _read_tables(data: str | bytes) -> tuple[Value, Vocabulary]:
    """The file without the two tables of its model, and these.

    A file with a fault is parsed as a whole: an error of JSON comes before any other, and has its place there.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    rest, vocab = scan_model(raw if isinstance(raw, bytes) else b"", MAX_IDS)
    if rest is not None:
        with suppress(TokenizerFileError):
            return load_json(rest), vocab
    return load_json(data), vocab


def _need_text(owner: Value, key: str, expected: str, what: str) -> None:
    """Refuse another text than the expected one, if the member is there."""
    if key in owner.object() and owner.need(key).text() != expected:
        owner.need(key).unsupported(f"expected {what} {expected!r}, found {shown(owner.need(key).text())}")


def _check_decoder(decoder: Value, steps: Steps) -> None:
    """Accept one ByteLevel, which changes nothing; a Fuse after it has nothing left to join."""
    if decoder.value is None:
        decoder.unsupported("no decoder: upstream puts spaces between the tokens then")
    for index, (kind, step) in enumerate(steps):
        if kind != ("Fuse" if index else "ByteLevel"):
            step.need("type").unsupported(f"the decoder {shown(kind)}")
    if not steps:
        decoder.unsupported("a decoder without ByteLevel")
    components.check_byte_level(steps[0][1])


def _describe_bytes(
    file: Value, cutting: Steps, vocab: Vocabulary, added: tuple[AddedToken, ...], versions: Upstream,
) -> ModelDescription:
    """A byte-level model, without the parts that all models have."""
    model = file.need("model")
    splits = tuple(components.read_pre_tokenizers(file.member("pre_tokenizer"), cutting, versions))
    tokens, raw = vocab.tokens(BYTE_TO_CHAR)
    raw_ids, unknown = frozenset(raw), _read_unknown(model, vocab)
    own = {vocab.get(unknown[0])} if unknown else set()  # compiled/build.py looks whether merges have it as a side
    merges = _read_merges(model.need("merges"), vocab, raw_ids - own)
    ignore_merges, cuts = _boolean_or_null(model, "ignore_merges"), components.byte_cuts(cutting)
    suffix = model.member("end_of_word_suffix")
    word_end = suffix.text() if suffix.value else ""
    if word_end:
        tokens, merges = _mark_word_ends(suffix, vocab, tokens, raw_ids, merges)
    prefix = components.prefix_step(cutting)
    normalizer = (*components.read_normalizer(file.member("normalizer"), versions), *([prefix] if prefix else []))
    described = ModelDescription(splits, tokens, raw_ids, merges, components.raw_tokens(normalizer, added),
                                 ignore_merges, versions.patterns, normalizer, word_end=word_end,
                                 unknown=unknown)
    for value, what in ((suffix, "an end_of_word_suffix"), (file.member("pre_tokenizer"), "Digits after ByteLevel")):
        if (word_end if value is suffix else cuts) and (ignore_merges or described.lost_bytes()):
            value.unsupported(f"{what} in a model with ignore_merges, or with bytes without a token,")
    if cuts is None:
        return described
    ends = [(token[0], token[-1]) if token else (0, 0) for token in tokens]
    kept = (i for rule in described.merge_rules() if not cuts(ends[rule[0]][1], ends[rule[1]][0]) for i in rule)
    return described._replace(merges=array("I", kept), cuts_bytes=True)


def _describe_characters(
    file: Value, cutting: Steps, decoding: Steps, vocab: Vocabulary, added: tuple[AddedToken, ...],
    versions: Upstream,
) -> ModelDescription:
    """A model of characters, without the parts that all models have."""
    model, normalizer = file.need("model"), file.member("normalizer")
    shape = character_bpe.read_shape(file, components.steps_of(normalizer, "normalizers"), cutting, decoding, vocab)
    tokens, raw_ids = character_bpe.canonical_tokens(vocab, PLACES["vocab"])
    merges = _read_merges(model.need("merges"), vocab, raw_ids)
    for at in find_any(merges, [token_id for token_id in shape.byte_ids if token_id >= 0])[:1]:
        byte = byte_spelling(shape.byte_ids.index(merges[at]))
        raise UnsupportedError(f"a merge with {byte!r}, the token of a byte", PLACES["merges"])
    where = file.member("pre_tokenizer" if normalizer.value is None else "normalizer").path
    splits = (Split(" ", "MergedWithNext", False, where),) * shape.split
    added = character_bpe.check_added(added, cutting)
    return ModelDescription(splits, tokens, raw_ids, merges, added, False, versions.patterns,
                            character_bpe.canonical_steps(shape, where), characters=shape)


def _boolean_or_null(owner: Value, key: str) -> bool:
    return (value := owner.get(key)) is not None and value.boolean()


def _check_model_options(model: Value) -> None:
    _need_text(model, "type", "BPE", "the model type")
    dropout = model.get("dropout")
    if dropout is not None and type(dropout.value) not in (int, float):
        dropout.wrong("a number or null")
    if dropout is not None and dropout.value != 0:
        dropout.unsupported("dropout, which makes encodings random")
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token"):
        text = model.get(key)
        if text is not None and text.text() and key == "continuing_subword_prefix":
            text.unsupported(f"a {key}")
    for key in ("fuse_unk", "byte_fallback"):
        _boolean_or_null(model, key)


def _check_vocab(value: Value, vocab: Vocabulary) -> None:
    entries = value.object()
    if vocab.fault != NO_FAULT:
        key = [*entries][vocab.fault]
        token_id = value.need(key).integer(MAX_U32)
        if token_id >= MAX_IDS:
            value.need(key).unsupported(f"the id {token_id}, where 0 to {MAX_IDS - 1} are taken")
        owner = next(text for text, other in entries.items() if other == token_id)
        value.need(key).wrong(f"an id of its own, not the one of {shown(owner)}")
    if not len(vocab):
        value.unsupported("a vocabulary without a token")


def _read_unknown(model: Value, vocab: Vocabulary) -> tuple[str, bool] | None:
    """The unk_token, and `fuse_unk`. Refuses options with which bytes without a token are lost in another way."""
    unknown = model.get("unk_token")
    lost = [char for byte, char in enumerate(BYTE_TO_CHAR) if char not in vocab and byte not in NOT_IN_UTF_8]
    for char in lost if _boolean_or_null(model, "byte_fallback") else "":
        if all(f"<0x{byte:02X}>" in vocab for byte in char.encode()):
            model.need("byte_fallback").unsupported(f"byte_fallback with tokens for {char!r}, which itself has none")
    if unknown is None:
        return None
    if lost and (unknown.text() not in vocab or unknown.text() != unknown.text().strip()):
        unknown.unsupported(f"expected a token of the vocabulary without white space around it, for bytes such as "
                            f"{lost[0]!r} that have no token, found {shown(unknown.text())}")
    return unknown.text(), _boolean_or_null(model, "fuse_unk")


def _read_merges(value: Value, vocab: Vocabulary, raw_ids: Iterable[int]) -> array[int]:
    """The merges without those of raw ids. The file has "left right" for all of them, or [left, right]."""
    if not isinstance(value.value, list):
        value.wrong("an array")
    if vocab.merge_fault != NO_FAULT:
        merge = Value(value.value[vocab.merge_fault], join_path(value.path, vocab.merge_fault))
        kind, parts = list if isinstance(value.value[0], list) else str, merge.value
        if kind is str and isinstance(parts, str):
            parts = parts.split(" ")
        if not (isinstance(merge.value, kind) and isinstance(parts, list) and [*map(type, parts)] == [str, str]):
            merge.wrong("an array of two strings" if kind is list else "a string of two tokens with a space between")
        for text in (*parts, "".join(parts)):
            if text not in vocab:
                raise TokenizerFileError(f"expected a token of the vocabulary, found {shown(text)}", merge.path)
        first = value.value.index(merge.value)
        raise TokenizerFileError(f"expected a new merge, found merge {first} again", merge.path)
    raw = {at // 3 for at in find_any(vocab.merges, raw_ids) if at % 3 < 2}
    return array("I", (i for at, i in enumerate(vocab.merges) if at // 3 not in raw)) if raw else vocab.merges


def _mark_word_ends(
    suffix: Value, vocab: Vocabulary, tokens: TokenTable, raw_ids: frozenset[int], merges: array[int],
) -> tuple[TokenTable, array[int]]:
    """The tokens and merges with `WORD_END` for the suffix; see `ModelDescription.word_end`."""
    end, text = decoded_bytes(suffix.text()), suffix.text()
    found = [(vocab.get(char), vocab.get(char + text)) for byte, char in enumerate(BYTE_TO_CHAR)
             if byte not in NOT_IN_UTF_8]
    pairs = [(byte, at_end) for byte, at_end in found if byte is not None and at_end is not None]
    last = vocab.get(spelling(WORD_END))
    odd = (token for i, token in enumerate(tokens) if token and WORD_END in token and i not in raw_ids)
    if not is_spelling(text) or last is None or pairs != found or not {*odd} <= {WORD_END, WORD_END + end}:
        suffix.unsupported("an end_of_word_suffix that is no text of ByteLevel's, without a token of each byte and of "
                           "each byte with it, or with longer tokens of the byte 0xFF,")
    marked = [token[: -len(end)] + WORD_END if token and token.endswith(end) and len(token) > len(end)
              and i not in raw_ids else token for i, token in enumerate(tokens)]
    for at in range(0, len(merges), 3):
        left, right, merged = (marked[i] or b"" for i in merges[at : at + 3])
        if left + right != merged or WORD_END in left + right[:-1] or right == WORD_END:
            raise UnsupportedError("a merge after the end of a word, or with a byte that no text has", PLACES["merges"])
    return pack_tokens(marked), array("I", (i for pair in pairs for i in (pair[0], last, pair[1]))) + merges


def _read_added_tokens(file: Value, vocab: Vocabulary) -> Iterator[AddedToken]:
    owners: dict[int, str] = {}
    contents: set[str] = set()
    following = len(vocab)
    for item in file.member("added_tokens").array() if "added_tokens" in file.object() else ():
        token_id, content = item.need("id").integer(MAX_U32), item.need("content").text()
        token = AddedToken(token_id, content, *(item.need(flag).boolean() for flag in FLAGS))
        if not content or content in contents:
            item.need("content").wrong("a text that no added token before has")
        own = vocab.get(content)  # upstream's id: its own in the vocabulary, or `following`
        if own is not None and token_id != own:
            item.need("id").wrong(f"{own}, which $.model.vocab gives to this token")
        owner = owners.get(token_id, vocab.text_of(token_id))
        if owner not in (None, content):
            item.need("id").wrong(f"an id of its own, not the one of {shown(owner)}")
        if own is None and token_id != following:
            item.need("id").unsupported(f"the id {token_id}, where upstream counts on and gives this token {following}")
        contents.add(content)
        owners[token_id] = content
        following += own is None
        yield token


def write_tokenizer_json(model: ModelDescription) -> str:
    """The text of a tokenizer.json. Raises `UnsupportedError` if such a file cannot describe the model."""
    model.refuse_shared("a tokenizer.json")
    if model.cuts_texts:
        raise UnsupportedError("a model whose own code cuts long texts, which a tokenizer.json cannot say")
    vocab = _vocabulary(model)
    parts: dict[str, Any]
    if model.characters is not None:
        parts = {"unk_token": None, "fuse_unk": False, **character_bpe.parts_of(model.characters)}
    else:
        unknown, fuse = model.unknown or (None, False)
        parts = {"normalizer": components.write_normalizer(model.normalizer), "pre_tokenizer": _pre_tokenizer(model),
                 "decoder": _BYTE_LEVEL, "unk_token": unknown, "fuse_unk": fuse}
    text = json.dumps({
        "version": "1.0", "truncation": model.config.truncation, "padding": model.config.padding,
        "added_tokens": [_added_token(i, token) for i, token in enumerate(model.added_tokens)],
        "normalizer": parts["normalizer"], "pre_tokenizer": parts["pre_tokenizer"],
        "post_processor": _post_processor(model), "decoder": parts["decoder"],
        "model": {"type": "BPE", "dropout": None, "unk_token": parts["unk_token"], "continuing_subword_prefix": None,
                  "end_of_word_suffix": model.word_end or None, "fuse_unk": parts["fuse_unk"],
                  "byte_fallback": model.characters is not None, "ignore_merges": model.ignore_merges,
                  "vocab": {}, "merges": []},
    }, ensure_ascii=False, indent=1)
    texts = {i: model.spelling(i) for i in set(model.merges)}
    listed = (rule for rule in model.merge_rules() if not model.word_end or model.tokens[rule[1]] != WORD_END)
    text = _with_tables(text, vocab, [(texts[left], texts[right]) for left, right, _ in listed])
    written = _essence(read_tokenizer_json(text))._asdict()
    for name, expected in _essence(model)._asdict().items():
        if written[name] != expected:
            raise UnsupportedError(f"{name} that a tokenizer.json cannot say, or dstok cannot write", f"$.{name}")
    return text


def _added_token(index: int, token: AddedToken) -> dict[str, Any]:
    if token.literal:
        found = shown(decoded_bytes(token.content).decode("utf-8", "replace"))
        raise UnsupportedError(f"the added token {shown(token.content)}" + (
            " of the normalized text: upstream would look for it with a space before it" if token.normalized
            else f", which upstream decodes as {found}"), f"$.added_tokens[{index}].content")
    return {name: getattr(token, name) for name in ("id", "content", *FLAGS)}


def _vocabulary(model: ModelDescription) -> dict[str, int]:
    spelled = [(model.spelling(i), i) for i, token in enumerate(model.tokens) if token is not None]
    vocab = dict(spelled)
    new = [(token.content, token.id) for token in model.added_tokens if vocab.get(token.content) != token.id]
    whole: dict[str, int] = {}
    for text, token_id in spelled + new:
        if whole.setdefault(text, token_id) != token_id:
            raise UnsupportedError(f"two tokens of one spelling, {shown(text)}: ids {whole[text]} and {token_id}",
                                   f"id {token_id}")
    if [token_id for _, token_id in new] != list(range(len(vocab), len(vocab) + len(new))):
        vocab = whole
    return dict(sorted(vocab.items(), key=lambda item: item[1]))


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
    steps: list[dict[str, Any]] = []
    for split in model.splits:
        # Digits and Whitespace by their own names, since their Unicode versions differ from Split's.
        if split.unicode_version is not None and split.pattern == DIGITS_PATTERN:
            steps.append({"type": "Digits", "individual_digits": split.behavior == "Isolated"})
        elif split.unicode_version is not None and split.pattern == WORDS_PATTERN:
            steps.append({"type": "Whitespace"})
        else:
            steps.append({"type": "Split", "pattern": {"Regex": split.pattern}, "behavior": split.behavior,
                          "invert": split.invert})
    return {"type": "Sequence", "pretokenizers": [*steps, _BYTE_LEVEL]}


def _post_processor(model: ModelDescription) -> dict[str, Any] | None:
    framing, trimming = model.config.framing, model.trim_offsets
    if model.characters is not None and not trimming:
        return components.one_or_sequence(json.loads(framing) if framing else [], "processors")
    byte_level = {**_BYTE_LEVEL, "trim_offsets": trimming != "", "add_prefix_space": trimming == components.BUT_FIRST}
    return {"type": "Sequence", "processors": [byte_level, *json.loads(framing)]} if framing else byte_level


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
    return model.without_places()._replace(tokens=pack_tokens(tokens), raw_ids=model.raw_ids - hidden,
                                           cuts_bytes=False, config=TokenizerConfig(framing=model.config.framing))
