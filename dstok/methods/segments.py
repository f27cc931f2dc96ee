"""Encodes texts in segments; only a trusted segment may make added tokens.

In: a text as pairs (text, trusted), as a server renders a conversation. Out: ids, and the segment of each. Invariant:
no untrusted text makes an added token, or a part of one. Joined, the ids are those of the whole text in which an added
token counts only if its own text lies in trusted segments that follow one another; each such part is searched by
itself, leftmost-longest. All else is decided by the whole text, whoever wrote it: pieces and merges reach across
borders, and the white space that `lstrip` and `rstrip` take along may be untrusted. If no text of an added token has
untrusted text in it, the ids are those of `encode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import Dtype, Errors, Special, Text, checked_texts, explained, in_dtype, thread_count
from dstok._util.threads import map_by_threads
from dstok.added_tokens import TextOptions
from dstok.core.text.utf8 import read_segments
from dstok.errors import SpecialTokenError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.core.text.added_tokens import Policy
    from dstok.methods.offsets import Encoding
    from dstok.tokenizer import Tokenizer

Segments = Iterable[tuple[Text, bool]]
Part = tuple[str, "Policy", Sequence[int]]  # a text that is encoded as one, and the ends of its segments in characters


@explained
def encode_segments(
    self: Tokenizer, segments: Segments, *, joined: bool = True, special: Special = "all", add_bos: bool = False,
    add_eos: bool = False, errors: Errors = "strict",
) -> list[int]:
    """Encode a text in segments, (text, trusted): only a trusted one, such as a template's, makes added tokens.

    joined: encode the joined text. An added token counts if its own text lies in one trusted segment, or in several
        that follow one another; it may take white space along from any segment. If no text of an added token has a
        character of an untrusted segment, the ids are those of `encode` of the joined text. False: encode each segment
        by itself, as fastokens and servers with tiktoken do.
    special: which added tokens count there, as in `encode`. "raise": all, and `SpecialTokenError` for an untrusted
        segment that holds the text of one.

    Other keywords as `encode`, and its errors. `batch_index` of an error is the number of the segment, and its offset
    counts from the segment's start.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode_segments([("<｜User｜>", True), ("hi", False), (" <｜User｜>", False)])
    [128803, 6366, 818, 28217, 6756, 28217, 32]
    """
    work = _Work(self, joined, special, add_bos, add_eos, errors)
    return work.ids(work.parts(segments))


@explained
def encode_segments_batch(
    self: Tokenizer, batch: Iterable[Segments], *, joined: bool = True, num_threads: int = 1,
    special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
    dtype: Dtype = "uint32",
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(ids uint32[n], offsets int64[len(batch) + 1], numbers int64[n]) of several texts in segments.

    Text i has `ids[offsets[i]:offsets[i + 1]]`, and `numbers` says in which of its segments the text of each id begins;
    -1 for BOS and EOS. Keywords as `encode_segments` and `encode_batch_arrays`. `batch_index` of an error counts the
    segments of all texts.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode_segments_batch([[("<｜User｜>", True), ("hi", False)], [("Hello wor", True), ("ld", True)]])
    (array([128803,   6366,  19923,   2058], dtype=uint32), array([0, 2, 4]), array([0, 1, 0, 0]))
    """
    import numpy as np

    work = _Work(self, joined, special, add_bos, add_eos, errors)
    texts = [work.parts(segments) for segments in checked_texts(batch)]
    found = map_by_threads(work.arrays, texts, thread_count(num_threads))
    offsets = np.cumsum([0, *(sum(counts) for _, _, counts in found)], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, np.uint32), *chain.from_iterable(some for some, _, _ in found)])
    numbers, counts = (np.array([*chain.from_iterable(each[i] for each in found)], np.int64) for i in (1, 2))
    return in_dtype(ids, dtype), offsets, np.repeat(numbers, counts)


@explained
def encode_segments_with_offsets(
    self: Tokenizer, segments: Segments, *, special: Special = "all", errors: Errors = "strict",
) -> Encoding:
    """The ids of a joined text in segments, with their spans and pieces in it as `encode_with_offsets` has them.

    Keywords and errors as `encode_segments`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode_segments_with_offsets([("<｜User｜>", True), ("hi", False)]).char_spans.tolist()
    [[0, 8], [8, 10]]
    """
    [(text, policy, _)] = _Work(self, True, special, False, False, errors).parts(segments)
    return self._places.encoding(text, policy, trim=True)


class _Work:
    """One call: its keywords, and the number of the next segment."""

    def __init__(
        self, tok: Tokenizer, joined: bool, special: Special, add_bos: bool, add_eos: bool, errors: Errors,
    ) -> None:
        self.tok, self.joined, self.raises, self.number = tok, joined, special == "raise", 0
        self.options = TextOptions.of(tok, "all" if self.raises else special, add_bos, add_eos, errors)
        self.none = tok._added.policy("none")

    def parts(self, segments: Any) -> list[Part]:
        """Check a text's segments, and join them. Raises `ArgumentError`, `TextError` and `SpecialTokenError`."""
        pairs: Any = checked_texts(segments)
        texts, trusted, ends, ranges = read_segments(pairs, self.options.replace, self.number)
        for number, text in enumerate(texts if self.raises else (), self.number):
            try:
                self.tok.count(text, special="all" if trusted[number - self.number] else "raise")
            except SpecialTokenError as error:
                raise SpecialTokenError(error.token, error.offset, number) from None
        self.number += len(texts)
        if self.joined:
            text = "".join(texts)
            return [(text, self.tok._encoder.within(self.options.policy, text, ranges), ends)]
        return [(text, self.options.policy if sure else self.none, [len(text)]) for text, sure in zip(texts, trusted)]

    def ids(self, parts: list[Part]) -> list[int]:
        """Encode the parts of a text."""
        lists = [self.tok._encoder.encode(text, policy, False) for text, policy, _ in parts]
        if len(lists) == 1 and not self.options.extra:
            return lists[0]
        return [*self.options.before, *chain.from_iterable(lists), *self.options.after]

    def arrays(self, parts: list[Part]) -> tuple[list[npt.NDArray[np.uint32]], list[int], list[int]]:
        """Encode the parts of a text: ids in chunks, the numbers of their segments, and the number of ids of each."""
        import numpy as np

        ids, numbers, counts = [np.array(self.options.before, np.uint32)], [-1], [len(self.options.before)]
        for text, policy, ends in parts:
            if len(ends) > 1:
                encoding = self.tok._places.encoding(text, policy)
                ids.append(encoding.ids)
                borders = np.searchsorted(encoding.char_spans[:, 0], ends[:-1])  # no id begins before the one before it
                counts += np.diff(borders, prepend=0, append=len(encoding)).tolist()
            else:
                ids.append(self.tok._encoder.encode_array(text, policy, False))
                counts.append(len(ids[-1]))
        numbers += range(len(counts) - 1)
        ids.append(np.array(self.options.after, np.uint32))
        return ids, [*numbers, -1], [*counts, len(self.options.after)]
