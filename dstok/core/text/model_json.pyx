"""The vocabulary and the merges of a tokenizer.json, read from its bytes; the tokens of a model, packed.

In: the bytes of a tokenizer.json. Out: the file without the two tables; a `Vocabulary`, which has both; `TokenTable`.
Invariant: what is read is JSON in UTF-8 without a lone surrogate, has no key and no id twice, and each merge is two
tokens that make one, no two merges alike. Of anything else only the entry's number is told: its reader in Python parses
the file again and names the fault. Time is linear: the hash of spellings has a random seed.
Source: RFC 8259.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

from dstok.core.cpu.level cimport Implementation, chosen
from dstok.core.text.hash cimport hash_bytes
from dstok.core.text.utf8 cimport code_point, encoded, find_invalid

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from os import urandom

from dstok.errors import UnsupportedError

cdef extern from *:
    void prefetch "__builtin_prefetch"(const void *) noexcept nogil  # a third of the time is waiting for memory

NO_FAULT = -1
MOST_BYTES = (1 << 31) - 1  # of a vocabulary in JSON
cdef uint32_t NO_ID = 0xFFFFFFFF

cdef enum:
    NONE = -1
    ALPHABET = 0x144  # above the code points of the byte-level alphabet


cdef struct Reader:
    # The rest of a JSON text, or of a value in it.
    const uint8_t *at
    const uint8_t *end


cdef struct Merge:
    # The ids of a merge; the number of the merge before that makes the same token, plus 1, or 0.
    uint32_t left, right, made, before


cdef inline void skip_blanks(Reader *r) noexcept nogil:
    while r.at < r.end and (r.at[0] == c" " or r.at[0] == c"\n" or r.at[0] == c"\r" or r.at[0] == c"\t"):
        r.at += 1


cdef inline bint takes(Reader *r, uint8_t sign) noexcept nogil:
    """Pass over a sign and the blanks around it; false if another one is there."""
    skip_blanks(r)
    if r.at == r.end or r.at[0] != sign:
        return False
    r.at += 1
    skip_blanks(r)
    return True


cdef inline int hex_digit(uint8_t c) noexcept nogil:
    return c - c"0" if c"0" <= c <= c"9" else (c | 0x20) - c"a" + 10 if c"a" <= c | 0x20 <= c"f" else -1


cdef int64_t hex_digits(Reader *r) noexcept nogil:
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


cdef int64_t escaped(Reader *r) noexcept nogil:
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


cdef bint read_string(Reader *r, uint8_t *out, Py_ssize_t room, Py_ssize_t *length) noexcept nogil:
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
        while r.at < r.end and r.at[0] >= 0x20 and r.at[0] != c'"' and r.at[0] != c"\\":
            r.at += 1
        size = r.at - start
        if length[0] < room:
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


cdef bint pass_value(Reader *r) noexcept nogil:
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


cdef bint find_tables(Reader *r, bint inside, Reader *vocab, Reader *merges) noexcept nogil:
    """Pass over an object, the file or `inside` the model, and note the model's tables; false if it is broken.

    A table is what begins as one should; of two of one name the last counts.
    """
    cdef uint8_t key[6]
    cdef Py_ssize_t length
    cdef const uint8_t *begin
    cdef bint whole
    if not takes(r, c"{"):
        return False
    if takes(r, c"}"):
        return True
    while True:
        if not (read_string(r, key, sizeof(key), &length) and takes(r, c":") and r.at < r.end):
            return False
        begin = r.at
        whole = inside or length != 5 or memcmp(key, b"model", 5) != 0 or begin[0] != c"{"
        if not (pass_value(r) if whole else find_tables(r, True, vocab, merges)):
            return False
        if inside and length == 5 and memcmp(key, b"vocab", 5) == 0 and begin[0] == c"{":
            vocab[0] = Reader(begin, r.at)
        if inside and length == 6 and memcmp(key, b"merges", 6) == 0 and begin[0] == c"[":
            merges[0] = Reader(begin, r.at)
        if takes(r, c"}"):
            return True
        if not takes(r, c","):
            return False


def scan_model(
    const uint8_t[::1] data not None, Py_ssize_t most, Py_ssize_t most_bytes = MOST_BYTES
) -> tuple[bytes | None, Vocabulary]:
    """Return a file with {} and [] for its two tables, and these; `most` is the number of ids.

    None stands for a file with a fault, or without a vocabulary. Raises `UnsupportedError` for a vocabulary of more
    than `most_bytes`.
    """
    cdef Py_ssize_t size = data.shape[0], i
    cdef const uint8_t *base = &data[0] if size else NULL
    cdef Reader reader = Reader(base, base + size), vocab = Reader(NULL, NULL), merges = Reader(NULL, NULL)
    cdef Vocabulary found = Vocabulary(most)
    cdef const Implementation *level = chosen()
    cdef bint well
    with nogil:
        well = size > 0 and find_tables(&reader, False, &vocab, &merges) and find_invalid(base, size, level) < 0
    if not well or vocab.at == NULL:
        return None, found
    if vocab.end - vocab.at > most_bytes:
        raise UnsupportedError(f"a vocabulary of more than {most_bytes} bytes", "$.model.vocab")
    found.read(vocab)
    edges = [0, vocab.at - base + 1, vocab.end - base - 1, size]
    if merges.at != NULL and found.fault == NONE:
        found.read_merges(merges)
        edges += [merges.at - base + 1, merges.end - base - 1]
    if found.fault != NONE or found.merge_fault != NONE:
        return None, found
    edges.sort()
    return b"".join([data[edges[i]:edges[i + 1]] for i in range(0, len(edges), 2)]), found


@cython.final
cdef class Vocabulary:
    """The ids of a vocabulary by spelling, and the spellings by id: an open-addressing table of UTF-8.

    merges: the ids of the model's merges, flat: left, right, merged. fault, merge_fault: the number of the first entry
    of either table that could not be read, or `NO_FAULT`.
    """

    cdef uint8_t *texts     # the spellings, in the order of the file
    cdef uint32_t *spans    # id -> where its text begins, plus 1, and its length; 0: it has none
    cdef uint32_t *slots    # id + 1; 0: free
    cdef uint64_t mask, seed
    cdef Py_ssize_t count, used, most  # used: bytes of texts
    cdef uint32_t longest
    cdef Py_ssize_t size    # the largest id + 1
    cdef readonly object merges  # type: array[int]
    cdef readonly Py_ssize_t fault, merge_fault

    def __cinit__(self, Py_ssize_t most):
        self.most, self.seed, self.merges = most, int.from_bytes(urandom(8), "little"), array("I")
        self.fault = self.merge_fault = NONE

    def __dealloc__(self):
        free(self.texts)
        free(self.spans)
        free(self.slots)

    cdef int read(self, Reader r) except -1:
        """Read the object. The first entry that is none is its fault, then one whose id another one has."""
        self.texts = <uint8_t *>malloc(r.end - r.at)
        self.spans = <uint32_t *>calloc(2 * self.most, sizeof(uint32_t))
        if self.texts == NULL or self.spans == NULL:
            raise MemoryError
        with nogil:
            self.fault = self.scan(r)
        if self.fault == NONE:
            while self.mask < 2 * <uint64_t>self.count:
                self.mask = 2 * self.mask + 1
            self.slots = <uint32_t *>calloc(self.mask + 1, sizeof(uint32_t))
            if self.slots == NULL:
                raise MemoryError
            with nogil:
                self.fault = self.index()
        return 0

    cdef Py_ssize_t scan(self, Reader r) noexcept nogil:
        cdef Py_ssize_t length, twice = NONE
        cdef uint64_t number
        cdef const uint8_t *first
        cdef const uint8_t *end = r.end
        if not takes(&r, c"{"):
            return 0
        if takes(&r, c"}"):
            return NONE
        while True:
            if not (read_string(&r, self.texts + self.used, end - r.at, &length) and takes(&r, c":")):
                return self.count
            first, number = r.at, 0
            while r.at < end and c"0" <= r.at[0] <= c"9" and number < <uint64_t>self.most:
                number = 10 * number + (r.at[0] - c"0")
                r.at += 1
            if r.at == first or (first[0] == c"0" and r.at - first > 1) or number >= <uint64_t>self.most:
                return self.count
            if self.spans[2 * number] and twice == NONE:
                twice = self.count
            self.spans[2 * number], self.spans[2 * number + 1] = <uint32_t>self.used + 1, <uint32_t>length
            self.size, self.longest = max(self.size, <Py_ssize_t>number + 1), max(self.longest, <uint32_t>length)
            self.used += length
            if takes(&r, c"}"):
                self.count += 1
                return twice
            if not takes(&r, c","):
                return self.count
            self.count += 1

    cdef Py_ssize_t index(self) noexcept nogil:
        """Fill the slots. Returns an id whose text another one has, or NONE."""
        cdef uint32_t i
        cdef uint32_t *slot
        for i in range(<uint32_t>self.size):
            if self.spans[2 * i]:
                slot = self.slot(self.home(self.text(i), self.spans[2 * i + 1]), self.text(i), self.spans[2 * i + 1])
                if slot[0]:
                    return i
                slot[0] = i + 1
        return NONE

    cdef inline const uint8_t *text(self, uint32_t id) noexcept nogil:
        return self.texts + self.spans[2 * id] - 1

    cdef inline bint equals(self, uint32_t id, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        return (self.spans[2 * id + 1] == <uint32_t>length and self.spans[2 * id] != 0
                and memcmp(self.text(id), text, length) == 0)

    cdef inline uint64_t home(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the first slot that may be that of a text."""
        cdef uint64_t at = hash_bytes(self.seed, text, length) & self.mask
        prefetch(self.slots + at)
        return at

    cdef inline uint32_t *slot(self, uint64_t at, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the slot of a text from its first one on, or the free one that it would get."""
        cdef uint32_t id
        while self.slots[at]:
            id = self.slots[at] - 1
            if self.equals(id, text, length):
                break
            at = (at + 1) & self.mask
        return &self.slots[at]

    cdef inline uint32_t find(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        return self.slot(self.home(text, length), text, length)[0] - 1 if self.slots != NULL else NO_ID

    cdef int read_merges(self, Reader r) except -1:
        """Read the array. The first entry that is none is its fault, then one that is there again."""
        cdef Py_ssize_t room = max(<Py_ssize_t>self.longest + 1, 8), most = 0, count = 0, i
        cdef uint32_t[::1] flat
        cdef uint8_t sign
        cdef uint8_t *text
        cdef Merge *found
        cdef uint32_t *last
        for sign in r.at[:r.end - r.at]:
            most += sign == c'"'
        most = most // 2 + 1  # a merge has a string at least
        text, found = <uint8_t *>malloc(room), <Merge *>malloc(most * sizeof(Merge))
        last = <uint32_t *>calloc(self.size + 1, sizeof(uint32_t))
        try:
            if text == NULL or found == NULL or last == NULL:
                raise MemoryError
            with nogil:
                self.merge_fault = self.scan_merges(r, text, room, found, &count, last)
            self.merges = flat = array("I", [0]) * (3 * count)
            for i in range(count):
                flat[3 * i], flat[3 * i + 1], flat[3 * i + 2] = found[i].left, found[i].right, found[i].made
        finally:
            free(text)
            free(found)
            free(last)
        return 0

    cdef Py_ssize_t scan_merges(
        self, Reader r, uint8_t *text, Py_ssize_t room, Merge *found, Py_ssize_t *count, uint32_t *last
    ) noexcept nogil:
        """Read merges, as [left, right], or "left right" and lines that begin with #version.

        last: id -> the number of the last merge that makes it, plus 1. Alike are merges that make one token of one left
        side. A token of n bytes has n + 1 such sides at most: so comparing takes no longer than reading.
        """
        cdef Py_ssize_t number = 0, middle = 0, length = 0, twice = NONE
        cdef const uint8_t *space
        cdef Merge *merge = found
        cdef uint32_t next = NO_ID, other
        cdef uint64_t left, right
        cdef bint pairs
        if not takes(&r, c"[") or takes(&r, c"]"):
            return NONE
        pairs = r.at[0] == c"["
        while True:
            if pairs:
                if not (takes(&r, c"[") and read_string(&r, text, room, &middle) and middle <= room and takes(&r, c",")
                        and read_string(&r, text + middle, room - middle, &length) and takes(&r, c"]")):
                    return number
                length += middle
            elif not read_string(&r, text, room, &length):
                return number
            else:
                space = <const uint8_t *>memchr(text, c" ", min(length, room))
                middle = space - text if space != NULL else NONE
            if pairs or length < 8 or memcmp(text, b"#version", 8) != 0:
                if length > room or middle == NONE:
                    return number
                if not pairs:
                    length -= 1
                    memmove(text + middle, text + middle + 1, length - middle)
                    if memchr(text + middle, c" ", length - middle) != NULL:
                        return number
                left, right = self.home(text, middle), self.home(text + middle, length - middle)
                next += 1  # most merges make the token after that of the merge before
                if next >= self.size or not self.equals(next, text, length):
                    next = self.find(text, length)
                prefetch(self.spans + 2 * <size_t>self.slots[left])
                prefetch(self.spans + 2 * <size_t>self.slots[right])
                merge[0] = Merge(self.slot(left, text, middle)[0] - 1,
                                 self.slot(right, text + middle, length - middle)[0] - 1, next, 0)
                if merge.left == NO_ID or merge.right == NO_ID or next == NO_ID:
                    return number
                if twice == NONE:
                    other = merge.before = last[next]
                    while other and found[other - 1].left != merge.left:
                        other = found[other - 1].before
                    twice = number if other else NONE
                merge += 1
                count[0] += 1
                last[next] = <uint32_t>count[0]
            if takes(&r, c"]"):
                return twice
            if not takes(&r, c","):
                return number
            number += 1

    def tokens(self, str alphabet = None) -> tuple[TokenTable, list[int]]:
        """Return the tokens by id, and the ids of odd ones, in the order of the file.

        alphabet: the characters of the bytes; a spelling with another character, or without one, is odd, and stands for
        itself. None: a spelling has a space for each U+2581, and "<0x0A>" is a byte. Odd are those without a character,
        with a space, or of another form of six bytes with "<0x" before and ">" after.
        """
        cdef int16_t byte_of[ALPHABET]
        cdef uint32_t id, length
        cdef Py_ssize_t used = 0
        memset(byte_of, -1, sizeof(byte_of))
        for i, char in enumerate(alphabet or ""):
            byte_of[ord(char)] = i
        starts = array("I", [0]) * (self.size + 1)
        cdef uint32_t[::1] at = starts
        cdef bytes blob = PyBytes_FromStringAndSize(NULL, self.used)
        cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(blob)
        cdef list odd = []
        for id in range(<uint32_t>self.size):
            if self.spans[2 * id]:
                length = self.spans[2 * id + 1]
                if not (canonical(self.text(id), length, out, &used) if alphabet is None else
                        decoded(self.text(id), length, byte_of, out, &used)):
                    odd.append((self.spans[2 * id], id))
            at[id + 1] = <uint32_t>used
        empty = self.find(out, 0)
        return TokenTable(starts, blob, [] if empty == NO_ID else [empty]), [id for _, id in sorted(odd)]

    def text_of(self, uint32_t id) -> str | None:
        """Return the spelling of an id, or None."""
        if id >= self.size or not self.spans[2 * id]:
            return None
        return PyUnicode_DecodeUTF8(<const char *>self.text(id), self.spans[2 * id + 1], NULL)

    def get(self, str text not None) -> int | None:
        """Return the id of a spelling, or None."""
        cdef bytes data = text.encode("utf-8", "surrogatepass")
        cdef uint32_t id = self.find(<const uint8_t *>PyBytes_AS_STRING(data), len(data))
        return None if id == NO_ID else id

    def __contains__(self, str text) -> bool:
        return self.get(text) is not None

    def __len__(self):
        return self.count


cdef bint decoded(
    const uint8_t *text, uint32_t length, const int16_t *byte_of, uint8_t *out, Py_ssize_t *used
) noexcept nogil:
    """Write the bytes that a spelling stands for; if it is odd, write the spelling, and return false."""
    cdef uint8_t *to = out + used[0]
    cdef uint32_t i = 0, code
    cdef Py_ssize_t width
    while i < length:
        code = code_point(text + i, &width)
        if code >= ALPHABET or byte_of[code] < 0:
            memcpy(out + used[0], text, length)
            used[0] += length
            return False
        to[0] = <uint8_t>byte_of[code]
        to += 1
        i += <uint32_t>width
    used[0] = to - out
    return length > 0


cdef bint canonical(const uint8_t *text, uint32_t length, uint8_t *out, Py_ssize_t *used) noexcept nogil:
    """Write a spelling of a model of characters as its text; return false if it is odd."""
    cdef uint8_t *to = out + used[0]
    cdef uint32_t i = 0
    cdef bint plain = length > 0
    cdef int high, low
    if length == 6 and memcmp(text, b"<0x", 3) == 0 and text[5] == c">":
        high, low = hex_digit(text[3]), hex_digit(text[4])
        if high >= 0 and low >= 0 and text[3] <= c"F" and text[4] <= c"F":
            to[0] = <uint8_t>(high << 4 | low)
            used[0] += 1
            return True
        plain = False
    while i < length:
        if i + 2 < length and text[i] == 0xE2 and text[i + 1] == 0x96 and text[i + 2] == 0x81:
            to[0] = c" "
            i += 3
        else:
            plain = plain and text[i] != c" "
            to[0] = text[i]
            i += 1
        to += 1
    used[0] = to - out
    return plain


def find_any(const uint32_t[::1] numbers not None, wanted: Iterable[int]) -> list[int]:
    """Return the offsets in `numbers` at which one of the wanted numbers stands.

    >>> find_any(array("I", [5, 6, 7, 5]), [5, 7, 1000])
    [0, 2, 3]
    """
    cdef list found = []
    cdef Py_ssize_t i
    cdef uint32_t number
    cdef uint8_t[::1] is_wanted = bytearray(max(wanted, default=0) + 1)
    for number in wanted:
        is_wanted[number] = True
    for i in range(numbers.shape[0]):
        if numbers[i] < is_wanted.shape[0] and is_wanted[numbers[i]]:
            found.append(i)
    return found


@cython.final
cdef class TokenTable:
    """The tokens of a vocabulary by id: a sequence of bytes, with None for an id without a token.

    starts: uint32[len + 1]. blob: the bytes of all tokens. empty: the ids of tokens without a byte; any other id
    without bytes has no token. Raises `ValueError` if the starts do not fit.

    >>> table = pack_tokens([b"a", None, b"", b"bc"])
    >>> table[0], table[1], table[2], list(table.starts), table.blob, table.of_length(2)
    (b'a', None, b'', [0, 1, 1, 1, 3], b'abc', array('I', [3]))
    """

    cdef readonly object starts  # type: array[int]
    cdef readonly bytes blob
    cdef readonly frozenset empty  # type: frozenset[int]
    cdef const uint32_t[::1] at

    def __init__(self, starts: array[int], bytes blob not None, empty: Iterable[int] = ()):
        cdef const uint32_t[::1] at = starts
        cdef Py_ssize_t i
        if not at.shape[0] or at[0] or at[at.shape[0] - 1] > <size_t>len(blob):
            raise ValueError("expected starts from 0 to at most the length of the blob")
        for i in range(1, at.shape[0]):
            if at[i - 1] > at[i]:
                raise ValueError(f"expected starts that grow, found {at[i - 1]} and {at[i]}")
        self.starts, self.at, self.blob, self.empty = starts, at, blob[:at[at.shape[0] - 1]], frozenset(empty)

    cdef object token(self, Py_ssize_t i):
        if self.at[i] == self.at[i + 1] and i not in self.empty:
            return None
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.blob) + self.at[i], self.at[i + 1] - self.at[i])

    def of_length(self, Py_ssize_t length) -> array[int]:
        """Return the ids of the tokens of that many bytes, at least one."""
        cdef Py_ssize_t i
        return array("I", [i for i in range(self.at.shape[0] - 1) if self.at[i + 1] - self.at[i] == length > 0])

    def __len__(self):
        return self.at.shape[0] - 1

    def __getitem__(self, key: int) -> bytes | None:
        """Return a token; a negative index counts from the end, as in a tuple."""
        cdef Py_ssize_t i = key, count = self.at.shape[0] - 1
        if i < 0:
            i += count
        if not 0 <= i < count:
            raise IndexError(key)
        return self.token(i)

    def __iter__(self) -> Iterator[bytes | None]:
        return map(self.__getitem__, range(self.at.shape[0] - 1))

    def __eq__(self, object other) -> bool:
        if isinstance(other, TokenTable):
            return self.starts == other.starts and self.blob == other.blob and self.empty == other.empty
        return isinstance(other, (tuple, list)) and len(self) == len(other) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"pack_tokens({list(self)})"

    def __reduce__(self) -> tuple[type[TokenTable], tuple[array[int], bytes, frozenset[int]]]:
        return TokenTable, (self.starts, self.blob, self.empty)


Sequence.register(TokenTable)


def pack_tokens(tokens: Iterable[bytes | None]) -> TokenTable:
    """Return the table of tokens; None stands for an id without one."""
    cdef list known = list(tokens)
    starts = array("I", [0])
    starts.extend(accumulate(len(token or b"") for token in known))
    return TokenTable(starts, b"".join([token or b"" for token in known]),
                      [i for i, token in enumerate(known) if token == b""])
