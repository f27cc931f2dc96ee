"""From the words of the command line to an exit code, as `dstok --help` lists them.

In: the words. Out: data on standard output; for an error one line on standard error, and for a broken pattern two more,
with a caret under the place; an exit code. Invariant: no traceback reaches the user, and Ctrl-C ends each command: a
library that it interrupts, such as numpy in its imports, may raise an error of its own, which then counts as an
interrupt. No buffer is left that could fail at the interpreter's end: standard output is flushed here, or, if that
fails, pointed at nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile

import dstok
from dstok._util.files import reason
from dstok.cli.arguments import BAD, COMMANDS, Parser, filled, missing, nearest, settle
from dstok.cli.output import OPTIONS, CommandError, complain
from dstok.errors import DstokError, FileError

NAMES = [words for words in COMMANDS if " " not in words]  # without actions, in the order of --help
INTERRUPTED = 130
RARELY = 100_000  # objects made between two searches for cycles
FAULT = 70  # sysexits' EX_SOFTWARE: never 1, which a gate reads as "too many tokens"
READER_GONE = 141  # 128 + SIGPIPE: a shell shows the same for `cat`


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the words `argv` (None: those of this process) and return its exit code."""
    signals, pressed = import_module("_signal"), list[int]()  # `signal` itself would take a millisecond

    def press(number: int, _: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    often = gc.get_threshold()
    gc.set_threshold(RARELY)  # few objects are in cycles, and the search takes 15 ms of the load of a large model
    cache = os.environ.get("DSTOK_CACHE", "")  # compiled/cache.py: the command, with its children, has one by default
    try:
        os.environ["DSTOK_CACHE"] = cache or "1"
        if signals.getsignal(signals.SIGINT) is signals.default_int_handler:
            with suppress(ValueError):  # outside the main thread
                signals.signal(signals.SIGINT, press)
        code = _guarded(sys.argv[1:] if argv is None else argv, pressed)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except (KeyboardInterrupt, OSError) as error:
        with suppress(OSError, ValueError, AttributeError):  # nothing: no buffer then fails when the interpreter ends
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, sys.stdout.fileno())
            os.close(nothing)
        if not isinstance(error, OSError):
            return INTERRUPTED
        if isinstance(error, BrokenPipeError):
            return READER_GONE
        complain(f"{error.filename or 'standard output'}: {reason(error)}")
        return BAD
    finally:
        os.environ["DSTOK_CACHE"] = cache
        gc.set_threshold(*often)
        if argv is None:
            gc.freeze()  # the end of the process needs no last search
        if signals.getsignal(signals.SIGINT) is press:
            signals.signal(signals.SIGINT, signals.default_int_handler)


def _guarded(argv: Sequence[str], pressed: Sequence[int]) -> int:
    try:
        return _command(argv)
    except Exception as error:
        if pressed:
            raise KeyboardInterrupt from None
        if isinstance(error, CommandError | DstokError | MemoryError):
            complain("out of memory" if isinstance(error, MemoryError) else error)
            return BAD
        if isinstance(error, OSError):  # an error of standard output has its name
            error.filename = error.filename or "the system"
        if isinstance(error, OSError) or os.environ.get("DSTOK_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error} (DSTOK_TRACEBACK=1 shows where)")
        return FAULT


def _command(argv: Sequence[str]) -> int:
    if not argv:
        parser_of().print_help()
        return 0
    parser = parser_of(argv)
    _refuse_unknown(parser, argv)
    try:
        arguments, rest = parser.parse_known_args(argv)
    except SystemExit as done:  # --help and --version
        return done.code if isinstance(done.code, int) else 0
    if any(word.startswith("-") and word != "-" for word in rest) or (rest and "files" not in arguments):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # argparse takes the files before an option and leaves those after it
        arguments.files = [*arguments.files, *rest]
    settle(arguments)
    try:
        module, _, function = arguments.run.partition(".")
        return getattr(import_module(f"dstok.cli.{module}"), function)(arguments) or 0
    except FileError as error:  # a hint names no option of another command: see `complain`
        known = [name for name, text in OPTIONS.items() if text.split()[0][2:].replace("-", "_") in vars(arguments)]
        error.parameter = ", ".join(name for name in error.parameter.split(", ") if name in known)
        raise


def _refuse_unknown(parser: ArgumentParser, argv: Sequence[str]) -> None:
    """Refuses an action or an option that the command does not have. argparse would first ask for required options."""
    words = iter(argv)
    while group := next(_groups_of(parser), None):
        word = next(words, "-")
        if word not in group.choices and not word.startswith("-"):
            return  # argparse refuses the command
        if word.startswith("-"):
            words = iter([word, *words])
            break
        parser = group.choices[word]
    known = parser._option_string_actions  # noqa: SLF001
    given = [*takewhile("--".__ne__, words)]
    if "-h" in given or "--help" in given:
        return
    for before, word in zip(["", *given], given):
        option = word.partition("=")[0]
        if word[:1] != "-" or word[1:2] in "0123456789." or " " in word or option in known or (
                word[1] != "-" and word[:2] in known):
            continue
        if before in known and known[before].nargs is None:
            parser.error(f"expected a value after {before}, found an option: {before}={word} is a value")
        parser.error(f"no option {option}{nearest('--' + option.lstrip('-'), known)}")
    name, word = [*argv, ""][:2]
    actions = [words.partition(" ")[2] for words in COMMANDS if words.startswith(f"{name} ")]
    if actions and parser.prog == f"dstok {name}" and word.isalpha() and missing([word]):
        meant = nearest(word, actions, f"dstok {name} ")
        if meant:
            raise CommandError(f"{word}: no such file or directory{meant}")


def parser_of(argv: Sequence[str] = ()) -> Parser:
    """The parser of the command that `argv` begins with, or of all commands, as for `dstok --help` and the manual."""
    parser = Parser(prog="dstok", description=filled("$DESCRIPTION"), epilog=filled("$EPILOG"),
                    usage="dstok COMMAND [OPTION ...] [FILE ...]")
    parser.add_argument("-V", "--version", action="version", version=f"dstok {dstok.__version__}",
                        help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="dstok")
    for name in argv[:1] if argv and argv[0] in NAMES else NAMES:  # all of them to list the commands
        command, is_action = COMMANDS[name], len(argv) > 1 and " ".join(argv[:2]) in COMMANDS
        made = (command._replace(run="") if is_action else command).add(commands, name)
        if is_action or not command.run:
            actions = made.add_subparsers(title="actions", metavar="ACTION", required=True)
            for words, action in COMMANDS.items():
                if words.startswith(f"{name} "):
                    action.add(actions, words.removeprefix(f"{name} "))
    return parser


def commands() -> Iterator[tuple[str, ArgumentParser]]:
    """Every command by its whole name, with its parser: for the reference and tests.

    >>> [name for name, _ in commands() if name.startswith("dstok corpus")][:3]
    ['dstok corpus', 'dstok corpus info', 'dstok corpus verify']
    """
    for name in (name for name, command in COMMANDS.items() if command.run):
        parser: ArgumentParser = parser_of(name.split())
        for word in name.split():
            parser = next(_groups_of(parser)).choices[word]
        yield f"dstok {name}", parser


def _groups_of(parser: ArgumentParser) -> Iterator[_SubParsersAction[ArgumentParser]]:
    return (action for action in parser._actions if isinstance(action, _SubParsersAction))  # noqa: SLF001
