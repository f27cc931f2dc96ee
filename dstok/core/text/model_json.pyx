"""The vocabulary, merges and added tokens of a tokenizer.json, read from its bytes; the tokens of a model, packed.

In: the bytes of a tokenizer.json. Out: the file without its tables; a `Vocabulary`, which has them; `TokenTable`.
Invariant: what is read is JSON in UTF-8 without a lone surrogate, has no key and no id twice, and each merge is two
tokens that make one, no two merges alike. Of anything else only the entry's number is told: its reader in Python parses
the file again and names the fault. Time is linear: the hash of spellings has a random seed.
Source: RFC 8259.
"""

cimport cython
from cpython cimport array as arrays
from cpython.buffer cimport PyBUF_WRITE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

from dstok.core.cpu.level cimport Implementation, chosen
from dstok.core.cpu.platform cimport huge_advise, huge_free, huge_refuse, huge_zeroed, prefetch
from dstok.core.text.hash cimport hash_bytes
from dstok.core.text.json_reader cimport Reader, hex_digit, pass_value, read_number, read_string, takes, takes_word
from dstok.core.text.utf8 cimport code_point, find_invalid

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from os import urandom

from dstok.errors import UnsupportedError

NO_FAULT = -1
MOST_BYTES = (1 << 31) - 1  # of a vocabulary in JSON
cdef uint32_t NO_ID = 0xFFFFFFFF
cdef Py_ssize_t MOST_USED = 0xFFFFFFF0  # bytes of spellings and their heads

cdef enum:
    NONE = -1
    ALPHABET = 0x144  # above the code points of the byte-level alphabet
    LARGE_FILE = 1 << 22  # bytes; the tables of a smaller file would fill large pages in part
    HEAD = 8          # bytes of an id and a length before each spelling
    BATCH = 32        # merges that are looked up together
    AHEAD = 16        # look-ups between the fetch of a line and its use: a third of the time would be waiting


cdef struct Merge:
    # A merge that was read: both texts, the length of the first and of both, its number, and the slots to look in.
    uint8_t *text
    Py_ssize_t middle, length, number
    uint64_t left, right, whole


cdef inline uint32_t word(const uint8_t *p) noexcept nogil:
    cdef uint32_t found
    memcpy(&found, p, sizeof(found))
    return found


cdef bint read_pair(Reader *r, Merge *merge) noexcept nogil:
    """Read a merge as [left, right]; false if it is none. Its text has room for the rest of the file."""
    if not (takes(r, c"[") and read_string(r, merge.text, r.end - r.at, &merge.middle) and takes(r, c",")
            and read_string(r, merge.text + merge.middle, r.end - r.at, &merge.length) and takes(r, c"]")):
        return False
    merge.length += merge.middle
    return True


cdef bint read_line(Reader *r, Merge *merge) noexcept nogil:
    """Read a merge as "left right"; false if it is none. A line that begins with #version has the length NONE."""
    cdef uint8_t *space
    if not read_string(r, merge.text, r.end - r.at, &merge.length):
        return False
    if merge.length >= 8 and memcmp(merge.text, b"#version", 8) == 0:
        merge.length = NONE
        return True
    space = <uint8_t *>memchr(merge.text, c" ", merge.length)
    if space == NULL:
        return False
    merge.length -= 1
    merge.middle = space - merge.text
    memmove(space, space + 1, merge.length - merge.middle)
    return memchr(space, c" ", merge.length - merge.middle) == NULL


