# Byte-level BPE: the pair table and the merge loops.
cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    NO_RANK = 0xFFFFFF
    MAYBE_BITS = 21
    SHORT = 48                    # up to this many symbols are merged by scanning their ranks

cdef struct Scratch:
    # Room for one run of `merge_span`, grown on demand; entries are per byte of the span.
    uint32_t *ids
    uint32_t *next
    uint32_t *previous
    uint64_t *heap
    Py_ssize_t capacity
    # The answer of the last `merge_span`: token ids and their ends, in bytes from the span's start.
    uint32_t *out
    uint32_t *ends


@cython.final
cdef class BPE:
    cdef const uint64_t *pairs    # left << 44 | right << 24 | rank, open addressing, all ones: empty
    cdef const uint64_t *maybe    # bitmap under a hash of the pair: 0 means no merge
    cdef int pair_shift
    cdef uint64_t pair_mask
    cdef const uint32_t *merged   # id by rank
    cdef uint32_t byte_ids[256]
    cdef const uint32_t *atoms    # id + 1 of each BMP character that is a token, or NULL
    cdef const uint8_t *torn      # bitmap of the byte pairs at torn borders, by left << 8 | right
    cdef const uint32_t *starts   # token i is blob[starts[i]:starts[i + 1]]
    cdef const uint8_t *blob
    cdef readonly Py_ssize_t size  # number of ids below which `starts` is defined
    cdef readonly bint monotone
    cdef readonly bint ignore_merges
    cdef uint32_t *by_bytes       # ignore_merges only: open addressing over the vocabulary's bytes, id + 1
    cdef uint32_t by_bytes_mask
    cdef object _keep

    cdef Py_ssize_t symbols(self, const uint8_t *text, Py_ssize_t length, uint32_t *out) noexcept nogil
    cdef bint _torn(self, uint8_t left, uint8_t right) noexcept nogil
    cdef uint32_t rank(self, uint32_t left, uint32_t right) noexcept nogil
    cdef Py_ssize_t merge_piece(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *scratch, Scratch *junction
    ) noexcept nogil
    cdef Py_ssize_t merge_short(self, uint32_t *out, Py_ssize_t count) noexcept nogil
    cdef Py_ssize_t merge_span(self, const uint8_t *text, Py_ssize_t length, Scratch *s) noexcept nogil
    cdef Py_ssize_t merge_windows(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *scratch, Scratch *junction
    ) noexcept nogil
    cdef int joins(
        self, const uint8_t *text, Py_ssize_t left, Py_ssize_t right, Scratch *junction
    ) noexcept nogil
    cdef uint32_t whole(self, const uint8_t *text, Py_ssize_t length) noexcept nogil

cdef void free_scratch(Scratch *s) noexcept nogil
