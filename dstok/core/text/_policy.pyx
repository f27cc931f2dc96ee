"""The policy of a call: which added tokens it matches.

In: matchers of the tokens with normalized=false and of the others, and their ids. Out: all that the encoder's pass
reads of them. Invariant: a policy never changes, and keeps the targets of its pointers alive.
"""

cimport cython
from libc.stdint cimport uint8_t, uint32_t

from array import array

from dstok.core.text._added cimport Match, Matcher, first_bytes, first_of
from dstok.core.simd._level cimport FIRST_MOST


@cython.final
cdef class Policy:
    """The added tokens that are matched, and their ids. `refuses`: finding one is an error.

    `quick` gives the same ids with fewer tokens, since merging gives the ids of the others (None: the policy itself).
    """

    def __cinit__(
        self, Matcher raw, Matcher normalized, raw_ids, normalized_ids, contents, bint refuses, Policy quick=None
    ):
        cdef const uint32_t[::1] view
        self.raw, self.normalized = raw, normalized
        self.raw_ids, self.normalized_ids = array("I", raw_ids), array("I", normalized_ids)
        self.contents = contents
        self.refuses = refuses
        self.quick = self if quick is None else quick
        view = array("I", [0]) if not raw_ids else self.raw_ids
        self.raw_ids = view
        self.ids[0] = &view[0]
        view = array("I", [0]) if not normalized_ids else self.normalized_ids
        self.normalized_ids = view
        self.ids[1] = &view[0]
        self.firsts = first_bytes(_heads(raw) | _heads(normalized))
        plain = _plain(raw) and _plain(normalized)
        self.reach = max(_reach(raw), _reach(normalized)) if plain else -1
        self.inner = self if raw is None else Policy(None, normalized, [], normalized_ids, contents, refuses)

    def __copy__(self):
        return self  # it never changes

    cdef bint idle(self, const uint8_t *text, Py_ssize_t length) noexcept nogil:
        """Whether `text` surely holds none of the tokens: none may begin there.

        Reads up to `FIRST_PAD` bytes after it.
        """
        if 0 < self.firsts.count <= FIRST_MOST and not self.firsts.level.first_in(&self.firsts, text, length):
            return True
        return first_of(&self.firsts, text, 0, length) == length

    def absent(self, const uint8_t[::1] text not None):
        """Whether no token's own text lies in valid UTF-8, at whatever place."""
        return _lacks(self.raw, text) and _lacks(self.normalized, text)

    cpdef list raw_spans(self, bytes text):
        """(start, end, start of its own text, index) of each added token with normalized=false in valid UTF-8."""
        cdef const uint8_t *data = text
        cdef Py_ssize_t at = 0, stop = len(text)
        cdef Match match
        cdef list found = []
        while self.raw is not None:
            match = self.raw.find(data, at, at, stop, 0, True)
            if match.token < 0:
                break
            found.append((match.start, match.end, match.content, match.token))
            at = match.end
        return found

    def find_raw(self, const uint8_t[::1] text not None, Py_ssize_t at, Py_ssize_t scan, bint final):
        """(start, end, start of its own text, index, safe, scan) of the first added token with normalized=false.

        Searches valid UTF-8 `text[at:]`; no token before `scan` counts. Without a token the index is -1, and none
        begins before `safe`, whatever follows if the text is not `final`; the next search begins at `scan`.
        """
        cdef Match match
        if self.raw is None or text.shape[0] == 0:
            return at, at, at, -1, text.shape[0], at
        match = self.raw.find(&text[0], at, scan, text.shape[0], 0, final)
        return match.start, match.end, match.content, match.token, match.safe, match.scan

    def raw_id(self, Py_ssize_t index):
        """The id of an added token with normalized=false."""
        return self.raw_ids[index]


cdef bint _lacks(Matcher matcher, const uint8_t[::1] text) noexcept:
    """Whether `text` holds none of the matcher's tokens, not even one that flags would reject."""
    cdef Match found
    if matcher is None or text.shape[0] == 0:
        return True
    matcher.search(&text[0], 0, text.shape[0], True, &found)
    return found.token < 0


cdef Py_ssize_t _reach(Matcher matcher) noexcept:
    """The bytes of the longest token."""
    cdef Py_ssize_t i, longest = 0
    for i in range(0 if matcher is None else matcher.count):
        longest = max(longest, <Py_ssize_t>matcher.lengths[i])
    return longest


cdef bint _plain(Matcher matcher) noexcept:
    """Whether no token has a flag, which would make it depend on the text beside it."""
    cdef Py_ssize_t i
    for i in range(0 if matcher is None else matcher.count):
        if matcher.flags[i]:
            return False
    return True


cdef frozenset _heads(Matcher matcher):
    """The first bytes of the matcher's tokens."""
    return frozenset() if matcher is None else matcher.heads
