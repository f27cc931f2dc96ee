# The memory that one encoding run writes to: ids, notes, scratch memory, and its own piece table.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.bpe.merge cimport BPE, CHUNK_ROOM, PieceMemory, Scratch
from dstok.core.cpu.level cimport PieceTable
from dstok.core.split.automaton cimport Memo

cdef enum Status:
    FINE = 0
    OUT_OF_MEMORY = 1
    SPECIAL_FOUND = 2
    INVALID_TEXT = 3

cdef struct Note:
    # An added token, or a piece: its place among the ids, and its span in bytes.
    Py_ssize_t index
    Py_ssize_t start
    Py_ssize_t end


@cython.final
cdef class Workspace:
    cdef PieceTable table
    cdef Scratch scratch
    cdef Scratch junction
    cdef Memo memo                    # of the text in work: see split/automaton.pyx
    cdef Py_ssize_t origin            # start of the chunk in work, in the buffer in work
    cdef int pieces                   # number of its pieces so far; they lie end to end, unless some text is dropped
    cdef uint32_t starts[CHUNK_ROOM + 64]  # start of each, from `origin`, and the end of the last one
    cdef uint32_t ends[CHUNK_ROOM + 64]    # end of each, where text between pieces is dropped
    cdef uint64_t values[CHUNK_ROOM]  # value of each in the piece table
    cdef uint32_t missed[CHUNK_ROOM]  # the pieces that the piece table does not hold
    cdef uint32_t *side               # ids of pieces that the piece table cannot hold: a count, then the ids of each
    cdef Py_ssize_t side_used
    cdef Py_ssize_t side_size
    cdef uint32_t *out
    cdef Py_ssize_t count             # ids in `out`
    cdef Py_ssize_t capacity
    cdef Py_ssize_t total             # ids so far, with those that counting has dropped
    cdef bint counting                # ids are counted, not kept
    cdef int64_t *spans               # of the ids in `out`, in bytes of the text, if the sink wants them: pairs
    cdef int64_t *char_spans          # the same in characters, if `counts_characters` is still true
    cdef bint ends_only               # `char_spans` gets one number an id, its end, and `spans` nothing
    cdef Py_ssize_t spanned           # the number of spans, or ends
    cdef Py_ssize_t span_room
    cdef Py_ssize_t counted           # the place in the text, in bytes, up to which characters are counted
    cdef int64_t characters           # their number
    cdef bint counts_characters
    cdef Note *notes
    cdef Py_ssize_t noted
    cdef Py_ssize_t note_capacity
    cdef bint noting                  # added tokens are noted
    cdef uint8_t *buffer              # transcoded text
    cdef Py_ssize_t buffer_size
    cdef Py_ssize_t base              # offset in the text of byte 0 of the buffer in work
    cdef int fresh                    # 1: no text of the present stretch has been taken, 2: nor of the whole text
    cdef int opening                  # `fresh` at the start of a text that is encoded
    cdef bint true_places             # spans of a model that loses bytes are not upstream's, but the tokens' own
    cdef int prefix                   # where a space goes before a stretch: PREFIX_ of text/normalize.pxd
    cdef uint8_t *lead                # the first part of a stretch with this space before it
    cdef Py_ssize_t lead_size
    cdef Py_ssize_t skip[2]           # bytes ahead where no added token (raw, normalized) begins, since one is rejected
    cdef Status status
    cdef Py_ssize_t where             # of the fault, in bytes (INVALID_TEXT in a str: code points)
    cdef int token                    # SPECIAL_FOUND: the token
    cdef bint normalized              # SPECIAL_FOUND: whether the matcher is that of normalized tokens
    cdef int place                    # in the pool; -1: it is not kept
    cdef int process                  # `slot_process` of the lease
    cdef object _keep

    cdef void begin(self, bint counting, bint noting) noexcept nogil
    cdef void begin_spans(self, bint ends_only) noexcept nogil
    cdef void begin_chunk(self, Py_ssize_t at) noexcept nogil
    cdef void next_chunk(self) noexcept nogil
    cdef bint reserve(self, Py_ssize_t more) noexcept nogil
    cdef bint reserve_spans(self, Py_ssize_t more) noexcept nogil
    cdef bint reserve_side(self, Py_ssize_t more) noexcept nogil
    cdef bint reserve_buffer(self, Py_ssize_t size) noexcept nogil
    cdef bint grow(self, void **memory, Py_ssize_t *room, Py_ssize_t wanted, Py_ssize_t entry) noexcept nogil
    cdef bint note(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil
    cdef void trim(self) noexcept


cdef extern from "encode/sync.h":
    PyObject *late_object(PyObject **place) noexcept
    PyObject *late_put(PyObject **place, PyObject *made) noexcept

cdef enum:
    KEPT = 2                 # workspaces with a piece table of their own (19 MB each): 80 MB a tokenizer, at most
    SPAN = 4                 # words of an `int64_t[2]` in a workspace's buffer
    LARGE = 1 << 17          # ids of a buffer that a workspace does not keep


@cython.final
cdef class Pool:
    cdef BPE bpe
    cdef object direct
    cdef int slots[KEPT]
    cdef PyObject *kept[KEPT]     # workspaces; only the holder of a slot reads and writes its place
    cdef PyObject *common         # the piece table that all further workspaces read, and do not write to
    cdef int spare_slot
    cdef uint32_t *spare[2]       # buffers of ids that came back, for the next long text
    cdef Py_ssize_t spare_capacity[2]

    cdef bint _hold(self, int place) noexcept
    cdef Workspace lease(self)
    cdef PyObject *take_first(self) noexcept
    cdef void give_first(self) noexcept
    cdef PieceMemory _common_table(self)
    cdef int _keep(self, int place) except -1
    cdef void release(self, Workspace w) noexcept
    cdef void keep(self, uint32_t *ids, Py_ssize_t capacity) noexcept
    cdef void lend(self, Workspace w) noexcept
    cdef bint _open_spares(self) noexcept


@cython.final
cdef class Written:
    cdef Pool pool
    cdef uint32_t *words
    cdef Py_ssize_t count
    cdef Py_ssize_t capacity

    @staticmethod
    cdef Written take(Workspace w, Pool pool)


cdef object numpy_()
cdef object array_of(Workspace w, Pool pool, Py_ssize_t before, Py_ssize_t after)
cdef object array_with(const uint32_t *ids, Py_ssize_t count, Py_ssize_t before, Py_ssize_t after)
cdef object spans_written(Workspace w, Pool pool)
cdef tuple spans_of_ids(Workspace w)
cdef int put_ids(ids, Py_ssize_t at, Workspace w) except -1
