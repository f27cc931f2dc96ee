"""Sinks: a finder hands them the pieces of a text, and each kind makes something else of these.

In: a chunk, some hundred pieces of a text. Their starts stand in the workspace. They lie end to end; but where a finder
drops some text, they lie apart, and their ends stand there, too. Out: in the workspace, by kind: spans (`SpanSink`),
their number (`CountSink`), notes (`NoteSink`), ids or their number (`IdSink`), ids with spans (`IdSpanSink`).
Invariant: a sink takes all pieces of the chunk, and leaves the workspace ready for the next one. If it cannot, the
status says why, and the chunk is empty. The ids of each piece are those that merging its bytes gives.

`IdSink` has four steps. Each handles all pieces of the chunk before the next one begins, so the processor waits for
many look-ups in memory at once. 1. All pieces are looked up in the piece table, each at its first place
(bpe/piece_probe.h). 2. The missing ones are looked up at their second place. 3. Those still missing are merged,
several at once (bpe/merge.pyx, bpe/strips.h), and put into the table. 4. The ids are written, piece by piece.
Example: "Hi  all" has the pieces "Hi", " " and " all", so `starts` is 0, 2, 3, 7. If step 1 does not find " all",
`missed` is [2], and `values[2]` is 0 until step 2 or 3 has set it.
"""

cimport cython
from libc.stdint cimport uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from dstok.core.encode.memory cimport FINE, OUT_OF_MEMORY, SPAN
from dstok.core.bpe.merge cimport (
    CHUNK_ROOM, KEY24_MAX, KEY252_IDS, NO_RANK, STRIPS, piece_find_long, piece_from_ring, piece_in_ring, piece_insert,
    piece_ring, piece_second, piece_value, start_symbols, strips_clear, strips_ids, strips_next, strips_take,
)
from dstok.core.cpu.level cimport Strips, chosen
from dstok.core.text.utf8 cimport characters_within


cdef class Sink:
    """The base of all sinks: takes pieces and makes nothing of them."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Takes the pieces of the chunk, and begins the next one where they end."""
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        """Does what `take` does, for pieces that lie apart. By default `take` gets those that touch."""
        cdef uint32_t spans[2][CHUNK_ROOM]
        cdef int i, pieces = w.pieces
        cdef Py_ssize_t origin = w.origin
        memcpy(spans[0], w.starts, pieces * sizeof(uint32_t))
        memcpy(spans[1], w.ends, pieces * sizeof(uint32_t))
        w.begin_chunk(origin)
        for i in range(pieces):
            add_piece(self, w, text, origin + spans[0][i], origin + spans[1][i])
            if w.status != FINE:
                break
        if w.pieces and w.status == FINE:
            self.take(w, text)
        w.begin_chunk(origin + spans[1][pieces - 1])

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Takes one piece of more than a gigabyte, which no chunk can hold."""
        pass

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        """Takes an added token between pieces; false if memory is out."""
        return True

    cdef void begin_lead(self, Workspace w, const uint8_t *text, Py_ssize_t at) noexcept nogil:
        """Tells that the next pieces come from a copy of `text[at:]` with a space before it."""
        pass

    cdef void end_lead(self, Workspace w, Py_ssize_t first, Py_ssize_t width) noexcept nogil:
        """Tells that they were taken: the id number `first` has the space, before a character of `width` bytes."""
        pass


@cython.final
cdef class SpanSink(Sink):
    """Writes the span of each piece, in bytes, as a pair of int64."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        self.write(w, w.starts + 1)
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        self.write(w, w.ends)
        w.begin_chunk(w.origin + w.ends[w.pieces - 1])

    cdef void write(self, Workspace w, const uint32_t *ends) noexcept nogil:
        """Writes the spans of the chunk's pieces, which end at `ends`."""
        cdef int64_t *out
        cdef int64_t base = w.base + w.origin
        cdef int i
        if w.reserve(w.pieces * SPAN):
            out = <int64_t *>(w.out + w.count)
            for i in range(w.pieces):
                out[2 * i] = base + w.starts[i]
                out[2 * i + 1] = base + ends[i]
            w.count += w.pieces * SPAN

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef int64_t *out
        if w.reserve(SPAN):
            out = <int64_t *>(w.out + w.count)
            out[0], out[1] = w.base + start, w.base + end
            w.count += SPAN

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        self.take_giant(w, text, start, end)
        return w.status == FINE


