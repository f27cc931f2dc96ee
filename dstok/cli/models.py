"""--model, --special, --add-bos and --add-eos -> a tokenizer and what to call it with.

In: the options of a command. Out: a `Tokenizer`, the keywords of its methods, the ids at a text's ends.
Invariant: a name or path means what it means to `dstok.load`.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import dstok
from dstok.cli.errors import CommandError, reason

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = ["edge_ids", "load_model", "text_keywords"]


def load_model(name: str) -> Tokenizer:
    """The tokenizer that --model names, as `dstok.load` does."""
    try:
        return dstok.load(name)
    except OSError as error:
        raise CommandError(f"{name}: {reason(error)}") from error


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
