# Generated: python release/stubs.py
from collections.abc import Callable
from dstok._util.arguments import Dtype, Ends, Errors, Special, Text
from dstok.core.bpe.merge import BPE
from dstok.core.encode.memory import Pool
from dstok.core.split.finder import Finder
from dstok.core.text.added_tokens import Policy
from dstok.core.text.normalize import Normalizer
from typing import Any
import numpy as np
import numpy.typing as npt

CONTEXT: int
START: tuple[int, int, int, int]
LATER: tuple[int, int, int, int]
INSIDE: tuple[int, int, int, int]
SHARED_INTS: int
def list_of_ids(ids: Any, size: int) -> list[int]: ...

class Encoder:
    finder: Finder
    pool: Pool
    size: int
    cuts_texts: bool
    def __init__(
        self,
        finder: Finder,
        bpe: BPE,
        direct: bytes | bytearray | memoryview,
        size: int,
        normalizer: Normalizer | None = None,
    ) -> None: ...
    def __copy__(self) -> Encoder: ...
    def cut_texts(self) -> None: ...
    def within(self, policy: Policy | None, text: str | None, ranges: Any) -> Policy: ...
    def encode(self, text: Any, policy: Policy | None, replace: bool) -> list[Any]: ...
    def encode_array(self, text: Any, policy: Policy | None, replace: bool) -> Any: ...
    def count(self, text: Any, policy: Policy | None, replace: bool) -> int: ...
    def count_to(
        self,
        text: Text,
        policy: Policy,
        replace: bool,
        limit: int,
        start: int = 0,
        end: int = ...,
    ) -> int: ...
    def char_ends(self, text: str, start: int, end: int, policy: Policy) -> npt.NDArray[np.int64] | None: ...
    def encode_spans(
        self,
        text: Text,
        policy: Policy,
        replace: bool,
        limit: int = ...,
        inside: bool = False,
        true_places: bool = False,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], Any, list[tuple[int, int, int]], int]: ...
    def added(self, text: Text, policy: Policy) -> list[tuple[int, int, int]]: ...
    def piece_spans(self, text: str | bytes, policy: Policy, finder: Finder) -> npt.NDArray[np.int64]: ...
    def pieces(self, text: bytes, policy: Policy) -> list[tuple[int, int]]: ...
    def short(self, text: str, policy: Policy) -> list[int] | None: ...
    def encode_part(
        self,
        text: bytes | bytearray | memoryview,
        at: int,
        policy: Policy,
        state: tuple[Any, ...] | None,
        final: bool,
        form: Callable[..., Any] | None,
        rest: bool = False,
    ) -> tuple[Any, int, int, tuple[int, int, int, int]]: ...

class LineEncoder:
    _encoder: Encoder
    _added: Any
    _ends: Ends
    def __init__(self, encoder: Encoder, added: Any, ends: Ends) -> None: ...
    def encode(
        self,
        text: Text,
        *,
        special: Special = "all",
        add_bos: bool = False,
        add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]: ...
    def encode_array(
        self,
        text: Text,
        *,
        special: Special = "all",
        add_bos: bool = False,
        add_eos: bool = False,
        errors: Errors = "strict",
        dtype: Dtype = "uint32",
    ) -> npt.NDArray[Any]: ...
    def count(
        self,
        text: Text,
        *,
        limit: int | None = None,
        special: Special = "all",
        add_bos: bool = False,
        add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int: ...
