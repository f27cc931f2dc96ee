"""The tokenizer of each version of the chat format, ours and upstream's.

In: a version. Out: its tokenizer. V4.1 has no published file: its tokenizer is V4's with `<｜System｜>`.
The smaller ones have few merges and all added tokens. They are for what is tried with each of the thirteen versions:
upstream takes a second to load a whole file.
"""

from __future__ import annotations

import json
from functools import cache

import tokenizers
from compiled import compiled
from kept import kept
from real_models import BUILT_IN, real
from smaller_models import smaller_json

import dstok

FILES = {"v2": "deepseek-v2", "v2.5": "deepseek-v2.5", "v3": "deepseek-v3", "v3-0324": "deepseek-v3",
         "r1": "deepseek-r1", "r1-0528": "deepseek-r1", "r1-distill": "deepseek-r1-distill-qwen",
         "v3.1": "deepseek-v3.1", "v3.2-exp": "deepseek-v3.1", "v3.2": "deepseek-v3.2", "v4-preview": "deepseek-v4",
         "v4-0731": "deepseek-v4", "v4.1": "deepseek-v4"}
SYSTEM = "<｜System｜>"
PLACE = "<｜place▁holder▁no▁0｜>"  # of V4's added tokens, all of which have a name: the one that becomes `<｜System｜>`


@kept(most=4)
def smaller_text(version: str) -> str:
    """A tokenizer.json; of V4.1 one with the token that no published file has, in a place holder's place."""
    text = smaller_json(FILES[version])
    if version != "v4.1":
        return text
    file = json.loads(text)
    for tokens in (file["added_tokens"], [{"content": token} for token in file["model"]["vocab"]]):
        if any(token["content"] == SYSTEM for token in tokens):
            return text
    spare = next(token for token in file["added_tokens"] if "place" in token["content"])
    file["model"]["vocab"] = {SYSTEM if token == spare["content"] else token: id
                              for token, id in file["model"]["vocab"].items()}
    spare["content"] = SYSTEM
    return json.dumps(file, ensure_ascii=False)


@kept(most=4)
def ours(version: str) -> dstok.Tokenizer:
    """dstok's tokenizer of a version: a built-in one, or of a file with a small vocabulary."""
    is_built_in = version != "v4.1" and FILES[version] in BUILT_IN
    return dstok.load(FILES[version]) if is_built_in else smaller_ours(version)


def upstreams(version: str) -> tokenizers.Tokenizer:
    """Upstream's tokenizer of a published file."""
    assert version != "v4.1", "it has none"
    return real(FILES[version])


@kept(most=4)
def smaller_ours(version: str) -> dstok.Tokenizer:
    return compiled(smaller_text(version))


@kept(most=4)
def smaller_upstreams(version: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(smaller_text(version))


@cache
def all_added() -> tuple[str, ...]:
    """Every added token of every version but the place holders, of which one."""
    toks = map(ours, FILES)
    return (*dict.fromkeys(token for tok in toks for token in tok.added_tokens if "holder" not in token), PLACE)
