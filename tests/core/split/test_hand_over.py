"""Where the grid kernel hands over to the automaton, this goes on from a place where a piece may begin: never from a safe
cut inside a piece that looks back. Whole texts, and texts that come in two parts, at every level, against
upstream."""

from __future__ import annotations

import json
import random
from itertools import product

import pytest
from compiled import compiled
from kept import kept
from kernel_texts import KERNELS as LEVELS
from real_models import level, real, real_json
from shares import seeds
from small_models import model_json, upstream_ids
from upstream import model_splits, pre_tokenizer

import dstok
from dstok.compiled.kernel_selection import classes_of, find_kernel, goes_on_from_cuts
from dstok.core.cpu.level import levels
from dstok.regex.cascade import compile_splits

# Text in which something rare lies after safe cuts.
TEXTS = {
    "minimax-m3": ["iHerb\u306e\u30d3\u30bf\u30df\u30f3C\u306e\u52b9\u679c", "iHerb\u88fd\u65e0\u7801AVx",
                   "\u4f7f\u7528Python\u7f16\u5199\u7684\u7a0b\u5e8fABC" * 40],
    "deepseek-r1-distill-llama-8b": ["\u30bd" * 19 + "\u4dc0\u30fb\u30a2\u30bd\u30bd\u30bd", "a" + "\u309b\u30fb\u30a2" * 10000],
    "glm-4": ["\u30bd" * 19 + "\u4dc0\u30fb\u30a2\u30bd\u30bd\u30bd"],
    "qwen-3.5": ["\u30bd" * 19 + "\u4dc0\u30fb\u30a2\u30bd\u0301\u30bd"],
    "deepseek-v3": ["\u30bd" * 70 + "\u3099\u30fb\u30a2\u4dc0\u30fb\n\u30bd" * 30],
}
OTHERS = [name for name in TEXTS if name != "deepseek-v3"]
TODAY = ["deepseek-v3", *(OTHERS[number] for number in seeds(len(OTHERS), 1))]


@kept(most=8)
def model(name: str, name_of_level: str) -> dstok.Tokenizer:
    with level(name_of_level):
        return compiled(real_json(name))


@pytest.mark.parametrize("name", TODAY)
@pytest.mark.parametrize("each", LEVELS)
def test_known_texts(name: str, each: str) -> None:
    tok = model(name, each)
    for text in TEXTS[name]:
        expected = upstream_ids(real(name), text)
        assert tok.encode(text) == expected
        for cut in range(1, min(len(text), 70)):
            growing = tok.encode_incremental()
            growing.append(text[:cut])
            growing.append(text[cut:])
            assert list(growing.ids) == expected, cut


@pytest.mark.parametrize("name", TODAY)
def test_random_texts_in_two_parts(name: str) -> None:
    """Runs of characters that may be cut apart, with capitals, marks and rare characters between them."""
    chance = random.Random(name)
    for _ in range(150):
        few = chance.sample("\u30bd\u30a2\u30fb\u4dc0\u4e2d\u6587\u7684\u306e\ud55c\uae00", 4) + chance.sample("aBC \n'\u017f\u0301\u309b\u0661", 2)
        text = "".join(chance.choices(few, k=chance.choice((20, 70, 400))))
        expected = upstream_ids(real(name), text)
        for each in LEVELS:
            tok, cut = model(name, each), chance.randint(0, len(text))
            growing = tok.encode_incremental()
            growing.append(text[:cut])
            growing.append(text[cut:])
            assert tok.encode(text) == list(growing.ids) == expected, (each, text, cut)


# V3's automaton with ASCII characters in the CJK class (c to f), and as combining marks (^).
CJK_IN_ASCII = ["[0-9]{1,3}", "[c-f]+", r"[!][A-Z]+|[^\r\nA-Zad!\^f]?[A-Zadbe]+|[ ]?[!\^f]+[\r\n]*|[\t\n\r ]*[\r\n]+|[\t\n\r ]+"
                r"(?![^\t\n\r ])|[\t\n\r ]+"]


def steps_of(patterns: list[str]) -> dict[str, object]:
    steps = json.loads(json.dumps(pre_tokenizer("deepseek-v3")))
    steps["pretokenizers"] = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in patterns
    ] + steps["pretokenizers"][-1:]
    return steps


def wide_blank() -> list[str]:
    """V3's patterns with a blank of four bytes, a tag character."""
    patterns = [step["pattern"]["Regex"] for step in pre_tokenizer("deepseek-v3")["pretokenizers"] if "pattern" in step]
    return [pattern.replace(r"\s", r"[\s\x{E0020}]").replace(r"\S", r"[^\s\x{E0020}]") for pattern in patterns]


@pytest.mark.parametrize(("patterns", "letters"), [
    (CJK_IN_ASCII, "1cde fA!^\n B"), (wide_blank(), "\U000e0020 a!\n\u4e2d1"),
], ids=["ASCII characters of the CJK class", "a blank of four bytes"])
@pytest.mark.parametrize("each", levels())
def test_other_sets(patterns: list[str], letters: str, each: str) -> None:
    import tokenizers

    tag = "\U000e0020".encode()
    merges = [(b"1", b" "), (b"1", b"c"), (b" ", b"a"), *((tag[:end], tag[end : end + 1]) for end in range(1, 4))]
    text = json.dumps({**json.loads(model_json(merges)), "pre_tokenizer": steps_of(patterns)})
    judge = tokenizers.Tokenizer.from_str(text)
    with level(each):
        tok = dstok.Tokenizer.from_str(text)
    for core in map("".join, product(letters, repeat=3)):
        for text in (core, "b" * 61 + core + " c" * 40):
            assert tok.encode(text) == upstream_ids(judge, text), text


@pytest.mark.parametrize(("name", "anywhere"), [
    ("deepseek-v3", True), ("qwen-2.5", True), ("qwen-3.5", True), ("glm-4", True), ("minimax-m3", False), ("tekken", False)])
def test_where_the_automaton_may_go_on_from_a_cut(name: str, anywhere: bool) -> None:
    """After a letter that follows a letter of the same piece it is in the state that it is in after a piece's first
    letter; not in cased words, where it remembers whether a capital may follow."""
    program = compile_splits(model_splits(name))
    found = find_kernel(program)
    assert found.rules
    assert goes_on_from_cuts(found.kinds, classes_of(program), program.boundaries.edges) == anywhere
