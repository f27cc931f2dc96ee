"""A text that grows at its end, such as a conversation on a server, and its ids at every moment.

In: parts of a text. Out: after each part, the number of earlier ids that stay, and the new ids after them.
Invariant: the ids are those of one call on the whole text. Example: "Hello wor" has the ids of "Hello" and " wor".
Once "ld" is appended, the first id stays, and the id of " world" replaces the other.
Each part costs its own length and that of the open end: the text before it that new text can still change, such as the
last piece, white space, or an added token that may have begun. The object keeps the bytes of the open end, and only the
ids of the text before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.base.copies import Separate
from dstok.base.ids import common_start
from dstok.base.texts import Errors, Special, Text, replaces_faults, utf8
from dstok.calls.parts import Alone, text_in_parts

if TYPE_CHECKING:
    from dstok.calls.interface import Parts
    from dstok.calls.parts import NormalizedParts, PlainParts

__all__ = ["GrowingText", "growing"]


def growing(
    self: Parts, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict",
) -> GrowingText:
    """A text that grows at its end, as a conversation does; it is empty at first.

    Appending takes time for the new text and the last piece before it, however long the whole text is. There is
    no `add_eos`: such a text has no end. Other keywords as `encode`.
    Raises `UnsupportedError` as `encode_stream`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> talk = tok.growing(add_bos=True)
    >>> cache = talk.ids
    >>> for part in ["<｜User｜>Is it ", "so?<｜Assis", "tant｜>"]:
    ...     kept, new = talk.append(part)
    ...     cache[kept:] = new
    >>> cache == talk.ids == tok.encode("<｜User｜>Is it so?<｜Assistant｜>", add_bos=True)
    True
    """
    policy, replace, begin = self._added.policy(special), replaces_faults(errors), self._ends.before(add_bos)
    return GrowingText(text_in_parts(self, policy), replace, begin)


class GrowingText(Separate):
    """The ids of a text that grows; made by `Tokenizer.growing`.

    One thread at a time may use it: a second one gets a `StreamError`.
    For a conversation that branches, `copy` (`copy.copy`, `copy.deepcopy`) gives a second text that goes on by itself.
    It takes as long as copying the list of ids. Pickling raises `PickleError`.

    >>> import dstok
    >>> text = dstok.load("deepseek-v3").growing()
    >>> _ = text.append("Hello")
    >>> branch = text.copy()
    >>> text.append(" world"), branch.append("!")
    ((1, [2058]), (1, [3]))
    >>> text.ids, branch.ids
    ([19923, 2058], [19923, 3])

    This is an object, not a function of (ids, text, added): it has read the text, and knows where the open end begins.
    A function would have to search for that place, and could not trust the ids that a caller gives it.
    """

    def __init__(self, parts: PlainParts | NormalizedParts, replace: bool, begin: list[int]) -> None:
        self._parts, self._replace, self._alone = parts, replace, Alone()
        self._ids = [*begin]
        self._sure = len(begin)  # the number of ids that no later text can change

    @property
    def ids(self) -> list[int]:
        """The ids of the whole text, as a new list."""
        return self._ids.copy()

    def __len__(self) -> int:
        """The number of ids."""
        return len(self._ids)

    def append(self, text: Text) -> tuple[int, list[int]]:
        """Adds `text` to the end; returns (kept, new): the first `kept` ids stay, `new` replaces all ids after them.

        Each part is a text of its own: it may not begin or end inside a character. Raises `TextError` with the offset
        in this part, and `SpecialTokenError` with the offset in the whole text. After an error nothing has been added.

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").growing()
        >>> text.append("Hello wor"), text.append("ld!"), text.ids
        ((0, [19923, 647]), (1, [2058, 3]), [19923, 2058, 3])
        """
        data = utf8(text, self._replace)
        with self._alone:
            new, sure = self._parts.grow(data)
            same = common_start(self._ids[self._sure :], new)
            kept = self._sure + same
            self._ids[self._sure :] = new
            self._sure += sure
        del new[:same]
        return kept, new

    def preview(self, text: Text) -> tuple[int, list[int]]:
        """(sure, rest): the first `sure` ids stay, whatever is appended; `rest` would follow them after `text`.

        Adds nothing. Raises as `append`.

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").growing()
        >>> _ = text.append("Hello wor")
        >>> text.preview("ld"), text.ids
        ((1, [2058]), [19923, 647])
        """
        data = utf8(text, self._replace)
        with self._alone:
            return self._sure, self._parts.grow(data, keep=False)[0]
