"""What the commands print: rows for programs and for people, and the progress of long work.

In: tokens and pieces of a `Passage`; a JSON value and the same in words; amounts of work done.
Out: lines on standard output; on standard error one line with a bar and the time left, drawn by tqdm and wiped at the
end. Invariants: a row of JSON is one line with the same keys in the same order; a table shows every character, even
line feeds and parts of characters. No progress is written unless the stream is a terminal and the work has lasted a
second; its line is never wider than the terminal, and tqdm is imported only when there is something to draw.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from dstok._util.files import visible
from dstok.cli.errors import complain
from dstok.io.id_files import Output, write_lines

if TYPE_CHECKING:
    from dstok.corpus.engines import ShardReport
    from dstok.corpus.inputs import Shard
    from dstok.io.passages import Passage, Place
    from dstok.methods.offsets import Piece
    from dstok.tokenizer import Tokenizer

END = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D on a line of its own"
PATIENCE = 1.0  # seconds of silence first: short work shows nothing
INTERVAL = 0.2
NAME = 24  # characters of a file's name that are shown
UNKNOWN_WIDTH = 80
# tqdm's `bar_format`s. The least important part comes last: a narrow terminal cuts it off.
OF_ALL = "{percentage:3.0f}% |{bar}| {remaining} left, {n_fmt}/{total_fmt}B, {rate_fmt}, {desc}"
OF_SHARDS = "{percentage:3.0f}% |{bar}| {remaining} left, {rate_fmt}, {desc}"
OF_MERGES = "{percentage:3.0f}% |{bar}| {remaining} left, {desc}"
OF_CHECKS = "{percentage:3.0f}% |{bar:16}| {desc}"  # of fixed width: the words after the bar change
SO_FAR = "{n_fmt}B, {rate_fmt}, {desc}"
WORDS = "{desc}"


class Bar:
    """One line that rewrites itself, if `wanted`. `stream` and `clock` are parameters for the tests."""

    def __init__(
        self, wanted: bool = True, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.stream = sys.stderr if stream is None else stream
        self.active = wanted and self.stream is not None and self.stream.isatty()
        self.began = clock()
        self.due_at = self.began + PATIENCE
        self.drawn: Any = None  # tqdm's bar, once there is one
        self.visible = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def due(self) -> bool:
        """Whether it is time to draw again."""
        return self.active and self.clock() >= self.due_at

    def draw(self, layout: str, done: float, total: float | None, words: str) -> None:
        """Shows the amount done; `layout` is a `bar_format` of tqdm, in which `desc` stands for `words`."""
        now = self.clock()
        self.due_at = now + INTERVAL
        if self.drawn is None:
            from tqdm import tqdm

            class Drawn(tqdm):  # type: ignore[misc]
                monitor_interval = 0  # no thread: the process may fork

            self.drawn = Drawn(total=total, file=self.stream, leave=False, unit="B", unit_scale=True,
                               bar_format=layout, delay=INTERVAL, position=0)
            self.drawn.start_t -= now - self.began
        self.drawn.n = done
        self.drawn.ncols = (terminal_width(self.stream) or UNKNOWN_WIDTH) - 1  # a full line may wrap
        self.drawn.set_description_str(words)  # draws
        self.visible = True

    def wipe(self) -> None:
        """Clears the line for other output; the next `draw` shows it again."""
        if self.visible:
            self.drawn.clear()
            self.visible = False

    def close(self) -> None:
        """Clears the line for good."""
        self.wipe()
        self.active = False
        if self.drawn is not None:
            self.drawn.close()


def terminal_width(stream: TextIO | None = None) -> int:
    """The columns of the terminal that `stream` is, or standard output."""
    try:
        return os.get_terminal_size(*([] if stream is None else [stream.fileno()])).columns
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


class Progress:
    """The amount read of a command's inputs, of `total` bytes, if known."""

    def __init__(self, total: int | None, bar: Bar) -> None:
        self.total, self.bar = total, bar
        self.passed = 0  # bytes of the finished inputs

    def waits(self) -> None:
        """An input is a terminal, where somebody has to type."""
        if sys.stderr is not None and sys.stderr.isatty():
            complain(f"waiting for input from the terminal; {END} ends it")

    def update(self, name: str, position: Callable[[], int]) -> None:
        """More of `name` has been read; `position` returns the number of bytes read, and is called only to show it."""
        if self.bar.due():
            done, shown = self.passed + position(), visible(name)
            shown = shown if len(shown) <= NAME else f"...{shown[3 - NAME:]}"
            if self.total:
                self.bar.draw(OF_ALL, min(done, self.total), self.total, shown)
            else:
                self.bar.draw(SO_FAR, done, None, shown)

    def done_with(self, size: int) -> None:
        """An input of `size` bytes is done."""
        self.passed += size


