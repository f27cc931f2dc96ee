"""Sinks: a finder hands them the pieces of a text in chunks, and each kind of sink makes something else of these.

In: chunks, and the results that are wanted. Out: spans of pieces, or their number (`SpanSink`); ids, their spans, or
their number (`IdSink`). A `Run` is a sink with the state of a pass; a pool keeps it (memory.pyx).
Invariant: a sink takes all pieces of a chunk, or its fault says why not. The ids of a piece are those of merging it.

`IdSink` takes four steps, each for all pieces of the chunk, so that the processor waits for many look-ups at once: look
each piece up in its first line of the piece table (bpe/piece_probe.h); look the missing ones up in their second line,
or in the set of long ones; merge those still missing (bpe/merge.pyx, bpe/strips.h), and put them into the table; write
the ids. Where long pieces are much of a chunk, and the model allows it, it takes them for words instead (soft_cuts.h),
and rewrites the ids at borders between words that do not hold (bpe/borders.h). Example: "Hi  all" has the pieces "Hi",
" " and " all", so `starts` is 0, 2, 3, 7. If the first step does not find " all", `missed` is [2].
Each id begins at the end of the id before, since merging keeps all bytes. A character belongs to all ids that have a
byte of it: the ids of "\\xe4\\xb8" and "\\xad", one character, both begin at 0 and end at 1, in characters.
"""

cimport cython
from cpython cimport array
from libc.stdint cimport uint16_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcpy, memmove, memset

from dstok.core.bpe.merge cimport (
    KEY24_MAX, KEY252_IDS, MEMORY_BYTES, NO_RANK, PENDING, SCRATCH_BYTES, STRIPS, Borders, border_append,
    borders_made, borders_new, borders_put, piece_elsewhere, piece_emit, piece_fetch_long, piece_find_long,
    piece_insert, piece_pack, piece_second, piece_value, scratch_free, start_symbols, strips_clear, strips_ids,
    strips_next, strips_take,
)
from dstok.core.cpu.level cimport CHUNK_ROOM, PieceMerge, Strips, chosen
from dstok.core.cpu.platform cimport ARRAY_KEPT, array_trim, huge_free, huge_zeroed, prefetch
from dstok.core.split.finder cimport FINE, OUT_OF_MEMORY, Chunk, open_pages
from dstok.core.text.utf8 cimport characters_within

from array import array as new_array

cdef extern from "encode/repeats.h":
    void find_repeats(
        const uint8_t *text, const uint32_t *starts, const uint32_t *missed, int count, uint16_t *first) noexcept nogil

cdef extern from "encode/soft_cuts.h":
    void soft_open(Borders *t, const Implementation *level) noexcept nogil
    ctypedef struct SoftWords:
        uint32_t *starts
        uint16_t *asked
        int count, asks
    void soft_words(
        const Borders *t, const uint8_t *text, const uint32_t *hard, uint32_t at, uint32_t end, SoftWords *words
    ) noexcept nogil
    void soft_asks(
        const Borders *t, uint64_t *memory, const PieceTable *table, const uint32_t *side, const uint64_t *values,
        uint32_t before, SoftWords *words) noexcept nogil

cdef enum:
    LEAST_STRIPS = 3         # missed pieces: merging fewer one by one is faster
    FEW_BYTES = 6            # a piece, on average: below it hardly any are long
    LOOKS = 64               # pieces of a chunk whose length is looked at
    WORK = 1 << 14           # bytes of long pieces: merging so many takes as long as making the tables of borders
    SPENT = 8                # bytes that the borders of a piece may read, for each of its bytes
    LEAST_SPENT = 256

cdef struct Joint:           # pieces that are cut softly
    const uint32_t *starts   # of the pieces
    uint32_t end             # of the last one
    uint32_t at              # start of the next word
    int piece                # the number of the piece in work
    Py_ssize_t floor         # the number of ids before it
    int64_t spent, most      # bytes that its borders have read, and may read


