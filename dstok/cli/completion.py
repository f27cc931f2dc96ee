"""`dstok completion`: a script by which a shell completes the command's words.

In: a shell's name. Out: its script, which the package shtab makes from the parser. Invariant: it has the parser's
commands, options and choices. The name of an argument's value tells whether it is a file, a folder or a model's name.
The models are those known when the script is written.
"""

from __future__ import annotations

from argparse import Action, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dstok
from dstok.cli.arguments import add_command, add_output
from dstok.cli.errors import CommandError
from dstok.files.outputs import write_text

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands

__all__ = ["add_commands"]

SHELLS = ("bash", "zsh", "fish", "powershell", "tcsh")
WHERE = """\
bash: put the script at ~/.local/share/bash-completion/completions/dstok
zsh:  put it as _dstok into a folder of $fpath
fish: put it at ~/.config/fish/completions/dstok.fish

"""


FILES, FOLDERS, MODELS = {"FILE", "IN", "OUT", "PAGE"}, {"DIR"}, {"MODEL", "NAME|PATH", "NAME|SPEC"}  # names of values


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "completion", run, "write a shell's completion script for dstok",
                         "dstok completion bash > ~/.local/share/bash-completion/completions/dstok", WHERE)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    add_output(parser)


def run(arguments: Namespace) -> None:
    try:
        import shtab
    except ModuleNotFoundError:
        raise CommandError('expected the package shtab, found none: pip install "dstok[completion]"') from None
    from dstok.cli.app import ACTIONS, commands_below, whole_parser

    parser = whole_parser()
    models = _words_or_files("models", list(dstok.models()))
    for name, command in commands_below("dstok", parser):
        words = [action.split()[1] for action in ACTIONS if name == f"dstok {action.split()[0]}"]
        files = _words_or_files(name.split()[-1], words) if words else shtab.FILE
        for action in command._actions:  # noqa: SLF001  # argparse has no public list
            kind = _kind(action, models, files, shtab.DIRECTORY)
            if kind is not None:
                action.complete = kind  # type: ignore[attr-defined]
    write_text(arguments.output, shtab.complete(parser, arguments.shell))


def _kind(action: Action, models: object, files: object, folders: object) -> object:
    """The completion of an argument's value; None: its choices, or nothing."""
    for names, kind in ((FILES, files), (FOLDERS, folders), (MODELS, models)):
        if action.metavar in names:
            return kind
    return None


def _words_or_files(what: str, words: Iterable[str]) -> dict[str, Any]:
    """One of some words, or a file, in shtab's form: for each shell the function to call, and its definition.

    bash gets a slash behind folders from shtab if the function's name has "_file" in it.
    """
    function, listed = f"_dstok_{what}_or_files", " ".join(words)
    return {
        "bash": function,
        "zsh": function,
        "fish": f"(printf '%s\\n' {listed}; __fish_complete_path (commandline -ct))",
        "powershell": "_shtab_powershell_compgen_files",
        "tcsh": "f",
        "preamble": {
            "bash": f'{function}() {{\n  compgen -W "{listed}" -- "$1"\n  compgen -f -- "$1"\n}}\n',
            "zsh": f"{function}() {{\n  _alternative 'words:word:({listed})' 'files:file:_files'\n}}\n",
        },
    }
