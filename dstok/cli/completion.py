"""`dstok completion`: what makes a shell complete the command's words.

In: a shell's name. Out: its script, made of the parser by the package shtab. Invariant: it knows what the parser
knows.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_output
from dstok.cli.errors import CommandError
from dstok.files.outputs import Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands

__all__ = ["add_commands"]

SHELLS = ("bash", "zsh", "fish", "powershell", "tcsh")
WHERE = """\
bash: put the script at ~/.local/share/bash-completion/completions/dstok
zsh:  put it as _dstok into a folder of $fpath
fish: put it at ~/.config/fish/completions/dstok.fish

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "completion", run, "write what makes a shell complete dstok's words",
                         "dstok completion bash > ~/.local/share/bash-completion/completions/dstok")
    parser.epilog = WHERE + str(parser.epilog)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    add_output(parser)


def run(arguments: Namespace) -> None:
    try:
        import shtab
    except ModuleNotFoundError:
        raise CommandError('expected the package shtab, found none: pip install "dstok[completion]"') from None
    from dstok.cli.app import whole_parser

    script = shtab.complete(whole_parser(), arguments.shell)
    with Output(arguments.output) as output:
        output.write(script.encode() + b"\n")
