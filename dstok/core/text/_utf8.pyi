"""UTF-8: validation; the rest is for other extension modules."""

def first_invalid(text: bytes) -> int:
    """The offset of the first byte that is not part of well-formed UTF-8, or -1."""
def is_text(value: object) -> bool:
    """Whether it is a `str` without a lone surrogate."""
