"""The product walk: a set of rules compared with the automaton of marked texts (regex/marked_language.py).

In: a set of rules, symbols (one for each kind of character), the rows of a `Marked`. Out: a text that the rules mark in
another way, or None if there is none.
Invariant: the rules are those of the kernel, the same C, in blocks of a few characters instead of 64 bytes. A node is
all that is known between two blocks: the state of the rules, the state of the `Marked` after the marks set so far, and
the characters that are seen but not decided. From each node the walk tries all blocks of `least` characters. Rules of
words look at the characters after a quote: after one, the walk tries all blocks of `least` to `most` characters.
Shorter blocks end a text.
A small block must know at least as much as one of 64 bytes may: if it is all blanks, the walk tells it what ends them.
docs/rules.md says what that proves.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from dstok.core.split._scan cimport DEAD, FINAL, START

cdef extern from "check/_walk.h":
    enum:
        RULES_LLM
        WALK_WORDS
        WALK_AHEAD_BITS
        WALK_MARKED_BITS
        WALK_STATE_BITS
        WALK_SYMBOL_BITS
        WALK_HEAD_BITS
    ctypedef struct GridMasks:
        uint64_t letter
        uint64_t punct
        uint64_t number
        uint64_t blank
        uint64_t newline
        uint64_t quote
    ctypedef struct GridState:
        pass
    void walk_ascii(int rules, uint8_t byte, GridMasks *m) noexcept nogil
    void walk_wide(int rules, int width, uint8_t flags, GridMasks *m) noexcept nogil
    void walk_join(const GridMasks *m, const GridMasks *one, int width, GridMasks *joined) noexcept nogil
    int walk_block(
        int rules, const GridMasks *masks, int width, int size, bint more, bint final, uint8_t ahead, GridState *s,
        uint64_t *starts
    ) noexcept nogil
    uint32_t walk_pack(const GridState *s) noexcept nogil
    GridState walk_unpack(uint32_t packed) noexcept nogil

cdef enum:
    MARKED_AT = WALK_AHEAD_BITS
    STATE_AT = WALK_AHEAD_BITS + WALK_MARKED_BITS
    TAIL_AT = WALK_HEAD_BITS
    MOST_MARKED = 1 << WALK_MARKED_BITS
    MOST_SYMBOLS = (1 << WALK_SYMBOL_BITS) - 1
    LONGEST = 11             # characters of a block: all but the first must fit into 64 bits
    # The knowledge of a node about the text after these characters, if they are blanks:
    ANY = 0
    NEWLINE = 1
    OTHER = 2                # a character that is no newline; not one that the rules never decide
    ENDS = 3                 # the end of the text
    BEGINS = 4               # nothing; and the text begins here: no mark stands before its first character
    CLOSED = 5               # LLM's rules: a newline, a letter, or punctuation
    OPEN = 6                 # another character in rules of LLM; not one that the rules never decide
    RARE = 7                 # a character beyond ASCII that the rules never decide


class TooLargeError(Exception):
    """A walk that would take too long, or that has no room: for an automaton that no rules are made for."""


cdef struct Symbol:
    GridMasks masks
    int width
    int column               # of the `Marked`; -1: the rules never decide it


cdef class Walk:
    """`symbols` are (byte, 1, 0, column) of ASCII characters and (-1, width, F_ flags, column) of others; `rows` are
    those of the `Marked`, `end` its column for the end of the text; the mark has the next column. Symbols that neither
    side tells apart are taken once.

    `gave_up`: (state of the `Marked`, the symbols seen) where the rules leave a text to the automaton; `nodes`,
    `blocks`: their numbers.
    """

    cdef int rules, least, most, count, end
    cdef Symbol symbols[MOST_SYMBOLS]
    cdef int origin[MOST_SYMBOLS]
    cdef const uint16_t[:, ::1] rows
    cdef dict known          # node -> the node before it, and the symbols decided between them
    cdef list queue
    cdef object node
    cdef int seen, ahead, marked  # of the node
    cdef uint32_t state
    cdef int word[LONGEST]
    cdef readonly long blocks
    cdef readonly set gave_up

    def __cinit__(self, int rules, symbols, const uint16_t[:, ::1] rows not None, int end, int least=2, int most=4):
        if not 2 <= least <= most <= LONGEST:
            raise ValueError(f"expected blocks of 2 to {LONGEST} characters, found {least} and {most}")
        if rows.shape[0] > MOST_MARKED:
            raise TooLargeError
        self.rules, self.rows, self.end, self.least, self.most = rules, rows, end, least, most
        self.known, self.queue, self.gave_up = {}, [], set()
        for number, (byte, width, flags, column) in enumerate(symbols):
            self.add_symbol(number, byte, width, flags, column)

    @property
    def nodes(self):
        return len(self.known)

    cdef int add_symbol(self, int number, int byte, int width, int flags, int column) except -1:
        cdef Symbol symbol
        cdef int i
        memset(&symbol, 0, sizeof(symbol))
        symbol.width, symbol.column = width, column
        if byte >= 0:
            walk_ascii(self.rules, byte, &symbol.masks)
        else:
            walk_wide(self.rules, width, flags, &symbol.masks)
        for i in range(self.count):
            if self.alike(&symbol, &self.symbols[i]):
                return 0
        if self.count == MOST_SYMBOLS:
            raise TooLargeError
        self.symbols[self.count], self.origin[self.count] = symbol, number
        self.count += 1
        return 0

    cdef bint alike(self, const Symbol *one, const Symbol *other):
        cdef int state
        if one.width != other.width or memcmp(&one.masks, &other.masks, 8 * WALK_WORDS):
            return False
        if one.column < 0 or other.column < 0:
            return one.column == other.column
        for state in range(self.rows.shape[0]):
            if self.rows[state, one.column] != self.rows[state, other.column]:
                return False
        return True

    def run(self, long limit):
        """A text that the rules mark in another way, as symbol numbers, or None; tries about `limit` blocks at most."""
        cdef GridMasks empty
        memset(&empty, 0, sizeof(empty))
        self.reach(0, 0, 0, START, BEGINS)
        for node in self.queue:
            self.open(node)
            if not self.grow(&empty, 0, 0):
                return self.way()
            if self.blocks > limit or len(self.known) + len(self.gave_up) > limit // 200:
                raise TooLargeError
        return None

    cdef list way(self):
        """The symbols from the text's start to the present block, and those of the block."""
        found = [self.word[i] for i in range(self.seen)]
        node = self.node
        while node is not None:
            node, past = self.known[node]
            found = [*past, *found]
        return [self.origin[i] for i in found]

    cdef int open(self, node) except -1:
        cdef uint32_t head = node & ((<uint64_t>1 << TAIL_AT) - 1)
        cdef uint64_t tail = node >> TAIL_AT
        self.node, self.ahead = node, head & ((1 << WALK_AHEAD_BITS) - 1)
        self.marked, self.state = head >> MARKED_AT & (MOST_MARKED - 1), head >> STATE_AT
        self.seen = 0
        while tail:
            self.word[self.seen] = <int>(tail & MOST_SYMBOLS) - 1
            self.seen += 1
            tail >>= WALK_SYMBOL_BITS
        return 0

    cdef int reach(self, int decided, int count, uint32_t state, int marked, int ahead) except -1:
        """Adds the node after the first `decided` symbols of the word, which has `count`."""
        cdef uint64_t head = ahead | marked << MARKED_AT | state << STATE_AT, tail = 0
        cdef int i
        if state >> WALK_STATE_BITS:
            raise TooLargeError
        for i in range(decided, count):
            tail |= <uint64_t>(self.word[i] + 1) << WALK_SYMBOL_BITS * (i - decided)
        node = head | tail << TAIL_AT if not tail >> (64 - TAIL_AT) else head | <object>tail << TAIL_AT
        if node not in self.known:
            self.known[node] = (self.node, tuple([self.word[i] for i in range(decided)]))
            self.queue.append(node)
        return 0

    cdef bint grow(self, const GridMasks *m, int count, int width) except -1:
        """Tries all blocks that begin with the first `count` symbols of the word, whose masks are `m`: marked alike?"""
        cdef GridMasks joined
        cdef int i
        if count and (count >= self.seen or count >= self.least) and not self.try_block(m, count, width):
            self.seen = max(count, self.seen)
            return False
        if count < self.seen:
            walk_join(m, &self.symbols[self.word[count]].masks, width, &joined)
            return self.grow(&joined, count + 1, width + self.symbols[self.word[count]].width)
        if count >= (self.most if m.quote & 1 else self.least):
            return True
        for i in range(self.count):
            self.word[count] = i
            walk_join(m, &self.symbols[i].masks, width, &joined)
            if not self.grow(&joined, count + 1, width + self.symbols[i].width):
                return False
        return True

    cdef bint try_block(self, const GridMasks *m, int count, int width) except -1:
        """Tries the word as the text's last block, and, if it is long enough, as a block that others follow."""
        cdef int ahead, blanks = 0
        while blanks < count and self.symbols[self.word[blanks]].masks.blank & 1:
            blanks += 1
        if blanks < count and not self.may_follow(&self.symbols[self.word[blanks]]):
            return True  # no such text
        if count >= self.seen and (blanks < count or self.ahead in (ANY, BEGINS, ENDS)) and not self.last_blocks(count):
            return False
        if count < self.least or (count > self.least and not m.quote & 1):
            return True
        if blanks < count:
            return self.block(m, count, width, ANY)
        for ahead in (CLOSED, OPEN, RARE, ENDS) if self.rules == RULES_LLM else (NEWLINE, OTHER, RARE, ENDS):
            if self.ahead in (ANY, BEGINS, ahead) and not self.block(m, count, width, ahead):
                return False
        return True

    cdef bint may_follow(self, const Symbol *one):
        """Whether this character may end the blanks, as far as the node knows."""
        if self.ahead in (ANY, BEGINS):
            return True
        if self.ahead in (RARE, ENDS) or one.column < 0:
            return self.ahead == RARE and one.column < 0
        if self.ahead in (NEWLINE, OTHER):
            return (one.masks.newline & 1) == (self.ahead == NEWLINE)
        return ((one.masks.newline | one.masks.letter | one.masks.punct) & 1) == (self.ahead == CLOSED)

    cdef bint last_blocks(self, int count) except -1:
        """Tries the word as the end of a text."""
        cdef GridMasks masks, joined
        cdef uint32_t state = self.state
        cdef int marked = self.marked, at = 0, i, width, decided
        while at < count:
            memset(&masks, 0, sizeof(masks))
            width = 0
            for i in range(at, count):
                walk_join(&masks, &self.symbols[self.word[i]].masks, width, &joined)
                masks = joined
                width += self.symbols[self.word[i]].width
            decided = self.step(&masks, at, count, width, width, False, ENDS, &state, &marked)
            if decided == 0:
                self.give_up(marked, at, count)
            if decided <= 0:
                return decided == 0
            at += decided
        return self.rows[self.rows[marked, self.end + 1], self.end] == FINAL

    cdef bint block(self, const GridMasks *m, int count, int width, int ahead) except -1:
        """Tries the word as a block that others follow; it looks at the last character without deciding it."""
        cdef uint32_t state = self.state
        cdef int marked = self.marked
        cdef int decided = self.step(m, 0, count, width, self.size(count), True, ahead, &state, &marked)
        if decided == 0 and self.rules == RULES_LLM and ahead in (CLOSED, OPEN, ENDS):
            decided = self.stand_in(count, ahead, &state, &marked)
        if decided > 0:
            self.reach(decided, max(count, self.seen), state, marked, ahead)
        elif decided == 0 and not (m.quote & 1 and count < self.most):  # a longer block may tell what follows the quote
            self.give_up(marked, 0, count)
        return decided >= 0

    cdef int size(self, int count) noexcept:
        """The bytes of the word that a block may decide: not its last character, and none from a second quote on."""
        cdef int i = 1, size = self.symbols[self.word[0]].width
        while i < count - 1 and not self.symbols[self.word[i]].masks.quote & 1:
            size += self.symbols[self.word[i]].width
            i += 1
        return size

    cdef int stand_in(self, int count, int ahead, uint32_t *state, int *marked) except -2:
        """LLM's rules: tries the word's first blank, and a newline or a digit in place of the end of the blanks."""
        cdef GridMasks end, both
        cdef const Symbol *blank = &self.symbols[self.word[0]]
        memset(&end, 0, sizeof(end))
        if ahead == OPEN:
            end.number = 1
        else:
            end.newline = 1
        walk_join(&blank.masks, &end, blank.width, &both)
        return self.step(&both, 0, count, blank.width + 1, blank.width, True, ANY, state, marked)

    cdef int give_up(self, int marked, int first, int count) except -1:
        """Remembers the place, and the symbols after it, up to the first that the rules never decide."""
        cdef int i = first
        while i + 1 < count and self.symbols[self.word[i]].column >= 0:
            i += 1
        self.gave_up.add((marked, tuple([self.origin[self.word[j]] for j in range(first, i + 1)])))
        return 0

    cdef int step(
        self, const GridMasks *m, int first, int count, int width, int size, bint more, int ahead, uint32_t *state,
        int *marked
    ) except -2:
        """The number of characters of word[first:count] that a block decides; -1 if its marks are wrong."""
        cdef GridState s = walk_unpack(state[0])
        cdef uint64_t starts
        cdef uint8_t byte = c"\n" if ahead == NEWLINE else c"x" if ahead == OTHER else 0xC2 if ahead == RARE else 0
        cdef int at = 0, i = first, decided = walk_block(
            self.rules, m, width, size, more, ahead == ENDS, byte, &s, &starts)
        self.blocks += 1
        if not decided:
            return 0
        if first == 0 and self.ahead == BEGINS:
            starts &= ~<uint64_t>1
        while at < decided and i < count:
            if starts >> at & 1:
                marked[0] = self.rows[marked[0], self.end + 1]
                starts ^= <uint64_t>1 << at
            if self.symbols[self.word[i]].column < 0:
                return -1
            marked[0] = self.rows[marked[0], self.symbols[self.word[i]].column]
            at += self.symbols[self.word[i]].width
            i += 1
        state[0] = walk_pack(&s)
        return i - first if at == decided and not starts and marked[0] != DEAD else -1
