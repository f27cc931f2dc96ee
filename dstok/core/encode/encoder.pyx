# cython: annotation_typing=False, binding=False, embedsignature=True, embedsignature.format=clinic
"""The encoder: Python's side of a pass.

In: a text (`str` or UTF-8 bytes), and a policy or a user's keywords. Out: ids, as a list or an array, with or without
spans; or their number.
Invariant: the tables never change. Each call leases a run, and works in it without the GIL. `LineEncoder` gives the ids
that `Encoder` gives under the policy of the keywords, with BOS and EOS around them.

`short_ids` takes a third of the steps for a `str` of up to `SHORT_TEXT` bytes of UTF-8: text and ids lie on the stack,
and it holds the pool's first run for its table, starts and values. It leaves a text to `run_text`, as `GENERAL`, if an
added token may begin in it, if it has a lone surrogate, or if the kernel does not settle it.
"""

cimport cython
from cpython cimport array
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from dstok.core.bpe.merge cimport piece_emit
from dstok.core.cpu.level cimport PAD, FirstBytes
from dstok.core.encode.memory cimport (
    LARGE, array_of, array_with, late_object, late_put, numpy_, put_ids, spans_of,
)
from dstok.core.encode.passes cimport (
    CONTEXT as context, encode_part, encode_rewritten, encode_text,
)
from dstok.core.encode.sinks cimport (
    ADDED, CHARS, IDS, INSIDE as inside_section, INSIDE_TEXT, SECTION_START, SPANS, TEXT_START, TRUE_SPANS, IdSink,
    characters_of,
)
from dstok.core.split.finder cimport FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND
from dstok.core.text.normalize cimport NORMALIZED, NO_MEMORY, PREFIX_NONE, Verdict, puts_space
from dstok.core.text.utf8 cimport (
    RUN_MOST, TEXT_MOST, PyUnicode_DATA, PyUnicode_GET_LENGTH, PyUnicode_IS_ASCII, PyUnicode_KIND, find_invalid,
    next_cut, open_source, source_of, transcode,
)

from dstok._util.arguments import (
    MANY, Dtype, Errors, Special, Text, checked_text, in_dtype, lone_surrogate, not_utf8, replaces_faults, whole_number,
)
from dstok.errors import SpecialTokenError, UnsupportedError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    bint PyUnicode_CheckExact(object) noexcept
    bint PyUnicode_IS_COMPACT(object) noexcept
    object PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *errors)

cdef extern from "encode/ints.h":
    Py_ssize_t ints_most
    const char *ints_below(Py_ssize_t size) noexcept

cdef extern from "encode/entry.h":
    int entry_open(int i, type, const char *name, object (*alone)(object, object)) except -1

cdef extern from "bpe/piece_cache.h":
    enum:
        SHORT_TEXT                # bytes of a short text, at most
        SHORT_IDS                 # words of room for its ids
        GENERAL "PROBE_FAILED"    # the text is left to `run_text`

cdef enum:
    STEP = 16                   # units of storage that a level transcodes at once, and a multiple of it
    TWO_BLOCKS = 127            # bytes of a text that the mask kernel does not decide in two blocks, at least
    ROOM = 128                  # bytes of so many units; and more than must be left to transcode at once
    BYTES_PER_PIECE = 4         # room made at the start; unused pages cost nothing

CONTEXT = context           # bytes that `encode_part` needs before the text that it encodes
# State at the start of a text, for `encode_part`: `Cursor.at`, `Cursor.skip` and `Sink.left`.
START = (TEXT_START, 0, 0, 0)
LATER = (SECTION_START, 0, 0, 0)  # the same at the start of a stretch
INSIDE = (inside_section, 0, 0, 0)  # the same inside a stretch
SHARED_INTS = ints_most      # lists share the ints of lower ids


def list_of_ids(const uint32_t[::1] ids not None, Py_ssize_t size) -> list[int]:
    """Make a list of ids, one or more, below `size`. For tests."""
    return ints_list(&ids[0], ids.shape[0], size)


# Short texts.

