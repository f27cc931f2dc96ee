# The encoder's pass over a text, without the GIL.
from libc.stdint cimport uint8_t

from dstok.core.encode.sinks cimport Run
from dstok.core.split.finder cimport Finder
from dstok.core.text.added_tokens cimport Policy
from dstok.core.text.normalize cimport Normalizer
from dstok.core.text.utf8 cimport Source

cdef enum:
    CONTEXT = 4              # bytes kept before a portion, for single_word: the longest character


cdef Py_ssize_t encode_part(
    Finder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil
cdef void encode_text(
    Finder finder, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit) noexcept nogil
cdef int encode_rewritten(
    Finder finder, Normalizer normalizer, Policy policy, Run run, const Source *source, bint replace,
    Py_ssize_t limit) except -1 nogil
