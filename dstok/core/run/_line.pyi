from typing import Any, Protocol

import numpy.typing as npt

from dstok._util.arguments import Dtype, Ends, Errors, Special, Text
from dstok.core.run._encode import Encoder
from dstok.core.text._policy import Policy

class Policies(Protocol):
    """An object that makes policies, such as `dstok.added_tokens.AddedTokens`."""

    def policy(self, special: Special) -> Policy: ...

class LineEncoder:
    """The calls for one text after another, without a Python frame."""

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
