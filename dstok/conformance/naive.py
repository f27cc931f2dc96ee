"""A plain tokenizer, for proofs and for causes: each step from a text to ids as its definition says, and nothing more.

In: Split steps, perhaps a mistake in them; the tables of a model, its merges by rank. Out: `Cascade`, the pieces;
`Textbook`, the ids of each token's bytes, and the live merges; `Plain`, the ids of a text. Invariant: without a mistake
the pieces equal those of the tokenizer's own automaton; the pair of the least rank is merged, the leftmost of equals.
Nothing here shares code with the core; the data of Unicode are the same. Source: Sennrich, Haddow, Birch, "Neural
machine translation of rare words with subword units", 2016; Reps 1998 for remembered failed reads, so time is linear.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from unicodedata import normalize

from dstok._util.objects import lazy
from dstok.compiled.tables import Tables
from dstok.errors import UnsupportedError
from dstok.formats.description import PREFIX_SPACE, TEXT_SPACE, WORD_END, AddedToken, NormalizerStep
from dstok.inspection.inspection import Inspection
from dstok.normalizers import make_step
from dstok.regex import Split
from dstok.regex.alphabet import Alphabet, build_alphabet
from dstok.regex.ast import Alternate, Concat, Node, Repeat, character_sets
from dstok.regex.dfa import DEAD, DFA, NO_TAG, START
from dstok.regex.lookaround import OracleAlphabet, replace_look_around
from dstok.regex.nfa import build_nfa, determinize
from dstok.regex.parser import parse
from dstok.unicode.normalization import FORMS, OLDEST, combining_classes, decompositions
from dstok.unicode.properties import CodePointSet, white_space, word

Steps = tuple[tuple[Node, ...], ...]  # for each step its alternatives
FAR = 16  # failed reads of so many characters are remembered


def alternatives_of(splits: Sequence[Split], unicode_version: str) -> Steps:
    """The alternatives of each step's pattern."""
    trees = [parse(split.pattern, unicode_version) for split in splits]
    return tuple(tree.items if isinstance(tree, Alternate) else (tree,) for tree in trees)


