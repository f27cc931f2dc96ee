"""Tokens and pieces -> lines: JSON for programs, a table for people.

In: a `Passage`. Out: its rows as text. Invariant: a JSON row is one line with the same keys in the same order; a table
shows every character, even line feeds and parts of characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dstok.base.faults import visible
from dstok.files.passages import Passage, Place

if TYPE_CHECKING:
    from dstok.calls.spans import Piece
    from dstok.tokenizer import Tokenizer

__all__ = ["FORMATS", "JsonRows", "Rows", "TableRows", "edge_lines", "heading", "label_of", "piece_lines",
           "token_lines"]

# id, start and end in bytes, in code points, piece number (None: of no piece), whether it is an added token
TokenRow = tuple[int, int, int, int, int, "int | None", bool]


class Rows:
    """Writes rows. `begin` starts a text; `file` and `line`, if any, tell it from others."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.known: dict[int, str] = {}  # the common part of all rows of an id

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        """Returns the text before the rows of a text."""
        raise NotImplementedError

    def tokens(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        raise NotImplementedError

    def pieces(self, pieces: Iterable[Piece], at: Place) -> Iterator[str]:
        """The lines of pieces of a text that begins at `at`."""
        raise NotImplementedError


def label_of(file: str | None, line: int | None) -> dict[str, str | int]:
    """The keys `file` and `line` of a row, each unless it is None."""
    return {key: value for key, value in (("file", file), ("line", line)) if value is not None}


def heading(file: str | None, line: int | None) -> str:
    """The line above a text that tells it from others; "" without a file and a line."""
    names = [name for name in (file, None if line is None else f"line {line}") if name]
    return f"==> {visible(', '.join(names))} <==\n" if names else ""


_quoted = json.JSONEncoder(ensure_ascii=False).encode


class JsonRows(Rows):
    """Each row is a line of JSON."""

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        label = label_of(file, line)
        self.label = f"{json.dumps(label)[:-1]}, " if label else "{"
        return ""

    def tokens(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        label, known, learn = self.label, self.known, self._learn
        for id, start, end, char_start, char_end, piece, special in rows:
            yield (f'{label}{known.get(id) or learn(id)}"byte_start": {start}, "byte_end": {end}, '
                   f'"char_start": {char_start}, "char_end": {char_end}, '
                   f'"piece": {_json(piece)}, "special": {"true" if special else "false"}}}\n')

    def _learn(self, id: int) -> str:
        token, data = self.tokenizer.id_to_token(id), self.tokenizer.decode_bytes([id])
        return self.known.setdefault(id, f'"id": {id}, "token": {_quoted(token)}, "text": {_quoted(_text(data))}, '
                                         f'"bytes": "{data.hex()}", ')

    def pieces(self, pieces: Iterable[Piece], at: Place) -> Iterator[str]:
        for piece in pieces:
            yield (f'{self.label}"text": {_quoted(piece.text)}, '
                   f'"byte_start": {piece.start + at.byte}, "byte_end": {piece.end + at.byte}, '
                   f'"char_start": {piece.char_start + at.char}, "char_end": {piece.char_end + at.char}, '
                   f'"step": {_json(piece.step)}, "alternative": {_json(piece.alternative)}, '
                   f'"token_id": {_json(piece.token_id)}}}\n')


def _json(number: int | None) -> int | str:
    return "null" if number is None else number


class TableRows(Rows):
    """Each row is a line of a table, under a header."""

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        return heading(file, line) + HEADERS[header]

    def tokens(self, rows: Iterable[TokenRow]) -> Iterator[str]:
        for id, start, end, char_start, char_end, piece, special in rows:
            shown = self.known.get(id) or self._learn(id)
            number = "" if piece is None else piece
            yield (f"{id:>7} {f'{start}:{end}':>15} {f'{char_start}:{char_end}':>15} {number:>8}   "
                   f"{shown}{'  (added token)' if special else ''}\n")

    def _learn(self, id: int) -> str:
        return self.known.setdefault(id, _shown(self.tokenizer.decode_bytes([id])))

    def pieces(self, pieces: Iterable[Piece], at: Place) -> Iterator[str]:
        for piece in pieces:
            bytes_ = f"{piece.start + at.byte}:{piece.end + at.byte}"
            chars = f"{piece.char_start + at.char}:{piece.char_end + at.char}"
            yield f"{bytes_:>15} {chars:>15} {_matched_by(piece):>17}   {piece.text!r}\n"


HEADERS = {
    "tokens": f"{'id':>7} {'bytes':>15} {'characters':>15} {'piece':>8}   token\n",
    "pieces": f"{'bytes':>15} {'characters':>15} {'matched by':>17}   piece\n",
}
FORMATS = {"json": JsonRows, "table": TableRows}


def _matched_by(piece: Piece) -> str:
    if piece.token_id is not None:
        return f"token {piece.token_id}"
    return "gap" if piece.step is None else f"step {piece.step}, alt {piece.alternative}"


def _shown(data: bytes) -> str:
    """The text of a token, quoted; its bytes if it is not whole text."""
    text = _text(data)
    return repr(data if text is None else text)


def _text(data: bytes) -> str | None:
    """The text of a token, if its bytes are whole characters."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def token_lines(rows: Rows, passage: Passage) -> Iterator[str]:
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


def edge_lines(rows: Rows, ids: Iterable[int], at: Place) -> Iterator[str]:
    """Lines of BOS or EOS tokens, which cover none of the text."""
    return rows.tokens((id, at.byte, at.byte, at.char, at.char, None, True) for id in ids)


def piece_lines(rows: Rows, passage: Passage, special: Any) -> Iterator[str]:
    """A line for each piece in the sure part of `passage`."""
    pieces = rows.tokenizer.inspect().pretokenize(passage.text, special=special)
    sure = passage.bytes_sure
    return rows.pieces((piece for piece in pieces if piece.end <= sure), passage.place)