@cython.final
cdef class CountSink(Sink):
    """Counts the pieces in `total`."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        w.total += w.pieces
        w.next_chunk()

    cdef void take_apart(self, Workspace w, const uint8_t *text) noexcept nogil:
        w.total += w.pieces
        w.begin_chunk(w.origin + w.ends[w.pieces - 1])

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.total += 1


@cython.final
cdef class NoteSink(Sink):
    """Notes the span of each piece, so that tests see the cuts inside pieces."""

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        cdef int i
        for i in range(w.pieces):
            if not w.note(w.origin + w.starts[i], w.origin + w.starts[i + 1]):
                break
        w.next_chunk()

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        w.note(start, end)


cdef extern from "encode/repeats.h":
    void find_repeats(
        const uint8_t *text, const uint32_t *starts, const uint32_t *missed, int count, uint16_t *first) noexcept nogil

cdef extern from *:
    void __builtin_prefetch(const void *) noexcept nogil

cdef enum:
    LEAST_STRIPS = 3         # missed pieces: merging fewer one by one is faster


cdef class IdSink(Sink):
    """Merges by `bpe`. Writes ids, or, in a workspace that counts, adds up their number."""

    def __cinit__(self, BPE bpe not None):
        self.bpe, self.level = bpe, chosen()
        self.in_strips = self.level.merge_strips != NULL and bpe.lost is None

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        if self.find_values(w, text + w.origin):
            self.finish(w)

    cdef void finish(self, Workspace w) noexcept nogil:
        """Writes the ids of the chunk's values, or adds up their number. The next chunk begins."""
        if w.counting:
            w.total += self.tally(w)
        elif w.reserve(w.pieces * KEY24_MAX + w.side_used + 4):
            self.emit(w)
        w.next_chunk()

    cdef bint find_values(self, Workspace w, const uint8_t *chunk) noexcept nogil:
        """Sets `values`; false, with a status and an empty chunk, if memory is out."""
        cdef int misses = self.level.probe(&w.table, chunk, w.starts, w.pieces, w.values, w.missed)
        w.side_used = 0
        misses = self.look_again(w, chunk, misses) if misses else 0
        if misses and not self.merge_missed(w, chunk, misses):
            w.pieces = 0  # the run is over, but a caller may still add to the chunk, within its room
            return False
        return True

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef Py_ssize_t found
        if w.status != FINE or not w.reserve(end - start):
            return
        found = self.bpe.merge_piece(text + start, end - start, w.out + w.count, &w.scratch, &w.junction)
        if found < 0:
            w.status = OUT_OF_MEMORY
        elif w.counting:
            w.total += found
        else:
            w.count += found

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        if w.counting:
            w.total += 1
            return True
        if not w.reserve(1):
            return False
        w.out[w.count] = id
        w.count += 1
        return True

    cdef int look_again(self, Workspace w, const uint8_t *chunk, int misses) noexcept nogil:
        """Looks up missed pieces at their second place; returns the number of those still missing."""
        cdef const uint64_t *lines[CHUNK_ROOM]
        cdef uint32_t start, length
        cdef int i, left = 0
        for i in range(misses):
            start, length = w.starts[w.missed[i]], w.starts[w.missed[i] + 1] - w.starts[w.missed[i]]
            lines[i] = piece_second(&w.table, chunk + start, length) if length <= KEY24_MAX else NULL
            __builtin_prefetch(lines[i])
        for i in range(misses):
            start, length = w.starts[w.missed[i]], w.starts[w.missed[i] + 1] - w.starts[w.missed[i]]
            w.values[w.missed[i]] = 0
            if lines[i] != NULL:
                w.values[w.missed[i]] = piece_value(&w.table, lines[i], chunk + start, length)
            w.missed[left] = w.missed[i]
            left += w.values[w.missed[i]] == 0
        return left

    cdef bint merge_missed(self, Workspace w, const uint8_t *chunk, int misses) noexcept nogil:
        """Finds the values of the pieces that the probe has missed, once for equal ones; false if memory is out."""
        cdef uint16_t first[CHUNK_ROOM]
        cdef uint32_t order[CHUNK_ROOM]
        cdef int i = 0, size
        find_repeats(chunk, w.starts, w.missed, misses, first)
        size = by_length(w, misses, first, order)
        while i < size:
            if not self.merge_batch(w, chunk, order + i, min(<int>STRIPS, size - i)):
                return False
            i += STRIPS
        for i in range(misses):
            if first[i] != i:
                w.values[w.missed[i]] = w.values[w.missed[first[i]]]
            elif w.starts[w.missed[i] + 1] - w.starts[w.missed[i]] > KEY24_MAX and not self.miss(w, chunk, w.missed[i]):
                return False
        return True

    cdef bint keep_whole(self, Workspace w, const uint8_t *chunk, uint32_t index) noexcept nogil:
        """Remembers the id of a piece that is a token; false if the piece is no token or there is no room to look."""
        if not w.reserve_side(2 + KEY252_IDS):
            return False
        w.side[w.side_used + 1] = self.bpe.whole(chunk + w.starts[index], w.starts[index + 1] - w.starts[index])
        if w.side[w.side_used + 1] == NO_RANK:
            return False
        self.keep(w, chunk, index, w.side + w.side_used + 1, 1)
        return True

    cdef bint merge_batch(self, Workspace w, const uint8_t *chunk, const uint32_t *batch, int size) noexcept nogil:
        """Does what `miss` does, for up to `STRIPS` pieces of at most `KEY24_MAX` bytes."""
        cdef Strips strips
        cdef uint32_t pieces[STRIPS]
        cdef uint32_t start
        cdef int i
        if size < LEAST_STRIPS or not self.in_strips:
            for i in range(size):
                if not self.miss(w, chunk, batch[i]):
                    return False
            return True
        strips_clear(&strips)
        for i in range(size):
            if self.bpe.ignore_merges and self.keep_whole(w, chunk, batch[i]):
                continue
            start, pieces[strips.size] = w.starts[batch[i]], batch[i]
            if not strips_take(&strips, start_symbols(
                    &self.bpe.start, chunk + start, w.starts[batch[i] + 1] - start, strips_next(&strips))):
                if not self.miss(w, chunk, batch[i]):
                    return False
        if not w.reserve_side(STRIPS * (1 + KEY24_MAX)):
            return False
        self.level.merge_strips(&self.bpe.pairs, &strips)
        for i in range(strips.size):
            self.keep(w, chunk, pieces[i], strips_ids(&strips, i), strips.counts[i])
        return True

    cdef bint miss(self, Workspace w, const uint8_t *chunk, uint32_t index) noexcept nogil:
        """Finds the value of a piece that tables a and b do not hold; false if memory is out."""
        cdef const uint8_t *piece = chunk + w.starts[index]
        cdef Py_ssize_t length = w.starts[index + 1] - w.starts[index], found = 0
        cdef uint32_t *ids
        if not w.reserve_side(1 + length + KEY252_IDS):
            return False
        ids = w.side + w.side_used + 1
        if length > KEY24_MAX:
            found = piece_find_long(&w.table, piece, length, ids)
        if not found:
            found = self.bpe.merge_piece(piece, length, ids, &w.scratch, &w.junction)
            if found > 0:
                self.keep(w, chunk, index, ids, found)
                return True
            if found < 0:
                w.status = OUT_OF_MEMORY
                return False
        w.side[w.side_used] = <uint32_t>found
        w.values[index] = <uint64_t>w.side_used << 16
        w.side_used += 1 + found
        return True

    cdef void keep(
        self, Workspace w, const uint8_t *chunk, uint32_t index, const uint32_t *ids, Py_ssize_t found
    ) noexcept nogil:
        """Remembers the `found` ids of a piece. The side buffer has room for them; they may stand there already."""
        cdef Py_ssize_t length = w.starts[index + 1] - w.starts[index]
        cdef uint64_t value = piece_insert(&w.table, chunk + w.starts[index], length, ids, found)
        if not value:
            value = <uint64_t>w.side_used << 16
            memmove(w.side + w.side_used + 1, ids, found * sizeof(uint32_t))
            w.side[w.side_used] = <uint32_t>found
            w.side_used += 1 + found
        w.values[index] = value

    cdef void emit(self, Workspace w) noexcept nogil:
        """Writes the ids of the chunk's values; there is room for them."""
        cdef uint32_t *out = w.out + w.count
        cdef const uint32_t *ids
        cdef int at = 0
        cdef uint32_t count
        while True:
            at = self.level.emit(w.values, at, w.pieces, &out)
            if at == w.pieces:
                break
            if piece_in_ring(w.values[at]):
                out = piece_from_ring(&w.table, w.values[at], out)
            else:
                ids = self.located(w, w.values[at], &count)
                memcpy(out, ids, count * sizeof(uint32_t))
                out += count
            at += 1
        w.count = out - w.out

    cdef Py_ssize_t tally(self, Workspace w) noexcept nogil:
        """The number of ids that the values of the chunk have."""
        cdef uint64_t total = 0, elsewhere = 0
        cdef uint32_t count
        cdef int i
        for i in range(w.pieces):
            total += w.values[i] & 3
            elsewhere += ((w.values[i] & 3) - 1) >> 63  # 1 where the low bits are 0: the compiler vectorizes this form
        if elsewhere:
            for i in range(w.pieces):
                if w.values[i] & 3 == 0:
                    self.located(w, w.values[i], &count)
                    total += count
        return total

    cdef const uint32_t *located(self, Workspace w, uint64_t value, uint32_t *count) noexcept nogil:
        """The place of the ids of a value that does not hold them itself, and their number."""
        cdef const uint32_t *ids = piece_ring(&w.table, value, count)
        if count[0]:
            return ids
        count[0] = w.side[value >> 16]
        return w.side + (value >> 16) + 1


