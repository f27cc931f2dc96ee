"""BPE: the ids of one piece, by merging, and the memory of the piece table, which remembers them.

In: the bytes of one piece. Out: its ids.
Invariant: the ids are upstream's. Of all pairs of neighbours the one with the lowest rank is merged, the leftmost of
equals first, until no pair has a rank. With `ignore_merges` a piece that is a token is that token.

Loops by length. `merge_short` scans a small array of ranks for the least (Sennrich's algorithm as it stands).
`merge_strips` does so for 64 texts step by step (strips.h). `merge_sweeps` joins all pairs of the least rank in one
go, as long as there are many. `merge_heap` keeps the candidates in a binary heap: its time is O(n log n).
`merge_sections` cuts a long piece into sections, merges each with one of these loops, and joins the answers, so that
memory stays small and the cost linear: docs/proofs_ids.md, "Sections". Sections are as small as their tokens allow. One
with the bytes of the section before takes its ids. A model of characters starts from the token of each character, or
from the tokens of its bytes; its sections and tokens end between characters.

A model may lack tokens of single bytes, and so lose these bytes (`LostBytes`). As upstream does, merging then leaves
them out of a piece, so that their neighbours become a pair, or puts the unknown token in their place. No merge has this
token as a side (compiled/build.py refuses one), so that the bytes on both sides of it merge apart.

In a model with an end_of_word_suffix the byte `WORD_END`, which no text has, stands for it in tokens. Each piece gets
one at its end, and the first merges join it with the byte before it.
"""

cimport cython
from libc.stdint cimport uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from dstok.core.cpu.level cimport chosen
from dstok.core.cpu.platform cimport huge_alloc, huge_free, huge_zeroed, prefetch
from dstok.core.text.hash cimport hash_bytes, key_of

from array import array
from os import urandom

from dstok.errors import UnsupportedError

cdef enum:
    AHEAD = 16            # ids ahead of which a line of the piece table is fetched
    LEAST_SECTION = 48    # bytes
    MOST_SECTION = 2048   # bytes; its arrays stay in the level-2 cache
    FEW_TOKENS = 8        # tokens in a section: with fewer the next one is larger
    MANY_TOKENS = 24      # with more the next one is smaller
    OVERLAP = 2           # tokens at a section's end that are merged again in the next
    SEEDS = 16            # random seeds tried for the index of the vocabulary
    WORD_END = 0xFF       # formats/description.py
    CROWDED = 8           # slots read for a token, at most on average: by chance there are one and a half


@cython.final
cdef class CharacterTable:
    """The characters beyond ASCII that are tokens: token i is blob[starts[i]:starts[i + 1]]."""

    def __cinit__(self, starts, blob):
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B")
        cdef uint32_t[::1] atoms = array("I", bytes(4 << 16))
        cdef Py_ssize_t i
        cdef uint32_t character, length
        cdef list wide = []
        for i in range(s.shape[0] - 1):
            length = s[i + 1] - s[i]
            if 2 <= length <= 4 and <uint32_t>character_at(&b[s[i]], length, &character) == length:
                if length < 4:
                    atoms[character] = <uint32_t>i + 1
                else:
                    wide.append(<uint64_t>character << 32 | <uint64_t>i)
        self.atoms = atoms
        self.wide = array("Q", [*sorted(wide), 0])  # so that there is a first one

    cdef void open(self, StartTable *start) except *:
        """Make merging start from these characters. The object must outlive the table."""
        start.atoms = &self.atoms[0]
        start.wide.ids, start.wide.count = &self.wide[0], self.wide.shape[0] - 1


@cython.final
cdef class LostBytes:
    """The bytes without a token: a list of them, the unknown token's id (-1: they are left out), and `fuse_unk`."""

    def __cinit__(self, lost: Sequence[int], int64_t unknown=-1, bint fuse=False):
        self.unknown, self.fuse, self.values = unknown, fuse, bytes(lost)
        for byte in self.values:
            self.flags[byte] = 1


