"""The kit's knowledge of a tokenizer: its tokens, the states of its automaton, the characters that lead there.

In: a dstok `Tokenizer`; ids; the generated table of the code points whose general category changed between Unicode
versions. Out: `Guide`: a shortest way to each state of the automaton, some members of each class to stand for it, and
characters that make a wrong boundary visible: the ids show one only where a merge would go across it, so for each pair
of classes the guide looks for characters that "glue": merged as one piece, they give a token across the border. A model
of characters has no automaton that cuts: its classes are kinds of characters, each in the vocabulary or not; its states
are the start of a text, and later places. Of a code point its category by version; of two versions the code points that
differ. Invariant: the same tokenizer gives the same. A code point outside the table has one category in all `VERSIONS`.
Source: unicode_tables/changes.py.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import accumulate, chain, pairwise, takewhile
from pathlib import Path

import dstok
from dstok._util.objects import lazy
from dstok.conformance.naive import longest_match
from dstok.formats.description import BLANK
from dstok.inspection.inspection import Inspection
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.bimachine import piece_ends
from dstok.regex.cascade import Program
from dstok.regex.dfa import DEAD, NO_TAG, START, explore
from dstok.regex.marked_language import Marked
from dstok.tokenizer import Tokenizer
from dstok.unicode import category_of
from dstok.unicode.properties import CodePointSet, general_category

Word = tuple[int, ...]  # classes
Ids = tuple[int, ...]
Splitter = Callable[[str], list[str]]
PREFERRED = "a1 .\n中の\téé,"  # these stand for their classes if they are members: the most readable ones
GLUED = 4  # pairs of characters kept for a pair of classes
TRIES = 1500  # pairs of members that are merged in search of one that glues
SURROGATES = range(0xD800, 0xE000)
AFTER = START + 1  # the state after a character, for a model of characters


def _left_edges(marked: Marked) -> list[list[tuple[int, int]]]:
    """The edges of an automaton that reads texts from the left: a state is a set of those that any marks lead to."""
    def step(states: frozenset[int], symbol: int) -> tuple[frozenset[int], int]:
        before = states.union(after for state in states for _, after in marked.marks(state))
        return frozenset(marked.rows[state][symbol] for state in before) - {DEAD}, NO_TAG

    return explore(frozenset([START]), step, marked.end + 1, frozenset())


class Guide:
    """A tokenizer's classes, states and merges, as the makers of texts need them; its ids with one part exchanged."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.model = tokenizer, tokenizer.inspect()
        self.program = tokenizer.inspect().cascade
        self.alphabet: Alphabet = self.program.alphabet
        self.edges: Sequence[Sequence[tuple[int, int]]] = (
            self.program.boundaries.edges if isinstance(self.program, Program) else _left_edges(self.program.visible))
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
        chance, moved, found = random.Random(0), dict[int, list[int]](), []
        for code in changed():
            moved.setdefault(self.alphabet.class_of(chr(code)), []).append(code)
        for number, members in enumerate(self.alphabet.classes):
            kinds: dict[tuple[str, int], int] = {}
            for first, last in members.ranges:
                for code in (first, (first + last) // 2, last):
                    kinds.setdefault((category_of(code), len(chr(code).encode(errors="replace"))), code)
            edges, other = [code for span in members.ranges for code in span], moved.get(number, [])
            inside = [chance.randint(*chance.choice(members.ranges)) for _ in range(20)]
            codes = [*kinds.values(), *chance.sample(edges, min(60, len(edges))), *inside,
                     *chance.sample(other, min(20, len(other)))]
            found.append(tuple(dict.fromkeys(chr(code) for code in codes if code not in SURROGATES)))
        return tuple(found)

    @lazy
    def interesting(self) -> tuple[int, ...]:
        """Code points where a set may be wrong: all below U+3400, edges of classes, and edges of changes."""
        codes = {*range(0x3400), *edges()}
        for members in self.alphabet.classes:
            for first, last in members.ranges:
                codes.update((first - 1, first, last, last + 1))
        return tuple(code for code in sorted(codes) if 0 <= code < 0x110000 and code not in SURROGATES)

    def merged(self, text: str) -> list[int]:
        """The ids of `text` as one piece."""
        return self.model.merge(text.encode())

    def glues(self, left: str, right: str) -> int | None:
        """The id of the token across the border of the two when they are merged as one piece, if there is one."""
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
                if (id := self.glues(*pair)) is not None:
                    pairs[pair] = id  # in most vocabularies, smaller ids are merged earlier
                if len(pairs) == 6 * GLUED:
                    break
            self._glue[key] = sorted(pairs, key=lambda pair: pairs[pair])[:GLUED]
        return self._glue[key]

    @lazy
    def _vocabulary_pairs(self) -> dict[tuple[int, int], list[tuple[str, str]]]:
        """By classes, neighbours inside tokens; at most 50 for a pair of classes."""
        by_kinds: dict[tuple[int, int], dict[tuple[str, str], None]] = {}
        for token in self.token_texts.values():
            for chars, kinds in zip(pairwise(token), pairwise(self.classes_of(token))):
                pairs = by_kinds.setdefault(kinds, {})
                if len(pairs) < 50:
                    pairs[chars] = None
        return {key: list(pairs) for key, pairs in by_kinds.items()}

    @lazy
    def token_texts(self) -> dict[int, str]:
        """By id, the tokens of the vocabulary that are whole text, without added tokens."""
        texts, added = {}, set(self.tokenizer.added_tokens.values())
        for id in self.model.ids():
            with suppress(UnicodeDecodeError):
                if id not in added:
                    texts[id] = self.tokenizer.decode_bytes([id]).decode()
        return texts

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
            self._after[key] = next((char for char in tried if self.glues(before, char) is not None), tried[0])
        return self._after[key]

    def reference(self, text: str) -> Ids:
        return tuple(self.tokenizer.encode(text))

    def with_splitter(self, split: Splitter, text: str, merge: Callable[[str], list[int]] | None = None) -> Ids:
        """The ids if `split` cut the text between added tokens, and `merge` made the ids of a piece."""
        data, merge = self.model.seen(text).encode(), merge or self.merged
        ids, at = list[int](), 0
        for id, start, end in [*self.model.added_in(text), (-1, len(data), len(data))]:
            ids += [part for piece in split(data[at:start].decode()) for part in merge(piece)]
            ids += [] if id < 0 else [id]
            at = end
        return tuple(ids)

    def longest(self, piece: str) -> list[int]:
        """The ids of the longest tokens, one after the other from the left."""
        data, ids, at = piece.encode(), list[int](), 0
        known, sizes = self._tokens
        while part := next((part for size in sizes if (part := data[at : at + size]) in known), b""):
            ids.append(known[part])
            at += len(part)
        return ids

    @lazy
    def _tokens(self) -> tuple[dict[bytes, int], list[int]]:
        """The vocabulary's tokens with their ids, and their sizes, the largest first."""
        model, added = self.model, {*self.tokenizer.added_tokens.values()}
        size = len(model.tables["starts"]) // 4 - 1
        known = {model.token(id): id for id in reversed([*takewhile(size.__gt__, model.ids())]) if id not in added}
        known.pop(b"", None)
        return known, sorted({*map(len, known)}, reverse=True)

    def pieces(self, text: str, override: Callable[[str], int] | None = None) -> list[str]:
        """The pieces of a text, with some characters treated as members of other classes."""
        if self.model.merges_characters:  # merges decide where these end, not classes
            data = text.encode()
            return [data[start:end].decode() for start, end in self.model.parts(text)]
        symbols, ends, futile = list(map(override or self.alphabet.class_of, text)), [0], set[tuple[int, int]]()
        if not isinstance(self.program, Program):
            ends += piece_ends(self.program.visible, symbols)
        while ends[-1] < len(text):
            ends.append(longest_match(self.edges, symbols, ends[-1], len(text), self.alphabet.end, futile))
        return [text[start:end] for start, end in pairwise(ends)]

    def reclassified(self, taken: dict[str, int], text: str) -> Ids:
        """The ids if each character of `taken` were a member of its class there."""
        class_of = self.alphabet.class_of
        return self.reference(text) if taken.keys().isdisjoint(text) else self.with_splitter(lambda part: self.pieces(
            part, lambda char: taken[char] if char in taken else class_of(char)), text)

    def by_unicode(self, version: str, own: str, text: str) -> Ids:
        """The ids by the tables of `version`, for a tokenizer with tables of `own`."""
        table, class_of = moved(version, own), self.alphabet.class_of
        return self.reclassified(
            {char: class_of(stand_in(table[char], ord(char))) for char in set(text) if char in table}, text)


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
    tokens = map(model.token, takewhile(size.__gt__, model.ids()))
    texts = {token.decode("utf-8", "replace") for token in tokens if 0 < len(token) <= 4} - {"\ufffd"}
    known = "".join(sorted(text for text in texts if len(text) == 1))
    kinds = [general_category("L") | general_category("M"), general_category("P") | general_category("S")]
    return build_alphabet([*kinds, *map(CodePointSet.from_chars, ("0123456789", " ", BLANK, "\n", "\t", "\r", known))])


def bytes_of(guide: Guide, id: int) -> bytes:
    """The bytes of an id; `?` for one that the model does not have."""
    return guide.tokenizer.decode_bytes([id]) if guide.model.has(id) else b"?"


def ends(guide: Guide, ids: Iterable[int]) -> list[int]:
    """The end of each id in the bytes of all."""
    return list(accumulate(len(bytes_of(guide, id)) for id in ids))


def spelled(data: bytes) -> str:
    """The bytes of a token: as a text if they are one."""
    try:
        return repr(data.decode())
    except UnicodeDecodeError:
        return repr(data)


_table = Path(__file__).with_name("unicode_changes.txt").read_text("utf-8")
_rows = [row for row in _table.split("\n") if not row.startswith("#")]
VERSIONS = tuple(_rows[0].split())


@cache
def _changes() -> dict[int, tuple[str, ...]]:
    """By code point, rising, its category in each version."""
    found = dict[int, tuple[str, ...]]()
    for word in " ".join(_rows[1:]).split():
        span, row = word.split(":")
        first, _, last = span.partition("-")
        kinds = tuple(row[at : at + 2] for at in range(0, len(row), 2))
        found |= dict.fromkeys(range(int(first, 16), int(last or first, 16) + 1), kinds)
    return found


def categories(char: str) -> dict[str, str]:
    """The general category of a character in each version."""
    row = _changes().get(ord(char))
    return dict(zip(VERSIONS, row)) if row else dict.fromkeys(VERSIONS, category_of(ord(char)))


def changed() -> tuple[int, ...]:
    """The code points whose category differs between any two of the versions, rising."""
    return tuple(_changes())


def edges() -> tuple[int, ...]:
    """First and last of each run of code points that changed together."""
    rows = _changes()
    return tuple(code for code, row in rows.items() if not row == rows.get(code - 1) == rows.get(code + 1))


@cache
def moved(version: str, other: str) -> dict[str, str]:
    """The characters whose categories in `version` and `other` differ, with the category in `version`."""
    one, two = VERSIONS.index(version), VERSIONS.index(other)
    return {chr(code): row[one] for code, row in _changes().items() if row[one] != row[two]}


@cache
def stand_in(category: str, code: int) -> str:
    """The nearest character of this category, in all versions, to a code point."""
    for distance in range(1, 0x110000):
        for near in (code - distance, code + distance):
            if 0 <= near < 0x110000 and near not in _changes() and category_of(near) == category:
                return chr(near)
    raise ValueError(f"no code point has the category {category!r}")
