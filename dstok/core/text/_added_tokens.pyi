from collections.abc import Sequence

class Matcher:
    """Finds `tokens`, a list of (content, single_word, lstrip, rstrip), leftmost-longest."""

    count: int
    steps: int
    """The taken slots that were read while the edges were put in. For tests."""
    def __init__(self, tokens: list[tuple[bytes, bool, bool, bool]], word_bits: bytes = b"") -> None: ...


class Policy:
    """The added tokens that are matched, and their ids. `refuses`: finding one is an error.

    `quick` gives the same ids with fewer tokens, since merging gives the ids of the others (None: the policy itself).
    """

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
    def absent(self, text: bytes) -> bool:
        """Whether no token's own text lies in valid UTF-8, at whatever place."""
    def raw_spans(self, text: bytes) -> list[tuple[int, int, int, int]]:
        """(start, end, start of its own text, index) of each added token with normalized=false."""
    def find_raw(
        self, text: bytes | bytearray, at: int, scan: int, final: bool,
    ) -> tuple[int, int, int, int, int, int]:
        """(start, end, start of its own text, index, safe, scan) of the first added token with normalized=false."""
    def raw_id(self, index: int) -> int:
        """The id of an added token with normalized=false."""