@cython.final
cdef class BPE:
    """The merge list of one model, as flat tables that it keeps alive.

    `pairs` and `seeds` are those of `build_pairs`. `merged` is the id by rank; if it is empty, `first` is the id of
    rank 0. `byte_ids` is the id of each byte; `starts` and `blob` hold the bytes of each token; `atoms`, `byte_pairs`
    and `pair_ids` make a StartTable; so does `characters`, which only a model of characters has. `lost`: the bytes
    without a token, if there are any. ends_words: do pieces end in `WORD_END`?
    """

    def __cinit__(
        self, pairs, seeds, merged, uint32_t first, byte_ids: Sequence[int], starts, blob, bint monotone,
        bint ignore_merges, atoms, byte_pairs, pair_ids, CharacterTable characters=None, LostBytes lost=None,
        bint ends_words=False
    ):
        cdef const uint64_t[::1] p = memoryview(pairs).cast("B").cast("Q")
        cdef const uint16_t[::1] q = memoryview(seeds).cast("B").cast("H")
        cdef const uint32_t[::1] m = memoryview(merged).cast("B").cast("I")
        cdef const uint32_t[::1] s = memoryview(starts).cast("B").cast("I")
        cdef const uint8_t[::1] b = memoryview(blob).cast("B"), two = memoryview(byte_pairs).cast("B")
        cdef const uint32_t[::1] a = memoryview(atoms).cast("B").cast("I")
        cdef const uint32_t[::1] ids = memoryview(pair_ids).cast("B").cast("I")
        cdef Py_ssize_t salts = 1 + (q.shape[0] & 1 == 0), size = q.shape[0] - salts
        cdef int i
        if (p.shape[0] & (p.shape[0] - 1) or p.shape[0] < 16 or s.shape[0] < 2 or size & (size - 1) or size < 16
                or two.shape[0] != 0x10000 * sizeof(BytePair) or (characters is None and a.shape[0] != 0x10000)):
            raise ValueError("BPE tables of the wrong size")
        self._keep = (p, q, m, s, b, a, two, ids, characters)
        self.pairs.slots, self.pairs.seeds = &p[0], &q[0]
        self.pairs.slot_shift = 33 - int(p.shape[0]).bit_length()
        self.pairs.seed_shift = 33 - int(size).bit_length()
        self.pairs.mix = mix_of(q[size])
        self.pairs.left_mix = left_mix_of(q[size + 1] if salts > 1 else 0)
        self.pairs.right_mix = right_mix_of(q[size + 1] if salts > 1 else 0)
        self.pairs.merged = &m[0] if m.shape[0] else NULL
        self.pairs.first = first
        self.pairs.level = chosen()
        self.starts, self.blob = &s[0], &b[0]
        self.size = s.shape[0] - 1
        self.monotone, self.ignore_merges, self.lost = monotone, ignore_merges, lost
        self.ends_words, self.merges_all = ends_words, not ignore_merges and lost is None and not ends_words
        if lost is not None and lost.unknown >= self.size:
            raise ValueError(f"expected the id of the unknown token below {self.size}, found {lost.unknown}")
        for i in range(256):
            self.byte_ids[i] = byte_ids[i]
            if self.byte_ids[i] >= self.size:  # a byte that no text holds may have no token: it has another byte's id
                raise ValueError(f"expected the id of byte {i} below {self.size}, found {self.byte_ids[i]}")
        self.start.bytes = self.plain.bytes = self.byte_ids
        if characters is not None:
            characters.open(&self.start)
            characters.open(&self.plain)
        else:
            self.start.atoms = &a[0]
        self.start.pairs = <const BytePair *>&two[0]
        self.start.pair_ids = &ids[0] if ids.shape[0] else self.byte_ids  # which `start_pairs` reads in vain

    def __dealloc__(self):
        free(self.by_bytes)
        borders_free(self.borders)

    cdef void fetch(self) noexcept nogil:
        """Read one word of each line of the tables of merging: else a first text would wait for line after line."""
        read_lines(self.pairs.slots, <size_t>8 << (32 - self.pairs.slot_shift))
        read_lines(self.pairs.seeds, <size_t>2 << (32 - self.pairs.seed_shift))
        read_lines(self.start.pairs, 0x10000 * sizeof(BytePair))

    cdef inline Py_ssize_t width(self, uint32_t token) noexcept nogil:
        """Return the number of bytes of a token."""
        return self.starts[token + 1] - self.starts[token]

    cdef Py_ssize_t merge_text(self, const uint8_t *text, Py_ssize_t length, Scratch *s) noexcept nogil:
        """Write the ids of any bytes to `s.out`, their ends to `s.ends`; returns their number, -1 if memory is out."""
        cdef Py_ssize_t count, i
        cdef uint32_t end = 0
        if not scratch_grow(s, length):
            return -1
        s.work += length
        count = start_symbols(&self.start, text, length, s.out)
        if count > FEW_SYMBOLS and self.monotone:
            count = merge_sweeps(&self.pairs, s.out, s.next, count)
        if count > SHORT:
            return merge_heap(&self.pairs, self.starts, length, count, s)
        count = merge_short(&self.pairs, s.out, <int>count)
        for i in range(count):
            end += <uint32_t>self.width(s.out[i])
            s.ends[i] = end
        return count

    cdef Py_ssize_t merge_sections(
        self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s
    ) noexcept nogil:
        """Write the ids of a long piece, section by section; see the module's docstring. -1 if memory is out."""
        cdef Scratch *junction = s + 1
        cdef Py_ssize_t count = 0, start = 0, reach = 0, end, size = LEAST_SECTION, back = OVERLAP
        cdef Py_ssize_t kept, found = 0, least
        cdef Py_ssize_t last_start = 0, last_length = 0      # of the text whose answer is in `s`
        cdef uint64_t border, last_border = 0xFFFFFFFFFFFFFFFF  # the two tokens of the last border
        cdef Py_ssize_t left, joined
        cdef bint holds = False
        while True:
            # Half of a section at least is new: see "Cost".
            end = min(start + max(size, 2 * (reach - start)), length)
            while end < length and self.start.wide.ids != NULL and text[end] & 0xC0 == 0x80:
                end += 1  # a model of characters: sections end between them
            reach = end
            # In a text with a short period one section is like the next.
            if end - start != last_length or memcmp(text + start, text + last_start, last_length):
                found = self.merge_text(text + start, end - start, s)
                if found < 0:
                    return -1
                last_length = end - start
            last_start = start
            if found < FEW_TOKENS:
                size = min(2 * size, MOST_SECTION)
            elif found > MANY_TOKENS:
                size = max(size >> 1, LEAST_SECTION)
            kept = found if end == length else found - OVERLAP
            if kept <= 0:
                continue
            # Test the border with the ids that are kept; where it does not hold, take some of them back.
            if count:
                border = <uint64_t>out[count - 1] << 32 | s.out[0]
                if border != last_border:  # do the two tokens there stay two when merged together?
                    left = self.width(out[count - 1])
                    joined = self.merge_text(text + start - left, left + s.ends[0], junction)
                    if joined < 0:
                        return -1
                    holds, last_border = joined == 2 and junction.ends[0] == left, border
                if not holds:
                    least = 2 * (end - start) if end == length else 0
                    kept = max(count - back, 0)
                    while count > kept or count and end - start < least:
                        count -= 1
                        start -= self.width(out[count])
                    back *= 2
                    continue
            back = OVERLAP
            memcpy(out + count, s.out, kept * 4)
            count += kept
            if end == length:
                return count
            start += s.ends[kept - 1]

    cdef uint32_t whole(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Return the id of the token with these bytes, or NO_RANK. Only with `ignore_merges`."""
        cdef uint32_t slot = <uint32_t>hash_bytes(self.by_bytes_seed, text, length) & self.by_bytes_mask
        cdef uint32_t token
        while self.by_bytes[slot]:
            token = self.by_bytes[slot] - 1
            if self.width(token) == length and memcmp(self.blob + self.starts[token], text, length) == 0:
                return token
            slot = (slot + 1) & self.by_bytes_mask
        return NO_RANK

    cdef Py_ssize_t merge_piece(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil:
        """Write the ids of one piece to `out`, which has room for `length` and one; -1 if memory is out.

        `s` has the memory of sections, and then that of their borders.
        """
        if not self.merges_all:
            if self.ignore_merges:
                out[0] = self.whole(text, length)
                if out[0] != NO_RANK:
                    return 1
            if self.lost is not None or self.ends_words:
                return self.merge_known(text, length, out, s)
        return self.merge_bytes(text, length, out, s)

    cdef Py_ssize_t merge_known(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil:
        """Do what `merge_bytes` does, for a piece that may have lost bytes, or in a model with an end_of_word_suffix.

        No model has both.
        """
        cdef Py_ssize_t at = 0, end, count = 0, found
        cdef uint8_t *kept
        if self.lost is None or self.lost.unknown < 0:
            kept = <uint8_t *>malloc(length + 1)
            if kept == NULL:
                return -1
            for at in range(length):
                kept[count] = text[at]
                count += self.lost is None or not self.lost.flags[text[at]]
            kept[count] = WORD_END
            count += self.ends_words
            found = self.merge_bytes(kept, count, out, s) if count else 0
            free(kept)
            return found
        while at < length:
            end = self.lost_until(text, at, length)
            if end > at:
                out[count] = <uint32_t>self.lost.unknown
                count += 1
                at = end
                continue
            while end < length and not self.lost.flags[text[end]]:
                end += 1
            found = self.merge_bytes(text + at, end - at, out + count, s)
            if found < 0:
                return -1
            count += found
            at = end
        return count

    cdef Py_ssize_t lost_until(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t length) noexcept nogil:
        """Return the end of the lost bytes at `at` for which one unknown token stands; `at` if there are none."""
        while at < length and self.lost.flags[text[at]]:
            at += 1
            if not self.lost.fuse:
                break
        return at

    cdef Py_ssize_t merge_bytes(self, const uint8_t *text, Py_ssize_t length, uint32_t *out, Scratch *s) noexcept nogil:
        """Do what `merge_piece` does, for bytes that all have tokens, and without `ignore_merges`."""
        cdef Py_ssize_t count
        if length > 3 * FEW_SYMBOLS:
            return self.merge_sections(text, length, out, s)
        count = start_symbols(&self.start, text, length, out)
        if count <= FEW_SYMBOLS:
            s.work += length if length > KEY24_MAX else 0
            return merge_short(&self.pairs, out, <int>count)
        count = self.merge_text(text, length, s)
        memcpy(out, s.out, max(count, 0) * 4)
        return count

    def reachable(self, raw_ids: Iterable[int]) -> array[int]:
        """Return the ids of the tokens that have bytes, but for `raw_ids`: the ids that a piece may have."""
        cdef uint8_t[::1] raw = bytearray(self.size)
        cdef Py_ssize_t i, count = 0
        for i in raw_ids:
            raw[i] = 1
        ids = array("I", [0]) * self.size
        cdef uint32_t[::1] found = ids
        for i in range(self.size):
            found[count] = <uint32_t>i
            count += self.width(<uint32_t>i) > 0 and not raw[i]
        found = None
        del ids[count:]
        return ids

    def index_vocabulary(self, reachable: array[int], seeds: Sequence[int] = None) -> int:
        """Make `whole` work: indexes the ids in `reachable`, which a piece may be. Returns the number of slots read.

        Takes the first of `seeds` (by default random ones) under which the tokens do not crowd. Raises
        `UnsupportedError` if there is none.
        """
        cdef const uint32_t[::1] tokens = reachable
        cdef Py_ssize_t steps
        cdef uint32_t slots = 16
        while slots < 2 * tokens.shape[0]:
            slots *= 2
        free(self.by_bytes)
        self.by_bytes = <uint32_t *>huge_alloc(<size_t>slots * 4)
        if self.by_bytes == NULL:
            raise MemoryError
        self.by_bytes_mask = slots - 1
        if seeds is None:
            seeds = [int.from_bytes(urandom(8), "little") for _ in range(SEEDS)]
        for self.by_bytes_seed in seeds:
            steps = self._index(tokens, CROWDED * (tokens.shape[0] + 1))
            if steps >= 0:
                return steps
        raise UnsupportedError("tokens that collide in the index of whole pieces under each of its seeds, as none do "
                               "by chance", "vocab")

    cdef Py_ssize_t _index(self, const uint32_t[::1] tokens, Py_ssize_t most) noexcept nogil:
        """Index the tokens under the present seed. Returns the number of slots read, -1 if more than `most`."""
        cdef Py_ssize_t i, steps = 0
        cdef uint32_t slot
        memset(self.by_bytes, 0, (<size_t>self.by_bytes_mask + 1) * 4)
        for i in range(tokens.shape[0]):
            slot = <uint32_t>hash_bytes(self.by_bytes_seed, self.blob + self.starts[tokens[i]],
                                        self.width(tokens[i])) & self.by_bytes_mask
            while self.by_bytes[slot] and steps < most:
                slot = (slot + 1) & self.by_bytes_mask
                steps += 1
            if steps == most:
                return -1
            self.by_bytes[slot] = tokens[i] + 1
        return steps

    def merge(self, bytes text not None) -> list[int]:
        """Return the ids of `text` as one piece, by the loop for its length. For tests and tools."""
        return self.merge_with_work(text)[0]

    def merge_by_heap(self, bytes text not None) -> list[int]:
        """Return the ids of `text` as one piece, by `merge_heap` from bytes. For tests."""
        return self.merge_with_work(text, True)[0]

    def merge_in_strips(self, list texts not None) -> list[list[int]] | None:
        """For tests: the ids of up to 64 texts of up to 15 bytes, merged together, or None at a level without."""
        cdef Strips strips
        cdef bytes text
        cdef int i, p
        if len(texts) > STRIPS or max(map(len, texts), default=0) > STRIP_SYMBOLS:
            raise ValueError("too many texts, or too long ones")
        if self.pairs.level.merge_strips == NULL:
            return None
        strips_clear(&strips)
        for text in texts:
            strips_take(&strips, start_symbols(&self.start, text, len(text), strips_next(&strips)))
        self.pairs.level.merge_strips(&self.pairs, &strips)
        return [[strips_ids(&strips, i)[p] for p in range(strips.counts[i])] for i in range(strips.size)]

    def merge_with_work(self, bytes text not None, bint by_heap=False) -> tuple[list[int], int]:
        """For tests: the ids of `text` as one piece, and how many bytes sections and their borders were made of."""
        cdef Scratch[2] s
        cdef Py_ssize_t count, i
        cdef uint32_t[::1] out = array("I", bytes(4 * (len(text) + 1)))
        memset(s, 0, sizeof(s))
        try:
            if by_heap:
                if not scratch_grow(s, len(text)):
                    raise MemoryError
                count = start_symbols(&self.plain, text, len(text), s.out)
                count = merge_heap(&self.pairs, self.starts, len(text), count, s)
                return [s.out[i] for i in range(count)], 0
            count = self.merge_piece(text, len(text), &out[0], s)
            if count < 0:
                raise MemoryError
            return [out[i] for i in range(count)], s[0].work + s[1].work
        finally:
            scratch_free(s)
            scratch_free(s + 1)

    def encodes_to_itself(self, uint32_t token) -> bool:
        """Tell whether merging the bytes of `token` gives `token`."""
        cdef uint32_t out[SHORT]
        cdef Py_ssize_t length = self.width(token), count
        if length <= SHORT:
            count = start_symbols(&self.start, self.blob + self.starts[token], length, out)
            return merge_short(&self.pairs, out, <int>count) == 1 and out[0] == token
        return self.merge_by_heap(self.token(token)) == [token]

    def token(self, uint32_t token) -> bytes:
        """Return the bytes of a token."""
        if token >= self.size:
            raise IndexError(token)
        return self.blob[self.starts[token]:self.starts[token + 1]]


TABLE_BYTES = PIECE_TABLE_BYTES


@cython.final
cdef class PieceMemory:
    """The memory of a piece table, filled with the tokens whose bits in `direct` are set."""

    def __cinit__(self, BPE bpe not None, const uint8_t[::1] direct not None):
        self.size = TABLE_BYTES
        self.memory = huge_zeroed(self.size)
        if self.memory == NULL:
            raise MemoryError
        piece_table_open(&self.table, self.memory)
        if 8 * direct.shape[0] < bpe.size:
            raise ValueError(f"expected {bpe.size} bits, found {direct.shape[0]} bytes")
        with nogil:
            _prefill(&self.table, bpe, &direct[0])
        bpe.fetch()

    def __dealloc__(self):
        huge_free(self.memory, self.size)


cdef void _prefill(PieceTable *t, BPE bpe, const uint8_t *direct) noexcept nogil:
    # The last one inserted stands first in its set: low ids are the most frequent. Lines are fetched some ids ahead:
    # else it would take three times as long.
    cdef Py_ssize_t i, end = bpe.starts[bpe.size]
    cdef uint32_t token, length
    cdef uint64_t key[3]
    cdef const uint8_t *text
    for i in range(bpe.size - 1, -1, -1):
        token = <uint32_t>max(i - AHEAD, 0)
        length = <uint32_t>bpe.width(token)
        if length <= KEY24_MAX and <Py_ssize_t>bpe.starts[token] + KEY24_MAX <= end:
            key_of(bpe.blob + bpe.starts[token], length, key)
            prefetch(key8_line(t, key[0]) if length <= KEY8_MAX else key24_line(t, key))
        if direct[i >> 3] >> (i & 7) & 1:
            token, length, text = <uint32_t>i, <uint32_t>bpe.width(<uint32_t>i), bpe.blob + bpe.starts[i]
            if <Py_ssize_t>bpe.starts[i] + KEY24_MAX > end:  # `piece_insert` would read after the blob
                memset(key, 0, sizeof(key))
                memcpy(key, text, min(length, <uint32_t>KEY24_MAX))
                text = <const uint8_t *>key if length <= KEY24_MAX else text
            piece_insert(t, text, length, &token, 1)
