from collections.abc import Sequence

class CharacterTable:
    """The characters beyond ASCII that are tokens: token i is blob[starts[i]:starts[i + 1]]."""

    def __init__(self, starts: object, blob: object) -> None: ...

class LostBytes:
    """The bytes without a token, `values`; the unknown token's id (-1: they are left out), and `fuse_unk`."""

    values: bytes
    unknown: int
    def __init__(self, lost: Sequence[int], unknown: int = -1, fuse: bool = False) -> None: ...

class BPE:
    """The merge list of one model, as flat tables that it keeps alive."""

    size: int
    monotone: bool
    ignore_merges: bool
    lost: LostBytes | None
    def __init__(
        self, pairs: object, seeds: object, merged: object, first: int, byte_ids: Sequence[int], starts: object,
        blob: object, monotone: bool, ignore_merges: bool, atoms: object = b"", byte_pairs: object = b"",
        pair_ids: object = b"", characters: CharacterTable | None = None, lost: LostBytes | None = None,
    ) -> None: ...
    def index_vocabulary(self, reachable: Sequence[int], seeds: Sequence[int] | None = None) -> int:
        """Indexes the ids that a whole piece may be, for `ignore_merges`. Returns the number of slots read."""
    def merge(self, text: bytes) -> list[int]:
        """The ids of `text` as one piece, by the loop for its length."""
    def merge_with_work(self, text: bytes) -> tuple[list[int], int]:
        """The ids of `text` as one piece, and how many bytes sections and their borders were made of."""
    def merge_by_heap(self, text: bytes) -> list[int]:
        """The ids of `text` as one piece, by `merge_heap` from bytes."""
    def merge_in_strips(self, texts: list[bytes]) -> list[list[int]] | None:
        """For tests: the ids of up to 64 texts of up to 15 bytes, merged together, or None at a level without."""
    def encodes_to_itself(self, token: int) -> bool:
        """Whether merging the bytes of `token` gives `token`."""
    def token(self, token: int) -> bytes:
        """The bytes of a token."""


TABLE_BYTES: int

class PieceMemory:
    """The memory of a piece table, filled with the tokens whose bits in `direct` are set."""

    def __init__(self, bpe: BPE, direct: bytes | bytearray | memoryview) -> None: ...

