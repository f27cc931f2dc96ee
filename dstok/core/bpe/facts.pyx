"""Facts about a model's tokens and live merges that its tables hold: each is one pass over them.

In: live merges, flat (left, right, merged id by rank), and the tokens: token i is blob[starts[i]:starts[i + 1]]. Out:
the symbols that merging starts from (merge_loops.h), the ids that merging makes, the bits of safe cuts and borders, the
rows of a matrix. Invariant: merging gives the same ids from these symbols as from single bytes: docs/proofs_ids.md,
"Sections". A pair of characters without a bit may be cut ("Safe cuts"); two pairs with one hash only lose a cut.
Examples: of the merges a b, b c, ab c, in this order, "ab" comes first. So merging may take the bytes "ab" as one
symbol anywhere; "bc" only where no "a" is before it. It may take 中 (E4 B8 AD) whole, if merging its bytes gives its
token. But not after a space if " \\xe4" is a token: it could take the first byte.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from dstok.core.bpe.merge cimport BPE, NO_PAIR, character_at, start_symbols
from dstok.core.cpu.level cimport BORDERS
from dstok.core.split.character_finder cimport MATRIX_CLASSES
from dstok.core.text.utf8 cimport code_point

from array import array

cdef extern from "split/kernel.h":
    bint cuttable "kernel_cuttable"(uint32_t c) noexcept nogil
    uint32_t kernel_joined_bit(uint32_t left, uint32_t right) noexcept nogil
    enum:
        CUT_BITS
        CUTTABLE_COUNT
    const uint32_t CUTTABLE[CUTTABLE_COUNT][2]

cdef enum:
    ALL = 1 << 16            # pairs of bytes; characters of the BMP
    REPLACEMENT = 0xFFFD     # stands for bytes that are no character
    WIDEST = 1 << 12         # characters that begin with one byte
    SPACE = 0x20
    NO_JOINER = 0xFF

JOINED_BYTES = (1 << CUT_BITS) // 8
BORDER_BYTES = BORDERS
MOST_PAIRS = 1 << 13         # pairs at one border inside a token: a hundredth of the bitmap


cdef inline void put(uint8_t[::1] bits, Py_ssize_t bit) noexcept:
    bits[bit >> 3] |= <uint8_t>(1 << (bit & 7))


cdef inline bint is_character(const uint8_t *p, Py_ssize_t size) noexcept:
    """Tell whether these bytes are one character of well-formed UTF-8."""
    cdef uint32_t c = 0
    if size == 1:
        return p[0] < 0x80
    return size > 1 and character_at(p, size, &c) == size and not (
        0xD800 <= c < 0xE000 or c < (0x80 if size == 2 else 0x800 if size == 3 else 0x10000) or c > 0x10FFFF)


def is_monotone(const uint32_t[::1] live not None, Py_ssize_t ids) -> bool:
    """Tell whether no merge makes a side of an earlier merge; merge.pyx relies on it."""
    cdef uint8_t[::1] taken = bytearray(ids)
    cdef Py_ssize_t i
    for i in range(0, live.shape[0], 3):
        taken[live[i]] = taken[live[i + 1]] = 1
        if taken[live[i + 2]]:
            return False
    return True


def start_tables(
    const uint32_t[::1] live not None, const uint32_t[::1] starts not None, const uint8_t[::1] blob not None,
    byte_ids: Sequence[int], bint characters=False
) -> tuple[bytes, bytes, bytes]:
    """Return the symbols that merging may start from: `atoms`, `byte_pairs` and `pair_ids` of a StartTable.

    The first are the characters of the BMP that are settled tokens (uint32[0x10000]: id + 1, or 0), the others the
    first 65,535 merges of two bytes to settled tokens. A model of `characters` has no such atoms, and no torn borders.
    """
    cdef Py_ssize_t ids = starts.shape[0] - 1, count = live.shape[0] // 3, rank, pair, left, right, i
    cdef int32_t[::1] byte_of = array("i", [-1]) * ids, merged = array("i", [count]) * ALL
    cdef int32_t[::1] before = array("i", [count]) * ALL, after = array("i", [count]) * ALL
    cdef uint8_t[::1] settled = settled_tokens(live, starts), torn = bytearray(ALL // 8)
    cdef uint16_t[::1] numbers = array("H", [0]) * (count + 1)  # by rank: how many of the merges in `made` are below
    cdef uint16_t below = 0
    cdef int byte
    atoms, table, made = array("I", [0]) * ALL, array("H", [0]) * (4 * ALL), array("I")
    cdef uint32_t[::1] a = atoms
    cdef uint16_t[::1] t = table
    for byte, i in enumerate(byte_ids):
        if starts[i + 1] - starts[i] == 1 and blob[starts[i]] == byte:  # a byte without a token has another byte's id
            byte_of[i] = byte
    for rank in range(count):
        left, right, i = live[3 * rank], live[3 * rank + 1], live[3 * rank + 2]
        numbers[rank] = below
        if byte_of[right] >= 0:
            pair = blob[starts[left + 1] - 1] << 8 | byte_of[right]
            before[pair] = min(before[pair], <int32_t>rank)
        if byte_of[left] >= 0:
            pair = byte_of[left] << 8 | blob[starts[right]]
            after[pair] = min(after[pair], <int32_t>rank)
        if byte_of[left] >= 0 and byte_of[right] >= 0 and settled[i] and below < NO_PAIR:
            merged[byte_of[left] << 8 | byte_of[right]] = <int32_t>rank
            below += 1
            made.append(i)
    numbers[count] = below
    if not characters:
        find_torn(starts, blob, torn)
        for i in range(ids):
            if settled[i] and is_character(&blob[starts[i]], starts[i + 1] - starts[i]):
                a[code_point(&blob[starts[i]], &pair)] = <uint32_t>i + 1
    for pair in range(ALL):
        t[4 * pair] = numbers[merged[pair]] if merged[pair] < count else NO_PAIR
        t[4 * pair + 1], t[4 * pair + 2] = numbers[before[pair]], numbers[after[pair]]
        t[4 * pair + 3] = torn[pair >> 3] >> (pair & 7) & 1
    return b"" if characters else atoms.tobytes(), table.tobytes(), made.tobytes()


cdef uint8_t[::1] settled_tokens(const uint32_t[::1] m, const uint32_t[::1] starts):
    """Find the tokens of two or three bytes that no merge takes as a side at a rank below the ranks that make them.

    With monotone ranks all tokens are settled. If several merges make a token, all of them count. A byte for each id.
    """
    cdef Py_ssize_t ids = starts.shape[0] - 1, count = m.shape[0] // 3, rank, i, size
    cdef int32_t[::1] needs = array("i", [-1]) * ids      # the last rank that making a token needs
    cdef int32_t[::1] taken = array("i", [count]) * ids   # the first rank that takes a token
    cdef uint8_t[::1] found = bytearray(ids)
    for rank in range(count - 1, -1, -1):
        taken[m[3 * rank]] = taken[m[3 * rank + 1]] = <int32_t>rank
    for size in range(2, 4):
        for rank in range(count):
            i = m[3 * rank + 2]
            if starts[i + 1] - starts[i] == <uint32_t>size:
                needs[i] = max(needs[i], <int32_t>rank, needs[m[3 * rank]], needs[m[3 * rank + 1]])
    for i in range(ids):
        found[i] = 0 <= needs[i] < taken[i]
    return found


cdef void find_torn(const uint32_t[::1] starts, const uint8_t[::1] blob, uint8_t[::1] bits) noexcept:
    """Set the bits of the pairs of bytes (left << 8 | right) that stand at a torn border inside a token.

    A border between characters is torn if on one side of it the token holds only a part of a character.
    """
    cdef Py_ssize_t i, begin, end
    cdef bint whole, last  # the character after the border, and the one before it
    for i in range(starts.shape[0] - 1):
        begin, last = starts[i], True
        while begin < <Py_ssize_t>starts[i + 1]:  # from one character, or part of one, to the next
            end = begin + 1
            while end < <Py_ssize_t>starts[i + 1] and blob[end] & 0xC0 == 0x80:
                end += 1
            whole = is_character(&blob[begin], end - begin)
            if begin > <Py_ssize_t>starts[i] and not (whole and last):
                put(bits, blob[begin - 1] << 8 | blob[begin])
            last, begin = whole, end


def direct_tokens(
    const uint32_t[::1] live not None, BPE bpe not None, raw_ids: Iterable[int]
) -> tuple[bytes, array[int]]:
    """Return a bit for each id that merging makes of its own bytes, and the other ids of tokens that a piece may be.

    Those are the products of live merges, as docs/proofs_ids.md shows ("Live rules"), and the symbols to start from.
    `raw_ids` are the ids that no piece has.
    """
    cdef uint8_t[::1] bits = bytearray((bpe.size + 7) // 8)
    cdef const uint32_t[::1] reachable = bpe.reachable(raw_ids)
    cdef uint32_t[4] symbols
    cdef Py_ssize_t i, width
    cdef uint32_t token
    others = array("I")
    for i in range(2, live.shape[0], 3):
        put(bits, live[i])
    for i in range(reachable.shape[0]):
        token, width = reachable[i], bpe.width(reachable[i])
        if bits[token >> 3] >> (token & 7) & 1:
            continue
        if width <= 4 and start_symbols(&bpe.plain, bpe.blob + bpe.starts[token], width, symbols) == 1 and (
                symbols[0] == token):
            put(bits, token)
        else:
            others.append(token)
    return bytes(bits), others


def border_bits(ids: array[int], const uint32_t[::1] starts not None, const uint8_t[::1] blob not None) -> bytearray:
    """Return two bitmaps of the BMP, the last characters of these tokens and the first ones: not to cut after, before.

    U+FFFD stands for bytes that are no character. With `ignore_merges` a whole piece may be a token that merging cannot
    build, and a cut must not create such a part. So no cut is before the first character of such a token, and no first
    cut of a piece is after its last character.
    """
    cdef const uint32_t[::1] tokens = ids
    cdef Py_ssize_t i, at, width
    cdef uint32_t c = 0, token
    bits = bytearray(BORDER_BYTES)
    cdef uint8_t[::1] found = bits
    for i in range(tokens.shape[0]):
        token = tokens[i]
        at = starts[token + 1] - 1
        while at > <Py_ssize_t>starts[token] and blob[at] & 0xC0 == 0x80:
            at -= 1
        put_border(found, &blob[at], starts[token + 1] - at, 0)
        at = starts[token]
        width = 1 if blob[at] < 0x80 else character_at(&blob[at], starts[token + 1] - at, &c)
        put_border(found, &blob[at], width, 4 * BORDERS)
    return bits


cdef void put_border(uint8_t[::1] bits, const uint8_t *p, Py_ssize_t size, Py_ssize_t first) noexcept:
    """Set the bit of a character of the BMP, counted from the bit `first`."""
    cdef Py_ssize_t width
    cdef uint32_t c = code_point(p, &width) if is_character(p, size) else REPLACEMENT
    if c < ALL:
        put(bits, first + c)


def joined_pairs(
    const uint32_t[::1] starts not None, const uint8_t[::1] blob not None, bytearray borders=None
) -> bytes:
    """Build the bitmap of the pairs of cuttable characters that a token may span.

    Cuttable characters take three bytes each, so around a border inside a token at most three bytes on either side
    matter: whole characters, or parts that stand for every character with that part. A token of a part and a part, such
    as a4 | ed, has pairs of 400 and 2,000 characters, and the bits for all these pairs would fill the bitmap of Qwen's
    tokens. With `borders` (`border_bits`), only the characters after the border get bits, and `borders` holds these.
    """
    cdef Py_ssize_t i, j, k, at, before, after, lefts, rights
    cdef uint32_t[WIDEST] left, right
    cdef const uint8_t *p
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] found = bits, edges = borders
    parts = set()  # the bytes on both sides of a border beside a part of a character; each is looked at once
    for i in range(starts.shape[0] - 1):
        for at in range(starts[i] + 1, starts[i + 1]):
            p = &blob[at]
            if p[-1] & 0xC0 != 0x80 or p[0] & 0xF0 != 0xE0:
                continue  # one of them is no character of three bytes
            before, after = min(3, at - <Py_ssize_t>starts[i]), min(3, <Py_ssize_t>starts[i + 1] - at)
            if not before == after == 3:
                parts.add(((<const char *>p - before)[:before], (<const char *>p)[:after]))
            elif characters_with(p - 3, 3, 0, left) and characters_with(p, 3, 1, right):
                put(found, kernel_joined_bit(left[0], right[0]))
    for ending, beginning in parts:
        lefts = characters_with(ending, len(ending), 0, left)
        rights = characters_with(beginning, len(beginning), 1, right)
        if borders is not None and lefts * rights > MOST_PAIRS:
            for k in range(rights):
                put(edges, 4 * BORDERS + right[k])
            continue
        for j in range(lefts):
            for k in range(rights):
                put(found, kernel_joined_bit(left[j], right[k]))
    return bytes(bits)


cdef Py_ssize_t characters_with(const uint8_t *part, Py_ssize_t size, bint first, uint32_t *out) noexcept:
    """Write the cuttable characters with these `first` or last bytes, up to three. Return their number."""
    cdef uint32_t known = 0, c, step, end
    cdef Py_ssize_t i, count = 0
    for i in range(size):
        if part[i] & (0xF0 if (first or size == 3) and i == 0 else 0xC0) != (
                0xE0 if (first or size == 3) and i == 0 else 0x80):
            return 0
        known = known << 6 | part[i] & 0x3F
    if first:
        known = known << 6 * (3 - size) & 0xFFFF
        step, end = 1, known + (1 << 6 * (3 - size))
    else:
        known, step, end = known & 0xFFFF, 1 << 6 * size, ALL
    c = known
    while c < end:
        if cuttable(c):
            out[count] = c
            count += 1
        c += step
    return count


def joined_characters(
    const uint32_t[::1] live not None, const uint32_t[::1] starts not None, const uint8_t[::1] blob not None
) -> array[int]:
    """Return the pair of characters at the border of each merge, left << 32 | right, as array("Q").

    Raises `ValueError` for a side that does not end or begin with a whole character.
    """
    cdef Py_ssize_t i, at, end
    cdef uint32_t left = 0, right = 0
    pairs = array("Q", [0]) * (live.shape[0] // 3)
    cdef uint64_t[::1] p = pairs
    for i in range(p.shape[0]):
        at = end = starts[live[3 * i] + 1]
        while at > <Py_ssize_t>starts[live[3 * i]] and (at == end or blob[at] & 0xC0 == 0x80):
            at -= 1
        if first_character(blob, at, end, &left) != end - at:
            raise ValueError(f"expected tokens of whole characters in merges, found id {live[3 * i]}")
        if not first_character(blob, starts[live[3 * i + 1]], starts[live[3 * i + 1] + 1], &right):
            raise ValueError(f"expected tokens of whole characters in merges, found id {live[3 * i + 1]}")
        p[i] = <uint64_t>left << 32 | right
    return pairs


cdef inline Py_ssize_t first_character(
    const uint8_t[::1] blob, Py_ssize_t at, Py_ssize_t end, uint32_t *c
) noexcept:
    """Read the character at the start of blob[at:end]; return the number of its bytes, 0 for none."""
    if at < end and blob[at] < 0x80:
        c[0] = blob[at]
        return 1
    return character_at(&blob[at], end - at, c) if at < end else 0


def joined_bits(const uint64_t[::1] pairs not None) -> bytes:
    """Build the bitmap for the safe cuts of a model of characters, from the pairs of `joined_characters`."""
    cdef Py_ssize_t i
    bits = bytearray(JOINED_BYTES)
    cdef uint8_t[::1] found = bits
    for i in range(pairs.shape[0]):
        put(found, kernel_joined_bit(<uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i]))
    return bytes(bits)


def matrix_rows(
    const uint64_t[::1] pairs not None, const uint8_t[::1] pages not None, page_numbers: Buffer, bint split
) -> bytes:
    """Return the 8 rows of 8 bits of the smallest matrix of all pairs, and its joiner (split/matrix.h).

    The class of a code point is that of `pages`. With `split` no pair counts that joins a space with the character
    before it. The joiner is the one character but the space that is joined with a space after it, if it is ASCII.
    """
    cdef const uint16_t[::1] numbers = memoryview(page_numbers).cast("B").cast("H")
    cdef uint32_t left, right, joiner = SPACE
    cdef bint several = False
    cdef Py_ssize_t i
    rows = bytearray(MATRIX_CLASSES + 1)
    cdef uint8_t[::1] r = rows
    for i in range(pairs.shape[0]):
        left, right = <uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i]
        if right == SPACE != left and not split:
            several |= joiner != SPACE and joiner != left
            joiner = left
    if joiner == SPACE or several or joiner >= 0x80:
        joiner = NO_JOINER
    for i in range(pairs.shape[0]):
        left, right = <uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i]
        if right != SPACE or not split and left != joiner:
            r[pages[<Py_ssize_t>numbers[left >> 8] << 8 | left & 0xFF]] |= <uint8_t>(
                1 << pages[<Py_ssize_t>numbers[right >> 8] << 8 | right & 0xFF])
    r[MATRIX_CLASSES] = <uint8_t>joiner
    return bytes(rows)


def longest_runs(
    const uint64_t[::1] pairs not None, const uint32_t[::1] starts not None, const uint8_t[::1] blob not None
) -> dict[int, int]:
    """Return the characters whose runs merge apart from all else: for each one the length of the longest token.

    They are ASCII characters but the space that merges join only with themselves. `pairs`: of `joined_characters`.
    """
    cdef bint[128] twice = [False] * 128, mixed = [False] * 128
    cdef Py_ssize_t[128] longest = [0] * 128
    cdef Py_ssize_t i, at
    cdef uint32_t left, right
    for i in range(pairs.shape[0]):
        left, right = <uint32_t>(pairs[i] >> 32), <uint32_t>pairs[i]
        if left == right < 128:
            twice[left] = True
        elif left != right:
            mixed[left & 127] |= left < 128
            mixed[right & 127] |= right < 128
    for i in range(starts.shape[0] - 1):
        at = starts[i]
        if at == <Py_ssize_t>starts[i + 1] or blob[at] >= 128 or not twice[blob[at]]:
            continue
        while at < <Py_ssize_t>starts[i + 1] and blob[at] == blob[starts[i]]:
            at += 1
        if at == <Py_ssize_t>starts[i + 1]:
            longest[blob[starts[i]]] = max(longest[blob[starts[i]]], at - starts[i])
    return {i: longest[i] for i in range(128) if twice[i] and not mixed[i] and i != SPACE}


def cuttable_ranges() -> tuple[tuple[int, int], ...]:
    """Return the ranges of cuttable characters, (first, last)."""
    return tuple([(CUTTABLE[i][0], CUTTABLE[i][1]) for i in range(CUTTABLE_COUNT)])
