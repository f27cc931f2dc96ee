"""The merge loop of BPE training, on the distinct pieces of a corpus.

In: the tokens to begin with, pieces with their counts, the settings of a trainer. Out: the merges, each with its count.
Invariant: as merge_loop.h says: each merge takes the pair of the highest count, of several the one with the smallest
ids. Threads: one thread at a time uses an object; the loop runs without the GIL.
"""

cimport cython
from libc.stdint cimport INT64_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from dstok.core.bpe.merge cimport BPE, Scratch, scratch_free
from dstok.core.cpu.platform cimport add_overflow, mul_overflow

from array import array

from dstok.errors import DstokError

cdef extern from "counts/merge_loop.h":
    enum:
        LONG
        HEAD
        NO_TOKEN
        LONG_PLACE
        LOOP_GOES_ON
        LOOP_OUT_OF_MEMORY
        MOST_THREADS
    ctypedef struct Words:
        uint64_t cells_size, tokens_size, longest_short
    ctypedef struct Merge:
        pass
    ctypedef struct Tokens:
        uint32_t *lengths
    ctypedef struct Lane:
        Words words
        int64_t windows, occurrences
    ctypedef struct Parity:
        uint32_t languages, dev
        const double *ratios
        uint64_t together, window
        double most
    ctypedef struct Loop:
        Lane *lanes
        uint32_t many
        Parity parity
        Tokens tokens
        const uint32_t *taken
        int64_t taken_count
        uint32_t ids
        uint64_t vocab_size, most, longest
        int64_t least, divisor
        uint64_t pairs_room
        Merge *merges
        int64_t *counts
        uint64_t size, rebuilds
        int threads
        uint32_t shared
    bint loop_open(Loop *l, uint32_t many, const uint8_t *bytes, const uint32_t *starts, uint32_t count) noexcept nogil
    void loop_free(Loop *l) noexcept nogil
    int loop_run(Loop *l, uint64_t visits) noexcept nogil
    bint words_room(Words *w, uint64_t cells, uint64_t tokens, uint64_t longs) noexcept nogil
    void words_add(Words *w, const uint32_t *ids, uint64_t size, int64_t count, const uint32_t *lengths) noexcept nogil

cdef enum:
    FINE, OUT_OF_MEMORY, TOO_MANY_COUNTS, TOO_MANY_WORDS
    SHARED = 4096            # places of a list from which on threads are worth their start


@cython.final
cdef class Pieces:
    """Counted pieces: piece i is `text[offsets[i]:offsets[i + 1]]`. `highest`, `longest`: of their counts and bytes."""

    cdef const uint8_t *text
    cdef const int64_t *offsets, *counts
    cdef Py_ssize_t size
    cdef int64_t highest, longest
    cdef object keep

    def __cinit__(self, pieces, offsets, counts):
        cdef const uint8_t[::1] p = memoryview(pieces).cast("B")
        cdef const int64_t[::1] o = memoryview(offsets).cast("B").cast("q")
        cdef const int64_t[::1] c = memoryview(counts).cast("B").cast("q")
        cdef Py_ssize_t i
        if o.shape[0] != c.shape[0] + 1 or o[0] < 0 or o[c.shape[0]] > p.shape[0]:
            raise ValueError("expected an offset more than counts, within the pieces")
        for i in range(c.shape[0]):
            if o[i] > o[i + 1] or c[i] < 0:
                raise ValueError(f"expected rising offsets and no negative counts, found others at piece {i}")
            self.highest, self.longest = max(self.highest, c[i]), max(self.longest, o[i + 1] - o[i])
        self.keep = (p, o, c)
        self.text = &p[0] if p.shape[0] else NULL
        self.offsets, self.counts, self.size = &o[0], &c[0] if c.shape[0] else NULL, c.shape[0]