cdef int short_ids(Encoder encoder, object text, Policy policy, const char *ints, uint32_t *out) noexcept:
    """Write the ids of any text; return their number, or `GENERAL`. `ints`: those of a list to be made, or NULL."""
    cdef uint8_t utf8[SHORT_TEXT + ROOM + PAD]
    cdef uint8_t units[SHORT_TEXT + ROOM]
    cdef Source source
    cdef Policy used = policy if policy.quick is None else policy.quick
    cdef const uint8_t *data
    cdef PyObject *first
    cdef Py_ssize_t length, more, unit = 0
    cdef int count, kind
    cdef bint begins = True  # whether an added token may begin in the text
    if not encoder.serves or not PyUnicode_CheckExact(text) or not PyUnicode_IS_COMPACT(text):
        return GENERAL
    length = PyUnicode_GET_LENGTH(text)
    if not length:
        return 0
    kind = 0 if PyUnicode_IS_ASCII(text) else PyUnicode_KIND(text)
    if length * min(kind + 1, 4) > SHORT_TEXT or kind and encoder.normalizer is not None:  # the most bytes
        return GENERAL
    data = <const uint8_t *>PyUnicode_DATA(text)
    if kind:
        more = -length & (STEP - 1)  # units of zeros fill up the last step, so that none are transcoded one by one
        source = Source(&units[0], length + more, kind, False)
        copy_padded(units, data, length * kind, &used.firsts)
        length = transcode(&source, &unit, utf8, SHORT_TEXT + ROOM, False, used.firsts.level) - more
        if length < 0:  # a lone surrogate
            return GENERAL
        memset(utf8 + length, 0, 4 * STEP)
    elif encoder.normalizer is not None and puts_space(encoder.normalizer.prefix, data, length):
        utf8[0] = 0x20
        copy_padded(utf8 + 1, data, length, &used.firsts)
        length += 1
        if length > SHORT_TEXT:
            return GENERAL
    else:
        begins = copy_padded(utf8, data, length, &used.firsts)
    if begins and not used.idle(utf8, length):
        return GENERAL
    first = encoder.pool.take_first()
    if first == NULL:
        return GENERAL
    count = utf8_ids(encoder.finder, <IdSink>first, utf8, <int>length, ints, out)
    encoder.pool.give_first()
    return count


cdef inline bint copy_padded(uint8_t *out, const uint8_t *data, Py_ssize_t size, const FirstBytes *firsts) noexcept:
    # Copies text, and zeros after it for the last step: an added token could seem to begin in old bytes. Returns false
    # if none begins in the text.
    if firsts.level.copy != NULL:
        return firsts.level.copy(out, data, size, firsts)
    memcpy(out, data, size)
    memset(out + size, 0, 4 * STEP)
    return True


cdef int utf8_ids(Finder finder, IdSink run, const uint8_t *text, int size, const char *ints, uint32_t *out) noexcept:
    """Do what `short_ids` does, for UTF-8 without added tokens. Many pieces take the loops for chunks."""
    cdef uint64_t ends[2]
    cdef int whole = 0, pieces
    ends[1] = 0
    if size < TWO_BLOCKS and not finder.apart:
        whole = finder.only_grid(&finder.kernel, text, size, ends)
    if whole:
        return finder.level.few(&run.table, text, ends, whole, ints, out)
    pieces = finder.starts_of(text, size, run.chunk.starts)
    if pieces < 0:
        return GENERAL
    run.chunk.pieces = pieces
    run.set_fault(FINE)
    if not run.find_values(text):
        return GENERAL
    return <int>(piece_emit(finder.level, &run.table, run.side, run.values, 0, pieces, out) - out)


# The results that calls take from a run.

cdef object as_list(Encoder encoder, Run run):
    return ints_list(run.out.ids.data, run.out.ids.count, encoder.size)


cdef object as_array(Encoder encoder, Run run):
    return array_of(&run.out.ids, encoder.pool)


cdef object as_total(Encoder encoder, Run run):
    return run.out.total


cdef object as_added(Encoder encoder, Run run):
    """List (id, start, end) of each added token."""
    cdef Py_ssize_t i
    return [(run.out.ids.data[run.out.added.data[i].index], run.out.added.data[i].start, run.out.added.data[i].end)
            for i in range(run.out.added.count)]


cdef object as_ends(Encoder encoder, Run run):
    """Copy the ends of the ids in characters, int64[n]: the memory serves the next call."""
    cdef int64_t[::1] out
    cdef Py_ssize_t i
    if not run.wanted & CHARS:
        return None
    out = ends = numpy_().empty(run.out.chars.count, numpy_().int64)
    for i in range(run.out.chars.count):
        out[i] = run.out.chars.data[2 * i + 1]
    return ends