class Cascade:
    """Steps that cut one after the other, each the pieces of the step before. All are Isolated.

    mistake: "longest": the longest match of the alternatives counts, not the first; "past_edge": a look-ahead at the
    edge of a piece sees the text after it; "gaps_dropped": text that no step has matched is lost.
    """

    def __init__(self, steps: Steps, mistake: str = "") -> None:
        self.mistake = mistake
        self.alphabet: Alphabet = build_alphabet(s for step in steps for tree in step for s in character_sets(tree))
        self.steps: list[list[DFA]] = [[self._dfa(tree) for tree in step] for step in steps]

    def _dfa(self, tree: Node) -> DFA:
        letters = OracleAlphabet(self.alphabet)
        matches = determinize(build_nfa(replace_look_around(Concat((tree,)), letters), letters))
        if letters.predicates:
            raise UnsupportedError("an alternative with look-around of more than one character")
        return matches

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text."""
        symbols = [self.alphabet.class_of(char) for char in text]
        spans = [(0, len(text))] if text else []
        matched: set[int] = set()  # the places that some step has matched
        for step in self.steps:
            spans = [part for start, end in spans for part in self._cut(step, symbols, start, end, matched)]
        if self.mistake == "gaps_dropped":
            spans = [span for span in spans if span[0] in matched]
        return [text[start:end] for start, end in spans]

    def _cut(
        self, step: list[DFA], symbols: list[int], start: int, end: int, matched: set[int],
    ) -> Iterator[tuple[int, int]]:
        """Matches and gaps of one step in one piece; the places of the matches go into `matched`."""
        futile: list[set[tuple[int, int]]] = [set() for _ in step]
        after = symbols[end] if self.mistake == "past_edge" and end < len(symbols) else self.alphabet.end
        gap = at = start
        while at < end:
            stops = (longest_match(dfa.edges, symbols, at, end, after, known) for dfa, known in zip(step, futile))
            stop = max(stops) if self.mistake == "longest" else next((stop for stop in stops if stop > at), at)
            if stop > at:
                if gap < at:
                    yield gap, at
                yield at, stop
                matched.update(range(at, stop))
                gap = stop
            at = max(stop, at + 1)
        if gap < end:
            yield gap, end


def longest_match(
    edges: Sequence[Sequence[tuple[int, int]]], symbols: list[int], start: int, end: int, after: int,
    futile: set[tuple[int, int]],
) -> int:
    """The end of the longest match at `start`, or `start`. `futile`: states and places from which no match ends."""
    state, best, path = START, start, list[tuple[int, int]]()
    for at in range(start, end + 1):
        if (state, at) in futile:
            break
        path.append((state, at))
        state, tag = edges[state][symbols[at] if at < end else after]
        if tag != NO_TAG:
            best, path = at, []
        if state == DEAD:
            break
    if len(path) > FAR:
        futile.update(path)
    return best


def rewritten(node: Node, change: Callable[[Node], Node]) -> Node:
    """The pattern with each node as `change` makes it, the inner ones first."""
    if isinstance(node, Repeat):
        node = replace(node, item=rewritten(node.item, change))
    elif isinstance(node, (Alternate, Concat)):
        node = replace(node, items=tuple(rewritten(item, change) for item in node.items))
    return change(node)


def as_lazy(node: Node) -> Node:
    """The pattern with a first unbounded repeat that takes as little as possible."""
    if isinstance(node, Repeat) and node.high is None:
        return replace(node, greedy=False)
    if isinstance(node, Concat):
        for at, item in enumerate(node.items):
            if (changed := as_lazy(item)) != item:
                return replace(node, items=(*node.items[:at], changed, *node.items[at + 1 :]))
    return node


LONGEST = 512  # bytes of a token: the loop takes quadratic time
LONGEST_PIECE = 1100  # the same of a piece of a text
Merge = tuple[int, int, int]


class Textbook:
    """The tokens of one model, merged plainly."""

    def __init__(self, tables: Tables, merges: Sequence[int]) -> None:
        self.tables = tables
        starts, blob = array("I", bytes(tables.sections["starts"])), bytes(tables.sections["blob"])
        self.tokens = [blob[first:end] for first, end in pairwise(starts)]
        self.byte_ids: list[int] = tables.header.byte_ids
        lost, self.unknown = tables.header.lost
        self.lost, self.fuses = frozenset(lost), tables.header.unknown is not None and tables.header.unknown[1]
        self.ranks = {pair: rank for rank, pair in enumerate(zip(merges[::3], merges[1::3]))}
        self.merged = merges[2::3]
        self.raw = frozenset(tables.header.raw_ids)
        self.by_character: dict[str, int] | None = None
        if tables.characters is not None:
            self.by_character = {text: number for number, token in enumerate(self.tokens)
                                 if 2 <= len(token) <= 4 and len(text := _text(token)) == 1}

    @lazy
    def results(self) -> list[tuple[bytes, list[int], Merge | None]]:
        """Each token that is merged, with the ids that merging makes of it, and the last merge."""
        return [(token, *self.merge(token)) for number, token in enumerate(self.tokens)
                if number not in self.raw and 0 < len(token) <= LONGEST]

    def live(self) -> set[Merge]:
        """The merges that are the last step of their token."""
        return {last for _, ids, last in self.results if last is not None and len(ids) == 1}

    def merge(self, token: bytes) -> tuple[list[int], Merge | None]:
        """The ids of these bytes, and the last merge."""
        ids, last = self._symbols(token), None
        none = len(self.ranks)
        known = [self.ranks.get(pair, none) for pair in pairwise(ids)]
        while known and (rank := min(known)) != none:
            at = known.index(rank)
            last = ids[at], ids[at + 1], self.merged[rank]
            ids[at : at + 2] = [last[2]]
            del known[at]
            for near in range(max(at - 1, 0), min(at + 1, len(known))):  # the pairs with the new symbol
                known[near] = self.ranks.get((ids[near], ids[near + 1]), none)
        return ids, last

    def _symbols(self, token: bytes) -> list[int]:
        """The ids that merging starts from."""
        if self.lost:
            return [self.unknown if byte in self.lost else self.byte_ids[byte] for at, byte in enumerate(token)
                    if byte not in self.lost or (
                        self.unknown >= 0 and not (self.fuses and at and token[at - 1] in self.lost))]
        if self.by_character is None or not _text(token):
            return [self.byte_ids[byte] for byte in token]
        known = self.by_character
        return [id for char in _text(token) for id in (
            [known[char]] if char in known else [self.byte_ids[byte] for byte in char.encode()])]


def _text(token: bytes) -> str:
    """The text of a token; "" if its bytes are not text."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return ""


