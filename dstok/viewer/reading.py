"""A text as one tokenizer reads it, dstok's or another library's: its tokens, with all facts about each.

In: a tokenizer and a text, or a conversation; of another library the text's ids, perhaps their spans, and a tokenizer
of dstok that knows the ids' texts. Out: `Reading`; the merges of a piece as `Step`s.
Invariant: ids, spans, pieces and flags equal those of `Tokenizer.encode_with_offsets` and `pretokenize`, or of
`dstok.chat.encode`. The text is the given one, except that U+FFFD replaces a lone surrogate. For another library the
spans are right, or there is a `TextError`. The merges are those of Sennrich's algorithm (the pair of the lowest rank,
the leftmost of equals); the ids left are compared with the tokenizer's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dstok._util.arguments import Special, Text, characters, explained
from dstok._util.objects import Beside, lazy
from dstok.core.encode.pieces import char_spans
from dstok.errors import DecodeError, TextError, UnknownIdError
from dstok.methods.offsets import Encoding

if TYPE_CHECKING:
    import numpy.typing as npt

    from dstok.chat.encode import EncodedConversation
    from dstok.protocols import TokenizerProtocol

MergeTable = dict[tuple[int, int], tuple[int, int]]


class Step(NamedTuple):
    """Merges the bytes `start` to `end` of a piece at `middle` to the token `id`, by the merge of rank `rank`."""

    start: int
    middle: int
    end: int
    id: int
    rank: int


_merges_of: Beside[TokenizerProtocol, MergeTable] = Beside(lambda tokenizer: {
    (left, right): (rank, made) for rank, (left, right, made) in enumerate(tokenizer.inspect().merges.tolist())})


def merge_steps(tokenizer: TokenizerProtocol, piece: bytes) -> list[Step]:
    """The merges of a whole piece; none if the model takes it whole (`takes_whole_tokens`), loses bytes or ends words.

    >>> import dstok
    >>> [(step.start, step.middle, step.end) for step in merge_steps(dstok.load("deepseek-v3"), b" the")]
    [(0, 1, 2), (2, 3, 4), (0, 2, 4)]
    """
    model, merges, size = tokenizer.inspect(), _merges_of(tokenizer), len(piece)
    whole = model.merge(piece)
    if (model.takes_whole_tokens and len(whole) == 1) or {*model.lost_bytes} & {*piece} or model.word_end:
        return []
    places = list(range(size))  # of the symbols that merging starts from: bytes, or characters that have a token
    if model.merges_characters:
        sizes = [(char, len(char.encode())) for char in piece.decode()]
        starts = accumulate((size for _, size in sizes), initial=0)
        places = [place for at, (char, size) in zip(starts, sizes)
                  for place in range(at, at + size, size if len(model.merge(char.encode())) == 1 else 1)]
    ids: list[int | None] = [None] * size
    ends, befores = [size] * (size + 1), [-1] * size  # of the token that starts at each byte
    for before, at, end in zip([-1, *places], places, [*places[1:], size]):
        (ids[at],), ends[at], befores[at] = model.merge(piece[at:end]), end, before

    def joining(at: int) -> list[tuple[int, int, Any, Any, int]]:
        """(rank, place, left, right, product) of a token and the next one, if a merge joins them."""
        pair: Any = at >= 0 and ends[at] < size and (ids[at], ids[ends[at]])
        return [(merges[pair][0], at, *pair, merges[pair][1])] if pair in merges else []

    waiting, steps = [each for at in places for each in joining(at)], list[Step]()
    heapify(waiting)
    while waiting:
        rank, start, left, right, made = heappop(waiting)
        middle = ends[start]
        if ids[start] != left or middle >= size or ids[middle] != right:
            continue  # one of the two has been merged since
        end = ends[middle]
        ids[start], ids[middle], ends[start] = made, None, end
        steps.append(Step(start, middle, end, made, rank))
        if end < size:
            befores[end] = start
        for each in (*joining(befores[start]), *joining(start)):
            heappush(waiting, each)
    assert [id for id in ids if id is not None] == whole, "the steps are those of the tokenizer"
    return steps


MAX_MERGED = 2048  # bytes of a piece whose merges are shown: nobody reads a larger tree
REPLACEMENT = "\ufffd"


@dataclass(frozen=True, eq=False)
class Reading:
    """A text as a tokenizer reads it.

    name: the tokenizer's. encoding: ids uint32[n], byte_spans and char_spans int64[n, 2], pieces int64[n] (-1: of
    none), special bool[n]. tokenizer: None for one of another library. vocabulary: bytes by id. notes: remarks.
    messages: int32[n], each token's message, -1 for none; empty if the text is not a conversation. roles: of the
    messages. parts: the separately encoded parts: the text, its start in bytes and in characters, `special` for it.
    """

    name: str
    text: str
    encoding: Encoding
    tokenizer: TokenizerProtocol | None
    vocabulary: Mapping[int, bytes]
    notes: tuple[str, ...] = ()
    messages: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    roles: tuple[str, ...] = ()
    parts: tuple[tuple[str, int, int, Special], ...] = ()

    def __len__(self) -> int:
        return len(self.encoding)

    @lazy
    def data(self) -> bytes:
        """The text's bytes in UTF-8."""
        return self.text.encode()

    @lazy
    def shared(self) -> npt.NDArray[np.bool_]:
        """bool[n + 1]: whether a character crosses the border before each token; False at the end."""
        chars = self.encoding.char_spans
        return np.concatenate([[False], chars[1:, 0] < chars[:-1, 1], [False]])[: len(self) + 1]

    @lazy
    def piece_table(self) -> npt.NDArray[np.int64]:
        """int64[pieces, 6]: start and end in bytes, in characters, step, alternative; -1 where `Piece` has None."""
        assert self.tokenizer is not None, "the pieces of a tokenizer of another library are not known"
        model = self.tokenizer.inspect()
        rows = [(piece.start + byte, piece.end + byte, piece.char_start + char, piece.char_end + char,
                 *(-1 if number is None else number for number in (piece.step, piece.alternative)))
                for text, byte, char, special in self.parts for piece in model.pretokenize(text, special=special)]
        return np.array(rows, np.int64).reshape(-1, 6)

    def bytes_of(self, token: int) -> bytes:
        """The bytes of the token with that number."""
        return self.vocabulary[int(self.encoding.ids[token])]

    def counts(self) -> dict[str, int]:
        """Counts of the text, by name; words are those between white space, split the characters in several tokens."""
        split = np.unique(self.encoding.char_spans[:, 0][self.shared[:-1]])
        return {"tokens": len(self), "characters": len(self.text), "bytes": len(self.data),
                "words": len(self.text.split()), "lines": self.text.count("\n") + bool(self.text[-1:].strip("\n")),
                "ids": len(np.unique(self.encoding.ids)), "added": int(self.encoding.special.sum()),
                "split": len(split)}

    def message_counts(self) -> list[dict[str, Any]]:
        """Role and tokens of each message; the tokens of no message come last."""
        rows: list[dict[str, Any]] = [{"role": role, "tokens": int((self.messages == number).sum())}
                                      for number, role in enumerate(self.roles)]
        return [*rows, {"role": "", "tokens": int((self.messages == -1).sum())}] if rows else []

    def piece(self, number: int) -> dict[str, Any]:
        """All facts about a piece: its place, its match, its merges. Raises `IndexError`."""
        if self.tokenizer is None or not 0 <= number < len(self.piece_table):
            raise IndexError(number)
        *places, step, alternative = self.piece_table[number].tolist()
        pieces = self.encoding.pieces
        before = int(len(pieces) > 0 and pieces[0] < 0)  # BOS and EOS, at the ends, belong to no piece
        inner = pieces[before : len(pieces) - int(len(pieces) > before and pieces[-1] < 0)]
        first, last = (int(np.searchsorted(inner, number, side)) + before for side in ("left", "right"))
        data = b"".join(map(self.bytes_of, range(first, last)))
        return {"number": number, "bytes": places[:2], "chars": places[2:], "hex": data.hex(), "tokens": [first, last],
                "step": step if step >= 0 else None, "alternative": alternative if step >= 0 else None,
                "merges": None if self.encoding.special[first:last].any() else self.merges(data)}

    def merges(self, data: bytes) -> list[Step] | None:
        """The merges of a piece's bytes; None if it is too long for a tree."""
        assert self.tokenizer is not None
        return merge_steps(self.tokenizer, data) if len(data) <= MAX_MERGED else None

    def state(self, token: int) -> str:
        """"" for whole characters; else the token's bytes of a character."""
        start, end = self.encoding.byte_spans[token].tolist()
        if start == end or not (self.shared[token] or self.shared[token + 1]):
            return ""
        return "; ".join(_partial(self.data, start, end)) or "part of a character that the model rewrites"