cdef bint find_tables(Reader *r, bint inside, Vocabulary found) noexcept nogil:
    """Pass over an object, the file or `inside` the model, and read the model's tables; false if it is broken.

    A table is what begins as one should. A second vocabulary is a fault, as each key that is there twice.
    """
    cdef uint8_t key[12]
    cdef Py_ssize_t length
    cdef uint8_t sign
    cdef bint well
    if not takes(r, c"{"):
        return False
    if takes(r, c"}"):
        return True
    while True:
        if not (read_string(r, key, sizeof(key), &length) and takes(r, c":") and r.at < r.end):
            return False
        sign = r.at[0]
        if not inside and length == 5 and memcmp(key, b"model", 5) == 0 and sign == c"{":
            well = find_tables(r, True, found)
        elif inside and length == 5 and memcmp(key, b"vocab", 5) == 0 and sign == c"{":
            well = found.read(r)
        elif inside and length == 6 and memcmp(key, b"merges", 6) == 0 and sign == c"[":
            well = found.read_merges(r)
        elif not inside and length == 12 and memcmp(key, b"added_tokens", 12) == 0 and sign == c"[":
            well = found.passed(r, r.at, False, &found.added_at)
        else:
            well = pass_value(r)
        if not well:
            return False
        if takes(r, c"}"):
            return True
        if not takes(r, c","):
            return False


def uint32s(Py_ssize_t count) -> array[int]:
    """Return an array of so many numbers of any value, on large pages."""
    cdef arrays.array made = arrays.clone(array("I"), count, False)
    huge_advise(made.data.as_chars, 4 * count)
    return made


def large_bytes(Py_ssize_t count) -> tuple[bytes, memoryview]:
    """Return so many bytes of any value, on large pages, and their memory, to be written before they are used.

    The view does not keep the bytes alive.
    """
    cdef bytes made = PyBytes_FromStringAndSize(NULL, count)
    huge_advise(PyBytes_AS_STRING(made), count)
    return made, PyMemoryView_FromMemory(PyBytes_AS_STRING(made), count, PyBUF_WRITE)


def scan_model(
    const uint8_t[::1] data not None, Py_ssize_t most, Py_ssize_t most_bytes = MOST_BYTES
) -> tuple[bytes | None, Vocabulary]:
    """Return a file with {} and [] for its tables, and these; `most` is the number of ids.

    None stands for a file with a fault, or without a vocabulary. Raises `UnsupportedError` for a vocabulary of more
    than `most_bytes`.
    """
    cdef Py_ssize_t size = data.shape[0], i
    cdef const uint8_t *base = &data[0] if size else NULL
    cdef Reader reader = Reader(base, base + size), before
    cdef Vocabulary found = Vocabulary(most, size)
    cdef arrays.array merges = uint32s(size)  # one takes more bytes in the file than here: the rest is never written
    cdef const Implementation *level = chosen()
    cdef bint well
    found.flat = merges.data.as_uints
    with nogil:
        well = size > 0 and find_tables(&reader, False, found) and find_invalid(base, size, level) < 0
        before = found.merges_at
        if well and before.at != NULL and before.at < found.vocab_at.at:
            found.read_merges(&before)
    if not well or found.vocab_at.at == NULL:
        return None, Vocabulary(most)
    if found.vocab_at.end - found.vocab_at.at > most_bytes:
        raise UnsupportedError(f"a vocabulary of more than {most_bytes} bytes", "$.model.vocab")
    edges = [0, found.vocab_at.at - base + 1, found.vocab_at.end - base - 1, size]
    if found.fault != NONE or found.merge_fault != NONE:
        return None, found
    if found.merges_at.at != NULL:
        edges += [found.merges_at.at - base + 1, found.merges_at.end - base - 1]
        arrays.resize(merges, 3 * found.merge_count)
        found.merges = merges
    if found.added_at.at != NULL:
        found.added = found.read_added(found.added_at)
        edges += [found.added_at.at - base + 1, found.added_at.end - base - 1] if found.added else []
    edges.sort()
    return b"".join([data[edges[i]:edges[i + 1]] for i in range(0, len(edges), 2)]), found


