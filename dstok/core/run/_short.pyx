"""The pass over a short ASCII text: the work of `Pass` in a third of the steps.

In: a `str` of up to `SHORT_TEXT` ASCII characters, and a policy. Out: its ids in the caller's memory, or `GENERAL`:
then the general path encodes the text as a whole.
Invariant: the ids are those of the general path. The pieces come from the same mask kernel, and the ids from the same
piece table. A text is `GENERAL` if the table lacks one of its pieces, or if an added token may begin in it.

Text, starts and values lie on the stack, so there is no run state and nothing to free. The table belongs to the first
workspace of the pool. The pass holds it only while it reads ids, and writes nothing to it.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from dstok.core.merge._pieces cimport PAD
from dstok.core.text._normalize cimport PREFIX_NONE, puts_space
from dstok.core.simd._level cimport FIRST_PAD, Implementation, PieceTable

cdef extern from "merge/_few.h":
    int probe_few(
        const Implementation *level, const PieceTable *t, const uint8_t *text, const uint32_t *starts, int pieces,
        uint32_t *out) noexcept nogil

cdef enum:
    BLOCK = 64               # starts that the mask kernel may write after the last one


@cython.final
cdef class ShortPass:
    """Serves a model with a mask kernel whose normalizer, if it has one, leaves ASCII as it is, but for a prefix."""

    def __cinit__(self, PieceFinder finder not None, Pool pool not None, Normalizer normalizer):
        self.finder, self.pool = finder, pool
        self.serves = finder.run_grid != NULL and (normalizer is None or normalizer.keeps_ascii())
        self.prefix = PREFIX_NONE if normalizer is None else normalizer.prefix

    cdef int ids(self, const uint8_t *data, int length, Policy policy, uint32_t *out) noexcept:
        """Writes the ids of a short ASCII text; returns their number, or `GENERAL`."""
        cdef uint8_t text[SHORT_TEXT + PAD]
        cdef uint32_t starts[SHORT_TEXT + 1 + BLOCK]
        cdef const PieceTable *table
        cdef int pieces, count
        if puts_space(self.prefix, data, length):
            text[0] = 0x20
            memcpy(text + 1, data, length)
            length += 1
            if length > SHORT_TEXT:
                return GENERAL
        else:
            memcpy(text, data, length)
        memset(text + length, 0, FIRST_PAD)  # otherwise an added token could seem to begin in old bytes there
        if not policy.quick.idle(text, length):
            return GENERAL
        pieces = self.finder.starts_of(text, length, starts)
        if pieces < 0:
            return GENERAL
        table = self.pool.take_table()
        if table == NULL:
            return GENERAL
        count = probe_few(self.finder.level, table, text, starts, pieces, out)
        self.pool.give_table()
        return count
