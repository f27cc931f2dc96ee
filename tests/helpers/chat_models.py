"""The tokenizer of each version of the chat format, ours and upstream's; V4.1's has no file: V4's with `<｜System｜>`."""

from __future__ import annotations

import json
from functools import cache

import tokenizers
from compiled import compiled
from kept import kept
from real_models import real, real_json

import dstok

FILES = {"v2": "deepseek-v2", "v2.5": "deepseek-v2.5", "v3": "deepseek-v3", "v3-0324": "deepseek-v3",
         "r1": "deepseek-r1", "r1-0528": "deepseek-r1", "r1-distill": "deepseek-r1-distill-qwen",
         "v3.1": "deepseek-v3.1", "v3.2-exp": "deepseek-v3.1", "v3.2": "deepseek-v3.2", "v4-preview": "deepseek-v4",
         "v4-0731": "deepseek-v4", "v4.1": "deepseek-v4"}
SYSTEM = "<｜System｜>"
PLACE = "<｜place▁holder▁no▁0｜>"  # of V4's added tokens, all of which have a name: the one that becomes `<｜System｜>`


def file_text(version: str) -> str:
    """A tokenizer.json; of V4.1 one with the token that no published file has, in a place holder's place."""
    text = real_json(FILES[version])
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
    """dstok's tokenizer of a version."""
    name = FILES[version]
    if version != "v4.1" and name in {info.name for info in dstok.models()}:
        return dstok.load(name)
    return compiled(file_text(version))


def upstreams(version: str) -> tokenizers.Tokenizer:
    """Upstream's tokenizer of the same file."""
    return _v4_1() if version == "v4.1" else real(FILES[version])


@kept()
def _v4_1() -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(file_text("v4.1"))


@cache
def all_added() -> tuple[str, ...]:
    """Every added token of every version but the place holders, of which one."""
    found = dict.fromkeys(token for version in FILES for token in ours(version).special_tokens if "holder" not in token)
    return (*found, PLACE)
