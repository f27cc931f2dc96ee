"""A text's tokens, shown in a browser, a notebook or a terminal. Docs: docs/view.md.

    reading, sheet     a text as one tokenizer reads it; one reading, or two aligned by byte, in sections
    html, server       tokens as HTML on self-contained pages; the view on this machine's own address
    notebook           the result of `Tokenizer.view`; tokens in a terminal, in colour and borders

>>> import dstok
>>> from dstok.viewer import read
>>> read(dstok.load("deepseek-v3"), "Hello world").counts()["tokens"]
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
