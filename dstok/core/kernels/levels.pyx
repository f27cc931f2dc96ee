"""The implementations of all levels, compiled in this one module.

In: the processor. Out: the implementations: cpu/level.pyx chooses one. `dstok.core` imports this module first.
Invariant: each level's probe looks for pieces in the lines where entries are put: its hash function agrees with that of
text/hash.h.
"""

from dstok.core.cpu.level cimport Implementation, set_levels

cdef extern from "kernels/levels.h":
    enum:
        IMPLEMENTATION_COUNT
    const Implementation IMPLEMENTATIONS[IMPLEMENTATION_COUNT]
    int simd_vectors() noexcept nogil
    bint probes_open(int vectors) noexcept nogil
    void utf8_open() noexcept nogil

cdef int VECTORS = simd_vectors()  # asked once: in a virtual machine the answer takes 20 microseconds

if not probes_open(VECTORS):
    raise ImportError("expected the probe to look for pieces in the lines where entries are put, found other lines")
utf8_open()
set_levels(IMPLEMENTATIONS, IMPLEMENTATION_COUNT, VECTORS)
