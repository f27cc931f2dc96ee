# A text that is not normalized.
from dstok.core.text._forms cimport Form
from dstok.core.text._normalize cimport Normalizer
from dstok.core.run._pass cimport Pass
from dstok.core.text._policy cimport Policy
from dstok.core.text._utf8 cimport Source
from dstok.core.find._workspace cimport Workspace


cdef void encode_rewritten(
    Pass run, Form form, Policy policy, Workspace w, const Source *source, bint replace
) noexcept nogil
cdef int encode_by_stretch(
    Pass run, Normalizer normalizer, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
) except -1
