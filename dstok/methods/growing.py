"""A text that grows at its end, such as a conversation on a server, and its ids at every moment.

In: parts of a text, or ids that a model sampled. Out: after each part, the number of earlier ids that stay, and the new
ids after them.
Invariant: without sampled ids, the ids are those of one call on the whole text. Example: "Hello wor" has the ids of
"Hello" and " wor". Once "ld" is appended, the first id stays, and the id of " world" replaces the other.
Sampled ids stay as they are, and so do all ids before them, since the model has seen these. The text after them is
encoded by itself; where a model puts a space before texts, it goes on with the text of these ids.
Each part costs its own length and that of the open end: the text before it that new text can still change, such as the
last piece, white space, or an added token that may have begun. The object keeps the bytes of the open end, and only the
ids of the text before it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dstok._util.arguments import Errors, Special, Text, common_start, id_list, replaces_faults, utf8
from dstok._util.objects import Separate
from dstok.errors import ArgumentError
from dstok.methods.incremental import Alone, NormalizedParts, TextParts, text_in_parts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.methods.canonical_marks import CanonicalMarks
    from dstok.protocols import Parts


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

    def text(last: int | None) -> TextParts:
        parts = text_in_parts(self, policy)
        if last is not None and isinstance(parts, NormalizedParts):
            parts.follow(any(token.id == last for token in self._added.tokens))
        return parts

    def marks() -> CanonicalMarks:
        from dstok.methods.canonical_marks import CanonicalMarks  # it needs numpy

        matched = self._added.policy("all") if policy.refuses else policy
        return CanonicalMarks(self._decoder, text_in_parts(self, matched))

    return GrowingText(_Model(text, partial(self._decoder.decode, skip_special=False), marks), replace, begin)


class _Model(NamedTuple):
    """The calls of one tokenizer, with one policy, that a growing text makes."""

    text: Callable[[int | None], TextParts]  # makes an empty text in parts, after a sampled id
    check: Callable[[list[int]], Any]  # raises the errors of `append` for ids
    marks: Callable[[], CanonicalMarks]  # makes the marks of no ids


class Stretch(NamedTuple):
    """Ids `start` to `stop` of a growing text, all appended as ids (`sampled`) or all made of text.

    first_noncanonical: the index of the first one that encoding the whole text does not give at its place, or None.
    """

    start: int
    stop: int
    sampled: bool
    first_noncanonical: int | None


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

    def __init__(self, model: _Model, replace: bool, begin: list[int]) -> None:
        self._model, self._replace, self._alone = model, replace, Alone()
        self._parts = model.text(None)  # the text after the last sampled ids
        self._ids, self._begin = [*begin], len(begin)
        self._sure = len(begin)  # the number of ids that no later text can change
        self._sampled: list[tuple[int, int]] = []  # start and end of each stretch of sampled ids
        self._marks: CanonicalMarks | None = None

    @property
    def ids(self) -> list[int]:
        """The ids of the whole text, as a new list."""
        return self._ids.copy()

    def __len__(self) -> int:
        """The number of ids."""
        return len(self._ids)

    def append(self, text: Text = "", *, ids: Iterable[int] | None = None) -> tuple[int, list[int]]:
        """Adds `text` to the end; returns (kept, new): the first `kept` ids stay, `new` replaces all ids after them.

        Each part is a text of its own: it may not begin or end inside a character. Raises `TextError` with the offset
        in this part, and `SpecialTokenError` with the offset in the text since the last sampled ids. After an error
        nothing has been added.
        With `ids`, which a model sampled, these ids are added as they are. No later text changes them, or the ids
        before them. A model that puts a space before texts puts none after these ids, unless they end with an added
        token, and it puts one there in a whole text, too. Raises `UnknownIdError`, and `ArgumentError`, also for a text
        and ids in one call.

        >>> import dstok
        >>> text = dstok.load("deepseek-v3").growing()
        >>> text.append("Hello wor"), text.append("ld!"), text.ids
        ((0, [19923, 647]), (1, [2058, 3]), [19923, 2058, 3])
        """
        if ids is not None:
            added = id_list(ids)
            if text:
                raise ArgumentError("expected a text or ids, found both: append them one after the other", "ids")
            self._model.check(added)
            added = list(map(int, added))  # numpy's ints may have come
            with self._alone:
                kept = len(self._ids)
                if added:
                    self._ids += added
                    self._sure = len(self._ids)
                    self._sampled.append((kept, self._sure))
                    self._parts = self._model.text(added[-1])
            return kept, added
        data = utf8(text, self._replace)
        with self._alone:
            new, sure = self._parts.grow(data)
            same = common_start(self._ids[self._sure :], new)
            kept = self._sure + same
            self._ids[self._sure :] = new
            self._sure += sure
        del new[:same]
        return kept, new

    def sampled(self) -> npt.NDArray[np.bool_]:
        """For each id, whether it was appended as an id, bool[n].

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> text = tok.growing()
        >>> _ = text.append("Hello"), text.append(ids=[2058, 3])
        >>> text.sampled()
        array([False,  True,  True])
        """
        import numpy as np

        found = np.zeros(len(self._ids), np.bool_)
        for start, end in self._sampled:
            found[start:end] = True
        return found

    def canonical(self) -> npt.NDArray[np.bool_]:
        """For each id, whether encoding the whole text gives the same id for the same bytes, bool[n].

        The whole text is that of decoding all ids. The cost is that of the ids since the last call. With
        special="raise", added tokens among the ids count as with "all". BOS of `add_bos` counts as canonical. Raises
        `UnsupportedError` if encoding changes the text itself, by a normalizer for example.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> text = tok.growing()
        >>> _ = text.append("So: "), text.append(ids=[tok.token_to_id("He"), tok.token_to_id("llo"), 3])
        >>> text.canonical()
        array([ True,  True, False, False, False,  True])
        """
        import numpy as np

        with self._alone:
            if self._marks is None:
                self._marks = self._model.marks()
            marks = self._marks.of(self._ids[self._begin :], self._sure - self._begin)
        return np.concatenate([np.ones(self._begin, np.bool_), marks])

    def stretches(self) -> list[Stretch]:
        """The stretches of ids and of text, in their order, each with the place of its first id that is not canonical.

        Cost and errors as `canonical`.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> text = tok.growing()
        >>> _ = text.append("So: "), text.append(ids=[tok.token_to_id("He"), tok.token_to_id("llo"), 3])
        >>> text.stretches()[1]
        Stretch(start=3, stop=6, sampled=True, first_noncanonical=3)
        """
        bad = (~self.canonical()).nonzero()[0].tolist()
        found, end = list[Stretch](), 0
        for first, last in [*self._sampled, (len(self._ids), len(self._ids))]:
            for start, stop, sampled in ((end, first, False), (first, last, True)):
                if stop > start:
                    at = bisect_left(bad, start)
                    found.append(Stretch(start, stop, sampled, bad[at] if at < len(bad) and bad[at] < stop else None))
            end = last
        return found

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
