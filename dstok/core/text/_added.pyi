class Matcher:
    """Finds `tokens`, a list of (content, single_word, lstrip, rstrip), leftmost-longest."""

    count: int
    steps: int
    """The taken slots that were read while the edges were put in. For tests."""
    def __init__(self, tokens: list[tuple[bytes, bool, bool, bool]], word_bits: bytes = b"") -> None: ...
