from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import Dtype, Ends, Errors, Special, Text
from dstok.core.bpe.merge import BPE
from dstok.core.encode.memory import Pool
from dstok.core.split.finder import LeftFinder
from dstok.core.text.added_tokens import Policy
from dstok.core.text.normalize import Normalizer

CONTEXT: int
START: tuple[int, int, int]
LATER: tuple[int, int, int]
INSIDE: tuple[int, int, int]
SHARED_INTS: int

def list_of_ids(ids: npt.NDArray[np.uint32], size: int) -> list[int]: ...

class Encoder:
    size: int
    cuts_texts: bool
    finder: LeftFinder
    pool: Pool
    def __init__(
        self, finder: LeftFinder, bpe: BPE, direct: bytes | bytearray | memoryview, size: int,
        normalizer: Normalizer | None = None,
    ) -> None: ...
    def __copy__(self) -> Encoder: ...
    def cut_texts(self) -> None: ...
    def encode(self, text: Text, policy: Policy, replace: bool) -> list[int]: ...
    def count(self, text: Text, policy: Policy, replace: bool) -> int: ...
    def count_to(self, text: Text, policy: Policy, replace: bool, limit: int) -> int: ...
    def count_part(self, text: str, start: int, end: int, policy: Policy, limit: int) -> int: ...
    def encode_spans(
        self, text: Text, policy: Policy, replace: bool, limit: int = ..., inside: bool = ..., true_places: bool = ...,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], npt.NDArray[np.int64] | None,
               list[tuple[int, int, int]], int]: ...
    def added(self, text: Text, policy: Policy) -> list[tuple[int, int, int]]: ...
    def short(self, text: str, policy: Policy) -> list[int] | None: ...
    def char_ends(self, text: str, start: int, end: int, policy: Policy) -> npt.NDArray[np.int64] | None: ...
    def piece_spans(self, text: str | bytes, policy: Policy, finder: LeftFinder) -> npt.NDArray[np.int64]: ...
    def pieces(self, text: bytes, policy: Policy) -> list[tuple[int, int]]: ...
    def encode_part(
        self, text: bytes | bytearray, at: int, policy: Policy, state: tuple[int, int, int], final: bool,
        form: Callable[..., Any] | None, rest: bool = ...,
    ) -> tuple[Any, int, int, tuple[int, int, int]]: ...

class Policies(Protocol):
    def policy(self, special: Special) -> Policy: ...

class LineEncoder:
    def __init__(self, encoder: Encoder, added: Policies, ends: Ends) -> None: ...
    @property
    def _encoder(self) -> Encoder: ...
    @property
    def _added(self) -> Any: ...
    @property
    def _ends(self) -> Ends: ...
    def encode(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]:
        """The ids of `text`, as a list; for the keywords see the docstring of the method itself."""
    def encode_array(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict", dtype: Dtype = "uint32",
    ) -> npt.NDArray[Any]:
        """The ids of `text`, as uint32[n] or in another `dtype`. Takes the keywords of `encode`."""
    def count(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int:
        """The number of ids of `text`, without making them. Takes the keywords of `encode`."""
