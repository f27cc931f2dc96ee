"""`Tokenizer.view`.

In: a tokenizer and a text. Out: `TokenView`. Invariant: the rest of the room is imported on the first call, so `import
dstok` does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dstok.base.texts import Special, Text
    from dstok.protocol import TokenizerProtocol
    from dstok.view.notebook import TokenView

from dstok.base.arguments import explained

__all__ = ["view"]


@explained
def view(
    self: TokenizerProtocol, text: Text, *, beside: TokenizerProtocol | None = None, special: Special = "all",
    add_bos: bool = False, add_eos: bool = False,
) -> TokenView:
    """Shows the tokens of `text`: a notebook shows a page, `print` shows lines. Keywords as for `encode`.

    `beside`: another tokenizer, whose tokens stand beside, aligned by byte. A lone surrogate becomes U+FFFD, and a note
    on the page says so. `TokenView.save` writes the page. Raises as `encode`. More: `dstok.view`, docs/view.md.

    >>> import dstok
    >>> dstok.load("deepseek-v3").view("Hello world")
    <TokenView: deepseek-v3 2 tokens>
    """
    from dstok.view.notebook import TokenView
    from dstok.view.reading import read
    from dstok.view.sheet import Sheet

    both = [self] if beside is None else [self, beside]
    return TokenView(Sheet([read(each, text, special=special, add_bos=add_bos, add_eos=add_eos) for each in both]))
