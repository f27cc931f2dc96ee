# Sinks, which make ids and their spans, spans of pieces, or numbers of the pieces of a text.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.bpe.merge cimport BPE, PieceMemory, Scratch
from dstok.core.cpu.level cimport CHUNK_ROOM, Implementation, PieceTable
from dstok.core.split.finder cimport Sink

cdef enum:                   # the results that a caller wants of a run; 0: the number of ids or pieces alone
    IDS = 1
    SPANS = 2                # of ids or pieces, in bytes
    CHARS = 4                # of ids, in characters; a sink that cannot count them clears this bit
    ADDED = 16               # the spans of added tokens
    TRUE_SPANS = 32          # of a model that loses bytes: the tokens' spans in the text, not upstream's
    INSIDE_TEXT = 64         # the text is the rest of another: no space goes before it

cdef struct Ids:
    uint32_t *data
    Py_ssize_t count
    Py_ssize_t room

cdef struct Spans:           # pairs of start and end
    int64_t *data
    Py_ssize_t count
    Py_ssize_t room

cdef struct Mark:            # an added token: the index of its id, and its span in bytes
    Py_ssize_t index
    Py_ssize_t start
    Py_ssize_t end

cdef struct Marks:
    Mark *data
    Py_ssize_t count
    Py_ssize_t room

cdef struct Out:             # the results of a run; its sink alone writes them
    Ids ids
    Spans bytes
    Spans chars
    Marks added
    Py_ssize_t total         # ids or pieces that are counted, and not kept
    Py_ssize_t counted       # the offset in bytes up to which characters are counted
    int64_t characters       # their number

cdef enum:                   # the position of a pass
    INSIDE = 0               # inside a stretch
    SECTION_START = 1        # after an added token
    TEXT_START = 2

cdef struct Cursor:          # the state of a pass, which alone writes it
    int at                   # INSIDE, SECTION_START or TEXT_START
    int prefix               # when a space goes before a stretch: PREFIX_ of text/normalize.pxd
    Py_ssize_t skip[2]       # bytes ahead where no added token (raw, normalized) begins, since one is rejected
    Py_ssize_t end           # the number of bytes of the text that are done


cdef class Run(Sink):
    cdef int wanted
    cdef Out out
    cdef Cursor cursor
    cdef uint8_t *lead       # a space, and the text of a stretch up to its first cut
    cdef Py_ssize_t lead_room
    cdef int number          # its index in the pool; -1: it is not kept
    cdef int process         # `slot_process` of the lease

    cdef void begin(self, int wanted) noexcept nogil
    cdef bint reserve_ids(self, Py_ssize_t more) noexcept nogil
    cdef bint reserve_spans(self, Py_ssize_t more) noexcept nogil
    cdef bint add_span(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef bint mark(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef bint take_added(self, uint32_t id, Py_ssize_t start, Py_ssize_t end) noexcept nogil


@cython.final
cdef class SpanSink(Run):
    cdef void write(self, const uint32_t *ends) noexcept nogil


@cython.final
cdef class IdSink(Run):
    cdef BPE bpe
    cdef const Implementation *level
    cdef bint in_strips      # the level merges several pieces at once, of their bytes alone
    cdef PieceMemory _keep
    cdef PieceTable table
    cdef Scratch[2] scratch
    cdef uint64_t values[CHUNK_ROOM]  # of the chunk's pieces, in the piece table
    cdef uint32_t missed[CHUNK_ROOM]  # the pieces that the piece table does not hold
    cdef uint32_t *side      # ids of pieces that the piece table cannot hold: a count, then the ids of each
    cdef Py_ssize_t side_used
    cdef Py_ssize_t side_room
    cdef uint64_t *memory    # of pairs of tokens: bpe/borders.h; NULL: no text has needed it
    cdef const uint32_t *characters  # of each token: twice the number that begin in it, and 1 if it begins inside one

    cdef bint find_values(self, const uint8_t *text) noexcept nogil
    cdef void finish(self) noexcept nogil
    cdef int look_again(self, const uint8_t *text, int misses) noexcept nogil
    cdef bint merge_missed(self, const uint8_t *text, int misses) noexcept nogil
    cdef void begin_lead(self, Py_ssize_t at) noexcept nogil
    cdef void end_lead(self, Py_ssize_t first, Py_ssize_t width) noexcept nogil


cdef object characters_of(BPE bpe)
