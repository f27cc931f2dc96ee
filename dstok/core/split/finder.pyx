"""Finders: text to pieces, without the GIL.

In: a stretch of text without added tokens, and a sink. Out: the pieces, which the sink takes in chunks, and the start
of the first piece that later text may change. A finder knows no ids.
Invariant: the pieces are the automaton's, cut further only where no token can reach over the cut. A finder alone writes
a chunk, a sink only reads it. A sink takes all pieces of a chunk, or has a fault.

A `PieceFinder` takes the first way that its model has: the mask kernel (split/grid.h), with rules that cut as the
automaton does; windows (split/windows.h), in which a few characters tell whether a piece begins between them; the
automaton alone. Where one of the first two cannot tell, the automaton finds a piece; then the faster way goes on. The
automaton must begin at an anchor: the start of a piece, or a cut that is as good as one (split/rules_v3.h). Example:
to V3's rules U+0001 is rare, so in "Hi\\x01 all" the kernel finds "Hi" and stops. The automaton finds the next piece,
and the kernel goes on at its end.

A `CharacterFinder` cuts the text of a model that merges characters at the borders that no merge crosses
(split/matrix.h).

A `TwoSided` reads a text in two passes. The first goes from the right, and notes for each place the states from which
the rest can be read without a mark at the place. The second goes from the left: where its state is not among them, a
mark stands, and only one mark leads to a noted state. Between two *settling* characters no mark stands, and both states
are the same in every text. So the passes read a text stretch by stretch, each up to the next settling byte.

`sure_start` finds a place where a piece begins whatever stands before: docs/proofs.md, "Growing texts".
"""

cimport cython
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from dstok.core.cpu.level cimport BORDERS, CHUNK, GRID_RANGES, PAD, GridRun, Skip, chosen
from dstok.core.split.automaton cimport (
    DEAD, DROPPED, ROW, ROWS, START, Run, ScanTables, begin_memo, drop, next_edge, scan_piece, settle,
)
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array

from dstok.core.cpu.level import level_shown

cdef extern from *:
    int __builtin_ctzll(uint64_t) noexcept nogil
    int __builtin_popcountll(uint64_t) noexcept nogil

cdef extern from "cpu/platform.h":
    bint huge_grow(void *array, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry) noexcept nogil
    void array_trim(void *array, Py_ssize_t *room, size_t entry) noexcept nogil

cdef extern from "split/grid.h":
    enum:
        GRID_LOOK

cdef enum:
    BLOCK = 64               # bytes that windows look at
    CHUNK_SPAN_MAX = 1 << 30  # bytes that a chunk may span: its offsets have 32 bits
    COPY_WHOLE_MAX = 1 << 12  # bytes of a text that is copied as a whole
    PATIENCE = 512           # bytes that the automaton reads where windows tell little

# The sets of rules, and the flags of characters that are not ASCII, which compiled/tables.py names.
RULES = (RULES_NONE, RULES_V3, RULES_ONES, RULES_THREES, RULES_CASED, RULES_GPT2, RULES_CL100K, RULES_LLM, RULES_CODER,
         RULES_TEKKEN)
FLAGS = (F_LETTER, F_PUNCT, F_CJK, F_BLANK, F_NUMBER, F_RARE, F_CAPITAL, F_CASELESS, F_COMBINING)

# The classes of the matrix kernel: one for each ASCII character; that of letters beyond ASCII, of all other characters.
ASCII_CLASSES = bytes([matrix_ascii(b) for b in range(128)])
WIDE_CLASSES = (MATRIX_WIDE, MATRIX_OTHER)


