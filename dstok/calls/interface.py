"""The parts of a tokenizer that its calls may use.

In: nothing. Out: `Parts`, the type of the first argument of every call. The calls are functions, one module for each
kind. `Tokenizer` makes them its methods.
Invariant: any number of threads may use a part at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.base.ids import Ends
    from dstok.base.texts import Errors, Special, Text
    from dstok.calls.places import Places
    from dstok.core.merge._bpe import BPE
    from dstok.core.run._decode import Decoder
    from dstok.core.run._encode import Encoder
    from dstok.core.text._normalize import Normalizer
    from dstok.formats.description import ModelDescription, TokenizerConfig
    from dstok.text.added_tokens import AddedTokens
    from dstok.text.sorted_tokens import SortedTokens
    from dstok.text.vocabulary import Vocabulary

    Ids = npt.NDArray[np.uint32]

__all__ = ["Parts"]


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
