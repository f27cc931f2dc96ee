# Byte-level BPE: the pair table and the merge loops.
cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dstok.core.cpu.level cimport GridRunFunction, Implementation, KernelTables, PairTable, PieceTable, Strips

cdef extern from "bpe/merge_loops.h":
    enum:
        ID_BITS
        NO_RANK
        RANK_BITS
        NO_PAIR
        FEW_SYMBOLS
        SHORT
    void read_lines(const void *table, size_t size) noexcept nogil
    ctypedef struct BytePair:
        pass
    ctypedef struct WideCharacters:
        const uint64_t *ids
        int64_t count
    ctypedef struct StartTable:
        const uint32_t *bytes
        const BytePair *pairs
        const uint32_t *pair_ids, *atoms
        WideCharacters wide
    int character_at(const uint8_t *text, int64_t length, uint32_t *character) noexcept nogil
    uint32_t left_mix_of(uint32_t salt) noexcept nogil
    uint32_t right_mix_of(uint32_t salt) noexcept nogil
    uint32_t mix_of(uint32_t salt) noexcept nogil
    uint32_t pair_bucket(
        uint32_t left, uint32_t right, uint32_t left_mix, uint32_t right_mix, int seed_shift) noexcept nogil
    uint32_t pair_slot(uint32_t left, uint32_t right, uint32_t seed, uint32_t mix, int slot_shift) noexcept nogil
    uint32_t pair_rank(const PairTable *t, uint32_t left, uint32_t right) noexcept nogil
    uint32_t pair_merged(const PairTable *t, uint32_t rank) noexcept nogil
    int merge_short(const PairTable *t, uint32_t *ids, int count) noexcept nogil
    int64_t merge_sweeps(
        const PairTable *t, uint32_t *ids, uint32_t *ranks, int64_t count) noexcept nogil
    int64_t start_symbols(const StartTable *t, const uint8_t *text, int64_t length, uint32_t *ids) noexcept nogil

cdef extern from "bpe/merge_loops.h":
    enum:
        SCRATCH_BYTES
    ctypedef struct Scratch:
        uint32_t *next, *out, *ends
        int64_t capacity
        uint64_t work
    void scratch_free(Scratch *s) noexcept nogil
    bint scratch_grow(Scratch *s, int64_t length) noexcept nogil
    int64_t merge_heap(
        const PairTable *t, const uint32_t *starts, int64_t length, int64_t count, Scratch *s) noexcept nogil

cdef extern from "bpe/borders.h":
    enum:
        MEMORY_BYTES, PENDING
    ctypedef struct Borders:
        KernelTables words
        GridRunFunction cut
    Borders *borders_new(
        const PairTable *pairs, const StartTable *start, const uint32_t *starts, const uint8_t *blob, int64_t ids
    ) noexcept nogil
    Borders *borders_made(Borders **place) noexcept nogil
    void borders_free(Borders *t) noexcept nogil
    void borders_put(Borders **place, Borders *made) noexcept nogil
    int64_t border_append(
        const Borders *t, uint64_t *memory, uint32_t *out, int64_t floor, int64_t count, const uint32_t *ids, int size,
        int64_t *spent, int64_t most) noexcept nogil

cdef extern from "bpe/strips.h":
    enum:
        STRIPS
        STRIP_SYMBOLS
    void strips_clear(Strips *s) noexcept nogil
    uint32_t *strips_next(Strips *s) noexcept nogil
    bint strips_take(Strips *s, int64_t count) noexcept nogil
    const uint32_t *strips_ids(const Strips *s, int i) noexcept nogil


@cython.final
cdef class CharacterTable:
    cdef const uint32_t[::1] atoms
    cdef const uint64_t[::1] wide

    cdef void open(self, StartTable *start) except *


@cython.final
cdef class LostBytes:
    cdef readonly bytes values
    cdef readonly int64_t unknown
    cdef uint8_t flags[256]
    cdef bint fuse


@cython.final
cdef class BPE:
    cdef PairTable pairs
    cdef StartTable start         # the table that merging starts from
    cdef StartTable plain         # the same with bytes alone
    cdef uint32_t byte_ids[256]
    cdef const uint32_t *starts   # token i is blob[starts[i]:starts[i + 1]]
    cdef const uint8_t *blob
    cdef readonly Py_ssize_t size  # `starts` is defined for ids below this
    cdef readonly bint monotone, ignore_merges
    cdef readonly LostBytes lost  # None: each byte has a token
    cdef readonly bint ends_words  # `WORD_END` comes after each piece's bytes: the end_of_word_suffix
    cdef readonly bint merges_all  # none of these: a piece has the ids of merging its bytes
    cdef uint32_t *by_bytes       # ignore_merges only: open addressing over the vocabulary's bytes, id + 1
    cdef uint32_t by_bytes_mask
    cdef uint64_t by_bytes_seed
    cdef Borders *borders         # NULL: no text has needed them
    cdef object _keep

    cdef void fetch(self) noexcept nogil
    cdef Py_ssize_t width(self, uint32_t token) noexcept nogil
    cdef Py_ssize_t merge_piece(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil
    cdef Py_ssize_t merge_known(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil
    cdef Py_ssize_t lost_until(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil
    cdef Py_ssize_t merge_bytes(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil
    cdef Py_ssize_t merge_text(self, const uint8_t *text, Py_ssize_t length, Scratch *s) noexcept nogil
    cdef Py_ssize_t merge_sections(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil
    cdef Py_ssize_t _index(self, const uint32_t[::1] tokens, Py_ssize_t most) noexcept nogil
    cdef uint32_t whole(self, const uint8_t *text, Py_ssize_t length) noexcept nogil


cdef extern from "bpe/piece_cache.h":
    enum:
        KEY8_MAX
        KEY24_MAX
        KEY252_IDS
        VALUE_ID_BITS
    size_t PIECE_TABLE_BYTES
    void piece_table_open(PieceTable *t, void *memory) noexcept nogil
    void piece_lines_open(PieceTable *t, void *memory, int key8_log2, int key24_log2) noexcept nogil
    const uint32_t *piece_elsewhere(
        const PieceTable *t, const uint32_t *side, uint64_t value, uint32_t *count) noexcept nogil
    uint32_t *piece_emit(
        const Implementation *level, const PieceTable *t, const uint32_t *side, const uint64_t *values, int at,
        int stop, uint32_t *out) noexcept nogil
    const uint64_t *piece_second(const PieceTable *t, const uint8_t *text, uint32_t length) noexcept nogil
    uint64_t piece_value(
        const PieceTable *t, const uint64_t *line, const uint8_t *text, uint32_t length) noexcept nogil
    uint64_t *key8_line(const PieceTable *t, uint64_t key) noexcept nogil
    uint64_t *key24_line(const PieceTable *t, const uint64_t *key) noexcept nogil
    uint64_t piece_pack(const uint32_t *ids, int64_t count) noexcept nogil
    uint64_t piece_insert(
        PieceTable *t, const uint8_t *text, int64_t length, const uint32_t *ids, int64_t count) noexcept nogil
    uint64_t piece_fetch_long(const PieceTable *t, const uint8_t *text, int64_t length) noexcept nogil
    int64_t piece_find_long(
        const PieceTable *t, uint64_t hash, const uint8_t *text, int64_t length, uint32_t *out) noexcept nogil


@cython.final
cdef class PieceMemory:
    cdef PieceTable table
    cdef void *memory
    cdef Py_ssize_t size
