"""--model, --special, --add-bos and --add-eos -> a tokenizer and what to call it with.

In: the options of a command. Out: a `Tokenizer`, the keywords of its methods, the ids at a text's ends.
Invariant: a built-in name means the built-in model, whatever files lie about: a folder `deepseek-v3` does
not change what `dstok count` says. `./deepseek-v3` names the file. What a file is, its first bytes say, not its name.
"""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import dstok
from dstok.cli.errors import CommandError, reason
from dstok.formats.gguf_file import is_gguf
from dstok.formats.image import is_image
from dstok.models.names import is_name

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = ["edge_ids", "is_path", "load_model", "text_keywords"]


def load_model(name: str) -> Tokenizer:
    """The tokenizer that --model names."""
    if not is_path(name):
        return dstok.load(name)
    try:
        if is_image(name):
            return dstok.Tokenizer.open(name)
        return dstok.Tokenizer.from_gguf(name) if is_gguf(name) else dstok.Tokenizer.from_file(name)
    except OSError as error:
        raise CommandError(f"{name}: {reason(error)}") from error


def is_path(name: str) -> bool:
    """Does --model name a file, and not a built-in model?"""
    if is_name(name):
        return False
    if os.sep in name or "/" in name or name.endswith(".json"):
        return True
    return os.path.exists(name)


def text_keywords(arguments: Namespace, tokenizer: Tokenizer) -> dict[str, Any]:
    """The keywords `special` and `errors` of the tokenizer's methods."""
    return {"special": _special(arguments.special, tokenizer), "errors": arguments.errors}


def _special(how: str, tokenizer: Tokenizer) -> str | set[str]:
    if how in ("all", "none", "raise"):
        return how
    tokens = {token for token in how.split(",") if token}
    for token in sorted(tokens - tokenizer.special_tokens.keys()):
        raise CommandError(f"--special: the model has no added token {token!r}")
    return tokens


def edge_ids(arguments: Namespace, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids before and behind each text: BOS and EOS, where they are asked for."""
    begin = [_known(tokenizer, "BOS", tokenizer.bos_id)] if arguments.add_bos else []
    end = [_known(tokenizer, "EOS", tokenizer.eos_id)] if arguments.add_eos else []
    return begin, end


def _known(tokenizer: Tokenizer, what: str, token_id: int | None) -> int:
    if token_id is None:
        raise CommandError(f"--add-{what.lower()}: the model names no {what} token")
    return token_id
