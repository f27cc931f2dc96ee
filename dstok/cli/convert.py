"""`dstok convert`: a model from one file format to another.

In: a tokenizer.json, a GGUF file, a tiktoken rank file, an image, or a built-in model's name. Out: a tokenizer.json, a
GGUF file, a rank file, or an image. Properties that the new file leaves out go to standard error, a line each.
Invariant: the file is complete or absent; a model that it cannot hold is refused; read again, it gives the same ids.
"""

from __future__ import annotations

import json
import os
from argparse import Namespace
from typing import TYPE_CHECKING

import dstok
from dstok.cli.arguments import Parser, add_command, add_upstream, load_model, refuse_unless
from dstok.cli.errors import CommandError, about_input, complain, reason
from dstok.formats.description import ENDS, TokenizerConfig
from dstok.formats.reading import contents, is_tiktoken
from dstok.formats.tiktoken import encoding_of_file
from dstok.formats.tokenizer_config import write_tokenizer_config
from dstok.loading import is_path
from dstok.methods.export import read_config

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands"]

FORMATS = {".json": "json", ".gguf": "gguf", ".tiktoken": "tiktoken", ".image": "image"}
NOTES = """\
OUT's ending (.json, .gguf, .tiktoken, .image) or --to gives its format; IN's first bytes give IN's. A
tokenizer_config.json beside IN gives BOS, EOS, padding and the chat template. A new tokenizer.json gets one
beside it, if there is none. GGUF needs the package gguf: pip install "dstok[gguf]".

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "convert", run, "convert a model from one file format to another",
                         "dstok convert path/to/tokenizer.json model.gguf", NOTES)
    parser.add_argument("model", metavar="IN", help="a tokenizer.json, GGUF file, rank file, image, or built-in model")
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument("--to", choices=tuple(FORMATS.values()), help="OUT's format, if its ending does not give it")
    parser.add_argument("--config", metavar="FILE", help="the tokenizer_config.json, if it is not beside IN")
    add_upstream(parser)
    _add_tiktoken(parser)
    parser.add_argument("--architecture", metavar="NAME",
                        help="general.architecture of a GGUF file (default: the family's)")


def _add_tiktoken(parser: Parser) -> None:
    """Adds the options for properties that a rank file lacks."""
    parser.add_argument("--pattern", metavar="NAME|REGEX",
                        help="for a rank file: the encoding (cl100k_base, ...) or the pattern in tiktoken's dialect")
    parser.add_argument("--special-token", action="append", metavar="TEXT=ID", help="for a rank file: a special token")


def run(arguments: Namespace) -> None:
    target = _format(arguments)
    _refuse_useless(arguments, target)
    tokenizer, settings = _read(arguments)
    try:
        lost = _write(arguments, target, tokenizer, settings)
    except OSError as error:
        raise CommandError(f"{arguments.out}: {reason(error)}") from error
    except ImportError as error:
        raise CommandError(str(error)) from error  # the error says how to install it
    for sentence in lost:
        complain(f"{arguments.out}: note: {sentence}")


def _format(arguments: Namespace) -> str:
    chosen = arguments.to or FORMATS.get(os.path.splitext(arguments.out)[1])
    if chosen is None:
        raise CommandError(f"{arguments.out}: the name does not tell a format ({', '.join(FORMATS)}): use --to")
    return str(chosen)


def _refuse_useless(arguments: Namespace, target: str) -> None:
    """Refuses options that would not change the new file."""
    refuse_unless(arguments.architecture is None or target == "gguf", "--architecture", "GGUF files")
    holds = target == "gguf" or (target == "json" and os.path.basename(arguments.out) == "tokenizer.json")
    refuse_unless(arguments.config is None or holds, "--config",
                  "GGUF files, or for tokenizer.json, which gets a tokenizer_config.json beside it")


# Reading


def _read(arguments: Namespace) -> tuple[Tokenizer, TokenizerConfig]:
    name = arguments.model
    start = _start(name)
    if is_tiktoken(start):
        for option in ("config", "upstream"):
            refuse_unless(getattr(arguments, option) is None, f"--{option}",
                          f"other models than rank files, and {name} is one")
        return _read_tiktoken(arguments), TokenizerConfig()
    for option in ("pattern", "special_token"):
        refuse_unless(getattr(arguments, option) is None, f"--{option.replace('_', '-')}",
                      f"rank files, and {name} is none")
    tokenizer = load_model(name, arguments.upstream)
    return tokenizer, _settings(arguments.config, tokenizer)


def _start(name: str) -> bytes:
    if not is_path(name) or os.path.isdir(name):
        return b""
    try:
        with open(name, "rb") as file:
            return file.read(2048)
    except OSError as error:
        raise CommandError(f"{name}: {reason(error)}") from error


def _settings(config: str | None, tokenizer: Tokenizer) -> TokenizerConfig:
    try:
        with about_input(config or ""):
            return read_config(tokenizer, config)
    except OSError as error:
        raise CommandError(f"{config}: {reason(error)}") from error


def _read_tiktoken(arguments: Namespace) -> Tokenizer:
    special = None if arguments.special_token is None else dict(map(_special_token, arguments.special_token))
    try:
        if arguments.pattern is None and encoding_of_file(contents(arguments.model)) is None:
            raise CommandError(f"{arguments.model}: a rank file holds no pattern: --pattern gives it, or a name")
        return dstok.Tokenizer.from_tiktoken(arguments.model, arguments.pattern, special)
    except OSError as error:
        raise CommandError(f"{arguments.model}: {reason(error)}") from error


def _special_token(word: str) -> tuple[str, int]:
    text, equals, number = word.rpartition("=")
    if not (text and equals and number.isascii() and number.isdigit() and len(number) < 10):
        raise CommandError(f"--special-token: expected TEXT=ID, found {word!r}")
    return text, int(number)


# Writing


def _write(arguments: Namespace, target: str, tokenizer: Tokenizer, settings: TokenizerConfig) -> tuple[str, ...]:
    with about_input(arguments.model):
        if target == "gguf":
            return tokenizer.to_gguf(arguments.out, config=settings, architecture=arguments.architecture)
        if target == "tiktoken":
            return tokenizer.to_tiktoken(arguments.out)
        if target == "image":
            tokenizer.to_image(arguments.out)
            return ()
        return _write_json(arguments.out, tokenizer, settings)


def _write_json(out: str, tokenizer: Tokenizer, settings: TokenizerConfig) -> tuple[str, ...]:
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
