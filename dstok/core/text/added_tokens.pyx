"""Added tokens: leftmost-longest, non-overlapping matching of literal texts; the policy of a call.

In: UTF-8, and the tokens with their flags. Out: the next match, or the offset before which there is none.
Invariant: upstream's rules. Of the matches that start first, the longest is taken. If `single_word` rejects it, no
shorter token is tried there, and the search goes on after the match. `lstrip` and `rstrip` take the white space
beside the token along, but none that an earlier match has taken. Time is linear in the text, however many tokens there
are; dstok/added_tokens.py has the bound if a token begins with another one. A policy never changes.
Source: Aho and Corasick (1975), with a table for each state of several children; upstream's AddedVocabulary, measured.
"""

cimport cython
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from dstok.core.cpu.level cimport FIRST_DEEP, FIRST_GROUPS, FIRST_MOST, FIRST_PAD, chosen
from dstok.core.text.utf8 cimport code_point

from array import array

cdef enum:
    SINGLE_WORD = 1
    LSTRIP = 2
    RSTRIP = 4

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


@cython.final
cdef class Matcher:
    """Find `tokens`, a list of (content: bytes, single_word, lstrip, rstrip).

    `word_bits` is a bitmap over all code points that `\\w` matches. Tokens with `single_word` need it.
    """

    def __cinit__(self, list tokens, bytes word_bits=b""):
        cdef list contents = [t[0] for t in tokens]
        cdef Py_ssize_t total = 2 + sum(map(len, contents)), i
        cdef uint8_t flags, known = 0
        if len(tokens) > 1 << 24 or total > 1 << 28:
            raise ValueError("too many added tokens")
        if b"" in contents or len(set(contents)) < len(contents):
            raise ValueError("an added token that is empty or stands twice")
        self.states = <State *>malloc(total * sizeof(State))
        self.tokens = <Token *>malloc((len(tokens) + 1) * sizeof(Token))
        self.tables = <uint32_t *>calloc(len(tokens) + 2, 256 * sizeof(uint32_t))
        if not (self.states and self.tokens and self.tables):
            raise MemoryError
        self.word_bits = word_bits
        self._keep = word_bits
        self.count = len(tokens)
        for i, (content, single_word, lstrip, rstrip) in enumerate(tokens):
            flags = SINGLE_WORD * bool(single_word) | LSTRIP * bool(lstrip) | RSTRIP * bool(rstrip)
            self.tokens[i] = Token(len(content), flags)
            known |= flags
        if known & SINGLE_WORD and len(word_bits) != 0x110000 // 8:
            raise ValueError("single_word needs the bitmap of word characters")
        self.reach = -1 if known else max(map(len, contents), default=0)
        self.has_lstrip = known & LSTRIP != 0
        self._build(contents)
        self.heads = frozenset([content[:FIRST_DEEP] for content in contents])
        self.firsts = first_bytes(self.heads)

    def __dealloc__(self):
        free(self.states)
        free(self.tokens)
        free(self.tables)

    cdef int _build(self, list contents) except -1:
        """Make the states in the order of their texts, and then the links, from the shortest text on."""
        cdef list numbers = sorted(range(len(contents)), key=contents.__getitem__)
        cdef list texts = sorted(contents, key=len, reverse=True)
        cdef State *states = self.states
        cdef State *made
        cdef uint32_t count = 1, tables = 1, depth = 0, i, live = <uint32_t>len(texts)
        cdef uint32_t[::1] path = array("I", bytes(4 * (len(max(texts, key=len, default=b"")) + 2)))  # of the last text
        cdef uint32_t[::1] at = array("I", bytes(4 * (len(texts) + 1)))  # the state of each text, at a depth
        cdef const uint8_t *text
        states[0] = State(1, 0, 0, -1, 0)
        for i in numbers:
            text, depth = <const uint8_t *><bytes>contents[i], 0
            while path[depth + 1] and states[path[depth + 1]].byte == text[depth]:
                depth += 1
            made = &states[path[depth]]
            if path[depth + 1] and not made.table:
                tables += 1
                made.table = tables
                self.tables[256 * tables + made[1].byte] = path[depth] + 1
            if made.table:
                self.tables[256 * made.table + text[depth]] = count
            for depth in range(depth, self.tokens[i].length):
                states[count] = State(0, 0, depth + 1, -1, text[depth])
                path[depth + 1] = count
                count += 1
            path[self.tokens[i].length + 1] = 0
            states[count - 1].longest = <int32_t>i
        states[count], depth = State(0, 0, 0, -1, 0), 0  # an end, so that each state has one after it
        while live:
            for i in range(live):
                text = <const uint8_t *><bytes>texts[i]
                made = &states[self.child(at[i], text[depth])]
                made.fail = self.next(states[at[i]].fail, text[depth]) if depth else 0
                made.longest = states[made.fail].longest if made.longest < 0 else made.longest
                at[i] = <uint32_t>(made - states)
            depth += 1
            while live and len(<bytes>texts[live - 1]) == depth:
                live -= 1
        made = <State *>realloc(states, (count + 1) * sizeof(State))
        self.states = states if made == NULL else made
        return 0

    cdef inline uint32_t child(self, uint32_t state, uint8_t byte) noexcept nogil:
        """Return the child of a state by a byte, or 0 (no state's child is the root)."""
        cdef const State *here = &self.states[state]
        if here.table:
            return self.tables[256 * here.table + byte]
        return state + 1 if here[1].byte == byte and here[1].depth > here.depth else 0

    cdef inline uint32_t next(self, uint32_t state, uint8_t byte) noexcept nogil:
        """Return the state after a byte: the longest that the text now ends with."""
        cdef uint32_t child = self.child(state, byte)
        while child == 0 and state:
            state = self.states[state].fail
            child = self.child(state, byte)
        return child

    cdef Py_ssize_t first_end(self, const uint8_t *text, Py_ssize_t length, uint32_t *state) noexcept nogil:
        """Return where the first token ends in a text that goes on from `state`, or -1; `state` is that there."""
        cdef Py_ssize_t at
        for at in range(length):
            state[0] = self.next(state[0], text[at])
            if self.states[state[0]].longest >= 0:
                return at + 1
        return -1

    cdef uint32_t length(self, uint32_t state) noexcept nogil:
        """Return the bytes of the longest token that a text ends with after `first_end`, or that its end may begin."""
        cdef const State *end = &self.states[state]
        return end.depth if end.longest < 0 else self.tokens[end.longest].length

    cdef void search(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final, Match *found
    ) noexcept nogil:
        """Find the leftmost-longest match in `text[at:stop]`, or the offset up to which there is none."""
        cdef const State *states = self.states
        cdef uint32_t state = 0
        cdef int32_t token
        cdef Py_ssize_t start
        found.token = -1
        while at < stop:
            if state == 0:
                # No token has begun: skip to where one may.
                at = first_of(&self.firsts, text, at, stop)
                if at == stop:
                    break
            state = self.next(state, text[at])
            at += 1
            if found.token >= 0 and at - <Py_ssize_t>self.states[state].depth > found.start:
                return
            token = self.states[state].longest
            if token >= 0:
                start = at - self.tokens[token].length
                if found.token < 0 or start <= found.start:
                    found.token, found.start, found.end = token, start, at
            elif found.token < 0:
                # Follow only children up to a state where a token ends.
                while at < stop and not states[state].table and states[state + 1].byte == text[at] and (
                        states[state + 1].longest < 0 and states[state + 1].depth > states[state].depth):
                    state += 1
                    at += 1
        if final:
            found.safe = stop
        else:
            # A token may have begun. A found one may still grow, or an earlier one may beat it.
            found.safe = stop - self.states[state].depth
            if found.token >= 0 and state:
                found.safe, found.token = min(found.safe, found.start), -1

    cdef int admit(
        self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, Py_ssize_t left, bint final, Match *found
    ) noexcept nogil:
        """Apply the flags of the token found; `left` is the start of the stretch, `at` the end of the last match."""
        cdef uint8_t flags = self.tokens[found.token].flags
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
        return 0 < self.firsts.count <= FIRST_MOST and not self.firsts.level.first_in(&self.firsts, text, length) or (
            first_of(&self.firsts, text, 0, length) == length)

    def absent(self, const uint8_t[::1] text not None) -> bool:
        """Tell whether no token's content is in valid UTF-8, whatever its flags say."""
        cdef Match found
        for matcher in (self.raw, self.normalized):
            if matcher is not None and text.shape[0]:
                (<Matcher>matcher).search(&text[0], 0, text.shape[0], True, &found)
                if found.token >= 0:
                    return False
        return True

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
