"""dstok's plug-in for tiktoken: with dstok installed, `tiktoken.get_encoding("deepseek_v3")` is DeepSeek V3's encoding.

tiktoken looks for modules in the namespace package `tiktoken_ext`, and calls a constructor when its encoding is first
asked for. What comes out runs on tiktoken; `dstok.integrations.tiktoken.install()` makes it run on dstok.
"""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = ["ENCODING_CONSTRUCTORS"]

# By the name of the encoding: the built-in model. Those without a normalizer, which tiktoken has none of.
MODELS = {
    "deepseek_v3": "deepseek-v3",
    "deepseek_r1": "deepseek-r1",
    "deepseek_v3_1": "deepseek-v3.1",
    "deepseek_v3_2": "deepseek-v3.2",
    "deepseek_v4": "deepseek-v4",
    "deepseek_ocr": "deepseek-ocr",
    "deepseek_vl2": "deepseek-vl2",
}


def _parts(name: str) -> dict[str, Any]:
    """What `tiktoken.Encoding` is made of; after `install` the name, which is all that dstok's needs."""
    from dstok.integrations.tiktoken import Encoding, is_installed
    from dstok.loading import load

    if is_installed():
        return {"name": name}  # the rest takes most of a second
    encoding = Encoding.from_tokenizer(load(MODELS[name]), name)
    return encoding.parts()


ENCODING_CONSTRUCTORS = {name: partial(_parts, name) for name in MODELS}
