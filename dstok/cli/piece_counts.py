"""`dstok pieces --count`: the frequency of each piece in files or records.

In: the options of `dstok pieces`. Out: a row a distinct piece, the most frequent first. Invariant: the counts equal
those of whole texts in one call of `Splitter.count_pieces`. A file is read in blocks, and passed on in parts that are
cut only where every text may be cut (`Splitter.may_cut`). Without such a place, the held text grows.
"""

from __future__ import annotations

import codecs
import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dstok.base.texts import not_utf8, utf8
from dstok.cli.arguments import field_of, refuse_unless
from dstok.cli.errors import about_input
from dstok.cli.models import load_model, load_splitter
from dstok.cli.progress import watching
from dstok.files.inputs import Source, open_source, records
from dstok.files.outputs import Output

if TYPE_CHECKING:
    from dstok.cli.progress import Progress
    from dstok.splitting.splitter import Splitter

__all__ = ["count_pieces", "parts"]

MAY_CUT_WITHIN = 4096  # characters from the end of the text read; the first place is mostly a few from it
LINES_AT_ONCE = 4096
MEMORY = 1 << 30


def count_pieces(arguments: Namespace) -> None:
    """Counts pieces, and writes the counts."""
    refuse_unless(arguments.special in (None, "none"), "--special", "pieces without --count, which counts plain text")
    arguments.field = field_of(arguments)
    splitter = _splitter(arguments)
    memory = MEMORY if arguments.memory is None else arguments.memory << 20
    with Output(arguments.output, arguments.files) as output, watching(arguments.files) as progress:
        counts = splitter.count_pieces(_texts(arguments, splitter, progress), memory=memory)
        progress.bar.close()
        rows = list(counts.to_dict().items())
        line = _table if arguments.format == "table" else _json
        for at in range(0, len(rows), LINES_AT_ONCE):
            output.write("".join(line(*row) for row in rows[at : at + LINES_AT_ONCE]).encode())


def _splitter(arguments: Namespace) -> Splitter:
    from dstok.splitting.splitter import Splitter

    if arguments.splitter is not None:
        return load_splitter(arguments.splitter, arguments.upstream)
    return Splitter.from_tokenizer(load_model(arguments.model, arguments.upstream))


def _json(piece: str, count: int) -> str:
    return f'{{"text": {json.dumps(piece, ensure_ascii=False)}, "count": {count}}}\n'


def _table(piece: str, count: int) -> str:
    return f"{count:>12}  {piece!r}\n"


def _texts(arguments: Namespace, splitter: Splitter, progress: Progress) -> Iterator[str]:
    for path in arguments.files:
        with open_source(path, progress) as source:
            if arguments.jsonl:
                texts = records(source, arguments.field, arguments.errors)
                yield from (_text(record.name, record.text) for record in texts)
            else:
                yield from parts(source, splitter.may_cut, arguments.errors)


def _text(name: str, text: str) -> str:
    """The text of a record, without the lone surrogates that JSON's escapes can spell."""
    with about_input(name):
        utf8(text, False)
    return text


def parts(source: Source, may_cut: Callable[[str, str], bool], errors: str = "strict", block: int = 0) -> Iterator[str]:
    """The text of a file in parts, which split by themselves as within the whole."""
    text = ""
    for more in _decoded(source, errors, block):
        text += more
        at = next((at for at in range(len(text) - 1, max(0, len(text) - MAY_CUT_WITHIN), -1)
                   if may_cut(text[at - 1], text[at])), 0)
        source.gave(at)
        if at:
            yield text[:at]
            text = text[at:]
    yield text


def _decoded(source: Source, errors: str, block: int) -> Iterator[str]:
    """The whole characters of each block."""
    decoder, done = codecs.getincrementaldecoder("utf-8")(errors), 0
    with about_input(source.name):
        for data in source.blocks(block):
            yield _characters(decoder, data, done, False)
            done += len(data)
        yield _characters(decoder, b"", done, True)


def _characters(decoder: codecs.IncrementalDecoder, data: bytes, done: int, last: bool) -> str:
    """Decodes `data`, which follows `done` bytes, together with the bytes that the decoder has kept."""
    kept = decoder.getstate()[0]
    try:
        return decoder.decode(data, last)
    except UnicodeDecodeError as error:
        raise not_utf8(error.object[error.start], done - len(kept) + error.start) from None
