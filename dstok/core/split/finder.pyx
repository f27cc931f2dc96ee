"""The base of the finders, which turn text into pieces without the GIL; the mask kernel, which they share.

In: a stretch of text without added tokens, and a sink. Out: the pieces, which the sink takes in chunks, and the start
of the first piece that later text may change. A finder knows no ids.
Invariant: the pieces are the automaton's, cut further only where no token can reach over the cut. A finder alone writes
a chunk, a sink only reads it. A sink takes all pieces of a chunk, or has a fault. A text in several stretches goes on
from the sink's `left` state: after one that is not `final` where it ended, else at the start of a text.

`PieceFinder` follows an automaton from the left, `CharacterFinder` cuts texts of models that merge characters,
`TwoSided` reads a text from both sides. They use the mask kernel (split/grid.h) if it has rules for them, or shuffles,
and find a piece or more where it cannot tell. It must begin at an anchor: the start of a piece, or a cut that is as
good as one (split/rules.h). Example: to V3's rules U+0001 is rare. In "Hi\\x01 all" the kernel finds "Hi" and stops,
the automaton finds the next piece, and the kernel goes on at its end.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from dstok.core.cpu.level cimport BORDERS, CHUNK, GRID_RANGES, PAD, GridRun, Shuffles, chosen
from dstok.core.cpu.platform cimport array_trim, huge_grow
from dstok.core.split.automaton cimport drop
from dstok.core.text.utf8 cimport code_point

from dstok.core.cpu.level import level_shown

cdef extern from "split/grid.h":
    enum:
        GRID_LOOK

cdef enum:
    PATIENCE = 512           # bytes that the automaton reads where shuffles give up
    COPY_WHOLE_MAX = 1 << 12  # bytes of a text that is copied as a whole
    LEAST_CUTTABLE = 0xE3    # a cuttable character begins with at least this byte; bytes after a first one are less

# The values of the field `cjk` of rules, and the flags of characters beyond ASCII: compiled/kernel_selection.py names
# them.
CJK_FIELDS = (CJK_FIRST, CJK_RUN)
FLAGS = (F_LETTER, F_PUNCT, F_CJK, F_BLANK, F_NUMBER, F_RARE, F_CAPITAL, F_CASELESS, F_COMBINING, F_HAN)


def rule_rows() -> list[dict[str, int]]:
    """Return the fields of the sets of rules by their numbers; those of 0, none, are 0."""
    return [RULES[i] for i in range(RULES_MATRIX)]


cdef class Sink:
    """Takes pieces and makes nothing of them: the base of all sinks."""

    def __dealloc__(self):
        free(self.buffer)
        free(self.sides)
        drop(&self.memo)

    cdef void take(self) noexcept nogil:
        """Take the pieces of the chunk, which touch."""
        pass

    cdef void take_apart(self) noexcept nogil:
        """Take the pieces of the chunk, with text between them. By default `take` gets those that touch."""
        cdef Chunk *chunk = &self.chunk
        cdef uint32_t spans[2][CHUNK_ROOM]
        cdef int i, pieces = chunk.pieces
        cdef Py_ssize_t origin = chunk.origin
        memcpy(spans[0], chunk.starts, pieces * sizeof(uint32_t))
        memcpy(spans[1], chunk.ends, pieces * sizeof(uint32_t))
        begin_chunk(chunk, origin)
        for i in range(pieces):
            add_piece(self, False, origin + spans[0][i], origin + spans[1][i])
        hand_over(self, False)

    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Take one piece of more than a gigabyte, which no chunk can hold."""
        pass

    cdef bint set_fault(
        self, Status status, Py_ssize_t offset=0, int token=0, bint normalized=False
    ) noexcept nogil:
        """Set the fault, which says why the sink takes no more; return whether it is FINE. Nothing else writes it."""
        self.fault = Fault(status, offset, token, normalized)
        return status == FINE

    cdef bint reserve(
        self, void *array, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry
    ) noexcept nogil:
        """Make an array as large as `wanted`, and keep its `used` entries; false, with a fault, if memory is out."""
        return wanted <= room[0] or huge_grow(array, room, used, wanted, entry) or self.set_fault(OUT_OF_MEMORY)

    cdef bint reserve_buffer(self, Py_ssize_t size, Py_ssize_t used) noexcept nogil:
        """Make room for `size` bytes of text, and PAD bytes after it; false, with a fault, if memory is out."""
        return self.reserve(&self.buffer, &self.buffer_room, used, size, 1)

    cdef void trim(self) noexcept:
        """Free the memory that a large text has grown."""
        array_trim(&self.buffer, &self.buffer_room, 1)
        array_trim(&self.sides, &self.sides_room, sizeof(uint16_t))
        drop(&self.memo)


