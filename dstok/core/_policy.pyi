from collections.abc import Sequence

from dstok.core._added import Matcher

class Policy:
    """Which added tokens are matched, and their ids. `refuses`: finding one is an error."""

    refuses: bool
    contents: tuple[tuple[str, ...], tuple[str, ...]]
    def __init__(
        self, raw: Matcher | None, normalized: Matcher | None, raw_ids: Sequence[int], normalized_ids: Sequence[int],
        contents: tuple[tuple[str, ...], tuple[str, ...]], refuses: bool,
    ) -> None: ...
    def raw_spans(self, text: bytes) -> list[tuple[int, int, int, int]]:
        """(start, end, start of its own text, index) of each added token with normalized=false."""
