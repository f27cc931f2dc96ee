"""A small tokenizer.json, and what becomes of it with one change: it is read, or refused and where.

In: changes. Out: the file as a dictionary; `READ` and `REFUSED`, the changes that the tests try.
"""

from __future__ import annotations

import copy
from enum import Enum
from typing import Any

from dstok.core.bpe.tables import MAX_IDS
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR

BROKEN, UNSUPPORTED = TokenizerFileError, UnsupportedError


def token(id: int, content: str, special: bool = True, **flags: Any) -> dict[str, Any]:
    defaults = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not special}
    return {"id": id, "content": content, **defaults, "special": special, **flags}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
DIGITS = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated", "invert": False}
TEXT_A, TEXT_B = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
BOS = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
MERGES = ["a b", "Ġ a", "ab c", "Ġa b"]


def steps(*pre_tokenizers: Any) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(pre_tokenizers)}


def split(pattern: Any, behavior: Any = "Isolated", invert: Any = False) -> dict[str, Any]:
    return steps({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}, BYTE_LEVEL)


def template(*single: Any, **members: Any) -> dict[str, Any]:
    special_tokens = {"<bos>": {"id": "<bos>", "ids": [0], "tokens": ["<bos>"]}}
    return {"type": "TemplateProcessing", "single": list(single), "pair": [TEXT_A, TEXT_B],
            "special_tokens": special_tokens, **members}


def small() -> dict[str, Any]:
    """A file in the form that upstream writes: ids 0 and 1 in the vocabulary, 262 above it."""
    spellings = ["<bos>", "<｜eos｜>", *BYTE_TO_CHAR, *(merge.replace(" ", "") for merge in MERGES)]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
             "vocab": {text: id for id, text in enumerate(spellings)}, "merges": list(MERGES)}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [token(0, "<bos>"), token(1, "<｜eos｜>"), token(262, "<u>", special=False)],
            "normalizer": None, "pre_tokenizer": steps(copy.deepcopy(DIGITS), dict(BYTE_LEVEL)),
            "post_processor": dict(BYTE_LEVEL), "decoder": dict(BYTE_LEVEL), "model": model}


class Mark(Enum):
    ABSENT = 0  # its name stands in the names of tests


ABSENT = Mark.ABSENT
Change = tuple[str, Any]  # (path, new value): "a.b.0" names a place in the tree; ABSENT takes it away


def changed(*changes: Change) -> dict[str, Any]:
    tree = small()
    for path, value in changes:
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place: Any = tree
        for key in parents:
            place = place[key]
        if value is ABSENT:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)
    return tree


