"""A replacement of tiktoken's `CoreBPE` on dstok: the part of an `Encoding` that encodes and decodes.

In: texts, bytes and ids from tiktoken's Python code. Out: ids and bytes.
Invariant: results and errors equal those of the original `CoreBPE`. Calls that dstok lacks (completions of unstable
text, bytes that are not UTF-8), and wrong arguments, go to the original, which is made on first use.
Source: tiktoken 0.14.0, src/py.rs; tests/integrations/test_tiktoken.py compares every call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from dstok.base.lazy import lazy
from dstok.errors import DstokError, TextError

if TYPE_CHECKING:
    from dstok.base.texts import Special
    from dstok.tokenizer import Tokenizer

__all__ = ["Core"]


class Core:
    """A `CoreBPE` on a tokenizer; `make_original` makes tiktoken's own."""

    def __init__(self, tokenizer: Tokenizer, make_original: Callable[[], Any]) -> None:
        self._tokenizer, self._make_original = tokenizer, make_original
        self._special = frozenset(tokenizer.special_tokens)

    @lazy
    def _original(self) -> Any:
        return self._make_original()

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of `text`; its added tokens are plain text. Raises `UnicodeEncodeError` for a lone surrogate."""
        return self._ids(text, "none") if isinstance(text, str) else self._original.encode_ordinary(text)

    def encode(self, text: str, allowed_special: AbstractSet[str]) -> list[int]:
        """The ids of `text` with the added tokens `allowed_special` matched. Raises as `encode_ordinary`."""
        special = self._policy(text, allowed_special)
        return self._original.encode(text, allowed_special) if special is None else self._ids(text, special)

    def encode_to_tiktoken_buffer(self, text: str, allowed_special: AbstractSet[str]) -> Any:
        """As `encode`; a read-only buffer of uint32."""
        special = self._policy(text, allowed_special)
        if special is None:
            return self._original.encode_to_tiktoken_buffer(text, allowed_special)
        try:
            ids = self._tokenizer.encode_array(text, special=special)
        except TextError:
            text.encode()  # raises the same as tiktoken
            raise
        ids.flags.writeable = False
        return ids

    def encode_with_unstable(self, text: str, allowed_special: AbstractSet[str]) -> Any:
        """The original's result: stable ids, and those that may come after them."""
        return self._original.encode_with_unstable(text, allowed_special)

    def encode_single_token(self, piece: bytes) -> int:
        """The id of a token's bytes. Raises `KeyError`."""
        if type(piece) is bytes:
            try:
                return self._tokenizer.token_to_id(piece)
            except DstokError:
                raise KeyError(piece) from None
        return self._original.encode_single_token(piece)  # type: ignore[no-any-return]

    def encode_single_piece(self, piece: bytes) -> list[int]:
        """The ids of bytes as one piece. No bytes have no ids, where the original panics."""
        return self._merge(piece) if type(piece) is bytes else self._original.encode_single_piece(piece)

    def _encode_bytes(self, text: bytes) -> list[int]:
        """The ids of bytes: UTF-8 as in `encode_ordinary`; other bytes by the original, which guesses at pieces."""
        if type(text) is bytes:
            try:
                return self._tokenizer.encode(text, special="none")
            except TextError:
                pass
        return self._original._encode_bytes(text)  # type: ignore[no-any-return]  # noqa: SLF001 (tiktoken calls it so)

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of ids. Raises `KeyError` for an id without a token, `OverflowError` for one outside uint32."""
        if type(tokens) in (list, tuple):
            try:
                return self._tokenizer.decode_bytes(tokens)
            except (DstokError, TypeError):
                pass
        return self._original.decode_bytes(tokens)  # type: ignore[no-any-return]

    def decode_single_token_bytes(self, token: int) -> bytes:
        """The bytes of an id. Raises as `decode_bytes`."""
        if type(token) is int:
            try:
                return self._tokenizer.decode_bytes([token])
            except DstokError:
                pass
        return self._original.decode_single_token_bytes(token)  # type: ignore[no-any-return]

    def token_byte_values(self) -> list[bytes]:
        """The bytes of all tokens except the added ones, in the order of bytes."""
        added = set(self._tokenizer.special_tokens.values())
        return sorted(token for id, token in enumerate(self._tokenizer.vocabulary()) if token and id not in added)

    def _policy(self, text: str, allowed: AbstractSet[str]) -> Special | None:
        """The value of `special` in dstok's calls; None: the arguments are wrong."""
        if not isinstance(text, str) or not isinstance(allowed, set | frozenset):
            return None
        try:
            "".join(allowed - self._special).encode()
        except (TypeError, UnicodeEncodeError):
            return None
        known = self._special & allowed
        return "all" if len(known) == len(self._special) else known

    def _ids(self, text: str, special: Special) -> list[int]:
        try:
            return self._tokenizer.encode(text, special=special)
        except TextError:
            text.encode()  # raises the same as tiktoken
            raise

    @lazy
    def _merge(self) -> Callable[[bytes], list[int]]:
        return self._tokenizer.inspect().merge
