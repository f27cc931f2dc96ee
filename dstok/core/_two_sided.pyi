class TwoSided:
    """The tables, kept alive: see _two_sided.pxd and pattern/two_sided.py."""

    def __init__(
        self, pages: bytes, page_numbers: bytes, forward: bytes, backward: bytes, marks: bytes, dropped: bytes,
        classes: int,
    ) -> None: ...
    def spans(self, text: bytes) -> list[tuple[int, int, int]]:
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
