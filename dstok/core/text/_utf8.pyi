"""UTF-8: validation; the rest is for other extension modules."""

CUT_LENGTHS: tuple[int, int]

def first_invalid(text: bytes) -> int:
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""
def cuts(text: str | bytes) -> list[int]:
    """The ends of the parts of a `str` or bytes, in its units, as `Encoder.cut_texts` cuts it."""
def is_text(value: object) -> bool:
    """Whether it is a `str` without a lone surrogate."""
