# The encoder of one model, and the parts of it that batches use.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from dstok.core.encode.finder cimport LeftFinder
from dstok.core.encode.memory cimport Pool, Workspace
from dstok.core.bpe.merge cimport BPE
from dstok.core.encode.passes cimport Pass, ShortPass
from dstok.core.text.added_tokens cimport Policy
from dstok.core.text.normalize cimport Normalizer
from dstok.core.text.utf8 cimport Source


@cython.final
cdef class Encoder:
    cdef readonly LeftFinder finder
    cdef Pass run                 # makes ids
    cdef PyObject *span_pass      # a Pass that makes ids and their spans, or NULL
    cdef BPE bpe
    cdef Normalizer normalizer
    cdef Pool pool
    cdef ShortPass short_pass
    cdef readonly Py_ssize_t size
    cdef readonly bint cuts_texts  # see `cut_texts`

    cdef fail(self, Workspace w, Policy policy, text)
    cdef Pass _with_spans(self)
    cdef list list_of(self, const uint32_t *ids, Py_ssize_t count)
    cdef int text(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil
    cdef int _text(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil
    cdef int _cut(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil
    cdef int _run(
        self, Pass run, Workspace w, text, Policy policy, bint replace, bint counting, bint noting, Py_ssize_t limit
    ) except -1
    cdef int _part(
        self, Pass run, Workspace w, str text, Py_ssize_t start, Py_ssize_t end, Policy policy, Py_ssize_t limit
    ) except -1
    cpdef list encode(self, text, Policy policy, bint replace)
    cdef encode_array(self, text, Policy policy, bint replace, Py_ssize_t before, Py_ssize_t after)
    cpdef Py_ssize_t count(self, text, Policy policy, bint replace) except -1