cdef class Sink:
    """The base of all sinks: takes pieces and makes nothing of them."""

    def __dealloc__(self):
        free(self.buffer)
        drop(&self.memo)

    cdef void take(self) noexcept nogil:
        """Takes the pieces of the chunk, which touch."""
        pass

    cdef void take_apart(self) noexcept nogil:
        """Takes the pieces of the chunk, with text between them. By default `take` gets those that touch."""
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
        """Takes one piece of more than a gigabyte, which no chunk can hold."""
        pass

    cdef bint reserve(
        self, void *place, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry
    ) noexcept nogil:
        """Makes an array as large as `wanted`; keeps the `used` entries; false, with a fault, if memory is out."""
        if wanted <= room[0] or huge_grow(place, room, used, wanted, entry):
            return True
        self.fault.status = OUT_OF_MEMORY
        return False

    cdef bint reserve_buffer(self, Py_ssize_t size, Py_ssize_t used) noexcept nogil:
        """Makes room for `size` bytes of text, and PAD bytes after it; false, with a fault, if memory is out."""
        return self.reserve(&self.buffer, &self.buffer_room, used, size, 1)

    cdef void trim(self) noexcept:
        """Frees the memory that a large text has grown."""
        array_trim(&self.buffer, &self.buffer_room, 1)
        drop(&self.memo)


cdef inline void begin_chunk(Chunk *chunk, Py_ssize_t at) noexcept nogil:
    # Begins an empty chunk, whose first piece begins at `at` of the buffer in work.
    chunk.origin, chunk.pieces, chunk.starts[0] = at, 0, 0


cdef inline void hand_over(Sink sink, bint apart) noexcept nogil:
    # Lets the sink take the pieces, if there are any, unless it has a fault. An empty chunk begins at their end.
    cdef Chunk *chunk = &sink.chunk
    cdef Py_ssize_t end
    if not chunk.pieces:
        return
    end = chunk.origin + (chunk.ends[chunk.pieces - 1] if apart else chunk.starts[chunk.pieces])
    if sink.fault.status == FINE:
        if apart:
            sink.take_apart()
        else:
            sink.take()
    begin_chunk(chunk, end)


