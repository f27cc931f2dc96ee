"""`dstok truncate` and `dstok chunk`: texts -> parts of at most so many tokens.

In: files or records. Out: the kept text itself, or a JSON line a part with its place. Invariant: parts and places are
those of `Tokenizer.truncate` and `dstok.rows.chunk_spans`; a text is in memory as a whole.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dstok.base.texts import utf8
from dstok.calls.budget import chunk_spans
from dstok.cli.arguments import Parser, add_command, add_json, add_output, add_text, at_least_0, field_of, refuse_unless
from dstok.cli.errors import about_input
from dstok.cli.models import edge_ids, load_model, text_keywords
from dstok.cli.progress import watching
from dstok.cli.rows import label_of
from dstok.files.inputs import Source, open_source, records
from dstok.files.outputs import Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

    Spans = Iterable[tuple[int, int]]
    Cut = Callable[[str, dict[str, Any]], Spans]  # a text, keywords of the tokenizer's methods -> places of parts

__all__ = ["add_commands"]

FIELDS = """\
  text                  the text of the part
  char_start, char_end  its place in the text, half-open, in code points
  byte_start, byte_end  the same in bytes of UTF-8
  tokens                its number of tokens, BOS and EOS included, if requested
  file, line            with several files, with --jsonl: the text it belongs to

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "truncate", run_truncate, "cut a text to a number of tokens",
                         "dstok truncate --max-tokens 8000 --side left log.txt",
                         "writes the kept text itself; with --json or --jsonl a JSON object a text:\n" + FIELDS)
    _add_input(parser)
    parser.add_argument("--side", choices=("left", "right"), default="right",
                        help="the end of the text that is cut off (default right)")
    add_json(parser, "a JSON object for each file, with the place of the kept text")
    parser = add_command(commands, "chunk", run_chunk, "cut a text into parts of a number of tokens",
                         "dstok chunk --max-tokens 512 --overlap 64 book.txt > parts.jsonl",
                         "a JSON object a part:\n" + FIELDS)
    _add_input(parser)
    parser.add_argument("--overlap", type=at_least_0, default=0, metavar="N",
                        help="begin each part at most N tokens before the end of the last one (default 0)")
    add_json(parser, "a JSON object for each part, as always")


def _add_input(parser: Parser) -> None:
    add_text(parser)
    parser.add_argument("--max-tokens", type=at_least_0, required=True, metavar="N",
                        help="the most tokens of a part, BOS and EOS included, if requested")
    add_output(parser)


def run_truncate(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)
    rows = arguments.json or arguments.jsonl
    refuse_unless(rows or len(arguments.files) == 1, "text output", "one file (--json takes several)")

    def cut(text: str, keywords: dict[str, Any]) -> Spans:
        kept = len(tokenizer.truncate(text, arguments.max_tokens, truncation_side=arguments.side, **keywords))
        yield (0, kept) if arguments.side == "right" else (len(text) - kept, len(text))

    _Parts(arguments, tokenizer, cut, rows).write()


def run_chunk(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)

    def cut(text: str, keywords: dict[str, Any]) -> Spans:
        return chunk_spans(tokenizer, text, arguments.max_tokens, overlap=arguments.overlap, **keywords)

    _Parts(arguments, tokenizer, cut, rows=True).write()


class _Parts:
    """The options for each text. `rows`: JSON lines instead of the texts of the parts."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer, cut: Cut, rows: bool) -> None:
        self.arguments, self.tokenizer, self.cut, self.rows = arguments, tokenizer, cut, rows
        self.field = field_of(arguments)
        edge_ids(arguments, tokenizer)  # refuses tokens that the model lacks
        edges = {"add_bos": arguments.add_bos, "add_eos": arguments.add_eos}
        self.keywords = text_keywords(arguments, tokenizer) | edges

    def write(self) -> None:
        files = self.arguments.files
        with Output(self.arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
            for path in files:
                with open_source(path, progress) as source:
                    for line in self.lines(source, source.name if len(files) > 1 else None):
                        output.write(line)

    def lines(self, source: Source, file: str | None) -> Iterator[bytes]:
        """The output for the texts of a file."""
        for name, number, given in self.texts(source):
            with about_input(name):
                text = utf8(given, self.keywords["errors"] == "replace").decode()
                places = self.cut(text, self.keywords)
                yield from self.objects(text, places, label_of(file, number)) if self.rows else _plain(text, places)

    def texts(self, source: Source) -> Iterator[tuple[str, int | None, str | bytes]]:
        """Name, line and text of each record, or the file as one text."""
        if self.field is None:
            yield source.name, None, source.read_all()
            return
        for record in records(source, self.field, self.arguments.errors):
            yield record.name, record.line, record.text

    def objects(self, text: str, places: Spans, label: dict[str, Any]) -> Iterator[bytes]:
        """A JSON line for each part. Bytes are counted on from the last part's start."""
        last = byte_start = 0
        for start, end in places:
            byte_start += len(text[last:start].encode())
            last, part = start, text[start:end]
            row = {"text": part, "char_start": start, "char_end": end, "byte_start": byte_start,
                   "byte_end": byte_start + len(part.encode()), "tokens": self.tokenizer.count(part, **self.keywords)}
            line = json.dumps(label | row, ensure_ascii=False)
            yield line.encode("utf-8", "backslashreplace") + b"\n"  # JSON's escape, for a name that is not UTF-8


def _plain(text: str, places: Spans) -> Iterator[bytes]:
    """The parts themselves."""
    return (text[start:end].encode() for start, end in places)
