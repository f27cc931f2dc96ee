"""How a text is tokenized, to look at: in a browser, a notebook, a terminal. Docs: docs/view.md.

    reading     a text as one tokenizer reads it: tokens with their places and pieces, counts
    alignment   two readings of one text, aligned by byte
    sheet       one reading, or two side by side, in sections that a page asks for as its reader scrolls
    pages       self-contained pages; what they share with other pages of dstok
    server      the view on this machine's own address
    terminal    tokens in colour and borders

>>> import dstok
>>> reading = read(dstok.load("deepseek-v3"), "Hello world")
>>> reading.counts()["tokens"]
2
"""

from dstok.view.reading import Reading, read, read_conversation
from dstok.view.sheet import Sheet

__all__ = ["Reading", "Sheet", "read", "read_conversation"]
