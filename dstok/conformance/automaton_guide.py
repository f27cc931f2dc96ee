"""The kit's knowledge of a tokenizer: its tokens, the states of its automaton, the characters that lead there.

In: a dstok `Tokenizer`; ids. Out: `Guide`: a shortest way to each state of the automaton, some members of each
equivalence class to stand for it, and characters that make a wrong boundary visible; ids as bytes, places in them, the
missing merge in words. Invariant: the same tokenizer gives the same guide; `guide_of` makes it once for all runs of a
process. An id that the guide's tokenizer lacks stands for one byte that occurs in no text.

A model of characters has no automaton that cuts. Its classes are the kinds of characters that its cuts and its text
before merging depend on, each in the vocabulary or not. Its two states are the start of a text, and later places.

The ids show a wrong boundary only where a merge would go across it. Between "x" and "y" they do not show it if no token
begins in x and ends in y. So for each pair of classes the guide looks for characters that "glue": the bytes of both,
merged as one piece, give a token across the border. It searches first the tokens of the vocabulary, then the members of
the classes.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise, takewhile

import dstok
from dstok._util.objects import lazy
from dstok.conformance.unicode_changes import changed, edges
from dstok.formats.description import BLANK
from dstok.inspection.inspection import Inspection
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.dfa import DEAD, NO_TAG, START
from dstok.tokenizer import Tokenizer
from dstok.unicode import category_of
from dstok.unicode.properties import CodePointSet, general_category

Word = tuple[int, ...]  # classes
PREFERRED = "a1 .\n中の\téé,"  # these stand for their classes if they are members: the most readable ones
GLUED = 4  # pairs of characters kept for a pair of classes
TRIES = 1500  # pairs of members that are merged in search of one that glues
SURROGATES = range(0xD800, 0xE000)
AFTER = START + 1  # the state after a character, for a model of characters


class Guide:
    """A tokenizer's classes, states and merges, as the makers of texts need them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.model = tokenizer, tokenizer.inspect()
        self.program = tokenizer.inspect().automaton
        self.alphabet: Alphabet = self.program.alphabet
        self.edges: Sequence[Sequence[tuple[int, int]]] = self.program.boundaries.edges
        if self.model.merges_characters:
            self.alphabet = _character_classes(self.model)
            row = [(AFTER, NO_TAG)] * len(self.alphabet.classes)
            self.edges = [[], row, row]
        self.classes = range(len(self.alphabet.classes))
        self._glue: dict[tuple[int, int], list[tuple[str, str]]] = {}
        self._after: dict[tuple[str, int], str] = {}

    def prepare(self) -> None:
        """Computes now what is else computed on first use: a check's time is for its texts."""
        _ = self.access, self.representatives, self.interesting, self._vocabulary_pairs

    # The automaton

    @lazy
    def access(self) -> dict[int, Word]:
        """A shortest way from the start to each state inside a piece."""
        ways: dict[int, Word] = {START: ()}
        queue = deque([START])
        while queue:
            state = queue.popleft()
            for symbol in self.classes:
                target = self.edges[state][symbol][0]
                if target != DEAD and target not in ways:
                    ways[target] = (*ways[state], symbol)
                    queue.append(target)
        return ways

    def classes_of(self, text: str) -> Word:
        return tuple(self.alphabet.class_of(char) for char in text)

    # The members of a class

    @lazy
    def representatives(self) -> tuple[str, ...]:
        """For each class the character that stands for it: a visible one, if it has any, the same in every Python."""
        preferred = {self.alphabet.class_of(char): char for char in reversed(PREFERRED)}
        return tuple(preferred.get(number) or next(
            (char for char in members if category_of(ord(char))[0] in "LMNPS"), members[0])
            for number, members in enumerate(self.members))

    @lazy
    def members(self) -> tuple[tuple[str, ...], ...]:
        """For each class some of its characters: edges of ranges, every category and width, some from inside."""
        chance, moved = random.Random(0), dict[int, list[int]]()
        for code in changed():
            moved.setdefault(self.alphabet.class_of(chr(code)), []).append(code)
        return tuple(self._members(number, moved.get(number, []), chance) for number in self.classes)

    def _members(self, number: int, moved: list[int], chance: random.Random) -> tuple[str, ...]:
        ranges = self.alphabet.classes[number].ranges
        kinds: dict[tuple[str, int], int] = {}
        for first, last in ranges:
            for code in (first, (first + last) // 2, last):
                kinds.setdefault((category_of(code), len(chr(code).encode(errors="replace"))), code)
        edges = [code for first, last in ranges for code in (first, last)]
        inside = [chance.randint(*chance.choice(ranges)) for _ in range(20)]
        codes = [*kinds.values(), *_sample(chance, edges, 60), *inside, *_sample(chance, moved, 20)]
        return tuple(dict.fromkeys(chr(code) for code in codes if code not in SURROGATES))

    @lazy
    def interesting(self) -> tuple[int, ...]:
        """Code points where a set may be wrong: all below U+3400, edges of classes, and edges of changes."""
        codes = {*range(0x3400), *edges()}
        for members in self.alphabet.classes:
            for first, last in members.ranges:
                codes.update((first - 1, first, last, last + 1))
        return tuple(code for code in sorted(codes) if 0 <= code < 0x110000 and code not in SURROGATES)

    # Visibility

    @lazy
    def merges(self) -> dict[tuple[int, int], tuple[int, int]]:
        """By the ids of two tokens: the rank of their merge, and its product."""
        return {(left, right): (rank, made) for rank, (left, right, made) in enumerate(self.model.merges.tolist())}

    def merged(self, text: str) -> list[int]:
        """The ids of `text` as one piece."""
        return self.model.merge(text.encode())

    def glues(self, left: str, right: str) -> bool:
        """Whether a token crosses the border of the two when they are merged as one piece."""
        return self._crossing(left, right) is not None

    def _crossing(self, left: str, right: str) -> int | None:
        """The id of the token across the border. In most vocabularies, smaller ids are merged earlier."""
        at, border = 0, len(left.encode())
        for id in self.merged(left + right):
            at += len(self.model.token(id))
            if at >= border:
                return id if at > border else None
        return None

    def glued(self, left: int, right: int) -> list[tuple[str, str]]:
        """Some characters of two classes that glue, the firmest first; none if none was found."""
        key = left, right
        if key not in self._glue:
            one, two, chance = self.members[left], self.members[right], random.Random(left << 16 | right)
            some = ((chance.choice(one), chance.choice(two)) for _ in range(min(TRIES, len(one) * len(two))))
            pairs: dict[tuple[str, str], int] = {}
            for pair in chain(self._vocabulary_pairs.get(key, ()), some):
                if (id := self._crossing(*pair)) is not None:
                    pairs[pair] = id
                if len(pairs) == 6 * GLUED:
                    break
            self._glue[key] = sorted(pairs, key=lambda pair: pairs[pair])[:GLUED]
        return self._glue[key]

    @lazy
    def _vocabulary_pairs(self) -> dict[tuple[int, int], list[tuple[str, str]]]:
        """By classes, neighbours inside tokens; at most 50 for a pair of classes."""
        by_kinds: dict[tuple[int, int], dict[tuple[str, str], None]] = {}
        for token in self.token_texts.values():
            numbers = self.classes_of(token)
            for at in range(len(token) - 1):
                pairs = by_kinds.setdefault((numbers[at], numbers[at + 1]), {})
                if len(pairs) < 50:
                    pairs[token[at], token[at + 1]] = None
        return {key: list(pairs) for key, pairs in by_kinds.items()}

    @lazy
    def token_texts(self) -> dict[int, str]:
        """By id, the tokens of the vocabulary that are whole text, without added tokens."""
        texts, added = {}, set(self.tokenizer.added_tokens.values())
        for id in self.model.ids():
            if id not in added:
                try:
                    texts[id] = self.tokenizer.decode_bytes([id]).decode()
                except UnicodeDecodeError:
                    continue
        return texts

    # Words of classes as texts

    def spell(self, word: Word) -> str:
        """A text of these classes in which neighbours glue wherever possible."""
        pairs = self.glued(word[0], word[1]) if len(word) > 1 else []
        chars = [pairs[0][0] if pairs else self.representatives[word[0]]] if word else []
        for number in word[1:]:
            chars.append(self._next(chars[-1], number))
        return "".join(chars)

    def spell_backward(self, word: Word) -> str:
        """As `spell`, but the last two glue as firmly as possible, and so on to the front."""
        pairs = self.glued(word[-2], word[-1]) if len(word) > 1 else []
        chars = [pairs[0][1] if pairs else self.representatives[word[-1]]] if word else []
        for number, after in reversed([*pairwise(word)]):
            known = [left for left, right in self.glued(number, after) if right == chars[-1]]
            chars.append(known[0] if known else self.representatives[number])
        return "".join(reversed(chars))

    def spell_plainly(self, word: Word) -> str:
        return "".join(self.representatives[number] for number in word)

    def spell_at_random(self, word: Sequence[int], chance: random.Random) -> str:
        return "".join(chance.choice(self.members[number]) for number in word)

    def _next(self, before: str, number: int) -> str:
        """A member of class `number` that glues to the character before."""
        key = before, number
        if key not in self._after:
            pairs = self.glued(self.alphabet.class_of(before), number)
            known = [right for left, right in pairs if left == before]
            tried = [*known, self.representatives[number], *self.members[number][:40]]
            self._after[key] = next((char for char in tried if self.glues(before, char)), tried[0])
        return self._after[key]


@lru_cache(maxsize=2)
def built_in(name: str) -> Tokenizer:
    """A built-in model: one object, and so one guide, for all runs of a process."""
    return dstok.load(name)


@lru_cache(maxsize=2)  # each cached guide keeps its tokenizer in memory
def guide_of(tokenizer: Tokenizer) -> Guide:
    """The guide of a tokenizer. The last two are remembered, with all that they have computed."""
    return Guide(tokenizer)


def _character_classes(model: Inspection) -> Alphabet:
    """The classes of a model of characters: kinds of characters, each in the vocabulary or not."""
    size = len(model.tables["starts"]) // 4 - 1  # added tokens may follow the vocabulary
    known = {text for text in map(_character, map(model.token, takewhile(size.__gt__, model.ids()))) if text}
    kinds = [general_category("L") | general_category("M"), general_category("P") | general_category("S")]
    return build_alphabet([*kinds, *map(CodePointSet.from_chars, ("0123456789", " ", BLANK, "\n", "\t", "\r")),
                           CodePointSet.from_chars("".join(sorted(known)))])


def _character(token: bytes) -> str:
    """The character that a token is; "" if it is none."""
    text = token.decode("utf-8", "replace") if len(token) <= 4 else ""
    return text if len(text) == 1 and text != "\ufffd" else ""


def _sample(chance: random.Random, codes: list[int], count: int) -> list[int]:
    return chance.sample(codes, min(count, len(codes)))


def width(text: str) -> int:
    """The length of a text in bytes."""
    return len(text.encode())


def _token(guide: Guide, id: int) -> bytes:
    return guide.tokenizer.decode_bytes([id]) if guide.model.has(id) else b"?"


def bytes_of(guide: Guide, ids: Iterable[int]) -> bytes:
    """The bytes of the ids, with `?` for an id that the model does not have."""
    return b"".join(_token(guide, id) for id in ids)


def ends(guide: Guide, ids: Iterable[int]) -> Iterator[int]:
    """The end of each id in `bytes_of`."""
    at = 0
    for id in ids:
        at += len(_token(guide, id))
        yield at


def tokens_of(guide: Guide, ids: list[int], size: int) -> int:
    """How many of the first ids have `size` bytes together."""
    return next((number for number, end in enumerate(ends(guide, ids), 1) if end >= size), len(ids))


def violated(guide: Guide, piece: bytes, theirs: list[int]) -> str:
    """The first merge of the reference that the candidate's tokens show to be missing."""
    cuts = set(ends(guide, theirs))
    merges = guide.merges
    parts = [piece[at : at + 1] for at in range(len(piece))]
    ids = [guide.model.merge(part)[0] for part in parts]
    while True:
        options = [(*merges[pair], at) for at, pair in enumerate(pairwise(ids)) if pair in merges]
        if not options:
            return "one merge too few or too many at the end"
        rank, merged, at = min(options)
        border = sum(map(len, parts[: at + 1]))
        if border in cuts:
            return f"{spelled(parts[at])} + {spelled(parts[at + 1])} (rank {rank})"
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids[at : at + 2] = [merged]


def spelled(data: bytes) -> str:
    """The bytes of a token: as a text if they are one."""
    try:
        return repr(data.decode())
    except UnicodeDecodeError:
        return repr(data)
