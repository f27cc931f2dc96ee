"""The vocabulary: a token's spelling or its bytes -> its id, and back; the tokens in the order of their bytes.

In: an id, or a token as tokenizer.json spells it, or its bytes. Out: the spelling, or the id; for bytes, the ids of the
tokens that begin with them, and of those that they begin with.
Invariant: `id_of(text_of(id))` is `id`, unless two tokens have one spelling. The spelling of an added token is the text
that it matches: `<｜User｜>`. A search takes a number of steps that grows with the logarithm of the vocabulary.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from dstok._util.arguments import Text, checked_text
from dstok._util.objects import lazy
from dstok.core.encode.decode import Decoder
from dstok.errors import UnknownTokenError
from dstok.formats.byte_alphabet import spelling

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer


class SortedTokens:
    """The tokens of a vocabulary in the order of their bytes: all that begin with the same bytes are neighbours."""

    def __init__(self, decoder: Decoder) -> None:
        ids = [id for id in range(decoder.size) if decoder.has(id) and decoder.token(id)]
        self._token, self._order = decoder.token, array("I", sorted(ids, key=decoder.token))

    def around(self, tail: bytes) -> array[int]:
        """The ids of the tokens that begin with `tail`, and of those that `tail` begins with.

        >>> import dstok
        >>> v3 = dstok.load("deepseek-v3")
        >>> [v3.decode_bytes([id]) for id in SortedTokens(v3._decoder).around(b"://")]
        [b':', b':/', b'://']
        """
        first, last, found = 0, len(self._order), array("I")  # the tokens that begin with no byte: all
        for end in range(1, len(tail) + 1):
            def start(id: int, end: int = end) -> bytes:
                return self._token(id)[:end]

            first = bisect_left(self._order, tail[:end], first, last, key=start)
            last = bisect_right(self._order, tail[:end], first, last, key=start)
            if first == last:
                return found
            if end < len(tail):
                found += self._order[first : bisect_right(self._order, tail[:end], first, last, key=self._token)]
        return found + self._order[first:last]


class Vocabulary:
    """The tokens of one model. One of characters spells them with U+2581 for a space, or as "<0x0A>"."""

    def __init__(self, tok: Tokenizer) -> None:
        self._decoder, self._added, self._characters = tok._decoder, tok._added, tok._tables.characters
        self._raw_ids = frozenset(tok._tables.header.raw_ids)  # with their text as spelling, which no text has

    def text_of(self, id: int) -> str:
        """A token as tokenizer.json spells it. Raises `UnknownIdError`."""
        data = self._decoder.token(id)
        added = self._added_texts.get(id)
        if added is not None:
            return added
        if id in self._raw_ids:
            return data.decode()
        if self._characters is not None:
            from dstok.formats.description import spelled  # not needed by most models

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