class Plain:
    """A text's way to ids, step by step. `pieces` cuts a stretch without added tokens, except for models of characters.

    Added tokens with normalized=false are found in the text, each stretch between two of them is normalized, and the
    other added tokens are found there, by their normalized content. Of the tokens that begin first the longest counts.
    """

    def __init__(self, model: Inspection, book: Textbook, pieces: Callable[[bytes], Iterable[str]]) -> None:
        self.book, self._cut_bytes, version = book, pieces, model.unicode_version
        self._spaces = white_space(version)
        self._words = word(version, in_class=True) | CodePointSet.from_ranges([(0x200C, 0x200D)])
        self._steps = [(step.type == TEXT_SPACE, _step(step, version)) for step in model.normalizer]
        raw, others = ([token for token in model.added_tokens if token.normalized == kind] for kind in (False, True))
        self._raw = {token.content: token for token in raw}
        self._others = {token.content if token.literal else self.normalize(token.content, True): token
                        for token in others}
        self._split = book.tables.characters is not None and book.tables.characters.split
        self._whole = {} if not model.takes_whole_tokens else {
            token: id for id, token in reversed([*enumerate(book.tokens)]) if token and id not in book.raw}
        self._known: dict[str, list[int]] = {}

    def normalize(self, stretch: str, at_start: bool) -> str:
        """A stretch after the normalizer's steps; is it at the start of the text?"""
        for only_at_start, step in self._steps:
            if stretch and (at_start or not only_at_start):
                stretch = step(stretch)
        return stretch

    def seen(self, text: str, added: bool = True) -> list[tuple[int | None, str]]:
        """The text as the model sees it: each added token with its id, and the stretches between them with None."""
        found: list[tuple[int | None, str]] = []
        for id, part in self._found(text, self._raw if added else {}):
            if id is not None:
                found.append((id, part))
            else:
                found += self._found(self.normalize(part, not found), self._others if added else {})
        return found

    def ids(self, text: str, added: bool = True) -> list[int]:
        """The ids of a text. Raises `TooLongError` for a piece that the loop would take too long for."""
        ids: list[int] = []
        for id, part in self.seen(text, added):
            if id is not None:
                ids.append(id)
            else:
                for piece in self.pieces(part):
                    ids += self._known.get(piece) or self._merged(piece)
        return ids

    def pieces(self, stretch: str) -> Iterable[str]:
        """The pieces of a normalized stretch; in a model of characters cut where no live merge joins the two beside."""
        if self.book.by_character is None:
            return self._cut_bytes(stretch.encode())
        ends = [at for at, pair in enumerate(pairwise(stretch), 1)
                if pair not in self._joined or (self._split and pair[1] == " ")]
        return (stretch[start:end] for start, end in pairwise([0, *ends, len(stretch)]))

    def _merged(self, piece: str) -> list[int]:
        data = piece.encode() + (WORD_END if self.book.tables.header.word_end else b"")
        if len(data) > LONGEST_PIECE:
            raise TooLongError(len(data))
        whole = self._whole.get(data)
        self._known[piece] = ids = self.book.merge(data)[0] if whole is None else [whole]
        return ids

    @lazy
    def _joined(self) -> set[tuple[str, str]]:
        tokens = self.book.tokens
        return {(_text(tokens[left])[-1:], _text(tokens[right])[:1]) for left, right, _ in self.book.live()}

    def _found(self, text: str, tokens: dict[str, AddedToken]) -> Iterator[tuple[int | None, str]]:
        lengths = sorted({len(content) for content in tokens}, reverse=True)
        firsts = {content[0] for content in tokens}
        begun = at = 0
        while at < len(text):
            content = "" if text[at] not in firsts else next(
                (text[at : at + length] for length in lengths if text[at : at + length] in tokens), "")
            if not content:
                at += 1
                continue
            start, at, token = at, at + len(content), tokens[content]
            beside = text[max(start - 1, 0) : start] + text[at : at + 1]
            if token.single_word and any(char in self._words for char in beside):
                continue
            while token.lstrip and start > begun and text[start - 1] in self._spaces:
                start -= 1
            while token.rstrip and at < len(text) and text[at] in self._spaces:
                at += 1
            if begun < start:
                yield None, text[begun:start]
            yield token.id, text[start:at]
            begun = at
        if begun < len(text):
            yield None, text[begun:]


class TooLongError(ValueError):
    """A piece of so many bytes, which plain merging would take too long for."""


def normal_form(text: str, form: str, version: str = OLDEST) -> str:
    """The text in a normal form: decomposed, its marks in order, and in NFC and NFKC composed again."""
    classes, (mappings, _, pairs) = combining_classes(version), decompositions(form.startswith("NFK"), version)
    rest, codes = [ord(char) for char in reversed(text)], list[int]()
    while rest:
        code = rest.pop()
        if code in mappings:
            rest += map(ord, reversed(mappings[code]))
        else:
            codes += map(ord, normalize("NFD", chr(code))) if 0xAC00 <= code <= 0xD7A3 else [code]
    codes = [code for _, run in groupby(codes, classes.__contains__)
             for code in sorted(run, key=lambda code: classes.get(code, 0))]
    if form.endswith("D"):
        return "".join(map(chr, codes))
    made, starter = list[int](), -1
    for code in codes:
        if starter >= 0 and (starter == len(made) - 1 or classes.get(made[-1], 0) < classes.get(code, 0)):
            joined = normalize("NFC", chr(made[starter]) + chr(code)) if 0x1161 <= code <= 0x11C2 else ""
            both = ord(joined) if len(joined) == 1 else pairs.get(chr(made[starter]) + chr(code))
            if both is not None:
                made[starter] = both
                continue
        if code not in classes:
            starter = len(made)
        made.append(code)
    return "".join(map(chr, made))


def known_codes(step: NormalizerStep) -> Iterable[str]:
    """The characters that the data of a normal form name."""
    if step.type not in FORMS:
        return ()
    mappings, _, pairs = decompositions(step.type.startswith("NFK"), step.unicode_version or OLDEST)
    return map(chr, {*mappings, *combining_classes(step.unicode_version or OLDEST), *map(ord, "".join(pairs))})


def _step(step: NormalizerStep, version: str) -> Callable[[str], str]:
    if step.type in FORMS:
        return lambda text: normal_form(text, step.type, step.unicode_version or OLDEST)
    run = make_step(step._replace(type=PREFIX_SPACE) if step.type == TEXT_SPACE else step, version)
    return lambda text: run(text, None, 1 << 40)[0]
