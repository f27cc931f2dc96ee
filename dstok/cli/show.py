"""`dstok show`: the tokens of a text on the terminal, in colour and with borders.

In: files or records. Out: lines (dstok/view/terminal.py). Invariant: the tokens equal those of the whole text in one
call; only a passage of a file is in memory (see `passages`). Without colours the borders show everything.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dstok.cli.arguments import add_command, add_output, add_text, at_least_0, field_of
from dstok.cli.colours import colours_wanted
from dstok.cli.dump import texts_of
from dstok.cli.models import edge_ids, load_model, text_keywords
from dstok.cli.progress import watching
from dstok.cli.rows import heading
from dstok.files.inputs import open_source
from dstok.files.outputs import Output
from dstok.files.passages import Passage

if TYPE_CHECKING:
    from dstok.cli.arguments import Commands
    from dstok.tokenizer import Tokenizer
    from dstok.view.reading import Reading
    from dstok.view.terminal import Lines

__all__ = ["add_commands"]

LEGEND = """\
│ ends a piece, ┆ a token inside a piece. · is a blank, ⇥ a tab, ↵ a line feed; an invisible character
appears as its number. [é c3┆a9] is a character of several tokens, with the bytes of each; «x» is an added token.

"""


def add_commands(commands: Commands) -> None:
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
    from dstok.view.terminal import Lines

    tokenizer, files = load_model(arguments.model, arguments.upstream), arguments.files
    arguments.field = field_of(arguments)
    keywords, edges = text_keywords(arguments, tokenizer), _edges(arguments, tokenizer)
    with Output(arguments.output, files) as output, watching(files, not output.is_terminal()) as progress:
        colours = colours_wanted(output.is_terminal()) if arguments.color == "auto" else arguments.color == "always"
        columns = (_width() if output.is_terminal() else 0) if arguments.width is None else arguments.width
        for path in files:
            with open_source(path, progress) as source:
                for line, text in texts_of(arguments, tokenizer, source, keywords):
                    output.write(heading(source.name if len(files) > 1 else None, line).encode())
                    for shown in _lines(Lines(columns, colours, arguments.ids), tokenizer, text, edges):
                        output.write(shown.encode())


def _lines(
    lines: Lines, tokenizer: Tokenizer, text: Iterator[Passage], edges: tuple[Reading, Reading],
) -> Iterator[str]:
    """The lines of a text that comes in passages, between BOS and EOS, if requested."""
    begin, end = edges
    yield from lines.some(begin, 0, len(begin))
    for passage in text:
        yield from lines.some(_reading(tokenizer, passage), 0, passage.ids)
    yield from lines.some(end, 0, len(end))
    yield from lines.end()


def _edges(arguments: Namespace, tokenizer: Tokenizer) -> tuple[Reading, Reading]:
    """The tokens before and after each text."""
    from dstok.view.reading import read

    edge_ids(arguments, tokenizer)  # refuses tokens that the model lacks
    return read(tokenizer, "", add_bos=arguments.add_bos), read(tokenizer, "", add_eos=arguments.add_eos)


def _reading(tokenizer: Tokenizer, passage: Passage) -> Reading:
    from dstok.view.reading import Reading, Vocabulary

    text = passage.text if isinstance(passage.text, str) else passage.text.decode()
    return Reading(tokenizer.name, text, passage.encoding, tokenizer, Vocabulary(tokenizer))


def _width() -> int:
    try:
        return os.get_terminal_size().columns
    except (OSError, ValueError):
        return 80
