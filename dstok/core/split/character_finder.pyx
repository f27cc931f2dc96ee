"""Text to the parts that merge apart, of a model that merges characters. To upstream a text is then one piece.

In, out: those of split/finder.pyx. Invariant: a text is cut where no merge of characters joins the two sides
(split/matrix.h).
"""

cimport cython
from libc.stdint cimport uint16_t

from dstok.core.split.finder cimport RULES_MATRIX, Finder, Sink, add_piece
from dstok.core.text.utf8 cimport code_point

# The classes of the matrix kernel: one for each ASCII character; that of letters beyond ASCII, of all other characters.
ASCII_CLASSES = bytes([matrix_ascii(b) for b in range(128)])
WIDE_LETTERS = MATRIX_WIDE


@cython.final
cdef class CharacterFinder(Finder):
    """Finds the parts that a matrix allows.

    `matrix` is that of compiled/build.py. `joined` is the bitmap of bpe/tables.pyx (None: classes alone decide).
    `split`: the model's pre-tokenizer cuts before each space, and so does the matrix.
    """

    def __cinit__(self, matrix, const uint8_t[::1] joined=None, bint split=False):
        cdef const uint8_t[::1] m = memoryview(matrix).cast("B")
        if m.shape[0] < MATRIX_PAGES + 256 or (m.shape[0] - MATRIX_PAGES) % 256:
            raise ValueError("a matrix of the wrong size")
        self.matrix, self._keep, self.split, self.of_characters = m, joined, split, True
        self.open_kernel(RULES_MATRIX, bytes(range(MATRIX_CLASSES)), &m[MATRIX_PAGES],
                         <const uint16_t *>&m[MATRIX_NUMBERS], NULL if joined is None else &joined[0])
        matrix_open(&self.kernel, &m[0])

    def strategy(self) -> str:
        """Name the strategy: "pairs of characters", or the mask kernel with its level."""
        return "pairs of characters" if self.run_grid == NULL else Finder.strategy(self)

    def without_cuts(self) -> CharacterFinder:
        """Make a finder of upstream's pieces: the text, cut before each space if the pre-tokenizer does that."""
        cdef int row = 0xFF ^ self.split << MATRIX_SPACE
        head = bytes([row] * MATRIX_CLASSES) + bytes([MATRIX_NONE] * (MATRIX_NUMBERS - MATRIX_CLASSES))
        return CharacterFinder(head + self.matrix[MATRIX_NUMBERS:], None, self.split)

    cdef Py_ssize_t first_part(self, const uint8_t *text, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        cdef Py_ssize_t width
        cdef uint32_t left = code_point(text + at, &width), right
        at += width
        while at < stop:
            right = code_point(text + at, &width)
            if matrix_apart(&self.kernel, left, right):
                return at
            left = right
            at += width
        return stop if final else -1

    cdef Py_ssize_t piece(self, Sink sink, Py_ssize_t at, Py_ssize_t stop, bint final) noexcept nogil:
        cdef Py_ssize_t end = self.first_part(sink.chunk.text, at, stop, final)
        if end >= 0:
            add_piece(sink, False, at, end)
        return end

    def resync_point(self, const uint8_t[::1] text not None, Py_ssize_t at) -> int:
        """Return the first cut after `at`, which two characters alone decide, or -1."""
        return self.first_part(&text[0], at, text.shape[0], False) if 0 <= at < text.shape[0] else -1
