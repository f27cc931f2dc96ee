"""A text splitter for LangChain that counts in tokens and never cuts a character.

In: a tokenizer, a size in tokens. Out: a `TextSplitter` of langchain-text-splitters.
Invariant: each part re-encodes to at most `chunk_size` ids, and without overlap the parts join to the text. LangChain's
own `split_text_on_tokens` cuts between ids, and leaves U+FFFD on both sides of a cut inside a character.
Source: langchain-text-splitters 1.1.3.

>>> import dstok
>>> from dstok.integrations.langchain import TokenSplitter
>>> TokenSplitter(dstok.load("deepseek-v3"), chunk_size=2).split_text("Hello wide world")
['Hello wide', ' world']
"""

from __future__ import annotations

from langchain_text_splitters import TextSplitter

from dstok._util.arguments import explained
from dstok.protocols import TokenizerProtocol

__all__ = ["TokenSplitter"]


class TokenSplitter(TextSplitter):  # type: ignore[misc]  # mypy does not see the package's types
    """Splits by `Tokenizer.chunk`: parts of `chunk_size` ids, which overlap by at most `chunk_overlap` ids.

    Raises `ArgumentError` for sizes that LangChain or `chunk` refuses.
    """

    @explained
    def __init__(self, tokenizer: TokenizerProtocol, chunk_size: int = 512, chunk_overlap: int = 0) -> None:
        super().__init__(chunk_size=chunk_size, chunk_overlap=chunk_overlap, length_function=tokenizer.count)
        self.tokenizer, self.size, self.overlap = tokenizer, chunk_size, chunk_overlap

    def split_text(self, text: str) -> list[str]:
        """The parts of `text`, in order."""
        return list(self.tokenizer.chunk(text, self.size, overlap=self.overlap))
