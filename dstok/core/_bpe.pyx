# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
"""Byte-level BPE: the pair table and the merge loops.

In: the bytes of one piece. Out: its ids.
Invariant: what upstream gives: again and again the pair of neighbours with the lowest rank is merged, the
leftmost of equals first, until no pair of neighbours has a rank. With `ignore_merges` a piece that is a
token is that token.

Three loops by length. `merge_short` scans a small array of ranks for the least (Sennrich's algorithm
as it stands). `merge_span` keeps the candidates in a binary heap over a linked list: O(n log n).
`merge_windows` cuts a long piece into windows, merges each with `merge_span`, and joins the answers, so
that memory stays small and the cost linear.

Why windows are exact. Let the ranks be monotone: each merge's rank is above the ranks of the merges that
made its two sides (checked at load; else windows are not used). Then merging visits ranks in rising order,
and "the state before rank r" of any stretch that no merge has crossed depends on that stretch alone.
Let X, Y be texts with BPE(X) = (..., a) and BPE(Y) = (b, ...). Suppose that merging XY joins something
across the border, for the first time at rank r, a pair (u, v). Before that no merge crossed the border,
and none ever crosses a's left or b's right edge, so at rank r the stretches of a and b look as they do
when the text of a followed by that of b is merged alone: there, too, u and v are neighbours with rank r,
and are joined. So if BPE(ab) = (a, b), then BPE(XY) = BPE(X) BPE(Y). `joins` asks just that. The last
few tokens of a window are dropped and merged again in the next; where a border still does not hold, more
tokens are taken back; if ever more than `MAX_BACK` bytes, the piece goes to `merge_span` whole.
Whole characters. Merging may start from a character's own token instead of its bytes if ranks are monotone,
merging the character's bytes gives that token, and no token that holds only a part of it can reach beyond it:
neither of the byte pairs at its two borders stands at a torn border of any token (dstok/characters.py). For then its
bytes can only be merged with one another until the token is whole, and
each merge that takes the whole token has, ranks being monotone, a rank above that moment's: before it, nothing
that the short cut leaves out could have come in between.
"""

cimport cython
from array import array

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from dstok.core._utf8 cimport code_point

cdef enum:
    WINDOW = 2048      # bytes; its arrays stay in the level-2 cache
    OVERLAP = 2        # tokens at a window's end that are merged again in the next
    MAX_BACK = 1 << 17

MAX_IDS = 1 << 20
MAX_MERGES = NO_RANK - 1

cdef inline uint64_t _pair_key(uint32_t left, uint32_t right) noexcept nogil:
    return <uint64_t>left << 20 | right


cdef inline uint64_t _mix(uint64_t key) noexcept nogil:
    return key * <uint64_t>0x9E3779B97F4A7C15


cdef uint64_t _hash_bytes(const uint8_t *text, Py_ssize_t length) noexcept nogil:
    cdef uint64_t h = <uint64_t>0xCBF29CE484222325 ^ <uint64_t>length
    cdef Py_ssize_t i
    for i in range(length):
        h = (h ^ text[i]) * <uint64_t>0x100000001B3
    return h ^ (h >> 29)


