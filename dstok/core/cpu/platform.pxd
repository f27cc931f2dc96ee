# Large memory (platform.h), and functions of the compiler.
from libc.stdint cimport int64_t

cdef extern from "cpu/platform.h":
    enum:
        ARRAY_KEPT
    void *huge_alloc(size_t size) noexcept nogil
    void *huge_zeroed(size_t size) noexcept nogil
    void *huge_grown(void *memory, size_t used, size_t size) noexcept nogil
    bint huge_grow(void *array, Py_ssize_t *room, Py_ssize_t used, Py_ssize_t wanted, size_t entry) noexcept nogil
    void huge_advise(void *memory, size_t size) noexcept nogil
    void huge_refuse(void *memory, size_t size) noexcept nogil
    void huge_free(void *memory, size_t size) noexcept nogil
    void array_trim(void *array, Py_ssize_t *room, size_t entry) noexcept nogil
    void prefetch "__builtin_prefetch"(const void *) noexcept nogil
    bint mul_overflow "__builtin_mul_overflow"(int64_t, int64_t, int64_t *) noexcept nogil
    bint add_overflow "__builtin_add_overflow"(int64_t, int64_t, int64_t *) noexcept nogil
