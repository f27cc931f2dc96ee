from array import array
from typing import Protocol

from dstok.unicode.normalization import FormTables

class Form:
    """One normalization form. `composed` tells NFC and NFKC from NFD and NFKD."""

    def __init__(self, tables: FormTables, composed: bool) -> None: ...


class Chain(Protocol):
    """Steps written in Python."""

    def apply(self, text: str, sources: list[int] | None) -> tuple[str, list[int] | None]:
        """The normalized text, and the index of the source of each of its characters."""

class Normalizer:
    """A model's normalizer: `form` alone, or a `chain` of steps. `form` then only tells when the chain has to run."""

    chain: Chain | None
    local: bool
    prefix: int
    later: Normalizer
    def __init__(
        self, form: Form, chain: Chain | None, local: bool, always: bool = False, prefix: int = 0,
    ) -> None: ...
    def bare(self) -> Normalizer:
        """The normalizer without its prefix."""
    def __copy__(self) -> Normalizer: ...
    def is_normalized(self, text: str | bytes) -> bool:
        """Whether normalizing a `str` or valid UTF-8 surely changes nothing, wherever added tokens cut it."""
    def normalize(self, text: bytes) -> bytes:
        """The normalized text of valid UTF-8."""
    def align(self, text: bytes) -> tuple[bytes, array[int]]:
        """(normalized, sources): for each code point of the result, the index of its source."""
    def last_boundary(self, text: bytes | bytearray, at: int, stop: int) -> int:
        """The last place after `at` and before `stop` where `text` may be cut for good, or `at`."""