def build_pairs(merges):
    """The pair table of flat `merges` (left, right, merged, in rank order), and a bitmap before it, as bytes.

    Most pairs asked for have no merge; the bitmap (256 KB) says so without a look into the table (2 MB).
    """
    cdef const uint32_t[::1] m = merges
    cdef Py_ssize_t count = m.shape[0] // 3, rank
    cdef int bits = 4
    cdef uint64_t slot, mask
    while (1 << bits) < 2 * count:
        bits += 1
    mask = (<uint64_t>1 << bits) - 1
    table = array("Q", [0xFFFFFFFFFFFFFFFF]) * (1 << bits)
    cdef uint64_t[::1] t = table
    maybe = array("Q", bytes((1 << MAYBE_BITS) // 8))
    cdef uint64_t[::1] m_bits = maybe
    for rank in range(count):
        slot = _mix(_pair_key(m[3 * rank], m[3 * rank + 1]))
        m_bits[(slot >> (70 - MAYBE_BITS))] |= <uint64_t>1 << (slot >> (64 - MAYBE_BITS) & 63)
        slot >>= 64 - bits
        while t[slot] != <uint64_t>0xFFFFFFFFFFFFFFFF:
            slot = (slot + 1) & mask
        t[slot] = _pair_key(m[3 * rank], m[3 * rank + 1]) << 24 | <uint64_t>rank
    return table.tobytes(), maybe.tobytes()


cdef bint _grow(Scratch *s, Py_ssize_t length) noexcept nogil:
    """Room for a span of `length` bytes; false if memory is out."""
    cdef Py_ssize_t capacity = 256
    if length <= s.capacity:
        return True
    while capacity < length:
        capacity *= 2
    s.ids = <uint32_t *>_renew(s.ids, capacity * 4)
    s.next = <uint32_t *>_renew(s.next, capacity * 4)
    s.previous = <uint32_t *>_renew(s.previous, capacity * 4)
    s.out = <uint32_t *>_renew(s.out, capacity * 4)
    s.ends = <uint32_t *>_renew(s.ends, capacity * 4)
    # Each byte starts one candidate, and each of at most length - 1 merges adds two.
    s.heap = <uint64_t *>_renew(s.heap, capacity * 3 * 8)
    if s.ids and s.next and s.previous and s.out and s.ends and s.heap:
        s.capacity = capacity
        return True
    s.capacity = 0
    return False


cdef void *_renew(void *old, size_t size) noexcept nogil:
    cdef void *new = realloc(old, size)
    if new == NULL:
        free(old)
    return new


cdef void free_scratch(Scratch *s) noexcept nogil:
    free(s.ids)
    free(s.next)
    free(s.previous)
    free(s.out)
    free(s.ends)
    free(s.heap)


cdef inline void _sift_up(uint64_t *heap, Py_ssize_t at) noexcept nogil:
    cdef uint64_t item = heap[at]
    cdef Py_ssize_t parent
    while at:
        parent = (at - 1) >> 1
        if heap[parent] <= item:
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = item


cdef inline void _sift_down(uint64_t *heap, Py_ssize_t at, Py_ssize_t size) noexcept nogil:
    cdef uint64_t item = heap[at]
    cdef Py_ssize_t child = 2 * at + 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= item:
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = item


@cython.final
cdef class BPE:
    """The merge list of one model, as flat tables that it keeps alive.

    `pairs` and `maybe` come from `build_pairs`, `merged` is the id by rank, `byte_ids` the id of each byte,
    `starts` and `blob` hold the bytes of each token.
    """

    def __cinit__(self, pairs, maybe, merged, byte_ids, starts, blob, bint monotone, bint ignore_merges,
                  atoms=b"", torn=b""):
        cdef const uint32_t[::1] a
        cdef const uint8_t[::1] t
        cdef const uint64_t[::1] p = memoryview(pairs).cast("B").cast("Q")
        cdef const uint32_t[::1] m = memoryview(merged).cast("B").cast("I")
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B")
        cdef const uint64_t[::1] y = memoryview(maybe).cast("B").cast("Q")
        cdef int i
        if y.shape[0] * 64 != 1 << MAYBE_BITS:
            raise ValueError("BPE tables of the wrong size")
        if p.shape[0] & (p.shape[0] - 1) or p.shape[0] < 16 or s.shape[0] < 257:
            raise ValueError("BPE tables of the wrong size")
        self._keep = (p, m, s, b, y)
        self.maybe = &y[0]
        self.pairs = &p[0]
        self.pair_mask = p.shape[0] - 1
        self.pair_shift = 64 - (int(p.shape[0]).bit_length() - 1)
        self.merged = &m[0] if m.shape[0] else NULL
        self.starts = &s[0]
        self.blob = &b[0]
        self.size = s.shape[0] - 1
        self.monotone = monotone
        self.ignore_merges = ignore_merges
        for i in range(256):
            self.byte_ids[i] = byte_ids[i]
        if len(atoms):
            a = memoryview(atoms).cast("B").cast("I")
            if a.shape[0] != 0x10000:
                raise ValueError("BPE tables of the wrong size")
            t = torn
            if t.shape[0] != 8192:
                raise ValueError("BPE tables of the wrong size")
            self._keep += (a, t)
            self.atoms = &a[0]
            self.torn = &t[0]

    def __dealloc__(self):
        free(self.by_bytes)

    cdef uint32_t rank(self, uint32_t left, uint32_t right) noexcept nogil:
        """The rank of the merge of two ids, or NO_RANK."""
        cdef uint64_t key = _pair_key(left, right)
        cdef uint64_t slot = _mix(key)
        cdef uint64_t entry
        if not self.maybe[slot >> (70 - MAYBE_BITS)] >> (slot >> (64 - MAYBE_BITS) & 63) & 1:
            return NO_RANK
        slot >>= self.pair_shift
        while True:
            entry = self.pairs[slot]
            if entry >> 24 == key:
                return entry & 0xFFFFFF
            if entry == <uint64_t>0xFFFFFFFFFFFFFFFF:
                return NO_RANK
            slot = (slot + 1) & self.pair_mask

    cdef Py_ssize_t symbols(self, const uint8_t *text, Py_ssize_t length, uint32_t *out) noexcept nogil:
        """The symbols that merging starts from: bytes, and whole characters where that is exact (see above)."""
        cdef Py_ssize_t at = 0, count = 0, width
        cdef uint32_t c
        if self.atoms == NULL:
            for at in range(length):
                out[at] = self.byte_ids[text[at]]
            return length
        while at < length:
            width = 1
            if 0xC2 <= text[at] < 0xE0 and at + 1 < length:
                width = 2
            elif 0xE0 <= text[at] < 0xF0 and at + 2 < length:
                width = 3
            if width > 1 and not (at and self._torn(text[at - 1], text[at])):
                c = code_point(text + at, &width)
                if self.atoms[c] and not (at + width < length and self._torn(text[at + width - 1], text[at + width])):
                    out[count] = self.atoms[c] - 1
                    count += 1
                    at += width
                    continue
            out[count] = self.byte_ids[text[at]]
            count += 1
            at += 1
        return count

    cdef bint _torn(self, uint8_t left, uint8_t right) noexcept nogil:
        return self.torn[<uint32_t>left << 5 | right >> 3] >> (right & 7) & 1

    cdef Py_ssize_t merge_short(self, uint32_t *out, Py_ssize_t count) noexcept nogil:
        """Merges the at most SHORT symbols in `out`; returns how many ids are left."""
        cdef uint32_t ranks[SHORT]
        cdef uint32_t least
        cdef Py_ssize_t i, at
        for i in range(count - 1):
            ranks[i] = self.rank(out[i], out[i + 1])
        while True:
            # The least rank, the leftmost of equals.
            least = NO_RANK
            at = 0
            for i in range(count - 1):
                if ranks[i] < least:
                    least = ranks[i]
                    at = i
            if least == NO_RANK:
                return count
            # Close the gap, then rank the two pairs that the new token is in.
            out[at] = self.merged[least]
            count -= 1
            for i in range(at + 1, count):
                out[i] = out[i + 1]
            for i in range(at + 1, count - 1):
                ranks[i] = ranks[i + 1]
            if at:
                ranks[at - 1] = self.rank(out[at - 1], out[at])
            if at + 1 < count:
                ranks[at] = self.rank(out[at], out[at + 1])

    cdef Py_ssize_t merge_span(self, const uint8_t *text, Py_ssize_t length, Scratch *s) noexcept nogil:
        """The ids of any bytes into `s.out`, their ends into `s.ends`; -1 if memory is out."""
        cdef Py_ssize_t i, size = 0, count = 0
        cdef uint32_t rank, at, after, behind
        cdef uint64_t top
        if length <= 0:
            return 0
        if not _grow(s, length):
            return -1
        # One symbol a byte, linked both ways; next[i] is where the symbol at i ends.
        for i in range(length):
            s.ids[i] = self.byte_ids[text[i]]
            s.next[i] = <uint32_t>(i + 1)
            s.previous[i] = <uint32_t>(i - 1)
        # Candidates: rank above, place below, so the heap's order is the order of merging.
        for i in range(length - 1):
            rank = self.rank(s.ids[i], s.ids[i + 1])
            if rank != NO_RANK:
                s.heap[size] = <uint64_t>rank << 32 | <uint64_t>i
                size += 1
        for i in range((size >> 1) - 1, -1, -1):
            _sift_down(s.heap, i, size)
        # Merge the least; candidates whose symbols have changed since are skipped.
        while size:
            top = s.heap[0]
            size -= 1
            s.heap[0] = s.heap[size]
            if size:
                _sift_down(s.heap, 0, size)
            at = <uint32_t>top
            rank = <uint32_t>(top >> 32)
            after = s.next[at]
            if after >= length or s.ids[at] == NO_RANK or self.rank(s.ids[at], s.ids[after]) != rank:
                continue
            s.ids[at] = self.merged[rank]
            s.ids[after] = NO_RANK
            behind = s.next[after]
            s.next[at] = behind
            if behind < length:
                s.previous[behind] = at
                rank = self.rank(s.ids[at], s.ids[behind])
                if rank != NO_RANK:
                    s.heap[size] = <uint64_t>rank << 32 | at
                    _sift_up(s.heap, size)
                    size += 1
            if at:
                after = s.previous[at]
                rank = self.rank(s.ids[after], s.ids[at])
                if rank != NO_RANK:
                    s.heap[size] = <uint64_t>rank << 32 | after
                    _sift_up(s.heap, size)
                    size += 1
        at = 0
        while at < length:
            s.out[count] = s.ids[at]
            at = s.next[at]
            s.ends[count] = at
            count += 1
        return count

    cdef int joins(
        self, const uint8_t *text, Py_ssize_t left, Py_ssize_t right, Scratch *junction
    ) noexcept nogil:
        """Whether two tokens of `left` and `right` bytes at `text` stay two when merged together; -1: no memory."""
        cdef Py_ssize_t count = self.merge_span(text, left + right, junction)
        if count < 0:
            return -1
        return count == 2 and junction.ends[0] == left

    cdef Py_ssize_t merge_windows(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s, Scratch *junction
    ) noexcept nogil:
        """The ids of a long piece, window by window; see the module's docstring. -1 if memory is out."""
        cdef Py_ssize_t count = 0, start = 0, furthest = 0, window, end, found, kept, back = OVERLAP, _, last
        cdef int holds
        while True:
            # A window that yields no token for sure (one token of a thousand bytes) is doubled.
            window = furthest - start + WINDOW
            while True:
                end = min(start + window, length)
                found = self.merge_span(text + start, end - start, s)
                if found < 0:
                    return -1
                kept = found if end == length else found - OVERLAP
                if kept > 0:
                    break
                window *= 2
            # The border with what is kept already; where it does not hold, take some of that back.
            if count:
                last = self.starts[out[count - 1] + 1] - self.starts[out[count - 1]]
                holds = self.joins(text + start - last, last, s.ends[0], junction)
                if holds < 0:
                    return -1
                if not holds:
                    for _ in range(min(back, count)):
                        count -= 1
                        start -= self.starts[out[count] + 1] - self.starts[out[count]]
                    back *= 2
                    if furthest - start > MAX_BACK:
                        count = self.merge_span(text, length, s)
                        if count > 0:
                            memcpy(out, s.out, count * 4)
                        return count
                    continue
            back = OVERLAP
            memcpy(out + count, s.out, kept * 4)
            count += kept
            if end == length:
                return count
            start += s.ends[kept - 1]
            furthest = max(furthest, start)

    cdef uint32_t whole(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """The id of the token that is these bytes, or NO_RANK. Only with `ignore_merges`."""
        cdef uint32_t slot = <uint32_t>_hash_bytes(text, length) & self.by_bytes_mask
        cdef uint32_t token
        while self.by_bytes[slot]:
            token = self.by_bytes[slot] - 1
            if self.starts[token + 1] - self.starts[token] == length:
                if memcmp(self.blob + self.starts[token], text, length) == 0:
                    return token
            slot = (slot + 1) & self.by_bytes_mask
        return NO_RANK

    cdef Py_ssize_t merge_piece(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *scratch, Scratch *junction
    ) noexcept nogil:
        """The ids of one piece into `out`, which has room for `length`; -1 if memory is out."""
        cdef Py_ssize_t count
        if self.ignore_merges:
            out[0] = self.whole(text, length)
            if out[0] != NO_RANK:
                return 1
        if length <= 3 * SHORT:
            count = self.symbols(text, length, out)
            if count <= SHORT:
                return self.merge_short(out, count)
        if self.monotone and length > 2 * WINDOW:
            return self.merge_windows(text, length, out, scratch, junction)
        count = self.merge_span(text, length, scratch)
        if count > 0:
            memcpy(out, scratch.out, count * 4)
        return count

    def index_vocabulary(self, reachable):
        """Makes `whole` work: indexes the ids in `reachable`, those that a piece may be."""
        cdef uint32_t slots = 16, slot, token
        while slots < 2 * len(reachable):
            slots *= 2
        self.by_bytes = <uint32_t *>calloc(slots, 4)
        if self.by_bytes == NULL:
            raise MemoryError
        self.by_bytes_mask = slots - 1
        for token in reachable:
            slot = <uint32_t>_hash_bytes(
                self.blob + self.starts[token], self.starts[token + 1] - self.starts[token]) & self.by_bytes_mask
            while self.by_bytes[slot]:
                slot = (slot + 1) & self.by_bytes_mask
            self.by_bytes[slot] = token + 1

    def merge(self, bytes text not None):
        """The ids of `text` as one piece, by the loop for its length. For tests and tools."""
        return self._merge(text, 0)

    def merge_by_heap(self, bytes text not None):
        """The ids of `text` as one piece, by `merge_span`. For tests."""
        return self._merge(text, 1)

    def _merge(self, bytes text, int by_heap):
        cdef Scratch scratch, junction
        cdef Py_ssize_t count, i
        cdef uint32_t[::1] out = array("I", bytes(4 * (len(text) + 1)))
        scratch.capacity = junction.capacity = 0
        scratch.ids = scratch.next = scratch.previous = scratch.out = scratch.ends = NULL
        junction.ids = junction.next = junction.previous = junction.out = junction.ends = NULL
        scratch.heap = junction.heap = NULL
        try:
            if by_heap:
                count = self.merge_span(text, len(text), &scratch)
                return [scratch.out[i] for i in range(count)]
            count = self.merge_piece(text, len(text), &out[0], &scratch, &junction)
            return [out[i] for i in range(count)]
        finally:
            free_scratch(&scratch)
            free_scratch(&junction)

    def encodes_to_itself(self, uint32_t token):
        """Whether merging the bytes of `token` gives `token`."""
        cdef uint32_t out[SHORT]
        cdef Py_ssize_t length = self.starts[token + 1] - self.starts[token]
        if length <= SHORT:
            length = self.symbols(self.blob + self.starts[token], length, out)
            return self.merge_short(out, length) == 1 and out[0] == token
        return self.merge_by_heap(self.token(token)) == [token]

    def token(self, uint32_t token):
        """The bytes of a token."""
        if token >= self.size:
            raise IndexError(token)
        return self.blob[self.starts[token]:self.starts[token + 1]]
