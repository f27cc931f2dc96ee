"""From the words of the command line to an exit code.

In: the words. Out: data on standard output; for an error one line on standard error, and for a broken pattern two more,
with a caret under the place; an exit code:

    0    success
    1    more than `--max-tokens`; a difference that `verify`, `splitter diff` or `fingerprint` found; a step of `prove`
         that failed
    2    bad usage or input; checks for which `verify` had no time
    70   a fault of dstok itself
    130  interrupted
    141  the reader of our output has gone

Invariant: no traceback reaches the user, and Ctrl-C ends each command: a library that it interrupts, such as numpy in
its imports, may raise an error of its own, which then counts as an interrupt. No buffer is left that could fail at the
interpreter's end: standard output is flushed here, or, if that fails, pointed at nothing.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile

import dstok
from dstok._util.files import reason
from dstok.cli.arguments import BAD, Command, Parser, missing, nearest, settle
from dstok.cli.output import OPTIONS, CommandError, complain
from dstok.errors import DstokError, FileError

MODULES = {  # the module of each command, in the order of --help
    "encode": "encode", "decode": "encode", "count": "encode", "truncate": "encode", "chunk": "encode",
    "dump": "tokens", "pieces": "tokens", "explain": "models", "info": "models", "fingerprint": "fingerprint",
    "fetch": "models", "models": "models", "cache": "models", "convert": "convert", "verify": "verify",
    "prove": "verify", "chat": "chat", "splitter": "splitter", "corpus": "corpus", "train": "train", "view": "view",
    "show": "tokens",
}
USAGE = "dstok COMMAND [OPTION ...] [FILE ...]"
DESCRIPTION = "Exact tokens of DeepSeek models: count, encode, decode, and see why."
EPILOG = """\
Text is UTF-8, read byte for byte. No FILE, or -, is standard input; .gz, .zst, .bz2 and .xz are unpacked.
dstok COMMAND --help lists a command's options.

exit codes: 0 success (of verify: each check ran, in full or in part), 1 over --max-tokens,
verify, splitter diff or fingerprint found a difference, or a step of prove failed, 2 bad usage
or input, or verify left out some checks, 130 interrupted

example:
  dstok count README.md"""

INTERRUPTED = 130
FAULT = 70  # sysexits' EX_SOFTWARE: never 1, which a gate reads as "too many tokens"
READER_GONE = 141  # 128 + SIGPIPE: a shell shows the same for `cat`


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the words `argv` (None: those of this process) and return its exit code."""
    signals, pressed = import_module("_signal"), list[int]()  # `signal` itself would take a millisecond

    def press(number: int, _: object) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

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
    except KeyboardInterrupt:
        _drop_output()
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return READER_GONE
    except OSError as error:
        _drop_output()
        complain(f"{error.filename or 'standard output'}: {reason(error)}")
        return BAD
    finally:
        os.environ["DSTOK_CACHE"] = cache
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
        if isinstance(error, OSError) or os.environ.get("DSTOK_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error} (DSTOK_TRACEBACK=1 shows where)")
        return FAULT


def _command(argv: Sequence[str]) -> int:
    if not argv:
        whole_parser().print_help()
        return 0
    parser = _parser(argv)
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
        return arguments.run(arguments) or 0
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
    actions = [words.partition(" ")[2] for words in (_table(name) if name in MODULES else ()) if " " in words]
    if actions and parser.prog == f"dstok {name}" and word.isalpha() and missing([word]):
        meant = nearest(word, actions, f"dstok {name} ")
        if meant:
            raise CommandError(f"{word}: no such file or directory{meant}")


def _table(name: str) -> dict[str, Command]:
    """The commands of the module of a command: those with an action by both words."""
    table: dict[str, Command] = import_module(f"dstok.cli.{MODULES[name]}").COMMANDS
    return {words: command for words, command in table.items() if words.split()[0] == name}


def _parser(argv: Sequence[str]) -> Parser:
    parser = Parser(prog="dstok", description=DESCRIPTION, epilog=EPILOG, usage=USAGE)
    parser.add_argument("-V", "--version", action="version", version=f"dstok {dstok.__version__}",
                        help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="dstok")
    for name in argv[:1] if argv and argv[0] in MODULES else MODULES:  # all of them to list the commands
        table = _table(name)
        if name in table and (len(argv) < 2 or f"{name} {argv[1]}" not in table):
            table[name].add(commands, name)
            continue
        module = import_module(f"dstok.cli.{MODULES[name]}")
        summary, description = getattr(module, "GROUP", ("", ""))  # a command that also runs without action has none
        actions = commands.add_parser(name, help=summary, description=description).add_subparsers(
            title="actions", metavar="ACTION", required=True)
        for words, command in table.items():
            if words != name:
                command.add(actions, words.removeprefix(f"{name} "))
    return parser


def whole_parser() -> Parser:
    """The parser with all commands, as for `dstok --help`: for the page of the manual."""
    return _parser(())


def commands() -> Iterator[tuple[str, ArgumentParser]]:
    """Every command by its whole name, with its parser: for the reference and tests.

    >>> [name for name, _ in commands() if name.startswith("dstok corpus")][:3]
    ['dstok corpus', 'dstok corpus info', 'dstok corpus verify']
    """
    for name in MODULES:
        for words in _table(name):
            parser: ArgumentParser = _parser(words.split())
            for word in words.split():
                parser = next(_groups_of(parser)).choices[word]
            yield f"dstok {words}", parser


def _groups_of(parser: ArgumentParser) -> Iterator[_SubParsersAction[ArgumentParser]]:
    return (action for action in parser._actions if isinstance(action, _SubParsersAction))  # noqa: SLF001


def _drop_output() -> None:
    """Points standard output at nothing: its buffer then cannot fail when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