def _partial(data: bytes, start: int, end: int) -> Iterator[str]:
    """The bytes that a span has of its first and its last character, for each that it has only in part."""
    for at in dict.fromkeys(max(place for place in range(max(0, near - 3), near + 1) if data[place] & 0xC0 != 0x80)
                            for near in (start, end - 1)):
        char = data[at : at + 4].decode(errors="ignore")[0]
        size = len(char.encode())
        low, high = max(start, at), min(end, at + size)
        if (low, high) != (at, at + size):
            which = f"byte {low - at + 1}" if high - low == 1 else f"bytes {low - at + 1} to {high - at}"
            yield f"{which} of the {size} of U+{ord(char):04X}"


class Vocabulary(dict[int, bytes]):
    """The bytes of a tokenizer's ids. Each is requested once."""

    def __init__(self, tokenizer: TokenizerProtocol) -> None:
        self.tokenizer = tokenizer

    def __missing__(self, id: int) -> bytes:
        return self.setdefault(id, self.tokenizer.decode_bytes([id]))


@explained
def read(
    tokenizer: TokenizerProtocol, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
    name: str = "",
) -> Reading:
    r"""A text as `tokenizer` reads it. Keywords as for `Tokenizer.encode`; `name`: a name for the tokenizer.

    Raises as `encode`, except that a lone surrogate of a `str` becomes U+FFFD, with a note.

    >>> import dstok
    >>> reading = read(dstok.load("deepseek-v3"), "it \ud800")
    >>> reading.encoding.ids.tolist(), reading.notes
    ([279, 21828], ('1 lone surrogate became U+FFFD',))
    """
    plain = characters(text, isinstance(text, str))
    encoding = tokenizer.encode_with_offsets(plain, special=special, add_bos=add_bos, add_eos=add_eos)
    lone = plain.count(REPLACEMENT) - text.count(REPLACEMENT) if isinstance(text, str) else 0
    notes = [f"{lone} lone surrogate{'s' if lone > 1 else ''} became U+FFFD"] if lone else []
    try:
        same = tokenizer.decode(encoding.ids[(encoding.pieces >= 0)].tolist(), errors="strict") == plain
    except DecodeError:
        same = False
    notes += [] if same else ["the tokens decode to another text than this one"]
    return Reading(name or tokenizer.name, plain, encoding, tokenizer, Vocabulary(tokenizer), tuple(notes),
                   parts=((plain, 0, 0, special),))


