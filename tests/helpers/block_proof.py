"""The proof that blocks of 64 bytes mark as small blocks do: the theorem of docs/rules.md.

In: a set of rules, and the C headers that have them. Out: what is wrong; nothing, if the theorem holds.
Invariant: the C runs on symbols (symbolic_c.py). A text has a free symbol in each column where a character begins, so one
run stands for all texts of all kinds of characters, and the answer is a proof, not a test.

Names: a *column* is a byte of the block. A *symbol* is a kind of character with its width. `begins[c]`: a character begins
in column c. A *small block* has two characters, or three or four after a quote, and decides all but the last; `Step` is
such a block with its outcome. `after` and `nope` are free: what the look ahead over blanks finds beyond the columns, and
that it does not know.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from dd import cudd
from symbolic_c import Cases, Machine, parsed

from dstok.compiled.kernel_selection import CODER, KINDS, LLM, ROWS

COLUMNS, NEAR = 80, 18  # columns with symbols; columns that a small block may look at
BLOCK = 64
RUNS = (LLM, CODER)  # the rules of core/split/rules_runs.h
ROOM = 1 << 20  # states
LOOSE, CACHE = 1 << 18, 1 << 20  # nodes before dead ones are removed, results that are kept: with more, memory's speed limits
ENOUGH = 20  # problems after which no more are looked for
SHOWN = 24  # symbols of an example

Function = Any  # a binary decision diagram
Columns = list[Function]
Masks = dict[str, Columns]


class Compiled:
    """The masks of characters, and the states that small blocks reach, as the compiler makes them of the headers."""

    def __init__(self, rules: int, core: Path, widths: Sequence[int]) -> None:
        library = core / "block_proof.so"
        if not library.exists():
            subprocess.run(["gcc", "-O1", "-g0", "-w", "-shared", "-fPIC", f"-I{core}", "-x", "c",
                            str(Path(__file__).with_suffix(".h")), "-o", str(library)], check=True)
        self.rules, self.c = rules, ctypes.CDLL(str(library))
        self.words, self.bits = self.c.words_of_masks(), self.c.bits_of_state()
        self.symbols = self._symbols(widths)

    def _symbols(self, widths: Sequence[int]) -> dict[tuple[int, tuple[int, ...]], str]:
        """(width, masks) of all that the rules tell apart, each with an example."""
        found: dict[tuple[int, tuple[int, ...]], str] = {}
        masks = (ctypes.c_uint64 * self.words)()
        for byte in range(128):
            self.c.masks_of_ascii(self.rules, byte, masks)
            found.setdefault((1, tuple(masks)), chr(byte))
        for width in widths:
            for kind in KINDS[self.rules]:
                self.c.masks_of_wide(self.rules, width, kind, masks)
                found.setdefault((width, tuple(masks)), f"<kind {kind}, {width} bytes>")
        return found

    @cached_property
    def states(self) -> list[int]:
        """The states that small blocks reach."""
        masks = [word for _, words in self.symbols for word in words]
        widths, found = [width for width, _ in self.symbols], (ctypes.c_uint32 * ROOM)()
        self.c.reached.restype = ctypes.c_long
        count = self.c.reached(self.rules, (ctypes.c_uint64 * len(masks))(*masks), (ctypes.c_int * len(widths))(*widths),
                               len(widths), found)
        return sorted(found[:count])


class Step(NamedTuple):
    """The outcome of a small block: the bytes decided, the number of the state after them, whether text may follow."""

    decided: int
    state: int
    goes_on: bool
    when: Function


class Outcome(NamedTuple):
    """All that small blocks do from one state: steps, and for each of the next columns when it is a start, an anchor."""

    steps: list[Step]
    starts: Columns
    anchors: Columns


class Proof:
    """One set of rules, for blocks that text may follow (`more`), or for the last block of a text."""

    def __init__(self, rules: int, core: Path, widths: Sequence[int], more: bool) -> None:
        self.rules, self.more = rules, more
        self.compiled = Compiled(rules, core, widths)
        self.states, self.symbols = self.compiled.states, list(self.compiled.symbols)
        self.bdd = cudd.BDD()
        self.bdd.configure(reordering=False, loose_up_to=LOOSE, max_cache_hard=CACHE)
        self.true, self.false = self.bdd.true, self.bdd.false
        tree = parsed(core, ["split/rules_runs.h", "split/rules_words.h"])
        self.machine = Machine(tree, self.bdd)
        self.mask_names, self.bit_names = _fields(tree, "GridMasks")[: self.compiled.words], \
            _fields(tree, "GridState")[: self.compiled.bits]
        self.number = self.bit_names.index("number")
        self.undefined: list[tuple[str, Function]] = []
        self.problems: list[str] = []
        self._declare()

    # Variables.

    def _declare(self) -> None:
        self.end = len(self.symbols)  # the symbol of the text's end
        size = self.end.bit_length()
        self.state_bits = [f"s{i}" for i in range(max(1, (len(self.states) - 1).bit_length()))]
        self.column_bits = [[f"c{c}_{i}" for i in range(size)] for c in range(COLUMNS + BLOCK)]
        names = [*self.state_bits, "stale0", "stale1"]
        for column, bits in enumerate(self.column_bits):
            names += [*reversed(bits), f"cut{column}"]  # the numbers of similar symbols differ in low bits
        self.bdd.declare(*names, "after", "nope", *(f"o{i}" for i in range(NEAR)))

    def var(self, name: str) -> Function:
        """A variable."""
        return self.bdd.var(name)

    def coded(self, bits: Sequence[str], number: int) -> Function:
        """When these variables are the bits of a number."""
        found = self.true
        for at, bit in enumerate(bits):
            found = found & (self.var(bit) if number >> at & 1 else ~self.var(bit))
        return found

    def one_of(self, bits: Sequence[str], chosen: Sequence[bool]) -> Function:
        """When the number of these variables is chosen. Numbers beyond the last stand for 0."""
        found = self.false
        for number in range(1 << len(bits)):
            if chosen[number if number < len(chosen) else 0]:
                found = found | self.coded(bits, number)
        return found

    # Texts.

    @cached_property
    def _widths(self) -> list[Columns]:
        """For each column and each width: when the symbol there has it. The text's end counts as one byte."""
        return [[self.one_of(bits, [*(width == size for width, _ in self.symbols), size == 1]) for size in (1, 2, 3, 4)]
                for bits in self.column_bits]

    @cached_property
    def _ends(self) -> Columns:
        return [self.one_of(bits, [*[False] * self.end, True]) for bits in self.column_bits]

    @cached_property
    def _mask_bits(self) -> list[list[list[Function]]]:
        """For each column, mask and byte of a character: when the symbol of the column has that bit."""
        return [[[self.one_of(bits, [*(bool(masks[number] >> byte & 1) for _, masks in self.symbols), False])
                  for byte in range(4)] for number in range(len(self.mask_names))] for bits in self.column_bits]

    def text(self, count: int) -> tuple[Columns, Masks, Columns, Columns]:
        """The first columns: where characters begin, the masks, where the text ends, where it goes on."""
        begins: Columns = []
        ends: Columns = []
        alive: Columns = []
        masks: Masks = {name: [] for name in self.mask_names}
        due, goes_on = [self.true, self.false, self.false, self.false], self.true
        for column in range(count):
            here = due[0] & goes_on
            ends.append(here & self._ends[column])
            goes_on = goes_on & ~ends[-1]
            alive.append(goes_on)
            here = here & goes_on
            begins.append(here)
            self._add_masks(masks, self._inside(begins, goes_on, column), column)
            masks["cuts"][-1] = here & self.var(f"cut{column}")
            due = [*(due[i + 1] | (here & self._widths[column][i]) for i in range(3)), here & self._widths[column][3]]
        return begins, masks, ends, alive

    def _inside(self, begins: Columns, goes_on: Function, column: int) -> Columns:
        """For each number of bytes: when the character of a column begins so far before it."""
        found = [begins[column]]
        for back in (1, 2, 3):
            when = self.false
            if column >= back:
                when = begins[column - back] & goes_on
                for between in range(column - back + 1, column + 1):
                    when = when & ~begins[between]
            found.append(when)
        return found

    def _add_masks(self, masks: Masks, inside: Columns, column: int) -> None:
        for number, name in enumerate(self.mask_names):
            bit = self.false
            for back in range(min(4, column + 1)):
                bit = bit | (inside[back] & self._mask_bits[column - back][number][back])
            masks[name].append(bit)

    # States.

    def _with_digits(self, state: dict[str, Any], known: dict[int, Function]) -> dict[str, Any]:
        """Adds the digits: known ones after a digit, else any number from 0 to 3."""
        digits, no_number = Cases(known), ~state["number"][0]
        for number in range(4):
            self.machine.add_case(digits, number, no_number & self.coded(["stale0", "stale1"], number))
        state["digits"], state["before"] = digits, 0
        return state

    def _word(self, bit: Function) -> list[Function]:
        return [bit] + [self.false] * 63

    def _digits_of(self, state: int) -> int:
        return state >> len(self.bit_names)

    def fixed_state(self, packed: int) -> dict[str, Any]:
        """One state."""
        bits = {name: self._word(self.true if packed >> at & 1 else self.false) for at, name in enumerate(self.bit_names)}
        known = {self._digits_of(packed): self.true} if packed >> self.number & 1 else {}
        return self._with_digits(bits, known)

    def _any_state(self) -> dict[str, Any]:
        """All states, as the variables of a state have it."""
        bits = {name: self._word(self.one_of(self.state_bits, [bool(state >> at & 1) for state in self.states]))
                for at, name in enumerate(self.bit_names)}
        counts = {self._digits_of(state) for state in self.states if state >> self.number & 1}
        known = {count: self.one_of(self.state_bits, [
            self._digits_of(state) == count and bool(state >> self.number & 1) for state in self.states]) for count in counts}
        return self._with_digits(bits, known)

    def _states_in(self, when: Function, state: dict[str, Any]) -> list[tuple[int, Function]]:
        """The numbers of the states that a state is, each with the texts. None is beyond those reached."""
        groups = [(when, list(range(len(self.states))))]
        for at, name in enumerate(self.bit_names):
            bit, divided = self.machine.truth(state[name]), []
            for texts, few in groups:
                for value, some in ((1, texts & bit), (0, texts & ~bit)):
                    if some != self.false:
                        divided.append((some, [number for number in few if self.states[number] >> at & 1 == value]))
            groups = divided
        found, digits = [], self.machine.cases(state["digits"])
        for texts, few in groups:
            assert few, "a state that small blocks do not reach"
            counted = [(number, texts & digits.get(self._digits_of(self.states[number]), self.false)) for number in few]
            found += [(few[0], texts)] if len(few) == 1 else [one for one in counted if one[1] != self.false]
        return found

    # The C function.

    def _decide(
        self, masks: Masks, size: Any, text: Any, more: int, state: dict[str, Any], ahead: Callable[[Any], Any] | None,
        when: Function,
    ) -> tuple[Cases, list[Function], list[Function]]:
        """Runs the rules on a block: the bytes decided, starts, anchors. `state` becomes the state after it."""
        whole: dict[str, Any] = {name: bits + [self.false] * (64 - len(bits)) for name, bits in masks.items()}
        whole["size"], whole["last"] = size, 0
        place = {"p": 0, "stop": 0, "final": 0, "text": text, "more": more, "rules": self.rules}
        found: dict[str, Any] = {}
        self.machine.when, self.machine.undefined = when, []
        self.machine.given = {} if ahead is None else {"grid_newline_ahead": lambda at, *_: ahead(at)}
        name = "runs_block" if self.rules in RUNS else "words_block"
        decided = self.machine.call(name, [ROWS[self.rules]["copy"], place, whole, state, found])
        self.undefined += self.machine.undefined
        return self.machine.cases(decided), self.machine.word(found.get("starts", 0)), \
            self.machine.word(found.get("anchors", 0))

    def decide_constant(
        self, masks: dict[str, int], size: int, width: int, state: dict[str, Any],
    ) -> tuple[int, int]:
        """Runs the rules on constants: the bytes decided, and the starts. The look ahead knows nothing."""
        words = {name: self.machine.word(mask) for name, mask in masks.items()}
        decided, starts, _ = self._decide(words, size, (1 << width) - 1, 1, state, lambda at: -1, self.true)
        [number] = [number for number, when in decided.items() if when == self.true]
        return number, self._constant(starts)

    def packed(self, state: dict[str, Any]) -> int:
        """The number of a constant state."""
        bits = sum((self._constant(state[name]) & 1) << at for at, name in enumerate(self.bit_names))
        digits = self.machine.cases(state["digits"])
        [count] = [count for count, when in digits.items() if when == self.true] if bits >> self.number & 1 else [0]
        return bits | count << len(self.bit_names)

    def _constant(self, value: Any) -> int:
        return sum(1 << at for at, bit in enumerate(self.machine.word(value)) if bit == self.true)

    # Small blocks.

    def outcome(self, state: int) -> Outcome:
        """All that small blocks do from a state, as functions of the next columns.

        Blocks of two characters come first. A quote asks for three characters if two do not decide, and then for four.
        Where so many do not follow, the block is the last one of the text.
        """
        found = Outcome([], [self.false] * NEAR, [self.false] * NEAR)
        begins, masks, _, alive = self._near
        numbers, quote = self._numbers(begins), masks["quote"][0]
        left, two = alive[0], self.true  # texts that are not decided yet; those with two characters
        for few, more in ((2, True), (3, True), (4, True), (4, False)):
            enough = self._any([begin & number.get(few, self.false) for begin, number in zip(begins, numbers)])
            two = enough if few == 2 else two
            when = left & (enough if more else ~enough)
            if few > 2:
                when = when & (quote if more else quote | ~two)
            if when == self.false:
                continue
            own, size = self._small_block(few, more)
            limited = {name: [bit & in_text for bit, in_text in zip(bits, own)] for name, bits in masks.items()}
            after = self.fixed_state(self.states[state])
            decided, starts, anchors = self._decide(
                limited, size, own + [self.false] * (BLOCK - NEAR), int(more), after, self._answer if more else None, when)
            left = left & ~self._note(found, decided, starts, anchors, when, after, more)
            if self.rules == LLM and few == 2 and (left & enough & masks["blank"][0]) != self.false:
                left = left & ~self._stand_in(found, state, left & enough & masks["blank"][0])
        return found

    @cached_property
    def _near(self) -> tuple[Columns, Masks, Columns, Columns]:
        return self.text(NEAR)

    def _any(self, functions: Sequence[Function]) -> Function:
        found = self.false
        for one in functions:
            found = found | one
        return found

    def _numbers(self, begins: Columns) -> list[Cases]:
        """For each column: the number of characters that have begun, up to five."""
        found, counts = [], Cases({0: self.true})
        for begin in begins:
            new = Cases()
            for number, when in counts.items():
                self.machine.add_case(new, min(number + 1, 5), when & begin)
                self.machine.add_case(new, number, when & ~begin)
            counts = new
            found.append(counts)
        return found

    def _small_block(self, few: int, more: bool) -> tuple[Columns, Cases]:
        """The columns of a small block, and the bytes that it may decide: not its last character, nor a second quote."""
        begins, masks, ends, alive = self._near
        numbers, size = self._numbers(begins), Cases()
        if not more:
            for column in range(1, NEAR):
                self.machine.add_case(size, column, ends[column])
            return alive, size
        inside = [on & self._any([when for number, when in numbers[column].items() if number <= few])
                  for column, on in enumerate(alive)]
        before = self.true
        for column in range(1, NEAR):
            stops = begins[column] & (numbers[column].get(few, self.false) | masks["quote"][column] & self._any(
                [numbers[column].get(number, self.false) for number in range(2, few)]))
            self.machine.add_case(size, column, before & stops)
            before = before & ~stops
        return inside, size

    def _answer(self, at: Any) -> Cases:
        """The look ahead of a small block, which knows what ends the blanks that touch a column: a variable for each."""
        yes = self._any([when & self.var(f"o{column}") for column, when in self.machine.cases(at).items()])
        return Cases({1: yes, 0: ~yes})

    def _note(
        self, found: Outcome, decided: Cases, starts: Columns, anchors: Columns, when: Function, after: dict[str, Any],
        goes_on: bool,
    ) -> Function:
        """Adds what a small block decides; returns the texts."""
        some = self.false
        for size, texts in decided.items():
            texts = texts & when
            if size == 0 or texts == self.false:
                continue
            some = some | texts
            for marks, noted in ((starts, found.starts), (anchors, found.anchors)):
                for column in range(BLOCK):
                    if (texts & marks[column]) != self.false:
                        assert column < size, "a mark beyond the bytes decided"
                        noted[column] = noted[column] | (texts & marks[column])
            found.steps.extend(Step(size, state, goes_on, one) for state, one in self._states_in(texts, after))
        return some

    def _stand_in(self, found: Outcome, state: int, when: Function) -> Function:
        """LLM's rules: a blank, and a newline or a digit in place of what ends the blanks, unless that is rare."""
        begins, masks, _, alive = self._near
        numbers, when = self._numbers(begins), when & ~self.var("o1")
        first = [on & number.get(1, self.false) for on, number in zip(alive, numbers)]
        second = [begin & number.get(2, self.false) for begin, number in zip(begins, numbers)]
        both = {name: [bit & in_text for bit, in_text in zip(bits, first)] for name, bits in masks.items()}
        for name, stands in (("newline", self.var("o0")), ("number", ~self.var("o0"))):
            both[name] = [bit | (begin & stands) for bit, begin in zip(both[name], second)]
        size, after = self._small_block(2, True)[1], self.fixed_state(self.states[state])
        text = [one | two for one, two in zip(first, second)] + [self.false] * (BLOCK - NEAR)
        decided, starts, anchors = self._decide(both, size, text, 1, after, None, when)
        return self._note(found, decided, starts, anchors, when, after, True)

    # The block of 64 bytes, or a last one.

    def run(self) -> list[str]:
        """The problems, each with a text that shows it; none if the theorem holds."""
        outcomes = [self.outcome(state) for state in range(len(self.states))]
        self.undefined.clear()  # of small blocks of size 0, whose results are 0 whatever the shift gives
        self._columns = begins, masks, ends, alive = self.text(COLUMNS)
        self._ahead = self._looks_ahead()
        domain, size, text = self._block(begins, ends, alive)
        after = self._any_state()
        decided, starts, anchors = self._decide(
            {name: bits[:BLOCK] for name, bits in masks.items()}, size, text, int(self.more), after, self._beyond,
            self.true if self.more else domain)
        for what, when in self.undefined:
            self._expect(f"undefined behaviour, {what}", when & domain)
        reference = _Reference(self, outcomes, domain)
        self._compare(decided, starts, anchors, after, domain, reference)
        return self.problems

    def _block(self, begins: Columns, ends: Columns, alive: Columns) -> tuple[Function, Cases, Any]:
        """The texts, the bytes that the block may decide, and its columns."""
        size = Cases()
        if not self.more:
            for column in range(1, BLOCK):
                self.machine.add_case(size, column, ends[column])
            return self._any([ends[column] for column in range(1, BLOCK)]), size, alive[:BLOCK]
        none = self.true
        for column in reversed(range(BLOCK)):  # the last byte that begins a character is left to the next block
            self.machine.add_case(size, column, none & begins[column])
            none = none & ~begins[column]
        return alive[BLOCK - 1], size, (1 << BLOCK) - 1

    def _beyond(self, at: Any) -> Cases:
        """The look ahead of a block of 64 bytes: the truth, or -1."""
        assert at == BLOCK, "a look ahead from another place than the block's end"
        newline = self._ahead[0][BLOCK]
        return Cases({-1: self.var("nope"), 1: ~self.var("nope") & newline, 0: ~self.var("nope") & ~newline})

    def _looks_ahead(self) -> tuple[Columns, Columns, Columns]:
        """For each column, if blanks stand there: does a newline end them; are they closed (LLM); does something rare?"""
        _, masks, ends, alive = self._columns
        beyond = self.var("after")
        newline = [beyond] * (COLUMNS + NEAR + 1)
        closed, rare = [beyond] * (COLUMNS + 1), [self.var("nope")] * (COLUMNS + 1)
        text_ends = self.true if ROWS[self.rules]["ends"] else self.false
        for column in reversed(range(COLUMNS)):
            blank = masks["blank"][column]
            newline[column] = self.bdd.ite(ends[column], text_ends, self.bdd.ite(
                blank, newline[column + 1], masks["newline"][column]))
            closed[column] = self.bdd.ite(ends[column], self.true, self.bdd.ite(
                blank, closed[column + 1], masks["newline"][column] | masks["letter"][column] | masks["punct"][column]))
            rare[column] = alive[column] & self.bdd.ite(
                blank & ~masks["rare"][column], rare[column + 1], masks["rare"][column])
        return newline, closed, rare

    def moved(self, column: int) -> dict[str, Any]:
        """The variables of a small block that begins in a column, as those of the columns there."""
        newline, closed, rare = self._ahead
        found: dict[str, Any] = {}
        for near in range(NEAR):
            for old, new in zip(self.column_bits[near], self.column_bits[column + near]):
                found[old] = self.var(new)
            found[f"cut{near}"] = self.var(f"cut{column + near}")
        found |= {f"o{near}": newline[column + near] for near in range(2, NEAR)}
        return found | {"o0": closed[column], "o1": rare[column]}

    # The comparison.

    def _compare(
        self, decided: Cases, starts: Columns, anchors: Columns, after: dict[str, Any], domain: Function,
        reference: _Reference,
    ) -> None:
        inside: dict[int, Function] = {}
        for size, texts in sorted(decided.items()):
            texts = texts & domain
            if size == 0 or texts == self.false or len(self.problems) >= ENOUGH:
                continue
            for name, marks, expected in (("start", starts, reference.starts), ("anchor", anchors, reference.anchors)):
                for column in range(BLOCK):
                    other = expected[column] if column < size else self.false
                    self._expect(f"{size} bytes decided: {name} {column}", texts & self.machine.xor(marks[column], other))
            there = self._any(list(reference.states[size].values()))
            self._add_inside(inside, size, texts & ~there, after, reference)
            self._compare_states(size, texts & there, after, reference)
        self._nothing_after(inside)

    def _compare_states(self, size: int, texts: Function, after: dict[str, Any], reference: _Reference) -> None:
        """The block's state, and that of small blocks: all bits, and the digits after a digit."""
        if texts == self.false:
            return
        found = reference.states[size]
        for at, name in enumerate(self.bit_names):
            other = self._any([when for state, when in found.items() if self.states[state] >> at & 1])
            differ = texts & self.machine.xor(self.machine.truth(after[name]), other)
            self._expect(f"{size} bytes decided: state {name}", differ)
        if ROWS[self.rules]["digits"] < 2:
            return
        texts, digits = texts & self.machine.truth(after["number"]), self.machine.cases(after["digits"])
        for count in {*digits, 1, 2, 3}:
            other = self._any([when for state, when in found.items() if self._digits_of(self.states[state]) == count
                               and self.states[state] >> self.number & 1])
            differ = texts & self.machine.xor(digits.get(count, self.false), other)
            self._expect(f"{size} bytes decided: {count} digits", differ)

    def _add_inside(
        self, inside: dict[int, Function], size: int, texts: Function, after: dict[str, Any], reference: _Reference,
    ) -> None:
        """Texts of which the block ends inside a small block: the state, and the columns from there on as the first."""
        if texts == self.false:
            return
        self._expect(f"{size} bytes decided: small blocks have given up", texts & ~reference.spanned[size])
        before = [*self.state_bits, "stale0", "stale1", *(f"cut{column}" for column in range(size)),
                  *(bit for column in range(size) for bit in self.column_bits[column])]
        back = {new: self.var(old) for column in range(size, COLUMNS + BLOCK)
                for new, old in [*zip(self.column_bits[column], self.column_bits[column - size]),
                                 (f"cut{column}", f"cut{column - size}")]}
        for state, when in self._states_in(texts, after):
            when = self.bdd.exist(before, when)
            used = self.bdd.support(when)
            when = self.bdd.let({new: old for new, old in back.items() if new in used}, when)
            inside[state] = inside.get(state, self.false) | when

    def _nothing_after(self, inside: dict[int, Function]) -> None:
        """A block that ended inside a small one must be followed by one that decides nothing."""
        begins, masks, ends, alive = self._columns
        _, size, text = self._block(begins, ends, alive)
        for state, texts in inside.items():
            decided, _, _ = self._decide({name: bits[:BLOCK] for name, bits in masks.items()}, size, text, int(self.more),
                                         self.fixed_state(self.states[state]), None, texts)
            some = self._any([when & texts for count, when in decided.items() if count])
            self._expect("a block after one that ends inside a small block decides something", some)

    def _expect(self, what: str, wrong: Function) -> None:
        if wrong != self.false:
            self.problems.append(f"{what}: {self.example(wrong)}")

    def example(self, when: Function) -> str:
        """A text and a state for which a function is true."""
        chosen, column, text = self.bdd.pick(when), 0, ""
        while column < SHOWN:
            number = sum(1 << at for at, bit in enumerate(self.column_bits[column]) if chosen.get(bit, False))
            if number == self.end:
                break
            symbol = self.symbols[number if number < len(self.symbols) else 0]
            text += self.compiled.symbols[symbol]
            column += symbol[0]
        number = sum(1 << at for at, bit in enumerate(self.state_bits) if chosen.get(bit, False))
        state = self.states[number if number < len(self.states) else 0]
        bits = [name for at, name in enumerate(self.bit_names) if state >> at & 1]
        return f"{text!r} ... after {', '.join(bits) or 'nothing'}, {self._digits_of(state)} digits"


