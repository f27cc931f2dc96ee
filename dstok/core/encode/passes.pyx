"""The passes: over a text once, from added tokens through pieces to a sink, without the GIL.

In: the storage of a text, a policy, a run. Out: the results of the run, or a fault that says why there are none.
Invariant: the ids do not depend on how the text is fed. As in upstream, added tokens with normalized=false are found in
the raw text; the text between them is normalized; in it those with normalized=true are found; between these, pieces.

A pass takes portions of about `PORTION` bytes, and encodes only what no later text can change: added tokens, and pieces
whose end the automaton has seen. The rest is carried over. Example: of "Hello wor" it encodes "Hello", since "ld" may
follow. Portions of a text that is not normalized end at a boundary of the normal form (a chain of steps in Python gets
a stretch at once), so there is no copy of the text, which would take half of the time.
"""

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdlib cimport free
from libc.string cimport memcpy, memmove, memset

from dstok.core.bpe.merge cimport KEY24_MAX
from dstok.core.cpu.level cimport CHUNK_ROOM, FIRST_PAD, PAD, Implementation
from dstok.core.encode.sinks cimport ADDED, CHARS, IDS, INSIDE, INSIDE_TEXT, SECTION_START, TEXT_START, IdSink
from dstok.core.split.finder cimport FINE, INVALID_TEXT, OUT_OF_MEMORY, SPECIAL_FOUND
from dstok.core.text.added_tokens cimport Match
from dstok.core.text.normalize cimport (
    PREFIX_NONE, PREFIX_TEXT, Output, copy_text, last_boundary, puts_space, rewrite, utf8_source,
)
from dstok.core.text.utf8 cimport code_point, find_invalid, transcode

cdef enum:
    BYTES_PER_ID = 3         # of text: room made at the start; unused pages cost nothing
    PORTION = 1 << 16        # bytes of text in work at a time; it fits the level-2 cache with its tables
    COPY_WHOLE_MAX = 1 << 10  # units of a text that is copied or transcoded at once
    TAIL = 1 << 12           # bytes at a text's end that are copied, so that there is room to read after it


# Added tokens, and the text between them.

cdef inline Match find_added(
    Policy policy, bint normalized, Py_ssize_t base, const uint8_t *text, Py_ssize_t at, Py_ssize_t scan,
    Py_ssize_t stop, Py_ssize_t left, bint final
) noexcept nogil:
    # The first match, or none, if there is no matcher. `base` is the offset of `text` in the raw or normalized text.
    cdef Match none
    if normalized and policy.normalized is not None:
        return policy.normalized.find(text, at, scan, stop, left, final, &policy.trusted[1], base)
    if not normalized and policy.raw is not None:
        return policy.raw.find(text, at, scan, stop, left, final, &policy.trusted[0], base)
    none.token, none.safe, none.scan = -1, stop, at
    return none


cdef bint special(Policy policy, bint normalized, Run run, const uint8_t *text, const Match *match) noexcept nogil:
    """Hand an added token to the sink; false, with a fault, if it cannot."""
    run.chunk.text = text
    if policy.refuses:
        return run.set_fault(SPECIAL_FOUND, run.chunk.base + match.content, match.token, normalized)
    if run.wanted & ADDED and not run.mark(match.start, match.end):
        return False
    return run.take_added(policy.ids[normalized][match.token], match.start, match.end)


