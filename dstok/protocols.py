"""What other code may use of a tokenizer: `TokenizerProtocol`, which every `dstok.Tokenizer` follows.

It is for the rooms above the tokenizer and for annotations of your own code; it stays the same from one version to the
next. Chats, views, pickles and most integrations use no more of a tokenizer than the protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok._util.arguments import Errors, Special, Text
    from dstok.formats.description import TokenizerConfig
    from dstok.inspection.inspection import Inspection
    from dstok.methods.decoding import DecodeStream
    from dstok.methods.incremental import IncrementalEncoding
    from dstok.methods.offsets import Encoding


@runtime_checkable
class TokenizerProtocol(Protocol):
    """The calls of `dstok.Tokenizer` that other libraries need. Its docstrings describe each call and its errors.

    >>> import dstok
    >>> isinstance(dstok.load("deepseek-v3"), TokenizerProtocol)
    True
    """

    @property
    def name(self) -> str: ...
    @property
    def bos_id(self) -> int | None: ...
    @property
    def eos_id(self) -> int | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def added_tokens(self) -> Mapping[str, int]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def config(self) -> TokenizerConfig: ...

    def inspect(self) -> Inspection: ...
    def get_vocab(self) -> dict[str, int]: ...
    def id_to_token(self, id: int, /) -> str: ...
    def token_to_id(self, token: Text, /) -> int: ...

    def encode(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]: ...
    def encode_array(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> npt.NDArray[np.uint32]: ...
    def encode_batch(
        self, texts: Iterable[Text], /, *, num_threads: int = 1, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> list[list[int]]: ...
    def count(
        self, text: Text, /, *, limit: int | None = None, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> int: ...
    def encode_with_offsets(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> Encoding: ...
    def encode_segments(
        self, segments: Iterable[tuple[Text, bool]], /, *, joined: bool = True, special: Special = "all",
        add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
    ) -> list[int]: ...
    def encode_segments_with_offsets(
        self, segments: Iterable[tuple[Text, bool]], /, *, special: Special = "all", errors: Errors = "strict",
    ) -> Encoding: ...
    def truncate(
        self, text: str, max_tokens: int, /, *, special: Special = "all", errors: Errors = "strict",
    ) -> str: ...
    def chunk(
        self, text: str, max_tokens: int, /, *, overlap: int = 0, special: Special = "all", errors: Errors = "strict",
    ) -> Iterator[str]: ...

    def encode_incremental(
        self, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict",
    ) -> IncrementalEncoding: ...

    def decode(
        self, ids: Iterable[int], /, *, skip_special_tokens: bool = False, errors: Errors = "replace",
    ) -> str: ...
    def decode_bytes(self, ids: Iterable[int], /, *, skip_special_tokens: bool = False) -> bytes: ...
    def decode_batch(
        self, batch: Iterable[Iterable[int]], /, *, skip_special_tokens: bool = False, errors: Errors = "replace",
    ) -> list[str]: ...
    def decode_stream(self, *, skip_special_tokens: bool = False, errors: Errors = "replace") -> DecodeStream: ...
