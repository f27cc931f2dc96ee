"""The checks of tables that come from a file, and the proof of a set of rules against the automaton.

The checks take sections of an image, and raise `ValueError` with the expected and the found value. Invariant: with
tables that pass, and sections of the right size, no text makes the core read or write outside of its memory, loop
without end, or stop before the text's end. The tables may still be wrong: nothing here checks whether `blob`, `direct`,
`joined` and the ranks in `byte_pairs` suit the merges, nor whether the classes of characters suit the splits.

`Walk` looks for a text that the rules of the kernel, the same C, mark in another way than the rows of a `Marked`, in
blocks of a few characters instead of 64 bytes. A node is all that is known between two blocks: the state of the rules,
the state of the `Marked` after the marks so far, and the characters that are seen but not decided. From each node the
walk tries all blocks of `least` characters; of `least` to `most` after a quote, since rules of words look at the
characters after it. Shorter blocks end a text. A block that is all blanks is told what ends them, as one of 64 bytes
may see. docs/rules.md says what that proves.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from dstok.core.split.character_finder cimport (
    MATRIX_CLASSES, MATRIX_JOINER, MATRIX_NONE, MATRIX_NUMBERS, MATRIX_PAGES, MATRIX_SPACE, CharacterFinder,
    matrix_apart, matrix_ascii,
)
from dstok.core.split.finder cimport (
    BIMACHINE_KINDS, BIMACHINE_STATES, BIMACHINE_UNSURE, NEWLINES_FIRST, RULES, SHUFFLE_CLASSES, SHUFFLE_STATES,
    Bimachine, bimachine_open, shuffles_open,
)
from dstok.core.bpe.merge cimport (
    BPE, ID_BITS, NO_PAIR, NO_RANK, RANK_BITS, character_at, pair_merged, pair_rank,
)
from dstok.core.cpu.level cimport Shuffles, chosen
from dstok.core.split.automaton cimport DEAD, FINAL, KEEP, MOVE, OPERATION, ROW, ROWS, SET_0, SET_1, START
from dstok.core.text.hash cimport hash_lanes
from dstok.core.text.normalize cimport BOUNDARY, HANGUL, TROUBLED
from dstok.core.text.utf8 cimport find_invalid

from array import array

from dstok.core.bpe.facts import is_monotone

cdef uint64_t EMPTY = 0xFFFFFFFFFFFFFFFF  # a slot of the pair table
cdef uint32_t NO_ID = 0xFFFFFFFF

cdef enum:
    MOST_ID = (1 << ID_BITS) - 1
    MAX_TAG = 2              # plus one: a kept piece, a dropped one
    OLDER = 1                # bits that say which of the two places of the scanner are set
    NEWER = 2


cdef int fail(str expected, found) except -1:
    raise ValueError(f"expected {expected}, found {found}")


def checksum(const uint8_t[::1] data not None) -> bytes:
    """Return 32 bytes that other data do not have by accident. No promise against people, and 8 times SHA-256's speed.
    """
    cdef uint64_t[4] lanes
    with nogil:
        hash_lanes(&data[0] if data.shape[0] else NULL, data.shape[0], lanes)
    return (<const char *>lanes)[:sizeof(lanes)]


def check_classes(const uint8_t[::1] pages not None, page_numbers: Buffer, Py_ssize_t classes):
    """Check a class table: every page exists, every class is below `classes`."""
    cdef const uint16_t[::1] numbers = memoryview(page_numbers).cast("B").cast("H")
    cdef Py_ssize_t i, count = pages.shape[0] >> 8
    for i in range(numbers.shape[0]):
        if numbers[i] >= count:
            fail(f"page numbers below {count}", numbers[i])
    for i in range(pages.shape[0]):
        if pages[i] >= classes:
            fail(f"classes below {classes}", pages[i])


def check_edges(edges: Buffer, const uint8_t[::1] ascii not None, Py_ssize_t symbols):
    """Check the automaton: edges lead to rows, no piece is empty, and each path knows a piece's end when it dies.

    `ascii` are the classes of the 128 ASCII characters: the column of a character equals the column of its class.
    """
    cdef const uint32_t[::1] e = memoryview(edges).cast("B").cast("I")
    cdef Py_ssize_t rows = e.shape[0] // ROW, row, i
    cdef uint32_t edge
    for row in range(rows):
        for i in range(ROW):
            edge = e[row * ROW + i]
            if edge & ROWS >= rows * ROW or edge >> 24 > MAX_TAG or edge & 0xFF > (KEEP if edge >> 24 else 0):
                fail(f"an edge to one of {rows} states", f"0x{edge:08x} in state {row}")
        for i in range(128):
            if e[row * ROW + i] != e[row * ROW + 128 + ascii[i]]:
                fail(f"the edge of its class for the byte 0x{i:02x}", f"another in state {row}")
    for i in range(128, 127 + symbols):
        if e[ROW + i] >> 24 or not e[ROW + i] & ROWS:
            fail("pieces of at least one character", f"an empty one at symbol {i - 128}")
    _check_ends(e, rows, symbols)


cdef _check_ends(const uint32_t[::1] e, Py_ssize_t rows, Py_ssize_t symbols):
    """Follow the edges from the start, with the places that are set; the dead state must know the older one.

    A place is set after the first character at the earliest, since the start's edges have no tag: no piece is empty.
    """
    cdef uint8_t[::1] seen = bytearray(4 * rows)
    cdef uint32_t[::1] queue = array("I", bytes(16 * rows))
    cdef Py_ssize_t at = 0, count = 1, column
    cdef uint32_t edge, node, key
    queue[0] = 4  # not seen yet: the end of the text cannot follow the start itself
    while at < count:
        node = queue[at]
        at += 1
        for column in range(128, 127 + symbols + (node != 4 or seen[4])):
            edge = e[(node >> 2) * ROW + column]
            key = _places_after(edge, node & 3)
            if column == 127 + symbols or not edge & ROWS:
                if not key & OLDER:
                    fail("the end of a piece", f"none in state {node >> 2} at symbol {column - 128}")
                continue
            key |= (edge & ROWS) // ROW << 2
            if not seen[key]:
                seen[key], queue[count] = 1, key
                count += 1


cdef uint32_t _places_after(uint32_t edge, uint32_t places) noexcept:
    """Return the places that are set after an edge; a `MOVE` of one that is not set leaves none."""
    cdef uint32_t operation = edge & 0xFF
    if not edge >> 24 or operation == KEEP:
        return places
    if operation == SET_0:
        return places | OLDER
    if operation != SET_1:
        places = places & NEWER | (OLDER if places & NEWER else 0)
    return places if operation == MOVE else places | NEWER


def check_bimachine(const uint8_t[::1] section not None, const uint8_t[::1] ascii=None):
    """Check a bimachine: its size, that classes and states are such, and that known sides need no later text.

    `ascii`: the classes of the 128 ASCII characters, if it is for shuffles, which it must fit then.
    """
    cdef Bimachine b
    cdef Shuffles *tables
    cdef Py_ssize_t i
    cdef uint32_t mark
    if not bimachine_open(&b, &section[0] if section.shape[0] else NULL, section.shape[0]):
        fail(f"a bimachine of 1 to {BIMACHINE_STATES} states and 1 to {BIMACHINE_KINDS} classes",
             f"{section.shape[0]} bytes")
    for i in range(BIMACHINE_KINDS):
        if b.kinds[i] >= b.classes:
            fail(f"classes below {b.classes} in a bimachine", b.kinds[i])
    for i in range(b.lefts * (b.rights + b.aheads)):
        mark = b.marks[i]
        if mark and (mark >> 16 not in (1, 2) or mark & 0xFFFF >= b.lefts) and (
                mark != BIMACHINE_UNSURE or i < b.lefts * b.rights):
            fail(f"a mark with one of {b.lefts} states", f"0x{mark:08x}")
    _check_steps(b.left, b.lefts, b.classes)
    _check_steps(b.right, b.rights, b.classes)
    _check_steps(b.ahead, b.aheads, b.classes)
    if ascii is not None:
        tables = <Shuffles *>malloc(sizeof(Shuffles))
        if tables == NULL:
            raise MemoryError
        fits = shuffles_open(tables, &b, &ascii[0])
        free(tables)
        if not fits:
            fail("a bimachine for shuffles", f"one of {b.lefts} and {b.rights} states")


cdef _check_steps(const uint16_t *steps, uint32_t states, uint32_t classes):
    cdef Py_ssize_t i
    for i in range(<Py_ssize_t>states * classes):
        if steps[i] >= states:
            fail(f"the number of a state below {states}", steps[i])


def check_tokens(starts: Buffer, Py_ssize_t blob, list byte_ids):
    """Check the vocabulary: `starts` rise from 0 to the blob's length, and each of the 256 `byte_ids` has one byte."""
    cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
    cdef Py_ssize_t i, size = s.shape[0] - 1
    if s[0] != 0 or s[size] != blob:
        fail(f"tokens of 0 to {blob} bytes of the blob", f"{s[0]} to {s[size]}")
    for i in range(size):
        if s[i] > s[i + 1]:
            fail("starts that rise", f"{s[i + 1]} after {s[i]} at id {i}")
    for i in byte_ids:
        if not 0 <= i < size or s[i + 1] - s[i] != 1:
            fail("the id of a byte", i)