@contextmanager
def watching(paths: Sequence[str], wanted: bool = True) -> Iterator[Progress]:
    """The progress of reading all of `paths`, shown on a terminal if `wanted`."""
    with Bar(wanted) as bar:
        yield Progress(_total_size(paths) if bar.active else None, bar)


def _total_size(paths: Sequence[str]) -> int | None:
    """The bytes of all inputs together; None if one has no known size. Inputs that cannot be opened count as empty."""
    total = 0
    for path in paths:
        try:
            status = os.fstat(0) if path == "-" else os.stat(path)
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(status.st_mode):
            return None
        total += status.st_size
    return total


@contextmanager
def watching_shards(shards: Sequence[Shard]) -> Iterator[Callable[[ShardReport], None]]:
    """The progress of doing `shards`: takes the reports about them. Those done before are no work of this run."""
    sizes = {shard.name: shard.size for shard in shards}
    total, last = sum(sizes.values()), dict[str, tuple[int, int, int]]()

    def show(report: ShardReport) -> None:
        nonlocal total
        size = sizes[report.shard]
        if report.earlier:
            total -= size
            return
        last[report.shard] = min(report.read, size), report.documents, report.tokens
        if bar.due():
            read, documents, tokens = map(sum, zip(*last.values()))
            words = f"{documents:,} documents" + (f", {tokens:,} tokens" if tokens else "")
            bar.draw(OF_SHARDS, min(read, total), total, words)

    with Bar() as bar:
        yield show


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """A value as JSON, and a line feed; a lone surrogate, as in the name of a file, is escaped."""
    return f"{json.dumps(value, ensure_ascii=False, indent=indent)}\n".encode("utf-8", "backslashreplace")


def write_result(arguments: Namespace, value: Any, lines: Iterable[str], indent: int | None = None) -> None:
    """Writes `value` as JSON if --json asks for it, else the lines for people; to --output, if the command has it."""
    path = getattr(arguments, "output", None)
    if not arguments.json:
        write_lines(path, lines)
        return
    with Output(path) as output:
        output.write(json_bytes(value, indent))


# id, start and end in bytes, in code points, piece number (None: of no piece), whether it is an added token
TokenRow = tuple[int, int, int, int, int, "int | None", bool]


def label_of(file: str | None, line: int | None) -> dict[str, str | int]:
    """The keys `file` and `line` of a row, each unless it is None."""
    return {key: value for key, value in (("file", file), ("line", line)) if value is not None}


def heading(file: str | None, line: int | None) -> str:
    """The line above a text that tells it from others; "" without a file and a line."""
    names = [name for name in (file, None if line is None else f"line {line}") if name]
    return f"==> {visible(', '.join(names))} <==\n" if names else ""


_quoted = json.JSONEncoder(ensure_ascii=False).encode