@cython.final
cdef class IdSpanSink(IdSink):
    """Writes ids and their spans in the text, in bytes and in characters; or only the ends of the ids, in characters.

    Not for a workspace that counts. Merging keeps the bytes of a piece, so each id begins at the end of the id before,
    and the tokens tell how many bytes and characters an id has. A character belongs to all ids that have a part of it.
    Example: "\xe4\xb8" and "\xad" are the two ids of a character of three bytes. The character begins in the first. So
    both begin at 0 and end at 1, in characters.
    Where a model loses bytes, an unknown token has the place of those that it stands for. Where they are left out,
    upstream counts the places of a piece's ids on without them, in characters of ByteLevel. Example: of " ab", whose
    space is lost, "ab" has the place 0:1. So do these spans; a run with `true_places` gets the true ones. There are no
    spans in characters then: others make them.
    """

    def __cinit__(self, BPE bpe not None):
        cdef Py_ssize_t id, at
        cdef uint32_t begun
        self.characters = <uint32_t *>malloc(bpe.size * sizeof(uint32_t))
        if self.characters == NULL:
            raise MemoryError
        for id in range(bpe.size):
            begun = 0
            for at in range(bpe.starts[id], bpe.starts[id + 1]):
                begun += bpe.blob[at] & 0xC0 != 0x80
            self.characters[id] = 2 * begun
            if bpe.width(<uint32_t>id) and bpe.blob[bpe.starts[id]] & 0xC0 == 0x80:
                self.characters[id] += 1

    def __dealloc__(self):
        free(self.characters)

    cdef void take(self, Workspace w, const uint8_t *text) noexcept nogil:
        cdef Py_ssize_t first = w.count
        if not self.find_values(w, text + w.origin):
            return
        if w.reserve(w.pieces * KEY24_MAX + w.side_used + 4):
            self.emit(w)
            if self.bpe.lost is None:
                self.write(w, text, w.origin, w.origin + w.starts[w.pieces], first)
            else:
                self.write_pieces(w, text, first)
        w.next_chunk()

    cdef void write_pieces(self, Workspace w, const uint8_t *text, Py_ssize_t first) noexcept nogil:
        """Does what `write` does, for a chunk of a model that loses bytes, whose ids begin at number `first`."""
        cdef Py_ssize_t count = w.count
        cdef uint32_t ids
        cdef int i
        w.count = first
        for i in range(w.pieces):
            ids = w.values[i] & 3
            if not ids:
                self.located(w, w.values[i], &ids)
            w.count += ids
            self.write(w, text, w.origin + w.starts[i], w.origin + w.starts[i + 1], w.count - ids)
        w.count = count

    cdef void write_known(
        self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first
    ) noexcept nogil:
        """Does what `write_spans` does, for bytes alone and the ids of one piece, which may have lost bytes."""
        cdef const uint32_t *ids = w.out + first
        cdef int64_t *spans = w.spans + 2 * w.spanned
        cdef Py_ssize_t count = w.count - first, i, at = start, begun, byte
        cdef int64_t spelled = 0, passed = 0  # bytes of ByteLevel's characters: of the ids so far, and before `at`
        if count == 1 and self.bpe.width(ids[0]) == end - start:
            spans[0], spans[1] = w.base + start, w.base + end  # a whole token, or an unknown one
            return
        for i in range(count):
            if self.bpe.lost.unknown >= 0:
                begun, at = at, self.bpe.lost_until(text, at, end)
                at += self.bpe.width(ids[i]) if at == begun else 0
                byte = at
            elif w.true_places:
                while self.bpe.lost.flags[text[at]]:
                    at += 1
                begun, byte = at, self.bpe.width(ids[i])
                while byte:
                    byte -= not self.bpe.lost.flags[text[at]]
                    at += 1
                byte = at
            else:
                while passed + spelling_width(text[at]) <= spelled:
                    passed += spelling_width(text[at])
                    at += 1
                begun = at
                for byte in range(self.bpe.starts[ids[i]], self.bpe.starts[ids[i] + 1]):
                    spelled += spelling_width(self.bpe.blob[byte])
                while passed + spelling_width(text[at]) < spelled:
                    passed += spelling_width(text[at])
                    at += 1
                byte = at + 1
            spans[2 * i], spans[2 * i + 1] = w.base + begun, w.base + byte

    cdef void write(
        self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first
    ) noexcept nogil:
        """Writes the spans, or the ends, of the ids from number `first` on, which are those of `text[start:end]`."""
        if not w.reserve_spans(w.count - first):
            return
        count_characters(w, text, start)
        if self.bpe.lost is not None:
            w.counts_characters = False
            if not w.ends_only:
                self.write_known(w, text, start, end, first)
        elif w.ends_only:
            w.characters = self.write_ends(w.out + first, w.count - first, w.characters, w.char_spans + w.spanned)
        else:
            w.characters = self.write_spans(
                w.out + first, w.count - first, w.base + start, w.characters, w.spans + 2 * w.spanned,
                w.char_spans + 2 * w.spanned)
        w.spanned += w.count - first
        w.counted = w.base + end

    cdef int64_t write_spans(
        self, const uint32_t *ids, Py_ssize_t count, int64_t place, int64_t characters, int64_t *spans,
        int64_t *char_spans
    ) noexcept nogil:
        """Writes the spans of ids; the first begins at `place`, after so many characters. Returns those at the end."""
        cdef const uint32_t *starts = self.bpe.starts
        cdef const uint32_t *begun = self.characters
        cdef Py_ssize_t i
        for i in range(count):
            spans[2 * i] = place
            place += starts[ids[i] + 1] - starts[ids[i]]
            spans[2 * i + 1] = place
            char_spans[2 * i] = characters - (begun[ids[i]] & 1)
            characters += begun[ids[i]] >> 1
            char_spans[2 * i + 1] = characters
        return characters

    cdef int64_t write_ends(
        self, const uint32_t *ids, Py_ssize_t count, int64_t characters, int64_t *ends
    ) noexcept nogil:
        """Writes the ends of ids, in characters; the first begins after so many. Returns those at the end."""
        cdef const uint32_t *begun = self.characters
        cdef Py_ssize_t i
        for i in range(count):
            characters += begun[ids[i]] >> 1
            ends[i] = characters
        return characters

    cdef void begin_lead(self, Workspace w, const uint8_t *text, Py_ssize_t at) noexcept nogil:
        count_characters(w, text, at)
        w.counted -= 1
        w.characters -= 1

    cdef void end_lead(self, Workspace w, Py_ssize_t first, Py_ssize_t width) noexcept nogil:
        """The space has the place of the character after it, as upstream's alignment says."""
        cdef bint alone
        if w.status != FINE:
            return
        alone = self.bpe.width(w.out[first]) == 1
        if w.ends_only:
            w.char_spans[first] += alone
            return
        w.spans[2 * first] += 1
        w.char_spans[2 * first] += 1
        w.spans[2 * first + 1] += width if alone else 0
        w.char_spans[2 * first + 1] += alone

    cdef void take_giant(self, Workspace w, const uint8_t *text, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef Py_ssize_t first = w.count
        IdSink.take_giant(self, w, text, start, end)
        if w.status == FINE:
            self.write(w, text, start, end, first)

    cdef bint take_added(
        self, Workspace w, const uint8_t *text, uint32_t id, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        cdef Py_ssize_t at = 2 * w.spanned
        if not (w.reserve_spans(1) and IdSink.take_added(self, w, text, id, start, end)):
            return False
        count_characters(w, text, start)
        w.spans[at], w.spans[at + 1], w.char_spans[at] = w.base + start, w.base + end, w.characters
        count_characters(w, text, end)
        w.char_spans[w.spanned if w.ends_only else at + 1] = w.characters
        w.spanned += 1
        return True


cdef inline int spelling_width(uint8_t byte) noexcept nogil:
    """The number of bytes of a byte's character in ByteLevel: formats/byte_alphabet.py."""
    return 1 if 0x21 <= byte <= 0x7E else 2


cdef void count_characters(Workspace w, const uint8_t *text, Py_ssize_t at) noexcept nogil:
    """Counts the characters up to `text[at]`, if the text from where they are counted is still there."""
    cdef Py_ssize_t rest = w.base + at - w.counted
    if not 0 <= rest <= at:
        w.counts_characters = False
    elif rest:
        w.characters += characters_within(text + at - rest, rest)
    w.counted = w.base + at


cdef int by_length(Workspace w, int misses, const uint16_t *first, uint32_t *order) noexcept nogil:
    """Sorts missed pieces of up to `KEY24_MAX` bytes by length, without repetitions; returns their number."""
    cdef int places[KEY24_MAX + 2]
    cdef uint32_t index, length
    cdef int i
    memset(places, 0, sizeof(places))
    for i in range(misses):
        length = w.starts[w.missed[i] + 1] - w.starts[w.missed[i]]
        if first[i] == i and length <= KEY24_MAX:
            places[length + 1] += 1
    for i in range(KEY24_MAX + 1):
        places[i + 1] += places[i]
    for i in range(misses):
        index = w.missed[i]
        length = w.starts[index + 1] - w.starts[index]
        if first[i] == i and length <= KEY24_MAX:
            order[places[length]] = index
            places[length] += 1
    return places[KEY24_MAX]