cdef inline void add_piece(Sink sink, bint apart, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    # Adds a piece. Unless they lie `apart`, all pieces of a chunk touch.
    cdef Chunk *chunk = &sink.chunk
    if end - chunk.origin > CHUNK_SPAN_MAX or not apart and start != chunk.origin + chunk.starts[chunk.pieces]:
        hand_over(sink, apart)
        begin_chunk(chunk, start)
        if end - start > CHUNK_SPAN_MAX:
            if sink.fault.status == FINE:
                sink.take_giant(start, end)
            begin_chunk(chunk, end)
            return
    if apart:
        chunk.starts[chunk.pieces] = <uint32_t>(start - chunk.origin)
        chunk.ends[chunk.pieces] = <uint32_t>(end - chunk.origin)
        chunk.pieces += 1
    else:
        chunk.pieces += 1
        chunk.starts[chunk.pieces] = <uint32_t>(end - chunk.origin)
    if chunk.pieces >= CHUNK:
        hand_over(sink, apart)


cdef inline bint keeps(const uint8_t *borders, uint32_t left, uint32_t right, bint first) noexcept nogil:
    # Whether a cut between two characters is forbidden: after `left`, if it is the first of a piece, or before `right`.
    return (first and borders[left >> 3] >> (left & 7) & 1) or borders[BORDERS // 2 + (right >> 3)] >> (right & 7) & 1


cdef inline uint8_t common(const uint8_t *flags, int size) noexcept nogil:
    # The flags that all of them have, or F_MIXED if they differ.
    return F_MIXED if memcmp(flags, flags + 1, size - 1) else flags[0]


cdef class Finder:
    """The base of all finders."""

    def way(self) -> str:
        """The way it finds pieces."""
        raise NotImplementedError

    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Hands all pieces of valid UTF-8 to a sink. Reads nothing after the text.

        The sink may read `PAD` bytes after the pieces: near the text's end it gets a copy.
        """
        pass


cdef class LeftFinder(Finder):
    """The base of the finders that read from the left: by a mask kernel or windows if there are any, else by pieces."""

    def __cinit__(self):
        self.level = chosen()

    def __dealloc__(self):
        free(self.flags)

    def way(self) -> str:
        """How it finds pieces: by "mask kernel, avx512" (or "avx512 (emulated)"), "windows", and so on."""
        if self.run_grid != NULL:
            return "mask kernel, " + level_shown(self.level.name.decode())
        if self.scanner is None:
            return "pairs of characters"
        return "automaton" if self.windows.groups == NULL else "windows"

    def without_cuts(self) -> LeftFinder:
        """A finder of the model's pieces, without cuts inside them."""
        raise NotImplementedError

    cdef Py_ssize_t find(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
    ) noexcept nogil:
        """Hands the pieces of `text[at:stop]` to a sink; returns the start of the first piece that is not sure.

        May read `PAD` bytes after `stop`.
        """
        cdef Py_ssize_t end
        sink.chunk.text = text
        begin_chunk(&sink.chunk, at)
        if self.scanner is not None:
            begin_memo(&sink.memo, &self.scanner.tables, at, stop)
        if self.run_grid == NULL and self.windows.groups != NULL:
            at = by_windows(self, sink, at, stop, final)
        while 0 <= at < stop and sink.fault.status == FINE:
            if self.run_grid != NULL and (final or stop - at >= GRID_LOOK):
                at = by_kernel(self, sink, stop, final)
                if at == stop or sink.fault.status != FINE:
                    break
            end = self.piece(sink, at, stop, final)
            if end < 0:
                break
            at = end
        hand_over(sink, self.apart)
        return at if at >= 0 else ~at

    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Takes first the text without its last bytes, then the unsure rest, from a copy with room after it."""
        cdef Py_ssize_t at = 0, stop = length - PAD
        sink.chunk.base = 0
        if length > COPY_WHOLE_MAX:
            while text[stop] & 0xC0 == 0x80:
                stop -= 1
            at = self.find(sink, text, 0, stop, False)
        if sink.fault.status == FINE:
            self.find_in_copy(sink, text, at, length, True)

    cdef Py_ssize_t find_in_copy(
        self, Sink sink, const uint8_t *text, Py_ssize_t at, Py_ssize_t length, bint final
    ) noexcept nogil:
        """Does what `find` does, with a copy of `text[at:length]`: it reads nothing after `length`."""
        if not sink.reserve_buffer(length - at, 0):
            return at
        if length > at:
            memcpy(sink.buffer, text + at, length - at)
        sink.chunk.base = at
        return at + self.find(sink, sink.buffer, 0, length - at, final)

    cdef int starts_of(self, const uint8_t *text, int length, uint32_t *starts) noexcept nogil:
        """Writes the starts of the pieces of a whole text of at most `CHUNK` bytes, and its end, by the mask kernel.

        Returns the number of pieces, or -1 if the kernel does not settle the text. `starts` has room for 65 more.
        """
        cdef GridRun run
        if 0 < length < BLOCK:
            return self.only_grid(&self.kernel, text, length, starts)
        memset(&run.state, 0, sizeof(run.state))
        run.starts, run.pieces, run.anchor, run.at = starts, 0, 0, 0
        starts[0] = 0
        self.run_grid(&self.kernel, text, <uint32_t>length, True, CHUNK, &run)
        return run.pieces if run.at == <uint32_t>length else -1

    cdef void find_short(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Does what `find` does, for a whole text of at most `CHUNK` bytes, in fewer steps."""
        cdef int pieces = self.starts_of(text, <int>length, sink.chunk.starts) if self.run_grid != NULL else -1
        if pieces < 0:
            self.find(sink, text, 0, length, True)
        elif pieces:
            sink.chunk.text, sink.chunk.origin, sink.chunk.pieces = text, 0, pieces
            sink.take()

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """Adds the piece at `at`, without the mask kernel; returns its end, or -1 if it is not sure."""
        return -1


cdef int open_kernel(LeftFinder finder, int rules, const uint8_t *pages, const uint16_t *page_numbers) except -1:
    """Takes the kernel for these rules, if any. Sets all flags of each character: so one look-up is enough.

    A cuttable character has F_CUTTABLE if a cut after it is allowed, F_CUT_BEFORE if a cut before it is. With
    `borders` these are fewer cuts than `add_cut` makes, which tells the first cut of a piece from the others.
    """
    cdef KernelTables *kernel = &finder.kernel
    cdef uint32_t c
    cdef bint before = rules_of_words(rules)
    finder.run_grid, finder.only_grid = finder.level.grid[rules], finder.level.grid_only[rules]
    if finder.run_grid == NULL and rules != RULES_MATRIX:
        return 0
    kernel.joined, kernel.pages, kernel.page_numbers = finder.joined, pages, page_numbers
    kernel.flags = finder.flags = <uint8_t *>calloc(0x10000 + 4, 1)
    if finder.flags == NULL:
        raise MemoryError
    for c in range(0x80, 0x10000):
        finder.flags[c] = kernel.kinds[pages[<uint32_t>page_numbers[c >> 8] << 8 | (c & 0xFF)]]
        if finder.joined == NULL or not cuttable(c):
            continue
        if finder.borders == NULL or not finder.borders[c >> 3] >> (c & 7) & 1:
            finder.flags[c] |= F_CUTTABLE
        if before and (finder.borders == NULL or not finder.borders[BORDERS // 2 + (c >> 3)] >> (c & 7) & 1):
            finder.flags[c] |= F_CUT_BEFORE
    open_pages(kernel)
    return 0


cdef Py_ssize_t by_kernel(LeftFinder finder, Sink sink, Py_ssize_t stop, bint final) noexcept nogil:
    """Finds pieces from the chunk's end on, until the text's end or a rare character; returns where to go on.

    The chunk then ends there, too. Cuts after the last anchor are dropped: they lie inside a piece that `piece`
    will find as a whole.
    """
    cdef Chunk *chunk = &sink.chunk
    cdef GridRun run
    cdef uint32_t base
    cdef int i
    memset(&run.state, 0, sizeof(run.state))
    run.starts, run.pieces, run.anchor = chunk.starts, chunk.pieces, chunk.pieces
    run.at = chunk.starts[chunk.pieces]
    while True:
        finder.run_grid(
            &finder.kernel, chunk.text + chunk.origin, <uint32_t>min(stop - chunk.origin, <Py_ssize_t>CHUNK_SPAN_MAX),
            final and stop - chunk.origin <= CHUNK_SPAN_MAX, CHUNK, &run)
        chunk.pieces = run.anchor
        if run.pieces < CHUNK or run.pieces - run.anchor > CHUNK // 2:
            break
        base = chunk.starts[run.anchor]
        hand_over(sink, False)
        if sink.fault.status != FINE:
            break
        run.pieces -= run.anchor  # the pieces after the anchor begin the next chunk
        for i in range(1, run.pieces + 1):
            chunk.starts[i] = chunk.starts[run.anchor + i] - base
        run.at -= base
        run.anchor = 0
    return chunk.origin + chunk.starts[chunk.pieces]


cdef Py_ssize_t by_windows(LeftFinder finder, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
    """Does what `find` does, by verdicts of windows. The automaton finds a piece that no verdict settles.

    Returns also where windows end; the complement of a place at which no piece is sure. `base` is the first byte of
    a block, `at` the start of the piece in work, in the block or before it.
    """
    cdef Chunk *chunk = &sink.chunk
    cdef Py_ssize_t base = at, ahead = 0, end
    cdef bint anew
    cdef uint32_t history = WINDOW_EDGE
    cdef WindowBits bits
    while stop - base > BLOCK and sink.fault.status == FINE:
        if base - at > BLOCK or at < ahead:  # a long piece, or one where windows tell little
            end = finder.piece(sink, at, stop, final)
            if end < 0:
                return ~at
            if end - at > BLOCK:  # the next one may be as long
                ahead = max(ahead, end + BLOCK)
            base = at = end
            history = WINDOW_EDGE
            continue
        if base + BLOCK - chunk.origin > CHUNK_SPAN_MAX:
            hand_over(sink, finder.apart)
            begin_chunk(chunk, at)
        window_block(&finder.windows, chunk.text + base, &history, &bits)
        if base == at:
            bits.yes &= ~<uint64_t>1
            bits.unknown &= ~<uint64_t>1
        if __builtin_popcountll(bits.unknown) > __builtin_popcountll(bits.yes):
            ahead = base + PATIENCE
        anew = False
        while not anew:
            at = add_sure(finder, chunk, at, base, bits.yes & ((bits.unknown & -bits.unknown) - 1), bits.dropped)
            if chunk.pieces >= CHUNK:
                hand_over(sink, finder.apart)
            if not bits.unknown:
                break
            end = finder.piece(sink, at, stop, final)
            if end < 0:
                return ~at
            at = end
            anew = not base <= at < base + BLOCK - WINDOW_AFTER
            if not anew:
                window_after(&finder.windows, chunk.text + base, <int>(at - base), &bits)
        base += BLOCK
        if anew or at >= base:
            base = at
            history = WINDOW_EDGE
    return at


cdef Py_ssize_t add_sure(
    LeftFinder finder, Chunk *chunk, Py_ssize_t at, Py_ssize_t base, uint64_t ends, uint64_t dropped
) noexcept nogil:
    """Adds the pieces that end in a block, the first of them from `at` on; returns the end of the last."""
    cdef int n = chunk.pieces
    cdef uint32_t start = <uint32_t>(at - chunk.origin), offset = <uint32_t>(base - chunk.origin)
    if not finder.apart:
        while ends:
            n += 1
            chunk.starts[n] = offset + <uint32_t>__builtin_ctzll(ends)
            ends &= ends - 1
        start = chunk.starts[n]
    while ends:
        chunk.starts[n] = start
        start = chunk.ends[n] = offset + <uint32_t>__builtin_ctzll(ends)
        n += not dropped >> __builtin_ctzll(ends) & 1
        ends &= ends - 1
    chunk.pieces = n
    return chunk.origin + start


cdef void open_pages(KernelTables *kernel) noexcept nogil:
    """Sets the flags of whole pages, of runs of pages, and of all characters with a lead byte."""
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


@cython.final
cdef class PieceFinder(LeftFinder):
    """Finds pieces from the left, by an automaton and faster ways that agree with it.

    `joined` is the bitmap of _tables.joined_pairs (None: no cuts). `borders` are characters at whose borders there are
    no cuts either (compiled/build.py). `windows` are the tables of regex/windows.py (None: none). `rules` is the set of
    rules that cuts as the automaton does (0: none). `kinds` gives the kind of each class of characters beyond ASCII
    (compiled/kernel_selection.py).
    """

    cdef int rules
    cdef bytes own_kinds
    cdef object own_windows

    def __cinit__(
        self, Scanner scanner not None, joined=None, int rules=0, bytes kinds=b"", borders=None, windows=None
    ):
        cdef const uint8_t[::1] bits
        cdef Py_ssize_t size
        self.scanner, self.apart = scanner, scanner.drops
        self._keep = (joined, borders)
        self.rules, self.own_kinds, self.own_windows = rules, kinds, windows
        if joined is not None:
            bits = joined
            self.joined = &bits[0]
        if borders is not None:
            bits = borders
            self.borders = &bits[0]
        if windows is not None:  # groups, histories and verdicts lie one after the other
            bits = windows
            size = bits.shape[0] - WINDOW_GROUPS - WINDOW_HISTORIES
            if size <= 0 or size % 256:
                raise ValueError("window tables of the wrong size")
            self.windows.groups, self.windows.histories = &bits[0], &bits[WINDOW_GROUPS]
            self.windows.verdicts = &bits[WINDOW_GROUPS + WINDOW_HISTORIES]
        if not 0 <= rules < RULES_MATRIX:
            raise ValueError(f"expected a set of rules below {RULES_MATRIX}, found {rules}")
        kernel_open(&self.kernel, rules, kinds, len(kinds))
        open_kernel(self, rules, scanner.tables.pages, scanner.tables.page_numbers)

    def without_cuts(self) -> PieceFinder:
        """A finder of the automaton's pieces, without cuts inside them."""
        return PieceFinder(self.scanner, None, self.rules, self.own_kinds, None, self.own_windows)

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        cdef uint32_t tag = 0
        cdef bint wide = False
        cdef Py_ssize_t end = scan_piece(
            &self.scanner.tables, sink.chunk.text, at, stop, final, &tag, &wide, &sink.memo)
        if end >= 0 and tag != DROPPED:
            if wide and self.joined != NULL:
                add_cut(self, sink, at, end)
            else:
                add_piece(sink, self.apart, at, end)
        return end


cdef void add_cut(PieceFinder finder, Sink sink, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Adds the parts of a piece, cut where no token can span two characters."""
    cdef const uint8_t *text = sink.chunk.text
    cdef uint32_t left = 0, right
    cdef Py_ssize_t at = start, begun = start, width
    while at < end:
        right = code_point(text + at, &width)
        if left and cuttable(right) and may_cut(finder.joined, left, right) and (
                finder.borders == NULL or not keeps(finder.borders, left, right, start == begun)):
            add_piece(sink, finder.apart, start, at)
            start = at
        left = right if cuttable(right) else 0
        at += width
    add_piece(sink, finder.apart, start, end)


@cython.final
cdef class CharacterFinder(LeftFinder):
    """Cuts where no merge of characters joins the two sides (split/matrix.h). To upstream a text is then one piece.

    `matrix` is that of compiled/build.py. `joined` is the bitmap of _tables.joined_bits (None: classes alone
    decide). `split`: the model's pre-tokenizer cuts before each space, and so does the matrix.
    """

    def __cinit__(self, matrix, joined=None, bint split=False):
        cdef const uint8_t[::1] m = memoryview(matrix).cast("B")
        cdef const uint8_t[::1] bits
        if m.shape[0] < MATRIX_PAGES + 256 or (m.shape[0] - MATRIX_PAGES) % 256:
            raise ValueError("a matrix of the wrong size")
        self.matrix, self._keep, self.split = m, joined, split
        if joined is not None:
            bits = joined
            self.joined = &bits[0]
        kernel_open(&self.kernel, RULES_MATRIX, bytes(range(MATRIX_CLASSES)), MATRIX_CLASSES)
        matrix_open(&self.kernel, &m[0])
        open_kernel(self, RULES_MATRIX, &m[MATRIX_PAGES], <const uint16_t *>&m[MATRIX_NUMBERS])

    def without_cuts(self) -> CharacterFinder:
        """A finder of upstream's pieces: the text, cut before each space if the model's pre-tokenizer does that."""
        cdef int row = 0xFF ^ self.split << MATRIX_SPACE
        head = bytes([row] * MATRIX_CLASSES) + bytes([MATRIX_NONE] * (MATRIX_NUMBERS - MATRIX_CLASSES))
        return CharacterFinder(head + self.matrix[MATRIX_NUMBERS:], None, self.split)

    cdef Py_ssize_t first_part(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        """The first cut in `text[at:stop]`, which is not empty; without one, `stop` if it is final, else -1."""
        cdef Py_ssize_t width
        cdef uint32_t left = code_point(text + at, &width), right
        at += width
        while at < stop:
            right = code_point(text + at, &width)
            if matrix_apart(&self.kernel, left, right):
                return at
            left = right
            at += width
        return stop if final else -1

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        cdef Py_ssize_t end = self.first_part(sink.chunk.text, at, stop, final)
        if end >= 0:
            add_piece(sink, False, at, end)
        return end


cdef struct SidesTables:
    const uint8_t *pages          # as in the tables of the scanner
    const uint16_t *page_numbers
    const uint16_t *forward       # next state by state and class, from the left
    const uint16_t *backward      # next state by state and class, from the right
    const uint32_t *marks         # by state and state from the right: (tag + 1) << 16 | state after the mark; 0: none
    const uint8_t *dropped        # by tag
    Py_ssize_t classes
    Py_ssize_t sides              # number of states from the right


@cython.final
cdef class TwoSided(Finder):
    """Finds pieces from both sides. Its tables are those of regex/two_sided.py."""

    cdef SidesTables tables
    cdef Py_ssize_t states
    cdef const Implementation *level
    cdef uint8_t settles[256]     # whether a byte settles; those of characters beyond ASCII do not
    cdef Skip skip                # the same bytes
    cdef uint32_t settled         # the state after them
    cdef uint32_t settled_side    # the state from the right before them
    cdef object _keep

    def __cinit__(
        self, pages: bytes, page_numbers: bytes, forward: bytes, backward: bytes, marks: bytes, dropped: bytes,
        int classes
    ):
        cdef const uint8_t[::1] p = pages, n = page_numbers, f = forward, b = backward, m = marks, d = dropped
        cdef Py_ssize_t states = f.shape[0] // (2 * classes), sides = b.shape[0] // (2 * classes)
        if (n.shape[0] != 2 * 0x1100 or f.shape[0] != 2 * classes * states or b.shape[0] != 2 * classes * sides
                or m.shape[0] != 4 * states * sides):
            raise ValueError("tables of two sides of the wrong size")
        self._keep = (p, n, f, b, m, d)
        self.tables = SidesTables(
            &p[0], <const uint16_t *>&n[0], <const uint16_t *>&f[0], <const uint16_t *>&b[0], <const uint32_t *>&m[0],
            &d[0], classes, sides)
        self.states, self.level = states, chosen()
        find_settling(self)

    def way(self) -> str:
        """The way it finds pieces: "both sides"."""
        return "both sides"

    cdef void find_all(self, Sink sink, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Keeps the states of a stretch in the sink's buffer; the text's last stretches are copied behind them."""
        cdef Py_ssize_t at = 0, start = 0, end
        cdef uint32_t state = START
        cdef bint copied = False
        sink.chunk.text, sink.chunk.base = text, 0
        begin_chunk(&sink.chunk, 0)
        while start < length and sink.fault.status == FINE:
            end = at
            while end < length and not self.settles[text[end]]:
                end += 1
            if not copied and end > length - PAD:  # sinks may read `PAD` bytes after the pieces
                hand_over(sink, True)
                length -= start
                if not sink.reserve_buffer(3 * length + 2, 0):
                    return
                memcpy(sink.buffer + 2 * (length + 1), text + start, length)
                text = sink.chunk.text = sink.buffer + 2 * (length + 1)
                at, end, sink.chunk.base, start, copied = at - start, end - start, start, 0, True
                begin_chunk(&sink.chunk, 0)
            if not sink.reserve_buffer(2 * (end - at + 1), 0):
                return
            read_back(
                &self.tables, text + at, end - at, <uint16_t *>sink.buffer, 0 if end == length else self.settled_side)
            read_on(self, sink, at, end, &start, &state)
            if end == length:
                break
            at = self.level.skip(&self.skip, text, end, length)
            state = self.settled
        hand_over(sink, True)

    def spans(self, const uint8_t[::1] text not None) -> list[tuple[int, int, int]]:
        """A list of (start, end, tag) of the pieces of valid UTF-8 `text`, in bytes, the dropped ones too."""
        cdef const SidesTables *s = &self.tables
        cdef Py_ssize_t at = 0, start, width, length = text.shape[0]
        cdef uint32_t state = START, mark
        cdef uint16_t[::1] sides = array("H", bytes(2 * (length + 1)))
        found = []
        if length and find_invalid(&text[0], length, self.level) >= 0:
            raise ValueError("expected valid utf-8")
        if length:
            read_back(s, &text[0], length, &sides[0], 0)
        while at < length:
            start, mark = at, 0
            while not mark:
                state = s.forward[state * s.classes + class_at(s, &text[at], &width)]
                at += width
                mark = s.marks[state * s.sides + sides[at]]
            state = mark & 0xFFFF
            found.append((start, at, (mark >> 16) - 1))
        return found


cdef int find_settling(TwoSided finder) except -1:
    """Finds the largest set of settling bytes that share both states."""
    cdef const SidesTables *s = &finder.tables
    cdef Py_ssize_t byte, number
    pairs = {}  # by the two states: the classes
    for number in range(s.classes):
        states = {s.forward[state * s.classes + number] for state in range(finder.states)} - {DEAD}
        sides = {s.backward[side * s.classes + number] for side in range(s.sides)}
        if len(states) == len(sides) == 1:
            state, side = states.pop(), sides.pop()
            if not s.marks[state * s.sides + side]:
                pairs.setdefault((state, side), set()).add(number)
    narrow = [s.pages[s.page_numbers[0] << 8 | byte] for byte in range(0x80)]
    if not pairs:
        return 0
    (state, side), settling = max(pairs.items(), key=lambda pair: sum(number in pair[1] for number in narrow))
    for byte in range(0x80):
        if narrow[byte] in settling:
            finder.settles[byte] = True
            finder.skip.low[byte & 15] |= 1 << (byte >> 4)
    finder.settled, finder.settled_side = state, side
    return 0


cdef void read_on(
    TwoSided finder, Sink sink, Py_ssize_t at, Py_ssize_t end, Py_ssize_t *start, uint32_t *state
) noexcept nogil:
    """Reads a stretch from the left, and adds the pieces that end in it; renews their start and the state."""
    cdef const SidesTables *s = &finder.tables
    cdef const uint16_t *sides = <const uint16_t *>sink.buffer
    cdef const uint8_t *text = sink.chunk.text
    cdef Py_ssize_t place = at, width = 0
    cdef uint32_t mark
    while True:
        mark = s.marks[state[0] * s.sides + sides[place - at]]
        if mark:
            if not s.dropped[(mark >> 16) - 1]:
                add_piece(sink, True, start[0], place)
            start[0], state[0] = place, mark & 0xFFFF
        if place == end:
            break
        state[0] = s.forward[state[0] * s.classes + class_at(s, text + place, &width)]
        place += width


cdef inline uint32_t class_at(const SidesTables *s, const uint8_t *text, Py_ssize_t *width) noexcept nogil:
    cdef uint32_t c = code_point(text, width)
    return s.pages[(<uint32_t>s.page_numbers[c >> 8] << 8) | (c & 0xFF)]


cdef void read_back(
    const SidesTables *s, const uint8_t *text, Py_ssize_t length, uint16_t *sides, uint32_t side
) noexcept nogil:
    """Writes the state of the right side to the offset of each character, and to the end, where it is `side`."""
    cdef Py_ssize_t at = length, width
    sides[length] = <uint16_t>side
    while at:
        at -= 1
        while text[at] & 0xC0 == 0x80:
            at -= 1
        side = s.backward[side * s.classes + class_at(s, text + at, &width)]
        sides[at] = <uint16_t>side


cdef enum:
    MOST = 32                # possible ends: more hardly ever meet
    BEFORE = -1              # initial `Run.first`: the piece has no end from the place on
    UNSURE = -2              # only more text can tell


cdef Py_ssize_t end_from(
    const ScanTables *s, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, uint32_t state
) noexcept nogil:
    """The end of the piece whose run reads `text[at:stop]` from `state` on, or BEFORE, or UNSURE."""
    cdef Py_ssize_t width
    cdef bint wide = False
    cdef Run run = Run(state * ROW, 0, BEFORE, BEFORE)
    while at < stop:
        run.edge = next_edge(s, text + at, run.edge, &width, &wide)
        if run.edge >> 24:
            settle(&run, at)
        if run.edge & ROWS == 0:
            return run.first
        at += width
    return UNSURE


def sure_start(LeftFinder finder not None, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
    """The first sure start of a piece that is found in `text` from `at` on, or -1. `at` is a border of characters.

    It is the first start that the pieces after all possible ends of the piece over `at` have in common.
    """
    cdef Py_ssize_t end, stop = text.shape[0]
    cdef uint32_t state, tag = 0
    cdef bint wide = False
    cdef const ScanTables *s
    cdef Sink sink = Sink()  # for its memo
    if not 0 <= at < stop:
        return -1
    if isinstance(finder, CharacterFinder):  # two characters tell a cut
        return (<CharacterFinder>finder).first_part(&text[0], at, stop, False)
    s = &(<PieceFinder?>finder).scanner.tables
    ends = set()
    for state in range(1, s.states):
        end = end_from(s, &text[0], at, stop, state)
        if end == UNSURE:
            return -1
        if end != BEFORE:
            ends.add(end)
    if not ends:
        return -1
    begin_memo(&sink.memo, s, min(ends), stop)
    while 1 < len(ends) <= MOST:
        at = min(ends)
        end = scan_piece(s, &text[0], at, stop, False, &tag, &wide, &sink.memo) if at < stop else -1
        if end < 0:
            return -1
        ends.remove(at)
        ends.add(end)
    return ends.pop() if len(ends) == 1 else -1
