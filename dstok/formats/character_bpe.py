"""BPE from characters with byte fallback: the parts of a tokenizer.json <-> `CharacterShape`.

In: normalizer, pre-tokenizer, decoder, vocabulary and merges of a file without ByteLevel. Out: the shape, the canonical
tokens. Invariant: a known shape changes texts and tokens as `CharacterShape` says; any other is refused with its path.
The vocabulary has a token for each byte that a missing character needs, so an unknown token never stands for text.
Source: upstream 0.23.3, measured; tests/formats/test_character_bpe.py repeats the measurements.

The known shapes, for the space that files write as U+2581; the decoder is `DECODER`, and maybe `STRIP`:
- normalizer Prepend and Replace, no pre-tokenizer: Llama 2, the first Mistral, TinyLlama, Phi-3
- normalizer Replace, no pre-tokenizer, or a Split at spaces, which are gone by then: Yi, Gemma
- no normalizer, the pre-tokenizer Metaspace: later Mistral
"""

from __future__ import annotations

import json
from typing import Any

from dstok._util.json_value import Value, join_path, load_json, shown
from dstok.core.text.model_json import TokenTable, Vocabulary
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import BLANK, NOT_IN_UTF_8, byte_spelling
from dstok.formats.components import Steps, steps_of
from dstok.formats.description import PREFIX_SPACE, TEXT_SPACE, AddedToken, CharacterShape, NormalizerStep, Prefix