cdef object as_spans(Encoder encoder, Run run):
    """Return (ids, spans, characters, marks, end) of `encode_spans`."""
    cdef Py_ssize_t i
    marks = [(run.out.added.data[i].index, run.out.added.data[i].start, run.out.added.data[i].end)
             for i in range(run.out.added.count)]
    chars = spans_of(&run.out.chars, None) if run.wanted & CHARS else None
    return array_of(&run.out.ids, encoder.pool), spans_of(&run.out.bytes, None), chars, marks, run.cursor.end


@cython.final
cdef class Encoder:
    """Encodes texts by the tables of one model, which never change, in the runs of a pool.

    `direct` is a bitmap over the ids: it marks the ids that fill the piece tables.
    """

    def __cinit__(
        self, Finder finder not None, BPE bpe not None, direct: Buffer, Py_ssize_t size,
        Normalizer normalizer=None
    ):
        if normalizer is not None and normalizer.prefix != PREFIX_NONE and not finder.of_characters:
            raise ValueError("expected a finder of characters with a normalizer that puts a prefix")  # see passes.pyx
        self.finder, self.bpe, self.normalizer, self.size = finder, bpe, normalizer, size
        self.pool, self.span_pool = Pool(bpe, direct), Pool()
        self.serves = finder.run_grid != NULL and (normalizer is None or normalizer.keeps_ascii())

    def __dealloc__(self):
        Py_XDECREF(self.known)

    def __copy__(self) -> Encoder:
        return self  # the ids do not depend on what changes

    def cut_texts(self):
        """Cut long texts from now on as Kimi's code cuts them, and encode each part alone.

        Call it only before the first text. text/utf8.pxd has the lengths.
        """
        self.cuts_texts = True

    cdef fail(self, Run run, Policy policy, text):
        """Raise the error that the run's fault stands for."""
        if run.fault.status == OUT_OF_MEMORY:
            raise MemoryError
        if run.fault.status == SPECIAL_FOUND:
            offset = run.fault.offset
            if run.fault.normalized and self.normalizer is not None and text is not None:
                offset = self.raw_offset(policy, text, offset)
            raise SpecialTokenError(policy.contents[run.fault.normalized][run.fault.token], offset)
        if isinstance(text, str):
            raise lone_surrogate(text[run.fault.offset], run.fault.offset)
        raise not_utf8(text[run.fault.offset], run.fault.offset)

    cdef Py_ssize_t raw_offset(self, Policy policy, text, Py_ssize_t offset) except -1:
        """Return the offset in `text`, as UTF-8, of the source of the character at `offset` of the normalized text."""
        cdef Py_ssize_t at = 0, begun = 0
        if isinstance(text, str):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        cdef bytes data = (text if isinstance(text, str) else text.decode("utf-8", "replace")).encode()
        for start, end, _, _ in [*policy.raw_spans(data), (len(data), len(data), 0, 0)]:
            normalized, sources = (self.normalizer.later if at else self.normalizer).align(data[at:start])
            if offset < begun + len(normalized):
                before = sources[len(normalized[:offset - begun].decode())]
                return at + len(data[at:start].decode()[:before].encode())
            begun += len(normalized) + end - start
            at = end
        return offset

    def within(self, Policy policy, str text, ranges) -> Policy:
        """Return the policy of a text whose added tokens lie within `ranges`: starts and ends of bytes in turn."""
        cdef Py_ssize_t at = 0, begun = 0
        cdef Policy made = policy.within(ranges, ranges)
        if self.normalizer is None or made.normalized is None:
            return made
        cdef bytes data = text.encode()
        found = array.array("q")
        for start, end, _, _ in [*made.raw_spans(data), (len(data), len(data), 0, 0)]:
            begun = (self.normalizer.later if at else self.normalizer).carry(data[at:start], ranges, at, found, begun)
            begun, at = begun + end - start, end
        return made.within(ranges, found)

    cdef const uint32_t *_characters(self) except NULL:
        """Return the characters of each token. They are counted at their first use, since that takes time."""
        cdef PyObject *there = late_object(&self.known)
        if there == NULL:
            made = characters_of(self.bpe)
            Py_INCREF(made)
            there = late_put(&self.known, <PyObject *>made)
        return (<array.array>there).data.as_uints

    # A text: encoded as it is, or normalized between the raw added tokens.

    cdef int encode_source(
        self, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 nogil:
        """Encode one text. A chain of normalizers is written in Python and may raise; for other errors see `fail`."""
        cdef Verdict verdict = NORMALIZED
        cdef bint rewrites = False  # the space of a prefix goes into the text, since added tokens are found with it
        if self.cuts_texts and source.length > RUN_MOST:
            return self._cut(policy, run, source, replace, limit)
        if self.normalizer is not None:
            rewrites = policy.normalized is not None or (  # spans count the prefix apart
                run.wanted & ADDED and not run.wanted & (SPANS | CHARS))
            verdict = self.normalizer.verdict(source, self.finder.level, rewrites)
            run.cursor.prefix = PREFIX_NONE if rewrites else self.normalizer.prefix
        if verdict == NO_MEMORY:
            run.set_fault(OUT_OF_MEMORY)
        elif verdict == NORMALIZED:
            encode_text(self.finder, policy, run, source, replace, limit)
        else:
            encode_rewritten(self.finder, self.normalizer, policy, run, source, replace, limit)
        return 0

    cdef int _cut(
        self, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit
    ) except -1 with gil:
        """Encode a text that is cut, part by part. Offsets are refused: they would begin anew in each part."""
        cdef Py_ssize_t at = 0, left = TEXT_MOST, invalid
        cdef Source whole = source[0], part
        if whole.kind == 0 and not whole.valid:  # UTF-8: cuts are counted in characters
            invalid = -1 if replace else find_invalid(<const uint8_t *>whole.data, whole.length, self.finder.level)
            if invalid >= 0:
                run.set_fault(INVALID_TEXT, invalid)
                return 0
            text = PyUnicode_DecodeUTF8(<const char *>whole.data, whole.length, b"replace")
            whole = source_of(text)
        part = whole
        while at < whole.length and run.fault.status == FINE:
            part.length = next_cut(&whole, at, &left) - at
            if part.length < whole.length and (run.wanted & ADDED or policy.by_place or limit != PY_SSIZE_T_MAX):
                raise UnsupportedError(f"places in a text that the model's own code cuts after {part.length} units "
                                       "before it encodes it: split it there")
            part.data = <const char *>whole.data + at * max(whole.kind, 1)
            with nogil:
                encode_text(self.finder, policy, run, &part, replace, limit)
            if run.fault.status == INVALID_TEXT:
                run.set_fault(INVALID_TEXT, at + run.fault.offset)
            at += part.length
        return 0

    # The calls for Python.

    cdef run_text(
        self, text, Policy policy, bint replace, int wanted, Result result, Py_ssize_t limit=PY_SSIZE_T_MAX,
        Py_ssize_t start=0, Py_ssize_t end=PY_SSIZE_T_MAX
    ):
        """Encode `text`, or the slice `text[start:end]` of a `str`, and return the result of the run."""
        cdef Source source
        cdef Run run
        cdef Policy used = policy if wanted & ADDED or policy.quick is None else policy.quick
        if not isinstance(text, (str, bytes)):
            text = checked_text(text)
        if replace and isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        source = source_of(text)
        if end != PY_SSIZE_T_MAX:
            if not 0 <= start <= end <= source.length:
                raise ValueError(f"expected a part of {source.length} characters, found {start}:{end}")
            source.data, source.length = <const char *>source.data + start * max(source.kind, 1), end - start
        run = self.pool.lease()
        try:
            run.begin(wanted)
            if wanted & CHARS:
                (<IdSink>run).characters = self._characters()
            # Unused room costs nothing; growing costs new pages. Few texts have as many ids as characters.
            if wanted & SPANS and not run.reserve_spans(min(limit, source.length)):
                raise MemoryError
            if source.length <= SHORT_TEXT:  # releasing the GIL would take longer (60 ns)
                self.encode_source(used, run, &source, replace, limit)
            else:
                if wanted & IDS and source.length > LARGE:
                    self.pool.lend(&run.out.ids.data, &run.out.ids.room, sizeof(uint32_t))
                with nogil:
                    self.encode_source(used, run, &source, replace, limit)
            if run.fault.status != FINE:
                self.fail(run, policy, text[start:end])
            return result(self, run)
        finally:
            self.pool.release(run)

    cpdef list encode(self, text, Policy policy, bint replace):
        """Return the ids of `text` as a list."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self, text, policy, ints_below(self.size), ids)
        return self.run_text(text, policy, replace, IDS, as_list) if count == GENERAL else ints_list(
            ids, count, self.size)

    cpdef object encode_array(self, text, Policy policy, bint replace):
        """Return the ids of `text` as uint32[n]."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self, text, policy, NULL, ids)
        return self.run_text(text, policy, replace, IDS, as_array) if count == GENERAL else array_with(ids, count)

    cpdef Py_ssize_t count(self, text, Policy policy, bint replace) except -1:
        """Return the number of ids of `text`."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self, text, policy, NULL, ids)
        if count != GENERAL:
            return count
        return self.run_text(text, policy, replace, 0, as_total)

    def count_to(
        self, text: Text, Policy policy not None, bint replace, Py_ssize_t limit, Py_ssize_t start=0,
        Py_ssize_t end=PY_SSIZE_T_MAX
    ) -> int:
        """Return the number of ids of `text`, or of the slice `text[start:end]` of a `str`, if it is below `limit`.

        Else stop early, at `limit` or more.
        """
        return self.run_text(text, policy, replace, 0, as_total, limit, start, end)

    def char_ends(
        self, str text not None, Py_ssize_t start, Py_ssize_t end, Policy policy not None
    ) -> npt.NDArray[np.int64] | None:
        """Return the ends, int64[n] in characters, of the ids of `text[start:end]`; None if `encode_spans` has none."""
        return None if self.bpe.lost is not None else self.run_text(
            text, policy, False, IDS | CHARS | ADDED, as_ends, PY_SSIZE_T_MAX, start, end)

    def encode_spans(
        self, text: Text, Policy policy not None, bint replace, Py_ssize_t limit=PY_SSIZE_T_MAX, bint inside=False,
        bint true_places=False
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64], Any, list[tuple[int, int, int]], int]:
        """Return (ids, spans, characters, marks, end): each id's span in bytes and in characters.

        `ids` is uint32[n], the spans are int64[n, 2], and marks are (index, start, end) of added tokens. Where a
        normalizer changes the text, spans and marks lie in the normalized text, and `characters` is None; also if the
        model drops text. At `limit` ids it stops; `end` is the number of bytes that the ids cover.
        A space that the model puts before a stretch is no change; it has the span of the next character. inside: none
        goes before the text itself. true_places: where a model loses bytes, see `IdSink`.
        """
        cdef int wanted = IDS | SPANS | ADDED | (CHARS if self.bpe.lost is None else 0)
        wanted |= (INSIDE_TEXT if inside else 0) | (TRUE_SPANS if true_places else 0)
        return self.run_text(text, policy, replace, wanted, as_spans, limit)

    def added(self, text: Text, Policy policy not None) -> list[tuple[int, int, int]]:
        """List (id, start, end) of each added token of `text`, in bytes; with a normalizer, of the normalized text."""
        return self.run_text(text, policy, False, IDS | ADDED, as_added)

    def piece_spans(
        self, text: str | bytes, Policy policy not None, Finder finder not None
    ) -> npt.NDArray[np.int64]:
        """Return the spans, int64[n, 2], of the pieces of `finder` and of the added tokens, without normalizing."""
        cdef Source source = open_source(text)
        cdef Run run = self.span_pool.lease()
        try:
            run.begin(SPANS)
            self.span_pool.lend(&run.out.bytes.data, &run.out.bytes.room, 2 * sizeof(int64_t))
            if not run.reserve_spans(source.length // BYTES_PER_PIECE):
                raise MemoryError
            with nogil:
                encode_text(finder, policy, run, &source, False, PY_SSIZE_T_MAX)
            if run.fault.status != FINE:
                self.fail(run, policy, text)
            return spans_of(&run.out.bytes, self.span_pool)
        finally:
            self.span_pool.release(run)

    def pieces(self, bytes text not None, Policy policy not None) -> list[tuple[int, int]]:
        """List (start, end) of each unit that is looked up or merged: a piece, or the text between two cuts in it."""
        return list(map(tuple, self.piece_spans(text, policy, self.finder).tolist()))

    def short(self, str text not None, Policy policy not None) -> list[int] | None:
        """Return the ids of `text` by the pass over short texts, or None if that cannot settle it. For tests."""
        cdef uint32_t ids[SHORT_IDS]
        cdef int count = short_ids(self, text, policy, NULL, ids)
        return None if count == GENERAL else ints_list(ids, count, self.size)

    def encode_part(
        self, const uint8_t[::1] text not None, Py_ssize_t at, Policy policy not None, tuple state, bint final,
        form: Callable[..., Any] | None, bint rest=False
    ) -> tuple[Any, int, int, tuple[int, int, int, int]]:
        """Return (ids, settled, end, state) of valid UTF-8 `text[at:end]`, which later text cannot change.

        For streams: the bytes before `at` are context. `state` is `START`, and then the state of the last call.
        `settled` is the number of ids; with `rest` those after `end` follow them, as if no text came.
        `form` decides the first item: `list`, None for the number of ids, or a function that makes room for ids.
        """
        cdef Run run = self.pool.lease()
        cdef Py_ssize_t length = text.shape[0], end = at, settled
        cdef const uint8_t *start = &text[0] if length else NULL
        try:
            run.begin(0 if form is None else IDS)
            run.cursor.at, run.cursor.skip[0], run.cursor.skip[1], run.left = state
            run.cursor.prefix = PREFIX_NONE if self.normalizer is None else self.normalizer.prefix
            if length > at or final:
                with nogil:
                    end = encode_part(self.finder, policy, run, start, at, length, final)
            settled = run.out.total + run.out.ids.count
            state = run.cursor.at, run.cursor.skip[0], run.cursor.skip[1], run.left
            if rest and run.fault.status == FINE:
                with nogil:
                    encode_part(self.finder, policy, run, start, end, length, True)
            if run.fault.status != FINE:
                self.fail(run, policy, None)
            if form is None:
                ids = run.out.total
            elif form is list:
                ids = as_list(self, run)
            else:
                ids = form(run.out.ids.count)
                put_ids(ids, &run.out.ids)
            return ids, settled, end, state
        finally:
            self.pool.release(run)


cdef str _ALL = "all"
cdef str _STRICT = "strict"
cdef str _UINT32 = "uint32"


cdef class LineEncoder:
    """Has the calls of a tokenizer for one text.

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
        """Return the ids of `text` as a list. `text` is `str` or UTF-8 bytes of any kind.

        special: which added tokens are matched in the text: "all" (upstream's behaviour), "none" (all text is plain: no
            prompt can forge a token), "raise" (`SpecialTokenError` if the text holds one), or a set of their texts.
        add_bos, add_eos: whether BOS stands before the ids of the text, EOS after them.
        errors: for invalid UTF-8 and lone surrogates: "strict" raises `TextError` with the offset, "replace"
            puts U+FFFD for each.

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
        """Return the ids of `text` as a numpy array, uint32[n]: for a long text much faster than a list.

        Takes the keywords of `encode`. dtype: "uint32", "int32", or the copy "int64", which embeddings of PyTorch take.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_array("Hello world", add_eos=True)
        array([19923,  2058,     1], dtype=uint32)
        """
        cdef bint replace = errors is not _STRICT and replaces_faults(errors)
        cdef Policy policy = self._policy(special)
        if not add_bos and not add_eos:
            ids = self._encoder.encode_array(text, policy, replace)
        else:
            before, after = self._ends.before(add_bos), self._ends.after(add_eos)
            ids = self._encoder.encode_array(text, policy, replace)
            ids = numpy_().concatenate((before, ids, after), dtype=ids.dtype, casting="unsafe")
        return ids if dtype is _UINT32 else in_dtype(ids, dtype)

    def count(
        self, text: Text, *, limit: int | None = None, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> int:
        """Return the number of ids of `text`, without making them. Takes the keywords of `encode`.

        limit: the result is then at most `limit + 1`, which stands for any larger number. It stops early, so `limit`
            bounds the time. Two exceptions read all of the text, at a gigabyte a second or more: bytes are checked
            first, and a normalizer looks at all characters. `ArgumentError` for one below 0.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.count("Hello wide world", add_bos=True), tok.count("Hello wide world", limit=1)
        (4, 2)
        """
        cdef bint replace = errors is not _STRICT and replaces_faults(errors)
        cdef Py_ssize_t framing = 0, most
        if add_bos or add_eos:
            framing = self._ends.extra(add_bos, add_eos)
        if limit is None:
            return framing + self._encoder.count(text, self._policy(special), replace)
        most = whole_number("limit", limit, most=MANY)
        return min(framing + self._encoder.count_to(text, self._policy(special), replace, max(most - framing + 1, 0)),
                   most + 1)


cdef object encode_alone(self, text):
    return (<LineEncoder>self)._encoder.encode(text, (<LineEncoder>self)._policy(_ALL), False)


cdef object count_alone(self, text):
    return (<LineEncoder>self)._encoder.count(text, (<LineEncoder>self)._policy(_ALL), False)


entry_open(0, LineEncoder, "encode", encode_alone)
entry_open(1, LineEncoder, "count", count_alone)
