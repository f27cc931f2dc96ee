"""What other code may use of a tokenizer.

In: nothing. Out: `Parts`, the type of the first argument of every call: calls are functions, one module for each kind,
and `Tokenizer` makes them its methods. `TokenizerProtocol`, which every `dstok.Tokenizer` follows, for the rooms above
it and for annotations of your own code; it stays the same from one version to the next.
Invariant: any number of threads may use a part at once. Chats, views, pickles and most integrations use no more of a
tokenizer than the protocol. Two kinds of integrations also read its tables: those that write them in another library's
form, and those for transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok._util.arguments import Ends, Errors, Special, Text
    from dstok.added_tokens import AddedTokens
    from dstok.core.bpe.merge import BPE
    from dstok.core.encode.decode import Decoder
    from dstok.core.encode.encoder import Encoder
    from dstok.core.text.normalize import Normalizer
    from dstok.formats.description import ModelDescription, TokenizerConfig
    from dstok.inspection.inspection import Inspection
    from dstok.methods.decoding import DecodeStream
    from dstok.methods.growing import GrowingText
    from dstok.methods.offsets import Encoding, Places
    from dstok.vocabulary import SortedTokens, Vocabulary

    Ids = npt.NDArray[np.uint32]


class Parts(Protocol):
    """The parts of one model. `_places` compiles the model's patterns when it is first used."""

    def encode(self, text: Text, *, special: Special = "all", errors: Errors = "strict") -> list[int]: ...

    def encode_array(self, text: Text, *, special: Special = "all", errors: Errors = "strict") -> Ids: ...

    def _describe(self) -> ModelDescription: ...
    @property
    def config(self) -> TokenizerConfig: ...
    @property
    def _bpe(self) -> BPE: ...
    @property
    def _encoder(self) -> Encoder: ...
    @property
    def _added(self) -> AddedTokens: ...
    @property
    def _ends(self) -> Ends: ...
    @property
    def _normalizer(self) -> Normalizer | None: ...
    @property
    def _decoder(self) -> Decoder: ...
    @property
    def _places(self) -> Places: ...
    @property
    def _sorted_tokens(self) -> SortedTokens: ...
    @property
    def _vocabulary(self) -> Vocabulary: ...


@runtime_checkable
class TokenizerProtocol(Protocol):
    """The calls of `dstok.Tokenizer` that other libraries need. Its docstrings describe each call and its errors.

    >>> import dstok
    >>> isinstance(dstok.load("deepseek-v3"), TokenizerProtocol)
    True
    """

    # The model

    @property
    def name(self) -> str: ...
    @property
    def bos_id(self) -> int | None: ...
    @property
    def eos_id(self) -> int | None: ...
    @property
    def pad_id(self) -> int | None: ...
    @property
    def unk_id(self) -> int | None: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def special_tokens(self) -> Mapping[str, int]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def config(self) -> TokenizerConfig: ...

    def inspect(self) -> Inspection: ...
    def __len__(self) -> int: ...
    def vocabulary(self) -> Sequence[bytes]: ...
    def get_vocab(self) -> dict[str, int]: ...
    def id_to_token(self, id: int, /) -> str: ...
    def token_to_id(self, token: Text, /) -> int: ...

    # Text to ids

    def encode(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]: ...
    def encode_array(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> npt.NDArray[np.uint32]: ...
    def encode_batch(
        self, texts: Iterable[Text], /, *, threads: int = 1, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> list[list[int]]: ...
    def count(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int: ...
    def encode_with_offsets(
        self, text: Text, /, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> Encoding: ...
    def truncate(
        self, text: str, max_tokens: int, /, *, special: Special = "all", errors: Errors = "strict",
    ) -> str: ...
    def chunk(
        self, text: str, max_tokens: int, /, *, overlap: int = 0, special: Special = "all", errors: Errors = "strict",
    ) -> Iterator[str]: ...

    def growing(self, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict") -> GrowingText: ...

    # Ids to text

    def decode(
        self, ids: Iterable[int], /, *, skip_special_tokens: bool = False, errors: Errors = "replace",
    ) -> str: ...
    def decode_bytes(self, ids: Iterable[int], /, *, skip_special_tokens: bool = False) -> bytes: ...
    def decode_batch(
        self, batch: Iterable[Iterable[int]], /, *, skip_special_tokens: bool = False, errors: Errors = "replace",
    ) -> list[str]: ...
    def decode_stream(self, *, skip_special_tokens: bool = False, errors: Errors = "replace") -> DecodeStream: ...