SCHEMES: dict[str, Prefix] = {"always": "unless-blank", "first": "text", "never": "none"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
PREPEND = {"type": "Prepend", "prepend": BLANK}
SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
PREFIX_STEPS = {"stretch": "Prepend", "unless-blank": PREFIX_SPACE, "text": TEXT_SPACE}
DECODER: tuple[dict[str, Any], ...] = (
    {"type": "Replace", "pattern": {"String": BLANK}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"})
STRIP: dict[str, Any] = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
PARTS = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "decoder": "decoders"}
_HEX = frozenset("0123456789abcdefABCDEF")


def read_shape(file: Value, normalizing: Steps, cutting: Steps, decoding: Steps, vocab: Vocabulary) -> CharacterShape:
    """The shape of a file; its steps are unfolded. Raises `UnsupportedError` and `TokenizerFileError`."""
    model = file.need("model")
    for key, needed in (("byte_fallback", True), ("ignore_merges", False), ("end_of_word_suffix", False)):
        if bool(model.member(key).value) is not needed:
            model.member(key).unsupported(f"a model of characters {'without' if needed else 'with'} {key}")
    prefix, split = _read_prefix(file, normalizing, cutting)
    parts = {name: file.object().get(name) for name in PARTS}
    parts |= {name: model.object()[name] for name in ("unk_token", "fuse_unk") if name in model.object()}
    strip, owner = _read_strip(file.member("decoder"), decoding), model.need("vocab")
    if BLANK not in vocab:
        owner.unsupported(f"a vocabulary without a token for {BLANK!r}, a space")
    found = [vocab.get(byte_spelling(byte)) for byte in range(256)]
    ids = tuple(-1 if token_id is None else token_id for token_id in found)
    for byte, token_id in enumerate(ids):
        if token_id < 0 and byte not in NOT_IN_UTF_8 and byte != ord(" ") and (byte >= 0x80 or chr(byte) not in vocab):
            owner.unsupported(f"a vocabulary without the token {byte_spelling(byte)!r}, which characters need")
    return CharacterShape(prefix, split, strip, ids, json.dumps(parts, ensure_ascii=False))


def _read_prefix(file: Value, normalizing: Steps, cutting: Steps) -> tuple[Prefix, bool]:
    if cutting and cutting[0][0] == "Metaspace":
        _refuse_more(cutting[1:], "pre-tokenizer")
        _refuse_more(normalizing, "normalizer")
        step = cutting[0][1]
        scheme, split = step.object().get("prepend_scheme", "always"), step.get("split")
        _need_step(step, {"replacement": BLANK})
        if scheme not in SCHEMES:
            step.need("prepend_scheme").wrong(f"one of {', '.join(SCHEMES)}")
        added = step.get("add_prefix_space")
        if added is not None and not added.boolean() and scheme != "never":
            added.wrong("true, which the prepend_scheme says, too")
        return SCHEMES[scheme], True if split is None else split.boolean()
    kinds = [kind for kind, _ in normalizing]
    if kinds not in (["Replace"], ["Prepend", "Replace"]):
        file.member("normalizer").unsupported("a normalizer of a model of characters that is not Replace, or Prepend "
                                              "and Replace")
    for kind, step in normalizing:
        _need_step(step, PREPEND if kind == "Prepend" else SPACES)
    if cutting:
        _need_step(cutting[0][1], SPLIT)
    _refuse_more(cutting[1:], "pre-tokenizer")
    return "stretch" if len(kinds) == 2 else "none", False


def _refuse_more(steps: Steps, what: str) -> None:
    for kind, step in steps:
        step.unsupported(f"the {what} {shown(kind)} of a model of characters")


def _need_step(step: Value, expected: dict[str, Any]) -> None:
    """Refuse a step with another value than expected. A key that upstream ignores may stand there."""
    for key, value in expected.items():
        found = step.need(key)
        if isinstance(value, dict) and list(found.object()) == list(value):
            _need_step(found, value)
        elif type(found.value) is not type(value) or found.value != value:
            found.unsupported(f"expected {shown(value)} in a model of characters, found {shown(found.value)}")


def canonical_steps(shape: CharacterShape, where: str = "") -> tuple[NormalizerStep, ...]:
    """The steps that make a text canonical."""
    replacing = NormalizerStep("Replace", BLANK, content=" ", where=where)
    if shape.prefix == "none":
        return (replacing,)
    content = " " if shape.prefix == "stretch" else ""
    return replacing, NormalizerStep(PREFIX_STEPS[shape.prefix], content=content, where=where)


def _read_strip(decoder: Value, steps: Steps) -> int:
    expected = [*DECODER, STRIP][: max(len(steps), len(DECODER))]
    if [kind for kind, _ in steps] != [step["type"] for step in expected]:
        decoder.unsupported("a decoder of a model of characters that is not Replace, ByteFallback, Fuse, and maybe "
                            "Strip")
    for (_, step), needed in zip(steps, expected):
        _need_step(step, needed)
    return len(steps) - len(DECODER)


def byte_of_token(text: str) -> int | None:
    """The byte that upstream's decoder takes a token for, also in an odd spelling; None for other tokens."""
    if not (len(text) == 6 == len(text.encode()) and text.startswith("<0x") and text.endswith(">")):
        return None
    digits = text[3:5].removeprefix("+")
    return int(digits, 16) if _HEX.issuperset(digits) else None


def canonical_tokens(vocab: Vocabulary, path: str) -> tuple[TokenTable, frozenset[int]]:
    """The tokens by id, and the ids that no text has: without a text, or with a space, where texts have U+2581.

    Raises `UnsupportedError` for two tokens of one text.
    """
    tokens, odd = vocab.tokens()
    raw_ids = set()
    for token_id in odd:
        text = vocab.text_of(token_id) or ""
        byte = byte_of_token(text)
        if byte is not None or (" " in text and BLANK in text):
            what = f"another spelling of the byte 0x{byte:02X}" if byte is not None else "a space and U+2581"
            raise UnsupportedError(f"the token {shown(text)} with {what}", join_path(path, text))
        if not text or " " in text:
            raw_ids.add(token_id)
    return tokens, frozenset(raw_ids)


def check_added(tokens: tuple[AddedToken, ...], cutting: Steps) -> tuple[AddedToken, ...]:
    """The added tokens as they are found: before Metaspace, those with normalized=true are found as the others.

    Raises `UnsupportedError` for tokens that the canonical text does not show as upstream sees them.
    """
    spaces_first = all(kind != "Metaspace" for kind, _ in cutting)
    mixed = len({token.normalized for token in tokens}) > 1
    for number, token in enumerate(tokens):
        fault = (f"the added token {shown(token.content)}, which decodes to a byte"
                 if byte_of_token(token.content) is not None else
                 "an added token with normalized and lstrip or rstrip, where spaces are replaced"
                 if spaces_first and token.normalized and (token.lstrip or token.rstrip) else
                 "added tokens with normalized and others, before Metaspace"
                 if not spaces_first and token.normalized and mixed else None)
        if fault:
            raise UnsupportedError(fault, f"$.added_tokens[{number}]")
    return tokens if spaces_first else tuple(token._replace(normalized=False) for token in tokens)


def check_parts(shape: CharacterShape) -> None:
    """Raises `ValueError` if the parts of a shape do not say what its other fields say."""
    try:
        file = load_json(shape.parts)
        steps = [steps_of(file.member(part), key) for part, key in PARTS.items()]
        found = (*_read_prefix(file, steps[0], steps[1]), _read_strip(file.member("decoder"), steps[2]))
    except (TokenizerFileError, UnsupportedError) as error:
        raise ValueError(f"parts: {error}") from None
    if found != (shape.prefix, shape.split, shape.strip):
        raise ValueError(f"parts: expected those of {shape.prefix!r}, {shape.split}, {shape.strip}, found {found}")


def parts_of(shape: CharacterShape) -> dict[str, Any]:
    """The file's normalizer, pre_tokenizer, decoder, unk_token and fuse_unk; of a shape without parts plain ones."""
    if shape.parts:
        found: dict[str, Any] = json.loads(shape.parts)
        return found
    decoder = {"type": "Sequence", "decoders": [*DECODER, *[STRIP] * shape.strip]}
    if shape.prefix == "stretch":
        normalizer: Any = {"type": "Sequence", "normalizers": [PREPEND, SPACES]}
    else:
        normalizer = None if shape.split or shape.prefix != "none" else SPACES
    cutter = None if normalizer else {"type": "Metaspace", "replacement": BLANK, "split": shape.split,
                                      "prepend_scheme": next(s for s, p in SCHEMES.items() if p == shape.prefix)}
    return {"normalizer": normalizer, "pre_tokenizer": cutter, "decoder": decoder}
