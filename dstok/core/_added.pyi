class Matcher:
    """Finds `tokens`, a list of (content, single_word, lstrip, rstrip), leftmost-longest."""

    count: int
    def __init__(self, tokens: list[tuple[bytes, bool, bool, bool]], word_bits: bytes = b"") -> None: ...
