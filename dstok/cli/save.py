"""`dstok save`: a model -> an image of it, which is mapped almost at once.

In: a model's name or path, and the target. Out: the image; nothing on standard output. Invariant: the file is complete
or absent; every command takes it as --model, with the same results as the model.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command
from dstok.cli.errors import CommandError, reason
from dstok.cli.models import load_model

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands

__all__ = ["add_commands"]

OUTPUT = """\
The command replaces OUT in one step, or not at all. OUT is for this version of dstok: keep the tokenizer.json.

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "save", run, "write a model as an image that loads in milliseconds",
                         "dstok save path/to/tokenizer.json my.image && dstok count --model my.image README.md")
    parser.epilog = OUTPUT + str(parser.epilog)
    parser.add_argument("model", metavar="MODEL",
                        help="a built-in model, or the path of a tokenizer.json, folder, GGUF file, rank file or image")
    parser.add_argument("out", metavar="OUT", help="the file to write")


def run(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model)
    try:
        tokenizer.save(arguments.out)
    except OSError as error:
        raise CommandError(f"{arguments.out}: {reason(error)}") from error
