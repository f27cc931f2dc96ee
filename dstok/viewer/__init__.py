"""A text's tokens, shown in a browser, a notebook or a terminal. Docs: docs/view.md.

    reading     a text as one tokenizer reads it: tokens with their places and pieces, counts
    sheet       one reading, or two aligned by byte, in sections that a page asks for as its reader scrolls
    html        tokens as HTML; self-contained pages; their base, shared with other pages of dstok
    notebook    the result of `Tokenizer.view`; tokens in a terminal, in colour and borders
    server      the view on this machine's own address

>>> import dstok
>>> from dstok.viewer import read
>>> reading = read(dstok.load("deepseek-v3"), "Hello world")
>>> reading.counts()["tokens"]
2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok._util.imports import late_names

if TYPE_CHECKING:
    from dstok.viewer.notebook import TokenView
    from dstok.viewer.reading import Reading, read, read_conversation
    from dstok.viewer.sheet import Sheet

__all__ = ["Reading", "Sheet", "TokenView", "read", "read_conversation"]

__getattr__, __dir__ = late_names(globals(), {  # `Tokenizer.view` belongs to every tokenizer and needs none before
    "Sheet": "dstok.viewer.sheet", "TokenView": "dstok.viewer.notebook",
    **dict.fromkeys(("Reading", "read", "read_conversation"), "dstok.viewer.reading")})