class _Reference:
    """All small blocks of the columns, one after the other: where they begin in which state, starts, anchors."""

    def __init__(self, proof: Proof, outcomes: list[Outcome], domain: Function) -> None:
        self._proof, false = proof, proof.false
        self.states: list[dict[int, Function]] = [{} for _ in range(2 * BLOCK)]
        self.starts, self.anchors = [false] * (2 * BLOCK), [false] * (2 * BLOCK)
        self.spanned = [false] * (2 * BLOCK)  # a small block lies on both sides of the column
        for state in range(len(outcomes)):
            chosen = [number == state for number in range(len(proof.states))]
            self.states[0][state] = proof.one_of(proof.state_bits, chosen) & domain
        effects = _effects(outcomes, false)
        for column in range(BLOCK):
            self._advance(column, effects)

    def _advance(self, column: int, effects: list[_Effect]) -> None:
        proof, here = self._proof, {state: when for state, when in self.states[column].items() if when != self._proof.false}
        moved, together, renamed = proof.moved(column), dict[frozenset[int], Function](), dict[int, Function]()
        for effect in effects:
            origins = frozenset(effect.origins & here.keys())
            if not origins:
                continue
            if origins not in together:
                together[origins] = proof._any([here[state] for state in origins])
            key = int(effect.when)
            if key not in renamed:
                constant = effect.when in (proof.true, proof.false)
                renamed[key] = effect.when if constant else proof.bdd.let(moved, effect.when)
            when = together[origins] & renamed[key]
            if when != proof.false:
                self._add(effect, column, when)

    def _add(self, effect: _Effect, column: int, when: Function) -> None:
        at = column + effect.column
        if effect.state < 0:
            marks = self.anchors if effect.anchor else self.starts
            marks[at] = marks[at] | when
            return
        self.states[at][effect.state] = self.states[at].get(effect.state, self._proof.false) | when
        if self._proof.rules not in RUNS:
            for between in range(column + 1, at):
                self.spanned[between] = self.spanned[between] | when


class _Effect(NamedTuple):
    """A mark, or a step to a state (else -1), so many columns on, of small blocks from any of several states."""

    column: int
    state: int
    anchor: bool
    when: Function
    origins: frozenset[int]


def _effects(outcomes: list[Outcome], false: Function) -> list[_Effect]:
    """The effects of small blocks; those that several states share are one."""
    found: dict[tuple[int, int, bool, bool, int], tuple[Function, set[int]]] = {}
    for origin, outcome in enumerate(outcomes):
        for anchor, marks in ((False, outcome.starts), (True, outcome.anchors)):
            for column, when in enumerate(marks):
                if when != false:
                    found.setdefault((column, -1, anchor, True, int(when)), (when, set()))[1].add(origin)
        for step in outcome.steps:
            key = step.decided, step.state, False, step.goes_on, int(step.when)
            found.setdefault(key, (step.when, set()))[1].add(origin)
    return [_Effect(column, state, anchor, when, frozenset(origins))
            for (column, state, anchor, _, _), (when, origins) in found.items()]


def _fields(tree: Any, name: str) -> list[str]:
    """The names of the fields of a struct."""
    [struct] = [node.type.type for node in tree.ext if getattr(node, "name", None) == name]
    return [field.name for field in struct.decls]
