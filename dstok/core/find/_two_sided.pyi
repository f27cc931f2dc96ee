from dstok.core.find._finder import Finder

class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of regex/two_sided.py: see _two_sided.pxd."""

    def __init__(
        self, pages: bytes, page_numbers: bytes, forward: bytes, backward: bytes, marks: bytes, dropped: bytes,
        classes: int,
    ) -> None: ...
    def way(self) -> str:
        """The way it finds pieces: "both sides"."""
    def spans(self, text: bytes) -> list[tuple[int, int, int]]:
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