@cython.final
cdef class Encoding:
    """From the bytes of a piece to ids: one for each byte, or those of a model. `longest`: most bytes of a piece."""

    cdef uint32_t by_byte[256]
    cdef BPE bpe
    cdef uint32_t *ids           # of the piece that was encoded last
    cdef Scratch[2] scratch

    def __cinit__(self, ids_of_bytes, BPE bpe, int64_t longest):
        cdef int i
        for i in range(256):
            self.by_byte[i] = NO_TOKEN if ids_of_bytes[i] < 0 else ids_of_bytes[i]
        self.bpe = bpe
        self.ids = <uint32_t *>malloc((longest + 1) * sizeof(uint32_t))
        if self.ids == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.ids)
        scratch_free(self.scratch)
        scratch_free(self.scratch + 1)

    cdef int64_t encode(self, const uint8_t *text, int64_t length) noexcept nogil:
        """Return the number of ids; -1 if memory is out."""
        cdef int64_t count = 0, i
        if self.bpe is not None:
            return self.bpe.merge_piece(text, length, self.ids, self.scratch) if length else 0
        for i in range(length):
            self.ids[count] = self.by_byte[text[i]]
            count += self.ids[count] != NO_TOKEN
        return count


@cython.final
cdef class MergeLoop:
    """Merge the most frequent pair of ids, over and over.

    Token i of those to begin with is `blob[starts[i]:starts[i + 1]]`; a merge that spells one of the ids in `taken`,
    which are ordered by length and bytes, takes its id. Other settings as of `BpeTrainer`. `divisor`: pairs below
    this part of the highest count wait for the next count. `longest_short`: longer words have the long form.
    `threads` share lists of `shared` places or more. `pairs_room`: bytes for pairs and their lists. None of these
    changes a merge.

    To balance `languages` makes a lane for each, with `dev` one for the dev texts of each, and with `together`, the
    number of merges of all languages, one for all. `ratios`: of each language, or none. `share`: which part of the last
    `window` turns is one language's, at most. `most`: how many merges there may be.
    """

    cdef Loop loop
    cdef object keep
    cdef bint broken

    def __cinit__(
        self, starts, blob: bytes, taken, uint64_t vocab_size, int64_t min_frequency, uint64_t longest,
        int64_t divisor=16, int longest_short=LONG, int threads=1, uint32_t shared=SHARED, uint64_t pairs_room=1 << 62,
        uint32_t languages=0, bint dev=False, const double[::1] ratios=None, uint64_t together=0, uint64_t window=1,
        double share=1, uint64_t most=UINT64_MAX
    ):
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B")
        cdef const uint32_t[::1] t = memoryview(taken).cast("B").cast("I")
        cdef uint32_t many = max(1, languages + languages * dev + (together > 0))
        if s.shape[0] < 1 or divisor < 1 or not 0 < longest_short <= LONG:
            raise ValueError(f"expected starts, a divisor of at least 1, and short words of up to {LONG}")
        if languages:
            divisor, pairs_room = 1 << 61, 1 << 62  # all pairs have lists
        if ratios is not None and ratios.shape[0]:
            self.loop.parity.ratios = &ratios[0]
        self.loop.parity.languages, self.loop.parity.dev = languages, languages * dev
        self.loop.parity.together, self.loop.parity.window, self.loop.parity.most = together, window, share
        self.loop.most = most
        self.keep = (t, ratios)
        self.loop.taken, self.loop.taken_count = &t[0] if t.shape[0] else NULL, t.shape[0]
        self.loop.vocab_size, self.loop.longest = vocab_size, longest
        self.loop.threads, self.loop.shared = min(threads, MOST_THREADS), shared
        self.loop.least, self.loop.divisor, self.loop.pairs_room = max(1, min_frequency), divisor, pairs_room
        if not loop_open(&self.loop, many, &b[0] if b.shape[0] else NULL, &s[0], <uint32_t>(s.shape[0] - 1)):
            raise MemoryError
        for i in range(many):
            self.loop.lanes[i].words.longest_short = longest_short

    def __dealloc__(self):
        loop_free(&self.loop)

    def reserve(self, uint64_t cells, uint64_t tokens, uint64_t longs):
        """Make room for words: for `cells` and `tokens` of 4 bytes, and for `longs` words in the long form."""
        if not words_room(&self.loop.lanes.words, cells, tokens, longs):
            raise MemoryError

    def add(self, pieces, offsets, counts, ids_of_bytes: list[int], BPE bpe=None, int64_t drop_below=0,
            Py_ssize_t lane=0):
        """Add pieces: piece i is `pieces[offsets[i]:offsets[i + 1]]`, with its count, as `PieceCounts` has them.

        `ids_of_bytes` is the id of each byte, -1 for a byte that is left out. With `bpe`, a word begins as the ids by
        which it encodes the piece. Pieces with a count below `drop_below` are left out. Of dev texts, whose lanes come
        after those of the languages, pieces with such a byte are left out. Lane -1, the last one, is of all languages.
        """
        cdef Pieces all = Pieces(pieces, offsets, counts)
        cdef Encoding encoding = Encoding(ids_of_bytes, bpe, all.longest)
        cdef int status
        lane += self.loop.many if lane < 0 else 0
        if self.loop.rebuilds or not 0 <= lane < self.loop.many:
            raise ValueError("expected pieces before the first merge, of a lane that there is")
        with nogil:
            status = self.add_all(all, encoding, drop_below, self.loop.lanes + lane)
        if status == OUT_OF_MEMORY:
            raise MemoryError
        if status == TOO_MANY_COUNTS:
            raise DstokError("expected counts that are together below 2**63, found more")
        if status == TOO_MANY_WORDS:
            raise DstokError(f"expected distinct pieces of at most {LONG_PLACE} bytes together, found more")

    cdef int add_all(self, Pieces pieces, Encoding encoding, int64_t drop_below, Lane *lane) noexcept nogil:
        cdef uint64_t cells = 0, tokens = 0, longs = 0
        cdef int64_t size, length, windows, most = lane.words.longest_short
        cdef bint whole = 0 <= lane - self.loop.lanes - <int64_t>self.loop.parity.languages < self.loop.parity.dev
        cdef Py_ssize_t i
        for i in range(pieces.size):
            length = pieces.offsets[i + 1] - pieces.offsets[i]
            if pieces.counts[i] >= drop_below:
                cells += min(length, most) + HEAD if length > 1 else 0
            if pieces.counts[i] >= drop_below and length > most:
                tokens, longs = tokens + length + 1, longs + 1
        if lane.words.cells_size + cells >= LONG_PLACE or lane.words.tokens_size + tokens + 2 >= LONG_PLACE:
            return TOO_MANY_WORDS
        if not words_room(&lane.words, cells, tokens, longs):
            return OUT_OF_MEMORY
        for i in range(pieces.size):
            if pieces.counts[i] < drop_below:
                continue
            size = pieces.offsets[i + 1] - pieces.offsets[i]
            length = encoding.encode(pieces.text + pieces.offsets[i], size)
            if length < 0:
                return OUT_OF_MEMORY
            if not length or (whole and length < size):
                continue
            if mul_overflow(pieces.counts[i], length - 1, &windows) or (
                    add_overflow(lane.windows, windows, &lane.windows)) or (
                    add_overflow(lane.occurrences, pieces.counts[i], &lane.occurrences)):
                lane.windows = INT64_MAX
                return TOO_MANY_COUNTS
            if length > 1:
                words_add(&lane.words, encoding.ids, length, pieces.counts[i], self.loop.tokens.lengths)
        return FINE

    def run(self, uint64_t visits) -> bool:
        """Make merges until about `visits` words were visited; whether there may be more merges."""
        cdef int status
        if self.broken:
            raise MemoryError
        with nogil:
            status = loop_run(&self.loop, visits)
        self.broken = status == LOOP_OUT_OF_MEMORY
        if self.broken:
            raise MemoryError
        return status == LOOP_GOES_ON

    def __len__(self):
        """Return the number of merges."""
        return self.loop.size

    def ids(self) -> int:
        """Return the next new id: the number of tokens."""
        return self.loop.ids

    def merges(self, Py_ssize_t first=0) -> tuple[array[int], array[int]]:
        """Return (merges, counts) from merge `first` on: left, right and merged id of each as "I", its count as "q"."""
        cdef Py_ssize_t size = self.loop.size - first
        cdef uint32_t[::1] merges = array("I", bytes(12 * (size + 1)))
        cdef int64_t[::1] counts = array("q", bytes(8 * (size + 1)))
        memcpy(&merges[0], self.loop.merges + first, 12 * size)
        memcpy(&counts[0], self.loop.counts + first, 8 * size)
        return merges.base[:3 * size], counts.base[:size]


