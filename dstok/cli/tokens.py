"""`dstok dump`, `dstok pieces`: each token or piece with its place; `dstok show`: a text with its borders of tokens.

In: files or records. Out: a JSON line a token (a piece), or a table for people; lines in colour and with borders
(dstok/viewer/notebook.py). Invariant: the rows equal those of the whole text in one call; only a passage of a file is
in memory (see `passages`). Without colours the borders show everything. `pieces --count` is `count_pieces`.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import (
    DEFAULT_MODEL,
    SPLITTER,
    Parser,
    add_command,
    add_input,
    add_json,
    add_output,
    add_text,
    at_least_0,
    edge_ids,
    field_of,
    load_model,
    refuse_unless,
    text_keywords,
)
from dstok.cli.errors import about_input, colours_wanted
from dstok.cli.output import FORMATS, JsonRows, edge_lines, heading, piece_lines, terminal_width, token_lines, watching
from dstok.io.id_files import Output
from dstok.io.passages import Passage, Place, passages, whole_passage
from dstok.io.text_files import Source, open_source, records

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

    Lines = Callable[[JsonRows, Iterator[Passage]], Iterator[str]]

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


def add_dump(commands: Commands) -> None:
    parser = add_command(commands, "dump", run_dump, "show each token with its bytes and its place",
                         "dstok dump --format table notes.md | less", TOKEN_FIELDS)
    add_text(parser)
    _add_format(parser)
    parser = add_command(commands, "pieces", run_pieces, "show each piece, with the step that matched it",
                         "echo \"don't 12345\" | dstok pieces --format table", PIECE_FIELDS)
    add_input(parser)
    _add_format(parser)
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

    def lines(rows: JsonRows, text: Iterator[Passage]) -> Iterator[str]:
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
        from dstok.cli.train import count_pieces

        count_pieces(arguments)
        return
    for option in ("splitter", "memory", "threads", "work"):
        refuse_unless(getattr(arguments, option) is None, f"--{option}", "frequencies (--count)")
    arguments.special = arguments.special or "all"
    tokenizer = load_model(arguments.model, arguments.upstream)
    special = text_keywords(arguments, tokenizer)["special"]

    def lines(rows: JsonRows, text: Iterator[Passage]) -> Iterator[str]:
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
                    every = chain([head], lines(rows, text))
                    while group := "".join(islice(every, LINES_AT_ONCE)):  # a call a line would take longer than it
                        output.write(group.encode())


def texts_of(
    arguments: Namespace, tokenizer: Tokenizer, source: Source, keywords: dict[str, Any]
) -> Iterator[tuple[int | None, Iterator[Passage]]]:
    """The texts of a file, each with its line number, or the file as one text."""
    if not arguments.jsonl:
        def named() -> Iterator[Passage]:
            with about_input(source.name):
                yield from passages(tokenizer, source, **keywords)

        yield None, named()
        return
    for record in records(source, arguments.field, arguments.errors):
        with about_input(record.name):
            passage = whole_passage(tokenizer, record.text, keywords["special"])
        yield record.line, iter([passage])


LEGEND = """\
│ ends a piece, ┆ a token inside a piece. · is a blank, ⇥ a tab, ↵ a line feed; an invisible character
appears as its number. [é c3┆a9] is a character of several tokens, with the bytes of each; «x» is an added token.

"""


def add_show(commands: Commands) -> None:
    parser = add_command(commands, "show", run_show, "show the tokens of a text, with their borders",
                         "dstok show --ids notes.md", LEGEND)
    add_text(parser)
    parser.add_argument("--ids", action="store_true", help="also show the ids, below each line")
    parser.add_argument("--width", type=at_least_0, metavar="N",
                        help="the width of a line (default: the terminal's; 0, or no terminal: the text's own lines)")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto",
                        help="colours (default: on a terminal, if neither NO_COLOR nor TERM=dumb is set)")
    add_output(parser)


def run_show(arguments: Namespace) -> None:
    from dstok.viewer.notebook import Lines
    from dstok.viewer.reading import Reading, Vocabulary, read

    tokenizer, files = load_model(arguments.model, arguments.upstream), arguments.files
    arguments.field = field_of(arguments)
    keywords = text_keywords(arguments, tokenizer)
    edge_ids(arguments, tokenizer)  # refuses tokens that the model lacks
    begin = read(tokenizer, "", add_bos=arguments.add_bos)
    end = read(tokenizer, "", add_eos=arguments.add_eos)

    def shown(text: Iterator[Passage], lines: Lines) -> Iterator[str]:
        yield from lines.some(begin, 0, len(begin))
        for passage in text:
            whole = passage.text if isinstance(passage.text, str) else passage.text.decode()
            reading = Reading(tokenizer.name, whole, passage.encoding, tokenizer, Vocabulary(tokenizer))
            yield from lines.some(reading, 0, passage.ids)
        yield from lines.some(end, 0, len(end))
        yield from lines.end()

    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        colours = colours_wanted(output.is_terminal()) if arguments.color == "auto" else arguments.color == "always"
        columns = arguments.width
        if columns is None:
            columns = terminal_width() if output.is_terminal() else 0
        for path in files:
            with open_source(path, progress) as source:
                for line, text in texts_of(arguments, tokenizer, source, keywords):
                    output.write(heading(source.name if len(files) > 1 else None, line).encode())
                    for row in shown(text, Lines(columns, colours, arguments.ids)):
                        output.write(row.encode())
