# cython: annotation_typing=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The calls of a tokenizer for one short text after another, without a Python function around them.

In: a text, and a user's keywords. Out: ids, as a list or an array, or their number.
Invariant: the ids are those that `Encoder` gives under the policy of the keywords, with BOS and EOS around them.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF

from dstok.core.run._encode cimport Encoder
from dstok.core.text._policy cimport Policy
from dstok.core.find._pool cimport late_object, late_put

from dstok._util.arguments import Dtype, in_dtype
from dstok._util.arguments import Errors, Special, Text, replaces_faults

cdef str _ALL = "all"
cdef str _STRICT = "strict"
cdef str _UINT32 = "uint32"


cdef class LineEncoder:
    """The calls for one text after another.

    In: an encoder, a maker of policies (`.policy(special)`), the ids at a text's ends (`dstok._util.arguments.Ends`).
    `Tokenizer` inherits instead of delegating: a wrapper's frame would cost 100 ns of a 250 ns call.
    """

    cdef readonly Encoder _encoder
    cdef readonly object _added
    cdef readonly object _ends
    cdef PyObject *_all           # the policy of special="all", made at its first use

    def __init__(self, Encoder encoder not None, added, ends):
        self._encoder, self._added, self._ends = encoder, added, ends

    def __dealloc__(self):
        Py_XDECREF(self._all)

    @cython.final
    cdef inline Policy _policy(self, special):
        cdef PyObject *known = late_object(&self._all)
        if special is _ALL and known != NULL:
            return <Policy>known
        policy = self._added.policy(special)
        if special == _ALL:
            Py_INCREF(policy)
            late_put(&self._all, <PyObject *>policy)
        return policy

    # Annotations are for readers: Cython neither uses nor checks them here, and type checkers read the stub. With a
    # binding of its own Python would see them, but each call would cost 70 instructions more and not check its self.

    def encode(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> list[int]:
        """The ids of `text` as a list. `text` is `str` or UTF-8 bytes of any kind.

        special: which added tokens are matched in the text: "all" (upstream's behaviour), "none" (all text is plain: no
            prompt can forge a token), "raise" (`SpecialTokenError` if the text holds one), or a set of their texts.
        add_bos, add_eos: whether BOS stands before the ids of the text, EOS after them.
        errors: for invalid UTF-8 and lone surrogates: "strict" raises `TextError` with the place, "replace" puts
            U+FFFD in place of each.

        Raises `ArgumentError` if `text` is no text or the model lacks BOS or EOS, and `UnknownTokenError` for a
        text in `special` that is no added token.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.encode("Hello world", add_bos=True)
        [0, 19923, 2058]
        >>> tok.encode("<｜User｜>hi"), tok.encode("<｜User｜>hi", special="none")
        ([128803, 6366], [30, 28217, 6756, 28217, 32, 6366])
        """
        cdef bint replace = errors is not _STRICT and replaces_faults(errors)
        cdef list ids = self._encoder.encode(text, self._policy(special), replace)
        return self._ends.around(ids, add_bos, add_eos) if add_bos or add_eos else ids

    def encode_array(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict", dtype: Dtype = "uint32",
    ) -> npt.NDArray[Any]:
        """The ids of `text` as a numpy array, uint32[n]: for a long text much faster than a list.

        Takes the keywords of `encode`. dtype: "uint32", "int32", or the copy "int64", which embeddings of PyTorch take.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_array("Hello world", add_eos=True)
        array([19923,  2058,     1], dtype=uint32)
        """
        cdef bint replace = errors is not _STRICT and replaces_faults(errors)
        cdef Policy policy = self._policy(special)
        if not add_bos and not add_eos:
            ids = self._encoder.encode_array(text, policy, replace, 0, 0)
        else:
            before, after = self._ends.before(add_bos), self._ends.after(add_eos)
            ids = self._encoder.encode_array(text, policy, replace, len(before), len(after))
            ids[:len(before)] = before
            ids[len(ids) - len(after):] = after
        return ids if dtype is _UINT32 else in_dtype(ids, dtype)

    def count(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int:
        """The number of ids of `text`, without making them. Takes the keywords of `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").count("Hello world", add_bos=True)
        3
        """
        cdef bint replace = errors is not _STRICT and replaces_faults(errors)
        cdef Py_ssize_t framing = 0
        if add_bos or add_eos:
            framing = self._ends.extra(add_bos, add_eos)
        return framing + self._encoder.count(text, self._policy(special), replace)
