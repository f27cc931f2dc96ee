# The hash of any bytes, and the key of a piece.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "text/hash.h":
    uint64_t hash_bytes(uint64_t seed, const uint8_t *bytes, int64_t length) noexcept nogil
    void hash_lanes(const uint8_t *bytes, int64_t length, uint64_t *lanes) noexcept nogil
    void key_of(const uint8_t *piece, uint32_t length, uint64_t *key) noexcept nogil
    uint64_t key_mix(const uint64_t *key) noexcept nogil
    uint64_t hash_first(uint64_t word) noexcept nogil
