"""`dstok count`: text -> its number of tokens.

In: files or records. Out: a number a text; for several files their names and the total too. The exit code is 1 if a
text has more than --max-tokens. Invariant: the number is that of the ids that `encode` writes with the same options. An
unreadable file does not stop the count of the others, as with `wc`; the exit code is then 2.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dstok.base.faults import visible
from dstok.cli.arguments import add_command, add_json, add_output, add_text, at_least_0, field_of
from dstok.cli.errors import CommandError, about_input, complain
from dstok.cli.models import edge_ids, load_model, text_keywords
from dstok.cli.progress import Progress, watching
from dstok.errors import FileError
from dstok.files.inputs import Source, open_source, records
from dstok.files.outputs import Output

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer

__all__ = ["add_commands", "count_blocks"]

OVER_BUDGET, BAD = 1, 2
OUTPUT = """\
prints a number; for several files a number and a name for each, and the total; with --jsonl a number for
each record. With --json each is an object on a line, {"name": "a.txt", "tokens": 3}, with the very name:
elsewhere it has escapes for what cannot be printed. If a file cannot be read, the command names it on
standard error, and counts the others.

"""


def add_commands(commands: Commands) -> None:
    parser = add_command(commands, "count", run, "count the tokens of a text",
                         "dstok count --max-tokens 8000 prompts/*.txt || echo too long", OUTPUT)
    add_text(parser)
    add_json(parser, "a JSON object for each file or record")
    parser.add_argument("--max-tokens", type=at_least_0, metavar="N",
                        help="exit with 1 if a file (with --jsonl: a record) has more tokens, and name it")
    add_output(parser)


def run(arguments: Namespace) -> int:
    tokenizer = load_model(arguments.model, arguments.upstream)
    counter = _Counter(arguments, tokenizer)
    with Output(arguments.output, arguments.files) as output, watching(arguments.files) as progress:
        for path in arguments.files:
            try:
                counter.file(path, output, progress)
            except (CommandError, FileError) as error:
                progress.bar.wipe()
                complain(error)
                counter.code = BAD
        progress.bar.close()
        if len(arguments.files) > 1 and not arguments.jsonl:
            output.write(counter.line("total", counter.total, "\ttotal"))
    return counter.code


class _Counter:
    """The options for each text, and the results so far."""

    def __init__(self, arguments: Namespace, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.field = tokenizer, field_of(arguments)
        self.keywords, self.limit = text_keywords(arguments, tokenizer), arguments.max_tokens
        self.extra = sum(map(len, edge_ids(arguments, tokenizer)))
        self.several = len(arguments.files) > 1
        self.json, self.total, self.code = arguments.json, 0, 0

    def file(self, path: str, output: Output, progress: Progress) -> None:
        """Counts one file, and writes its line or lines once it has been read whole."""
        label = f"\t{visible(path)}" if self.several and self.field is None else ""
        with open_source(path, progress) as source:
            for name, count in self.counts(source):
                count += self.extra
                self.total += count
                progress.bar.wipe()  # the next line would be written onto the bar of a terminal
                self.judge(name, count)
                output.write(self.line(name, count, label))

    def line(self, name: str, count: int, label: str) -> bytes:
        """The output for a text: its number and `label`, or JSON."""
        if self.json:
            return json.dumps({"name": name, "tokens": count}).encode() + b"\n"
        return f"{count}{label}\n".encode()

    def counts(self, source: Source) -> Iterator[tuple[str, int]]:
        """Name and count of each text in `source`."""
        if self.field is None:
            yield source.name, count_blocks(self.tokenizer, source, **self.keywords)
            return
        for record in records(source, self.field, self.keywords["errors"]):
            with about_input(record.name):
                count = self.tokenizer.count(record.text, **self.keywords)
            yield record.name, count

    def judge(self, name: str, count: int) -> None:
        if self.limit is not None and count > self.limit:
            complain(f"{name}: {count} tokens, {count - self.limit} over --max-tokens {self.limit}")
            self.code = max(self.code, OVER_BUDGET)


def count_blocks(tokenizer: Tokenizer, source: Source, *, block_size: int = 0, **keywords: Any) -> int:
    """The number of ids of the whole `source`, read in blocks."""
    stream = tokenizer.encode_stream(**keywords)
    total = 0
    with about_input(source.name):
        for block in source.blocks(block_size):
            count = stream.feed_count(block)
            source.gave(count)
            total += count
        return total + stream.finish_count()
