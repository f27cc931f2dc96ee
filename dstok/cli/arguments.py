"""What options a command has, and what their values stand for.

In: `commands.txt`, which says how it is read; later the values given. Out: a parser; a `Tokenizer`, the keywords of its
methods, a `Splitter`. Invariant: an option has one name, one meaning and one default in every command; a model's name
or path means the same as to `dstok.load`; what has no effect is refused.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import dstok
from dstok._util.files import file_faults
from dstok.cli.output import CommandError
from dstok.io.id_files import Output
from dstok.models.names import is_name

if TYPE_CHECKING:
    from dstok.pretokenizer.splitter import Splitter
    from dstok.tokenizer import Tokenizer

DIFFERENT, OVER_BUDGET, BAD = 1, 1, 2  # exit codes: app.py
DEFAULT_MODEL = "deepseek-v3"
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Command(NamedTuple):
    """A command, as `commands.txt` describes it: MODULE.FUNCTION ("" of a command of actions), and its other lines."""

    run: str
    text: str

    def add(self, commands: argparse._SubParsersAction[Parser], name: str) -> Parser:
        """Adds its parser, with options if it runs."""
        lines, _, notes = filled(self.text).partition("\n\n")
        summary, *table = lines.split("\n")
        if not self.run:
            return commands.add_parser(name, help=summary, description=table[0])
        example = "\n".join(["example:", *(f"  {line[2:]}" for line in table if line[0] == ">")])
        actions = "\n".join(f"  dstok {words:14} {action.text.splitlines()[0]}"
                            for words, action in COMMANDS.items() if words.startswith(f"{name} "))
        parser = commands.add_parser(name, help=summary, epilog="\n\n".join(filter(None, (notes, actions, example))),
                                     description=f"{summary[:1].upper()}{summary[1:]}.")
        parser.set_defaults(run=self.run)
        parser.add_options("\n".join(line for line in table if line[0] != ">"))
        return parser


def filled(text: str) -> str:
    """A text of `commands.txt`, with the texts that its $NAMEs stand for."""
    return re.sub(r"\$([A-Z_]+)", lambda name: filled(TEXTS[name[1]]), text)


with open(os.path.join(os.path.dirname(__file__), "commands.txt"), encoding="utf-8") as _page:
    _SECTIONS = [section.rstrip("\n").partition("\n")[::2] for section in _page.read().split("\n## ")[1:]]
TEXTS = {head: text for head, text in _SECTIONS if head.isupper()}
COMMANDS = {head.partition(" = ")[0]: Command(head.partition(" = ")[2], text)
            for head, text in _SECTIONS if not head.isupper()}


class Parser(argparse.ArgumentParser):
    """argparse, with dstok's errors, and without the import of `shutil` that finds the terminal's width.

    Its help has no colours: all versions of Python print the same help, also in the reference and the manual.
    """

    def __init__(self, **keywords: object) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **keywords)  # type: ignore[arg-type]
        self.color = False  # Python 3.14 and later use colours, even in files if the environment asks for them

    def add_options(self, table: str) -> None:
        """Adds the options of a table, as `commands.txt` has it."""
        for line in filter(None, table.replace("\n ", " ").split("\n")):
            head, _, text = line.partition("  ")
            flags, many = list[str](), ""
            given: dict[str, Any] = {"help": text}
            for word in head.replace(", --", " --").split():
                if not flags or word[0] == "-":
                    flags.append(word.replace("[no-]", ""))
                elif word in ("*", "+", "?"):
                    many = word
                elif word == "!":
                    given["required"] = True
                elif word[0] == "{":
                    given["choices"] = word[1:-1].split(",")
                elif word[0] == "[":
                    given["default"] = [word[1:-1]] if many == "*" else word[1:-1]
                else:
                    given |= {"metavar": word} if not word.islower() else {}
                    given |= {"type": TYPES[word]} if word in TYPES else {}
            if "type" in given and "choices" in given:
                given["choices"] = [*map(given["type"], given["choices"])]
            if many:
                given |= {"action": "append"} if head[0] == "-" else {"nargs": many}
                given = {"default": [] if many == "*" else None, **given}
            elif "[no-]" in head:
                given["action"] = argparse.BooleanOptionalAction
            elif head[0] == "-" and not given.keys() & {"metavar", "choices"}:
                given["action"] = "store_true"
                if head == "--json" and not text:  # after a --format that has json
                    given = {"action": "store_const", "dest": "format", "const": "json",
                             "help": "short for --format json"}
            self.add_argument(*flags, **given)

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse's method would list all commands
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001
            self.error(f"no {str(action.metavar).lower()} {value!r}{nearest(value, action.choices)}")
        super()._check_value(action, value)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if arg_strings == ["--"] and action.option_strings:  # of --text=--: argparse drops it before Python 3.13
            self._check_value(action, value := self._get_value(action, "--"))
            return value
        return super()._get_values(action, arg_strings)

    def _print_message(self, message: str, file: object = None) -> None:
        """Writes the texts of --help and --version.

        argparse's method ignores a failed write, as to a full disk, and fails at a character that the terminal's
        encoding lacks.
        """
        with Output(None) as output:
            output.write(message.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """argparse's formatter, as wide as the output."""

    def __init__(self, prog: str) -> None:
        try:
            width = max(60, min(100, os.get_terminal_size().columns - 2))
        except (OSError, ValueError):
            width = 90
        super().__init__(prog, max_help_position=30, width=width)

    if sys.version_info[:2] == (3, 14):
        # In Python 3.14 argparse imports `dataclasses` and `inspect`, to check for colours, as soon as a parser has an
        # option. This class delays the check until help is written. Python 3.15 does so by itself.

        def _set_color(self, *_: object) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            if name not in ("_theme", "_decolor"):
                raise AttributeError(name)
            super()._set_color(False)
            return vars(self)[name]


