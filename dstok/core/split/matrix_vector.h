/* The matrix kernel by vectors. Included by masks_vector.h, whose macros it uses.

   In: text. Out: the starts of a block, as in matrix.h. A character's row of the matrix is compared with the bit of the
   next character, which lies one to four bytes after its first byte. */

/* A table of 16 bytes, looked up by class. (gcc 14 for AArch64 does not compile functions that take or return a V.) */
FUNCTION void NAME(by_class)(const uint8_t *table, const V *classes, V *found) {
#ifdef LOOK_UP
    *found = LOOK_UP(table, *classes);
#else
    const uint8_t *each = (const uint8_t *)classes;
    for (int i = 0; i < VECTOR; i++)
        ((uint8_t *)found)[i] = table[each[i]];
#endif
}

/* The classes of ASCII characters; 0 for other bytes. */
FUNCTION void NAME(classes)(const KernelTables *t, const V *text, V *found) {
#ifdef LOOK_UP
    (void)t;
    V c = *text, sets = LOOK_UP(MATRIX_LOW, c & 0x0F) & LOOK_UP(MATRIX_HIGH, DOWN(c, 4) & ALL(0x0F));
    *found = LOOK_UP(MATRIX_CHARS, sets & 0x0F) | LOOK_UP(MATRIX_ROWS, DOWN(sets, 4) & ALL(0x0F));
#else
    const uint8_t *each = (const uint8_t *)text;
    for (int i = 0; i < VECTOR; i++)
        ((uint8_t *)found)[i] = each[i] < 0x80 ? t->ascii[each[i]] : 0;
#endif
}

/* The first bytes of characters whose rows have nothing in common with the bits of the next ones. */
FUNCTION uint64_t NAME(apart)(const V *rows, const uint8_t *bits) {
    const V *x = rows, *next = (const V *)bits;
    return WORD((c & next[i]) == 0);
}

/* Returns the starts in a block, but for its first byte. `*size`: the bytes decided, unless the text ends before. */
FUNCTION uint64_t NAME(matrix)(const KernelTables *t, const uint8_t *p, uint64_t text, int *size) {
    const V *x = (const V *)p, *next = (const V *)(p + 1);
    V rows[PARTS], bits[PARTS + 1], classes, flags[PARTS], high[PARTS + 1], low[PARTS + 1];
    uint64_t wide = WORD(c) & text, starts, cuttable;
    uint64_t joined = WORD(c == ALL(t->joiner)) << 1 & WORD(c == ALL(' '));
    *size = GRID_ASCII;
    if (!wide) {
        for (int i = 0; i < PARTS; i++) {
            NAME(classes)(t, &x[i], &classes);
            NAME(by_class)(t->rows, &classes, &rows[i]);
            NAME(classes)(t, &next[i], &classes);
            NAME(by_class)(MATRIX_BITS, &classes, &bits[i]);
        }
        return NAME(apart)(rows, (uint8_t *)bits) << 1 & ~joined;
    }
    GridMasks m;
    NAME(flags)(t, p, text, &m, flags, high + 1, low + 1);
    for (int i = 0; i < PARTS; i++) {
        NAME(classes)(t, &x[i], &classes);
        classes |= flags[i] & ALL(MATRIX_LETTER);
        NAME(by_class)(t->rows, &classes, &rows[i]);
        NAME(by_class)(MATRIX_BITS, &classes, &bits[i]);
    }
    bits[PARTS] = (V){0};
    const uint8_t *bit = (const uint8_t *)bits;
    starts = (NAME(apart)(rows, bit + 1) & ~wide) << 1 & ~joined;
    if (m.leads & ~m.three)
        starts |= (NAME(apart)(rows, bit + 2) & m.leads & ~m.three) << 2;
    if (m.three & ~m.four)
        starts |= (NAME(apart)(rows, bit + 3) & m.three & ~m.four) << 3;
    if (m.four)
        starts |= (NAME(apart)(rows, bit + 4) & m.four) << 4;
    cuttable = WORD(flags[i] << 3) & m.leads;
    uint64_t pairs = cuttable & cuttable << 3;
    if (pairs)
        starts |= NAME(cuts)(t, (uint8_t *)(high + 1), (uint8_t *)(low + 1), pairs, 0);
    *size = 63 - __builtin_clzll(~wide | m.leads);
    return starts;
}
