from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Dtype, Ends, Errors, Special, Text
from dstok.core.find._finder import LeftFinder
from dstok.core.merge._merge import BPE
from dstok.core.text._added_tokens import Policy
from dstok.core.text._normalize import Normalizer

CONTEXT: int
START: tuple[int, int, int]
LATER: tuple[int, int, int]
INSIDE: tuple[int, int, int]
SHARED_INTS: int

def list_of_ids(ids: npt.NDArray[np.uint32], size: int) -> list[int]:
    """The list of ids, one or more, below `size`. For tests."""

class Pass:
    """Added tokens -> finder -> sink. It never changes."""

class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces."""

    size: int
    cuts_texts: bool
    finder: LeftFinder
    def __init__(
        self, finder: LeftFinder, bpe: BPE, direct: bytes | bytearray | memoryview, size: int,
        normalizer: Normalizer | None = None,
    ) -> None: ...
    def __copy__(self) -> Encoder: ...
    def cut_texts(self) -> None:
        """From now on long texts are cut as Kimi's own code cuts them: text/_utf8.pxd has the lengths."""
    def encode(self, text: Text, policy: Policy, replace: bool) -> list[int]:
        """The ids of `text` as a list."""
    def count(self, text: Text, policy: Policy, replace: bool) -> int:
        """The number of ids of `text`."""
    def count_to(self, text: Text, policy: Policy, replace: bool, limit: int) -> int:
        """The number of ids of `text` if it is below `limit`; else it stops early, at a number of at least `limit`."""
    def count_part(self, text: str, start: int, end: int, policy: Policy, limit: int) -> int:
        """Does what `count_to` does, for `text[start:end]` as a text of its own, without copying it."""
    def encode_spans(
        self, text: Text, policy: Policy, replace: bool, limit: int = ..., inside: bool = ..., true_places: bool = ...,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int64] | None,
               list[tuple[int, int, int]], int]:
        """(ids, spans, characters, notes, end): each id's span in bytes and in characters.

        `ids` is uint32[n], the spans are int64[n, 2], and notes are (index, start, end) of added tokens. Where a
        normalizer changes the text, spans and notes lie in the normalized text, and `characters` is None; also if the
        model drops text. At `limit` ids it stops; `end` is the number of bytes that the ids cover.
        A space that the model puts before a stretch is no change; it has the place of the next character. inside: none
        goes before the text itself. true_places: where a model loses bytes, see `IdSpanSink`.
        """
    def added(self, text: Text, policy: Policy) -> list[tuple[int, int, int]]:
        """(id, start, end) of each added token of `text`, in bytes; with a normalizer, of the normalized text."""
    def short(self, text: str, policy: Policy) -> list[int] | None:
        """The ids of `text` by the pass over short texts; None if it leaves the text to the general path. For tests."""
    def encode_grown(
        self, text: bytes, at: int, policy: Policy, state: tuple[int, int, int],
    ) -> tuple[list[int], int, int, tuple[int, int, int]]:
        """(ids, sure, end, state): all ids of valid UTF-8 `text[at:]`, as if no text followed; the first `sure` stay.

        `end` and `state` are those of `encode_part` after them.
        """
    def char_ends(self, text: str, start: int, end: int, policy: Policy) -> npt.NDArray[np.int64] | None:
        """The end of each id of `text[start:end]`, in characters, int64[n]; None where `encode_spans` has none."""
    def piece_pass(self) -> Pass:
        """A pass for `piece_spans`."""
    def piece_spans(self, run: Pass, text: str | bytes, policy: Policy) -> npt.NDArray[np.int64]:
        """The spans of the pieces of a text and of its added tokens, in bytes, int64[n, 2]. Does not normalize."""
    def pieces(self, text: bytes, policy: Policy) -> list[tuple[int, int]]:
        """(start, end) of each unit that is looked up or merged: pieces, and parts between cuts."""
    def encode_part(
        self, text: bytes | bytearray, at: int, policy: Policy, state: tuple[int, int, int], final: bool,
        form: Callable[..., Any] | None,
    ) -> tuple[Any, int, tuple[int, int, int]]:
        """(ids, end, state) of the part of `text[at:]` that later text cannot change."""
    def way(self) -> str:
        """The way this processor finds the model's pieces; see `PieceFinder.way`."""
    def workspaces(self) -> tuple[int, int]:
        """The number of workspaces, and the number of those at rest."""
    def passed(self) -> int:
        """The number of borders that runs of the automaton have passed so far; see `Scanner.passed`. For tests."""


class Policies(Protocol):
    """An object that makes policies, such as `dstok.added_tokens.AddedTokens`."""

    def policy(self, special: Special) -> Policy: ...

class LineEncoder:
    """The calls for one text after another, without a Python frame."""

    def __init__(self, encoder: Encoder, added: Policies, ends: Ends) -> None: ...
    @property
    def _encoder(self) -> Encoder: ...
    @property
    def _added(self) -> Any: ...
    @property
    def _ends(self) -> Ends: ...
    def encode(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]:
        """The ids of `text`, as a list; for the keywords see the docstring of the method itself."""
    def encode_array(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict", dtype: Dtype = "uint32",
    ) -> npt.NDArray[Any]:
        """The ids of `text`, as uint32[n] or in another `dtype`. Takes the keywords of `encode`."""
    def count(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int:
        """The number of ids of `text`, without making them. Takes the keywords of `encode`."""
