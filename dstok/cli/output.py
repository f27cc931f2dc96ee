"""What a command prints: results, in JSON or for people; the progress of long work; errors in the user's words.

In: a JSON value and the same in lines; amounts of work done; errors of the library, of the system, of the user.
Out: standard output, or the file of --output; on standard error one line with a bar and the time left, drawn by tqdm
and wiped at the end, and one line for an error, with two more that show the place in a broken pattern. Invariants: an
error's text names its input and starts in lower case; standard error gets characters that can be printed, and not many.
No progress is written unless the stream is a terminal and the work has lasted a second; its line is never wider than
the terminal, and tqdm is imported only when there is something to draw.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from dstok._util.columns import width
from dstok._util.files import visible
from dstok.errors import DstokError, FileError, PatternError, SpecialTokenError, bounded
from dstok.io.id_files import Output, write_text
from dstok.io.text_files import Source, open_source, records

if TYPE_CHECKING:
    from dstok.corpus.engines import ShardReport
    from dstok.corpus.inputs import Shard

OPTIONS = {"field": "--field names another", "format": "--format names one", "kind": "--input-format names it",
           "largest": "--max-document allows more", "model": "--model names it",
           "skip": "--on-bad-document skip leaves it out"}  # by a `FileError`'s parameters
PATTERN_SHOWN = 40  # characters of a broken pattern on each side of the error
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


class CommandError(Exception):
    """Bad usage or bad input: the command ends with exit code 2 and this message."""


def complain(error: str | CommandError | DstokError) -> None:
    """Prints an error on standard error in one line, with the options that help; nothing if that is closed."""
    helps = error.parameter.split(", ") if isinstance(error, FileError) else []
    options = ", ".join(OPTIONS[parameter] for parameter in helps if parameter in OPTIONS)
    message, pointed = f"{error} ({options})" if options else str(error), list[str]()
    if isinstance(error, PatternError):
        at, pattern = error.position, error.pattern
        message = f"{error.message} at position {at} of the pattern"
        before, after = visible(pattern[max(0, at - PATTERN_SHOWN) : at]), visible(pattern[at : at + PATTERN_SHOWN])
        pointed = [f"  {before}{after}", f"  {' ' * width(before)}^"]
    with suppress(OSError, ValueError):
        if sys.stderr is not None:  # print(file=None) would write to standard output
            print(f"dstok: {visible(bounded(message))}", *pointed, sep="\n", file=sys.stderr)


@contextmanager
def interruptible() -> Iterator[None]:
    """Tells after Ctrl-C that the command can be continued."""
    try:
        yield
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on where it stopped")
        raise


@contextmanager
def about_input(name: str) -> Iterator[None]:
    """Errors of the library about the text of input `name` become errors that name it."""
    try:
        yield
    except FileError:  # it names the input itself
        raise
    except SpecialTokenError as error:
        raise CommandError(
            f"{name}: the text holds the added token {error.token!r} at byte offset {error.offset} "
            "(--special all makes it that token, --special none plain text)"
        ) from error
    except DstokError as error:
        raise CommandError(f"{name}: {error}") from error


def colours_wanted(terminal: bool) -> bool:
    """Whether to write in colour, as no-color.org says; `terminal`: whether the output is a terminal."""
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO | None = None) -> int:
    """The columns of the terminal that `stream` is, or standard output."""
    try:
        return os.get_terminal_size(*([] if stream is None else [stream.fileno()])).columns
    except (OSError, ValueError):
        return UNKNOWN_WIDTH


class Bar:
    """One line that rewrites itself, if `wanted`. `stream` and `clock` are parameters for the tests."""

    def __init__(
        self, wanted: bool = True, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.stream = clock, sys.stderr if stream is None else stream
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
        """Shows the amount done, if it is time; `layout` is a `bar_format` of tqdm, whose `desc` stands for `words`."""
        if not self.due():
            return
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

    def learns(self, tokens: int, wanted: int) -> None:
        """Shows the tokens of a training, if it is time."""
        self.draw(OF_MERGES, min(tokens, wanted), wanted, f"{tokens:,} tokens")

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
            done = min(done, self.total) if self.total else done
            self.bar.draw(OF_ALL if self.total else SO_FAR, done, self.total or None, shown)

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
        with suppress(OSError, ValueError):
            status = os.fstat(0) if path == "-" else os.stat(path)
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


@contextmanager
def streams(path: str | None, inputs: Sequence[str]) -> Iterator[tuple[Output, Iterator[Source]]]:
    """The output, and the inputs, opened one after the other; their progress is shown beside an output in a file."""
    def sources() -> Iterator[Source]:
        for name in inputs:
            with open_source(name, progress) as source:
                yield source

    with Output(path) as output, watching(inputs, not output.is_terminal()) as progress:
        yield output, sources()


def texts_of(arguments: Namespace, source: Source) -> Iterator[tuple[str, int | None, str | None]]:
    """Name, line and text of each record of JSON lines; None for line and text: the file is one text."""
    if arguments.field is None:
        yield source.name, None, None
    else:
        yield from records(source, arguments.field, arguments.errors)


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    """A value as JSON, and a line feed; a lone surrogate, as in the name of a file, is escaped."""
    return f"{json.dumps(value, ensure_ascii=False, indent=indent)}\n".encode("utf-8", "backslashreplace")


def write_result(arguments: Namespace, value: Any, lines: Iterable[str], indent: int | None = None) -> None:
    """Writes `value` as JSON if --json asks for it, else the lines for people, with escapes for what cannot be printed.

    To --output, if the command has it.
    """
    path = getattr(arguments, "output", None)
    if not arguments.json:
        write_text(path, "\n".join(map(visible, lines)))
        return
    with Output(path) as output:
        output.write(json_bytes(value, indent))


def label_of(file: str | None, line: int | None) -> dict[str, str | int]:
    """The keys `file` and `line` of a row, each unless it is None."""
    return {key: value for key, value in (("file", file), ("line", line)) if value is not None}
