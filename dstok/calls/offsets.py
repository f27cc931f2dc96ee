"""The calls that give the places of ids in a text.

In: a tokenizer, a text, a policy. Out: `Encoding` (calls/spans.py), spans.
Invariant: the ids are those of `encode`. Places are places in the text that the caller gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.base.arguments import explained
from dstok.base.texts import Errors, Special, Text, checked_text, replaces_faults, utf8

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts
    from dstok.calls.spans import Encoding

    Spans = npt.NDArray[np.int64]

__all__ = ["encode_char_spans", "encode_with_offsets"]


@explained
def encode_with_offsets(
    self: Parts, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
    errors: Errors = "strict",
) -> Encoding:
    """Ids with their spans in bytes and code points, piece numbers, and which are added tokens.

    Keywords as `encode`. Spans are places in the text that the caller gave; with errors="replace", in that text with
    U+FFFD for its faults. If the model's post-processor has `trim_offsets`, spans leave out the white space at their
    ends, as upstream's do.

    >>> import dstok
    >>> dstok.load("deepseek-v3").encode_with_offsets("né").char_spans.tolist()
    [[0, 2]]
    """
    before, after = self._ends.before(add_bos), self._ends.after(add_eos)
    given = utf8(text, True) if replaces_faults(errors) else checked_text(text)
    encoding = self._places.encoding(given, self._added.policy(special), trim=True)
    if not before and not after:
        return encoding
    data = utf8(given, False)
    return encoding.framed(before, after, (len(data), len(data.decode())))


def encode_char_spans(self: Parts, text: Text, *, special: Special = "all") -> Spans:
    """The code point spans of a text's ids, int64[n, 2], before a post-processor trims them. Keywords as `encode`.

    >>> import dstok
    >>> encode_char_spans(dstok.load("deepseek-v3"), "né").tolist()
    [[0, 2]]
    """
    return self._places.char_spans(checked_text(text), self._added.policy(special))
