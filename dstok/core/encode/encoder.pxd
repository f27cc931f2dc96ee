# The encoder of one model, and the parts of it that batches use.
cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from dstok.core.bpe.merge cimport BPE
from dstok.core.encode.memory cimport Pool
from dstok.core.encode.sinks cimport Run
from dstok.core.split.finder cimport Finder
from dstok.core.text.added_tokens cimport Policy
from dstok.core.text.normalize cimport Normalizer
from dstok.core.text.utf8 cimport Source

cdef extern from "encode/ints.h":
    list ints_list(const uint32_t *ids, Py_ssize_t count, Py_ssize_t size)

ctypedef object (*Result)(Encoder encoder, Run run)  # what a call gives of its run


@cython.final
cdef class Encoder:
    cdef readonly Finder finder
    cdef PyObject *known          # the characters of each token, or NULL: see `characters_of`
    cdef BPE bpe
    cdef Normalizer normalizer
    cdef readonly Pool pool
    cdef Pool span_pool
    cdef bint serves              # short texts: of ASCII, or of any characters without a normalizer
    cdef readonly Py_ssize_t size
    cdef readonly bint cuts_texts  # see `cut_texts`

    cdef fail(self, Run run, Policy policy, text)
    cdef Py_ssize_t raw_offset(self, Policy policy, text, Py_ssize_t offset) except -1
    cdef const uint32_t *_characters(self) except NULL
    cdef int encode_source(
        self, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit) except -1 nogil
    cdef int _cut(
        self, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit) except -1 with gil
    cdef run_text(
        self, text, Policy policy, bint replace, int wanted, Result result, Py_ssize_t limit=*, Py_ssize_t start=*,
        Py_ssize_t end=*)
    cpdef list encode(self, text, Policy policy, bint replace)
    cpdef object encode_array(self, text, Policy policy, bint replace)
    cpdef Py_ssize_t count(self, text, Policy policy, bint replace) except -1