@cython.final
cdef class Vocabulary:
    """The ids of a vocabulary by spelling, and the spellings by id: an open-addressing table of UTF-8.

    merges: the ids of the model's merges, flat: left, right, merged. fault, merge_fault: the number of the first entry
    of either table that could not be read, or `NO_FAULT`. added: the fields of each added token, if all are as upstream
    writes them, and have their ids: so says _read_added_tokens (formats/tokenizer_json.py), which reads any others.
    """

    cdef uint8_t *memory    # of all arrays
    cdef size_t room
    cdef uint8_t *texts     # of each entry of the file its id, its length, and its spelling
    cdef uint32_t *places   # id -> where its entry begins, plus 1; 0: it has none
    cdef uint32_t *slots    # the same numbers, by the hashes of the spellings; 0: free
    cdef uint32_t *flat     # of each merge left, right and merged id: room for one in three bytes of the file
    cdef uint32_t *chain    # of each merge what `scan_merges` says
    cdef uint32_t *last
    cdef uint64_t mask, seed
    cdef Py_ssize_t count, used, most  # used: bytes of texts
    cdef Py_ssize_t size    # the largest id + 1
    cdef Py_ssize_t merge_count
    cdef Reader vocab_at, merges_at, added_at  # the tables in the file, brackets included
    cdef readonly object merges  # type: array[int]
    cdef readonly list added  # type: list[tuple[int, str, bool, bool, bool, bool, bool, bool]]
    cdef readonly Py_ssize_t fault, merge_fault

    def __cinit__(self, Py_ssize_t most, Py_ssize_t size=0):
        """Make room for the tables of a file of `size` bytes: what is not written takes no memory."""
        self.most, self.seed, self.merges = most, int.from_bytes(urandom(8), "little"), array("I")
        self.fault, self.merge_fault, self.added = NONE, NONE, []
        self.room = 24 * most + 6 * size + 64
        self.memory = <uint8_t *>huge_zeroed(self.room)
        if self.memory == NULL:
            raise MemoryError
        if size < LARGE_FILE:
            huge_refuse(self.memory, self.room)
        self.slots = <uint32_t *>self.memory
        self.places, self.last, self.chain = self.slots + 4 * most, self.slots + 5 * most, self.slots + 6 * most
        self.texts = <uint8_t *>(self.chain + size + 4)

    def __dealloc__(self):
        huge_free(self.memory, self.room)

    cdef bint read(self, Reader *r) noexcept nogil:
        """Read the object; false if it is broken. The first entry that is none is its fault, then one whose id another
        one has, then one whose spelling another one has.
        """
        cdef const uint8_t *begin = r.at
        if self.vocab_at.at != NULL:  # another one came before
            return False
        self.fault = self.scan(r)
        if self.fault == NONE:
            while self.mask + 1 <= 2 * <uint64_t>self.count:  # fewer than half are used: else many read two texts
                self.mask = 2 * self.mask + 1
            self.fault = self.index()
        return self.passed(r, begin, self.fault == NONE, &self.vocab_at)

    cdef bint passed(self, Reader *r, const uint8_t *begin, bint well, Reader *table) noexcept nogil:
        """Note the table that begins there; pass over one with a fault. False if it is broken."""
        cdef const uint8_t *end
        if not well:
            r.at = begin
            if not pass_value(r):
                return False
        end = r.at
        while (end - 1)[0] != begin[0] + 2:  # the bracket; there may be blanks after it
            end -= 1
        table[0] = Reader(begin, end)
        return True

    cdef Py_ssize_t scan(self, Reader *r) noexcept nogil:
        cdef Py_ssize_t length, twice = NONE
        cdef uint64_t number
        cdef uint32_t head[2]
        takes(r, c"{")
        if takes(r, c"}"):
            return NONE
        while True:
            if not (read_string(r, self.texts + self.used + HEAD, r.end - r.at, &length) and takes(r, c":")
                    and read_number(r, self.most, &number) and self.used + length <= MOST_USED):
                return self.count
            if self.places[number] and twice == NONE:
                twice = self.count
            self.places[number], head[0], head[1] = <uint32_t>self.used + 1, <uint32_t>number, <uint32_t>length
            memcpy(self.texts + self.used, head, HEAD)
            self.size = max(self.size, <Py_ssize_t>number + 1)
            self.used += HEAD + length
            if takes(r, c"}"):
                self.count += 1
                return twice
            if not takes(r, c","):
                return self.count
            self.count += 1

    cdef Py_ssize_t index(self) noexcept nogil:
        """Fill the slots. Returns an id whose text another one has, or NONE."""
        cdef uint32_t i, id
        cdef uint64_t[AHEAD] homes
        cdef uint32_t *slot
        for i in range(<uint32_t>self.size + AHEAD):
            id = i - AHEAD
            if i >= AHEAD and self.places[id]:
                slot = self.slot(homes[i % AHEAD], self.text(id), self.length(id))
                if slot[0]:
                    return id
                slot[0] = self.places[id]
            if i < <uint32_t>self.size and self.places[i]:
                homes[i % AHEAD] = self.home(self.text(i), self.length(i))
        return NONE

    cdef inline const uint8_t *text(self, uint32_t id) noexcept nogil:
        return self.texts + self.places[id] - 1 + HEAD

    cdef inline uint32_t length(self, uint32_t id) noexcept nogil:
        return word(self.text(id) - 4)

    cdef inline bint equals(self, const uint8_t *entry, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        return word(entry + 4) == <uint32_t>length and memcmp(entry + HEAD, text, length) == 0

    cdef inline uint64_t home(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the first slot that may be that of a text."""
        cdef uint64_t at = hash_bytes(self.seed, text, length) & self.mask
        prefetch(self.slots + at)
        return at

    cdef inline uint32_t *slot(self, uint64_t at, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the slot of a text from its first one on, or the free one that it would get."""
        while self.slots[at] and not self.equals(self.texts + self.slots[at] - 1, text, length):
            at = (at + 1) & self.mask
        return &self.slots[at]

    cdef inline uint32_t found(self, uint64_t at, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the id of a text from its first slot on, or NO_ID."""
        cdef uint32_t place = self.slot(at, text, length)[0]
        return word(self.texts + place - 1) if place else NO_ID

    cdef inline uint32_t find(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        return self.found(self.home(text, length), text, length)

    cdef bint read_merges(self, Reader *r) noexcept nogil:
        """Read the array, if the vocabulary was read; false if it is broken. The first entry that is none is its fault,
        then one that is there again.
        """
        cdef const uint8_t *begin = r.at
        cdef bint known = self.vocab_at.at != NULL and self.fault == NONE
        memset(self.last, 0, 4 * self.size)
        self.merge_count = 0
        self.merge_fault = self.scan_merges(r) if known else NONE
        return self.passed(r, begin, known and self.merge_fault == NONE, &self.merges_at)

    cdef Py_ssize_t scan_merges(self, Reader *r) noexcept nogil:
        """Read merges, as [left, right], or "left right" and lines that begin with #version.

        chain: the number of the merge before that makes the same token, plus 1, or 0.
        last: id -> the number of the last merge that makes it, plus 1. Alike are merges that make one token of
        one left side. A token of n bytes has n + 1 such sides at most: so comparing takes no longer than reading.
        """
        cdef Py_ssize_t number = 0, fault = NONE, twice = NONE
        cdef Merge[BATCH] some
        cdef Merge *merge
        cdef uint8_t *text
        cdef int found, i
        cdef bint pairs, more
        takes(r, c"[")
        more = not takes(r, c"]")
        pairs = r.at < r.end and r.at[0] == c"["
        while more:
            text, found = self.texts + self.used, 0  # behind the spellings
            while more and found < BATCH:
                merge, fault = &some[found], number
                merge.text, merge.number = text, number
                more = read_pair(r, merge) if pairs else read_line(r, merge)
                if not more:
                    break
                if merge.length != NONE:
                    merge.left, merge.whole = self.home(text, merge.middle), self.home(text, merge.length)
                    merge.right = self.home(text + merge.middle, merge.length - merge.middle)
                    text, found = text + merge.length, found + 1
                number += 1
                more = takes(r, c",")
                if more or takes(r, c"]"):
                    fault = NONE
            for i in range(found):
                prefetch(self.texts + self.slots[some[i].left])
                prefetch(self.texts + self.slots[some[i].right])
                prefetch(self.texts + self.slots[some[i].whole])
            for i in range(found):
                if not self.add_merge(&some[i], &twice):
                    return some[i].number
        return twice if fault == NONE else fault

    cdef inline bint add_merge(self, const Merge *merge, Py_ssize_t *twice) noexcept nogil:
        """Write the ids of a merge; false if it is none. `twice`: the first one repeated."""
        cdef uint32_t *to = self.flat + 3 * self.merge_count
        cdef uint32_t other, made = to[-1] + 1 if self.merge_count else 0  # most make the token after that of the last
        if made >= self.size or not self.places[made] or not (
                self.equals(self.text(made) - HEAD, merge.text, merge.length)):
            made = self.found(merge.whole, merge.text, merge.length)
        to[0], to[2] = self.found(merge.left, merge.text, merge.middle), made
        to[1] = self.found(merge.right, merge.text + merge.middle, merge.length - merge.middle)
        if to[0] == NO_ID or to[1] == NO_ID or made == NO_ID:
            return False
        if twice[0] == NONE:
            other = self.chain[self.merge_count] = self.last[made]
            while other and self.flat[3 * <size_t>(other - 1)] != to[0]:
                other = self.chain[other - 1]
            twice[0] = merge.number if other else NONE
        self.merge_count += 1
        self.last[made] = <uint32_t>self.merge_count
        return True

    cdef list read_added(self, Reader r):
        """Read the array of added tokens, as `added` says. Returns no row if one of them is another."""
        cdef const char **keys = [
            b'"id"', b'"content"', b'"single_word"', b'"lstrip"', b'"rstrip"', b'"normalized"', b'"special"']
        cdef list rows = []
        cdef uint8_t *text = self.texts + self.used  # behind the spellings
        cdef uint64_t id = 0, following = self.count
        cdef uint32_t own
        cdef Py_ssize_t length = 0
        cdef bint flags[7]
        cdef int i
        while takes(&r, c"," if rows else c"["):
            for i in range(7):
                if not (takes(&r, c"," if i else c"{") and takes_word(&r, keys[i]) and takes(&r, c":")):
                    return []
                flags[i] = i > 1 and takes_word(&r, b"true")
                if not (read_number(&r, self.most, &id) if i == 0 else read_string(&r, text, r.end - r.at, &length)
                        if i == 1 else flags[i] or takes_word(&r, b"false")):
                    return []
            content = PyUnicode_DecodeUTF8(<const char *>text, length, NULL)
            own = self.find(text, length)
            if own == NO_ID:
                own = NO_ID if id < <uint64_t>self.size and self.places[id] else <uint32_t>following
                following += 1
            if not length or own != id or not takes(&r, c"}"):
                return []
            rows.append((id, content, flags[2], flags[3], flags[4], flags[5], flags[6], False))
        return rows if takes(&r, c"]") and len({row[1] for row in rows}) == len(rows) else []

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
        starts = uint32s(self.size + 1)
        cdef uint32_t[::1] at = starts
        at[0] = 0
        cdef bytes blob = large_bytes(self.used - HEAD * self.count)[0]
        cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(blob)
        cdef list odd = []
        for id in range(<uint32_t>self.size):
            if self.places[id]:
                length = self.length(id)
                if not (canonical(self.text(id), length, out, &used) if alphabet is None else
                        decoded(self.text(id), length, byte_of, out, &used)):
                    odd.append((self.places[id], id))
            at[id + 1] = <uint32_t>used
        empty = self.find(out, 0)
        return TokenTable(starts, blob, [] if empty == NO_ID else [empty]), [id for _, id in sorted(odd)]

    def text_of(self, uint32_t id) -> str | None:
        """Return the spelling of an id, or None."""
        if id >= self.size or not self.places[id]:
            return None
        return PyUnicode_DecodeUTF8(<const char *>self.text(id), self.length(id), NULL)

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
        if self.at[i] == self.at[i + 1] and i not in self.empty:
            return None
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.blob) + self.at[i], self.at[i + 1] - self.at[i])

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
