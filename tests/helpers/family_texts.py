"""The byte-level BPE files of all families, and the texts of the shared folder's fixtures."""

from __future__ import annotations

import json
from functools import cache

from shared_data import shared
from upstream import model_names

NAMES = [name for name in model_names() if name != "jiutian-139moe-chat"]  # Unigram


@cache
def fixture_texts() -> list[str]:
    """The texts of the shared folder's fixtures."""
    texts: list[str] = []
    for path in sorted(shared("fixtures/inp_out").glob("*.inp")):
        texts += path.read_text("utf-8").split("\n__ggml_vocab_test__\n")
    for name in ("tokenizer-random-strings.json", "upstream_cases.json"):
        texts += strings_in(json.loads(shared(f"fixtures/{name}").read_text("utf-8")))
    return list(dict.fromkeys(texts))


def strings_in(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for item in inner for text in strings_in(item)]
