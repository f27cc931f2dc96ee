# The level of all stages.
cdef extern from "simd/_simd.h":
    enum:
        LEVEL_NONE
        LEVEL_PORTABLE
        LEVEL_AVX2
        LEVEL_AVX512


cdef int level() except -1