def at_least_0(text: str, least: int = 0) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= least):
        raise argparse.ArgumentTypeError(f"not a whole number from {least} on: {text!r}")
    return int(text)


def memory_size(text: str) -> int:
    """Converts an option's value: bytes, or with a unit such as GB.

    >>> memory_size("1.5GB"), memory_size("4096")
    (1500000000, 4096)
    """
    number, unit = text[:-2], text[-2:].upper()
    try:
        return int(float(number) * UNITS[unit]) if unit in UNITS else int(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"not a size such as 500MB or 4GB: {text!r}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"not a number of seconds: {text!r}")
    return seconds


def _at_least_1(text: str) -> int:
    return at_least_0(text, 1)


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"not a part I/N, with I from 1 to N: {text!r}")
    return int(number), int(count)


TYPES: dict[str, Callable[[str], Any]] = {  # by metavar; a word in small letters takes precedence over it
    **dict.fromkeys(("N", "K", "MB", "BYTES", "ID", "SEED"), at_least_0),
    "SIZE": memory_size, "X": float, "seconds": _seconds, "I/N": _part, "LENGTH": _at_least_1, "workers": _at_least_1,
}


def settle(arguments: Namespace) -> None:
    """Puts --text in place of the files, and the default --field in its place if there are JSON lines.

    Raises `CommandError` for a text beside files, a field without JSON lines, an output that is an input, and words
    that name no file: whoever gives a text in place of files learns how.
    """
    given = vars(arguments)
    outs = [*filter(None, map(given.get, ("out", "output", "map", "plot")))]
    for key in ("files", "folders", "counts", "dev", "tools", "model", "like", "config"):
        paths = given.get(key) or []
        for path, out in product([paths] if isinstance(paths, str) else paths, outs):
            if os.path.exists(path) and os.path.exists(out) and os.path.samefile(path, out) and (
                    key not in ("model", "like") or not is_name(path)):
                raise CommandError(f"{out}: is both input and output")
    if hasattr(arguments, "jsonl") and hasattr(arguments, "field"):
        refuse_unless(arguments.field is None or arguments.jsonl, "--field", "JSON lines (--jsonl)")
        arguments.field = (arguments.field or "text") if arguments.jsonl else None
    if not (hasattr(arguments, "text") and hasattr(arguments, "files")):
        return
    if arguments.text is not None:
        refuse_unless(arguments.files == ["-"], "--text", "a command without files")
        from dstok.io.text_files import GivenText

        arguments.files = [GivenText(arguments.text)]
    elif missing(arguments.files):
        text = " ".join(arguments.files)
        raise CommandError(f"{arguments.files[0]}: no such file or directory (--text {text[:60]!r} reads words as "
                           "a text; so does standard input)")


