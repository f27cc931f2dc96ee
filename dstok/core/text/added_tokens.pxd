# Added tokens: leftmost-longest matching of many literal texts.
cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from dstok.core.cpu.level cimport FirstBytes

cdef extern from "text/first_bytes.h":
    int64_t first_of(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) noexcept nogil

cdef struct Match:
    Py_ssize_t start       # of the token, with the white space that it takes along
    Py_ssize_t end
    Py_ssize_t content     # where its content begins
    int32_t token          # index into the list of tokens that the matcher has; -1: no match
    Py_ssize_t safe        # without a match: no token begins before this offset
    Py_ssize_t scan        # without a match: a later search begins here at the earliest (a rejected match ends here)

cdef struct State:         # a text with which tokens begin; its first child is the next state, which has a larger depth
    uint32_t table         # of its children by their bytes; 0: it has one child at most
    uint32_t fail          # the longest other state that its text ends with
    uint32_t depth         # bytes of its text
    int32_t longest        # the longest token that its text ends with, or -1
    uint8_t byte           # the last one of its text

cdef struct Token:
    uint32_t length        # in bytes
    uint8_t flags          # SINGLE_WORD | LSTRIP | RSTRIP

cdef struct Ranges:
    const int64_t *ends    # starts and ends of trusted text in turn, ascending, in bytes; NULL: all text is trusted
    Py_ssize_t count       # of ranges


@cython.final
cdef class Matcher:
    cdef State *states
    cdef Token *tokens
    cdef uint32_t *tables      # 256 states each
    cdef frozenset heads       # the first bytes of each token, up to FIRST_DEEP
    cdef FirstBytes firsts     # the search for them
    cdef bint has_lstrip
    cdef const uint8_t *word_bits
    cdef object _keep
    cdef readonly Py_ssize_t count
    cdef Py_ssize_t reach      # the most bytes of a token; -1 if one has flags

    cdef Match find(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t scan, Py_ssize_t stop, Py_ssize_t left, bint final,
        const Ranges *trusted, Py_ssize_t base
    ) noexcept nogil
    cdef int _build(self, list contents) except -1
    cdef uint32_t child(self, uint32_t state, uint8_t byte) noexcept nogil
    cdef uint32_t next(self, uint32_t state, uint8_t byte) noexcept nogil
    cdef Py_ssize_t first_end(self, const uint8_t *text, Py_ssize_t length, uint32_t *state) noexcept nogil
    cdef uint32_t length(self, uint32_t state) noexcept nogil
    cdef void search(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Match *found) noexcept nogil
    cdef int admit(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t left, bint final, Match *found
    ) noexcept nogil


@cython.final
cdef class Policy:
    cdef Matcher raw, normalized
    cdef readonly object raw_ids, normalized_ids
    cdef const uint32_t *ids[2]
    cdef FirstBytes firsts            # the bytes that the tokens begin with
    cdef readonly bint refuses
    cdef bint by_place                # where a match lies decides about it, or an error names it
    cdef readonly tuple contents
    cdef readonly Py_ssize_t reach    # the most bytes of a token; -1 if the text beside a token may decide about it
    cdef readonly Policy inner        # the policy inside a stretch between raw tokens
    cdef readonly Policy quick        # the policy of calls that give ids alone; None: this one
    cdef tuple ranges                 # of trusted text: arrays of typecode q for the raw and the normalized text
    cdef Ranges trusted[2]            # the same

    cdef Policy within(self, raw, normalized)
    cdef bint idle(self, const uint8_t *text, Py_ssize_t length) noexcept nogil
    cpdef list raw_spans(self, bytes text)