def check_texts(const uint32_t[::1] starts not None, const uint8_t[::1] blob not None, byte_ids: set[int]):
    """Check that the tokens of a model of characters, but for those of bytes, are UTF-8, as their spellings are.

    Tokens between two bytes' tokens are read at once: they are UTF-8 together, and each begins with a character.
    """
    cdef Py_ssize_t i, end, first = 0, size = starts.shape[0] - 1
    cdef bint text = True
    for end in sorted({i for i in byte_ids if 0 <= i < size} | {size}):
        text = text and find_invalid(&blob[0] + starts[first], starts[end] - starts[first], chosen()) < 0
        for i in range(first, end):
            text = text and (starts[i] == starts[i + 1] or blob[starts[i]] & 0xC0 != 0x80)
        first = min(end + 1, size)
    for i in range(size if text else 0, size):  # the token at fault
        if starts[i] < starts[i + 1] and find_invalid(&blob[starts[i]], starts[i + 1] - starts[i], chosen()) >= 0 and (
                i not in byte_ids):
            fail("tokens that are text", f"{bytes(blob[starts[i]:starts[i + 1]])!r} at id {i}")


cdef inline uint32_t _length(BPE bpe, uint32_t token) noexcept nogil:
    return bpe.starts[token + 1] - bpe.starts[token]


