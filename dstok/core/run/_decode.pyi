from array import array
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

class Decoder:
    """Token bytes by id, for the vocabulary and for `added` tokens as (id, bytes, whether it may be skipped).

    Ids are lists of ints, integers in a numpy array, a memoryview or an `array`, or another iterable of ints.
    `byte_ids` are the ids of byte tokens, of models of characters. A run of them is text as a whole, or U+FFFD for each
    byte; `strict` leaves its bytes. `strip` leaves out one space at the start of a text.
    """

    size: int
    runs: bool
    strip: bool
    def __init__(
        self, starts: object, blob: object, size: int, added: list[tuple[int, bytes, bool]],
        byte_ids: Iterable[int] = (), strip: bool = False,
    ) -> None: ...
    def __copy__(self) -> Decoder: ...
    def token(self, token: int, index: int = 0) -> bytes:
        """The bytes of one token. Raises `UnknownIdError`."""
    def has(self, token: int) -> bool:
        """Whether an id has a token."""
    def decode(self, ids: Any, skip_special: bool) -> bytes:
        """The bytes of `ids`. Raises `UnknownIdError` and `ArgumentError`."""
    def marked(self, ids: Any, skip_special: bool) -> bytes:
        r"""As `decode`, but each byte token is b"\xfe\xff" and its byte. Raises as `decode`."""
    def text(self, ids: Any, skip_special: bool, strict: bool = False) -> str | bytes:
        """The text of `ids`, or, if their bytes are not UTF-8, the bytes. Raises as `decode`."""
    def texts(
        self, batch: Any, skip_special: bool, repair: Callable[[bytes, int], str],
        offsets: npt.NDArray[np.int64] | None = None, strict: bool = False,
    ) -> list[str]:
        """The text of each list of `batch`, or of the ids between two offsets; `repair` gets bytes and a list's number.

        Raises as `decode`; the error names the list.
        """
    def decode_lists(
        self, ids: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64], skip_special: bool, strict: bool = False
    ) -> tuple[bytes, array[int], list[int]]:
        """(bytes, their number by list, lists that are not UTF-8) of `counts` ids each. Raises `UnknownIdError`."""


class _Stream(Protocol):
    def feed(self, ids: int, /) -> str: ...
    def finish(self) -> str: ...

class StopSearch:
    """The stop strings of one stream, and how many characters of each the text ends with."""

    def __init__(self, stops: tuple[str, ...]) -> None: ...

class StreamBatch:
    """`count` streams. `decoder` gives the tokens; those that may be skipped are empty with `skip_special`."""

    count: int
    def __init__(
        self, decoder: Decoder, skip_special: bool, count: int, make: Callable[[], _Stream] | None = None,
    ) -> None: ...
    def step(self, ids: npt.NDArray[np.int64], slots: npt.NDArray[np.int64] | None) -> list[str]:
        """The text that each id adds to its stream. Without `slots`, id i is stream i's; -1 adds nothing."""
    def finish(self, slot: int) -> str:
        """The rest of a stream, which is empty then."""
    def begin(self, slot: int, stops: tuple[str, ...]) -> None:
        """Empties a stream, and sets its stop strings."""
    def is_over(self, slot: int) -> bool:
        """Whether a stream has met a stop string."""
