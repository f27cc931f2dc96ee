r"""The vocabulary of V3 with other pre-tokenizers, so that shuffles, patterns from both sides and soft cuts are asked.

In: a random.Random. Out: a `Subject`: the pre-tokenizer of a published model or of a model type of llama.cpp, whole lines as pieces
(superwords), or a pattern of any shape over a few characters.
"""

from __future__ import annotations

import json
import random

import tokenizers
from fuzz_subjects import Subject, subject
from real_models import V3, real
from small_models import BYTE_LEVEL, model_json
from two_sided_models import FAMILIES
from upstream import listed_steps, model_names, pre_tokenizer

import dstok
from dstok.errors import DstokError

LINES = r"[^\n]+|\n+"
ATOMS = (r"\p{L}", r"\p{N}", r"\s", r"\S", r"\w", r"\W", r"\p{P}", "[^a]", "[ab]", r"[^\s\p{L}]", "a", "b", "1", " ", r"\n", "é", "漢", "[あ-ん]", r"\p{M}")
COUNTS = ("", "", "", "?", "*", "+", "+", "{2}", "{1,3}", "{2,}", "*?", "++")
ENDS = ("", "", "", "", r"(?!\S)", r"(?=\p{L})", "(?=b)", r"\b", "$", r"(?=(?:\d{3})*\b)", r"(?=\s*a)")
BEGINS = ("", "", "", "", "", r"(?<=a)", r"(?<!\s)", r"\b")


def any_pattern(chance: random.Random) -> str:
    """One to four alternatives of one to three characters, each with a count, in most cases with nothing around them."""
    return "|".join(
        chance.choice(BEGINS) + "".join(chance.choice(ATOMS) + chance.choice(COUNTS) for _ in range(chance.randint(1, 3))) + chance.choice(ENDS)
        for _ in range(chance.randint(1, 4)))


def _split(pattern: str) -> dict[str, object]:
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, BYTE_LEVEL]}


def of_pre_tokenizers(chance: random.Random, levels: tuple[str, ...]) -> Subject | None:
    """V3's vocabulary with another pre-tokenizer; None if dstok refuses it, or upstream."""
    name = chance.choice(("a model's", "a model's", "lines", "both sides", "any", "any"))
    if name == "a model's":
        name = chance.choice([*model_names(), *sorted(listed_steps())])
        steps = pre_tokenizer(name)
    elif name == "both sides":
        name = chance.choice(list(FAMILIES))
        steps = {"type": "Sequence", "pretokenizers": FAMILIES[name]}
    else:
        steps = _split(LINES if name == "lines" else any_pattern(chance))
    try:
        tok = V3.replace(pre_tokenizer=dstok.Splitter.from_str(json.dumps(steps)))
        theirs = tokenizers.Tokenizer.from_str(json.dumps({**json.loads(model_json()), "pre_tokenizer": steps})).pre_tokenizer
    except DstokError:
        return None
    except Exception as error:  # upstream raises no class of its own
        assert "Oniguruma" in str(error), error
        return None

    def ids(text: str) -> list[int]:
        judge = real("deepseek-v3")
        before, judge.pre_tokenizer = judge.pre_tokenizer, theirs
        try:
            return judge.encode(text, add_special_tokens=False).ids
        finally:
            judge.pre_tokenizer = before

    return subject("pre-tokenizers", tok, ids, levels, told=(f"{name}: {json.dumps(steps)}",))
