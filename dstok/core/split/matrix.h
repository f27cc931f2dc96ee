/* The matrix kernel: where a text of a model that merges characters may be cut, by the classes of two neighbours.

   In: text, and a matrix of 8 times 8 bits: may a merge join two neighbouring characters of these classes? Out: the
   places between two characters that none may join, as starts of pieces.
   Invariant: the matrix covers the merges (core/check/proofs.pyx). A merge joins two symbols (l, r). If the last
   character of l and the first one of r are c and d, the matrix has a bit for the classes of c and d. So at a place
   without such a bit no merge reaches over it: the first one that did would be of two symbols that end and begin there.
   Both sides merge as if they were alone. More bits only mean fewer cuts.

   Nothing is carried from block to block but whether the next one begins with a start: a place depends on two
   characters alone. Example, Mistral's matrix, "the cat!": a space can be joined with letters after it, letters with
   letters, and nothing else here. So the starts are "the", " cat", "!".
   Each level finds the class of each character, and from it two bytes: its row of the matrix, and its own bit. The row
   of a character and the bit of the next one have nothing in common at a start. Between two cuttable characters the
   pairs themselves are looked up, too (`kernel_may_cut`).
   Source: the class of ASCII by two look-ups of half a byte, Langdale and Lemire, "Parsing gigabytes of JSON per second",
   2019. */
#ifndef DSTOK_MATRIX_H
#define DSTOK_MATRIX_H

#include "split/kernel.h"

/* The classes: of ASCII punctuation, the tab and the return, the space, the newline, digits, letters; beyond ASCII
 * letters with marks (MATRIX_WIDE); all others. Letters and punctuation beyond ASCII stand apart, because a few of them
 * join what no others do: Gemma joins "/" with U+02C8, a letter.
 * Each number is a set of bits, so that an OR puts it together from two look-ups (MATRIX_CHARS). */
enum { MATRIX_OTHER = 0, MATRIX_PUNCT = 1, MATRIX_TAB = 2, MATRIX_SPACE = 3, MATRIX_LINE = 4, MATRIX_DIGIT = 5,
       MATRIX_WIDE = 6, MATRIX_LETTER = 7, MATRIX_CLASSES };
_Static_assert(MATRIX_CLASSES == 8, "a row of the matrix is a byte");
/* Where the parts of a model's table begin: 8 rows, the joiner, page numbers, pages. The joiner is the one ASCII character
 * that a merge joins with a space after it although its class has no bit for that; MATRIX_NONE: there is none. Gemma 3
 * joins "> ", and would otherwise lose the cut before the space in ", the". */
enum { MATRIX_JOINER = 8, MATRIX_NUMBERS = 16, MATRIX_PAGES = MATRIX_NUMBERS + 2 * 0x1100, MATRIX_NONE = 0xFF };

/* The class of an ASCII character. It is the same for all models; that of others is in the model's pages. */
static inline uint8_t matrix_ascii(int b) {
    int small = b | 0x20;
    return small >= 'a' && small <= 'z' ? MATRIX_LETTER : b >= '0' && b <= '9' ? MATRIX_DIGIT
         : b == ' ' ? MATRIX_SPACE : b == '\n' ? MATRIX_LINE : b == '\t' || b == '\r' ? MATRIX_TAB
         : b > ' ' ? MATRIX_PUNCT : MATRIX_OTHER;
}

/* The same by two look-ups: the lower half of a byte and the upper half each have a set of seven groups, and both sets
 * share those of the character. The groups of single characters and of letters are the lower four bits: MATRIX_CHARS has
 * a class by these, MATRIX_ROWS by the others, and the OR of both is the character's class.
 *
 *     1: the space   2: digits   4: @A-O, `a-o, but for @ and `   8: P-Z, p-z
 *     16: all from the space on   32: tab, return   64: newline */
static const uint8_t MATRIX_LOW[16] = {
    0x1B, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x1E, 0x3E, 0x5C, 0x14, 0x14, 0x34, 0x14, 0x14};
static const uint8_t MATRIX_HIGH[16] = {0x60, 0, 0x11, 0x12, 0x14, 0x18, 0x14, 0x18};
static const uint8_t MATRIX_CHARS[16] = {
    [1] = MATRIX_SPACE & ~MATRIX_PUNCT, [2] = MATRIX_DIGIT & ~MATRIX_PUNCT, [4] = MATRIX_LETTER, [8] = MATRIX_LETTER};
static const uint8_t MATRIX_ROWS[16] = {MATRIX_OTHER, MATRIX_PUNCT, MATRIX_TAB, [4] = MATRIX_LINE};
static const uint8_t MATRIX_BITS[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};

/* Sets the classes of ASCII, the rows and the joiner of a table. */
static inline void matrix_open(KernelTables *t, const uint8_t *table) {
    t->joiner = table[MATRIX_JOINER];
    for (int b = 0; b < 128; b++)
        t->ascii[b] = matrix_ascii(b);
    for (int i = 0; i < 16; i++)
        t->rows[i] = table[i % MATRIX_CLASSES];
}

/* Whether the text may be cut between two neighbouring characters. */
static inline int matrix_apart(const KernelTables *t, uint32_t left, uint32_t right) {
#define CLASS(c) t->pages[(uint32_t)t->page_numbers[(c) >> 8] << 8 | ((c) & 0xFF)]
    return (!(t->rows[CLASS(left)] >> CLASS(right) & 1) && !(left == t->joiner && right == ' ')) ||
           (t->joined && kernel_cuttable(left) && kernel_cuttable(right) && kernel_may_cut(t->joined, left, right));
#undef CLASS
}

#endif