cdef Py_ssize_t section(
    Finder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil:
    """Encode text without raw added tokens: find the normalized ones, and the pieces between them."""
    cdef Match match
    cdef Py_ssize_t begun = at, left = 0, scan
    if run.cursor.at != INSIDE:
        left = at
        run.cursor.skip[1] = 0
        if run.cursor.prefix != PREFIX_NONE and at < stop:
            at = lead(finder, run, text, at, stop, final)
            if at < 0 or run.fault.status != FINE:
                return begun
    scan = at + run.cursor.skip[1]
    while True:
        match = find_added(policy, True, run.chunk.base, text, at, scan, stop, left, final)
        if match.token < 0:
            at = finder.find(run, text, at, match.safe, final)
            run.cursor.skip[1] = max(match.scan - at, 0)
            break
        finder.find(run, text, at, match.start, True)
        if run.fault.status != FINE or not special(policy, True, run, text, &match):
            break
        at = scan = match.end
    if at > begun:
        run.cursor.at = INSIDE
    return at


cdef Py_ssize_t lead(
    Finder finder, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil:
    """Encode a stretch of a model of characters up to its first cut, from a copy with a space before it.

    Returns the cut, `at` if no space goes before the stretch, -1 if later text may change the cut. Only where no added
    token is found after normalizing. `Encoder` has no prefix but for a `CharacterFinder` and an `IdSink`.
    """
    cdef Py_ssize_t size, first = run.out.ids.count, width
    if run.cursor.prefix == PREFIX_TEXT and run.cursor.at != TEXT_START or not puts_space(
            run.cursor.prefix, text + at, stop - at):
        return at
    size = finder.first_part(text, at, stop, final) - at
    if size < 0 or not run.reserve(&run.lead, &run.lead_room, 0, size + 1, 1):
        return -1
    run.lead[0] = 0x20
    memcpy(run.lead + 1, text + at, size)
    run.chunk.text = text
    (<IdSink>run).begin_lead(at)
    run.chunk.base += at - 1  # the space stands for the byte before
    finder.find(run, run.lead, 0, size + 1, True)
    run.chunk.base -= at - 1
    code_point(text + at, &width)
    (<IdSink>run).end_lead(first, width)
    return at + size


cdef Py_ssize_t portion(
    Finder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil:
    """Encode `text[at:stop]`, or, if not `final`, up to where later text may change the ids; return where it ended."""
    cdef Match match
    cdef Py_ssize_t scan = at + run.cursor.skip[0]
    while True:
        match = find_added(policy, False, run.chunk.base, text, at, scan, stop, 0, final)
        if match.token < 0:
            at = section(finder, policy, run, text, at, match.safe, final)
            run.cursor.skip[0] = max(match.scan - at, 0)
            return at
        section(finder, policy, run, text, at, match.start, True)
        if run.fault.status != FINE or not special(policy, False, run, text, &match):
            return at
        at = scan = match.end
        run.cursor.at = SECTION_START

# A text, portion by portion.


cdef Py_ssize_t encode_part(
    Finder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final
) noexcept nogil:
    """Do what `portion` does, with a copy of the text, so that nothing is read after its end."""
    cdef Py_ssize_t keep = min(at, <Py_ssize_t>CONTEXT), length = stop - at + keep
    if not run.reserve_buffer(length, 0):
        return at
    if length:  # else both may be NULL, and memcpy does not allow that even for no bytes
        memcpy(run.buffer, text + at - keep, length)
    run.chunk.base = at - keep
    return run.chunk.base + portion(finder, policy, run, run.buffer, keep, length, final)


cdef bint read(
    Run run, const Source *source, Py_ssize_t *unit, void *buffer, Py_ssize_t *room, Py_ssize_t *held, Py_ssize_t size,
    bint replace, const Implementation *level
) noexcept nogil:
    """Append up to `size` bytes of a text, from `unit` on, to those in a buffer; false, with a fault, if it cannot."""
    cdef const uint8_t *data = <const uint8_t *>source.data
    cdef Py_ssize_t written = min(size, source.length - unit[0])
    cdef uint8_t *out
    if not run.reserve(buffer, room, held[0], held[0] + size + 4, 1):
        return False
    memcpy(&out, buffer, sizeof(out))
    if source.kind == 0:
        while unit[0] + written < source.length and data[unit[0] + written] & 0xC0 == 0x80:
            written -= 1
        memcpy(out + held[0], data + unit[0], written)
        unit[0] += written
    else:
        written = transcode(source, unit, out + held[0], size, replace, level)
        if written < 0:
            return run.set_fault(INVALID_TEXT, unit[0])
    held[0] += written
    return True


cdef void in_place(
    Finder finder, Policy policy, Run run, const uint8_t *text, Py_ssize_t length, Py_ssize_t limit
) noexcept nogil:
    """Encode valid UTF-8 where it lies; stop early once `limit` ids are there. A copy would take 2 % of the time."""
    cdef Py_ssize_t at = 0, stop, taken, size = first_portion(run, length, limit)
    while length - at > TAIL and run.fault.status == FINE:
        stop = min(at + size, length - PAD)
        while text[stop] & 0xC0 == 0x80:
            stop -= 1
        taken = portion(finder, policy, run, text, at, stop, False)
        if run.out.total + run.out.ids.count >= limit:
            run.cursor.end = taken
            return
        if taken == at and stop + PAD + CONTEXT >= length:
            break
        size = PORTION if taken > at else 2 * size
        at = taken
    if run.fault.status == FINE:
        run.cursor.end = encode_part(finder, policy, run, text, at, length, True)


cdef inline Py_ssize_t drop_read(uint8_t *text, Py_ssize_t *held, Py_ssize_t *base, Py_ssize_t read) noexcept nogil:
    """Drop the first `read` of the `held` bytes of a buffer, but for the last `CONTEXT` of them; return how many stay.

    `base` is the buffer's offset in the text.
    """
    cdef Py_ssize_t keep = min(read, <Py_ssize_t>CONTEXT), dropped = read - keep
    if dropped:
        held[0] -= dropped
        base[0] += dropped
        memmove(text, text + dropped, held[0])
    return keep


cdef void transcoded(
    Finder finder, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit
) noexcept nogil:
    """Encode `str` storage, transcoded a portion at a time; stop early once `limit` ids are there."""
    cdef Py_ssize_t unit = 0, held = 0, at = 0, taken
    cdef Py_ssize_t size = first_portion(run, source.length, limit)
    while run.fault.status == FINE and read(
            run, source, &unit, &run.buffer, &run.buffer_room, &held, size, replace, finder.level):
        taken = portion(finder, policy, run, run.buffer, at, held, unit == source.length)
        if unit == source.length or run.out.total + run.out.ids.count >= limit:
            run.cursor.end = run.chunk.base + taken
            return
        size = PORTION if taken > at else 2 * size
        at = drop_read(run.buffer, &held, &run.chunk.base, taken)


cdef void short_text(Finder finder, Policy policy, Run run, const Source *source, bint replace) noexcept nogil:
    """Encode a short text at once, from a copy: like `in_place` and `transcoded`, in fewer steps."""
    cdef Py_ssize_t length = source.length, unit = 0
    cdef uint8_t *text
    if not run.reserve_buffer(4 * length + 5, 0):
        return
    text = run.buffer + 1
    run.buffer[0] = 0x20
    if source.kind == 0:
        memcpy(text, source.data, length)
    else:
        length = transcode(source, &unit, text, 4 * length + 4, replace, finder.level)
        if length < 0:
            run.set_fault(INVALID_TEXT, unit)
            return
    memset(text + length, 0, FIRST_PAD)  # else the old bytes there might begin tokens
    if run.cursor.prefix != PREFIX_NONE and run.wanted & ADDED or not policy.idle(text, length):
        portion(finder, policy, run, text, 0, length, True)  # marks count the space apart
    elif puts_space(run.cursor.prefix, text, length):
        finder.find_short(run, run.buffer, length + 1)
    else:
        finder.find_short(run, text, length)
    run.cursor.end = length


cdef void encode_text(
    Finder finder, Policy policy, Run run, const Source *source, bint replace, Py_ssize_t limit
) noexcept nogil:
    """Encode one text."""
    cdef Py_ssize_t fault
    begin_text(run)
    if source.kind == 0 and not source.valid:
        fault = find_invalid(<const uint8_t *>source.data, source.length, finder.level)
        if fault >= 0:
            run.set_fault(INVALID_TEXT, fault)
            return
    if source.length <= COPY_WHOLE_MAX and limit > COPY_WHOLE_MAX:
        short_text(finder, policy, run, source, replace)
    elif source.kind != 0:
        transcoded(finder, policy, run, source, replace, limit)
    else:
        in_place(finder, policy, run, <const uint8_t *>source.data, source.length, limit)


cdef inline void begin_text(Run run) noexcept nogil:
    run.cursor.at = INSIDE if run.wanted & INSIDE_TEXT else TEXT_START
    run.cursor.skip[0] = run.cursor.skip[1] = 0
    run.chunk.base, run.left = 0, 0


cdef Py_ssize_t first_portion(Run run, Py_ssize_t length, Py_ssize_t limit) noexcept nogil:
    """Return the size of the first portion of `length` units of text; make room for ids, unless there is a `limit`."""
    if limit < PORTION // 8:
        return max(8 * limit, <Py_ssize_t>256)
    if run.wanted & IDS:
        run.reserve_ids(length // BYTES_PER_ID + CHUNK_ROOM * KEY24_MAX)
    return PORTION


# A text that is not normalized.

cdef struct Raw:
    # The raw text; the bytes before `at` are done.
    uint8_t *text
    Py_ssize_t room
    Py_ssize_t held
    Py_ssize_t at
    Py_ssize_t base          # the offset of `text` in the caller's text
    Py_ssize_t unit          # the number of units of the source that are read


cdef struct Made:
    # The normalized text in the buffer of the run; the bytes before `at` are done.
    Output portion
    Py_ssize_t held
    Py_ssize_t at


cdef int encode_rewritten(
    Finder finder, Normalizer normalizer, Policy policy, Run run, const Source *source, bint replace,
    Py_ssize_t limit
) except -1 nogil:
    """Normalize a text, and encode it. Offsets count bytes of the normalized text. A step of a chain may raise."""
    cdef Py_ssize_t size
    cdef bint final = False
    cdef Raw raw
    cdef Made made
    memset(&raw, 0, sizeof(raw))
    memset(&made, 0, sizeof(made))
    begin_text(run)
    run.cursor.prefix = PREFIX_NONE  # `feed` puts it
    run.wanted &= ~CHARS  # those of the normalized text are not the text's
    size = first_portion(run, source.length, limit)
    try:
        while not final and run.fault.status == FINE and run.out.total + run.out.ids.count < limit and read(
                run, source, &raw.unit, &raw.text, &raw.room, &raw.held, size, replace, finder.level):
            # Without an end of a piece or a boundary in sight, it reads twice as much each time: so it looks at bytes
            # at most twice as often as there are bytes.
            final = raw.unit == source.length
            size = PORTION if sections(finder, normalizer, policy, run, &raw, &made, final) else 2 * size
        run.cursor.end = run.chunk.base + made.at
        while raw.unit < source.length and run.fault.status == FINE:  # a lone surrogate after the limit is a fault, too
            raw.held = 0
            read(run, source, &raw.unit, &raw.text, &raw.room, &raw.held, PORTION, replace, finder.level)
    finally:
        free(raw.text)
        free(made.portion.text)
    return 0


cdef int sections(
    Finder finder, Normalizer normalizer, Policy policy, Run run, Raw *raw, Made *made, bint last
) except -1 nogil:
    """Encode the raw text up to where later text may change it; false if the last stretch does not get on."""
    cdef Py_ssize_t at = raw.at, scan = raw.at + run.cursor.skip[0], cut
    cdef bint closing, moved
    cdef Match match
    while True:
        match = find_added(policy, False, raw.base, raw.text, at, scan, raw.held, 0, last)
        closing = last or match.token >= 0
        cut = match.start if match.token >= 0 else match.safe
        if not closing:  # a step of a chain may look at all of a stretch
            cut = at if normalizer.chain is not None else last_boundary(normalizer.form, raw.text, at, cut)
        moved = feed(finder, normalizer, policy, run, raw.text + at, cut - at, made, closing) and cut > at
        if run.fault.status != FINE or match.token < 0:
            break
        match.content += raw.base - run.chunk.base  # the offset of a fault is that in the raw text
        match.start, match.end = 0, match.end - cut
        if not special(policy, False, run, raw.text + cut, &match):
            break
        run.chunk.base += match.end
        at = scan = cut + match.end
    run.cursor.skip[0] = max(match.scan - cut, 0)
    raw.at = drop_read(raw.text, &raw.held, &raw.base, cut)
    return moved


cdef int feed(
    Finder finder, Normalizer normalizer, Policy policy, Run run, const uint8_t *text, Py_ssize_t size, Made *made,
    bint closing
) except -1 nogil:
    """Normalize more of a stretch, all of it if `closing`, and encode it up to where later text may change it.

    Returns false if nothing is encoded.
    """
    cdef Source source = utf8_source(text, size)
    cdef Py_ssize_t taken
    cdef bint moved, prefixed
    made.portion.size = 0
    made.portion.same = False
    if normalizer.chain is not None:
        apply_chain(normalizer, text, size, &made.portion)
    elif not rewrite(normalizer.form, &source, &made.portion):
        return run.set_fault(OUT_OF_MEMORY)
    if not made.portion.same:
        text, size = made.portion.text, made.portion.size
    prefixed = made.held == 0 and run.cursor.at != INSIDE and puts_space(
        normalizer.prefix if run.cursor.at == TEXT_START else normalizer.later.prefix, text, size)
    if not run.reserve_buffer(made.held + size + prefixed, made.held):
        return False
    if prefixed:
        run.buffer[0], made.held = 0x20, 1
    if size:
        memcpy(run.buffer + made.held, text, size)
    made.held += size
    taken = section(finder, policy, run, run.buffer, made.at, made.held, closing)
    moved = taken > made.at
    if closing:
        run.chunk.base += made.held
        made.held = made.at = 0
        run.cursor.at = SECTION_START
        run.cursor.skip[1] = 0
        return moved
    made.at = drop_read(run.buffer, &made.held, &run.chunk.base, taken)
    return moved


cdef int apply_chain(Normalizer normalizer, const uint8_t *text, Py_ssize_t size, Output *out) except -1 with gil:
    """Write a stretch as the steps of a chain, in Python, make it."""
    cdef bytes made = normalizer.normalize((<const char *>text)[:size]) if size else b""
    if not copy_text(out, <const uint8_t *>PyBytes_AS_STRING(made), len(made)):
        raise MemoryError
    return 0
