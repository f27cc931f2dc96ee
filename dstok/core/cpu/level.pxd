# The implementation of a level, and the tables that its functions read.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

# The header only names most structs. A module that uses their fields includes split/grid.h, bpe/pair_table.h,
# bpe/strips.h or bpe/piece_cache.h.
cdef extern from "cpu/implementation.h":
    enum:
        BORDERS, CHUNK, CHUNK_ROOM, FIRST_DEEP, FIRST_GROUPS, FIRST_MOST, FIRST_PAD, GRID_RANGES, PAD
    ctypedef struct Shuffles:
        pass
    ctypedef struct KernelTables:
        const uint8_t *pages
        const uint16_t *page_numbers
        const uint8_t *joined
        const uint8_t *flags
        uint8_t page_flags[256]
        uint8_t lead_flags[32]
        uint8_t range_first[GRID_RANGES]
        uint8_t range_size[GRID_RANGES]
        uint8_t range_flags[GRID_RANGES]
        uint8_t kinds[256]
        const Shuffles *shuffles
        int rules
    ctypedef struct GridState:
        pass
    ctypedef struct ShuffleState:
        uint8_t left
    ctypedef struct GridRun:
        GridState state
        ShuffleState shuffle
        int64_t from_ "from"
        uint8_t left
        uint32_t *starts
        uint32_t *ends
        uint32_t at
        int pieces, anchor
    ctypedef uint32_t *(*PieceMerge)(void *run, const uint8_t *piece, uint32_t length, uint32_t *out) noexcept nogil
    ctypedef struct PieceTable:
        uint64_t *key8
        uint64_t *key24
        int writable
        PieceMerge merge
        void *run
    ctypedef struct PairTable:
        const uint64_t *slots
        const uint16_t *seeds
        int slot_shift, seed_shift
        uint32_t left_mix, right_mix, first, mix
        const uint32_t *merged
        const Implementation *level
    ctypedef struct Strips:
        int counts[]
        int size
    ctypedef struct FirstBytes:
        uint8_t bytes[FIRST_MOST][FIRST_PAD]
        uint8_t groups[FIRST_DEEP][256]
        uint8_t halves[FIRST_DEEP][2][16]
        int count
        const Implementation *level
    ctypedef struct Skip:
        uint8_t low[16]
        uint8_t beyond
        uint8_t any
    ctypedef void (*GridRunFunction)(
        const KernelTables *t, const uint8_t *p, uint32_t stop, bint final, int full, GridRun *run) noexcept nogil
    ctypedef int (*GridOnlyFunction)(
        const KernelTables *t, const uint8_t *p, int size, uint64_t *ends) noexcept nogil
    ctypedef struct GridFunctions:
        GridRunFunction run
        GridOnlyFunction only
    ctypedef struct Implementation:
        const char *name
        int vectors
        const GridFunctions *grid
        int (*few)(
            const PieceTable *t, const uint8_t *text, const uint64_t *ends, int whole, const char *ints, uint32_t *out
        ) noexcept nogil
        int (*probe)(
            const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces, uint64_t *values,
            uint32_t *missed) noexcept nogil
        int (*emit)(const uint64_t *values, int at, int pieces, uint32_t **out) noexcept nogil
        bint (*copy)(uint8_t *out, const uint8_t *data, Py_ssize_t size, const FirstBytes *firsts) noexcept nogil
        Py_ssize_t (*transcode)(
            const uint8_t *data, int kind, Py_ssize_t length, Py_ssize_t *at, uint8_t *out, Py_ssize_t capacity
        ) noexcept nogil
        Py_ssize_t (*valid)(const uint8_t *text, Py_ssize_t length) noexcept nogil
        Py_ssize_t (*widen)(const uint8_t *text, Py_ssize_t length, uint16_t **out) noexcept nogil
        int64_t (*first_of)(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) noexcept nogil
        bint (*first_in)(const FirstBytes *firsts, const uint8_t *text, int64_t size) noexcept nogil
        int64_t (*skip)(const Skip *skip, const uint8_t *text, int64_t at, int64_t stop) noexcept nogil
        void (*merge_strips)(const PairTable *t, Strips *strips) noexcept nogil


cdef const Implementation *chosen() except NULL
cdef void set_levels(const Implementation *implementations, int count, int vectors)
