"""chonkie's tokenizer on dstok, for all of its chunkers; and a chunker that never cuts a character.

In: a tokenizer. Out: a chonkie `Tokenizer`; a chunker.
Invariant: counts and ids are the tokenizer's. chonkie's own chunkers cut long words between ids, and `TokenChunker`
cuts all texts there. Such cuts may lie inside characters. `CharacterSafeChunker` cuts only between characters.
Source: chonkie 1.7.0.

>>> import dstok
>>> from dstok.integrations.chonkie import CharacterSafeChunker
>>> chunker = CharacterSafeChunker(dstok.load("deepseek-v3"), chunk_size=2)
>>> [(chunk.text, chunk.start_index, chunk.end_index, chunk.token_count) for chunk in chunker("Hello wide world")]
[('Hello wide', 0, 10, 2), (' world', 10, 16, 1)]
"""

from __future__ import annotations

from collections.abc import Sequence

from chonkie import BaseChunker
from chonkie.tokenizer import Tokenizer
from chonkie.types import Chunk

from dstok._util.arguments import explained
from dstok.protocols import TokenizerProtocol

__all__ = ["CharacterSafeChunker", "ChonkieTokenizer"]


class ChonkieTokenizer(Tokenizer):  # type: ignore[misc]  # mypy does not see the package's types
    """A chonkie `Tokenizer` that encodes, decodes and counts with dstok."""

    @explained
    def __init__(self, tokenizer: TokenizerProtocol) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __repr__(self) -> str:
        return f"ChonkieTokenizer({self._tokenizer!r})"

    def get_vocab(self) -> list[str]:
        """The tokens by id, in the vocabulary's spelling."""
        return [self._tokenizer.id_to_token(id) for id in sorted(self._tokenizer.get_vocab().values())]

    def get_token2id(self) -> dict[str, int]:
        """The ids by spelling."""
        return self._tokenizer.get_vocab()

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return self._tokenizer.encode(text)

    def tokenize(self, text: str) -> list[int]:
        """The same as `encode`."""
        return self._tokenizer.encode(text)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of ids; U+FFFD for parts of characters."""
        return self._tokenizer.decode(tokens)

    def count_tokens(self, text: str) -> int:
        """The number of ids of a text."""
        return self._tokenizer.count(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return self._tokenizer.encode_batch(texts)

    def decode_batch(self, token_sequences: Sequence[Sequence[int]]) -> list[str]:
        """The text of each list of ids."""
        return self._tokenizer.decode_batch(token_sequences)


class CharacterSafeChunker(BaseChunker):  # type: ignore[misc]  # as above
    """Chunks of at most `chunk_size` ids, by `Tokenizer.chunk`; joined, they are the text.

    Raises `ArgumentError` for a size below 1, and for a character that has more ids than a chunk may have.
    """

    def __init__(self, tokenizer: TokenizerProtocol, chunk_size: int = 512) -> None:
        super().__init__(ChonkieTokenizer(tokenizer))
        self._source, self.chunk_size = tokenizer, chunk_size

    def chunk(self, text: str) -> list[Chunk]:
        """The chunks of `text`, in order, with their places in it."""
        chunks, at = [], 0
        for part in self._source.chunk(text, self.chunk_size):
            chunks.append(Chunk(text=part, start_index=at, end_index=at + len(part),
                                token_count=self._source.count(part)))
            at += len(part)
        return chunks