cdef class Run(Sink):
    """A sink with the results and the state of a pass."""

    def __dealloc__(self):
        free(self.out.ids.data)
        free(self.out.bytes.data)
        free(self.out.chars.data)
        free(self.out.added.data)
        free(self.lead)

    cdef void begin(self, int wanted) noexcept nogil:
        """Prepare for a text, or for several one after the other."""
        self.wanted, self.chunk.base = wanted, 0
        self.set_fault(FINE)
        self.out.ids.count = self.out.bytes.count = self.out.chars.count = self.out.added.count = 0
        self.out.total = self.out.counted = self.out.characters = 0
        self.cursor.prefix, self.left = 0, 0

    cdef bint reserve_ids(self, Py_ssize_t more) noexcept nogil:
        """Make room for `more` ids; false, with a fault, if memory is out."""
        cdef Ids *ids = &self.out.ids
        return self.reserve(&ids.data, &ids.room, ids.count, ids.count + more, sizeof(uint32_t))

    cdef bint reserve_spans(self, Py_ssize_t more) noexcept nogil:
        """Make room for `more` spans; false, with a fault, if memory is out."""
        cdef Out *out = &self.out
        return (not self.wanted & SPANS or self.reserve(
            &out.bytes.data, &out.bytes.room, out.bytes.count, out.bytes.count + more, 2 * sizeof(int64_t))) and (
                not self.wanted & CHARS or self.reserve(
                    &out.chars.data, &out.chars.room, out.chars.count, out.chars.count + more, 2 * sizeof(int64_t)))

    cdef bint add_span(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Write one span in bytes; false, with a fault, if memory is out."""
        cdef int64_t *out
        if not self.reserve_spans(1):
            return False
        out = self.out.bytes.data + 2 * self.out.bytes.count
        out[0], out[1] = self.chunk.base + start, self.chunk.base + end
        self.out.bytes.count += 1
        return True

    cdef bint mark(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Mark that the next id is an added token with these bytes; false, with a fault, if memory is out."""
        cdef Marks *added = &self.out.added
        if not self.reserve(&added.data, &added.room, added.count, added.count + 1, sizeof(Mark)):
            return False
        added.data[added.count] = Mark(
            self.out.total + self.out.ids.count, self.chunk.base + start, self.chunk.base + end)
        added.count += 1
        return True

    cdef void trim(self) noexcept:
        Sink.trim(self)
        array_trim(&self.out.ids.data, &self.out.ids.room, sizeof(uint32_t))
        array_trim(&self.out.bytes.data, &self.out.bytes.room, 2 * sizeof(int64_t))
        array_trim(&self.out.chars.data, &self.out.chars.room, 2 * sizeof(int64_t))
        array_trim(&self.lead, &self.lead_room, 1)
        array_trim(&self.out.added.data, &self.out.added.room, sizeof(Mark))

    cdef bint take_added(self, uint32_t id, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        """Take an added token between pieces; false, with a fault, if memory is out."""
        return True


@cython.final
cdef class SpanSink(Run):
    """Writes the span of each piece and added token, in bytes, or counts the pieces."""

    cdef void take(self) noexcept nogil:
        self.write(self.chunk.starts + 1)

    cdef void take_apart(self) noexcept nogil:
        self.write(self.chunk.ends)

    cdef void write(self, const uint32_t *ends) noexcept nogil:
        """Write the spans of the chunk's pieces, which end at `ends`, or count them."""
        cdef int64_t base = self.chunk.base + self.chunk.origin
        cdef int64_t *out
        cdef int i
        if not self.wanted & SPANS:
            self.out.total += self.chunk.pieces
        elif self.reserve_spans(self.chunk.pieces):
            out = self.out.bytes.data + 2 * self.out.bytes.count
            for i in range(self.chunk.pieces):
                out[2 * i] = base + self.chunk.starts[i]
                out[2 * i + 1] = base + ends[i]
            self.out.bytes.count += self.chunk.pieces

    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        if not self.wanted & SPANS:
            self.out.total += 1
        else:
            self.add_span(start, end)

    cdef bint take_added(self, uint32_t id, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        self.take_giant(start, end)
        return self.fault.status == FINE


@cython.final
cdef class IdSink(Run):
    """Merges by `bpe`. `memory` is a piece table, to which this run alone writes, if it is `writable`.

    Where a model loses bytes, an unknown token has the span of those that it stands for. Where they are left out,
    upstream counts on in a piece without them, in characters of ByteLevel. Example: of " ab", whose space is lost,
    "ab" has the span 0:1. So do these spans; with TRUE_SPANS they are those in the text. The sink then writes no spans
    in characters: `methods/offsets.py` makes them.
    """

    def __cinit__(self, BPE bpe not None, PieceMemory memory not None, bint writable):
        self.bpe, self.level, self._keep = bpe, chosen(), memory
        self.table, self.table.writable = memory.table, writable
        self.table.merge, self.table.run = <PieceMerge>merge_alone, <void *>self
        self.in_strips = self.level.merge_strips != NULL and bpe.lost is None and not bpe.ends_words

    def __dealloc__(self):
        scratch_free(self.scratch)
        scratch_free(self.scratch + 1)
        free(self.side)
        huge_free(self.memory, MEMORY_BYTES)

    cdef void trim(self) noexcept:
        Run.trim(self)
        array_trim(&self.side, &self.side_room, sizeof(uint32_t))
        if max(self.scratch[0].capacity, self.scratch[1].capacity) * SCRATCH_BYTES > ARRAY_KEPT:
            scratch_free(self.scratch)
            scratch_free(self.scratch + 1)

    cdef void take(self) noexcept nogil:
        if is_long(&self.chunk) and opens_borders(self, self.bpe, WORK):
            take_words(self)
        elif self.find_values(self.chunk.text + self.chunk.origin):
            self.finish()

    cdef bint find_values(self, const uint8_t *text) noexcept nogil:
        """Find the values of the chunk's pieces; false, with a fault, if memory is out."""
        cdef int misses = self.level.probe(
            &self.table, text, self.chunk.starts, self.chunk.pieces, self.values, self.missed)
        self.side_used = 0
        if misses:
            misses = self.look_again(text, misses)
        return not misses or self.merge_missed(text, misses)

    cdef void finish(self) noexcept nogil:
        """Write the ids of the chunk's values, and their spans, or count them."""
        cdef Chunk *chunk = &self.chunk
        cdef Py_ssize_t first = self.out.ids.count, count
        cdef int i
        if not self.wanted & IDS:
            self.out.total += tally(self, 0, chunk.pieces)
            return
        if not self.reserve_ids(chunk.pieces * KEY24_MAX + self.side_used + 4):
            return
        emit(self, 0, chunk.pieces)
        if not self.wanted & (SPANS | CHARS):
            return
        if self.bpe.lost is None and not self.bpe.ends_words:
            settle(self, chunk.origin, chunk.origin + chunk.starts[chunk.pieces], first)
            return
        for i in range(chunk.pieces):
            count = tally(self, i, i + 1)
            write_spans(self, chunk.origin + chunk.starts[i], chunk.origin + chunk.starts[i + 1], first, count)
            first += count

    cdef void take_giant(self, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef Py_ssize_t first = self.out.ids.count
        if self.reserve_ids(end - start + 1):
            self.out.ids.count += max(
                merged(self, self.chunk.text + start, end - start, self.out.ids.data + first), <Py_ssize_t>0)
            settle(self, start, end, first)

    cdef bint take_added(self, uint32_t id, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
        cdef Out *out = &self.out
        if not self.wanted & IDS:
            out.total += 1
            return True
        if not self.reserve_ids(1) or not self.reserve_spans(1):
            return False
        out.ids.data[out.ids.count] = id
        out.ids.count += 1
        if self.wanted & SPANS:
            self.add_span(start, end)
        if self.wanted & CHARS:
            count_characters(self, start)
            out.chars.data[2 * out.chars.count] = out.characters
            count_characters(self, end)
            out.chars.data[2 * out.chars.count + 1] = out.characters
            out.chars.count += 1
        return True

    cdef int look_again(self, const uint8_t *text, int misses) noexcept nogil:
        """Look up missed pieces in their second line, or in their set; return the number of those still missing."""
        cdef const uint64_t *lines[CHUNK_ROOM]
        cdef uint64_t hashes[CHUNK_ROOM]
        cdef const uint32_t *starts = self.chunk.starts
        cdef uint32_t start, length, index
        cdef int i, left = 0
        for i in range(misses):
            start, length = starts[self.missed[i]], starts[self.missed[i] + 1] - starts[self.missed[i]]
            if length > KEY24_MAX:
                hashes[i] = piece_fetch_long(&self.table, text + start, length)
            else:
                lines[i] = piece_second(&self.table, text + start, length)
                prefetch(lines[i])
        for i in range(misses):
            index = self.missed[left] = self.missed[i]
            start, length = starts[index], starts[index + 1] - starts[index]
            self.values[index] = 0
            if length > KEY24_MAX:
                left += not find_long(self, index, hashes[i], text + start, length)
            else:
                if lines[i] != NULL:
                    self.values[index] = piece_value(&self.table, lines[i], text + start, length)
                left += self.values[index] == 0
        return left

    cdef bint merge_missed(self, const uint8_t *text, int misses) noexcept nogil:
        """Find the values of the pieces that the probe has missed, once for equal ones; false if memory is out."""
        cdef const uint32_t *starts = self.chunk.starts
        cdef uint16_t first[CHUNK_ROOM]
        cdef uint32_t order[CHUNK_ROOM]
        cdef uint32_t index
        cdef int i = 0, size
        if misses < LEAST_STRIPS:  # most short texts: sorting and comparing them would take longer
            for i in range(misses):
                miss(self, text, self.missed[i])
            return self.fault.status == FINE
        find_repeats(text, starts, self.missed, misses, first)
        size = by_length(starts, self.missed, misses, first, order)
        if not self.reserve(&self.side, &self.side_room, self.side_used, self.side_used + size * (1 + KEY24_MAX),
                            sizeof(uint32_t)):
            return False
        while i < size:
            merge_batch(self, text, order + i, min(<int>STRIPS, size - i))
            i += STRIPS
        for i in range(misses):
            index = self.missed[i]
            if first[i] != i:
                self.values[index] = self.values[self.missed[first[i]]]
            elif starts[index + 1] - starts[index] > KEY24_MAX:
                miss(self, text, index)
        return self.fault.status == FINE

    cdef void begin_lead(self, Py_ssize_t at) noexcept nogil:
        """Note that the next pieces come from a copy of `text[at:]` with a space before it."""
        if self.wanted & CHARS:
            count_characters(self, at)
            self.out.counted -= 1
            self.out.characters -= 1

    cdef void end_lead(self, Py_ssize_t first, Py_ssize_t width) noexcept nogil:
        """Note that these pieces were taken: id number `first` has the space, before a character of `width` bytes.

        The space has the span of this character, as upstream's alignment says.
        """
        cdef bint alone
        if self.fault.status != FINE or not self.wanted & (SPANS | CHARS):
            return
        alone = self.bpe.width(self.out.ids.data[first]) == 1
        if self.wanted & SPANS:
            self.out.bytes.data[2 * first] += 1
            self.out.bytes.data[2 * first + 1] += width if alone else 0
        if self.wanted & CHARS:
            self.out.chars.data[2 * first] += 1
            self.out.chars.data[2 * first + 1] += alone


cdef Py_ssize_t merged(IdSink run, const uint8_t *text, Py_ssize_t length, uint32_t *out) noexcept nogil:
    """Do what `BPE.merge_piece` does; -1, with a fault, if memory is out."""
    cdef Py_ssize_t found = run.bpe.merge_piece(text, length, out, run.scratch)
    if found < 0:
        run.set_fault(OUT_OF_MEMORY)
    return found


cdef void merge_batch(IdSink run, const uint8_t *text, const uint32_t *batch, int size) noexcept nogil:
    """Do what `miss` does, for up to `STRIPS` pieces of at most `KEY24_MAX` bytes, whose ids have room in `side`."""
    cdef Strips strips
    cdef uint32_t pieces[STRIPS]
    cdef uint32_t start, length, id = NO_RANK
    cdef int i
    if size < LEAST_STRIPS or not run.in_strips:
        for i in range(size):
            miss(run, text, batch[i])
        return
    strips_clear(&strips)
    for i in range(size):
        start, pieces[strips.size] = run.chunk.starts[batch[i]], batch[i]
        length = run.chunk.starts[batch[i] + 1] - start
        if run.bpe.ignore_merges:
            id = run.bpe.whole(text + start, length)
        if id != NO_RANK:
            keep(run, text, batch[i], &id, 1)
        elif not strips_take(&strips, start_symbols(&run.bpe.start, text + start, length, strips_next(&strips))):
            miss(run, text, batch[i])
    run.level.merge_strips(&run.bpe.pairs, &strips)
    for i in range(strips.size):
        keep(run, text, pieces[i], strips_ids(&strips, i), strips.counts[i])


cdef bint find_long(
    IdSink run, uint32_t index, uint64_t hash, const uint8_t *piece, Py_ssize_t length
) noexcept nogil:
    """Find the value of a piece of more than `KEY24_MAX` bytes; false if the table lacks it, or memory is out."""
    cdef Py_ssize_t found = 0
    cdef uint32_t *ids
    if run.reserve(&run.side, &run.side_room, run.side_used, run.side_used + 1 + KEY252_IDS, sizeof(uint32_t)):
        ids = run.side + run.side_used + 1
        found = piece_find_long(&run.table, hash, piece, length, ids)
        run.values[index] = piece_pack(ids, found) if found else 0
        if found and not run.values[index]:
            to_side(run, index, ids, found)
    return found > 0


cdef void miss(IdSink run, const uint8_t *text, uint32_t index) noexcept nogil:
    """Find the value of a piece that the table does not hold."""
    cdef const uint8_t *piece = text + run.chunk.starts[index]
    cdef Py_ssize_t length = run.chunk.starts[index + 1] - run.chunk.starts[index], found
    cdef uint32_t *ids
    if length > KEY24_MAX and find_long(run, index, piece_fetch_long(&run.table, piece, length), piece, length):
        return  # an equal piece was merged before
    run.values[index] = 0
    if not run.reserve(&run.side, &run.side_room, run.side_used, run.side_used + 1 + length, sizeof(uint32_t)):
        return
    ids = run.side + run.side_used + 1
    found = merged(run, piece, length, ids)
    if found > 0:
        keep(run, text, index, ids, found)
    elif found == 0:
        to_side(run, index, ids, found)


cdef uint32_t *merge_alone(IdSink run, const uint8_t *piece, uint32_t length, uint32_t *out) noexcept nogil:
    """Write the ids of a piece that the table does not hold; return their end, or NULL if memory is out."""
    run.chunk.starts[0], run.chunk.starts[1], run.side_used = 0, length, 0
    run.set_fault(FINE)
    miss(run, piece, 0)
    return NULL if run.fault.status != FINE else piece_emit(
        run.level, &run.table, run.side, run.values, 0, 1, out)


cdef void to_side(IdSink run, uint32_t index, const uint32_t *ids, Py_ssize_t found) noexcept nogil:
    """Make the value of a piece one whose ids are in the side buffer, which has room and may have them already."""
    memmove(run.side + run.side_used + 1, ids, found * sizeof(uint32_t))
    run.side[run.side_used] = <uint32_t>found
    run.values[index] = <uint64_t>run.side_used << 16
    run.side_used += 1 + found


cdef void keep(IdSink run, const uint8_t *text, uint32_t index, const uint32_t *ids, Py_ssize_t found) noexcept nogil:
    """Keep the `found` ids of a piece in the table, or in the side buffer."""
    cdef uint32_t start = run.chunk.starts[index]
    run.values[index] = piece_insert(&run.table, text + start, run.chunk.starts[index + 1] - start, ids, found)
    if not run.values[index]:
        to_side(run, index, ids, found)


cdef void emit(IdSink run, int at, int stop) noexcept nogil:
    """Write the ids of the chunk's values from number `at` to `stop`; there is room for them."""
    cdef Ids *out = &run.out.ids
    out.count = piece_emit(run.level, &run.table, run.side, run.values, at, stop, out.data + out.count) - out.data


cdef bint is_long(const Chunk *chunk) noexcept nogil:
    """Tell whether pieces that have no key are half of a sample of a chunk. One with a space counts twice."""
    cdef const uint8_t *text = chunk.text + chunk.origin
    cdef uint32_t start, length, span = 0, longs = 0
    cdef int i = 0
    if chunk.starts[chunk.pieces] - chunk.starts[0] < FEW_BYTES * <uint32_t>chunk.pieces:
        return False
    while i < chunk.pieces:
        start, length = chunk.starts[i], chunk.starts[i + 1] - chunk.starts[i]
        span += length
        if length > KEY24_MAX:
            longs += 2 * length if memchr(text + start + 1, 0x20, length - 1) != NULL else length
        i += 1 + chunk.pieces // LOOKS
    return 2 * longs > span


cdef bint opens_borders(IdSink run, BPE bpe, uint64_t least) noexcept nogil:
    """Tell whether long pieces may be cut softly. Makes the tables if `least` bytes of them are merged or here."""
    cdef Borders *made
    if borders_made(&bpe.borders) == NULL:
        if run.scratch[0].work + run.chunk.starts[run.chunk.pieces] < least or not bpe.merges_all or (
                not bpe.monotone or bpe.start.wide.ids != NULL):
            return False
        made = borders_new(&bpe.pairs, &bpe.start, bpe.starts, bpe.blob, bpe.size)
        if made == NULL:
            return False
        soft_open(made, run.level)
        open_pages(&made.words)
        borders_put(&bpe.borders, made)
    if run.memory == NULL and bpe.borders.cut != NULL:
        run.memory = <uint64_t *>huge_zeroed(MEMORY_BYTES)
    return run.memory != NULL


cdef void take_words(IdSink run) noexcept nogil:
    """Take the pieces of the chunk, cut softly: write their ids and spans, or count them."""
    cdef Chunk *chunk = &run.chunk
    cdef Ids *out = &run.out.ids
    cdef const uint8_t *text = chunk.text + chunk.origin
    cdef uint32_t hard[CHUNK_ROOM + 64]
    cdef int pieces = chunk.pieces
    cdef Py_ssize_t first = out.count
    cdef Joint joint
    cdef uint16_t asked[CHUNK_ROOM]
    cdef SoftWords words
    memcpy(hard, chunk.starts, sizeof(hard))
    joint.starts, joint.at, joint.end, joint.spent = hard, hard[0], hard[pieces], 0
    words.starts, words.asked = chunk.starts, asked
    begin_piece(run, &joint, 0, first)
    while joint.at < joint.end and run.fault.status == FINE:
        soft_words(run.bpe.borders, text, hard + joint.piece, joint.at, joint.end, &words)
        chunk.pieces = words.count
        if run.find_values(text):
            join_words(run, &joint, &words)
    run.scratch[1].work += joint.spent
    memcpy(chunk.starts, hard, sizeof(hard))  # the finder reads what lies after the chunk's pieces
    chunk.pieces = pieces
    if run.fault.status == FINE:
        settle(run, chunk.origin + hard[0], chunk.origin + joint.end, first)


cdef void settle(IdSink run, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first) noexcept nogil:
    """Write the spans of the ids from number `first` on, those of `text[start:end]`; or count and drop them."""
    cdef Ids *out = &run.out.ids
    if not run.wanted & IDS:
        run.out.total += out.count - first
        out.count = first
    elif run.wanted & (SPANS | CHARS):
        write_spans(run, start, end, first, out.count - first)


cdef inline void begin_piece(IdSink run, Joint *joint, int piece, Py_ssize_t floor) noexcept nogil:
    # Goes on to the piece of this number. Checking its borders may read `most` bytes: docs/proofs_ids.md, "Soft cuts".
    run.scratch[1].work += joint.spent
    joint.piece, joint.floor, joint.spent = piece, floor, 0
    joint.most = LEAST_SPENT + SPENT * <int64_t>(joint.starts[piece + 1] - joint.starts[piece])


cdef void join_words(IdSink run, Joint *joint, SoftWords *words) noexcept nogil:
    """Write the ids of the words, whose values are found; rewrite those at borders that do not hold.

    A piece whose borders take too long is merged whole, and `joint.at` is its end; else it is that of the words.
    """
    cdef const uint32_t *starts = words.starts
    cdef Ids *out = &run.out.ids
    cdef uint32_t ids[CHUNK_ROOM]  # of a word
    cdef int i, done = 0, word, first, count
    cdef Py_ssize_t found
    if not run.reserve_ids(words.count * KEY24_MAX + run.side_used + 2 * PENDING + 4):
        return
    soft_asks(run.bpe.borders, run.memory, &run.table, run.side, run.values,
              out.data[out.count - 1] if out.count > joint.floor else 0, words)
    words.asked[words.asks] = words.count  # so that the piece that goes on after these words begins
    for i in range(words.asks + 1):
        word = words.asked[i]
        if word < done:
            continue
        if joint.starts[joint.piece + 1] <= starts[word] < joint.end:
            while joint.starts[joint.piece + 1] <= starts[word]:
                joint.piece += 1
            first = word
            while starts[first] > joint.starts[joint.piece]:
                first -= 1
            emit(run, done, first)
            begin_piece(run, joint, joint.piece, out.count)
            done = first
        emit(run, done, word)
        done = word
        while done < words.count and (done == word or starts[done] < joint.starts[joint.piece + 1]):
            count = <int>(piece_emit(run.level, &run.table, run.side, run.values, done, done + 1, ids) - ids)
            found = border_append(run.bpe.borders, run.memory, out.data, joint.floor, out.count, ids, count,
                                  &joint.spent, joint.most)
            if found < 0:
                merge_whole(run, joint)
                return
            out.count = found
            done += 1
            if out.data[found - 1] == ids[count - 1]:  # so the borders after this word are those that were looked at
                break
    joint.at = starts[words.count]


cdef void merge_whole(IdSink run, Joint *joint) noexcept nogil:
    """Merge the piece in work by sections."""
    cdef uint32_t start = joint.starts[joint.piece], end = joint.starts[joint.piece + 1]
    cdef Py_ssize_t found = -1
    run.out.ids.count = joint.floor
    if run.reserve_ids(end - start + KEY24_MAX):
        found = merged(run, run.chunk.text + run.chunk.origin + start, end - start, run.out.ids.data + joint.floor)
    if found >= 0:
        joint.at = end
        begin_piece(run, joint, joint.piece + 1, joint.floor + found)
        run.out.ids.count = joint.floor


cdef Py_ssize_t tally(IdSink run, int at, int stop) noexcept nogil:
    """Return the number of ids that the chunk's values from number `at` to `stop` have."""
    cdef uint64_t total = 0, elsewhere = 0
    cdef uint32_t count
    cdef int i
    for i in range(at, stop):
        total += run.values[i] & 3
        elsewhere += ((run.values[i] & 3) - 1) >> 63  # 1 where the low bits are 0, in a form that becomes vectors
    if elsewhere:
        for i in range(at, stop):
            if run.values[i] & 3 == 0:
                piece_elsewhere(&run.table, run.side, run.values[i], &count)
                total += count
    return total


cdef void count_characters(IdSink run, Py_ssize_t at) noexcept nogil:
    """Count the characters up to `text[at]`, if the buffer still has the text that is not counted."""
    cdef Py_ssize_t rest = run.chunk.base + at - run.out.counted
    if not 0 <= rest <= at:
        run.wanted &= ~CHARS
    elif rest:
        run.out.characters += characters_within(run.chunk.text + at - rest, rest)
    run.out.counted = run.chunk.base + at


cdef void write_spans(
    IdSink run, Py_ssize_t start, Py_ssize_t end, Py_ssize_t first, Py_ssize_t count
) noexcept nogil:
    """Write the spans of `count` ids from number `first` on, which are those of `text[start:end]`."""
    cdef const uint32_t *ids = run.out.ids.data + first
    cdef const uint32_t *starts = run.bpe.starts
    cdef const uint32_t *known = run.characters
    cdef int64_t offset = run.chunk.base + start, characters
    cdef int64_t *out
    cdef Py_ssize_t i
    if not run.reserve_spans(count):
        return
    if run.wanted & SPANS and run.bpe.lost is not None:
        write_lossy(run, start, end, ids, count)
    elif run.wanted & SPANS:
        out = run.out.bytes.data + 2 * run.out.bytes.count
        for i in range(count):
            out[2 * i] = offset
            offset += starts[ids[i] + 1] - starts[ids[i]]
            out[2 * i + 1] = offset
        if run.bpe.ends_words and count:
            out[2 * count - 1] = run.chunk.base + end
        run.out.bytes.count += count
    if run.wanted & CHARS:
        count_characters(run, start)
        characters = run.out.characters
        out = run.out.chars.data + 2 * run.out.chars.count
        for i in range(count):
            out[2 * i] = characters - (known[ids[i]] & 1)
            characters += known[ids[i]] >> 1
            out[2 * i + 1] = characters
        run.out.chars.count += count
        run.out.characters, run.out.counted = characters, run.chunk.base + end


cdef void write_lossy(
    IdSink run, Py_ssize_t start, Py_ssize_t end, const uint32_t *ids, Py_ssize_t count
) noexcept nogil:
    """Do what `write_spans` does, for bytes alone and the ids of one piece, which may have lost bytes."""
    cdef const uint8_t *text = run.chunk.text
    cdef const uint8_t *lost = run.bpe.lost.flags
    cdef int64_t *spans = run.out.bytes.data + 2 * run.out.bytes.count
    cdef Py_ssize_t i, at = start, begun, byte
    cdef int64_t spelled = 0, passed = 0  # bytes of ByteLevel's characters: of the ids so far, and before `at`
    run.out.bytes.count += count
    if count == 1 and run.bpe.width(ids[0]) == end - start:  # a token without a lost byte, or an unknown one
        spans[0], spans[1] = run.chunk.base + start, run.chunk.base + end
        return
    for i in range(count):
        if run.bpe.lost.unknown >= 0:
            begun, at = at, run.bpe.lost_until(text, at, end)
            at += run.bpe.width(ids[i]) if at == begun else 0
            byte = at
        elif run.wanted & TRUE_SPANS:
            while lost[text[at]]:
                at += 1
            begun, byte = at, run.bpe.width(ids[i])
            while byte:
                byte -= not lost[text[at]]
                at += 1
            byte = at
        else:
            while passed + spelling_width(text[at]) <= spelled:
                passed += spelling_width(text[at])
                at += 1
            begun = at
            for byte in range(run.bpe.starts[ids[i]], run.bpe.starts[ids[i] + 1]):
                spelled += spelling_width(run.bpe.blob[byte])
            while passed + spelling_width(text[at]) < spelled:
                passed += spelling_width(text[at])
                at += 1
            byte = at + 1
        spans[2 * i], spans[2 * i + 1] = run.chunk.base + begun, run.chunk.base + byte


cdef inline int spelling_width(uint8_t byte) noexcept nogil:
    """Return the number of bytes of a byte's character in ByteLevel: formats/byte_alphabet.py."""
    return 1 if 0x21 <= byte <= 0x7E else 2


cdef int by_length(
    const uint32_t *starts, const uint32_t *missed, int misses, const uint16_t *first, uint32_t *order
) noexcept nogil:
    """Sort missed pieces of up to `KEY24_MAX` bytes by length, without repetitions; return their number."""
    cdef int ends[KEY24_MAX + 2]
    cdef uint32_t length
    cdef int i
    memset(ends, 0, sizeof(ends))
    for i in range(misses):
        length = starts[missed[i] + 1] - starts[missed[i]]
        if first[i] == i and length <= KEY24_MAX:
            ends[length + 1] += 1
    for i in range(KEY24_MAX + 1):
        ends[i + 1] += ends[i]
    for i in range(misses):
        length = starts[missed[i] + 1] - starts[missed[i]]
        if first[i] == i and length <= KEY24_MAX:
            order[ends[length]] = missed[i]
            ends[length] += 1
    return ends[KEY24_MAX]


cdef object characters_of(BPE bpe):
    """Make array("I"), by token: twice the number of characters that begin in it, 1 more if it begins inside one."""
    cdef array.array made = new_array("I", bytes(4 * bpe.size))
    cdef uint32_t *characters = made.data.as_uints
    cdef uint32_t id, at, begun
    for id in range(<uint32_t>bpe.size):
        begun = 0
        for at in range(bpe.starts[id], bpe.starts[id + 1]):
            begun += bpe.blob[at] & 0xC0 != 0x80 and bpe.blob[at] != 0xFF  # which ends words
        characters[id] = 2 * begun + (bpe.starts[id] < bpe.starts[id + 1] and bpe.blob[bpe.starts[id]] & 0xC0 == 0x80)
    return made


def borders_of(BPE bpe not None, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the ids of the bytes of two tokens for each pair, as soft cuts have them. For tests.

    From now on long pieces are cut softly. Raises `ValueError` if this model or level cannot do so.
    """
    cdef IdSink run = IdSink(bpe, PieceMemory(bpe, bytes((bpe.size >> 3) + 1)), True)
    cdef uint32_t ids[PENDING]
    cdef int64_t spent = 0, count, i
    cdef uint32_t left, right
    if not opens_borders(run, bpe, 0):
        raise ValueError("expected a model of bytes with monotone ranks, and a level with a mask kernel")
    found = []
    for left, right in pairs:
        ids[0] = left
        count = border_append(bpe.borders, run.memory, ids, 0, 1, &right, 1, &spent, spent + (1 << 20))
        found.append([ids[i] for i in range(count)])
    return found
