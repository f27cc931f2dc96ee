# cython: annotation_typing=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The encoder: Python's side of a pass.

In: a text (`str` or UTF-8 bytes), and a policy or a user's keywords. Out: ids, as a list or an array, with or without
spans; or their number.
Invariant: the tables never change. Each call leases a workspace, and works in it without the GIL. `LineEncoder` gives
the ids that `Encoder` gives under the policy of the keywords, with BOS and EOS around them.
"""

cimport cython
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

from dstok.core.encode.finder cimport CharacterFinder
from dstok.core.encode.memory cimport (
    FINE, LARGE, OUT_OF_MEMORY, SPECIAL_FOUND, array_of, array_with, late_object, late_put, numpy_, put_ids,
    spans_of_ids, spans_written,
)
from dstok.core.encode.sinks cimport IdSink, IdSpanSink, NoteSink, SpanSink
from dstok.core.encode.passes cimport (
    CONTEXT as context, GENERAL, SHORT_IDS, encode_by_stretch, encode_rewritten, short_ids,
)
from dstok.core.text.normalize cimport NORMALIZED, NO_MEMORY, PREFIX_NONE, Verdict
from dstok.core.text.utf8 cimport RUN_MOST, TEXT_MOST, next_cut, open_source, source_of

from dstok._util.arguments import (
    Dtype, Errors, Special, Text, checked_text, in_dtype, lone_surrogate, not_utf8, replaces_faults,
)
from dstok.errors import SpecialTokenError, UnsupportedError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "encode/ints.h":
    Py_ssize_t INTS
    list ints_list(const uint32_t *ids, Py_ssize_t count, Py_ssize_t size)

cdef enum:
    KEEP_GIL = 1 << 10          # units of a text up to which the GIL is kept: releasing it would take longer (60 ns)

CONTEXT = context           # bytes before a part that `encode_part` needs as context
LATER = (1, 0, 0)            # state at the start of a stretch, for `encode_part`: Workspace.fresh and .skip
START = (2, 0, 0)            # the same at the start of a text
INSIDE = (0, 0, 0)           # the same inside a stretch
SHARED_INTS = INTS           # lists share the ints of lower ids


def list_of_ids(const uint32_t[::1] ids not None, Py_ssize_t size) -> list[int]:
    """The list of ids, one or more, below `size`. For tests."""
    return ints_list(&ids[0], ids.shape[0], size)


@cython.final
cdef class Encoder:
    """The encoder of one model: tables that never change, and a pool of workspaces.

    `direct` is a bitmap over the ids: it marks the ids that fill the piece tables.
    """

    def __cinit__(
        self, LeftFinder finder not None, BPE bpe not None, direct: Buffer, Py_ssize_t size,
        Normalizer normalizer=None
    ):
        if normalizer is not None and normalizer.prefix != PREFIX_NONE and not isinstance(finder, CharacterFinder):
            raise ValueError("expected a finder of characters with a normalizer that puts a prefix")  # see Pass.lead
        self.finder = finder
        sink = IdSink(bpe)
        self.bpe, self.run = bpe, Pass(finder, sink)
        self.normalizer = normalizer
        self.pool = Pool(bpe, direct)
        self.short_pass = ShortPass(finder, sink, self.pool, normalizer)
        self.size = size

    def __dealloc__(self):
        Py_XDECREF(self.span_pass)

    def __copy__(self) -> Encoder:
        return self  # the ids do not depend on the parts that change

    def cut_texts(self):
        """From now on long texts are cut as Kimi's own code cuts them: text/utf8.pxd has the lengths.

        Each part is a text of its own. Call it only before the first text.
        """
        self.cuts_texts = True

    def way(self) -> str:
        """The way this processor finds the model's pieces; see `PieceFinder.way`."""
        return self.finder.way()

    def workspaces(self) -> tuple[int, int]:
        """The number of workspaces, and the number of those at rest. For tests."""
        return self.pool.workspaces()

    def passed(self) -> int:
        """The number of borders that runs of the automaton have passed so far; see `Scanner.passed`. For tests."""
        return self.pool.passed()

    # The calls for Python.

    cdef fail(self, Workspace w, Policy policy, text):
        """Raises the error that `w.status` stands for."""
        if w.status == OUT_OF_MEMORY:
            raise MemoryError
        if w.status == SPECIAL_FOUND:
            raise SpecialTokenError(policy.contents[w.normalized][w.token], w.where)
        if isinstance(text, str):
            raise lone_surrogate(text[w.where], w.where)
        raise not_utf8(text[w.where], w.where)

    cdef list list_of(self, const uint32_t *ids, Py_ssize_t count):
        """A list of ints, which all lists share."""
        return ints_list(ids, count, self.size)

    # A text: encoded as it is, or normalized between the raw added tokens.

    cdef int text(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil:
        """Encodes one text. A chain of normalizers is written in Python and may raise; for other errors see `fail`."""
        if w.noting:
            return self._text(run, policy, w, source, replace, limit)
        return self._text(run, policy.quick, w, source, replace, limit)

    cdef int _text(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil:
        cdef Verdict verdict = NORMALIZED
        cdef bint rewrites = False  # the space of a prefix goes into the text, since added tokens are found with it
        if self.cuts_texts and source.length > RUN_MOST:
            return self._cut(run, policy, w, source, replace, limit)
        if self.normalizer is not None:
            rewrites = w.noting and run is self.run or policy.normalized is not None  # spans have places of their own
            verdict = self.normalizer.verdict(source, self.run.level, rewrites)
            w.prefix = PREFIX_NONE if rewrites else self.normalizer.prefix
        if verdict == NO_MEMORY:
            w.status = OUT_OF_MEMORY
        elif verdict == NORMALIZED:
            run.text(policy, w, source, replace, limit)
        elif limit == PY_SSIZE_T_MAX and not (w.noting or policy.refuses) and self.normalizer.chain is None and not (
                rewrites and self.normalizer.prefix != PREFIX_NONE):
            encode_rewritten(run, self.normalizer.form, policy, w, source, replace)
        else:
            w.prefix = PREFIX_NONE  # the normalizer puts it
            with gil:
                encode_by_stretch(run, self.normalizer, policy, w, source, replace, limit)
        return 0

    cdef int _cut(
        self, Pass run, Policy policy, Workspace w, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil:
        """Encodes the parts of a text one after the other. Places are refused, and they would begin anew in each."""
        cdef Py_ssize_t at = 0, left = TEXT_MOST
        cdef Source part = source[0]
        while w.status == FINE:
            part.length = next_cut(source, at, &left) - at
            if part.length < source.length and (w.noting or policy.refuses or limit != PY_SSIZE_T_MAX):
                with gil:
                    raise UnsupportedError(f"places in a text that the model's own code cuts after {part.length} units "
                                           "before it encodes it: split it there")
            part.data = <const char *>source.data + at * max(source.kind, 1)
            run.text(policy, w, &part, replace, limit)
            w.where += at
            at += part.length
            if at == source.length:
                break
        return 0

    cdef int _run(
        self, Pass run, Workspace w, text, Policy policy, bint replace, bint counting, bint noting, Py_ssize_t limit
    ) except -1:
        """Encodes `text` in a workspace that the caller leases and releases."""
        cdef Source source
        if not isinstance(text, (str, bytes)):
            text = checked_text(text)
        if replace and isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        source = source_of(text)
        w.begin(counting, noting)
        if source.length <= KEEP_GIL:
            self.text(run, policy, w, &source, replace, limit)
        else:
            if not counting and source.length > LARGE:
                self.pool.lend(w)
            with nogil:
                self.text(run, policy, w, &source, replace, limit)
        if w.status != FINE:
            self.fail(w, policy, text)
        return 0

    cpdef list encode(self, text, Policy policy, bint replace):
        """The ids of `text` as a list."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self.short_pass, text, policy, ids)
        if count != GENERAL:
            return self.list_of(ids, count)
        cdef Workspace w = self.pool.lease()
        try:
            self._run(self.run, w, text, policy, replace, False, False, PY_SSIZE_T_MAX)
            return self.list_of(w.out, w.count)
        finally:
            self.pool.release(w)

    cdef encode_array(self, text, Policy policy, bint replace, Py_ssize_t before, Py_ssize_t after):
        """The ids of `text` as uint32[n], with room left before and after."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self.short_pass, text, policy, ids)
        if count != GENERAL:
            return array_with(ids, count, before, after)
        cdef Workspace w = self.pool.lease()
        try:
            self._run(self.run, w, text, policy, replace, False, False, PY_SSIZE_T_MAX)
            return array_of(w, self.pool, before, after)
        finally:
            self.pool.release(w)

    cpdef Py_ssize_t count(self, text, Policy policy, bint replace) except -1:
        """The number of ids of `text`."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self.short_pass, text, policy, ids)
        if count != GENERAL:
            return count
        cdef Workspace w = self.pool.lease()
        try:
            self._run(self.run, w, text, policy, replace, True, False, PY_SSIZE_T_MAX)
            return w.total
        finally:
            self.pool.release(w)

    def count_to(self, text: Text, Policy policy not None, bint replace, Py_ssize_t limit) -> int:
        """The number of ids of `text` if it is below `limit`; else it stops early, at a number of at least `limit`."""
        cdef Workspace w = self.pool.lease()
        try:
            self._run(self.run, w, text, policy, replace, True, False, limit)
            return w.total
        finally:
            self.pool.release(w)

    cdef int _part(
        self, Pass run, Workspace w, str text, Py_ssize_t start, Py_ssize_t end, Policy policy, Py_ssize_t limit
    ) except -1:
        """Encodes `text[start:end]` as a text of its own, without copying it, in a workspace that is ready for it."""
        cdef Source source = source_of(text)
        if not 0 <= start <= end <= source.length:
            raise ValueError(f"expected a part of {source.length} characters, found {start}:{end}")
        source.data = <const char *>source.data + start * max(source.kind, 1)
        source.length = end - start
        with nogil:
            self.text(run, policy, w, &source, False, limit)
        if w.status != FINE:
            self.fail(w, policy, text[start:end])
        return 0

    def count_part(
        self, str text not None, Py_ssize_t start, Py_ssize_t end, Policy policy not None, Py_ssize_t limit
    ) -> int:
        """Does what `count_to` does, for `text[start:end]` as a text of its own, without copying it."""
        cdef Workspace w = self.pool.lease()
        w.begin(True, False)
        try:
            self._part(self.run, w, text, start, end, policy, limit)
            return w.total
        finally:
            self.pool.release(w)

    cdef Pass _with_spans(self):
        """The pass that makes ids and their spans. It is made at its first use, since its table takes time."""
        cdef PyObject *there = late_object(&self.span_pass)
        if there == NULL:
            made = Pass(self.finder, IdSpanSink(self.bpe))
            Py_INCREF(made)
            there = late_put(&self.span_pass, <PyObject *>made)
        return <Pass>there

    def encode_spans(
        self, text: Text, Policy policy not None, bint replace, Py_ssize_t limit=PY_SSIZE_T_MAX, bint inside=False,
        bint true_places=False
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], Any, list[tuple[int, int, int]], int]:
        """(ids, spans, characters, notes, end): each id's span in bytes and in characters.

        `ids` is uint32[n], the spans are int64[n, 2], and notes are (index, start, end) of added tokens. Where a
        normalizer changes the text, spans and notes lie in the normalized text, and `characters` is None; also if the
        model drops text. At `limit` ids it stops; `end` is the number of bytes that the ids cover.
        A space that the model puts before a stretch is no change; it has the place of the next character. inside: none
        goes before the text itself. true_places: where a model loses bytes, see `IdSpanSink`.
        """
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t i
        w.begin_spans(False)
        w.true_places = true_places
        w.opening = 0 if inside else 2
        try:
            # Unused room costs nothing; growing costs new pages. Few texts have as many ids as characters.
            if not w.reserve_spans(min(limit, len(text))):
                raise MemoryError
            self._run(self._with_spans(), w, text, policy, replace, False, True, limit)
            notes = [(w.notes[i].index, w.notes[i].start, w.notes[i].end) for i in range(w.noted)]
            spans, characters = spans_of_ids(w)
            return array_of(w, self.pool, 0, 0), spans, characters, notes, w.where
        finally:
            w.true_places, w.opening = False, 2
            self.pool.release(w)

    def added(self, text: Text, Policy policy not None) -> list[tuple[int, int, int]]:
        """(id, start, end) of each added token of `text`, in bytes; with a normalizer, of the normalized text."""
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t i
        try:
            self._run(self.run, w, text, policy, False, False, True, PY_SSIZE_T_MAX)
            return [(w.out[w.notes[i].index], w.notes[i].start, w.notes[i].end) for i in range(w.noted)]
        finally:
            self.pool.release(w)

    def char_ends(
        self, str text not None, Py_ssize_t start, Py_ssize_t end, Policy policy not None
    ) -> npt.NDArray[np.int64] | None:
        """The end of each id of `text[start:end]`, in characters, int64[n]; None where `encode_spans` has none.

        The ends stay in the workspace, whose memory serves the next part of a text.
        """
        cdef Workspace w = self.pool.lease()
        cdef int64_t[::1] out
        w.begin(False, True)
        w.begin_spans(True)
        try:
            self._part(self._with_spans(), w, text, start, end, policy, PY_SSIZE_T_MAX)
            if not w.counts_characters:
                return None
            out = ends = numpy_().empty(w.spanned, numpy_().int64)
            if w.spanned:
                memcpy(&out[0], w.char_spans, w.spanned * sizeof(int64_t))
            return ends
        finally:
            self.pool.release(w)

    def piece_pass(self) -> Pass:
        """A pass for `piece_spans`."""
        return Pass(self.finder.without_cuts(), SpanSink())

    def piece_spans(self, Pass run not None, text: str | bytes, Policy policy not None) -> npt.NDArray[np.int64]:
        """The spans of the pieces of a text and of its added tokens, in bytes, int64[n, 2]. Does not normalize."""
        cdef Source source = open_source(text)
        cdef Workspace w = self.pool.lease()
        w.begin(False, False)
        self.pool.lend(w)
        try:
            with nogil:
                run.text(policy, w, &source, False, PY_SSIZE_T_MAX)
            if w.status != FINE:
                self.fail(w, policy, text)
            return spans_written(w, self.pool)
        finally:
            self.pool.release(w)

    def short(self, str text not None, Policy policy not None) -> list[int] | None:
        """The ids of `text` by the pass over short texts; None if it leaves the text to the general path. For tests."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self.short_pass, text, policy, ids)
        return None if count == GENERAL else self.list_of(ids, count)

    def pieces(self, bytes text not None, Policy policy not None) -> list[tuple[int, int]]:
        """(start, end) of each unit that is looked up or merged: pieces, and parts between cuts. For tests."""
        cdef Workspace w = self.pool.lease()
        cdef Source source = source_of(text)
        cdef Pass run = Pass(self.finder, NoteSink())
        cdef Py_ssize_t i
        w.begin(True, False)
        try:
            with nogil:
                run.text(policy, w, &source, False, PY_SSIZE_T_MAX)
            if w.status != FINE:
                self.fail(w, policy, text)
            return [(w.notes[i].start, w.notes[i].end) for i in range(w.noted)]
        finally:
            self.pool.release(w)

    def encode_part(
        self, const uint8_t[::1] text not None, Py_ssize_t at, Policy policy not None, tuple state, bint final,
        form: Callable[..., Any] | None
    ) -> tuple[Any, int, tuple[int, int, int]]:
        """(ids, end, state) of the part of valid UTF-8 `text[at:]` that later text cannot change.

        For streams: the bytes before `at` are context. `state` is `START`, and then the state of the last call.
        `form` decides the first item: `list`, None for the number of ids, or a function that makes room for ids.
        """
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t length = text.shape[0], end = at
        cdef const uint8_t *start = &text[0] if length else NULL
        w.begin(form is None, False)
        try:
            w.fresh, w.skip[0], w.skip[1] = state
            w.prefix = PREFIX_NONE if self.normalizer is None else self.normalizer.prefix
            if length > at or final:
                with nogil:
                    end = self.run.part(policy, w, start, at, length, final)
            if w.status != FINE:
                self.fail(w, policy, None)
            if form is None:
                ids = w.total
            elif form is list:
                ids = self.list_of(w.out, w.count)
            else:
                ids = form(w.count)
                put_ids(ids, 0, w)
            return ids, end, (w.fresh, w.skip[0], w.skip[1])
        finally:
            self.pool.release(w)

    def encode_grown(
        self, const uint8_t[::1] text not None, Py_ssize_t at, Policy policy not None, tuple state
    ) -> tuple[list[int], int, int, tuple[int, int, int]]:
        """(ids, sure, end, state): all ids of valid UTF-8 `text[at:]`, as if no text followed; the first `sure` stay.

        `end` and `state` are those of `encode_part` after them.
        """
        cdef Workspace w = self.pool.lease()
        cdef Py_ssize_t length = text.shape[0], end = at, sure
        cdef const uint8_t *start = &text[0] if length else NULL
        w.begin(False, False)
        try:
            w.fresh, w.skip[0], w.skip[1] = state
            w.prefix = PREFIX_NONE if self.normalizer is None else self.normalizer.prefix
            if length > at:
                with nogil:
                    end = self.run.part(policy, w, start, at, length, False)
            sure, state = w.count, (w.fresh, w.skip[0], w.skip[1])
            if w.status == FINE:
                with nogil:
                    self.run.part(policy, w, start, end, length, True)
            if w.status != FINE:
                self.fail(w, policy, None)
            return self.list_of(w.out, w.count), sure, end, state
        finally:
            self.pool.release(w)


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
    cdef readonly object _ends     # type: Ends
    cdef PyObject *_all           # the policy of special="all", made at its first use

    def __init__(self, Encoder encoder not None, added, ends: Ends):
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