cdef class Finder:
    """Finds the pieces of a text, by the mask kernel if there are rules for it: the base of all finders."""

    def __cinit__(self):
        self.level = chosen()

    def __dealloc__(self):
        free(<void *>self.kernel.flags)
        free(<void *>self.kernel.shuffles)

    def strategy(self) -> str:
        """Name the kernel and its level: "mask kernel, avx512", or "shuffles, avx512 (emulated)"."""
        kernel = "mask kernel, " if self.kernel.shuffles == NULL else "shuffles, "
        return kernel + level_shown(self.level.name.decode())

    def without_cuts(self) -> Finder:
        """Make a finder of the model's pieces, without cuts inside them."""
        raise NotImplementedError

    def resync_point(self, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
        """Return the first offset from `at`, between two characters, where a piece begins in any case; -1: none."""
        raise NotImplementedError

    cdef int open_kernel(
        self, int rules, const uint8_t[::1] kinds, const uint8_t *pages, const uint16_t *page_numbers,
        const uint8_t *joined
    ) except -1:
        """Take the kernel for these rules, if any. Set all flags of each character, so that one look-up is enough.

        A cuttable character has F_CUTTABLE if a cut after it is allowed, F_CUT_BEFORE if a cut before it is. With
        `borders` these are fewer cuts than `add_cut` makes, which tells the first cut of a piece from the others.
        """
        cdef KernelTables *kernel = &self.kernel
        cdef uint8_t *flags
        cdef uint32_t c
        cdef const uint8_t *borders = self.borders
        cdef bint shuffles = rules == RULES_SHUFFLES, before = shuffles or not rules_of_cjk(rules)
        self.run_grid, self.only_grid = self.level.grid[rules].run, self.level.grid[rules].only
        kernel.joined, kernel.pages, kernel.page_numbers = joined, pages, page_numbers
        kernel_open(kernel, rules, &kinds[0] if kinds.shape[0] else NULL, kinds.shape[0])
        if self.run_grid == NULL and rules != RULES_MATRIX:
            return 0
        kernel.flags = flags = <uint8_t *>calloc(0x10000 + 4, 1)
        if flags == NULL:
            raise MemoryError
        for c in range(0x80, 0x10000):
            flags[c] = kernel.kinds[pages[<uint32_t>page_numbers[c >> 8] << 8 | (c & 0xFF)]]
            if joined == NULL or not cuttable(c):
                continue
            if borders == NULL or not borders[c >> 3] >> (c & 7) & 1:
                flags[c] |= SHUFFLE_CUTTABLE if shuffles else F_CUTTABLE
            if before and (borders == NULL or not borders[BORDERS // 2 + (c >> 3)] >> (c & 7) & 1):
                flags[c] |= SHUFFLE_CUT_BEFORE if shuffles else F_CUT_BEFORE
        open_pages(kernel)
        return 0

    cdef bint open_shuffles(
        self, const Bimachine *machine, const uint8_t *pages, const uint16_t *page_numbers, const uint8_t *joined
    ) except -1:
        """Take the shuffles of a bimachine; false if it is too large for them."""
        cdef Shuffles *tables = <Shuffles *>malloc(sizeof(Shuffles))
        if tables == NULL:
            raise MemoryError
        if not shuffles_open(tables, machine, pages + (<uint32_t>page_numbers[0] << 8)):
            free(tables)
            return False
        self.kernel.shuffles = tables
        self.open_kernel(RULES_SHUFFLES, bytes(machine.kinds[:BIMACHINE_KINDS]), pages, page_numbers, joined)
        return True

    cdef void begin(self, Sink sink, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
        """Begin to read `text[at:stop]`."""
        pass

    cdef void go_on(self, Sink sink, Py_ssize_t at, Py_ssize_t end, uint32_t left) noexcept nogil:
        """Keep the state from the left at `end`, if it is needed; `left` is that at `at`, less than a block before."""
        pass

    cdef Py_ssize_t find(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Hand the pieces of `text[at:stop]` to a sink; return the start of the first piece that later text may change.

        May read `PAD` bytes after `stop`.
        """
        cdef Py_ssize_t end, again = at
        sink.chunk.text = text
        begin_chunk(&sink.chunk, at)
        self.begin(sink, at, stop)
        while at < stop and sink.fault.status == FINE:
            if self.run_grid != NULL and at >= again and (final or stop - at >= GRID_LOOK):
                if self.apart:
                    hand_over(sink, True)
                    begin_chunk(&sink.chunk, at)
                at = by_kernel(self, sink, stop, final)
                if at == stop or sink.fault.status != FINE:
                    break
                if self.kernel.shuffles != NULL:
                    again = at + PATIENCE
            end = self.piece(sink, at, stop, final)
            if end < 0:
                break
            at = end
        if final:
            sink.left = 0
        hand_over(sink, self.apart)
        return at

    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Hand all pieces of valid UTF-8 to a sink. Reads nothing after the text.

        It takes first the text without its last bytes, then the rest, from a copy with room after it.
        """
        cdef Py_ssize_t at = 0, stop = length - PAD
        sink.chunk.base = 0
        sink.left = 0
        if length > COPY_WHOLE_MAX:
            while text[stop] & 0xC0 == 0x80:
                stop -= 1
            at = self.find(sink, text, 0, stop, False)
        if sink.fault.status == FINE:
            self.find_in_copy(sink, text, at, length, True)

    cdef Py_ssize_t find_in_copy(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil:
        """Do what `find` does, with a copy of `text[at:length]`: it reads nothing after `length`."""
        if not sink.reserve_buffer(length - at, 0):
            return at
        if length > at:
            memcpy(sink.buffer, text + at, length - at)
        sink.chunk.base = at
        return at + self.find(sink, sink.buffer, 0, length - at, final)

    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil:
        """Write the starts of the pieces of a text, and its end, by the mask kernel.

        Returns their number, or -1 if the kernel does not settle the text, or finds more than a chunk holds.
        """
        cdef GridRun run
        if self.apart:
            return -1
        memset(&run, 0, sizeof(run))
        run.starts = starts
        starts[0] = 0
        self.run_grid(&self.kernel, text, <uint32_t>length, True, CHUNK, &run)
        return run.pieces if run.at == <uint32_t>length else -1

    cdef void find_short(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Do what `find` does, for all of a text of at most `CHUNK` bytes, in fewer steps."""
        cdef int pieces = self.starts_of(text, <int>length, sink.chunk.starts) if self.run_grid != NULL else -1
        if pieces < 0:
            self.find(sink, text, 0, length, True)
        elif pieces:
            sink.chunk.text, sink.chunk.origin, sink.chunk.pieces = text, 0, pieces
            sink.take()

    cdef Py_ssize_t first_part(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """Return the first cut of a `CharacterFinder` in `text[at:stop]`; without one `stop` if final, else -1."""
        return -1

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """Add the piece at `at`, without the mask kernel; return its end, or -1 if later text may change it."""
        return -1

    cdef void add_cut(self, Sink sink, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Add a piece in parts, cut where no token can span two characters."""
        cdef const uint8_t *text = sink.chunk.text
        cdef const uint8_t *borders = self.borders
        cdef uint32_t left = 0, right
        cdef Py_ssize_t at = start, begun = start, width
        while at < end:
            right = code_point(text + at, &width)
            if left and cuttable(right) and may_cut(self.kernel.joined, left, right) and (borders == NULL or not (
                    start == begun and borders[left >> 3] >> (left & 7) & 1 or  # of the left ones the first counts
                    borders[BORDERS // 2 + (right >> 3)] >> (right & 7) & 1)):
                add_piece(sink, self.apart, start, at)
                start = at
            left = right if cuttable(right) else 0
            at += width
            while not left and at < end and text[at] < LEAST_CUTTABLE:
                at += 1
        add_piece(sink, self.apart, start, end)


cdef void open_pages(KernelTables *kernel) noexcept nogil:
    """Set the flags of pages, of runs of pages, and of all characters with a lead byte."""
    cdef uint32_t page = 0x08, lead, size
    cdef int r, least
    cdef const uint8_t *latin = kernel.flags + 0xC0
    cdef uint8_t flags
    for lead in range(256):
        kernel.page_flags[lead] = common(kernel.flags + 256 * lead, 256)
    for lead in range(2, 32):
        kernel.lead_flags[lead] = common(kernel.flags + 64 * lead, 64)
    if common(latin, 0x17) == common(latin + 0x18, 0x1F) == common(latin + 0x38, 8) == latin[0]:
        kernel.lead_flags[3] = latin[0]
    while page < 256:  # the longest runs are kept
        flags, size = kernel.page_flags[page], 1
        while page + size < 256 and kernel.page_flags[page + size] == flags:
            size += 1
        least = 0
        for r in range(1, GRID_RANGES):
            if kernel.range_size[r] < kernel.range_size[least]:
                least = r
        if flags not in (0, F_MIXED) and size - 1 > kernel.range_size[least]:
            kernel.range_first[least], kernel.range_size[least] = <uint8_t>page, <uint8_t>(size - 1)
            kernel.range_flags[least] = flags
        page += size


cdef inline uint8_t common(const uint8_t *flags, int size) noexcept nogil:
    # The flags that all of them have, or F_MIXED if they differ.
    return F_MIXED if memcmp(flags, flags + 1, size - 1) else flags[0]


cdef Py_ssize_t by_kernel(Finder finder, Sink sink, Py_ssize_t stop, bint final) noexcept nogil:
    """Find pieces from the chunk's end on, until the text's end or a rare character; return where to go on.

    The chunk then ends there, too. Cuts after the last anchor are dropped: they lie inside a piece that `piece` will
    find.
    """
    cdef Chunk *chunk = &sink.chunk
    cdef GridRun run
    cdef Py_ssize_t origin
    cdef uint32_t base
    cdef int i
    memset(&run, 0, sizeof(run))
    run.starts, run.pieces, run.anchor = chunk.starts, chunk.pieces, chunk.pieces
    run.ends = chunk.ends if finder.apart else NULL
    run.at = chunk.starts[chunk.pieces]
    run.from_, run.left, run.shuffle.left = run.at, <uint8_t>sink.left, <uint8_t>sink.left
    while True:
        finder.run_grid(
            &finder.kernel, chunk.text + chunk.origin, <uint32_t>min(stop - chunk.origin, <Py_ssize_t>CHUNK_SPAN_MAX),
            final and stop - chunk.origin <= CHUNK_SPAN_MAX, CHUNK, &run)
        chunk.pieces = run.anchor
        if run.pieces < CHUNK or run.pieces - run.anchor > CHUNK // 2:
            break
        base = chunk.starts[run.anchor]
        origin = chunk.origin + base
        hand_over(sink, finder.apart)
        begin_chunk(chunk, origin)
        if sink.fault.status != FINE:
            break
        run.pieces -= run.anchor  # the pieces after the anchor begin the next chunk
        for i in range(1, run.pieces + 1):
            chunk.starts[i] = chunk.starts[run.anchor + i] - base
        run.at -= base
        run.from_ -= base
        run.anchor = 0
    finder.go_on(sink, chunk.origin + run.from_, chunk.origin + chunk.starts[chunk.pieces], run.left)
    return chunk.origin + chunk.starts[chunk.pieces]
