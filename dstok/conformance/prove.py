"""`prove`: the steps of a model from text to ids, each with its proof, checked again on its tables and on the code.

In: a tokenizer. Out: a `Step` for each part that the model has: is it proved, enumerated or tested, what has run, where
docs/proofs.md or docs/proofs_ids.md has the theorem, and the faults found; at last what nothing has looked at.
Invariant: a theorem speaks about tables with certain properties, and what runs here checks these on the tables that
encode: it makes them again from patterns, tokens and merges, or compares them with a plain form of the step (naive.py).
A theorem says nothing about code: so each part also encodes, at each level that this processor has.
"""

from __future__ import annotations

import json
import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from itertools import accumulate, chain, islice, pairwise, product
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dstok._util.arguments import explained
from dstok._util.objects import lazy
from dstok.compiled.build import CLASSES, build_tables, describe_tables
from dstok.compiled.kernel_selection import KINDS, NONE, ROWS, classes_of, find_difference, goes_on_from_cuts
from dstok.compiled.tables import MATRIX_HEAD, Header, Tables, bare_bpe, make_finder
from dstok.conformance import texts as texts_of
from dstok.conformance.automaton_guide import Guide
from dstok.conformance.naive import LONGEST, Cascade, Plain, Textbook, TooLongError, alternatives_of, known_codes
from dstok.conformance.texts import cover_size, cover_words
from dstok.core.bpe.facts import joined_characters
from dstok.core.bpe.merge import CharacterTable
from dstok.core.bpe.tables import live_merges
from dstok.core.check import proofs
from dstok.core.cpu import level as cpu_level
from dstok.core.encode.pieces import SpanPass
from dstok.core.split.automaton import pack_edges
from dstok.errors import DstokError, UnsupportedError
from dstok.formats.description import TokenizerConfig
from dstok.regex.ast import character_sets
from dstok.regex.cascade import compile_splits
from dstok.regex.parser import parse
from dstok.tokenizer import Tokenizer, tokenizer_of

Kind = Literal["proved", "enumerated", "tested", "none"]
Result = tuple[str, list[str]]  # what was done, and the faults
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
SURROGATES = range(0xD800, 0xE000)
CODES = 1 << 14  # code points in a text: the spans of its pieces stay in the cache
# Texts around a character: each leaves the rules in another state, and moves it to other columns of the blocks.
AROUND = (("", ""), ("it's a", " "), (" ", "a"), ("!", "\n"), ("12", "  "))
# The same for normal forms: a base before, marks on both sides, parts of syllables.
AROUND_MARKS = (("a", ""), ("e\u0323", ""), ("", "\u0301"), ("\u1100", "\u11a8"), ("\uac00", ""), (" ", " "))


