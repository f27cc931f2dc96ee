"""Added tokens: leftmost-longest, non-overlapping matching of literal texts; the policy of a call.

In: UTF-8, and the tokens with their flags. Out: the next match, or the offset before which there is none.
Invariant: upstream's rules. Of the matches that start first, the longest is taken. If `single_word` rejects it, no
shorter token is tried there, and the search goes on after the match. `lstrip` and `rstrip` take the white space
beside the token along, but none that an earlier match has taken. Time is linear in the text, however many tokens there
are; dstok/added_tokens.py has the bound if a token begins with another one. A policy never changes.
Source: Aho and Corasick (1975), with sparse edges, so that memory is linear; upstream's AddedVocabulary, measured.
"""

cimport cython
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from dstok.core.cpu.level cimport FIRST_DEEP, FIRST_GROUPS, FIRST_MOST, FIRST_PAD, chosen
from dstok.core.text.hash cimport hash_word
from dstok.core.text.utf8 cimport code_point

from array import array
from os import urandom

cdef enum:
    SINGLE_WORD = 1
    LSTRIP = 2
    RSTRIP = 4

cdef enum:
    ONE = 0x100              # `only` of a state whose one child, by the low byte, is the next; no token ends there
    MANY = 0x200             # `only` of a state whose children are found by their edges

cdef enum:
    REJECTED = 0
    ADMITTED = 1
    UNDECIDED = 2


