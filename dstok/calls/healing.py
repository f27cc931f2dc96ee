"""Token healing: the end of a prompt that the next token may still belong to, and the tokens that continue it.

In: a text; the bytes of its open end. Out: its settled ids and those bytes; a mask of tokens over the vocabulary.
Invariant: every text that begins with the prompt has ids that begin with the settled ones. Example: after "http:" a
model rarely samples "//", because it learned "://" as one token. Healing removes the id of ":" from the prompt. Then
the model may sample any token that begins with ":".
Bitmasks have the layout of xgrammar and llguidance: int32; the bit `id % 32` of word `id // 32` is set if the token is
allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.base.numbers import whole_number
from dstok.base.texts import Errors, Special, Text, checked_text, replaces_faults, utf8
from dstok.calls.decoding import decode_bytes
from dstok.calls.parts import text_in_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.interface import Parts

__all__ = ["continuations", "unsettled"]

MOST = 1 << 26  # logits


def unsettled(
    self: Parts, text: Text, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict",
) -> tuple[list[int], bytes]:
    """(ids, tail): the ids of `text` that no text after it can change, and the bytes of the other ids.

    The bytes are those that decoding gives, so they are normalized. Keywords as `encode`. Raises `UnsupportedError` as
    `encode_stream`, `TextError`, `SpecialTokenError`, and `ArgumentError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.unsettled("See http:")
    ([10478, 7283], b':')
    """
    data, begin = utf8(text, replaces_faults(errors)), self._ends.before(add_bos)
    ids, sure = text_in_parts(self, self._added.policy(special)).grow(data)
    return [*begin, *ids[:sure]], decode_bytes(self, ids)[len(decode_bytes(self, ids[:sure])) :]


def continuations(
    self: Parts, tail: Text, *, special: Special = "all", vocab_size: int | None = None,
) -> npt.NDArray[np.int32]:
    """The tokens whose bytes begin with `tail`, and those that `tail` begins with, as a bitmask, int32[n].

    `special` says which added tokens may be set, as in `encode`; "raise" allows none. `vocab_size` is the number of
    logits, if it differs from the tokenizer's; n is a 32nd of it, rounded up. After a token that `tail` begins with,
    call it again with the rest of `tail`. Raises `UnknownTokenError` and `ArgumentError`.

    >>> import dstok
    >>> import numpy as np
    >>> tok = dstok.load("deepseek-v3")
    >>> mask = tok.continuations(b"://")
    >>> allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
    >>> [tok.decode([id]) for id in allowed]
    [':', '://', ':/']
    """
    import numpy as np

    size = self._decoder.size if vocab_size is None else whole_number("vocab_size", vocab_size, most=MOST)
    allowed = np.zeros(-(-max(size, self._decoder.size) // 32) * 32, np.bool_)
    allowed[self._sorted_tokens.around(_bytes(tail))] = True
    if special != "all":
        allowed[_forbidden(self, special)] = False
    allowed[size:] = False
    return np.packbits(allowed[: -(-size // 32) * 32], bitorder="little").view(np.int32)


def _bytes(tail: Text) -> bytes:
    tail = checked_text(tail, "tail")
    return tail if isinstance(tail, bytes) else utf8(tail, replace=False)


def _forbidden(self: Parts, special: Special) -> list[int]:
    """The ids of the added tokens that a text may not have, unless merging gives them, too."""
    policy = self._added.policy(special)
    matched = () if policy.refuses else {content for group in policy.contents for content in group}
    return [token.id for token in self._added.tokens if token.content not in matched and not _merged(self, token.id)]


def _merged(self: Parts, id: int) -> bool:
    return id < self._bpe.size and bool(self._bpe.token(id))
