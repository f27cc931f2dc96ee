r"""Normalization: which stretches of a text change, and into which code points; the normalizer of a model.

In: the storage of a `str`, or valid UTF-8. Out: stretches between boundaries, as code points; UTF-8, and the index of
the source of each code point.
Invariant: text and indexes are upstream's (forms of Unicode 9.0). Time is linear in the text: combining marks are
sorted by counting.

Nearly all texts are normalized already, so a scan passes over clean characters and over combining marks that are in
order. Only a stretch between two boundaries that holds other characters is decomposed, sorted, composed and compared.
Example: in "cafe\u0301 au lait" only "e\u0301" is such a stretch. NFC makes it "\u00e9".
Source: Unicode Standard Annex #15, section 9 (the quick check); D117 (composition) and 3.12 (Hangul) of the standard.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from dstok.core.cpu.level cimport chosen
from dstok.core.cpu.platform cimport huge_grow
from dstok.core.text.utf8 cimport Unit, code_at, code_point, encoded, find_invalid, open_source

from array import array
from bisect import bisect_left, bisect_right

cdef enum:
    BLOCK = 64               # units that one step looks at
    MOST_INSERTED = 24       # combining marks in a row that insertion sorts
    LEAST = 64               # entries that an array has room for at first

cdef enum:
    SYLLABLE = 0xAC00
    LEADING = 0x1100
    VOWEL = 0x1161
    TRAILING = 0x11A7        # one before the first
    LEADINGS = 19
    VOWELS = 21
    TRAILINGS = 28
    SYLLABLES = 11172

cdef inline bint reserve(Codes *text, Py_ssize_t more) noexcept nogil:
    """Make room for `more` code points; false if memory is out."""
    return huge_grow(&text.codes, &text.capacity, text.size, max(text.size + more, <Py_ssize_t>LEAST), sizeof(Code))


cdef void release(Stretch *work) noexcept nogil:
    free(work.before.codes)
    free(work.made.codes)


cdef inline void put(Codes *text, uint32_t code, int32_t change, uint8_t combining) noexcept nogil:
    text.codes[text.size] = Code(code=code, change=change, combining=combining)
    text.size += 1


@cython.final
cdef class Form:
    """One normalization form of `dstok.unicode.normalization.FormTables`. `composed`: NFC or NFKC."""

    def __cinit__(self, tables: FormTables, bint composed):
        cdef const uint8_t[::1] classes = tables.classes, flags = tables.flags
        cdef const uint16_t[::1] pages = memoryview(tables.pages).cast("H")
        cdef const uint16_t[::1] numbers = memoryview(tables.page_numbers).cast("H")
        cdef const uint32_t[::1] starts = memoryview(tables.starts).cast("I")
        cdef bytes sequences = tables.sequences + bytes(4)
        cdef uint32_t c
        self.pages, self.page_numbers = &pages[0], &numbers[0]
        self.classes, self.flags, self.starts = &classes[0], &flags[0], &starts[0]
        self.sequences = <const uint32_t *>PyBytes_AS_STRING(sequences)
        self._keep = (classes, flags, pages, numbers, starts, sequences)
        self.composed = composed
        self.lowest = 0x110000
        memset(self.clean, 0, sizeof(self.clean))
        for c in range(0x10000):
            if self.record(c) == 0:
                self.clean[c >> 6] |= <uint64_t>1 << (c & 63)
            elif self.lowest > c:
                self.lowest = c
        self.lead = chr(self.lowest).encode()[0] if self.lowest < 0x110000 else 0xF0
        self.low = 1
        while 2 * self.low <= self.lowest:
            self.low *= 2
        for c in range(16):
            self.clean_leads[c] = all([self.clean[c << 6 | i] == <uint64_t>-1 for i in range(64)])
        cdef bytes pairs = tables.pairs
        cdef const uint32_t *flat = <const uint32_t *>PyBytes_AS_STRING(pairs)
        cdef uint32_t slots = 16, slot
        cdef Py_ssize_t i
        while slots < 2 * (len(pairs) // 12):
            slots *= 2
        self.pair_mask = slots - 1
        self.pairs = <uint32_t *>calloc(slots, 12)
        if self.pairs == NULL:
            raise MemoryError
        for i in range(0, len(pairs) // 4, 3):
            slot = _slot(flat[i], flat[i + 1]) & self.pair_mask
            while self.pairs[3 * slot + 2]:
                slot = (slot + 1) & self.pair_mask
            memcpy(self.pairs + 3 * slot, flat + i, 12)

    def __dealloc__(self):
        free(self.pairs)

    cdef inline uint32_t record(self, uint32_t c) noexcept nogil:
        return self.pages[<uint32_t>self.page_numbers[c >> 8] << 8 | (c & 0xFF)]

    cdef inline bint is_clean(self, uint32_t c) noexcept nogil:
        if c < 0x10000:
            return self.clean[c >> 6] >> (c & 63) & 1
        return self.record(c) == 0

    # The scan.

    cdef Py_ssize_t skip_utf8(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
        """Do what `skip_clean` does, for UTF-8."""
        cdef Py_ssize_t stop, width = 1
        cdef uint8_t most, lead
        cdef int i
        while at < length:
            while at + BLOCK <= length:
                most = 0
                for i in range(BLOCK):
                    most = max(most, text[at + i])
                if most >= self.lead:
                    break
                at += BLOCK
            while at < length and text[at] & 0xC0 == 0x80:  # the rest of a clean character across the end of the block
                at += 1
            stop = min(at + BLOCK, length)
            while at < stop:
                lead = text[at]
                if lead < 0x80 and lead < self.lead:
                    at += 1
                elif lead & 0xF0 == 0xE0 and self.clean_leads[lead & 15]:  # most Chinese: faster than the bits
                    at += 3
                elif self.is_clean(code_point(text + at, &width)):
                    at += width
                else:
                    return at
        return length

    cdef Py_ssize_t skip_clean(self, const Source *source, Py_ssize_t at) noexcept nogil:
        """Return the first unit at or after `at`, a character's start, whose character is not clean; or the length."""
        if source.kind == 0:
            return self.skip_utf8(<const uint8_t *>source.data, at, source.length)
        if source.kind == 1:
            if self.lowest > 0xFF:
                return source.length
            return skip_units(self, <const uint8_t *>source.data, at, source.length)
        if source.kind == 2:
            return skip_units(self, <const uint16_t *>source.data, at, source.length)
        return skip_units(self, <const uint32_t *>source.data, at, source.length)

    cdef Py_ssize_t find(self, const Source *source, Py_ssize_t at, Py_ssize_t *end, Stretch *work) noexcept nogil:
        """Find the first stretch that changes, at or after `at`, a boundary; return its start, or the length.

        `end` becomes its end, and `work` its texts. -1: memory is out.
        """
        cdef Py_ssize_t boundary = at, next, width = 1
        cdef uint32_t c, record
        cdef uint8_t last = 0, combining
        cdef Verdict verdict
        while True:
            next = self.skip_clean(source, at)
            if next > at:
                last = 0
                boundary = next - 1
                while source.kind == 0 and (<const uint8_t *>source.data)[boundary] & 0xC0 == 0x80:
                    boundary -= 1
                at = next
            if at == source.length:
                return at
            c = code_at(source, at, &width)
            record = self.record(c)
            combining = self.classes[record]
            if self.flags[record] & BOUNDARY:
                boundary = at
            at += width
            if self.flags[record] & TROUBLED == 0 and (combining == 0 or combining >= last):
                last = combining
                continue
            while at < source.length:
                c = code_at(source, at, &width)
                if self.flags[self.record(c)] & BOUNDARY:
                    break
                at += width
            verdict = self.settle(source, boundary, at, work)
            if verdict != NORMALIZED:
                end[0] = at
                return boundary if verdict == CHANGED else -1
            boundary = at
            last = 0

    # One stretch.

    cdef Verdict settle(self, const Source *source, Py_ssize_t at, Py_ssize_t end, Stretch *work) noexcept nogil:
        """Normalize a stretch between boundaries, and compare the result with it."""
        cdef Codes *before = &work.before
        cdef Codes *made = &work.made
        cdef Py_ssize_t i, width = 1
        before.size = made.size = 0
        while at < end:
            if not reserve(before, 1):
                return NO_MEMORY
            put(before, code_at(source, at, &width), 0, 0)
            at += width
        if not self.decompose(before, made) or not reorder(made):
            return NO_MEMORY
        if self.composed:
            self.compose(made)
        if made.size != before.size:
            return CHANGED
        for i in range(made.size):
            if made.codes[i].code != before.codes[i].code:
                return CHANGED
        return NORMALIZED

    cdef bint decompose(self, const Codes *before, Codes *out) noexcept nogil:
        cdef uint32_t c, record, at, first, index
        cdef Py_ssize_t i
        for i in range(before.size):
            c = before.codes[i].code
            record = self.record(c)
            first, index = self.starts[record], self.starts[record + 1]
            if not reserve(out, 3 + index - first):
                return False
            if self.flags[record] & HANGUL:
                c -= SYLLABLE
                put(out, LEADING + c // (VOWELS * TRAILINGS), 0, 0)
                put(out, VOWEL + c % (VOWELS * TRAILINGS) // TRAILINGS, 1, 0)
                if c % TRAILINGS:
                    put(out, TRAILING + c % TRAILINGS, 1, 0)
            elif first == index:
                put(out, c, 0, self.classes[record])
            else:
                for at in range(first, index):
                    c = self.sequences[at]
                    put(out, c, at > first, self.classes[self.record(c)])
        return True

    cdef void compose(self, Codes *out) noexcept nogil:
        """Compose each starter with the characters that follow it and are not blocked."""
        cdef Py_ssize_t i, starter = -1, size = 0
        cdef int last = -1   # class of the last character between the starter and this one, -1: none
        cdef uint32_t made
        for i in range(out.size):
            if starter >= 0 and last < <int>out.codes[i].combining:
                made = self.pair(out.codes[starter].code, out.codes[i].code)
                if made:
                    out.codes[starter].code = made
                    out.codes[starter].change += out.codes[i].change - 1
                    continue
            out.codes[size] = out.codes[i]
            last = out.codes[i].combining
            if last == 0:
                starter, last = size, -1
            size += 1
        out.size = size

    cdef uint32_t pair(self, uint32_t first, uint32_t second) noexcept nogil:
        """Return the composite of two characters, or 0."""
        cdef uint32_t slot
        if LEADING <= first < LEADING + LEADINGS and VOWEL <= second < VOWEL + VOWELS:
            return SYLLABLE + ((first - LEADING) * VOWELS + second - VOWEL) * TRAILINGS
        if SYLLABLE <= first < SYLLABLE + SYLLABLES and (first - SYLLABLE) % TRAILINGS == 0 and (
                TRAILING < second < TRAILING + TRAILINGS):
            return first + second - TRAILING
        slot = _slot(first, second) & self.pair_mask
        while self.pairs[3 * slot + 2]:
            if self.pairs[3 * slot] == first and self.pairs[3 * slot + 1] == second:
                return self.pairs[3 * slot + 2]
            slot = (slot + 1) & self.pair_mask
        return 0


cdef Py_ssize_t skip_units(Form form, const Unit *units, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
    """Do what `Form.skip_clean` does, for one width of storage."""
    cdef Py_ssize_t stop
    cdef Unit seen
    cdef int i
    while at < length:
        while at + BLOCK <= length:
            seen = 0
            for i in range(BLOCK):
                seen |= units[at + i]
            if seen >= form.low:
                break
            at += BLOCK
        stop = min(at + BLOCK, length)
        while at < stop:
            if not form.is_clean(units[at]):
                return at
            at += 1
    return length


cdef inline uint32_t _slot(uint32_t first, uint32_t second) noexcept nogil:
    return <uint32_t>(((<uint64_t>first << 21 | second) * <uint64_t>0x9E3779B97F4A7C15) >> 40)


cdef bint reorder(Codes *out) noexcept nogil:
    """Sort each run of combining marks by class; those of one class stay in order. False if memory is out."""
    cdef Py_ssize_t at = 0, end, i, j
    cdef Code moved
    while at < out.size:
        end = at + 1
        if out.codes[at].combining:
            while end < out.size and out.codes[end].combining:
                end += 1
        if end - at > MOST_INSERTED:
            if not sort_by_counting(out.codes + at, end - at):
                return False
            at = end
        for i in range(at + 1, end):
            moved, j = out.codes[i], i
            while j > at and out.codes[j - 1].combining > moved.combining:
                out.codes[j] = out.codes[j - 1]
                j -= 1
            out.codes[j] = moved
        at = end
    return True


cdef bint sort_by_counting(Code *codes, Py_ssize_t size) noexcept nogil:
    """Sort by class, in linear time; false if memory is out."""
    cdef Py_ssize_t ends[257]
    cdef Py_ssize_t i
    cdef Code *copy = <Code *>malloc(size * sizeof(Code))
    if copy == NULL:
        return False
    memcpy(copy, codes, size * sizeof(Code))
    memset(ends, 0, sizeof(ends))
    for i in range(size):
        ends[copy[i].combining + 1] += 1
    for i in range(256):
        ends[i + 1] += ends[i]
    for i in range(size):
        codes[ends[copy[i].combining]] = copy[i]
        ends[copy[i].combining] += 1
    free(copy)
    return True


cdef bint puts_space(int prefix, const uint8_t *text, Py_ssize_t length) noexcept nogil:
    """Tell whether a space goes before a stretch, already normalized, at the text's start."""
    return length > 0 and (prefix == PREFIX_STRETCH or prefix != PREFIX_NONE and text[0] != 0x20)


cdef Source utf8_source(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    return Source(data=text, length=length, kind=0, valid=True)


@cython.final
cdef class Normalizer:
    """A model's normalizer: `form` alone, or a `chain` of steps in Python, and `form` only tells when it runs.

    `chain` has a method `apply(text: str, sources: list[int]) -> tuple[str, list[int]]`. `local`: no step looks
    across a boundary of `form`, so a text may be cut there before it is normalized. `always`: the chain may change any
    text. `prefix`: where a model of characters puts a space before a stretch; the normalizer without it is `bare`.
    """

    def __init__(self, Form form not None, chain, bint local, bint always=False, int prefix=PREFIX_NONE):
        self.form, self.chain, self.local, self.always = form, chain, local, always
        self.prefix = prefix
        self.later = self if prefix != PREFIX_TEXT else self.bare()

    def bare(self) -> Normalizer:
        """Return the normalizer without its prefix."""
        return self if self.prefix == PREFIX_NONE else Normalizer(self.form, self.chain, self.local, self.always)

    def __copy__(self) -> Normalizer:
        return self  # it never changes

    cdef Verdict verdict(self, const Source *source, const Implementation *level, bint prefixed) noexcept nogil:
        """Return NORMALIZED if normalizing changes nothing, however added tokens cut the text; else CHANGED.

        `prefixed`: whether the prefix counts.
        NORMALIZED also for invalid text: encoding it raises. NO_MEMORY if there is not enough to find out.
        """
        cdef Stretch work
        cdef Py_ssize_t end = 0, at
        if source.kind == 0 and not source.valid and find_invalid(
                <const uint8_t *>source.data, source.length, level) >= 0:
            return NORMALIZED
        if prefixed and self.prefix != PREFIX_NONE:
            return CHANGED
        if self.chain is not None:
            return CHANGED if self.always or self.form.skip_clean(source, 0) < source.length else NORMALIZED
        memset(&work, 0, sizeof(work))
        at = self.form.find(source, 0, &end, &work)
        release(&work)
        if at < 0:
            return NO_MEMORY
        return NORMALIZED if at == source.length else CHANGED

    def is_normalized(self, text not None: str | bytes) -> bool:
        """Tell whether normalizing a `str` or valid UTF-8 changes nothing, wherever added tokens cut it."""
        cdef Source source = open_source(text)
        cdef const Implementation *level = chosen()
        cdef Verdict verdict
        source.valid = True
        with nogil:
            verdict = self.verdict(&source, level, True)
        if verdict == NO_MEMORY:
            raise MemoryError
        return verdict == NORMALIZED

    cdef bint keeps_ascii(self):
        """Tell whether normalizing leaves every text of ASCII characters as it is, but for the prefix."""
        cdef bytes characters = bytes(range(128))
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(characters), len(characters))
        return not self.always and self.form.skip_clean(&source, 0) == source.length

    cpdef bytes normalize(self, bytes text):
        """Return the normalized text of valid UTF-8."""
        if self.chain is None:
            return self.rewritten(text, None)
        return text if self.is_normalized(text) else self.chain.apply(text.decode(), None)[0].encode()

    def align(self, bytes text not None) -> tuple[bytes, array[int]]:
        """Return (normalized, sources) of valid UTF-8: for each code point of the result, the index of its source."""
        if self.chain is not None:
            chars, indexes = self.chain.apply(text.decode(), list(range(len(text.decode()))))
            return chars.encode(), array("I", indexes)
        sources = array("I")
        return self.rewritten(text, sources), sources

    cdef bytes rewritten(self, bytes text, sources):
        """Return the text that the form makes, with its prefix; add each code point's source to `sources`, if any."""
        cdef Source source = utf8_source(<const uint8_t *>PyBytes_AS_STRING(text), len(text))
        cdef Output out
        cdef bint done
        memset(&out, 0, sizeof(out))
        out.aligned = sources is not None
        try:
            with nogil:
                done = rewrite(self.form, &source, &out)
            if not done:
                raise MemoryError
            if out.aligned:
                sources.frombytes((<const uint8_t *>out.sources)[:out.count * sizeof(uint32_t)])
            if not out.same:
                text = out.text[:out.size]
        finally:
            free(out.text)
            free(out.sources)
        if not puts_space(self.prefix, text, len(text)):
            return text
        if sources is not None:
            sources.insert(0, 0)
        return b" " + text

    cdef Py_ssize_t carry(self, bytes text, ranges, Py_ssize_t start, found, Py_ssize_t begun) except -1:
        """Add to `found` the ranges of the normalized text whose sources lie in each of `ranges`; return its end.

        `ranges` are starts and ends in turn, ascending, in bytes of a text in which the stretch `text` begins at
        `start`. In the normalized text it begins at `begun`.
        """
        cdef Py_ssize_t i, at = 0, chars = 0, low, high, first, last, done = 0
        aligned, sources = self.align(text)
        cdef str normalized = aligned.decode()
        for i in range(bisect_right(ranges, start) // 2, len(ranges) // 2):
            low, high = max(ranges[2 * i] - start, 0), min(ranges[2 * i + 1] - start, <Py_ssize_t>len(text))
            if low >= len(text):
                break
            chars += len(text[at:low].decode())
            first = bisect_left(sources, chars)
            chars += len(text[low:high].decode())
            last, at = bisect_left(sources, chars), high
            if first < last:
                for low, high in ((done, first), (first, last)):
                    begun += len(normalized[low:high].encode())
                    found.append(begun)
                done = last
        return begun + len(normalized[done:].encode())

    def last_boundary(self, const uint8_t[::1] text not None, Py_ssize_t at, Py_ssize_t stop) -> int:
        """Return the last offset after `at` and before `stop` where valid UTF-8 may be cut for good, or `at`."""
        return last_boundary(self.form, &text[0], at, stop) if at < stop else at


cdef Py_ssize_t last_boundary(Form form, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop) noexcept nogil:
    """Do what `Normalizer.last_boundary` does."""
    cdef Py_ssize_t here = stop, width
    while here > at:
        here -= 1
        if text[here] & 0xC0 != 0x80 and form.flags[form.record(code_point(text + here, &width))] & BOUNDARY:
            return here
    return at


cdef bint rewrite(Form form, const Source *source, Output *out) noexcept nogil:
    """Write the normalized text of UTF-8; false if memory is out."""
    cdef Py_ssize_t at = 0, found, end = 0
    cdef Stretch work
    cdef bint fine = True
    memset(&work, 0, sizeof(work))
    while fine:
        found = form.find(source, at, &end, &work)
        if found == source.length and at == 0 and not out.aligned:
            out.same = True
            break
        fine = found >= 0 and copy_text(out, <const uint8_t *>source.data + at, found - at)
        if found == source.length:
            break
        fine = fine and write_codes(out, &work.made, work.before.size)
        at = end
    release(&work)
    return fine


cdef inline bint room_for(Output *out, Py_ssize_t size, Py_ssize_t count) noexcept nogil:
    """Make room for `size` bytes more, and for the sources of `count` code points; false if memory is out."""
    return huge_grow(
        &out.text, &out.capacity, out.size, max(out.size + size, <Py_ssize_t>LEAST), 1) and (
        not out.aligned or huge_grow(&out.sources, &out.sources_room, out.count, out.count + count, sizeof(uint32_t)))


cdef bint copy_text(Output *out, const uint8_t *text, Py_ssize_t size) noexcept nogil:
    """Write text that stays as it is."""
    cdef Py_ssize_t i
    if not room_for(out, size, size):
        return False
    if size:
        memcpy(out.text + out.size, text, size)
    out.size += size
    if out.aligned:
        for i in range(size):
            if text[i] & 0xC0 != 0x80:
                out.sources[out.count] = <uint32_t>out.taken
                out.count += 1
                out.taken += 1
    return True


cdef bint write_codes(Output *out, const Codes *made, Py_ssize_t count) noexcept nogil:
    """Write the new text of a stretch of `count` code points. Upstream's rule: a new one has the source before it."""
    cdef Py_ssize_t i, at = out.taken
    if not room_for(out, 4 * made.size, made.size):
        return False
    for i in range(made.size):
        out.size += encoded(made.codes[i].code, out.text + out.size)
        if out.aligned:
            out.sources[out.count] = <uint32_t>(max(at - 1, 0) if made.codes[i].change > 0 else at)
            out.count += 1
            at += 1 - made.codes[i].change
    out.taken += count
    return True
