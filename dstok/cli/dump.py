"""`dstok dump` and `dstok pieces`: each token or piece with its place (--count: see `piece_counts`).

In: files or records. Out: a JSON line a token (a piece), or a table for people. Invariant: the rows equal those of the
whole text in one call; only a passage of a file is in memory (see `passages`).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import (
    DEFAULT_MODEL,
    Parser,
    add_command,
    add_input,
    add_json,
    add_output,
    add_text,
    at_least_0,
    field_of,
    refuse_unless,
)
from dstok.cli.errors import about_input
from dstok.cli.models import SPLITTER, edge_ids, load_model, text_keywords
from dstok.cli.progress import watching
from dstok.cli.rows import FORMATS, Rows, edge_lines, piece_lines, token_lines
from dstok.files.inputs import Source, open_source, records
from dstok.files.outputs import Output
from dstok.files.passages import Passage, Place, passages, whole_passage

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

    Lines = Callable[[Rows, Iterator[Passage]], Iterator[str]]

__all__ = ["add_commands", "texts_of"]

LINES_AT_ONCE = 4096

TOKEN_FIELDS = """\
a JSON object a token:
  id, token             its number, and its name in the vocabulary
  text                  its text; null if its bytes are not whole characters
  bytes                 its bytes, in hexadecimal
  byte_start, byte_end  its place in the text, half-open, in bytes
  char_start, char_end  the same in code points: the characters it touches
  piece                 the number of its piece (pre-token), from 0 on
  special               whether it is an added token
  file, line            with several files, with --jsonl: the text it belongs to

"""
PIECE_FIELDS = """\
a JSON object a piece:
  text, byte_start, byte_end, char_start, char_end
  step, alternative     the step and alternative that matched it, from 0 on; null for a gap between matches
  token_id              the id of an added token, else null
  file, line            with several files, with --jsonl: the text it belongs to

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "dump", run_dump, "show each token with its bytes and its place",
                         "dstok dump --format table notes.md | less", TOKEN_FIELDS)
    add_text(parser)
    _add_format(parser)
    parser = add_command(commands, "pieces", run_pieces, "show each piece, with the step that matched it",
                         "echo \"don't 12345\" | dstok pieces --format table", PIECE_FIELDS)
    add_input(parser)
    _add_format(parser)
    _add_count(parser)


def _add_count(parser: Parser) -> None:
    parser.set_defaults(special=None, model=None)
    parser.add_argument("--count", action="store_true",
                        help="show each distinct piece with its frequency instead, the most frequent first (JSON: "
                             "text, count); texts of added tokens are then plain text")
    parser.add_argument("--splitter", metavar="S", help=f"with --count: another splitter: {SPLITTER}")
    parser.add_argument("--memory", type=at_least_0, metavar="MB",
                        help="with --count: the memory for distinct pieces; more of them go to disk (default 1024)")
    parser.add_argument("--threads", type=at_least_0, metavar="N",
                        help="with --count: threads, which share the memory (default 1)")
    parser.add_argument("--work", metavar="FOLDER",
                        help="with --count: keep what is counted in this folder until the output is written: the same "
                             "command goes on from there after it was stopped (default: a folder for temporary files)")


def _add_format(parser: Parser) -> None:
    parser.add_argument("--format", choices=tuple(FORMATS), default="json",
                        help="JSON lines (default), or a table for people")
    add_json(parser)
    add_output(parser)


def run_dump(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)
    begin, end = edge_ids(arguments, tokenizer)

    def lines(rows: Rows, text: Iterator[Passage]) -> Iterator[str]:
        place = Place()
        yield from edge_lines(rows, begin, place)
        for passage in text:
            yield from token_lines(rows, passage)
            place = passage.end
        yield from edge_lines(rows, end, place)

    _show(arguments, tokenizer, lines, "tokens")


def run_pieces(arguments: Namespace) -> None:
    refuse_unless(arguments.model is None or arguments.splitter is None, "--model", "pieces without --splitter")
    arguments.model = arguments.model or DEFAULT_MODEL
    if arguments.count:
        from dstok.cli.piece_counts import count_pieces

        count_pieces(arguments)
        return
    for option in ("splitter", "memory", "threads", "work"):
        refuse_unless(getattr(arguments, option) is None, f"--{option}", "frequencies (--count)")
    arguments.special = arguments.special or "all"
    tokenizer = load_model(arguments.model, arguments.upstream)
    special = text_keywords(arguments, tokenizer)["special"]

    def lines(rows: Rows, text: Iterator[Passage]) -> Iterator[str]:
        for passage in text:
            yield from piece_lines(rows, passage, special)

    _show(arguments, tokenizer, lines, "pieces")


def _show(arguments: Namespace, tokenizer: Tokenizer, lines: Lines, header: str) -> None:
    """Writes the result of `lines` for each text."""
    arguments.field = field_of(arguments)
    keywords = text_keywords(arguments, tokenizer)
    rows = FORMATS[arguments.format](tokenizer)
    files = arguments.files
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        for path in files:
            with open_source(path, progress) as source:
                for line, text in texts_of(arguments, tokenizer, source, keywords):
                    head = rows.begin(source.name if len(files) > 1 else None, line, header)
                    _write(output, chain([head], lines(rows, text)))


def texts_of(
    arguments: Namespace, tokenizer: Tokenizer, source: Source, keywords: dict[str, Any]
) -> Iterator[tuple[int | None, Iterator[Passage]]]:
    """The texts of a file, each with its line number, or the file as one text."""
    if not arguments.jsonl:
        yield None, _named(source.name, passages(tokenizer, source, **keywords))
        return
    for record in records(source, arguments.field, arguments.errors):
        with about_input(record.name):
            passage = whole_passage(tokenizer, record.text, keywords["special"])
        yield record.line, iter([passage])


def _named(name: str, text: Iterator[Passage]) -> Iterator[Passage]:
    """`text`, from input `name`, which errors name."""
    with about_input(name):
        yield from text


def _write(output: Output, lines: Iterator[str]) -> None:
    """Writes in groups: a call for each line would take longer than making the line."""
    while group := "".join(islice(lines, LINES_AT_ONCE)):
        output.write(group.encode())
