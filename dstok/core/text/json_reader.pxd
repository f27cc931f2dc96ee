# JSON read byte by byte: strings as UTF-8, values that are passed over.
# In: a `Reader`, the rest of a JSON text. Out: whether the next value is what was expected; the reader stands after it.
# Invariant: nothing is read after the text's end, or written after the room that is given. The caller checks that the
# text is UTF-8. A lone surrogate is no string. Time is linear.
# Source: RFC 8259.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, strlen

from dstok.core.text.utf8 cimport encoded

cdef extern from *:
    int trailing "__builtin_ctzll"(uint64_t) noexcept nogil
    const uint64_t EACH "0x0101010101010101ull"  # times a byte: that byte eight times

cdef enum:
    COPY = 16  # bytes that are copied at once


cdef struct Reader:
    # The rest of a JSON text, or of a value in it.
    const uint8_t *at
    const uint8_t *end


cdef inline uint64_t eight(const uint8_t *p) noexcept nogil:
    cdef uint64_t found
    memcpy(&found, p, sizeof(found))
    return found


cdef inline void skip_blanks(Reader *r) noexcept nogil:
    cdef uint64_t others
    while r.at < r.end and (r.at[0] == c" " or r.at[0] == c"\n" or r.at[0] == c"\r" or r.at[0] == c"\t"):
        r.at += 1
        if r.end - r.at >= 8:  # files are indented: several spaces at once
            others = eight(r.at) ^ EACH * c" "
            r.at += trailing(others) >> 3 if others else 8


cdef inline bint takes(Reader *r, uint8_t sign) noexcept nogil:
    """Pass over a sign and the blanks around it; false if another one is there."""
    skip_blanks(r)
    if r.at == r.end or r.at[0] != sign:
        return False
    r.at += 1
    skip_blanks(r)
    return True


cdef inline bint takes_word(Reader *r, const char *word) noexcept nogil:
    """Pass over a word and the blanks after it; false if another one is there."""
    cdef Py_ssize_t length = strlen(word)
    if r.end - r.at < length or memcmp(r.at, word, length):
        return False
    r.at += length
    skip_blanks(r)
    return True


cdef inline bint read_number(Reader *r, uint64_t most, uint64_t *number) noexcept nogil:
    """Read a whole number below `most`; false if it is none."""
    cdef const uint8_t *first = r.at
    number[0] = 0
    while r.at < r.end and c"0" <= r.at[0] <= c"9" and number[0] < most:
        number[0] = 10 * number[0] + (r.at[0] - c"0")
        r.at += 1
    return r.at > first and (first[0] != c"0" or r.at - first == 1) and number[0] < most


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    return c - c"0" if c"0" <= c <= c"9" else (c | 0x20) - c"a" + 10 if c"a" <= c | 0x20 <= c"f" else -1


cdef inline int64_t hex_digits(Reader *r) noexcept nogil:
    """Read four hexadecimal digits; returns -1 if there are others."""
    cdef int64_t code = 0
    cdef int digit
    if r.end - r.at < 4:
        return -1
    for _ in range(4):
        digit = hex_digit(r.at[0])
        if digit < 0:
            return -1
        code = code << 4 | digit
        r.at += 1
    return code


cdef inline int64_t escaped(Reader *r) noexcept nogil:
    """Read an escape after its backslash; returns the code point, or -1."""
    cdef int64_t code, low
    cdef uint8_t c
    if r.at == r.end:
        return -1
    c = r.at[0]
    r.at += 1
    if c != c"u":
        return (c if c == c'"' or c == c"\\" or c == c"/" else c"\n" if c == c"n" else c"\t" if c == c"t" else
                c"\r" if c == c"r" else 8 if c == c"b" else 12 if c == c"f" else -1)
    code = hex_digits(r)
    if code >> 11 != 0x1B:
        return code
    if code >= 0xDC00 or r.end - r.at < 2 or r.at[0] != c"\\" or r.at[1] != c"u":
        return -1
    r.at += 2
    low = hex_digits(r)
    return 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF)) if low >> 10 == 0x37 else -1


cdef inline const uint8_t *plain_end(const uint8_t *at, const uint8_t *end) noexcept nogil:
    """Return the first quote, backslash or control character, or the end."""
    cdef uint64_t w, quotes, slashes, found
    while end - at >= 8:  # the lowest high bit that is found is that of the first such byte
        w = eight(at)
        quotes, slashes = w ^ EACH * c'"', w ^ EACH * c"\\"
        found = ((quotes - EACH) & ~quotes | (slashes - EACH) & ~slashes | (w - EACH * 0x20) & ~w) & EACH * 0x80
        if found:
            return at + (trailing(found) >> 3)
        at += 8
    while at < end and at[0] >= 0x20 and at[0] != c'"' and at[0] != c"\\":
        at += 1
    return at


cdef inline bint read_string(Reader *r, uint8_t *out, Py_ssize_t room, Py_ssize_t *length) noexcept nogil:
    """Read a JSON string as UTF-8, with its length; false if it is none. Writes only what the room holds."""
    cdef uint8_t unit[4]
    cdef const uint8_t *start
    cdef Py_ssize_t size
    cdef int64_t code
    length[0] = 0
    if r.at == r.end or r.at[0] != c'"':
        return False
    r.at += 1
    while True:
        start = r.at
        r.at = plain_end(start, r.end)
        size = r.at - start
        if size <= COPY and room - length[0] >= COPY and r.end - start >= COPY:
            memcpy(out + length[0], start, COPY)  # one instruction
        elif length[0] < room:
            memcpy(out + length[0], start, min(size, room - length[0]))
        length[0] += size
        if r.at == r.end or r.at[0] < 0x20:
            return False
        r.at += 1
        if r.at[-1] == c'"':
            return True
        code = escaped(r)
        if code < 0:
            return False
        size = encoded(<uint32_t>code, unit)
        if length[0] < room:
            memcpy(out + length[0], unit, min(size, room - length[0]))
        length[0] += size


cdef inline bint pass_value(Reader *r) noexcept nogil:
    """Pass over a value by its brackets and strings alone; false if the text ends before."""
    cdef Py_ssize_t depth = 0
    cdef uint8_t c
    while r.at < r.end:
        c = r.at[0]
        if depth == 0 and (c == c"," or c == c"}" or c == c"]"):
            return True
        r.at += 1
        if c == c'"':
            while r.at < r.end and r.at[0] != c'"':
                r.at += 2 if r.at[0] == c"\\" else 1
            if r.at >= r.end:
                return False
            r.at += 1
        elif c == c"{" or c == c"[":
            depth += 1
        elif c == c"}" or c == c"]":
            depth -= 1
            if depth == 0:
                return True
    return False
