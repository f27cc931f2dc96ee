"""`dstok encode`: text -> ids.

In: files or records. Out: their ids in one of four formats. Invariant: the ids of a file equal those of the whole file
in one call, however it is cut into blocks; memory does not grow with the file.
"""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from dstok.cli.arguments import add_command, add_json, add_output, add_text, field_of
from dstok.cli.errors import CommandError, about_input
from dstok.cli.models import edge_ids, load_model, text_keywords
from dstok.cli.progress import watching
from dstok.files.inputs import Source, open_source, records
from dstok.files.outputs import BINARY_FORMATS, ID_FORMATS, IdWriter, Output, id_writer

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands", "encode_blocks"]

FORMATS = """\
formats:
  ids    decimal, separated by blanks, a line for each file or record (default)
  json   an array, a line for each file or record
  npy    one numpy array of uint32, all files in a row
  u32    raw little-endian uint32, all files in a row

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "encode", run, "turn text into token ids",
                         "dstok encode --format u32 --add-eos -o corpus.u32 a.txt b.txt.zst", FORMATS)
    add_text(parser)
    parser.add_argument("--format", choices=ID_FORMATS, default="ids", help="the format of the ids, see below")
    add_json(parser)
    add_output(parser)


def run(arguments: Namespace) -> None:
    tokenizer = load_model(arguments.model, arguments.upstream)
    encoder = _Encoder(arguments, tokenizer)
    files = arguments.files
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        if arguments.format in BINARY_FORMATS and output.is_terminal():
            raise CommandError("binary ids are not written to a terminal (-o FILE, or a pipe)")
        writer = id_writer(arguments.format, output)
        for path in files:
            with open_source(path, progress) as source:
                encoder.write(source, writer)
        writer.close()


class _Encoder:
    """The options for each text."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.field = tokenizer, field_of(arguments)
        self.keywords = text_keywords(arguments, tokenizer)
        self.begin, self.end = edge_ids(arguments, tokenizer)

    def write(self, source: Source, writer: IdWriter) -> None:
        if self.field is None:
            writer.begin()
            writer.add(self.begin)
            encode_blocks(self.tokenizer, source, writer, **self.keywords)
            writer.add(self.end)
            writer.end()
            return
        encode = self.tokenizer.encode_array if writer.wants_arrays else self.tokenizer.encode
        for record in records(source, self.field, self.keywords["errors"]):
            with about_input(record.name):
                ids = encode(record.text, **self.keywords)
            writer.begin()
            for part in (self.begin, ids, self.end):
                writer.add(part)
            writer.end()


def encode_blocks(
    tokenizer: Tokenizer, source: Source, writer: IdWriter, *, block_size: int = 0, **keywords: Any
) -> None:
    """Writes the ids of the whole `source`, read in blocks."""
    stream = tokenizer.encode_stream(**keywords)
    arrays = writer.wants_arrays
    with about_input(source.name):
        for block in source.blocks(block_size):
            ids = stream.feed(block) if arrays else stream.feed_list(block)
            source.gave(len(ids))
            writer.add(ids)
        writer.add(stream.finish() if arrays else stream.finish_list())
