"""The tokens of a vocabulary, packed.

In: tokens. Out: `TokenTable`.
Invariant: a table never changes. Token i is blob[starts[i]:starts[i + 1]].
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate


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

    def first(self, Py_ssize_t count) -> TokenTable:
        """Return the table of the ids below `count`, or of all ids."""
        return TokenTable(self.starts[:max(count, 0) + 1], self.blob, [i for i in self.empty if i < count])

    def __iter__(self) -> Iterator[bytes | None]:
        return map(self.__getitem__, range(self.at.shape[0] - 1))

    def __eq__(self, object other) -> bool:
        if isinstance(other, TokenTable):
            return self.starts == other.starts and self.blob == other.blob and self.empty == other.empty
        return isinstance(other, (tuple, list)) and len(self) == len(other) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self.starts.tobytes(), self.blob))

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