def read_conversation(encoded: EncodedConversation, messages: Sequence[Any], name: str = "") -> Reading:
    """A conversation from `dstok.chat.encode`, with the message of each token.

    >>> import dstok
    >>> from dstok import chat
    >>> messages = [{"role": "user", "content": "Hello"}]
    >>> reading = read_conversation(chat.encode(dstok.load("deepseek-v3"), messages, "v3"), messages)
    >>> reading.message_counts()
    [{'role': 'user', 'tokens': 2}, {'role': '', 'tokens': 1}]
    """
    from dstok.chat.encode import WITHIN, segments_of

    text, tokenizer, parts = encoded.rendered.text, encoded.tokenizer, list[tuple[str, int, int, Special]]()
    segments, byte, char = segments_of(encoded.rendered, encoded.special), 0, 0
    for part, trusted in segments:
        parts.append((part, byte, char, "all" if trusted else WITHIN[encoded.special]))
        byte, char = byte + len(part.encode()), char + len(part)
    encoding = tokenizer.encode_segments_with_offsets(segments)
    assert encoding.ids.tolist() == encoded.ids, "no ids are sampled"
    roles = tuple(str(message.get("role", "")) if isinstance(message, dict) else str(getattr(message, "role", ""))
                  for message in messages)
    return Reading(name or tokenizer.name, text, encoding, tokenizer, Vocabulary(tokenizer),
                   messages=encoded.message_index, roles=roles, parts=tuple(parts) or (("", 0, 0, "none"),))


