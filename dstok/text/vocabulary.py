"""The vocabulary: a token's spelling -> its id, and back.

In: an id, or a token as tokenizer.json spells it, or its bytes. Out: the spelling, or the id.
Invariant: `id_of(text_of(id))` is `id`, unless two tokens have one spelling. The spelling of an added token is the text
that it matches: `<｜User｜>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.base.lazy import lazy
from dstok.base.texts import Text, checked_text
from dstok.core.run._decode import Decoder
from dstok.errors import UnknownTokenError
from dstok.formats.tokens import spelling
from dstok.text.added_tokens import AddedTokens

if TYPE_CHECKING:
    from dstok.formats.character_shape import CharacterShape

__all__ = ["Vocabulary"]


class Vocabulary:
    """The tokens of one model. `raw_ids`: those with their text as spelling, which no text has.

    characters: the shape of a model of characters, whose tokens are spelled with U+2581 for a space, or as "<0x0A>".
    """

    def __init__(
        self, decoder: Decoder, added: AddedTokens, raw_ids: frozenset[int], characters: CharacterShape | None = None,
    ) -> None:
        self._decoder, self._added, self._raw_ids, self._characters = decoder, added, raw_ids, characters

    def text_of(self, id: int) -> str:
        """A token as tokenizer.json spells it. Raises `UnknownIdError`."""
        data = self._decoder.token(id)
        added = self._added_texts.get(id)
        if added is not None:
            return added
        if id in self._raw_ids:
            return data.decode()
        if self._characters is not None:
            from dstok.formats.character_shape import spelled  # not needed by most models

            return spelled(data, id, self._characters)
        return spelling(data)

    def id_of(self, token: Text) -> int:
        """The id of a token, given as its spelling or its bytes. Raises `UnknownTokenError` and `TypeError`."""
        token = checked_text(token, "token")
        token_id = self._by_bytes.get(token) if isinstance(token, bytes) else self.ids.get(token)
        if token_id is None:
            raise UnknownTokenError(f"no token is {token!r}")
        return token_id

    @lazy
    def ids(self) -> dict[str, int]:
        """The ids by spelling."""
        own = self._added_texts.keys()
        ids = {self.text_of(i): i for i in self._known() if i not in own}
        return {**ids, **{token.content: token.id for token in self._added.tokens}}

    @lazy
    def _by_bytes(self) -> dict[bytes, int]:
        plain = self._raw_ids | self._added_texts.keys()
        if self._characters is not None:
            plain |= frozenset(self._characters.byte_ids)  # "<0x41>" is the byte of the token "A"
        known = {self._decoder.token(i): i for i in sorted(self._known(), key=plain.__contains__, reverse=True)}
        return {**{self._added.seen(t): t.id for t in self._added.tokens if t is not self._added.by_id[t.id]}, **known}

    @lazy
    def _added_texts(self) -> dict[int, str]:
        """The texts that match added tokens."""
        characters = self._characters is not None
        return {token.id: self._added.spelled(token, characters) for token in self._added.by_id.values()}

    def _known(self) -> list[int]:
        return [i for i in range(self._decoder.size) if self._decoder.has(i)]