def missing(files: list[str]) -> bool:
    """Whether none of the files exists."""
    for path in files:
        try:
            if path != "-":
                os.stat(path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            pass
        return False
    return True


def nearest(word: str, known: Iterable[str], before: str = "") -> str:
    """The end of an error message: the known word that somebody may have meant, "" if none is near.

    >>> nearest("cuont", ["encode", "count"])
    '; did you mean count?'
    """
    from difflib import get_close_matches  # only errors need it, and it takes a millisecond

    close = get_close_matches(word, [*known], 1)
    return f"; did you mean {before}{close[0]}?" if close else ""


def refuse_unless(useful: bool, option: str, what_for: str) -> None:
    """Raises `CommandError` for an option without effect."""
    if not useful:
        raise CommandError(f"{option} is for {what_for}")


def inputs_of(arguments: Namespace) -> tuple[str | None, str]:
    """The name for `datasets`, and the field: a column in the name takes precedence. Refuses a command of no inputs."""
    if not arguments.files and arguments.dataset is None:
        raise CommandError("nothing to read: expected files, folders, globs or --dataset")
    field = arguments.field or "text"
    if arguments.dataset is None:
        return None, field
    name, config, split, column = [*arguments.dataset.split(":", 3), "", "", ""][:4]
    return f"{name}:{config}:{split}", column or field


def load_model(name: str, upstream: str | None = None) -> Tokenizer:
    """The tokenizer that --model names, as from `dstok.load`, by the tables of --upstream."""
    with file_faults(name):
        return dstok.load(name, upstream=upstream)


def load_splitter(name: str, upstream: str | None = None) -> Splitter:
    """The splitter that `name` names, in one of the forms of `SPLITTER`, by the tables of --upstream."""
    from dstok.formats.tiktoken import ENCODINGS
    from dstok.pretokenizer.sources import preset_names
    from dstok.pretokenizer.splitter import Splitter

    given: dict[str, Any] = {} if upstream is None else {"upstream": upstream}
    kind, colon, pattern = name.partition(":")
    if colon and kind in ("regex", "fancy-regex"):
        return Splitter(pattern, dialect="oniguruma" if kind == "regex" else "fancy-regex", **given)
    if name in preset_names():
        return Splitter.preset(name, **given)
    if name in ENCODINGS:
        refuse_unless(upstream is None, "--upstream", f"other splitters than tiktoken's, and {name} is one")
        return Splitter.from_tiktoken(name)
    start = b""
    with suppress(OSError, ValueError), open(name, "rb") as file:  # `dstok.load` has better errors
        start = file.read(64).lstrip()
    if start.startswith(b"{"):  # it needs no vocabulary
        return Splitter.from_json(name, upstream=upstream)
    try:
        return Splitter.from_tokenizer(load_model(name, upstream))
    except dstok.errors.ModelNotFoundError as error:
        raise CommandError(f"{error}; nor a preset: {', '.join(preset_names())}; nor an encoding: "
                           f"{', '.join(ENCODINGS)}; a pattern is given as regex:{name}") from error


def model_of(version: str) -> str:
    """The name of the built-in model of a version of the chat format. Raises `CommandError` if there is none."""
    from dstok.chat.render import find_version

    models = find_version(version).models
    if not models:
        raise CommandError(f"{version} has no built-in model (--model PATH names its tokenizer)")
    return models[0]


class TextOptions(NamedTuple):
    """The tokenizer of a command that reads texts, the keywords `special` and `errors` of its methods, ids at the ends.

    Raises `CommandError` for added tokens, BOS and EOS that the model lacks.
    """

    tokenizer: Tokenizer
    keywords: dict[str, Any]
    before: list[int]
    after: list[int]

    @classmethod
    def of(cls, arguments: Namespace) -> TextOptions:
        tokenizer = load_model(arguments.model, arguments.upstream)
        special: str | set[str] = arguments.special
        if special not in ("all", "none", "raise"):
            special = {token for token in arguments.special.split(",") if token}
            for token in sorted(special - tokenizer.added_tokens.keys()):
                raise CommandError(f"--special: the model has no added token {token!r}")
        edges: tuple[list[int], list[int]] = [], []
        for ids, end, id in zip(edges, ("bos", "eos"), (tokenizer.bos_id, tokenizer.eos_id)):
            if getattr(arguments, f"add_{end}", False):
                if id is None:
                    raise CommandError(f"--add-{end}: the model names no {end.upper()} token: {end}_token in a "
                                       "tokenizer_config.json beside its file does")
                ids.append(id)
        return cls(tokenizer, {"special": special, "errors": arguments.errors}, *edges)
