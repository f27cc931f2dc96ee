r"""`prove`: the steps of a model from pattern to ids, each with its proof, checked again on the model's own tables.

In: a tokenizer. Out: a `Step` for each: is it proved, enumerated or tested, what has run, where docs/proofs.md has the
theorem, and the faults that were found. Invariant: a theorem speaks about tables with certain properties, and what runs
here checks these properties on the tables that encode. It makes them again from the patterns, tokens and merges, or
compares them with a plain form of the same step (cascade.py, the textbook loop of textbook.py).
Tokens, merges and patterns are the model itself: nothing here can show that a file has the wrong ones.

Example: in an image one bit of the safe cuts is changed. The step "safe cuts" then fails, and names the pair's bit.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dstok.base.keywords import hinting
from dstok.base.lazy import lazy
from dstok.core.check import _check
from dstok.core.find._finder import CharacterFinder, PieceFinder
from dstok.core.merge._pairs import all_merges, live_merges, merges_of
from dstok.core.merge._pieces import joined_characters
from dstok.core.run._span_pass import SpanPass
from dstok.core.split._scan import Scanner, pack_edges
from dstok.errors import DstokError, UnsupportedError
from dstok.formats.description import TokenizerConfig
from dstok.pattern.ast import character_sets
from dstok.pattern.cascade import Program, compile_splits
from dstok.pattern.syntax import parse
from dstok.tables.build import build_tables, describe_tables
from dstok.tables.character_matrix import CLASSES, MATRIX_HEAD
from dstok.tables.flat import Tables
from dstok.tables.kernels import CASED, KINDS, NONE, TEKKEN, classes_of, find_difference, goes_on_from_cuts
from dstok.tables.objects import bare_bpe, make_plain_finder
from dstok.testing.cascade import Cascade, Mistake, alternatives_of
from dstok.testing.class_cover import cover_size, cover_words
from dstok.testing.guide import Guide
from dstok.testing.textbook import Textbook

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.tokenizer import Tokenizer

__all__ = ["Step", "prove", "steps"]

Kind = Literal["proved", "enumerated", "tested"]
MOST_WORDS = 100_000  # of a class cover: seconds for the plain cascade
MOST_FAULTS = 3  # that a step names
TOKENS = 400  # of the text that grows
SURROGATES = slice(0xD800, 0xE000)
# Texts around a character: each leaves the rules in another state, and moves it to other columns of the blocks.
AROUND = (("", ""), ("it's a", " "), (" ", "a"), ("!", "\n"), ("12", "  "))


class Step(NamedTuple):
    """A step from pattern to ids.

    kind: "proved": a theorem, for all texts; "enumerated": all cases up to a size; "tested": some cases.
    done: what this run has checked. theorem: the heading in docs/proofs.md. faults: empty if the step holds.
    """

    name: str
    kind: Kind
    done: str
    theorem: str
    faults: tuple[str, ...]


@hinting
def prove(tokenizer: Tokenizer, progress: Callable[[str], None] = lambda name: None) -> list[Step]:
    """All steps of a tokenizer; `progress` gets the name of each before it runs. It takes seconds to a minute.

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
    own = _Checks(tokenizer)
    for name, kind, theorem, check in own.listed():
        yield name, partial(_run, name, kind, theorem, check)


def _run(name: str, kind: Kind, theorem: str, check: Callable[[], tuple[str, list[str]]]) -> Step:
    try:
        done, faults = check()
    except (DstokError, ValueError, IndexError, KeyError) as error:  # tables too damaged for the check itself
        done, faults = "could not run to its end", [str(error)]
    return Step(name, kind, done, theorem, tuple(faults))