cdef FirstBytes first_bytes(frozenset heads):
    """Return the search for texts that begin with one of `heads`, which have at most `FIRST_DEEP` bytes."""
    cdef FirstBytes found
    cdef int i, depth, byte, number
    cdef uint8_t group
    cdef list bytes = sorted({head[0] for head in heads})
    memset(&found, 0, sizeof(found))
    found.level = chosen()
    found.count = len(bytes)
    for i, byte in enumerate(bytes[:FIRST_MOST]):
        memset(found.bytes[i], byte, (FIRST_MOST - i) * FIRST_PAD)
    for number, head in enumerate(sorted(heads)):
        for depth in range(FIRST_DEEP):
            for byte in range(256) if depth >= len(head) else (head[depth],):
                group = <uint8_t>(1 << number * FIRST_GROUPS // len(heads))
                found.groups[depth][byte] |= group
                found.halves[depth][0][byte & 15] |= group
                found.halves[depth][1][byte >> 4] |= group
    return found


cdef bint _is_space(uint32_t c) noexcept nogil:
    # White_Space: the same 25 code points in every Unicode version since 6.3.
    if c < 0x85:
        return c == 0x20 or 9 <= c <= 13
    return (c == 0x85 or c == 0xA0 or c == 0x1680 or 0x2000 <= c <= 0x200A or c == 0x2028 or c == 0x2029
            or c == 0x202F or c == 0x205F or c == 0x3000)


cdef Py_ssize_t _before(const uint8_t *text, Py_ssize_t at) noexcept nogil:
    """Return the start of the character that ends at `at`."""
    at -= 1
    while text[at] & 0xC0 == 0x80:
        at -= 1
    return at


cdef Py_ssize_t _states(list contents) except -1:
    """Count the states of the contents' trie: the root, and for each content those beyond the one sorted before."""
    cdef const uint8_t *text
    cdef const uint8_t *before = NULL
    cdef Py_ssize_t states = 1, length, shared, least = 0
    for content in sorted(contents):
        text, length = <const uint8_t *><bytes>content, len(<bytes>content)
        shared, least = 0, min(least, length)
        while shared < least and text[shared] == before[shared]:
            shared += 1
        states += length - shared
        before, least = text, length
    return states


@cython.final
cdef class Matcher:
    """Find `tokens`, a list of (content: bytes, single_word, lstrip, rstrip).

    `word_bits` is a bitmap over all code points that `\\w` matches. Tokens with `single_word` need it.
    """

    def __cinit__(self, list tokens, bytes word_bits=b""):
        cdef list contents = [t[0] for t in tokens]
        cdef Py_ssize_t total = _states(contents), i
        cdef uint32_t slots = 16
        if len(tokens) > 1 << 24 or total > 1 << 28:
            raise ValueError("too many added tokens")
        if any(t[1] for t in tokens) and len(word_bits) != 0x110000 // 8:
            raise ValueError("single_word needs the bitmap of word characters")
        while slots < 2 * total:
            slots *= 2
        self.edge_mask = slots - 1
        self.seed = int.from_bytes(urandom(8), "little")
        self.edges = <uint64_t *>calloc(slots, 8)
        self.fail = <uint32_t *>calloc(total, 4)
        self.depth = <uint32_t *>calloc(total, 4)
        self.longest = <int32_t *>malloc(total * 4)
        self.only = <uint16_t *>calloc(total, 2)
        self.lengths = <uint32_t *>calloc(len(tokens) + 1, 4)
        self.flags = <uint8_t *>calloc(len(tokens) + 1, 1)
        if not (self.edges and self.fail and self.depth and self.longest and self.only and self.lengths and self.flags):
            raise MemoryError
        memset(self.longest, 0xFF, total * 4)
        memset(self.root, 0, sizeof(self.root))
        self.word_bits = word_bits
        self._keep = word_bits
        self.count = len(tokens)
        self.reach = -1 if any(any(token[1:]) for token in tokens) else max(map(len, contents), default=0)
        for i, (_, single_word, lstrip, rstrip) in enumerate(tokens):
            self.flags[i] = SINGLE_WORD * bool(single_word) | LSTRIP * bool(lstrip) | RSTRIP * bool(rstrip)
            self.has_lstrip |= bool(lstrip)
        self._build(contents, total)

    def __dealloc__(self):
        free(self.edges)
        free(self.fail)
        free(self.depth)
        free(self.longest)
        free(self.only)
        free(self.lengths)
        free(self.flags)

    cdef uint32_t child(self, uint32_t state, uint8_t byte) noexcept nogil:
        """Return the state after `byte`, or 0 (no state's child is the root)."""
        if state == 0:
            return self.root[byte]
        if self.only[state] != MANY:
            return state + 1 if self.only[state] == (ONE | byte) else 0
        cdef uint64_t key = (<uint64_t>state << 8 | byte) + 1
        cdef uint32_t slot = <uint32_t>hash_word(self.seed, key) & self.edge_mask
        while self.edges[slot]:
            if self.edges[slot] >> 28 == key:
                return <uint32_t>(self.edges[slot] & 0xFFFFFFF)
            slot = (slot + 1) & self.edge_mask
        return 0

    cdef void _link(self, uint32_t state, uint8_t byte, uint32_t target) noexcept:
        cdef uint64_t key = (<uint64_t>state << 8 | byte) + 1
        cdef uint32_t slot = <uint32_t>hash_word(self.seed, key) & self.edge_mask
        if state == 0:
            self.root[byte] = target
            return
        self.only[state] = ONE | byte if self.only[state] == 0 and target == state + 1 else MANY
        while self.edges[slot]:
            slot = (slot + 1) & self.edge_mask
            self.steps += 1
        self.edges[slot] = key << 28 | target

    cdef int _build(self, list contents, Py_ssize_t states) except -1:
        cdef uint8_t *last = <uint8_t *>malloc(states)
        cdef uint32_t *order = <uint32_t *>malloc(states * 4)
        cdef uint32_t state
        try:
            if not (last and order):
                raise MemoryError
            self._plant(contents, last)
            self._by_depth(max(map(len, contents), default=0), states, order)
            self._link_back(last, order, states)
        finally:
            free(last)
            free(order)
        for state in range(1, <uint32_t>states):
            # A state before one where a token ends is left by its edges, so that the matcher sees the end.
            if self.only[state] & ONE and self.longest[state + 1] >= 0:
                self.only[state] = MANY
        self.heads = frozenset([content[:FIRST_DEEP] for content in contents])
        self.firsts = first_bytes(self.heads)

    cdef int _plant(self, list contents, uint8_t *last) except -1:
        """Build the trie. `last` is the byte that leads to a state; `fail` is its parent until `_link_back`."""
        cdef uint32_t states = 1, state, target
        cdef uint8_t byte
        cdef Py_ssize_t i
        for i, content in enumerate(contents):
            state = 0
            for byte in <bytes>content:
                target = self.child(state, byte)
                if target == 0:
                    target = states
                    states += 1
                    self._link(state, byte, target)
                    self.depth[target] = self.depth[state] + 1
                    self.fail[target], last[target] = state, byte
                state = target
            if state == 0 or self.longest[state] >= 0:
                raise ValueError("an added token that is empty or stands twice")
            self.longest[state] = i
            self.lengths[i] = len(content)
        return 0

    cdef int _by_depth(self, Py_ssize_t deepest, Py_ssize_t states, uint32_t *order) except -1:
        """Fill `order` with all states but the root, by their depth."""
        cdef uint32_t *ends = <uint32_t *>calloc(deepest + 2, 4)
        cdef Py_ssize_t state, depth
        if ends == NULL:
            raise MemoryError
        for state in range(1, states):
            ends[self.depth[state] + 1] += 1
        for depth in range(1, deepest + 1):
            ends[depth + 1] += ends[depth]
        for state in range(1, states):
            order[ends[self.depth[state]]] = <uint32_t>state
            ends[self.depth[state]] += 1
        free(ends)
        return 0

    cdef void _link_back(self, const uint8_t *last, const uint32_t *order, Py_ssize_t states) noexcept:
        """Set the fail links, breadth-first: each leads to the longest proper suffix in the trie."""
        cdef uint32_t target, parent, fallback
        cdef Py_ssize_t i
        for i in range(states - 1):
            target = order[i]
            parent = self.fail[target]
            self.fail[target] = 0
            if parent:
                fallback = self.fail[parent]
                while fallback and self.child(fallback, last[target]) == 0:
                    fallback = self.fail[fallback]
                self.fail[target] = self.child(fallback, last[target])
            if self.longest[target] < 0:
                self.longest[target] = self.longest[self.fail[target]]

    cdef void search(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Match *found
    ) noexcept nogil:
        """Find the leftmost-longest match in `text[at:stop]`, or the offset up to which there is none."""
        cdef uint32_t state = 0, child
        cdef int32_t token
        cdef Py_ssize_t start
        found.token = -1
        while at < stop:
            if state == 0:
                # No token has begun: skip to where one may.
                at = first_of(&self.firsts, text, at, stop)
                if at == stop:
                    break
            child = self.child(state, text[at])
            while child == 0 and state:
                state = self.fail[state]
                child = self.child(state, text[at])
            state = child
            at += 1
            if found.token >= 0 and at - <Py_ssize_t>self.depth[state] > found.start:
                return
            token = self.longest[state]
            if token >= 0:
                start = at - self.lengths[token]
                if found.token < 0 or start <= found.start:
                    found.token, found.start, found.end = token, start, at
            elif found.token < 0:
                # Follow a chain up to a state where a token ends.
                while at < stop and self.only[state] == (ONE | text[at]):
                    state += 1
                    at += 1
        if final:
            found.safe = stop
        else:
            # A token may have begun. A found one may still grow, or an earlier one may beat it.
            found.safe = stop - self.depth[state]
            if found.token >= 0 and state:
                found.safe, found.token = min(found.safe, found.start), -1

    cdef int admit(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t left, bint final, Match *found
    ) noexcept nogil:
        """Apply the flags of the token found; `left` is the start of the stretch, `at` the end of the last match."""
        cdef uint8_t flags = self.flags[found.token]
        cdef Py_ssize_t width
        cdef uint32_t c
        if flags and found.end == stop and not final:
            return UNDECIDED
        if flags & SINGLE_WORD:
            if found.start > left:
                c = code_point(text + _before(text, found.start), &width)
                if self.word_bits[c >> 3] >> (c & 7) & 1:
                    return REJECTED
            if found.end < stop:
                c = code_point(text + found.end, &width)
                if self.word_bits[c >> 3] >> (c & 7) & 1:
                    return REJECTED
        if flags & LSTRIP:
            while found.start > at and _is_space(code_point(text + _before(text, found.start), &width)):
                found.start = _before(text, found.start)
        if flags & RSTRIP:
            while found.end < stop and _is_space(code_point(text + found.end, &width)):
                found.end += width
            if found.end == stop and not final:
                return UNDECIDED
        return ADMITTED

    cdef Match find(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t scan, Py_ssize_t stop, Py_ssize_t left, bint final,
        const Ranges *trusted, Py_ssize_t base
    ) noexcept nogil:
        """Return the first match at or after `scan`. Without one `token` is -1, and no token begins before `safe`.

        Text before `at` is taken; between `at` and `scan` a match was rejected. `left` is the start of the stretch: for
        `single_word` the text begins there. If not `final`, more text follows `stop`. Each range of `trusted`, in which
        `text` begins at `base`, is searched as if it were alone; the flags look at all text.
        """
        cdef Match found
        cdef Py_ssize_t width, start, first, last, number = 0
        cdef int verdict
        cdef bint ends
        found.start = found.end = at
        while True:
            first, last, ends = scan, stop, final
            if trusted.ends != NULL and first_range(trusted, base, &number, &first, &last):
                ends = True
            self.search(text, first, last, ends, &found)
            if found.token < 0 and last < stop:
                scan, number = last, number + 1
                continue
            if found.token < 0:
                break
            start = found.content = found.start
            verdict = self.admit(text, at, stop, left, final, &found)
            if verdict == ADMITTED:
                return found
            if verdict == UNDECIDED:
                found.token, found.safe = -1, start
                break
            scan = found.end
        found.scan = scan
        if self.has_lstrip and not final:
            # White space at the end may belong to a token after it.
            while found.safe > at and _is_space(code_point(text + _before(text, found.safe), &width)):
                found.safe = _before(text, found.safe)
        return found


cdef bint first_range(
    const Ranges *trusted, Py_ssize_t base, Py_ssize_t *number, Py_ssize_t *start, Py_ssize_t *stop
) noexcept nogil:
    """Narrow a part of a text to its first trusted range (none: to its end); tell whether the range ends in it.

    `number`: a range before which all end before the part; the one found afterwards. It is tried first.
    """
    cdef Py_ssize_t least = number[0], most = trusted.count, middle = least
    while least < most:
        if trusted.ends[2 * middle + 1] <= base + start[0]:
            least = middle + 1
        else:
            most = middle
        middle = (least + most) // 2
    number[0] = least
    if least == trusted.count or trusted.ends[2 * least] >= base + stop[0]:
        start[0] = stop[0]
        return True
    start[0] = max(start[0], trusted.ends[2 * least] - base)
    if trusted.ends[2 * least + 1] > base + stop[0]:
        return False
    stop[0] = trusted.ends[2 * least + 1] - base
    return True


@cython.final
cdef class Policy:
    """The added tokens that are matched, and their ids. `refuses`: finding one is an error.

    `quick` gives the same ids with fewer tokens, since merging gives the ids of the others (None: the policy itself).
    """

    def __init__(
        self, Matcher raw, Matcher normalized, raw_ids: Sequence[int], normalized_ids: Sequence[int],
        contents: tuple[tuple[str, ...], tuple[str, ...]], bint refuses, Policy quick=None
    ):
        cdef const uint32_t[::1] raw_view = array("I", [*raw_ids, 0])
        cdef const uint32_t[::1] normalized_view = array("I", [*normalized_ids, 0])
        matchers = [matcher for matcher in (raw, normalized) if matcher is not None]
        reaches = [(<Matcher>matcher).reach for matcher in matchers]
        self.raw, self.normalized, self.contents = raw, normalized, contents
        self.refuses = self.by_place = refuses
        self.raw_ids, self.normalized_ids = raw_view, normalized_view
        self.ids[0], self.ids[1] = &raw_view[0], &normalized_view[0]
        self.quick = self if quick is None else quick
        self.firsts = first_bytes(frozenset().union(*[(<Matcher>matcher).heads for matcher in matchers]))
        self.reach = -1 if -1 in reaches else max(reaches, default=0)
        self.inner = self if raw is None else Policy(None, normalized, [], normalized_ids, contents, refuses)

    def __copy__(self) -> Policy:
        return self  # it never changes

    cdef Policy within(self, raw, normalized):
        """Return the quick policy of a text whose matches lie within ranges: starts and ends of bytes in turn."""
        cdef Policy made = Policy.__new__(Policy), of = self if self.quick is None else self.quick
        cdef const int64_t[::1] ends
        cdef int i
        made.raw, made.normalized, made.contents, made.refuses = of.raw, of.normalized, of.contents, of.refuses
        made.raw_ids, made.normalized_ids, made.ids = of.raw_ids, of.normalized_ids, of.ids
        made.firsts, made.reach, made.inner = of.firsts, of.reach, of.inner
        made.ranges, made.by_place = (raw, normalized), True
        for i in range(2):
            ends = made.ranges[i] if len(made.ranges[i]) else array("q", [0])
            made.trusted[i] = Ranges(&ends[0], len(made.ranges[i]) // 2)
        return made

    cdef bint idle(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Tell whether none of the tokens can begin in `text`.

        Reads up to `FIRST_PAD` bytes after it.
        """
        if 0 < self.firsts.count <= FIRST_MOST and not self.firsts.level.first_in(&self.firsts, text, length):
            return True
        return first_of(&self.firsts, text, 0, length) == length

    def absent(self, const uint8_t[::1] text not None) -> bool:
        """Tell whether no token's content is in valid UTF-8, whatever its flags say."""
        return _lacks(self.raw, text) and _lacks(self.normalized, text)

    cpdef list raw_spans(self, bytes text):
        """List (start, end, start of its content, index) of each added token with normalized=false in valid UTF-8."""
        cdef const uint8_t *data = text
        cdef Py_ssize_t at = 0, stop = len(text)
        cdef Match match
        cdef list found = []
        while self.raw is not None:
            match = self.raw.find(data, at, at, stop, 0, True, &self.trusted[0], 0)
            if match.token < 0:
                break
            found.append((match.start, match.end, match.content, match.token))
            at = match.end
        return found

    def find_raw(
        self, const uint8_t[::1] text not None, Py_ssize_t at, Py_ssize_t scan, bint final
    ) -> tuple[int, int, int, int, int, int]:
        """Return (start, end, start of its content, index, safe, scan) of the first added token with normalized=false.

        Searches valid UTF-8 `text[at:]`; no token before `scan` counts. Without a token the index is -1, and none
        begins before `safe`, whatever follows if the text is not `final`; the next search begins at `scan`.
        """
        cdef Match match
        if self.raw is None or text.shape[0] == 0:
            return at, at, at, -1, text.shape[0], at
        match = self.raw.find(&text[0], at, scan, text.shape[0], 0, final, &self.trusted[0], 0)
        return match.start, match.end, match.content, match.token, match.safe, match.scan

    def raw_id(self, Py_ssize_t index) -> int:
        """Return the id of an added token with normalized=false."""
        return self.raw_ids[index]


cdef bint _lacks(Matcher matcher, const uint8_t[::1] text) noexcept:
    """Tell whether `text` holds none of the matcher's tokens, not even one that flags would reject."""
    cdef Match found
    if matcher is None or text.shape[0] == 0:
        return True
    matcher.search(&text[0], 0, text.shape[0], True, &found)
    return found.token < 0