def read_ids(
    name: str, text: str, ids: Iterable[int], like: TokenizerProtocol, spans: Sequence[tuple[int, int]] | None = None,
) -> Reading:
    """The reading of `text` that has these ids.

    `like`: a tokenizer with their vocabulary; if they have another one, `spans` (start, end, in code points) give their
    texts. Raises `TextError` if neither gives the tokens' places, or if an id stands for different texts in the spans.

    >>> import dstok
    >>> read_ids("mine", "Hello world", [19923, 2058], dstok.load("deepseek-v3")).encoding.byte_spans.tolist()
    [[0, 5], [5, 11]]
    """
    text, ids = characters(text, True), [int(id) for id in ids]
    data = text.encode()
    vocabulary: dict[int, bytes] = Vocabulary(like)
    try:
        parts = [vocabulary[id] for id in ids]
    except (UnknownIdError, OverflowError):
        parts = None
    if parts is None or b"".join(parts) != data:
        parts, vocabulary = _by_spans(name, text, ids, spans)
    ends = np.cumsum([0, *map(len, parts)])
    bytes_ = np.stack([ends[:-1], ends[1:]], axis=1).astype(np.int64)
    added = {token.id for token in like.inspect().added_tokens} if isinstance(vocabulary, Vocabulary) else set()
    encoding = Encoding(np.array(ids, np.uint32), bytes_, char_spans(data, bytes_), np.full(len(ids), -1, np.int64),
                        np.array([id in added for id in ids], np.bool_))
    return Reading(name, text, encoding, None, vocabulary)


def _by_spans(
    name: str, text: str, ids: Sequence[int], spans: Sequence[tuple[int, int]] | None,
) -> tuple[list[bytes], dict[int, bytes]]:
    """The bytes of each token by its span, and of each id, if the spans make up the text, and an id stands for one."""
    pairs = [] if spans is None else [(int(start), int(end)) for start, end in spans]
    edges = [0, *(end for _, end in pairs)]
    whole = all(start == edge for (start, _), edge in zip(pairs, edges))
    if len(pairs) != len(ids) or not whole or edges[-1] != len(text):
        raise TextError(f"expected tokens of {name} whose bytes make up the text, or whose spans follow one another, "
                        "found neither", 0)
    parts, found = [text[start:end] for start, end in pairs], dict[int, str]()
    for id, part, start in zip(ids, parts, edges):
        if found.setdefault(id, part) != part:
            raise TextError(f"expected one text for each id of {name}, found {found[id]!r} and {part!r} for id {id}, "
                            f"at offset {start} in code points", start)
    return [part.encode() for part in parts], {id: part.encode() for id, part in found.items()}