class _Checks:
    """The checks of one tokenizer. Each gives what it has done, and the faults."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.model = tokenizer, tokenizer.inspect()
        self.tables = Tables(self.model.description, self.model.tables)
        self.description, self.sections = self.tables.description, self.tables.sections
        self.kernel = self.description["kernel"]

    def listed(self) -> Iterator[tuple[str, Kind, str, Callable[[], tuple[str, list[str]]]]]:
        if self.model.merges_characters:
            yield "matrix", "proved", "Matrix of characters", self.matrix
        else:
            yield "classes", "enumerated", "Collapse", self.classes
            yield "one automaton", "enumerated" if self.plain else "proved", "Collapse", self.automaton
            if self.kernel["rules"] != NONE:
                yield "rules", "proved", "Rules and automaton", self.rules
                yield "blocks of 64 bytes", "proved", "Blocks of 64 bytes", self.blocks
                yield "masks", "enumerated", "Masks", self.masks
            elif len(self.sections["windows"]):
                yield "windows", "tested", "Collapse", self.windows
        yield "safe cuts", "proved", "Safe cuts", self.cuts
        yield "live rules", "proved", "Live rules", self.live
        yield "merging", "proved", "Sections", self.merging
        yield "growing texts", "tested", "Growing texts", self.growing

    @lazy
    def fresh(self) -> Tables:
        """The tables, made again from the model's description."""
        return build_tables(describe_tables(self.tables, (), TokenizerConfig()))

    def differing(self, *names: str) -> list[str]:
        """A fault for each section that differs from a fresh one."""
        return [f"section {name}: {_first_difference(self.sections.get(name, b''), self.fresh.sections.get(name, b''))}"
                for name in names
                if bytes(self.sections.get(name, b"")) != bytes(self.fresh.sections.get(name, b""))]

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
        guide, k = Guide(self.tokenizer), 1
        while cover_size(guide, k + 1) <= MOST_WORDS and k < 4:
            k += 1
        compiled, count = self.automaton_pass, 0
        for word in cover_words(guide, k):
            text, count = guide.spell_plainly(word), count + 1
            pieces = compiled.split(text.encode())
            if pieces != (expected := plain.pieces(text)) and len(faults) < MOST_FAULTS:
                faults.append(f"{text!a}: expected {expected!a}, found {pieces!a}")
        return f"compiled again; {count:,} texts: every {k} classes from every state", faults

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
        rules, kinds, found = self.kernel["rules"], self.kernel["kinds"], sha256(self.sections["edges"]).hexdigest()
        classes = classes_of(program)
        if found != self.kernel["edges"] or found != sha256(self.packed).hexdigest():
            faults.append(f"edges: expected SHA-256 {self.kernel['edges']}, found {found}")
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
        return "proved on the source of the rules, by tests/pieces/test_proof.py", []

    def masks(self) -> tuple[str, list[str]]:
        """Every code point, in some contexts, by the kernel of this processor and by the automaton."""
        fast, faults = SpanPass(make_plain_finder(self.tables)), []
        for before, after in AROUND:
            data = "".join(f"{before}{chr(c)}{after}" for c in range(0x110000) if not 0xD800 <= c < 0xE000).encode()
            found, expected = fast.spans(data), self.automaton_pass.spans(data)
            if place := _first_place(found, expected):
                faults.append(f"after {data[max(place - 20, 0) : place]!a}: {data[place : place + 20]!a}")
        return f"1,112,064 code points in {len(AROUND)} contexts, {self.model.way}", faults

    def windows(self) -> tuple[str, list[str]]:
        return "compiled again", self.differing("windows")

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
        return SpanPass(PieceFinder(Scanner(s["pages"], s["page_numbers"], s["edges"], self.description["symbols"])))

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
        _check.check_matrix_classes(table)
        _check.check_matrix(CharacterFinder(table, self.sections["joined"], shape.split),
                            bare_bpe(self.tables), merges_of(self.sections["pairs"]))
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
                                  self.description["byte_ids"], self.textbook.characters)
        if again != self.live_array or dead != self.tables.dead:
            faults.append("live and dead merges: expected those found again, found others")
        return f"{len(live):,} live, {len(dead) // 4:,} dead, by all {self.textbook.size:,} tokens", faults

    def merging(self) -> tuple[str, list[str]]:
        """The core's loops give for each token what the textbook gives with all merges; the tables are right."""
        bpe, s, faults = bare_bpe(self.tables), self.sections, []
        merges = merges_of(s["pairs"])
        _check.check_merges(bpe, merges)
        _check.check_pairs(bpe, merges)
        _check.check_byte_pairs(bpe, s["byte_pairs"], s["pair_ids"])
        faults += self.differing("pairs", "seeds", "merged", "atoms", "byte_pairs", "pair_ids", "direct")
        loop = bpe.merge_by_heap if self.model.takes_whole_tokens else self.model.merge
        for token, ids in self.textbook.ids():
            if (found := loop(token)) != ids and len(faults) < MOST_FAULTS:
                faults.append(f"{token!a}: expected {ids}, found {found}")
        return f"{self.textbook.size:,} tokens by the textbook loop and by the core", faults

    def growing(self) -> tuple[str, list[str]]:
        """A text of many tokens, appended in parts, has the ids of one call."""
        text, faults = self.textbook.some(TOKENS).decode("utf-8", "replace"), []
        try:
            grown = self.tokenizer.growing()
        except UnsupportedError as error:
            return f"not for this model: {error}", []
        for at in range(0, len(text), 7):
            grown.append(text[at : at + 7])
        if list(grown.ids) != self.tokenizer.encode(text):
            faults.append("ids of a text in parts: expected those of one call, found others")
        return f"{len(text):,} characters in parts of 7", faults

    @lazy
    def live_array(self) -> array[int]:
        """The live merges of the tables, left, right and merged id by rank."""
        pairs, merged = merges_of(self.sections["pairs"]), array("I", bytes(self.sections["merged"]))
        live = array("I", bytes(6 * len(pairs)))
        live[::3], live[1::3] = pairs[::2], pairs[1::2]
        live[2::3] = merged or array("I", range(self.description["first"], self.description["first"] + len(pairs) // 2))
        return live

    @lazy
    def merges(self) -> array[int]:
        return all_merges(self.live_array, self.tables.dead)

    @lazy
    def textbook(self) -> Textbook:
        return Textbook(self.tables, self.merges)


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
