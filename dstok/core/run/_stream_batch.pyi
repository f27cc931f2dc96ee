from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dstok.core.run._decode import Decoder

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
