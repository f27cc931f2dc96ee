from collections.abc import Sequence

class Matcher:
    count: int
    steps: int
    """The taken slots that were read while the edges were put in. For tests."""
    def __init__(self, tokens: list[tuple[bytes, bool, bool, bool]], word_bits: bytes = b"") -> None: ...

class Policy:
    refuses: bool
    inner: Policy  # the policy inside a stretch between raw tokens
    contents: tuple[tuple[str, ...], tuple[str, ...]]
    quick: Policy  # the policy of calls that give ids alone
    reach: int  # the most bytes of a token; -1 if the text beside a token may decide about it
    def __init__(
        self, raw: Matcher | None, normalized: Matcher | None, raw_ids: Sequence[int], normalized_ids: Sequence[int],
        contents: tuple[tuple[str, ...], tuple[str, ...]], refuses: bool, quick: Policy | None = None,
    ) -> None: ...
    def __copy__(self) -> Policy: ...
    def absent(self, text: bytes) -> bool: ...
    def raw_spans(self, text: bytes) -> list[tuple[int, int, int, int]]: ...
    def find_raw(
        self, text: bytes | bytearray, at: int, scan: int, final: bool,
    ) -> tuple[int, int, int, int, int, int]: ...
    def raw_id(self, index: int) -> int: ...
