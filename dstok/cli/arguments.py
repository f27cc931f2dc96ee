"""The options that several commands share: the parser's behaviour, and what the values stand for.

In: a command's parser; later the values given. Out: the same parser with more options; a `Tokenizer` with the keywords
of its methods and the ids at a text's ends, a `Splitter`. Invariant: an option has one name, one meaning and one
default in every command, because this module defines it once; a name or path of a model means the same as to
`dstok.load`. An option of a single command is in that command's module. An option without effect is refused.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import dstok
from dstok._util.files import file_faults
from dstok.cli.errors import CommandError

if TYPE_CHECKING:
    from dstok.pretokenizer.splitter import Splitter
    from dstok.tokenizer import Tokenizer

    Commands = argparse._SubParsersAction["Parser"]  # noqa: SLF001  # argparse has no public name for it

DEFAULT_MODEL, FIELD = "deepseek-v3", "text"
EXAMPLE = "example:\n  "


class Parser(argparse.ArgumentParser):
    """argparse, with dstok's errors, and without the import of `shutil` that finds the terminal's width.

    Its help has no colours: all versions of Python print the same help, also in the reference and the manual.
    """

    def __init__(self, **keywords: object) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_Formatter, **keywords)  # type: ignore[arg-type]
        self.color = False  # Python 3.14 and later use colours, even in files if the environment asks for them

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse's method would list all commands
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001
            self.error(f"no {str(action.metavar).lower()} {value!r}{nearest(value, action.choices)}")
        super()._check_value(action, value)

    def _print_message(self, message: str, file: object = None) -> None:
        """Writes the texts of --help and --version.

        argparse's method ignores a failed write, as to a full disk, and fails at a character that the terminal's
        encoding lacks.
        """
        if sys.stdout is None:
            raise CommandError("standard output: it is closed")
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(message.encode(encoding, "backslashreplace").decode(encoding))


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


def add_command(
    commands: Commands, name: str, run: Callable[[Namespace], int | None], summary: str, example: str,
    notes: str = "",
) -> Parser:
    """Adds a command's parser, with a summary and the function that runs it. Notes and an example end the help."""
    parser = commands.add_parser(name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.",
                                 epilog=notes + EXAMPLE + example)
    parser.set_defaults(run=run)
    return parser


def add_actions(commands: Commands, name: str, summary: str, description: str) -> Commands:
    """Adds a command that consists of actions; returns the actions, for `add_command`."""
    parser = commands.add_parser(name, help=summary, description=description)
    return parser.add_subparsers(title="actions", metavar="ACTION", required=True)


def add_model(parser: Parser, upstream: bool = True) -> None:
    parser.add_argument("-m", "--model", default=DEFAULT_MODEL, metavar="NAME|PATH",
                        help="a built-in model, or the path of a tokenizer.json, folder, GGUF file, rank file or image "
                             f"(default {DEFAULT_MODEL})")
    if upstream:
        add_upstream(parser)


def add_upstream(parser: Parser) -> None:
    parser.add_argument("--upstream", metavar="VERSION",
                        help="the version of upstream whose Unicode tables decide, such as tokenizers-1.0.0rc3")


def add_files(parser: Parser) -> None:
    parser.add_argument("files", nargs="*", default=["-"], metavar="FILE",
                        help="files to read, also .gz and .zst; - or no file is standard input")


def take_given_text(arguments: Namespace) -> None:
    """Puts the text of --text in place of the files. Raises `CommandError` if both are given.

    Also if words are given that name no file: whoever gives a text in place of files learns how.
    """
    if not hasattr(arguments, "given_text"):
        return
    given = arguments.given_text
    if given is None:
        if missing(arguments.files):
            text = " ".join(arguments.files)
            raise CommandError(f"{arguments.files[0]}: no such file or directory (--text {text[:60]!r} reads words as "
                               "a text; so does standard input)")
        return
    refuse_unless(arguments.files == ["-"], "--text", "a command without files")
    from dstok.io.text_files import GivenText

    arguments.files = [GivenText(given)]


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


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the known word that somebody may have meant, "" if none is near.

    >>> nearest("cuont", ["encode", "count"])
    '; did you mean count?'
    """
    from difflib import get_close_matches  # only errors need it, and it takes a millisecond

    close = get_close_matches(word, [*known], 1)
    return f"; did you mean {close[0]}?" if close else ""


def add_output(parser: Parser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE instead of standard output")


def add_json(parser: Parser, meaning: str = "JSON instead of a table for people") -> None:
    """Adds --json. After a --format that has json it is short for that."""
    format = parser._option_string_actions.get("--format")  # noqa: SLF001  # argparse has no public list of options
    if format is not None and "json" in (format.choices or ()):
        parser.add_argument("--json", action="store_const", dest="format", const="json", help="short for --format json")
    else:
        parser.add_argument("--json", action="store_true", help=meaning)


def add_json_and_output(parser: Parser, meaning: str = "JSON instead of a table for people") -> None:
    add_json(parser, meaning)
    add_output(parser)


def add_jsonl(parser: Parser, meaning: str) -> None:
    parser.add_argument("--jsonl", action="store_true", help=meaning)
    parser.add_argument("--field", metavar="F", help=f"with --jsonl: the text's key (default {FIELD})")


def add_texts_of_corpora(parser: Parser) -> None:
    """The options that say how to read the documents of corpora."""
    parser.add_argument("--field", metavar="F", help="the text's key in JSON lines, or its column (default text)")
    parser.add_argument("--lines", action="store_true", help="each line of a text file is a document")
    parser.add_argument("--input-format", choices=("jsonl", "lines", "text", "parquet", "arrow"),
                        help="the format of all inputs, whatever their suffixes")
    parser.add_argument("--dataset", metavar="NAME[:CONFIG[:SPLIT[:COLUMN]]]", help="a data set, through `datasets`")


def add_reading(parser: Parser) -> None:
    """The options of commands that read the documents of corpora by several processes."""
    add_texts_of_corpora(parser)
    parser.add_argument("--engine", choices=("local", "ray"), default="local",
                        help="local processes or Ray (default local)")


def inputs_of(arguments: Namespace) -> tuple[str | None, str]:
    """The name for `datasets`, and the field: a column in the name takes precedence. Refuses a command of no inputs."""
    if not arguments.files and arguments.dataset is None:
        raise CommandError("nothing to read: expected files, folders, globs or --dataset")
    field = arguments.field or FIELD
    if arguments.dataset is None:
        return None, field
    name, config, split, column = [*arguments.dataset.split(":", 3), "", "", ""][:4]
    return f"{name}:{config}:{split}", column or field


def field_of(arguments: Namespace) -> str | None:
    """The key of each line's text; None without --jsonl. Raises `CommandError` for a key without --jsonl."""
    if arguments.jsonl:
        return FIELD if arguments.field is None else str(arguments.field)
    refuse_unless(arguments.field is None, "--field", "JSON lines (--jsonl)")
    return None


