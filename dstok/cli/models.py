"""--model, --special, --add-bos and --add-eos -> a tokenizer and its arguments; a splitter by its name.

In: the options of a command. Out: a `Tokenizer`, the keywords of its methods, the ids at a text's ends; a `Splitter`.
Invariant: a name or path of a model means the same as to `dstok.load`.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

import dstok
from dstok.cli.arguments import refuse_unless
from dstok.cli.errors import CommandError, reason

if TYPE_CHECKING:
    from dstok.splitting.splitter import Splitter
    from dstok.tokenizer import Tokenizer

__all__ = ["SPLITTER", "edge_ids", "load_model", "load_splitter", "model_of", "text_keywords"]

SPLITTER = ("a preset (gpt-2), an encoding of tiktoken's (cl100k_base), regex:PATTERN, fancy-regex:PATTERN in "
            "tiktoken's dialect, the path of a saved splitter or of JSON with a pre_tokenizer, or a --model")


def load_model(name: str, upstream: str | None = None) -> Tokenizer:
    """The tokenizer that --model names, as from `dstok.load`, by the tables of --upstream."""
    try:
        return dstok.load(name, upstream=upstream)
    except OSError as error:
        raise CommandError(f"{name}: {reason(error)}") from error


def load_splitter(name: str, upstream: str | None = None) -> Splitter:
    """The splitter that `name` names, in one of the forms of `SPLITTER`, by the tables of --upstream."""
    from dstok.formats.tiktoken_encodings import ENCODINGS
    from dstok.splitting.presets import preset_names
    from dstok.splitting.splitter import Splitter

    given: dict[str, Any] = {} if upstream is None else {"upstream": upstream}
    if name.startswith("regex:"):
        return Splitter(name.removeprefix("regex:"), **given)
    if name.startswith("fancy-regex:"):
        return Splitter(name.removeprefix("fancy-regex:"), dialect="fancy-regex", **given)
    if name in preset_names():
        return Splitter.preset(name, **given)
    if name in ENCODINGS:
        refuse_unless(upstream is None, "--upstream", f"other splitters than tiktoken's, and {name} is one")
        return Splitter.from_tiktoken(name)
    try:
        return _splitter_of_file(name, upstream) or Splitter.from_tokenizer(load_model(name, upstream))
    except dstok.errors.ModelNotFoundError as error:
        raise CommandError(f"{error}; nor a preset: {', '.join(preset_names())}; nor an encoding: "
                           f"{', '.join(ENCODINGS)}; a pattern is given as regex:{name}") from error


def _splitter_of_file(path: str, upstream: str | None) -> Splitter | None:
    """The splitter of a JSON file, which needs no vocabulary; None if `path` is not such a file."""
    from dstok.splitting.splitter import Splitter

    try:
        with open(path, "rb") as file:
            start = file.read(64).lstrip()
    except (OSError, ValueError):  # a model's name, a folder, or a file for which `dstok.load` has a better error
        return None
    if not start.startswith(b"{"):
        return None
    return Splitter.from_json(path, upstream=upstream)


def model_of(version: str) -> str:
    """The name of the built-in model of a version of the chat format. Raises `CommandError` if there is none."""
    from dstok.chat.versions import find_version

    models = find_version(version).models
    if not models:
        raise CommandError(f"{version} has no built-in model (--model PATH names its tokenizer)")
    return models[0]


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
    """The ids before and after each text: BOS and EOS, if requested."""
    begin = [_known(tokenizer, "BOS", tokenizer.bos_id)] if arguments.add_bos else []
    end = [_known(tokenizer, "EOS", tokenizer.eos_id)] if arguments.add_eos else []
    return begin, end


def _known(tokenizer: Tokenizer, what: str, token_id: int | None) -> int:
    if token_id is None:
        raise CommandError(f"--add-{what.lower()}: the model names no {what} token: {what.lower()}_token in a "
                           "tokenizer_config.json beside its file does")
    return token_id