class Step(NamedTuple):
    """A step from pattern to ids.

    kind: "proved": a theorem, for all texts; "enumerated": all cases up to a size; "tested": some cases; "none": of
        the last one, whose `done` names what no step looks at.
    done: what this run has checked. theorem: its heading in docs/proofs.md or docs/proofs_ids.md.
    faults: empty if the step holds.
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
    def run(name: str, kind: Kind, theorem: str, check: Callable[[], Result]) -> Step:
        try:
            done, faults = check()
        except (DstokError, ValueError, IndexError, KeyError) as error:  # tables too damaged for the check itself
            done, faults = "could not run to its end", [str(error)]
        return Step(name, kind, done, theorem, tuple(faults[:MOST_FAULTS]))

    checks = _Checks(tokenizer)
    model, bytewise = checks.model, not checks.model.merges_characters
    has_rules = bytewise and checks.kernel.rules != NONE
    scan = "masks" if has_rules else "shuffles" if bytewise and len(checks.sections["shuffles"]) else "scan"
    rows: list[tuple[bool, tuple[str, Kind, str, Callable[[], Result]]]] = [
        (bool(model.added_tokens), ("added tokens", "tested", "Added tokens and normalizer", checks.added)),
        (bool(model.normalizer), ("normalizer", "enumerated", "Added tokens and normalizer", checks.normalizer)),
        (not bytewise, ("matrix", "proved", "Matrix of characters", checks.matrix)),
        (bytewise, ("classes", "enumerated", "Collapse", checks.classes)),
        (bytewise, ("one automaton", "enumerated" if bytewise and checks.plain else "proved",
                    "Collapse" if len(checks.sections["edges"]) else "Both sides", checks.automaton)),
        (has_rules, ("rules", "proved", "Rules and automaton", checks.rules)),
        (has_rules, ("blocks of 64 bytes", "proved", "Blocks of 64 bytes", lambda: (
            "proved on the source of the rules, by tests/core/split/test_proof.py", []))),
        (bytewise, (scan, "enumerated", "Masks" if has_rules else "Collapse", checks.masks)),
        (True, ("safe cuts", "proved", "Safe cuts", lambda: (
            f"{len(checks.textbook.results):,} tokens: joined pairs and borders found again",
            checks.differing("joined", "borders")))),
        (True, ("live rules", "proved", "Live rules", checks.live)),
        (True, ("merging", "proved", "Sections", checks.merging)),
        (bool(model.lost_bytes), ("lost bytes", "tested", "Sections", checks.lost)),
        (True, ("encoding", "tested", "Whole texts", checks.encoding)),
        (True, ("growing texts", "tested", "Growing texts", checks.growing)),
        (True, ("tables", "proved", "Tables", checks.all_tables)),
        (True, ("not looked at", "none", "", checks.left_out))]
    return ((row[0], partial(run, *row)) for applies, row in rows if applies)


class _Checks:
    """The checks of one tokenizer. Each gives what it has done, and the faults."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.model = tokenizer, tokenizer.inspect()
        self.tables = Tables(Header.read(self.model.description), self.model.tables)
        self.header, self.sections = self.tables.header, self.tables.sections
        self.tokens = memoryview(self.sections["starts"]).cast("B").cast("I"), self.sections["blob"]
        self.kernel = self.header.kernel
        self.stride = len(self.model.added_tokens) // ADDED + 1  # one added token in so many is tried

    @lazy
    def fresh(self) -> Tables:
        """The tables, made again from the model's description."""
        return build_tables(describe_tables(self.tables, (), TokenizerConfig()))

    def differing(self, *names: str) -> list[str]:
        """A fault for each section that differs from a fresh one: where it differs first."""
        faults = []
        for name in names:
            found, expected = (bytes(tables.sections.get(name, b"")) for tables in (self.tables, self.fresh))
            if len(found) != len(expected):
                faults.append(f"section {name}: expected {len(expected)} bytes, found {len(found)}")
            elif found != expected:
                at = next(at for at, (one, other) in enumerate(zip(found, expected)) if one != other)
                faults.append(f"section {name}: expected {expected[at]} at byte {at}, found {found[at]}")
        return faults

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
        return tokenizer_of(self.tables, self.model.added_tokens, None, None)

    @lazy
    def guide(self) -> Guide:
        return Guide(self.tokenizer)

    @lazy
    def naive(self) -> Plain:
        """The plain way from a text to its ids."""
        return Plain(self.model, self.textbook, lambda data: self.automaton_pass.split(data))

    def added(self) -> Result:
        """The search for added tokens, and a plain one."""
        texts = list(texts_of.added_tokens(self.guide, self.stride))
        texts += ["".join(texts[at : at + 50]) for at in range(0, len(texts), 50)]
        expected = []
        for text in texts:
            seen = self.naive.seen(text)
            ends = accumulate((len(part.encode()) for _, part in seen), initial=0)
            expected.append([(id, *span) for (id, _), span in zip(seen, pairwise(ends)) if id is not None])
        faults = [f"{text[:40]!a}, {level}: expected {spans[:4]}, found {found[:4]}" for level in self.levels()
                  for model in [self.made().inspect()] for text, spans in zip(texts, expected)
                  if (found := model.added_in(text)) != spans]
        return f"{len(texts):,} texts, at {_levels()}, by a plain search", faults

    def normalizer(self) -> Result:
        """Every code point, alone and in a row; those that change or may, in contexts; and a plain normalizer."""
        faults: list[str] = []

        def check(texts: Iterable[str]) -> None:
            for text in texts:
                if len(faults) < MOST_FAULTS and (found := self.model.normalize(text)) != (
                        expected := self.naive.normalize(text, True)):
                    faults.append(f"{text[:40]!a}: expected {expected[:40]!a}, found {found[:40]!a}")

        known = {*chain.from_iterable(known_codes(step) for step in self.model.normalizer)}
        for start in range(0, 0x110000, BLOCK):
            if start not in SURROGATES:
                chars = list(map(chr, range(start, start + BLOCK)))
                clean = [char for char in chars if self.model.normalize(char) == char]
                known.update(set(chars).difference(clean) if len(clean) > BLOCK // 2 else ())
                check(("".join(chars), "".join(clean)))
        chance, row = random.Random(3), sorted(known)
        check(f"{before}{char}{after}" for before, after in AROUND_MARKS for char in row)
        check("".join(chance.choices(row, k=chance.randint(2, 12))) for _ in range(SHORT_TEXTS if row else 0))
        done = f"1,112,064 code points; {len(row):,} that may change, in {len(AROUND_MARKS)} contexts and in rows"
        return done, faults

    def classes(self) -> Result:
        """Every code point: no set of the patterns divides a class."""
        classes = _class_table(self.sections["pages"], self.sections["page_numbers"])
        version = self.model.unicode_version
        sets = {each for split in self.model.splits
                for each in character_sets(parse(split.pattern, split.unicode_version or version))}
        text, faults = np.ones(0x110000, np.bool_), self.differing("pages", "page_numbers")
        text[SURROGATES.start : SURROGATES.stop] = False
        for each in sets:
            inside = np.zeros(0x110000, np.bool_)
            for first, last in each.ranges:
                inside[first : last + 1] = True
            faults += [f"class {number}: a set of the patterns divides it"
                       for number in np.intersect1d(classes[inside & text], classes[~inside & text]).tolist()]
        return f"1,112,064 code points in {len(sets)} sets", faults

    def automaton(self) -> Result:
        """The automaton compiled again is that of the tables; it cuts as the steps do, one after the other."""
        plain, faults = self.plain, self.differing("edges", *["shuffles"] * (not len(self.sections["edges"])))
        if plain is None:
            return "compiled again", faults
        count = 0
        for word in cover_words(self.guide, self.depth):
            text, count = self.guide.spell_plainly(word), count + 1
            pieces = self.automaton_pass.split(text.encode())
            if pieces != (expected := plain.pieces(text)):
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
            return Cascade(alternatives_of(splits, self.model.unicode_version), "gaps_dropped" if matches_alone else "")
        except UnsupportedError:
            return None

    def rules(self) -> Result:
        """The walk once more: the rules mark as the automaton."""
        program, faults = compile_splits(self.model.splits, self.model.unicode_version), []
        packed = pack_edges(program.boundaries.edges, program.alphabet.pages()[0][:128])
        rules, kinds, found = self.kernel.rules, self.kernel.kinds, sha256(self.sections["edges"]).hexdigest()
        classes = classes_of(program)
        if found != self.kernel.edges or found != sha256(packed).hexdigest():
            faults.append(f"edges: expected SHA-256 {self.kernel.edges}, found {found}")
        if program.kept is None or len(kinds) != len(classes) or not set(kinds) <= {*KINDS[rules]}:
            return "", [*faults, f"kinds: expected one of the rules' kinds for each of {len(classes)} classes"]
        difference = find_difference(rules, program.kept, classes, kinds)
        if difference is not None:
            faults.append(f"rules and automaton differ at the symbols {difference}")
        if not ROWS[rules]["cased"] and not goes_on_from_cuts(kinds, classes, program.boundaries.edges):
            faults.append("the automaton cannot go on from cuts")
        return f"walked again with {len(classes)} classes", faults

    def masks(self) -> Result:
        """Every code point in some contexts, and every few classes from every state; at each level, and plainly."""
        faults = self.differing("shuffles")
        finders = [(level, make_finder(self.tables).without_cuts()) for level in self.levels()]
        (_, automaton), *passes = [(level, SpanPass(finder)) for level, finder in finders]
        for text in self.texts_of_code_points():
            data = text.encode()
            expected = automaton.spans(data)
            for level, spans in passes:
                if place := _first_place(spans.spans(data), expected):
                    faults.append(f"{spans.finder.strategy()}, {level}: after {data[max(place - 20, 0) : place]!a}: "
                                  f"{data[place : place + 20]!a}")
        return (f"at {_levels()}: 1,112,064 code points in {len(AROUND)} contexts, {self.depth} classes from every "
                "state"), faults

    def texts_of_code_points(self) -> Iterator[str]:
        """Every code point in some contexts, CODES in a text; then every few classes from every state."""
        for first in range(0, 0x110000, CODES):
            row = bytes(array("I", range(first, first + CODES))).decode("utf-32", "ignore")  # without surrogates
            yield from (f"{before}{f'{after}{before}'.join(row)}{after}" for before, after in AROUND if row)
        yield "".join(map(self.guide.spell_plainly, cover_words(self.guide, self.depth)))

    @lazy
    def depth(self) -> int:
        """The length of the words of classes that are tried: the largest that has few enough of them."""
        return next(k for k in (4, 3, 2, 1) if k == 1 or cover_size(self.guide, k) <= MOST_WORDS)

    @lazy
    def automaton_pass(self) -> SpanPass:
        """The automaton in the model's tables: at the first level there are no rules and shuffles."""
        return next(SpanPass(make_finder(self.tables).without_cuts()) for _ in self.levels())

    def matrix(self) -> Result:
        """The matrix has a bit for each pair of characters that a merge joins: the pairs J of the theorem."""
        table, pages = self.sections["matrix"], MATRIX_HEAD + 2 * 0x1100
        classes = _class_table(table[pages:], table[MATRIX_HEAD:pages])
        joiner, shape = table[CLASSES], self.tables.characters
        assert shape is not None
        joined = joined_characters(self.live_array, *self.tokens)
        pairs = {*joined}
        faults = [f"a merge joins U+{left:04X} and U+{right:04X}, and the matrix cuts there"
                  for left, right in ((pair >> 32, pair & 0xFFFFFFFF) for pair in pairs)
                  if not table[classes[left]] >> classes[right] & 1
                  and not (right == ord(" ") and (shape.split or left == joiner))]
        proofs.check_matrix(table, self.sections["joined"], shape.split, joined)
        return f"{len(pairs):,} joined pairs", [*faults, *self.differing("matrix")]

    def live(self) -> Result:
        """Each token by all merges: its last merge is live, and no other one of it is."""
        expected, faults = self.textbook.live(), []
        live = set(zip(*[iter(self.live_array)] * 3))
        if wrong := live ^ expected:
            faults.append(f"{len(wrong)} merges are live in one way only: {sorted(wrong)[:MOST_FAULTS]}")
        again, dead = live_merges(self.tables.merges, *self.tokens, self.header.byte_ids,
                                  CharacterTable(*self.tokens) if self.tables.characters else None)
        if again != self.live_array or dead != self.tables.dead:
            faults.append("live and dead merges: expected those found again, found others")
        return f"{len(live):,} live, {len(dead) // 4:,} dead, by all {len(self.textbook.results):,} tokens", faults

    def merging(self) -> Result:
        """The core's loops give for each token what the textbook gives with all merges; the tables are right."""
        bpe, s, book = bare_bpe(self.tables), self.sections, self.textbook
        takes_whole = self.model.takes_whole_tokens
        proofs.check_byte_pairs(bpe, s["byte_pairs"], s["pair_ids"])
        faults = self.differing("pairs", "seeds", "merged", "atoms", "byte_pairs", "pair_ids", "direct")
        # A token with lost bytes is taken whole, and no merge makes it.
        rows = [(token, ids) for token, ids, _ in book.results if not (takes_whole and book.lost.intersection(token))]
        short = [] if self.model.lost_bytes else [row for row in rows if len(row[0]) <= STRIP_BYTES]
        for level in self.levels():
            bpe = bare_bpe(self.tables)
            merge = bpe.merge_by_heap if takes_whole or self.header.word_end else bpe.merge
            faults += [f"{token!a}, {level}: expected {ids}, found {found}" for token, ids in rows
                       if (found := merge(token)) != ids]
            for few in (short[at : at + STRIPS] for at in range(0, len(short), STRIPS)):
                strips = bpe.merge_in_strips([token for token, _ in few]) or []
                faults += [f"{token!a}, strips, {level}: expected {ids}, found {found}"
                           for (token, ids), found in zip(few, strips) if found != ids]
        return f"{len(book.results):,} tokens, at {_levels()}, by the textbook loop", faults

    def encoding(self) -> Result:
        """Whole texts, by the calls that encode, twice, so that the piece table is empty first; and the plain way."""
        known, late, faults = list[tuple[str, Literal["all", "none"], list[int]]](), 0, list[str]()
        policies: tuple[Literal["all", "none"], ...] = ("all", "none")
        for text, special in product(self.texts(), policies):
            try:
                self.tokenizer.encode(text, special=special)
                known.append((text, special, self.naive.ids(text, special == "all")))
            except (TooLongError, UnsupportedError):
                late += 1
        for level in self.levels():
            tok = self.made()
            for turn, (text, special, ids) in product(("first", "again"), known):
                found = [tok.encode(text, special=special), tok.encode(text.encode(), special=special)]
                if any(one != ids for one in found) or tok.count(text, special=special) != len(ids):
                    at = next((at for at, (one, other) in enumerate(zip(ids, found[0])) if one != other), len(ids))
                    faults.append(f"{text[:40]!a}, {level}, {turn}: expected {ids[at : at + 4]} at id {at}, "
                                  f"found {found[0][at : at + 4]}")
        left = f"; {late:,} left out: refused, or with longer pieces" if late else ""
        return f"{len(known):,} texts twice, str and bytes, counted, at {', '.join(cpu_level.levels())}{left}", faults

    def texts(self) -> Iterator[str]:
        """Texts that are encoded alone, the long ones first; in some, words of letters of a script are long pieces."""
        chance, tokens = random.Random(5), list(self.guide.token_texts.values())
        rows = chance.sample(tokens, min(len(tokens), SHUFFLED))
        long = ["".join(rows[at : at + 500]) for at in range(0, len(rows), 500)]
        long += texts_of.alike(self.guide)
        yield from long
        yield "".join(long)[:JOINED]
        yield from texts_of.odd_texts(self.guide)
        yield from islice(texts_of.random_texts(self.guide), SHORT_TEXTS)
        yield from islice(texts_of.added_tokens(self.guide, self.stride), SHORT_TEXTS)
        chars = {char for text in tokens for char in text}
        ranges = ("az", "\u00e0\u00ff", "\u0430\u044f", "\u3041\u3093", "\u4e00\u9fa5")
        scripts = ["".join(sorted(char for char in chars if ends[0] <= char <= ends[1])) or ends[0] for ends in ranges]
        for length in (63, 64, 65, 129, 200, 300, 1000):
            yield from (char * (length // len(char.encode())) for char in self.guide.representatives)
            yield from ("".join(chance.choices(letters, k=length // len(letters[-1].encode()))) for letters in scripts)

    def lost(self) -> Result:
        """Two tokens with lost bytes between, as one piece, give what the textbook gives."""
        tokens, lost, faults = self.textbook.tokens, self.model.lost_bytes, list[str]()
        tokens = [token for token in tokens[:: max(len(tokens) // TOKENS, 1)] if len(token) <= LONGEST]
        for at, (left, right) in enumerate(pairwise(tokens)):
            piece = left + lost[at % len(lost) :][: 1 + at % 3] + right
            if (found := self.model.merge(piece)) != (ids := self.textbook.merge(piece)[0]) and not (
                    self.model.takes_whole_tokens and piece in self.textbook.tokens):
                faults.append(f"{piece!a}: expected {ids}, found {found}")
        return f"{len(tokens) - 1:,} pieces with some of {len(lost)} lost bytes", faults

    def growing(self) -> Result:
        """A text of many tokens, appended in parts, has the ids of one call."""
        tokens = self.textbook.tokens
        text = b"".join(tokens[:: max(len(tokens) // TOKENS, 1)]).decode("utf-8", "replace")
        try:
            grown = self.tokenizer.encode_incremental()
        except UnsupportedError as error:
            return f"not for this model: {error}", []
        for at in range(0, len(text), 7):
            grown.append(text[at : at + 7])
        wrong = list(grown.ids) != self.tokenizer.encode(text)
        return (f"{len(text):,} characters in parts of 7",
                ["ids of a text in parts: expected those of one call, found others"] * wrong)

    def all_tables(self) -> Result:
        """Every table, and every fact beside them, is the one that the model's description gives."""
        facts, fresh = (json.loads(json.dumps(each)) for each in (self.header.stored(), self.fresh.header.stored()))
        faults = [f"{name}: expected {str(fresh.get(name))[:60]}, found {str(facts.get(name))[:60]}"
                  for name in sorted({*facts, *fresh}) if facts.get(name) != fresh.get(name)]
        names = sorted({*self.sections, *self.fresh.sections})
        return f"{len(names)} tables and {len(facts)} facts, made again", [*faults, *self.differing(*names)]

    def left_out(self) -> Result:
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
        return proofs.check_merges(bare_bpe(self.tables), self.sections["pairs"], self.header.merges)

    @lazy
    def textbook(self) -> Textbook:
        return Textbook(self.tables, self.tables.merges)


def _levels() -> str:
    return f"{len(cpu_level.levels())} levels"


def _class_table(pages: Any, page_numbers: Any) -> npt.NDArray[np.uint8]:
    """The class of each code point, uint8[0x110000], from a table of two stages."""
    found: npt.NDArray[np.uint8] = np.frombuffer(pages, np.uint8).reshape(-1, 256)[np.frombuffer(page_numbers, "<u2")]
    return found.ravel()


def _first_place(found: npt.NDArray[np.int64], expected: npt.NDArray[np.int64]) -> int:
    """The first place where one of two lists of spans begins a piece and the other does not; 0 if they are equal."""
    size = min(len(found), len(expected))
    differs = found[:size] != expected[:size]
    if differs.any():
        at = int(differs.any(axis=1).argmax())
        return int(max(found[at].min(), expected[at].min())) or 1
    return 0 if len(found) == len(expected) else 1
