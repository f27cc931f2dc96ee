"""The pass over a short text: the work of `Pass` in a third of the steps.

In: a `str` of up to `SHORT_TEXT` bytes of UTF-8, by the width of its storage, and a policy. Out: its ids in memory of
the caller, or `GENERAL`: then the general path encodes the text as a whole.
Invariant: the ids are those of the general path. The pieces come from the same mask kernel, and the ids from the same
piece table or the same merging. A text is `GENERAL` if an added token may begin in it, if it has a lone surrogate, or
if the kernel does not settle it.

The text and its ids lie on the stack, so there is no run state and nothing to free. The pass holds the pool's first
workspace meanwhile, for its table, starts and values. Only a text with a piece that the table lacks needs the rest.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.object cimport PyObject

from dstok.core.find._workspace cimport FINE, Workspace
from dstok.core.merge._pieces cimport PAD
from dstok.core.text._normalize cimport PREFIX_NONE, puts_space
from dstok.core.simd._level cimport FIRST_PAD, Implementation, PieceTable
from dstok.core.text._utf8 cimport Source, transcode

cdef extern from "merge/_few.h":
    enum:
        FEW
    int few_emit(
        const Implementation *level, const PieceTable *t, const uint64_t *values, int pieces, uint32_t *out
    ) noexcept nogil

cdef enum:
    STEP = 32                # units of storage that a level transcodes at once, and a multiple of it
    ROOM = 128               # bytes of so many units; and more than the bytes that must be left to transcode at once


@cython.final
cdef class ShortPass:
    """Serves a model with a mask kernel. A normalizer must leave ASCII as it is, but for a prefix; then ASCII only."""

    def __cinit__(self, LeftFinder finder not None, IdSink sink not None, Pool pool not None, Normalizer normalizer):
        self.finder, self.sink, self.pool = finder, sink, pool
        self.serves = finder.run_grid != NULL and (normalizer is None or normalizer.keeps_ascii())
        self.prefix = PREFIX_NONE if normalizer is None else normalizer.prefix
        self.serves_all = self.serves and normalizer is None

    cdef int ids(self, const uint8_t *data, int kind, Py_ssize_t length, Policy policy, uint32_t *out) noexcept:
        """Writes the ids of a short text in the storage of a `str`; returns their number, or `GENERAL`."""
        cdef uint8_t text[SHORT_TEXT + ROOM + PAD]
        cdef PyObject *first
        cdef int count
        if kind:
            length = short_utf8(data, kind, length, text, self.finder.level)
            if length < 0:
                return GENERAL
        elif puts_space(self.prefix, data, length):
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
        first = self.pool.take_first()
        if first == NULL:
            return GENERAL
        count = self.ids_of(<Workspace>first, text, <int>length, out)
        self.pool.give_first()
        return count

    cdef int ids_of(self, Workspace w, const uint8_t *text, int length, uint32_t *out) noexcept:
        """Does what `ids` does, for UTF-8 without added tokens, in the first workspace."""
        cdef int pieces = self.finder.starts_of(text, length, w.starts), count = GENERAL
        if pieces <= FEW:
            if pieces < 0:
                return GENERAL
            count = self.finder.level.few(&w.table, text, w.starts, pieces, out)
        return count if count != GENERAL else self.ids_of_many(w, text, pieces, out)

    cdef int ids_of_many(self, Workspace w, const uint8_t *text, int pieces, uint32_t *out) noexcept:
        """Writes the ids of any number of pieces, by the loops for chunks; `GENERAL` if memory is out."""
        cdef int misses = self.finder.level.probe(&w.table, text, w.starts, pieces, w.values, w.missed)
        if misses:
            misses = self.sink.look_again(w, text, misses)
        if not misses:
            return few_emit(self.finder.level, &w.table, w.values, pieces, out)
        w.begin(False, False)
        w.pieces = pieces
        if self.sink.merge_missed(w, text, misses):
            self.sink.finish(w)
        if w.status != FINE:
            return GENERAL
        memcpy(out, w.out, w.count * sizeof(uint32_t))
        return <int>w.count


cdef inline Py_ssize_t short_utf8(
    const uint8_t *data, int kind, Py_ssize_t length, uint8_t *text, const Implementation *level
) noexcept:
    """Transcodes a short text; returns the number of bytes, or -1 at a lone surrogate.

    Zeros make whole steps of the units: so none are left to be transcoded one by one.
    """
    cdef uint8_t units[SHORT_TEXT + ROOM]
    cdef Source source
    cdef Py_ssize_t unit = 0, more = -length & (STEP - 1), written
    memcpy(units, data, length * kind)
    memset(units + length * kind, 0, more * kind)
    source.data, source.length, source.kind, source.valid = units, length + more, kind, False
    written = transcode(&source, &unit, text, SHORT_TEXT + ROOM, False, level)
    return written if written < 0 else written - more