def check_merges(BPE bpe not None, pairs: Buffer, Py_ssize_t merges) -> array[int]:
    """Check the slots of the pair table: they hold so many merges, whose ranks are 0, 1, 2 and so on, each once; their
    ids exist, each token is as long as its two sides, and each merge stands where it is looked for. Return them by
    rank, flat: left, right, merged.

    If the merge loops take the ranks as monotone, they must be. The slots are read in their order, the tokens by rank:
    so most reads are of memory that is in the cache.
    """
    cdef const uint64_t[::1] slots = memoryview(pairs).cast("B").cast("Q")
    cdef uint32_t left, right, made, rank, size = bpe.size
    cdef Py_ssize_t i, count = 0
    for i in range(slots.shape[0]):
        count += slots[i] != EMPTY
    live = array("I", [NO_ID]) * (3 * count)
    cdef uint32_t[::1] m = live
    cdef uint8_t[::1] misplaced = bytearray(count)
    for i in range(slots.shape[0]):
        if slots[i] == EMPTY:
            continue
        rank, left, right = slots[i] & NO_RANK, slots[i] >> (RANK_BITS + ID_BITS), slots[i] >> RANK_BITS & MOST_ID
        if rank >= count or m[3 * rank] != NO_ID:
            fail(f"the ranks below {count} in the pair table, each once", f"{rank} in slot {i}")
        m[3 * rank], m[3 * rank + 1] = left, right
        misplaced[rank] = pair_rank(&bpe.pairs, left, right) != rank
    if count != merges:
        raise ValueError(f"merges: expected {merges} in the pair table, found {count}")
    if bpe.pairs.merged == NULL and count + bpe.pairs.first > size:
        raise ValueError(f"first: expected {count} ids below {size}, found {bpe.pairs.first}")
    for rank in range(count):
        left, right, made = m[3 * rank], m[3 * rank + 1], pair_merged(&bpe.pairs, rank)
        if left >= size or right >= size or made >= size:
            fail(f"ids below {size}", f"{left}, {right} and {made} in merge {rank}")
        if not (_length(bpe, left) and _length(bpe, right) and (
                _length(bpe, left) + _length(bpe, right) == _length(bpe, made))):
            fail(f"a token as long as its sides {left} and {right}", f"{made} in merge {rank}")
        if misplaced[rank]:
            fail(f"the pair table to hold merge {rank} where it is looked for", "it does not")
        m[3 * rank + 2] = made
    if bpe.monotone and not is_monotone(live, size):
        fail("merges whose ranks rise", "others")
    return live


