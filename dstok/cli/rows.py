"""Tokens and pieces -> lines: JSON for programs, a table for people.

In: a `Stretch`. Out: its rows as text. Invariant: a JSON row is one line, its keys always the same and in
the same order; a table shows every character, line feeds and parts of characters too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dstok.cli.stretches import Place, Stretch

if TYPE_CHECKING:
    from dstok.offsets import Piece
    from dstok.tokenizer import Tokenizer

Span = tuple[int, int]

__all__ = [
    "PIECE_HEADER",
    "TOKEN_HEADER",
    "JsonRows",
    "Rows",
    "TableRows",
    "edge_line",
    "piece_lines",
    "token_lines",
]


class Rows:
    """How a row is written. `begin` starts a text, which `file` and `line` tell from others, if any."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.known: dict[int, str] = {}  # what is the same in all rows of an id

    def begin(self, file: str | None, line: int | None, header: str) -> str:
        raise NotImplementedError

    def token(self, id: int, byte: Span, char: Span, piece: int | None, special: bool) -> str:
        raise NotImplementedError

    def piece(self, piece: Piece, byte: Span, char: Span) -> str:
        raise NotImplementedError


class JsonRows(Rows):
    def begin(self, file: str | None, line: int | None, header: str) -> str:
        label = {key: value for key, value in (("file", file), ("line", line)) if value is not None}
        self.label = f"{json.dumps(label)[:-1]}, " if label else "{"
        return ""

    def token(self, id: int, byte: Span, char: Span, piece: int | None, special: bool) -> str:
        return (f'{self.label}{self.known.get(id) or self._learn(id)}'
                f'"byte_start": {byte[0]}, "byte_end": {byte[1]}, '
                f'"char_start": {char[0]}, "char_end": {char[1]}, '
                f'"piece": {"null" if piece is None else piece}, '
                f'"special": {"true" if special else "false"}}}\n')

    def _learn(self, id: int) -> str:
        token = json.dumps(self.tokenizer.id_to_token(id), ensure_ascii=False)
        text = f'"id": {id}, "token": {token}, "bytes": "{self.tokenizer.token_bytes(id).hex()}", '
        self.known[id] = text
        return text

    def piece(self, piece: Piece, byte: Span, char: Span) -> str:
        row = {"text": piece.text, "byte_start": byte[0], "byte_end": byte[1],
               "char_start": char[0], "char_end": char[1],
               "step": piece.step, "alternative": piece.alternative, "token_id": piece.token_id}
        return self.label + json.dumps(row, ensure_ascii=False)[1:] + "\n"


TOKEN_HEADER = f"{'id':>7} {'bytes':>15} {'characters':>15} {'piece':>8}   token\n"
PIECE_HEADER = f"{'bytes':>15} {'characters':>15} {'matched by':>17}   piece\n"


class TableRows(Rows):
    def begin(self, file: str | None, line: int | None, header: str) -> str:
        names = [name for name in (file, f"line {line}" if line is not None else None) if name]
        return (f"==> {', '.join(names)} <==\n" if names else "") + header

    def token(self, id: int, byte: Span, char: Span, piece: int | None, special: bool) -> str:
        shown = self.known.get(id) or self.known.setdefault(id, _shown(self.tokenizer.token_bytes(id)))
        return (f"{id:>7} {_span(byte):>15} {_span(char):>15} {'' if piece is None else piece:>8}   "
                f"{shown}{'  (added token)' if special else ''}\n")

    def piece(self, piece: Piece, byte: Span, char: Span) -> str:
        why = f"step {piece.step}, alt {piece.alternative}" if piece.step is not None else "gap"
        if piece.token_id is not None:
            why = f"token {piece.token_id}"
        return f"{_span(byte):>15} {_span(char):>15} {why:>17}   {piece.text!r}\n"


def _span(span: Span) -> str:
    return f"{span[0]}:{span[1]}"


def _shown(data: bytes) -> str:
    """The text of a token, quoted; its bytes if it is no whole text."""
    try:
        return repr(data.decode("utf-8"))
    except UnicodeDecodeError:
        return repr(data)


def token_lines(rows: Rows, stretch: Stretch) -> Iterator[str]:
    """A line for each sure token of `stretch`."""
    encoding, n, at = stretch.encoding, stretch.ids, stretch.place
    columns = zip(encoding.ids[:n].tolist(), (encoding.byte_spans[:n] + at.byte).tolist(),
                  (encoding.char_spans[:n] + at.char).tolist(), (encoding.pieces[:n] + at.piece).tolist(),
                  encoding.special[:n].tolist())
    return (rows.token(*column) for column in columns)


def edge_line(rows: Rows, id: int, at: Place) -> str:
    """The line of a BOS or EOS token, which covers nothing of the text."""
    return rows.token(id, (at.byte, at.byte), (at.char, at.char), None, True)


def piece_lines(rows: Rows, stretch: Stretch, special: Any) -> Iterator[str]:
    """A line for each piece in the sure part of `stretch`."""
    at, sure = stretch.place, stretch.bytes_sure
    for piece in rows.tokenizer.pretokenize(stretch.text, special=special):
        if piece.end > sure:
            break
        yield rows.piece(piece, (piece.start + at.byte, piece.end + at.byte),
                         (piece.char_start + at.char, piece.char_end + at.char))
