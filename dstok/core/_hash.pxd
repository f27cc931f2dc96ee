# The hash of any bytes.
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "_hash.h":
    uint64_t hash_bytes(uint64_t seed, const uint8_t *bytes, int64_t length) noexcept nogil