def check_dead(BPE bpe not None, dead: Buffer, Py_ssize_t live):
    """Check the dead merges beside `live` others: their ranks rise, and their ids exist."""
    cdef const uint32_t[::1] d = memoryview(dead).cast("B").cast("I")
    cdef Py_ssize_t i, least = 0, count = live + d.shape[0] // 4
    for i in range(0, d.shape[0], 4):
        if not least <= d[i] < count:
            fail(f"dead merges with ranks that rise to at most {count - 1}", d[i])
        least = d[i] + 1
        if max(d[i + 1], d[i + 2], d[i + 3]) >= bpe.size:
            fail(f"ids below {bpe.size}", f"{d[i + 1]}, {d[i + 2]} and {d[i + 3]} in the dead merge {d[i]}")


def check_atoms(BPE bpe not None, atoms: Buffer):
    """Check the table of characters: each is the token of its own bytes."""
    cdef const uint32_t[::1] a = memoryview(atoms).cast("B").cast("I")
    cdef uint32_t c, token, length, found = 0
    for c in range(a.shape[0]):
        if not a[c]:
            continue
        token = a[c] - 1
        if token >= bpe.size:
            fail(f"ids below {bpe.size}", f"{token} for U+{c:04X}")
        length = _length(bpe, token)
        if not 2 <= length <= 3 or (length == 3) != (c >= 0x800) or (
                character_at(bpe.blob + bpe.starts[token], length, &found) != <int>length) or found != c:
            fail(f"the token of U+{c:04X}", f"id {token}")


def check_byte_pairs(BPE bpe not None, byte_pairs: Buffer, pair_ids: Buffer):
    """Check the pairs of bytes that merging may start from: the token of each is its two bytes."""
    cdef const uint16_t[::1] p = memoryview(byte_pairs).cast("B").cast("H")
    cdef const uint32_t[::1] ids = memoryview(pair_ids).cast("B").cast("I")
    cdef Py_ssize_t pair
    cdef uint32_t token
    cdef const uint8_t *content
    for token in ids:
        if token >= bpe.size or _length(bpe, token) != 2:
            fail("ids of tokens of two bytes", token)
    for pair in range(p.shape[0] >> 2):
        if p[4 * pair] == NO_PAIR:
            continue
        if p[4 * pair] >= ids.shape[0]:
            fail(f"numbers of pairs below {ids.shape[0]}", p[4 * pair])
        content = bpe.blob + bpe.starts[ids[p[4 * pair]]]
        if content[0] != pair >> 8 or content[1] != (pair & 0xFF):
            fail(f"the token of the bytes 0x{pair:04x}", f"id {ids[p[4 * pair]]}")


def check_matrix(const uint8_t[::1] matrix not None, joined: Buffer, bint split, const uint64_t[::1] pairs not None):
    """Check the matrix of a model of characters: its class table; no cut is where merge i joins the characters of pair
    i, left << 32 | right. With `split` a cut is before each space. The classes of ASCII are those of the core.
    """
    check_classes(matrix[MATRIX_PAGES:], matrix[MATRIX_NUMBERS:MATRIX_PAGES], MATRIX_CLASSES)
    cdef CharacterFinder finder = CharacterFinder(matrix, joined, split)
    cdef uint32_t left, right
    cdef Py_ssize_t i
    for i in range(128):
        if finder.kernel.pages[(<uint32_t>finder.kernel.page_numbers[0] << 8) + i] != matrix_ascii(<int>i):
            fail(f"the class {matrix_ascii(<int>i)} for U+{i:04X}", "another")
    for i in range(MATRIX_CLASSES):
        if split and matrix[i] >> MATRIX_SPACE & 1:
            fail("a cut before each space", f"none after class {i}")
    if split and matrix[MATRIX_JOINER] != MATRIX_NONE:
        fail("a cut before each space", f"none after U+{matrix[MATRIX_JOINER]:04X}")
    for i in range(pairs.shape[0]):
        left, right = pairs[i] >> 32, <uint32_t>pairs[i]
        if matrix_apart(&finder.kernel, left, right) and not (split and right == c" "):
            fail(f"no cut between U+{left:04X} and U+{right:04X} of merge {i}", "one")


def check_direct(BPE bpe not None, const uint8_t[::1] direct not None):
    """Check the bits of the ids that fill the piece tables: each of these ids has bytes."""
    cdef Py_ssize_t i
    for i in range(8 * direct.shape[0]):
        if direct[i >> 3] >> (i & 7) & 1 and (i >= bpe.size or not _length(bpe, <uint32_t>i)):
            fail("ids of tokens", i)


