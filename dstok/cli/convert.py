"""`dstok convert`: a model from one file format to another.

In: a tokenizer.json, a GGUF file, a tiktoken rank file, an image, or a built-in model's name. Out: a tokenizer.json, a
GGUF file, a rank file, or an image. Properties that the new file leaves out go to standard error, a line each.
Invariant: the file is complete or absent; a model that it cannot hold is refused; read again, it gives the same ids.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace

import dstok
from dstok._util.files import file_faults
from dstok.cli.arguments import load_model, refuse_unless
from dstok.cli.models import pre_type_of
from dstok.cli.output import CommandError, about_input, complain, write_result
from dstok.errors import UnsupportedError
from dstok.formats.description import ENDS, TokenizerConfig
from dstok.formats.reading import contents, is_tiktoken
from dstok.formats.tiktoken import encoding_of_file
from dstok.formats.tokenizer_config import write_tokenizer_config
from dstok.loading import is_path
from dstok.methods.export import read_config
from dstok.tokenizer import Tokenizer

FORMATS = {".json": "json", ".gguf": "gguf", ".tiktoken": "tiktoken", ".image": "image"}


def run(arguments: Namespace) -> None:
    out = arguments.out
    target = arguments.to or FORMATS.get(os.path.splitext(out)[1])
    if target is None:
        raise CommandError(f"{out}: the name does not tell a format ({', '.join(FORMATS)}): use --to")
    refuse_unless(arguments.architecture is None or target == "gguf", "--architecture", "GGUF files")
    holds = target == "gguf" or (target == "json" and os.path.basename(out) == "tokenizer.json")
    refuse_unless(arguments.config is None or holds, "--config",
                  "GGUF files, or for tokenizer.json, which gets a tokenizer_config.json beside it")
    tokenizer, settings = _read(arguments)
    try:
        with file_faults(out), about_input(arguments.model):
            lost = _write(arguments, target, tokenizer, settings)
    except ImportError as error:
        raise CommandError(str(error)) from error  # the error says how to install it
    if arguments.json:
        write_result(arguments, {"out": out, "format": target, "notes": lost}, [])
    for sentence in () if arguments.json else lost:
        complain(f"{out}: note: {sentence}")


def _read(arguments: Namespace) -> tuple[Tokenizer, TokenizerConfig]:
    name, config, start = arguments.model, arguments.config, b""
    if is_path(name) and not os.path.isdir(name):
        with file_faults(name), open(name, "rb") as file:
            start = file.read(2048)
    is_ranks = is_tiktoken(start)
    for option in ("config", "upstream") if is_ranks else ("pattern", "special_token"):
        refuse_unless(not getattr(arguments, option), f"--{option.replace('_', '-')}",
                      f"other models than rank files, and {name} is one" if is_ranks else
                      f"rank files, and {name} is none")
    if not is_ranks:
        tokenizer = load_model(name, arguments.upstream)
        with file_faults(config or ""), about_input(config or ""):
            return tokenizer, read_config(tokenizer, config)
    special = dict(map(_special_token, arguments.special_token)) or None
    with file_faults(name):
        if arguments.pattern is None and encoding_of_file(contents(name)) is None:
            raise CommandError(f"{name}: a rank file holds no pattern: --pattern gives it, or a name")
        return dstok.Tokenizer.from_tiktoken(name, arguments.pattern, special), TokenizerConfig()


def _special_token(word: str) -> tuple[str, int]:
    text, equals, number = word.rpartition("=")
    if not (text and equals and number.isascii() and number.isdigit() and len(number) < 10):
        raise CommandError(f"--special-token: expected TEXT=ID, found {word!r}")
    return text, int(number)


def _write(arguments: Namespace, target: str, tokenizer: Tokenizer, settings: TokenizerConfig) -> tuple[str, ...]:
    """Writes the file; sentences about the properties that it leaves out."""
    out = arguments.out
    if target == "gguf":
        found = pre_type_of(tokenizer)
        words = "" if found is None else "tokenizer.ggml.pre: " + "; ".join(found["words"])
        try:
            told = tokenizer.to_gguf(out, config=settings, architecture=arguments.architecture)
        except UnsupportedError as error:
            if error.where != "pre_tokenizer" or not words:
                raise
            raise UnsupportedError(f"{error.message}; {words}", error.where) from None
        return (words, *told) if words else told
    if target == "tiktoken":
        return tokenizer.to_tiktoken(out)
    if target == "image":
        tokenizer.to_image(out)
        return ()
    lost = tokenizer.to_json(out)
    config = os.path.join(os.path.dirname(out), "tokenizer_config.json")
    named = {i for name in ENDS if (i := getattr(settings, name)) is not None}
    text = write_tokenizer_config(settings, {i: tokenizer.id_to_token(i) for i in named})
    written = ", ".join(json.loads(text))
    if not written or os.path.basename(out) != "tokenizer.json" or os.path.exists(config):
        return lost
    with open(config, "x", encoding="utf-8") as file:
        file.write(text)
    return (f"wrote {config} with {written}",)
