"""A text with offsets, a passage at a time: the rows for `dump` and `pieces`, in bounded memory.

In: a `Source`, or one text. Out: `Passage`es; together they are the text. Invariant: the rows of a passage, moved by
`place`, equal those of one call on the whole text. An `EncodeStream` tells which ids no later text changes: they are
sure. The text held so far is then encoded with offsets, and must begin with the sure ids; this is checked each time.
The text after the edge of a piece may be treated as a new text.

The last piece of the sure ids is kept for the next passage, because the stream may have cut inside it, between two
ideographs. The stream makes such cuts only in runs whose every beginning is also one piece, so the edges before are
right. With a normalizer every file is one passage, because no edge tells where the text may be cut.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok.errors import UnsupportedError
from dstok.io.text_files import Source

if TYPE_CHECKING:
    from dstok.methods.offsets import Encoding
    from dstok.tokenizer import Tokenizer


class Place(NamedTuple):
    """How many bytes, code points and pieces of the text lie before."""

    byte: int = 0
    char: int = 0
    piece: int = 0


START = Place()


class Passage(NamedTuple):
    """`text`, which begins at `place`, and its `encoding`; its first `ids` ids are sure."""

    text: bytes | str
    encoding: Encoding
    ids: int
    place: Place

    @property
    def bytes_sure(self) -> int:
        return int(self.encoding.byte_spans[self.ids - 1, 1]) if self.ids else 0

    @property
    def end(self) -> Place:
        """The end of the sure part, where the next passage begins."""
        if not self.ids:
            return self.place
        last, encoding = self.ids - 1, self.encoding
        return Place(self.place.byte + self.bytes_sure, self.place.char + int(encoding.char_spans[last, 1]),
                     self.place.piece + int(encoding.pieces[last]) + 1)


def whole_passage(tokenizer: Tokenizer, text: bytes | str, special: Any, place: Place = START) -> Passage:
    """All of `text` as one passage."""
    encoding = tokenizer.encode_with_offsets(text, special=special)
    return Passage(text, encoding, len(encoding.ids), place)


def passages(
    tokenizer: Tokenizer, source: Source, special: Any, errors: str = "strict", block_size: int = 0
) -> Iterator[Passage]:
    """The passages of a file, read in blocks of `block_size` bytes (0: of 1 MB). Keywords as for `Tokenizer.encode`.

    Raises `FileError`, the errors of `encode`, and `UnsupportedError` if an added token that depends on the text
    before it lies where the file would be cut.
    """
    blocks = source.blocks(block_size)
    if errors == "replace":
        blocks = (text.encode() for text in codecs.iterdecode(blocks, "utf-8", "replace"))
    if tokenizer.inspect().normalizer:
        yield whole_passage(tokenizer, source.together(blocks), special)
        return
    stream, fed = tokenizer.encode_stream(special=special), False
    held, sure, place, enough = bytearray(), list[int](), START, 0  # not yet shown: text, sure ids

    def encoded(text: bytes) -> Passage:
        passage = whole_passage(tokenizer, text, special, place)
        if passage.encoding.ids[: len(sure)].tolist() != sure:  # an added token depends on what is before it
            raise UnsupportedError("the model has tokens that depend on what lies before: near byte offset "
                                   f"{place.byte} the file cannot be shown in parts")
        return passage

    block = next(blocks, b"")
    for following in blocks:
        sure += stream.feed_list(block)
        held += block
        block, fed, shown = following, True, 0
        if sure and len(held) >= enough:
            tail = codecs.getincrementaldecoder("utf-8")("replace")
            tail.decode(held[-3:])  # which keeps an unfinished character
            passage = encoded(bytes(held[: len(held) - len(tail.getstate()[0])]))
            pieces = passage.encoding.pieces[: len(sure)]
            passage = passage._replace(ids=int(pieces.searchsorted(pieces[-1])))
            shown = passage.ids
            enough = 0 if shown else 2 * len(held)  # one endless piece must take linear time
            del held[: passage.bytes_sure], sure[:shown]
            place = passage.end
        source.gave(shown)
        if shown:
            yield passage
    sure += stream.feed_list(block) + stream.finish_list() if fed else []
    yield encoded(bytes(held) + block)
