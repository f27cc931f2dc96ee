from dstok.core._bpe import BPE

Buffer = bytes | bytearray | memoryview

def check_classes(pages: Buffer, page_numbers: Buffer, classes: int) -> None:
    """The class table: every page exists, every class is below `classes`."""

def check_edges(edges: Buffer, ascii: Buffer, symbols: int) -> None:
    """The automaton: edges lead to rows, no piece is empty, and each path has told a piece's end when it dies."""

def check_tokens(starts: Buffer, blob: int, byte_ids: list[int]) -> None:
    """The vocabulary: `starts` rise from 0 to the length of the blob, and the 256 `byte_ids` have one byte each."""

def check_pairs(pairs: Buffer, merges: Buffer) -> None:
    """The pair table: as many entries as merges, so that one is free; each is the pair of the merge it names."""

def check_merges(bpe: BPE, merges: Buffer) -> None:
    """The merges: their ids exist, and the token made is as long as its sides."""

def check_atoms(bpe: BPE, atoms: Buffer) -> None:
    """The table of characters: each is the token of its own bytes."""

def check_direct(bpe: BPE, direct: Buffer) -> None:
    """The ids that fill the piece tables: they rise, and have bytes."""