PRE, POST, MODEL = "pre_tokenizer", "post_processor", "model"
READ: list[tuple[Change, ...]] = [
    (),
    # what may be missing, and what is passed over
    *(((key, ABSENT),) for key in ("version", "truncation", "padding", "normalizer", POST)),
    (("added_tokens", ABSENT),), (("added_tokens", []),),
    *(((f"model.{key}", ABSENT),) for key in small()["model"] if key not in ("vocab", "merges")),
    *(((f"{place}.foo", [1, {"a": None}]),) for place in (
        MODEL, "added_tokens.0", PRE, f"{PRE}.pretokenizers.0", f"{PRE}.pretokenizers.1", POST, "decoder")),
    (("model.dropout", 0),), (("model.dropout", -0.0),),
    (("model.unk_token", "<bos>"),), (("model.unk_token", "nowhere"),),
    (("model.continuing_subword_prefix", ""), ("model.end_of_word_suffix", "")),
    *((("model.fuse_unk", value), ("model.byte_fallback", value)) for value in (True, None)),
    # normalizer and pre-tokenizer
    (("normalizer", {"type": "Sequence", "normalizers": []}),),
    (("normalizer", {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": []}]}),),
    *((("normalizer", {"type": form}),) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    ((PRE, BYTE_LEVEL),), ((PRE, {**BYTE_LEVEL, "use_regex": True}),), ((PRE, steps(BYTE_LEVEL)),),
    ((f"{PRE}.pretokenizers.1.use_regex", ABSENT),), ((f"{PRE}.pretokenizers.1.trim_offsets", True),),
    ((PRE, steps(steps(DIGITS), steps(), steps(steps(BYTE_LEVEL)))),),
    *(((PRE, split({"Regex": "[a-c]"}, behavior, invert)),) for invert in (False, True) for behavior in (
        "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")),
    *(((PRE, split({"String": text})),) for text in (
        "b", ".", "ab", "\\", "(", "a)", "^$", "*", "[b", "c}", "]{", "\n\t")),
    # post-processor and decoder
    ((POST, None),), ((POST, template(BOS, TEXT_A)),), ((POST, template(TEXT_A, BOS, pair=[])),),
    ((POST, {"type": "Sequence", "processors": [dict(BYTE_LEVEL), template(BOS, TEXT_A)]}),),
    ((f"{POST}.add_prefix_space", True), (f"{POST}.use_regex", ABSENT)),
    (("decoder", {**BYTE_LEVEL, "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),),
    (("decoder", {"type": "Sequence", "decoders": [dict(BYTE_LEVEL)]}),),
    (("decoder", {"type": "Sequence", "decoders": [dict(BYTE_LEVEL), {"type": "Fuse"}]}),),
    # the model
    (("model.merges", []),), (("model.merges", [merge.split(" ") for merge in MERGES]),),
    (("model.merges", ["#version: 0.2", *MERGES]),), (("model.merges", [*MERGES, "#version b c"]),),
    (("model.merges", MERGES[::-1]),), (("model.merges", MERGES[1:]), ("model.ignore_merges", True)),
    (("model.ignore_merges", None),),
    (("model.vocab.<bos>", 300), ("added_tokens.0.id", 300)),
    (("model.vocab.zz", 400), ("added_tokens.2.id", 263)),
    *(((("model.vocab.x", ABSENT), ("model.vocab.Ġab", small()["model"]["vocab"]["x"]), ("added_tokens.2.id", 261), *unknown))
      for unknown in ((), (("model.unk_token", "<bos>"), ("model.fuse_unk", True)))),
    (("model.vocab.", 262), ("model.merges.4", " a"), ("added_tokens.2.id", 263)),
    (("model.vocab.中", 262), ("model.vocab.a中", 263), ("model.merges.4", "a 中"),
     ("added_tokens.2.id", 264)),
    # added tokens
    (("added_tokens.2.content", "ab"), ("added_tokens.2.id", 258)),
    *((("added_tokens.2.content", text),) for text in ("\0", "a b", "中", "é中", "Āx", "\U0001f600")),
    (("added_tokens.2.content", "õ"), ("added_tokens.2.id", 247)),  # upstream decodes it as a byte
    (("added_tokens.3", token(263, "<v>")), ("added_tokens.4", token(264, "<w>", rstrip=True))),
]

DIGITS_AT, BYTE_LEVEL_AT = f"{PRE}.pretokenizers.0", f"{PRE}.pretokenizers.1"
REFUSED: list[tuple[Change, type[DstokError], str]] = [
    (("foo", 1), BROKEN, "$.foo"),
    (("a b", 1), BROKEN, '$["a b"]'),
    (("version", "2.0"), UNSUPPORTED, "$.version"),
    (("version", None), BROKEN, "$.version"),
    (("truncation", 5), BROKEN, "$.truncation"),
    (("padding", False), BROKEN, "$.padding"),
    *((("decoder", {"type": "Sequence", "decoders": decoders}), UNSUPPORTED, where) for decoders, where in (
        ([{"type": "Fuse"}, dict(BYTE_LEVEL)], "$.decoder.decoders[0].type"),
        ([dict(BYTE_LEVEL), {"type": "ByteFallback"}], "$.decoder.decoders[1].type"),
        ([{"type": "ByteFallback"}, dict(BYTE_LEVEL)], "$.decoder.decoders[0].type"),
        ([dict(BYTE_LEVEL), {"type": "Strip", "content": " ", "start": 1, "stop": 0}], "$.decoder.decoders[1].type"),
        ([{"type": "Replace", "pattern": {"String": "a"}, "content": "b"}, dict(BYTE_LEVEL)],
         "$.decoder.decoders[0].type"))),
    (("normalizer", {"type": "Nmt"}), UNSUPPORTED, "$.normalizer.type"),
    (("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}), UNSUPPORTED,
     "$.normalizer.normalizers[1].type"),
    (("normalizer", {"type": "Sequence"}), BROKEN, "$.normalizer"),
    (("normalizer", {"type": "Sequence", "normalizers": [None]}), BROKEN, "$.normalizer.normalizers[0]"),
    (("normalizer", {}), BROKEN, "$.normalizer"),
    ((PRE, None), UNSUPPORTED, "$.pre_tokenizer"),
    ((PRE, ABSENT), UNSUPPORTED, "$.pre_tokenizer"),
    ((PRE, []), BROKEN, "$.pre_tokenizer"),
    ((PRE, "ByteLevel"), BROKEN, "$.pre_tokenizer"),
    ((PRE, {}), BROKEN, "$.pre_tokenizer"),
    ((PRE, {"type": 3}), BROKEN, "$.pre_tokenizer.type"),
    ((PRE, steps()), UNSUPPORTED, "$.pre_tokenizer"),
    ((PRE, steps(DIGITS)), UNSUPPORTED, "$.pre_tokenizer"),
    ((PRE, steps(None)), BROKEN, "$.pre_tokenizer.pretokenizers[0]"),
    ((PRE, steps(BYTE_LEVEL, DIGITS)), UNSUPPORTED, "$.pre_tokenizer.pretokenizers[1]"),
    ((PRE, steps(DIGITS, BYTE_LEVEL, BYTE_LEVEL)), UNSUPPORTED, "$.pre_tokenizer.pretokenizers[2]"),
    ((PRE, steps(steps(DIGITS, {"type": "Metaspace", "replacement": "_"}), BYTE_LEVEL)), UNSUPPORTED,
     "$.pre_tokenizer.pretokenizers[0].pretokenizers[1].type"),
    ((PRE, {"type": "Metaspace", "replacement": "▁"}), UNSUPPORTED, "$.pre_tokenizer.type"),
    ((PRE, {"type": "Sequence", "pretokenizers": {}}), BROKEN, "$.pre_tokenizer.pretokenizers"),
    ((f"{DIGITS_AT}.type", ABSENT), BROKEN, "$.pre_tokenizer.pretokenizers[0]"),
    ((f"{DIGITS_AT}.pattern", ABSENT), BROKEN, "$.pre_tokenizer.pretokenizers[0]"),
    ((f"{DIGITS_AT}.pattern", "a"), BROKEN, "$.pre_tokenizer.pretokenizers[0].pattern"),
    ((f"{DIGITS_AT}.pattern", {}), BROKEN, "$.pre_tokenizer.pretokenizers[0].pattern"),
    ((f"{DIGITS_AT}.pattern.String", "a"), BROKEN, "$.pre_tokenizer.pretokenizers[0].pattern"),
    ((f"{DIGITS_AT}.pattern.Regex", 1), BROKEN, "$.pre_tokenizer.pretokenizers[0].pattern.Regex"),
    ((f"{DIGITS_AT}.behavior", "isolated"), BROKEN, "$.pre_tokenizer.pretokenizers[0].behavior"),
    ((f"{DIGITS_AT}.behavior", None), BROKEN, "$.pre_tokenizer.pretokenizers[0].behavior"),
    ((f"{DIGITS_AT}.invert", 0), BROKEN, "$.pre_tokenizer.pretokenizers[0].invert"),
    ((f"{BYTE_LEVEL_AT}.add_prefix_space", True), UNSUPPORTED,
     "$.pre_tokenizer.pretokenizers[1].add_prefix_space"),
    ((f"{BYTE_LEVEL_AT}.add_prefix_space", ABSENT), BROKEN, "$.pre_tokenizer.pretokenizers[1]"),
    ((f"{BYTE_LEVEL_AT}.trim_offsets", ABSENT), BROKEN, "$.pre_tokenizer.pretokenizers[1]"),
    ((f"{BYTE_LEVEL_AT}.use_regex", None), BROKEN, "$.pre_tokenizer.pretokenizers[1].use_regex"),
    ((f"{POST}.type", "RobertaProcessing"), BROKEN, "$.post_processor"),
    ((POST, {"type": "BertProcessing", "sep": ["a"], "cls": ["a", 1]}), BROKEN, "$.post_processor.sep"),
    ((POST, {"type": "BertProcessing", "sep": ["a", 1], "cls": ["a", -1]}), BROKEN, "$.post_processor.cls[1]"),
    ((POST, {"type": "Sequence", "processors": [{"type": "Nope"}]}), UNSUPPORTED,
     "$.post_processor.processors[0].type"),
    ((POST, template()), UNSUPPORTED, "$.post_processor.single"),
    ((POST, template(TEXT_A, TEXT_A)), UNSUPPORTED, "$.post_processor.single"),
    ((POST, template(TEXT_B)), UNSUPPORTED, "$.post_processor.single"),
    ((POST, template("$A")), BROKEN, "$.post_processor.single[0]"),
    ((POST, template({"Sequence": {"id": "A"}})), BROKEN, "$.post_processor.single[0].Sequence"),
    ((POST, template({"Sequence": {"id": "C", "type_id": 0}})), BROKEN,
     "$.post_processor.single[0].Sequence.id"),
    ((POST, template(TEXT_A, pair=None)), BROKEN, "$.post_processor.pair"),
    ((POST, template(TEXT_A, special_tokens={"x": {"id": "x", "ids": [-1], "tokens": []}})), BROKEN,
     "$.post_processor.special_tokens.x.ids[0]"),
    (("decoder", None), UNSUPPORTED, "$.decoder"),
    (("decoder", ABSENT), UNSUPPORTED, "$.decoder"),
    (("decoder", {"type": "Fuse"}), UNSUPPORTED, "$.decoder.type"),
    (("decoder", {"type": "Sequence", "decoders": []}), UNSUPPORTED, "$.decoder"),
    (("decoder.add_prefix_space", ABSENT), BROKEN, "$.decoder"),
    ((MODEL, ABSENT), BROKEN, "$"),
    ((MODEL, None), BROKEN, "$.model"),
    (("model.type", "Unigram"), UNSUPPORTED, "$.model.type"),
    (("model.type", "bpe"), UNSUPPORTED, "$.model.type"),
    (("model.type", None), BROKEN, "$.model.type"),
    (("model.dropout", 0.1), UNSUPPORTED, "$.model.dropout"),
    (("model.dropout", False), BROKEN, "$.model.dropout"),
    (("model.dropout", "0"), BROKEN, "$.model.dropout"),
    (("model.unk_token", 1), BROKEN, "$.model.unk_token"),
    (("model.continuing_subword_prefix", "##"), UNSUPPORTED, "$.model.continuing_subword_prefix"),
    (("model.end_of_word_suffix", "</w>"), UNSUPPORTED, "$.model.end_of_word_suffix"),
    (("model.end_of_word_suffix", 1), BROKEN, "$.model.end_of_word_suffix"),
    (("model.fuse_unk", 0), BROKEN, "$.model.fuse_unk"),
    (("model.byte_fallback", "no"), BROKEN, "$.model.byte_fallback"),
    (("model.ignore_merges", 1), BROKEN, "$.model.ignore_merges"),
    (("model.vocab", ABSENT), BROKEN, "$.model"),
    (("model.vocab", []), BROKEN, "$.model.vocab"),
    (("model.vocab", {}), UNSUPPORTED, "$.model.vocab"),
    (("model.vocab.Ġa", 258), BROKEN, '$.model.vocab["\\u0120a"]'),
    *((("model.vocab.ab", id), BROKEN, "$.model.vocab.ab") for id in (
        -1, 1.0, True, None, "258", 1 << 32, 1 << 70)),
    *((("model.vocab.ab", id), UNSUPPORTED, "$.model.vocab.ab") for id in (MAX_IDS, 1 << 24, (1 << 32) - 1)),
    (("model.merges", ABSENT), BROKEN, "$.model"),
    (("model.merges", None), BROKEN, "$.model.merges"),
    (("model.merges", {}), BROKEN, "$.model.merges"),
    *((("model.merges.1", merge), BROKEN, "$.model.merges[1]") for merge in (
        "", "ab", "a b c", "a  b", "a ", "zz a", "a zz", "x y", "a b\n", 1, None, ["Ġ", "a"], "a b")),
    (("model.merges", [["a", "b"], "Ġ a"]), BROKEN, "$.model.merges[1]"),
    (("model.merges", [["a", "b"], ["a", 1]]), BROKEN, "$.model.merges[1]"),
    (("model.merges", [["a", "b"], ["a", "b", "c"]]), BROKEN, "$.model.merges[1]"),
    (("model.merges", ["#version: 0.2", "a b", "a b"]), BROKEN, "$.model.merges[2]"),
    (("added_tokens", None), BROKEN, "$.added_tokens"),
    (("added_tokens.1", None), BROKEN, "$.added_tokens[1]"),
    *(((f"added_tokens.2.{key}", ABSENT), BROKEN, "$.added_tokens[2]") for key in token(0, "")),
    *(((f"added_tokens.2.{key}", None), BROKEN, f"$.added_tokens[2].{key}") for key in token(0, "")),
    *((("added_tokens.2.id", id), BROKEN, "$.added_tokens[2].id") for id in (
        -1, 262.0, True, "262", 1 << 32)),
    *((("added_tokens.2.id", id), UNSUPPORTED, "$.added_tokens[2].id") for id in (700, 1 << 24, (1 << 32) - 1)),
    (("added_tokens.2.id", 5), BROKEN, "$.added_tokens[2].id"),
    (("added_tokens.2.id", 0), BROKEN, "$.added_tokens[2].id"),
    (("added_tokens.1.id", 262), BROKEN, "$.added_tokens[1].id"),
    (("added_tokens.2.content", ""), BROKEN, "$.added_tokens[2].content"),
    (("added_tokens.2.content", "<bos>"), BROKEN, "$.added_tokens[2].content"),
    (("added_tokens.2.content", "ab"), BROKEN, "$.added_tokens[2].id"),
    (("added_tokens.3", token(262, "<v>")), BROKEN, "$.added_tokens[3].id"),
    (("model.vocab.zz", 263), UNSUPPORTED, "$.added_tokens[2].id"),  # upstream gives it 263, which zz has
]