@cython.final
cdef class Survey:
    """The contents of pieces, before a training. Pieces with a count below `drop_below` are dropped.

    pieces, occurrences, length: of all pieces: their number, the sum of their counts, and that of their bytes as often
    as they occur. dropped_...: of those that are dropped. highest: of all counts. Sums end at 2**63 - 1.

    Of the pieces that are kept, each once: cells, tokens, longs: what their words take, as `MergeLoop.reserve` has it.
    windows: the pairs of neighbouring bytes. most_windows: of one pair of bytes.
    """

    cdef readonly int64_t drop_below, highest, pieces, occurrences, length
    cdef readonly int64_t dropped_pieces, dropped_occurrences, dropped_length
    cdef readonly uint64_t cells, tokens, longs, windows, most_windows
    cdef int64_t byte_counts[256]
    cdef uint64_t *of_pairs

    def __cinit__(self, int64_t drop_below=0):
        self.drop_below = drop_below
        self.of_pairs = <uint64_t *>calloc(1 << 16, sizeof(uint64_t))
        if self.of_pairs == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.of_pairs)

    def add(self, pieces, offsets, counts):
        """Add pieces, in the form that `MergeLoop.add` takes."""
        cdef Pieces all = Pieces(pieces, offsets, counts)
        cdef Py_ssize_t i
        self.highest = max(self.highest, all.highest)
        with nogil:
            for i in range(all.size):
                self.add_piece(all.text + all.offsets[i], all.offsets[i + 1] - all.offsets[i], all.counts[i])

    cdef void add_piece(self, const uint8_t *text, int64_t length, int64_t count) noexcept nogil:
        cdef int64_t i, times = INT64_MAX
        cdef uint64_t *of_pair
        if mul_overflow(length, count, &times):
            times = INT64_MAX
        self.pieces += 1
        add_to(&self.occurrences, count)
        add_to(&self.length, times)
        if count < self.drop_below:
            self.dropped_pieces += 1
            add_to(&self.dropped_occurrences, count)
            add_to(&self.dropped_length, times)
            return
        for i in range(length):
            add_to(&self.byte_counts[text[i]], count)
        for i in range(1, length):
            of_pair = self.of_pairs + (text[i - 1] << 8 | text[i])
            of_pair[0] += 1
            self.most_windows = max(self.most_windows, of_pair[0])
        if length > 1:
            self.windows += length - 1
            self.cells += HEAD + min(length, LONG)
        if length > LONG:
            self.tokens += length + 1
            self.longs += 1

    def bytes(self) -> array[int]:
        """Return how often each byte occurs in the pieces that are kept, as "q"."""
        return array("q", <bytes>(<char *>self.byte_counts)[:sizeof(self.byte_counts)])


cdef inline void add_to(int64_t *total, int64_t number) noexcept nogil:
    if add_overflow(total[0], number, total):
        total[0] = INT64_MAX


def id_counts(BPE bpe not None, Py_ssize_t size, pieces, offsets, counts) -> array[int]:
    """How often each id below `size` occurs in the pieces as `bpe` encodes them, as "q", at most 2**63 - 1."""
    cdef Pieces all = Pieces(pieces, offsets, counts)
    cdef Encoding encoding = Encoding([-1] * 256, bpe, all.longest)
    cdef int64_t[::1] found = array("q", bytes(8 * (size + 1)))
    cdef int64_t count = 0
    cdef Py_ssize_t i, j
    with nogil:
        for i in range(all.size):
            count = encoding.encode(all.text + all.offsets[i], all.offsets[i + 1] - all.offsets[i])
            if count < 0:
                break
            for j in range(count):
                add_to(&found[encoding.ids[j]], all.counts[i])
    if count < 0:
        raise MemoryError
    return found.base[:size]