def refuse_unless(useful: bool, option: str, what_for: str) -> None:
    """Raises `CommandError` for an option without effect."""
    if not useful:
        raise CommandError(f"{option} is for {what_for}")


def add_input(parser: Parser) -> None:
    """Adds the options of a command that reads text: model, files, JSON lines, added tokens, faulty text."""
    add_files(parser)
    parser.add_argument("--text", dest="given_text", metavar="TEXT", help="read this text instead of files")
    add_model(parser)
    add_jsonl(parser, "each line is a JSON object with one text")
    parser.add_argument("--special", default="all", metavar="HOW",
                        help="how to read texts of added tokens: all as tokens (default), none as tokens, "
                             "raise refuses them, TOKEN,... only these as tokens")
    add_errors(parser)


def add_errors(parser: Parser) -> None:
    parser.add_argument("--errors", choices=("strict", "replace"), default="strict",
                        help="invalid UTF-8: refuse it (default) or read it as U+FFFD")


def add_text(parser: Parser) -> None:
    """Adds the options of `add_input`, and those for the tokens at the ends of a text."""
    add_input(parser)
    add_edges(parser, "each text ")


def add_edges(parser: Parser, what: str) -> None:
    for end, does in (("bos", "begin"), ("eos", "end")):
        parser.add_argument(f"--add-{end}", action="store_true",
                            help=f"{does} {what}with the model's {end.upper()} token")


def at_least_0(text: str) -> int:
    """Converts an option's value: a whole number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"not a whole number from 0 on: {text!r}")
    return int(text)


SPLITTER = ("a preset (gpt-2), an encoding of tiktoken's (cl100k_base), regex:PATTERN, fancy-regex:PATTERN in "
            "tiktoken's dialect, the path of a saved splitter or of JSON with a pre_tokenizer, or a --model")


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
        with open(name, "rb") as file:
            start = file.read(64).lstrip()
    except (OSError, ValueError):  # a model's name, a folder, or a file for which `dstok.load` has a better error
        start = b""
    if start.startswith(b"{"):  # it needs no vocabulary
        return Splitter.from_json(name, upstream=upstream)
    try:
        return Splitter.from_tokenizer(load_model(name, upstream))
    except dstok.errors.ModelNotFoundError as error:
        raise CommandError(f"{error}; nor a preset: {', '.join(preset_names())}; nor an encoding: "
                           f"{', '.join(ENCODINGS)}; a pattern is given as regex:{name}") from error


def model_of(version: str) -> str:
    """The name of the built-in model of a version of the chat format. Raises `CommandError` if there is none."""
    from dstok.chat.versions import find_version

    models = find_version(version).models
    if not models:
        raise CommandError(f"{version} has no built-in model (--model PATH names its tokenizer)")
    return models[0]


def text_keywords(arguments: Namespace, tokenizer: Tokenizer) -> dict[str, Any]:
    """The keywords `special` and `errors` of the tokenizer's methods."""
    special: str | set[str] = arguments.special
    if special not in ("all", "none", "raise"):
        special = {token for token in arguments.special.split(",") if token}
        for token in sorted(special - tokenizer.added_tokens.keys()):
            raise CommandError(f"--special: the model has no added token {token!r}")
    return {"special": special, "errors": arguments.errors}


def edge_ids(arguments: Namespace, tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The ids before and after each text: BOS and EOS, if requested."""
    edges: tuple[list[int], list[int]] = [], []
    for ids, end, id in zip(edges, ("bos", "eos"), (tokenizer.bos_id, tokenizer.eos_id)):
        if getattr(arguments, f"add_{end}"):
            if id is None:
                raise CommandError(f"--add-{end}: the model names no {end.upper()} token: {end}_token in a "
                                   "tokenizer_config.json beside its file does")
            ids.append(id)
    return edges
