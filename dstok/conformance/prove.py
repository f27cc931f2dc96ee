r"""`prove`: the steps of a model from text to ids, each with its proof, checked again on its tables and on the code.

In: a tokenizer. Out: a `Step` for each part that the model has: is it proved, enumerated or tested, what has run, where
docs/proofs.md has the theorem, and the faults that were found; at last what nothing has looked at.
Invariant: a theorem speaks about tables with certain properties, and what runs here checks these properties on the
tables that encode. It makes them again from the patterns, tokens and merges, or compares them with a plain form of the
same step (naive.py). A theorem says nothing about code: so each part also encodes, at each level that this processor
has, and its answers are compared with the plain form's.
Tokens, merges and patterns are the model itself: nothing here can show that a file has the wrong ones.

Example: in an image one bit of the safe cuts is changed. The step "safe cuts" then fails, and names the pair's bit.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dstok._util.arguments import explained
from dstok._util.objects import lazy
from dstok.compiled.build import CLASSES, build_tables, describe_tables
from dstok.compiled.kernel_selection import CASED, KINDS, NONE, TEKKEN, classes_of, find_difference, goes_on_from_cuts
from dstok.compiled.tables import MATRIX_HEAD, Header, Tables, bare_bpe, make_plain_finder
from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.naive import (
    LONGEST,
    Cascade,
    Mistake,
    Plain,
    Textbook,
    TooLongError,
    alternatives_of,
    known_codes,
)
from dstok.conformance.texts import cover_size, cover_words
from dstok.core.bpe.tables import all_merges, joined_characters, live_merges, merges_of
from dstok.core.check import proofs
from dstok.core.cpu import level as cpu_level
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.automaton import Scanner, pack_edges
from dstok.core.split.finder import PieceFinder
from dstok.errors import DstokError, UnsupportedError
from dstok.formats.description import TokenizerConfig
from dstok.regex.ast import character_sets
from dstok.regex.cascade import Program, compile_splits
from dstok.regex.parser import parse
from dstok.tokenizer import Tokenizer, tokenizer_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


Kind = Literal["proved", "enumerated", "tested", "none"]
MOST_WORDS = 100_000  # of a class cover: seconds for the plain cascade
MOST_FAULTS = 3  # that a step names
TOKENS = 400  # of the text that grows
ADDED = 200  # added tokens in texts
SHORT_TEXTS, SHUFFLED = 4000, 40_000  # texts that are encoded alone; tokens that are encoded one after the other
JOINED = 200_000  # characters of the longest text: Kimi's own code cuts longer ones
STRIPS, STRIP_BYTES = 64, 15  # texts that `merge_in_strips` takes, and their bytes
BLOCK = 256  # code points that are normalized at once
LEFT_OUT = ("whether the tokens, merges, patterns, added tokens and normalizer are those of the model; the data of "
            "Unicode; decoding, offsets, batches, streams, budgets; special=\"raise\" and sets of added tokens")
SURROGATES = slice(0xD800, 0xE000)
# Texts around a character: each leaves the rules in another state, and moves it to other columns of the blocks.
AROUND = (("", ""), ("it's a", " "), (" ", "a"), ("!", "\n"), ("12", "  "))
# The same for normal forms: a base before, marks on both sides, parts of syllables.
AROUND_MARKS = (("a", ""), ("e\u0323", ""), ("", "\u0301"), ("\u1100", "\u11a8"), ("\uac00", ""), (" ", " "))


class Step(NamedTuple):
    """A step from pattern to ids.

    kind: "proved": a theorem, for all texts; "enumerated": all cases up to a size; "tested": some cases; "none": of
        the last one, whose `done` names what no step looks at.
    done: what this run has checked. theorem: the heading in docs/proofs.md. faults: empty if the step holds.
    """

    name: str
    kind: Kind
    done: str
    theorem: str
    faults: tuple[str, ...]


@explained
def prove(tokenizer: Tokenizer, progress: Callable[[str], None] = lambda name: None) -> list[Step]:
    """All steps of a tokenizer, and what none looks at; `progress` gets the name of each before it runs.

    It takes seconds to a minute, and 500 MB for a vocabulary of 130,000 tokens. No other thread should make tokenizers
    meanwhile: they would run at the level that is being tried.

    >>> import dstok
    >>> tok = dstok.Tokenizer.from_tiktoken({bytes([byte]): byte for byte in range(256)}, "[a-z]+|[^a-z]+")
    >>> [(step.name, step.kind, step.faults) for step in prove(tok)][:2]
    [('classes', 'enumerated', ()), ('one automaton', 'enumerated', ())]
    """
    found = []
    for name, check in steps(tokenizer):
        progress(name)
        found.append(check())
    return found


def steps(tokenizer: Tokenizer) -> Iterator[tuple[str, Callable[[], Step]]]:
    """The name of each step, and the function that checks it."""
    def run(name: str, kind: Kind, theorem: str, check: Callable[[], tuple[str, list[str]]]) -> Step:
        try:
            done, faults = check()
        except (DstokError, ValueError, IndexError, KeyError) as error:  # tables too damaged for the check itself
            done, faults = "could not run to its end", [str(error)]
        return Step(name, kind, done, theorem, tuple(faults))

    for row in _Checks(tokenizer).listed():
        yield row[0], partial(run, *row)


class _Checks:
    """The checks of one tokenizer. Each gives what it has done, and the faults."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.model = tokenizer, tokenizer.inspect()
        self.tables = Tables(Header.read(self.model.description), self.model.tables)
        self.header, self.sections = self.tables.header, self.tables.sections
        self.kernel = self.header.kernel

    def listed(self) -> Iterator[tuple[str, Kind, str, Callable[[], tuple[str, list[str]]]]]:
        if self.model.added_tokens:
            yield "added tokens", "tested", "Added tokens and normalizer", self.added
        if self.model.normalizer:
            yield "normalizer", "enumerated", "Added tokens and normalizer", self.normalizer
        if self.model.merges_characters:
            yield "matrix", "proved", "Matrix of characters", self.matrix
        else:
            yield "classes", "enumerated", "Collapse", self.classes
            yield "one automaton", "enumerated" if self.plain else "proved", "Collapse", self.automaton
            if self.kernel.rules != NONE:
                yield "rules", "proved", "Rules and automaton", self.rules
                yield "blocks of 64 bytes", "proved", "Blocks of 64 bytes", self.blocks
                yield "masks", "enumerated", "Masks", self.masks
            else:
                yield "windows" if len(self.sections["windows"]) else "scan", "enumerated", "Collapse", self.masks
        yield "safe cuts", "proved", "Safe cuts", self.cuts
        yield "live rules", "proved", "Live rules", self.live
        yield "merging", "proved", "Sections", self.merging
        if self.model.lost_bytes:
            yield "lost bytes", "tested", "Sections", self.lost
        yield "encoding", "tested", "Whole texts", self.encoding
        yield "growing texts", "tested", "Growing texts", self.growing
        yield "tables", "proved", "Tables", self.all_tables
        yield "not looked at", "none", "", self.left_out

    @lazy
    def fresh(self) -> Tables:
        """The tables, made again from the model's description."""
        return build_tables(describe_tables(self.tables, (), TokenizerConfig()))

    def differing(self, *names: str) -> list[str]:
        """A fault for each section that differs from a fresh one."""
        return [f"section {name}: {_first_difference(self.sections.get(name, b''), self.fresh.sections.get(name, b''))}"
                for name in names
                if bytes(self.sections.get(name, b"")) != bytes(self.fresh.sections.get(name, b""))]

    def levels(self) -> Iterator[str]:
        """Each level of this processor. What the caller makes before it takes the next one runs at this level."""
        before = cpu_level.chosen_level()
        try:
            for name in cpu_level.levels():
                cpu_level.choose_level(name)
                yield name
        finally:
            cpu_level.choose_level(before)

    def made(self) -> Tokenizer:
        """A new tokenizer of the same tables."""
        return tokenizer_of(self.tables, self.model.added_tokens, None, None)

    @lazy
    def guide(self) -> Guide:
        return Guide(self.tokenizer)

    @lazy
    def way(self) -> Plain:
        """The plain way from a text to its ids."""
        return Plain(self.model, self.textbook, lambda data: self.automaton_pass.split(data))

    # From text to stretches

    @property
    def stride(self) -> int:
        """One added token in so many is tried."""
        return len(self.model.added_tokens) // ADDED + 1

    def added(self) -> tuple[str, list[str]]:
        """The search for added tokens, and a plain one."""
        texts = list(texts_of.added_tokens(self.guide, self.stride))
        texts += ["".join(texts[at : at + 50]) for at in range(0, len(texts), 50)]
        expected = []
        for text in texts:
            at, spans = 0, []
            for id, part in self.way.seen(text):
                at, start = at + len(part.encode()), at
                spans += [] if id is None else [(id, start, at)]
            expected.append(spans)
        faults = [f"{text[:40]!a}, {level}: expected {spans[:4]}, found {found[:4]}" for level in self.levels()
                  for model in [self.made().inspect()] for text, spans in zip(texts, expected)
                  if (found := model.added_in(text)) != spans]
        return f"{len(texts):,} texts, at {_levels()}, by a plain search", faults[:MOST_FAULTS]

    def normalizer(self) -> tuple[str, list[str]]:
        """Every code point, alone and in a row; those that change or may, in contexts; and a plain normalizer."""
        faults: list[str] = []

        def check(texts: Iterable[str]) -> None:
            for text in texts:
                if len(faults) < MOST_FAULTS and (found := self.model.normalize(text)) != (
                        expected := self.way.normalize(text, True)):
                    faults.append(f"{text[:40]!a}: expected {expected[:40]!a}, found {found[:40]!a}")

        known = {*chain.from_iterable(known_codes(step) for step in self.model.normalizer)}
        for start in range(0, 0x110000, BLOCK):
            if 0xD800 <= start < 0xE000:
                continue
            chars = list(map(chr, range(start, start + BLOCK)))
            clean = [char for char in chars if self.model.normalize(char) == char]
            known.update(set(chars).difference(clean) if len(clean) > BLOCK // 2 else ())
            check(("".join(chars), "".join(clean)))
        chance, row = random.Random(3), sorted(known)
        check(f"{before}{char}{after}" for before, after in AROUND_MARKS for char in row)
        check("".join(chance.choices(row, k=chance.randint(2, 12))) for _ in range(SHORT_TEXTS if row else 0))
        done = f"1,112,064 code points; {len(row):,} that may change, in {len(AROUND_MARKS)} contexts and in rows"
        return done, faults

    # From text to pieces

    def classes(self) -> tuple[str, list[str]]:
        """Every code point: no set of the patterns divides a class."""
        import numpy as np

        classes = _class_table(self.sections["pages"], self.sections["page_numbers"])
        version = self.model.unicode_version
        sets = {each for split in self.model.splits
                for each in character_sets(parse(split.pattern, split.unicode_version or version))}
        text, faults = np.ones(0x110000, np.bool_), self.differing("pages", "page_numbers")
        text[SURROGATES] = False
        for each in sets:
            inside = np.zeros(0x110000, np.bool_)
            for first, last in each.ranges:
                inside[first : last + 1] = True
            for number in np.intersect1d(classes[inside & text], classes[~inside & text]).tolist():
                faults.append(f"class {number}: a set of the patterns divides it")
        return f"1,112,064 code points in {len(sets)} sets", faults[:MOST_FAULTS]

    def automaton(self) -> tuple[str, list[str]]:
        """The automaton compiled again is that of the tables; it cuts as the steps do, one after the other."""
        plain, faults = self.plain, self.differing("edges")
        if plain is None:
            return "compiled again", faults
        count = 0
        for word in cover_words(self.guide, self.depth):
            text, count = self.guide.spell_plainly(word), count + 1
            pieces = self.automaton_pass.split(text.encode())
            if pieces != (expected := plain.pieces(text)) and len(faults) < MOST_FAULTS:
                faults.append(f"{text!a}: expected {expected!a}, found {pieces!a}")
        return f"compiled again; {count:,} texts: every {self.depth} classes from every state", faults

    @lazy
    def plain(self) -> Cascade | None:
        """The plain form of the steps; None if it does not know their behaviors or their look-around."""
        splits = self.model.splits
        behaviors = [(split.behavior, split.invert) for split in splits]
        matches_alone = behaviors == [("Removed", True)]
        if not matches_alone and set(behaviors) - {("Isolated", False)}:
            return None
        try:
            steps = alternatives_of(splits, self.model.unicode_version)
            return Cascade(steps, Mistake(gaps_dropped=True) if matches_alone else None)
        except UnsupportedError:
            return None

    def rules(self) -> tuple[str, list[str]]:
        """The walk once more: the rules mark as the automaton."""
        program, faults = self.program, []
        rules, kinds, found = self.kernel.rules, self.kernel.kinds, sha256(self.sections["edges"]).hexdigest()
        classes = classes_of(program)
        if found != self.kernel.edges or found != sha256(self.packed).hexdigest():
            faults.append(f"edges: expected SHA-256 {self.kernel.edges}, found {found}")
        if program.kept is None or len(kinds) != len(classes) or not set(kinds) <= {*KINDS[rules]}:
            return "", [*faults, f"kinds: expected one of the rules' kinds for each of {len(classes)} classes"]
        difference = find_difference(rules, program.kept, classes, kinds)
        if difference is not None:
            faults.append(f"rules and automaton differ at the symbols {difference}")
        if rules not in (CASED, TEKKEN) and not goes_on_from_cuts(kinds, classes, program.boundaries.edges):
            faults.append("the automaton cannot go on from cuts")
        return f"walked again with {len(classes)} classes", faults

    def blocks(self) -> tuple[str, list[str]]:
        """Nothing of the model: the theorem is about the rules' source, and the tests of dstok prove it."""
        return "proved on the source of the rules, by tests/core/split/test_proof.py", []

    def masks(self) -> tuple[str, list[str]]:
        """Every code point in some contexts, and every few classes from every state; at each level, and plainly."""
        faults = self.differing("windows")
        texts = ["".join(f"{before}{chr(c)}{after}" for c in range(0x110000) if not 0xD800 <= c < 0xE000)
                 for before, after in AROUND]
        texts.append("".join(map(self.guide.spell_plainly, cover_words(self.guide, self.depth))))
        for data in map(str.encode, texts):
            expected = self.automaton_pass.spans(data)
            for level in islice(self.levels(), 1, None):  # the first one is the automaton
                finder = make_plain_finder(self.tables)
                if place := _first_place(SpanPass(finder).spans(data), expected):
                    faults.append(f"{finder.way()}, {level}: after {data[max(place - 20, 0) : place]!a}: "
                                  f"{data[place : place + 20]!a}")
        done = f"at {_levels()}: 1,112,064 code points in {len(AROUND)} contexts, {self.depth} classes from every state"
        return done, faults[:MOST_FAULTS]

    @lazy
    def depth(self) -> int:
        """The length of the words of classes that are tried: the largest that has few enough of them."""
        return next(k for k in (4, 3, 2, 1) if k == 1 or cover_size(self.guide, k) <= MOST_WORDS)

    @lazy
    def program(self) -> Program:
        """The patterns, compiled again."""
        return compile_splits(self.model.splits, self.model.unicode_version)

    @lazy
    def packed(self) -> bytes:
        """The automaton's table, compiled again."""
        return pack_edges(self.program.boundaries.edges, self.program.alphabet.pages()[0][:128])

    @lazy
    def automaton_pass(self) -> SpanPass:
        """The automaton in the model's tables, without rules and windows."""
        s = self.sections
        for _ in self.levels():  # at the first level, which has no vectors
            scanner = Scanner(s["pages"], s["page_numbers"], s["edges"], self.header.symbols)
            return SpanPass(PieceFinder(scanner))
        raise AssertionError

    # From pieces to ids

    def matrix(self) -> tuple[str, list[str]]:
        """The matrix has a bit for each pair of characters that a merge joins: the pairs J of the theorem."""
        table, pages = self.sections["matrix"], MATRIX_HEAD + 2 * 0x1100
        classes = _class_table(table[pages:], table[MATRIX_HEAD:pages])
        joiner, shape = table[CLASSES], self.tables.characters
        assert shape is not None
        pairs = joined_characters(self.live_array, self.sections["starts"], self.sections["blob"])
        faults = [f"a merge joins U+{left:04X} and U+{right:04X}, and the matrix cuts there"
                  for left, right in ((pair >> 32, pair & 0xFFFFFFFF) for pair in pairs)
                  if not table[classes[left]] >> classes[right] & 1
                  and not (right == ord(" ") and (shape.split or left == joiner))]
        proofs.check_matrix(table, self.sections["joined"], shape.split, bare_bpe(self.tables),
                            merges_of(self.sections["pairs"]))
        return f"{len(pairs):,} joined pairs", [*faults, *self.differing("matrix")][:MOST_FAULTS]

    def cuts(self) -> tuple[str, list[str]]:
        """The joined pairs of all tokens, found again."""
        done = f"{self.textbook.size:,} tokens: joined pairs and borders found again"
        return done, self.differing("joined", "borders")

    def live(self) -> tuple[str, list[str]]:
        """Each token by all merges: its last merge is live, and no other one of it is."""
        expected, faults = self.textbook.live(), []
        live = set(zip(*[iter(self.live_array)] * 3))
        if wrong := live ^ expected:
            faults.append(f"{len(wrong)} merges are live in one way only: {sorted(wrong)[:MOST_FAULTS]}")
        again, dead = live_merges(self.merges, self.sections["starts"], self.sections["blob"],
                                  self.header.byte_ids, self.textbook.characters)
        if again != self.live_array or dead != self.tables.dead:
            faults.append("live and dead merges: expected those found again, found others")
        return f"{len(live):,} live, {len(dead) // 4:,} dead, by all {self.textbook.size:,} tokens", faults

    def merging(self) -> tuple[str, list[str]]:
        """The core's loops give for each token what the textbook gives with all merges; the tables are right."""
        bpe, s, faults = bare_bpe(self.tables), self.sections, []
        merges = merges_of(s["pairs"])
        proofs.check_merges(bpe, merges)
        proofs.check_byte_pairs(bpe, s["byte_pairs"], s["pair_ids"])
        faults += self.differing("pairs", "seeds", "merged", "atoms", "byte_pairs", "pair_ids", "direct")
        for level in self.levels():
            bpe = bare_bpe(self.tables)
            few: list[tuple[bytes, list[int]]] = []
            for token, ids in chain(self.textbook.ids(), [(b"", [])]):  # the last one closes the last row of strips
                if self.model.takes_whole_tokens and self.textbook.lost.intersection(token):
                    continue  # it is taken whole, and no merge makes it
                loops = [bpe.merge_by_heap(token)] if self.model.takes_whole_tokens or not token else [bpe.merge(token)]
                if len(token) <= STRIP_BYTES and not self.model.lost_bytes:
                    few.append((token, ids))
                if len(few) == STRIPS or not token:
                    strips = bpe.merge_in_strips([one for one, _ in few]) or []
                    faults += [f"{one!a}, strips, {level}: expected {right}, found {found}"
                               for (one, right), found in zip(few, strips) if found != right]
                    few.clear()
                faults += [f"{token!a}, {level}: expected {ids}, found {found}" for found in loops if found != ids]
        done = f"{self.textbook.size:,} tokens, at {_levels()}, by the textbook loop"
        return done, faults[:MOST_FAULTS]

    def encoding(self) -> tuple[str, list[str]]:
        """Whole texts, by the calls that encode, twice, so that the piece table is empty first; and the plain way."""
        chance, tokens = random.Random(5), list(self.guide.token_texts.values())
        rows = chance.sample(tokens, min(len(tokens), SHUFFLED))
        long = ["".join(rows[at : at + 500]) for at in range(0, len(rows), 500)]
        long += texts_of.alike(self.guide)
        short = [*texts_of.odd_texts(self.guide), *islice(texts_of.random_texts(self.guide), SHORT_TEXTS)]
        short += islice(texts_of.added_tokens(self.guide, self.stride), SHORT_TEXTS)
        short += [text for length in (63, 64, 65, 129, 200, 300, 1000) for text in
                  [char * (length // len(char.encode())) for char in self.guide.representatives] + [
                      "".join(chance.choices(letters, k=length // len(letters[-1].encode())))
                      for letters in self.alphabets]]
        known, late, faults = list[tuple[str, bool, list[int]]](), 0, list[str]()
        for text in [*long, "".join(long)[:JOINED], *short]:
            for added in (True, False):
                try:
                    self.tokenizer.encode(text, special="all" if added else "none")
                    known.append((text, added, self.way.ids(text, added)))
                except (TooLongError, UnsupportedError):
                    late += 1
        for level in self.levels():
            tok = self.made()
            for turn in ("first", "again"):
                for text, added, ids in known:
                    special: Literal["all", "none"] = "all" if added else "none"
                    found = [tok.encode(text, special=special), tok.encode(text.encode(), special=special)]
                    if any(one != ids for one in found) or tok.count(text, special=special) != len(ids):
                        at = next((at for at, (one, other) in enumerate(zip(ids, found[0])) if one != other), len(ids))
                        faults.append(f"{text[:40]!a}, {level}, {turn}: expected {ids[at : at + 4]} at id {at}, "
                                      f"found {found[0][at : at + 4]}")
        left = f"; {late:,} left out: refused, or with longer pieces" if late else ""
        done = f"{len(known):,} texts twice, str and bytes, counted, at {', '.join(cpu_level.levels())}{left}"
        return done, faults[:MOST_FAULTS]

    @lazy
    def alphabets(self) -> list[str]:
        """Letters of some scripts that the vocabulary has, so that their words are long pieces."""
        chars = {char for text in self.guide.token_texts.values() for char in text}
        ranges = ("az", "\u00e0\u00ff", "\u0430\u044f", "\u3041\u3093", "\u4e00\u9fa5")
        return ["".join(sorted(char for char in chars if ends[0] <= char <= ends[1])) or ends[0] for ends in ranges]

    def lost(self) -> tuple[str, list[str]]:
        """Two tokens with lost bytes between, as one piece, give what the textbook gives."""
        tokens, lost, faults = self.textbook.tokens, self.model.lost_bytes, list[str]()
        tokens = [token for token in tokens[:: max(len(tokens) // TOKENS, 1)] if len(token) <= LONGEST]
        for at, (left, right) in enumerate(pairwise(tokens)):
            piece = left + lost[at % len(lost) :][: 1 + at % 3] + right
            if (found := self.model.merge(piece)) != (ids := self.textbook.merge(piece)[0]) and not (
                    self.model.takes_whole_tokens and piece in self.textbook.tokens):
                faults.append(f"{piece!a}: expected {ids}, found {found}")
        return f"{len(tokens) - 1:,} pieces with some of {len(lost)} lost bytes", faults[:MOST_FAULTS]

    def growing(self) -> tuple[str, list[str]]:
        """A text of many tokens, appended in parts, has the ids of one call."""
        text, faults = self.textbook.some(TOKENS).decode("utf-8", "replace"), []
        try:
            grown = self.tokenizer.encode_incremental()
        except UnsupportedError as error:
            return f"not for this model: {error}", []
        for at in range(0, len(text), 7):
            grown.append(text[at : at + 7])
        if list(grown.ids) != self.tokenizer.encode(text):
            faults.append("ids of a text in parts: expected those of one call, found others")
        return f"{len(text):,} characters in parts of 7", faults

    def all_tables(self) -> tuple[str, list[str]]:
        """Every table, and every fact beside them, is the one that the model's description gives."""
        facts, fresh = (json.loads(json.dumps(each)) for each in (self.header.stored(), self.fresh.header.stored()))
        faults = [f"{name}: expected {str(fresh.get(name))[:60]}, found {str(facts.get(name))[:60]}"
                  for name in sorted({*facts, *fresh}) if facts.get(name) != fresh.get(name)]
        names = sorted({*self.sections, *self.fresh.sections})
        done = f"{len(names)} tables and {len(facts)} facts, made again"
        return done, [*faults, *self.differing(*names)][:MOST_FAULTS]

    def left_out(self) -> tuple[str, list[str]]:
        """What no step has looked at."""
        found = [LEFT_OUT]
        if missing := [name for name in cpu_level.LEVELS if name not in cpu_level.levels()]:
            found.append(f"code for {', '.join(missing)}, which this processor does not have")
        if long := sum(len(token) > LONGEST for token in self.textbook.tokens):
            found.append(f"merging of {long:,} tokens of more than {LONGEST} bytes")
        if not (self.model.merges_characters or self.plain):
            found.append("the automaton's cuts: their plain form does not know this look-around, or this behavior")
        if self.header.cuts_texts:
            found.append("how long texts are cut before they are encoded")
        return "; ".join(found), []

    @lazy
    def live_array(self) -> array[int]:
        """The live merges of the tables, left, right and merged id by rank."""
        pairs, merged = merges_of(self.sections["pairs"]), array("I", bytes(self.sections["merged"]))
        live = array("I", bytes(6 * len(pairs)))
        live[::3], live[1::3] = pairs[::2], pairs[1::2]
        live[2::3] = merged or array("I", range(self.header.first, self.header.first + len(pairs) // 2))
        return live

    @lazy
    def merges(self) -> array[int]:
        return all_merges(self.live_array, self.tables.dead)

    @lazy
    def textbook(self) -> Textbook:
        return Textbook(self.tables, self.merges)


def _levels() -> str:
    return f"{len(cpu_level.levels())} levels"


def _class_table(pages: Any, page_numbers: Any) -> npt.NDArray[np.uint8]:
    """The class of each code point, uint8[0x110000], from a table of two stages."""
    import numpy as np

    found: npt.NDArray[np.uint8] = np.frombuffer(pages, np.uint8).reshape(-1, 256)[np.frombuffer(page_numbers, "<u2")]
    return found.ravel()


def _first_difference(found: Any, expected: Any) -> str:
    """Where two tables differ first."""
    if len(found) != len(expected):
        return f"expected {len(expected)} bytes, found {len(found)}"
    at = next(at for at, (one, other) in enumerate(zip(bytes(found), bytes(expected))) if one != other)
    return f"expected {bytes(expected)[at]} at byte {at}, found {bytes(found)[at]}"


def _first_place(found: npt.NDArray[np.int64], expected: npt.NDArray[np.int64]) -> int:
    """The first place where one of two lists of spans begins a piece and the other does not; 0 if they are equal."""
    size = min(len(found), len(expected))
    wrong = (found[:size] != expected[:size]).any(axis=1)
    if wrong.any():
        at = int(wrong.argmax())
        return int(max(found[at].min(), expected[at].min())) or 1
    return 0 if len(found) == len(expected) else 1
