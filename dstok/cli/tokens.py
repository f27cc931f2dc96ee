"""`dstok dump`, `dstok pieces`: each token or piece with its place; `dstok show`: a text with its borders of tokens.

In: files or records. Out: a JSON line a token (a piece), or a table for people; lines in colour and with borders
(dstok/viewer/notebook.py). Invariants: the rows equal those of the whole text in one call; only a passage of a file is
in memory (see `passages`). A row of JSON is one line with the same keys in the same order; a table shows every
character, even line feeds and parts of characters. Without colours the borders show everything.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

from dstok._util.files import visible
from dstok.cli.arguments import DEFAULT_MODEL, TextOptions, refuse_unless
from dstok.cli.output import about_input, colours_wanted, label_of, streams, terminal_width, texts_of
from dstok.io.passages import Passage, Place, passages, whole_passage
from dstok.io.text_files import Source
from dstok.tokenizer import Tokenizer

# id, start and end in bytes, in code points, piece number (None: of no piece), whether it is an added token
TokenRow = tuple[int, int, int, int, int, int | None, bool]

LINES_AT_ONCE = 4096
HEADERS = {
    "tokens": f"{'id':>7} {'bytes':>15} {'characters':>15} {'piece':>8}   token\n",
    "pieces": f"{'bytes':>15} {'characters':>15} {'matched by':>17}   piece\n",
}
_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Rows:
    """Tokens and pieces as lines: of a `table`, or of JSON."""

    def __init__(self, tokenizer: Tokenizer, table: bool) -> None:
        self.tokenizer, self.table, self.label = tokenizer, table, "{"
        self.known: dict[int, str] = {}  # the common part of all rows of an id

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        """Returns the text before the rows of a text; `file` and `line`, if any, tell it from others."""
        if self.table:
            return heading(file, line) + HEADERS[header]
        label = label_of(file, line)
        self.label = f"{json.dumps(label)[:-1]}, " if label else "{"
        return ""

    def tokens(self, passage: Passage) -> Iterator[str]:
        """A line for each sure token of `passage`."""
        encoding, n, at = passage.encoding, passage.ids, passage.place
        columns = (encoding.ids[:n], *(encoding.byte_spans[:n] + at.byte).T, *(encoding.char_spans[:n] + at.char).T,
                   encoding.pieces[:n] + at.piece, encoding.special[:n])
        return self._lines(zip(*(column.tolist() for column in columns)))

    def edges(self, ids: Iterable[int], at: Place) -> Iterator[str]:
        """Lines of BOS or EOS tokens, which cover none of the text."""
        return self._lines((id, at.byte, at.byte, at.char, at.char, None, True) for id in ids)

    def _lines(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        label, known, learn, table = self.label, self.known, self._learn, self.table
        for id, start, end, char_start, char_end, piece, special in rows:
            token = known.get(id) or learn(id)
            if table:
                yield (f"{id:>7} {f'{start}:{end}':>15} {f'{char_start}:{char_end}':>15} "
                       f"{'' if piece is None else piece:>8}   {token}{'  (added token)' if special else ''}\n")
            else:
                yield (f'{label}{token}"byte_start": {start}, "byte_end": {end}, "char_start": {char_start}, '
                       f'"char_end": {char_end}, "piece": {_number(piece)}, '
                       f'"special": {"true" if special else "false"}}}\n')

    def _learn(self, id: int) -> str:
        data = self.tokenizer.decode_bytes([id])
        try:
            text: str | None = data.decode()
        except UnicodeDecodeError:  # a part of a character
            text = None
        if self.table:
            line = repr(data if text is None else text)
        else:
            line = (f'"id": {id}, "token": {_quoted(self.tokenizer.id_to_token(id))}, "text": {_quoted(text)}, '
                    f'"bytes": "{data.hex()}", ')
        return self.known.setdefault(id, line)

    def pieces(self, passage: Passage, special: Any) -> Iterator[str]:
        """A line for each piece in the sure part of `passage`."""
        at = passage.place
        for piece in self.tokenizer.inspect().pretokenize(passage.text, special=special):
            if piece.end > passage.bytes_sure:
                continue
            start, end = piece.start + at.byte, piece.end + at.byte
            char_start, char_end = piece.char_start + at.char, piece.char_end + at.char
            if self.table:
                by = "gap" if piece.step is None else f"step {piece.step}, alt {piece.alternative}"
                by = by if piece.token_id is None else f"token {piece.token_id}"
                yield f"{f'{start}:{end}':>15} {f'{char_start}:{char_end}':>15} {by:>17}   {piece.text!r}\n"
            else:
                yield (f'{self.label}"text": {_quoted(piece.text)}, "byte_start": {start}, "byte_end": {end}, '
                       f'"char_start": {char_start}, "char_end": {char_end}, "step": {_number(piece.step)}, '
                       f'"alternative": {_number(piece.alternative)}, "token_id": {_number(piece.token_id)}}}\n')


def _number(number: int | None) -> int | str:
    return "null" if number is None else number


def heading(file: str | None, line: int | None) -> str:
    """The line above a text that tells it from others; "" without a file and a line."""
    names = [name for name in (file, None if line is None else f"line {line}") if name]
    return f"==> {visible(', '.join(names))} <==\n" if names else ""


def run_dump(arguments: Namespace) -> None:
    text_options = TextOptions.of(arguments)

    def lines(rows: Rows, text: Iterator[Passage]) -> Iterator[str]:
        place = Place()
        yield from rows.edges(text_options.before, place)
        for passage in text:
            yield from rows.tokens(passage)
            place = passage.end
        yield from rows.edges(text_options.after, place)

    _write(arguments, text_options, lines, "tokens")


def run_pieces(arguments: Namespace) -> None:
    refuse_unless(arguments.model is None or arguments.splitter is None, "--model", "pieces without --splitter")
    arguments.model = DEFAULT_MODEL if arguments.model is None else arguments.model
    if arguments.count:
        from dstok.cli.train import count_pieces

        count_pieces(arguments)
        return
    for option in ("splitter", "memory", "threads", "work"):
        refuse_unless(getattr(arguments, option) is None, f"--{option}", "frequencies (--count)")
    arguments.special = arguments.special or "all"
    text_options = TextOptions.of(arguments)

    def lines(rows: Rows, text: Iterator[Passage]) -> Iterator[str]:
        for passage in text:
            yield from rows.pieces(passage, text_options.keywords["special"])

    _write(arguments, text_options, lines, "pieces")


def _write(
    arguments: Namespace, text_options: TextOptions, lines: Callable[[Rows, Iterator[Passage]], Iterator[str]],
    header: str,
) -> None:
    """Writes the result of `lines` for each text."""
    rows = Rows(text_options.tokenizer, arguments.format == "table")
    with streams(arguments.output, arguments.files) as (output, sources):
        for source in sources:
            for line, text in _texts(arguments, text_options, source):
                head = rows.begin(source.name if len(arguments.files) > 1 else None, line, header)
                every = chain([head], lines(rows, text))
                while group := "".join(islice(every, LINES_AT_ONCE)):  # a call a line would take longer than it
                    output.write(group.encode())


def _texts(
    arguments: Namespace, text_options: TextOptions, source: Source
) -> Iterator[tuple[int | None, Iterator[Passage]]]:
    """The texts of a file, each with its line number, or the file as one text."""
    def passages_of(name: str, text: str | None) -> Iterator[Passage]:
        tokenizer, keywords = text_options.tokenizer, text_options.keywords
        with about_input(name):
            if text is None:
                yield from passages(tokenizer, source, **keywords)
            else:
                yield whole_passage(tokenizer, text, keywords["special"])

    for name, line, text in texts_of(arguments, source):
        yield line, passages_of(name, text)


def run_show(arguments: Namespace) -> None:
    from dstok.viewer.notebook import Lines
    from dstok.viewer.reading import Reading, Vocabulary, read

    if arguments.json:
        refuse_unless(not arguments.ids and arguments.width is None, "--json", "show without --ids and --width")
        arguments.format = "json"
        run_dump(arguments)
        return
    text_options = TextOptions.of(arguments)
    tokenizer = text_options.tokenizer
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

    with streams(arguments.output, arguments.files) as (output, sources):
        colours = colours_wanted(output.is_terminal()) if arguments.color == "auto" else arguments.color == "always"
        columns = arguments.width
        if columns is None:
            columns = terminal_width() if output.is_terminal() else 0
        for source in sources:
            for line, text in _texts(arguments, text_options, source):
                output.write(heading(source.name if len(arguments.files) > 1 else None, line).encode())
                for row in shown(text, Lines(columns, colours, arguments.ids)):
                    output.write(row.encode())