class JsonRows:
    """Writes tokens and pieces, each as a line of JSON."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.known: dict[int, str] = {}  # the common part of all rows of an id

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        """Returns the text before the rows of a text; `file` and `line`, if any, tell it from others."""
        label = label_of(file, line)
        self.label = f"{json.dumps(label)[:-1]}, " if label else "{"
        return ""

    def tokens(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        label, known, learn = self.label, self.known, self._learn
        for id, start, end, char_start, char_end, piece, special in rows:
            yield (f'{label}{known.get(id) or learn(id)}"byte_start": {start}, "byte_end": {end}, '
                   f'"char_start": {char_start}, "char_end": {char_end}, '
                   f'"piece": {_number(piece)}, "special": {"true" if special else "false"}}}\n')

    def _learn(self, id: int) -> str:
        token, data = self.tokenizer.id_to_token(id), self.tokenizer.decode_bytes([id])
        return self.known.setdefault(id, f'"id": {id}, "token": {_quoted(token)}, "text": {_quoted(_text(data))}, '
                                         f'"bytes": "{data.hex()}", ')

    def pieces(self, pieces: Iterable[Piece], at: Place) -> Iterator[str]:
        """The lines of pieces of a text that begins at `at`."""
        for piece in pieces:
            yield (f'{self.label}"text": {_quoted(piece.text)}, '
                   f'"byte_start": {piece.start + at.byte}, "byte_end": {piece.end + at.byte}, '
                   f'"char_start": {piece.char_start + at.char}, "char_end": {piece.char_end + at.char}, '
                   f'"step": {_number(piece.step)}, "alternative": {_number(piece.alternative)}, '
                   f'"token_id": {_number(piece.token_id)}}}\n')


def _number(number: int | None) -> int | str:
    return "null" if number is None else number


class TableRows(JsonRows):
    """Writes each as a line of a table, under a header."""

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        return heading(file, line) + HEADERS[header]

    def tokens(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        for id, start, end, char_start, char_end, piece, special in rows:
            shown = self.known.get(id) or self._learn(id)
            number = "" if piece is None else piece
            yield (f"{id:>7} {f'{start}:{end}':>15} {f'{char_start}:{char_end}':>15} {number:>8}   "
                   f"{shown}{'  (added token)' if special else ''}\n")

    def _learn(self, id: int) -> str:
        data = self.tokenizer.decode_bytes([id])
        text = _text(data)
        return self.known.setdefault(id, repr(data if text is None else text))

    def pieces(self, pieces: Iterable[Piece], at: Place) -> Iterator[str]:
        for piece in pieces:
            by = "gap" if piece.step is None else f"step {piece.step}, alt {piece.alternative}"
            by = by if piece.token_id is None else f"token {piece.token_id}"
            bytes_ = f"{piece.start + at.byte}:{piece.end + at.byte}"
            chars = f"{piece.char_start + at.char}:{piece.char_end + at.char}"
            yield f"{bytes_:>15} {chars:>15} {by:>17}   {piece.text!r}\n"


HEADERS = {
    "tokens": f"{'id':>7} {'bytes':>15} {'characters':>15} {'piece':>8}   token\n",
    "pieces": f"{'bytes':>15} {'characters':>15} {'matched by':>17}   piece\n",
}
FORMATS = {"json": JsonRows, "table": TableRows}


def _text(data: bytes) -> str | None:
    """The text of a token, if its bytes are whole characters."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def token_lines(rows: JsonRows, passage: Passage) -> Iterator[str]:
    """A line for each sure token of `passage`."""
    encoding, n, at = passage.encoding, passage.ids, passage.place
    columns = (
        encoding.ids[:n],
        *(encoding.byte_spans[:n] + at.byte).T,
        *(encoding.char_spans[:n] + at.char).T,
        encoding.pieces[:n] + at.piece,
        encoding.special[:n],
    )
    return rows.tokens(zip(*(column.tolist() for column in columns)))


def edge_lines(rows: JsonRows, ids: Iterable[int], at: Place) -> Iterator[str]:
    """Lines of BOS or EOS tokens, which cover none of the text."""
    return rows.tokens((id, at.byte, at.byte, at.char, at.char, None, True) for id in ids)


def piece_lines(rows: JsonRows, passage: Passage, special: Any) -> Iterator[str]:
    """A line for each piece in the sure part of `passage`."""
    pieces = rows.tokenizer.inspect().pretokenize(passage.text, special=special)
    return rows.pieces((piece for piece in pieces if piece.end <= passage.bytes_sure), passage.place)