def shared_numbers() -> dict[str, int]:
    """The numbers that the Python below the core writes down, too, by their names there. For a test."""
    return {"MAX_STATES": SHUFFLE_STATES, "MAX_CLASSES": SHUFFLE_CLASSES, "KINDS": BIMACHINE_KINDS,
            "UNSURE": <uint32_t>BIMACHINE_UNSURE, "DEAD": DEAD, "START": START, "FINAL": FINAL,
            "OPERATION": OPERATION, "NO_PAIR": NO_PAIR, "BOUNDARY": BOUNDARY, "TROUBLED": TROUBLED, "HANGUL": HANGUL}


cdef extern from "check/walk.h":
    const char *DSTOK_SOURCES
    enum:
        RULES_LLM
        WALK_WORDS
        WALK_AHEAD_BITS
        WALK_MARKED_BITS
        WALK_STATE_BITS
        WALK_SYMBOL_BITS
        WALK_HEAD_BITS
    ctypedef struct GridMasks:
        uint64_t letter, punct, number, blank, newline, quote
    ctypedef struct GridState:
        pass
    uint64_t walk_hash(uint64_t node) noexcept nogil
    void walk_ascii(int rules, uint8_t byte, GridMasks *m) noexcept nogil
    void walk_wide(int rules, int width, uint8_t flags, GridMasks *m) noexcept nogil
    void walk_join(const GridMasks *m, const GridMasks *one, int width, GridMasks *joined) noexcept nogil
    int walk_block(
        int rules, const GridMasks *masks, int width, int size, bint more, bint final, uint8_t ahead, GridState *s,
        uint64_t *starts
    ) noexcept nogil
    uint32_t walk_pack(const GridState *s) noexcept nogil
    GridState walk_unpack(uint32_t packed) noexcept nogil

SOURCES = bytes(DSTOK_SOURCES)  # the hash of all that decides a walk, and the program that it walks (setup.py)

cdef enum:
    MARKED_AT = WALK_AHEAD_BITS
    STATE_AT = WALK_AHEAD_BITS + WALK_MARKED_BITS
    TAIL_AT = WALK_HEAD_BITS
    MOST_SYMBOLS = (1 << WALK_SYMBOL_BITS) - 1
    LONGEST = 11             # characters of a block: all but the first must fit into 64 bits
    REMEMBERED = 1 << 14     # nodes that are kept to be met again at once: most are

cdef enum:                   # the knowledge of a node about the text after these characters, if they are blanks
    ANY
    NEWLINE
    OTHER                    # a character that is no newline; not one that the rules never decide
    ENDS                     # the end of the text
    BEGINS                   # nothing; and the text begins here: no mark stands before its first character
    CLOSED                   # LLM's rules: a newline, a letter, or punctuation
    OPEN                     # another character in rules of LLM; not one that the rules never decide
    RARE                     # a character beyond ASCII that the rules never decide


class TooLargeError(Exception):
    """A walk that would take too long, or that has no room: for an automaton that no rules are made for."""


cdef struct Symbol:          # all characters that the rules do not tell apart
    GridMasks masks
    int width
    bint rare                # the rules never decide it
    int first, last          # its columns of the `Marked`, as indices of `columns`


cdef struct Reached:         # a state of the `Marked` after some characters of the word
    int marked
    int before               # the index of the state before the last character
    int given                # the number of the last character among the symbols that were given


cdef struct Node:
    uint32_t head
    uint64_t tail


