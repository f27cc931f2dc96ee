"""The parts of a tokenizer, for the conformance kit, `dstok explain`, the view and you.

In: the parts of a tokenizer. Out: `Inspection`, made by `Tokenizer.inspect`.
Invariant: looking at a part does not change it. Answers come from the parts that encode, not from copies of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from dstok._util.arguments import Errors, Special, Text, check_choice, explained, replaces_faults, utf8, whole_number
from dstok.errors import UnsupportedError
from dstok.formats.description import AddedToken, NormalizerStep
from dstok.normalizers import normalized_text
from dstok.regex import Split
from dstok.regex.cascade import Cascade, Program

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.methods.offsets import Piece
    from dstok.tokenizer import Tokenizer


class Inspection:
    """The parts of a tokenizer; read-only.

    >>> import dstok
    >>> model = dstok.load("deepseek-v3").inspect()
    >>> [model.token(id) for id in model.merges[0].tolist()]
    [b' ', b't', b' t']
    >>> len(model.splits), model.automaton.boundaries.states, model.added_tokens[0].content
    (3, 20, '<｜begin▁of▁sentence｜>')
    """

    def __init__(self, tok: Tokenizer) -> None:
        self._tok, self._tables, self._bpe, self._encoder = tok, tok._tables, tok._bpe, tok._encoder
        self._decoder, self._added, self._normalizer = tok._decoder, tok._added, tok._normalizer

    def __reduce__(self) -> tuple[Any, ...]:
        return Inspection, (self._tok,)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The pre-tokenizer's steps."""
        return self._tables.splits

    @property
    def word_end(self) -> str:
        """The end_of_word_suffix; "" if there is none."""
        return self._tables.header.word_end

    @property
    def cuts_bytes(self) -> bool:
        """Whether a step after ByteLevel cuts inside characters. `splits` lacks these cuts, merges know them."""
        return self._tables.header.cuts_bytes

    @property
    def unicode_version(self) -> str:
        """The version of Unicode whose properties the patterns mean, such as "16.0"."""
        return self._tables.header.unicode_version

    @property
    def cascade(self) -> Cascade:
        """The compiled steps: their classes, and the automaton of marked texts."""
        return self._tok._program

    @property
    def automaton(self) -> Program:
        """The one automaton that the steps compile to: its classes, states, and the meaning of each piece's end.

        Raises `UnsupportedError` for steps that are read from both sides.
        """
        found = self._tok._program
        if not isinstance(found, Program):
            raise UnsupportedError("one automaton for steps that are read from both sides: look at `cascade`")
        return found

    @property
    def way(self) -> str:
        """How this processor finds the model's pieces: the rules and the level of the mask kernel, or another way."""
        return self._encoder.finder.strategy()

    def spans(self, text: Text) -> list[tuple[int, int, int]]:
        """(start, end, tag) of each piece of `text`, in bytes of UTF-8; `automaton.tags[tag]` gives its reason.

        The text is taken as it is: no added token is matched in it, nothing is normalized. Raises `TextError`.

        >>> import dstok
        >>> [span[:2] for span in dstok.load("deepseek-v3").inspect().spans("it 42")]
        [(0, 2), (2, 3), (3, 5)]
        """
        return self._tok._tagger.spans(utf8(text, False))

    def pretokenize(self, text: Text, *, special: Special = "all", errors: Errors = "strict") -> list[Piece]:
        """The pieces of `text`, added tokens among them, with spans and alternatives. Keywords as `Tokenizer.encode`.

        >>> import dstok
        >>> model = dstok.load("deepseek-v3").inspect()
        >>> [(piece.text, piece.step, piece.alternative) for piece in model.pretokenize("it 42")]
        [('it', 2, 1), (' ', 2, 4), ('42', 0, 0)]
        """
        return self._tok._places.pieces(utf8(text, replaces_faults(errors)), self._added.policy(special))

    def piece_spans(
        self, text: Text, *, special: Special = "all", unit: Literal["bytes", "characters"] = "bytes",
        errors: Errors = "strict",
    ) -> npt.NDArray[np.int64]:
        r"""Start and end of each piece that `pretokenize` gives, int64[n, 2]: hundreds of times as fast.

        `unit`: they count bytes of the UTF-8 text, or code points. Other keywords as `Tokenizer.encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().piece_spans("né 42", unit="characters").tolist()
        [[0, 2], [2, 3], [3, 5]]
        """
        check_choice("unit", unit, Literal["bytes", "characters"])
        data, policy = utf8(text, replaces_faults(errors)), self._added.policy(special)
        return self._tok._places.piece_spans(data, policy, unit == "characters")

    @property
    def normalizer(self) -> tuple[NormalizerStep, ...]:
        """The normalizer's steps; without steps a text is taken as it is."""
        return self._tables.normalizer

    def normalize(self, text: str) -> str:
        """`text` as the model sees it, if it holds no added token with normalized=false."""
        return text if self._normalizer is None else self._normalizer.normalize(text.encode()).decode()

    def seen(self, text: str, special: Special = "all") -> str:
        """`text` as the model sees it: normalized, except raw added tokens. `special` and errors as of `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-r1-distill-qwen").inspect().seen("e\u0301<｜User｜>")
        'é<｜User｜>'
        """
        data = utf8(text, False)
        return text if self._normalizer is None else normalized_text(
            self._normalizer, data, self._added.policy(special)).text.decode()

    @property
    def lost_bytes(self) -> bytes:
        r"""The bytes of UTF-8 that no token spells: a text loses them, or `unknown_token` stands for them.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().lost_bytes
        b''
        """
        return b"" if self._bpe.lost is None else self._bpe.lost.values

    @property
    def unknown_token(self) -> int | None:
        """The id of the token that stands for lost bytes; None: they are left out, or there are none."""
        return None if self._bpe.lost is None or self._bpe.lost.unknown < 0 else self._bpe.lost.unknown

    @property
    def merges(self) -> npt.NDArray[np.uint32]:
        """uint32[n, 3], by rank: the ids of the left token, the right token, and the merged one."""
        import numpy as np

        return np.array(self._tables.merges, np.uint32).reshape(-1, 3)

    @property
    def live_merges(self) -> npt.NDArray[np.bool_]:
        """bool[n], by rank: does some text need the merge? A token has one live merge at most: its own bytes' last one.

        >>> import dstok
        >>> model = dstok.load("deepseek-v3").inspect()
        >>> model.merges.shape, int(model.live_merges.sum())
        ((127741, 3), 127741)
        """
        import numpy as np

        dead = np.array(self._tables.dead, np.uint32).reshape(-1, 4)
        live = np.ones(self._tables.header.merges + len(dead), np.bool_)
        live[dead[:, 0]] = False
        return live

    @explained
    def parts(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each part of a normalized text, in bytes, that is merged alone: a piece, or a part of one.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().parts("it 42")
        [(0, 2), (2, 3), (3, 5)]
        """
        return self._encoder.pieces(utf8(text, False), self._added.policy("none"))

    @explained
    def merge(self, piece: bytes) -> list[int]:
        """The ids that merging makes of a whole `piece`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().merge(b" tokenization")
        [17840, 1878]
        """
        return self._bpe.merge(piece)

    @property
    def merges_characters(self) -> bool:
        """Whether merging starts from characters, and from bytes only for those without a token."""
        return self._tables.characters is not None

    @property
    def takes_whole_tokens(self) -> bool:
        """Whether a piece that is a token is that token, whatever merging would give (`ignore_merges`)."""
        return self._bpe.ignore_merges

    def token_bytes(self) -> list[bytes]:
        """The bytes of the tokens by id, `vocab_size` entries, as `decode_bytes` gives them; b"" if there is no token.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().token_bytes()[19923]
        b'Hello'
        """
        return [self._decoder.token(id) if self._decoder.has(id) else b"" for id in range(self._decoder.size)]

    @explained
    def token(self, id: int) -> bytes:
        """The vocabulary's bytes for an id. It may not have an added token's bytes: see `added_tokens`."""
        return self._bpe.token(whole_number("id", id, most=self._bpe.size - 1))

    @explained
    def has(self, id: int) -> bool:
        """Whether an id has a token, added or not."""
        return 0 <= id < self._decoder.size and self._decoder.has(id)

    def ids(self) -> Iterator[int]:
        """The ids with a token, rising."""
        return filter(self._decoder.has, range(self._decoder.size))

    @property
    def added_tokens(self) -> tuple[AddedToken, ...]:
        """The added tokens with their flags, in the order of the model's file."""
        return tuple(self._added.tokens)

    def added_in(self, text: Text, special: Special = "all") -> list[tuple[int, int, int]]:
        """(id, start, end) of each added token in `text`, in bytes of the text as `seen` has it. Raises as `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().added_in("Hi<｜User｜>")
        [(128803, 2, 14)]
        """
        return self._encoder.added(utf8(text, False), self._added.policy(special))

    @property
    def description(self) -> dict[str, Any]:
        """A copy of the facts that stand beside the flat tables, JSON-able: patterns, rules, ids of bytes and more."""
        return deepcopy(self._tables.header.stored())

    @property
    def tables(self) -> Mapping[str, memoryview]:
        """The flat tables that the core runs on, by name; `dstok/compiled/tables.py` describes each."""
        sections = self._tables.sections.items()
        return MappingProxyType({name: memoryview(data).toreadonly() for name, data in sections})