cdef class Walk:
    """`symbols` are (byte, 1, 0, column) of ASCII characters and (-1, width, F_ flags, column) of others, where the
    column -1 says that the rules never decide it; `rows` are those of the `Marked`, `end` its column for the end of the
    text; the mark has the next column. Characters that the rules do not tell apart are one symbol with several columns:
    the walk tries these when the automaton reads the symbol, and until then a node has the symbol alone. Nodes that
    differ only in the state of the `Marked` are walked together. A node needs no walk if another one lacks its last
    symbols and is else the same, for from there all symbols are tried.

    `gave_up`: where the rules leave a text to the automaton: the state of the `Marked`, and the columns of each symbol
    seen -> the numbers of these characters among `symbols`. `nodes`, `blocks`: their numbers.
    """

    cdef int rules, least, most, count, end
    cdef Symbol symbols[MOST_SYMBOLS]
    cdef int[::1] columns, numbers  # of the characters that the automaton tells apart, by symbol
    cdef list seen_as        # for each symbol its columns, and the numbers
    cdef const uint16_t[:, ::1] rows
    cdef dict known          # node -> the node before it, and the characters decided between them
    cdef list pending        # by the symbols that a block may add: node without the state of the `Marked` -> states
    cdef list wrong          # the characters of a text that is marked wrongly
    cdef object node         # without the state of the `Marked`
    cdef int seen, ahead     # of the node
    cdef uint32_t state
    cdef GridState unpacked  # the same
    cdef int word[LONGEST]
    cdef Reached reached[LONGEST + 1][1 << WALK_MARKED_BITS]  # the states after so many symbols of the word
    cdef int alive[LONGEST + 1]  # their number
    cdef int came[LONGEST + 1]   # the last of these symbols, and whether a mark stood before it; 0: they are not known
    cdef uint64_t stamps[1 << WALK_MARKED_BITS]  # by state: the last reading that reached it
    cdef uint64_t stamp
    cdef Node met[REMEMBERED]
    cdef readonly long blocks
    cdef readonly dict gave_up

    def __cinit__(
        self, int rules, symbols: Sequence[tuple[int, int, int, int]], const uint16_t[:, ::1] rows not None, int end,
        int least=2, int most=4
    ):
        cdef Symbol symbol
        if not 2 <= least <= most <= LONGEST:
            raise ValueError(f"expected blocks of 2 to {LONGEST} characters, found {least} and {most}")
        if rows.shape[0] > 1 << WALK_MARKED_BITS:
            raise TooLargeError
        self.rules, self.rows, self.end, self.least, self.most = rules, rows, end, least, most
        self.known, self.pending, self.gave_up = {}, [{} for _ in range(most)], {}
        alike = {}  # what the rules see -> what the automaton sees -> the column and the number
        for number, (byte, width, flags, column) in enumerate(symbols):
            memset(&symbol, 0, sizeof(symbol))
            if byte >= 0:
                walk_ascii(rules, byte, &symbol.masks)
            else:
                walk_wide(rules, width, flags, &symbol.masks)
            masks = (<const char *>&symbol.masks)[:8 * WALK_WORDS]
            after = None if column < 0 else bytes(rows[:, column])
            alike.setdefault((width, column < 0, masks), {}).setdefault(after, (column, number))
        if len(alike) > MOST_SYMBOLS:
            raise TooLargeError
        columns, numbers, self.seen_as = array("i"), array("i"), []
        for (width, rare, masks), each in alike.items():
            memcpy(&symbol.masks, <const char *><bytes>masks, 8 * WALK_WORDS)
            symbol.width, symbol.rare, symbol.first = width, rare, len(columns)
            for column, number in each.values():
                columns.append(column)
                numbers.append(number)
            symbol.last = len(columns)
            self.seen_as.append((tuple(columns[symbol.first:]), tuple(numbers[symbol.first:])))
            self.symbols[self.count] = symbol
            self.count += 1
        self.columns, self.numbers = columns, numbers

    @property
    def nodes(self) -> int:
        return len(self.known)

    def run(self, long limit) -> list[int] | None:
        """Return a text that the rules mark in another way, as symbol numbers, or None; try about `limit` blocks."""
        cdef GridMasks empty
        cdef uint32_t head
        cdef uint64_t tail
        memset(&empty, 0, sizeof(empty))
        self.node, self.alive[0], self.reached[0][0].marked = None, 1, START
        self.reach(0, 0, 0, 0, BEGINS)
        while any(self.pending):
            cheapest = next(i for i, some in enumerate(self.pending) if some)
            some, self.pending[cheapest] = self.pending[cheapest], {}
            for node, states in some.items():
                head, tail = node & ((<uint64_t>1 << TAIL_AT) - 1), node >> TAIL_AT
                self.node, self.ahead, self.state = node, head & ((1 << WALK_AHEAD_BITS) - 1), head >> STATE_AT
                self.unpacked = walk_unpack(self.state)
                self.seen = self.came[1] = 0
                while tail:
                    self.word[self.seen] = <int>(tail & MOST_SYMBOLS) - 1
                    self.seen += 1
                    tail >>= WALK_SYMBOL_BITS
                if 2 <= self.seen <= self.least + (self.symbols[self.word[0]].masks.quote & 1):
                    for i in range(1, self.seen):
                        shorter = node & ((<object>1 << TAIL_AT + WALK_SYMBOL_BITS * i) - 1)
                        states = [state for state in states if (shorter | state << MARKED_AT) not in self.known]
                self.alive[0] = len(states)
                for i, state in enumerate(states):
                    self.reached[0][i].marked = state
                if states and not self.grow(&empty, 0, 0):
                    return self.wrong
                if self.blocks > limit or len(self.known) + len(self.gave_up) > limit // 200:
                    raise TooLargeError
        return None

    cdef tuple characters(self, int read, int index):
        """Return the node before the word, and the `read` characters after it, which led to the state of that index."""
        found = []
        while read:
            found.append(self.reached[read][index].given)
            index = self.reached[read][index].before
            read -= 1
        return None if self.node is None else self.node | self.reached[0][index].marked << MARKED_AT, found[::-1]

    cdef bint fails(self, int read, int index, int count) except -1:
        """Keep the text that the word, of `count` symbols, ends, and these characters lead into; return False."""
        cdef int i
        node, self.wrong = self.characters(read, index)
        for i in range(read, max(count, self.seen)):
            self.wrong.append(self.numbers[self.symbols[self.word[i]].first])
        while node is not None:
            node, past = self.known[node]
            self.wrong[:0] = past
        return False

    cdef int reach(self, int decided, int index, int count, uint32_t state, int ahead) except -1:
        """Add the node after the first `decided` of the `count` symbols of the word, and the state of that index."""
        cdef uint32_t marked = self.reached[decided][index].marked
        cdef uint32_t head = ahead | marked << MARKED_AT | state << STATE_AT
        cdef uint64_t tail = 0
        cdef int i, most
        if state >> WALK_STATE_BITS:
            raise TooLargeError
        for i in range(decided, count):
            tail |= <uint64_t>(self.word[i] + 1) << WALK_SYMBOL_BITS * (i - decided)
        cdef Node *met = &self.met[walk_hash(tail ^ head) % REMEMBERED]
        if met.head == head and met.tail == tail:
            return 0
        met.head, met.tail = head, tail
        node = head | <object>tail << TAIL_AT
        if node not in self.known:
            self.known[node] = self.characters(decided, index)
            most = self.most if decided < count and self.symbols[self.word[decided]].masks.quote & 1 else self.least
            self.pending[max(0, most - count + decided - 1)].setdefault(
                node ^ <object>marked << MARKED_AT, []).append(marked)
        return 0

    cdef bint grow(self, const GridMasks *m, int count, int width) except -1:
        """Try all blocks that begin with the first `count` symbols of the word, whose masks are `m`: marked alike?"""
        cdef GridMasks joined
        cdef int i
        if count and (count >= self.seen or count >= self.least) and not self.try_block(m, count, width):
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
        """Try the word as the text's last block, and, if it is long enough, as a block that others follow."""
        cdef int ahead, blanks = 0
        while blanks < count and self.symbols[self.word[blanks]].masks.blank & 1:
            blanks += 1
        if blanks < count and not self.may_follow(&self.symbols[self.word[blanks]]):
            return True  # no such text
        if count >= self.seen and (blanks < count or self.ahead in (ANY, BEGINS, ENDS)) and not (
                self.last_blocks(m, count, width)):
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
        """Tell whether this character may end the blanks, as far as the node knows."""
        if self.ahead in (ANY, BEGINS):
            return True
        if self.ahead in (RARE, ENDS) or one.rare:
            return self.ahead == RARE and one.rare
        if self.ahead in (NEWLINE, OTHER):
            return (one.masks.newline & 1) == (self.ahead == NEWLINE)
        return ((one.masks.newline | one.masks.letter | one.masks.punct) & 1) == (self.ahead == CLOSED)

    cdef bint last_blocks(self, const GridMasks *m, int count, int width) except -1:
        """Try the word as the end of a text."""
        cdef GridMasks masks, joined
        cdef uint32_t state = self.state
        cdef int at = 0, i, decided
        while at < count:
            decided = self.step(m if at == 0 else &masks, at, count, width, width, False, ENDS, &state)
            if decided == 0:
                self.give_up(at, count)
            if decided <= 0:
                return decided == 0
            at += decided
            if at == count:
                break
            memset(&masks, 0, sizeof(masks))
            width = 0
            for i in range(at, count):
                walk_join(&masks, &self.symbols[self.word[i]].masks, width, &joined)
                masks = joined
                width += self.symbols[self.word[i]].width
        for i in range(self.alive[count]):
            if self.rows[self.rows[self.reached[count][i].marked, self.end + 1], self.end] != FINAL:
                return self.fails(count, i, count)
        return True

    cdef bint block(self, const GridMasks *m, int count, int width, int ahead) except -1:
        """Try the word as a block that others follow; it looks at the last character without deciding it."""
        cdef uint32_t state = self.state
        cdef int i = 1, size = self.symbols[self.word[0]].width, decided
        while i < count - 1 and not self.symbols[self.word[i]].masks.quote & 1:  # none from a second quote on
            size += self.symbols[self.word[i]].width
            i += 1
        decided = self.step(m, 0, count, width, size, True, ahead, &state)
        if decided == 0 and self.rules == RULES_LLM and ahead in (CLOSED, OPEN, ENDS):
            decided = self.stand_in(count, ahead, &state)
        if decided > 0:
            for i in range(self.alive[decided]):
                self.reach(decided, i, max(count, self.seen), state, ahead)
        elif decided == 0 and not (m.quote & 1 and count < self.most):  # a longer block may tell what follows the quote
            self.give_up(0, count)
        return decided >= 0

    cdef int stand_in(self, int count, int ahead, uint32_t *state) except -2:
        """LLM's rules: try the word's first blank, and a newline or a digit in place of the end of the blanks."""
        cdef GridMasks end, both
        cdef const Symbol *blank = &self.symbols[self.word[0]]
        memset(&end, 0, sizeof(end))
        if ahead == OPEN:
            end.number = 1
        else:
            end.newline = 1
        walk_join(&blank.masks, &end, blank.width, &both)
        return self.step(&both, 0, count, blank.width + 1, blank.width, True, ANY, state)

    cdef int give_up(self, int first, int count) except -1:
        """Keep the present states, and the symbols after them, up to the first that the rules never decide."""
        cdef int i = first
        while i + 1 < count and not self.symbols[self.word[i]].rare:
            i += 1
        columns, numbers = zip(*[self.seen_as[self.word[j]] for j in range(first, i + 1)])
        for j in range(self.alive[first]):
            self.gave_up[self.reached[first][j].marked, columns] = numbers
        return 0

    cdef int step(
        self, const GridMasks *m, int first, int count, int width, int size, bint more, int ahead, uint32_t *state
    ) except -2:
        """Return the number of characters of word[first:count] that a block decides; -1 if its marks are wrong."""
        cdef GridState s = self.unpacked if first == 0 else walk_unpack(state[0])
        cdef uint64_t starts
        cdef uint8_t other = c"\n" if RULES[self.rules].newlines == NEWLINES_FIRST else c"x"
        cdef uint8_t byte = c"\r" if ahead == NEWLINE else other if ahead == OTHER else 0xC2 if ahead == RARE else 0
        cdef int at = 0, i = first, decided = walk_block(
            self.rules, m, width, size, more, ahead == ENDS, byte, &s, &starts)
        self.blocks += 1 + self.alive[first] // 8
        if not decided:
            return 0
        if first == 0 and self.ahead == BEGINS:
            starts &= ~<uint64_t>1
        while at < decided and i < count and not self.symbols[self.word[i]].rare:
            if not self.read(i, starts >> at & 1, count):
                return -1
            starts &= ~(<uint64_t>1 << at)
            at += self.symbols[self.word[i]].width
            i += 1
        state[0] = walk_pack(&s)
        if at == decided and not starts:
            return i - first
        self.fails(i, 0, count)
        return -1

    cdef bint read(self, int i, bint mark, int count) except -1:
        """Read the symbol i of the word, after a mark or not, from each state, by each column: do all go on?"""
        cdef const Symbol *one = &self.symbols[self.word[i]]
        cdef Reached *after = self.reached[i + 1]
        cdef int j, column, marked, target, alive = 0, way = 2 + 2 * self.word[i] + mark
        if self.came[i + 1] == way:
            return True  # the word before had the same beginning
        self.came[i + 1] = way
        if i + 2 <= LONGEST:
            self.came[i + 2] = 0
        self.stamp += 1
        for j in range(self.alive[i]):
            marked = self.reached[i][j].marked
            if mark:
                marked = self.rows[marked, self.end + 1]
            for column in range(one.first, one.last):
                target = self.rows[marked, self.columns[column]]
                if self.stamps[target] != self.stamp:
                    self.stamps[target] = self.stamp
                    after[alive].marked, after[alive].before, after[alive].given = target, j, self.numbers[column]
                    alive += 1
                    if target == DEAD:
                        return self.fails(i + 1, alive - 1, count)
        self.alive[i + 1] = alive
        self.blocks += (self.alive[i] * (one.last - one.first) + alive) // 16
        return True
