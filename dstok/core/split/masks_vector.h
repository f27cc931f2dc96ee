/* The class masks of a block by vectors (see cpu/vectors.h). Included by grid.h.

   In and out: as in masks.h. ASCII is told by comparisons. For the other characters the code points are made in two
   bytes, upper and lower, at all places at once. The page (the upper byte) or the lead byte alone tells the kind of
   some; for each of the rest one byte is read from the table of flags. */

#define PARTS (64 / VECTOR)

/* A byte in all places. The compiler sees no constant: it would make one anew for each block, with 30 instructions. */
FUNCTION V NAME(all)(uint8_t byte) {
    V all = (V){0} + byte;
    HIDE(all);
    return all;
}

/* The highest bits of 64 bytes, as a word. */
FUNCTION uint64_t NAME(word)(const V *v) {
    uint64_t word = 0;
    for (int i = 0; i < PARTS; i++)
        word |= (uint64_t)BITS(v[i]) << (VECTOR * i % 64);
    return word;
}

/* The word of an expression over the byte vector `c` of each part, and the vectors at the same place `i` in other
 * arrays. A byte of the expression is all ones where it is true, or has a flag in its highest bit. */
#define WORD(...) ({ V made[PARTS]; for (int i = 0; i < PARTS; i++) { V c = x[i]; (void)c; made[i] = (V)(__VA_ARGS__); } \
                     NAME(word)(made); })
#define ALL(byte) NAME(all)(byte)
#define TO(byte, low, high) ((V)((byte) - ALL(low)) <= ALL((high) - (low)))

/* Shifts of bytes by way of words: the caller masks bits that come from a neighbour. */
#define UP(v, n) ((V)((W)(v) << (n)))
#define DOWN(v, n) ((V)((W)(v) >> (n)))

typedef uint8_t NAME(GridHalf) __attribute__((vector_size(VECTOR / 2), aligned(1), may_alias));

/* The safe cuts between the neighbours in `pairs`, one by one. The code points lie in words, so each is one load. */
FUNCTION uint64_t NAME(cuts)(const KernelTables *t, const V *high, const V *low, uint64_t pairs, uint32_t before) {
    uint16_t points[16 + 64], *point = points + 16; /* the place 3 before the first is that of `before` */
    uint64_t joined = 0;
    for (int i = 0; i < 2 * PARTS; i++)
        ((W *)point)[i] = __builtin_convertvector(((const NAME(GridHalf) *)low)[i], W) |
                          __builtin_convertvector(((const NAME(GridHalf) *)high)[i], W) << 8;
    point[-3] = (uint16_t)before;
    for (uint64_t left = pairs; left; left &= left - 1) {
        int64_t i = __builtin_ctzll(left);
        uint32_t bit = kernel_joined_bit(point[i - 3], point[i]), word;
        memcpy(&word, t->joined + 4 * (bit >> 5), 4);
        joined |= (uint64_t)(word >> (bit & 31) & 1) << i;
    }
    return pairs & ~joined;
}

/* Sets the flags of the characters beyond ASCII, at their first bytes, and m->leads, three, four. Their code points it sets
 * unless the lead bytes tell all flags: then no character is cuttable. */
FUNCTION void NAME(flags)(const KernelTables *t, const uint8_t *p, uint64_t text, GridMasks *m, V *flags, V *high,
                          V *low) {
    const V *x = (const V *)p, *next = (const V *)(p + 1), *last = (const V *)(p + 2);
    uint64_t leads = m->leads = WORD(c >= ALL(0xC0)) & text, three = m->three = WORD(c >= ALL(0xE0)) & text;
    uint64_t four = m->four = three ? WORD(c >= ALL(0xF0)) & text : 0, asked = leads & ~four;

    for (int i = 0; i < PARTS; i++)
        flags[i] = (V){0};
#ifdef LOOK_UP
    if (leads & ~three) {
        uint64_t mixed = 0;
        for (int i = 0; i < PARTS; i++) {
            V lead = x[i] & 0x0F, upper = (V)(x[i] >= 0xD0), two = (V)TO(x[i], 0xC0, 0xDF);
            V found = (LOOK_UP(t->lead_flags, lead) & ~upper) | (LOOK_UP(t->lead_flags + 16, lead) & upper);
            V sign = (V)((x[i] == ALL(0xC3)) & ((next[i] & ALL(0xDF)) == ALL(0x97))); /* U+00D7, U+00F7 */
            flags[i] = found & two;
            found |= sign; /* looked up below, which sets its flags anew */
            mixed |= (uint64_t)BITS(found) << (VECTOR * i % 64);
        }
        asked &= three | mixed;
        if (!asked && !four)
            return;
    }
#endif

    /* The code points, in two bytes; a character of two bytes as if a third byte stood before it. */
    for (int i = 0; i < PARTS; i++) {
        V c = x[i], is_three = (V)(c >= ALL(0xE0));
        V middle = (next[i] & is_three) | (c & ~is_three), end = (last[i] & is_three) | (next[i] & ~is_three);
        high[i] = (UP(c, 4) & ALL(0xF0) & is_three) | (DOWN(middle, 2) & ALL(0x0F));
        low[i] = (UP(middle, 6) & ALL(0xC0)) | (end & ALL(0x3F));
    }
    /* The characters whose page tells their kind. */
    for (int r = 0; r < GRID_RANGES; r++) {
        uint64_t found = 0;
        if (!(three & asked) || !t->range_flags[r])
            continue;
        for (int i = 0; i < PARTS; i++) {
            V in = (V)(TO(x[i], 0xE0, 0xEF) & ((V)(high[i] - t->range_first[r]) <= t->range_size[r]));
            flags[i] |= in & t->range_flags[r];
            found |= (uint64_t)BITS(in) << (VECTOR * i % 64);
        }
        asked &= ~found;
    }
    uint8_t *flag = (uint8_t *)flags, *highs = (uint8_t *)high, *lows = (uint8_t *)low;
    for (; asked; asked &= asked - 1) {
        int i = __builtin_ctzll(asked);
        flag[i] = t->flags[(uint32_t)highs[i] << 8 | lows[i]];
    }
    for (; __builtin_expect(four != 0, 0); four &= four - 1)
        flag[__builtin_ctzll(four)] = grid_four(t, p + __builtin_ctzll(four));
}

/* Sets the masks of the characters beyond ASCII. */
FUNCTION void NAME(wide)(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, uint32_t before,
                         GridMasks *m) {
    V flags[PARTS], high[PARTS], low[PARTS];
    NAME(flags)(t, p, text, m, flags, high, low);
    const V *x = flags;
    uint64_t leads = m->leads;
    GridBits first = {.letter = leads};
    if ((WORD(c == ALL(F_LETTER)) & leads) == leads) { /* most blocks of most scripts: no other word is made */
        grid_spread(rules, p, &first, m->wide, !~text, m);
        return;
    }
#define FIRST(n) (WORD(c << (7 - n)) & leads)
    first.letter = FIRST(0);
    first.punct = FIRST(1);
    first.cjk = FIRST(2);
    first.blank = FIRST(3);
    first.cuttable = FIRST(4);
    first.rare = FIRST(5);
    first.number = rules_of_numbers(rules) ? FIRST(6) : 0;
#undef FIRST
    uint64_t pairs = grid_pairs(rules, &first, before);
    first.cut = pairs ? NAME(cuts)(t, high, low, pairs, before) : 0;
    grid_spread(rules, p, &first, m->wide, !~text, m);
}

/* Sets the masks of ASCII, and m->wide. It reads bytes after the text's end, and does not use them. */
FUNCTION void NAME(narrow)(const KernelTables *t, int rules, const uint8_t *p, uint64_t text, GridMasks *m) {
    (void)t;
    const V *x = (const V *)p;
    uint64_t wide = WORD(c) & text;
    m->letter = m->ascii = WORD(TO(c | ALL(0x20), 'a', 'z')) & text;
    m->number = WORD(TO(c, '0', '9')) & text;
    m->space = WORD(c == ALL(' ')) & text;
    m->line = ROWS[rules].newlines == NEWLINES_FIRST ? WORD(c == ALL('\n')) & text : 0;
    m->newline = WORD((c == ALL('\n')) | (c == ALL('\r'))) & text & ~m->line;
    m->blank = (WORD(TO(c, '\t', '\r')) & text & ~m->newline & ~m->line) | m->space;
    uint64_t others = text & ~(wide | m->letter | m->number | m->newline | m->line | m->blank);
    m->punct = others;
    m->rare = 0;
    if (ROWS[rules].lead == LEAD_BLANK) {
        m->rare = WORD((c < ALL(' ')) | (c == ALL(0x7F))) & others;
        m->punct = others & ~m->rare;
    }
    if (rules_of_runs(rules)) {
        m->punct &= WORD(TO(c, '!', '~'));
        if (rules == RULES_CODER)
            m->punct &= ~WORD(TO(c, '<', '>') | (c == ALL('$')) | (c == ALL('+')) | (c == ALL('^')) | (c == ALL('`')) |
                              (c == ALL('|')) | (c == ALL('~')));
    }
    m->quote = m->brief = m->r_or_v = m->l = m->e = 0;
    if (ROWS[rules].suffix) {
        m->quote = WORD(c == '\'') & text;
        if (m->quote) {
            const uint8_t fold = ROWS[rules].suffix == SUFFIX_SMALL ? 0 : 0x20;
            m->brief = WORD(((c | fold) == 's') | ((c | fold) == 't') | ((c | fold) == 'm') | ((c | fold) == 'd')) & text;
            m->r_or_v = WORD(((c | fold) == 'r') | ((c | fold) == 'v')) & text;
            m->l = WORD((c | fold) == 'l') & text;
            m->e = WORD((c | fold) == 'e') & text;
        }
    }
    if (ROWS[rules].cased) {
        m->lower = WORD(c << 2) & m->letter;
        m->upper = m->letter & ~m->lower;
        m->caseless = m->combining = 0;
        m->slash = WORD(c == '/') & text;
    }
    grid_narrow(text, wide, m);
}

/* The matrix kernel, as in matrix.h. A character's row of the matrix is compared with the bit of the next character, which
 * lies one to four bytes after its first byte. */

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
    V rows[PARTS], bits[PARTS + 1], classes, flags[PARTS], high[PARTS], low[PARTS];
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
    NAME(flags)(t, p, text, &m, flags, high, low);
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
        starts |= NAME(cuts)(t, high, low, pairs, 0);
    *size = 63 - __builtin_clzll(~wide | m.leads);
    return starts;
}

/* The shuffles, as in shuffles.h. */
#ifdef LOOK_UP
/* Each byte of `index`, a class or a state, looked up in a table: of 16 bytes, or of 32 with a shift of 5. */
FUNCTION void NAME(of_each)(const uint8_t *table, int shift, const V *index, V *found) {
    V lower = shift > 4 ? (V)((*index + 0x70) & 0x8F) : *index;
    *found = LOOK_UP(table, lower);
    if (shift > 4) {
        V upper = (V)(*index - 16);
        *found |= LOOK_UP(table + 16, upper);
    }
}

/* For each place, the rows of its class in the tables of one side. */
typedef struct {
    V settled[PARTS], still[PARTS], select[SHUFFLE_PARTS][PARTS];
} NAME(ShuffleRows);

FUNCTION void NAME(rows)(const ShuffleSide *side, int shift, const V *classes, NAME(ShuffleRows) *rows) {
    for (int i = 0; i < PARTS; i++) {
        NAME(of_each)(side->settled, shift, &classes[i], &rows->settled[i]);
        NAME(of_each)(side->still, shift, &classes[i], &rows->still[i]);
    }
#pragma GCC unroll 1
    for (int part = 0; part < side->count; part++)
        for (int i = 0; i < PARTS; i++)
            NAME(of_each)(side->parts[part].select, shift, &classes[i], &rows->select[part][i]);
}

/* Takes a step at each place: `before` are the states before it. */
FUNCTION void NAME(step)(const ShuffleSide *side, int shift, const NAME(ShuffleRows) *rows, const V *before, V *next) {
    for (int i = 0; i < PARTS; i++)
        next[i] = rows->settled[i] | (before[i] & rows->still[i]);
#pragma GCC unroll 1
    for (int part = 0; part < side->count; part++)
        for (int i = 0; i < PARTS; i++) {
            V row;
            NAME(of_each)(side->parts[part].columns, shift, &before[i], &row);
            row += rows->select[part][i];
            next[i] |= LOOK_UP(side->parts[part].next, row);
        }
}

/* The verdicts of a matrix of bits, by the states from the left and their sides, eight sides in a table. */
FUNCTION uint64_t NAME(verdicts)(const uint8_t (*bits)[SHUFFLE_STATES], int shift, const V *before, const V *sides) {
    static const uint8_t BIT_OF[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    V x[PARTS];
    for (int i = 0; i < PARTS; i++) {
        V found = {0}, row;
        for (int j = 0; j < 1 << (shift - 3); j++) {
            V side = sides[i] ^ ALL((uint8_t)(8 * j));
            NAME(of_each)(bits[j], shift, &before[i], &row);
            if (shift > 4)
                side = (side + ALL(0x70)) & ALL(0x8F); /* nothing is looked up for 16 and above */
            found |= row & LOOK_UP(BIT_OF, side);
        }
        x[i] = (V)(found == 0);
    }
    return ~WORD(c);
}

/* The states at the places' neighbours: those before (`up`) or after; `end`: that of the free place. */
FUNCTION void NAME(neighbours)(int up, const V *x, const V *end, V *found) {
    for (int i = 0; i < PARTS; i++)
        if (up)
            MOVE_UP(found[i], *(i ? &x[i - 1] : end), x[i]);
        else
            MOVE_DOWN(found[i], x[i], *(i + 1 < PARTS ? &x[i + 1] : end));
}

/* Finds what `shuffle_chains` does, where `asked`, but for the places `wrong`, from the left and the right. `before`: the states
 * before each place. Each state is guessed as after a character inside a word, or, by `s->guess`, after `s->left`, and as before
 * the character at `size` in what is left of it. */
FUNCTION void NAME(turns)(const Shuffles *h, const ShuffleSide *back, int shift, const V *classes, const ShuffleState *s, int size,
                          int length, uint64_t asked, uint64_t *wrong, V *before, V *states, V *sides) {
    NAME(ShuffleRows) on, off;
    V here[PARTS], there[PARTS], from[PARTS], after[PARTS], next[PARTS], others[PARTS], carried = ALL(s->left), end = {0};
    const V *places = (const V *)GRID_PLACES;
    NAME(rows)(&h->left, shift, classes, &on);
    NAME(rows)(back, shift, classes, &off);
    for (int i = 0; i < PARTS; i++) {
        NAME(of_each)(h->left.first, shift, &classes[i], &next[i]);
        NAME(of_each)(back->first, shift, &classes[i], &others[i]);
    }
    if (s->guess) {
        uint8_t guess = back->first[((const uint8_t *)classes)[size & 63]];
        for (int i = 0; i < PARTS; i++) {
            V is_left = (V)(places[i] < ALL((uint8_t)size));
            from[i] = carried;
            after[i] = (ALL(guess) & is_left) | (ALL(back->first[h->inside]) & ~is_left);
        }
        NAME(step)(&h->left, shift, &on, from, next);
        NAME(step)(back, shift, &off, after, others);
    }
    for (int i = 0; i < PARTS && length < 64; i++)
        others[i] &= (V)(places[i] < ALL((uint8_t)length)); /* the end of the text, which `inside` keeps */
    for (int turn = 0; turn < (shift > 4 ? SHUFFLE_TURNS / 2 : SHUFFLE_TURNS); turn++) {
        for (int i = 0; i < PARTS; i++) {
            here[i] = next[i];
            there[i] = others[i];
        }
        NAME(neighbours)(1, here, &carried, from);
        NAME(neighbours)(0, there, &end, after);
        NAME(step)(&h->left, shift, &on, from, next);
        NAME(step)(back, shift, &off, after, others);
        if (!turn)
            continue; /* the guesses are hardly ever right at all places */
        const V *x = here;
        wrong[0] = ~WORD(c == next[i]) & asked;
        x = there;
        wrong[1] = ~WORD(c == others[i]) & asked;
        if (!(wrong[0] | wrong[1]) ||
            (turn > 1 && __builtin_popcountll(wrong[0]) + __builtin_popcountll(wrong[1]) <= SHUFFLE_RUNS))
            break;
    }
    for (int i = 0; i < PARTS; i++) {
        before[i] = from[i];
        states[i] = here[i];
        sides[i] = there[i];
    }
}
#endif

FUNCTION int NAME(shuffle)(const KernelTables *t, int shift, const uint8_t *p, uint64_t text, int last, ShuffleState *s,
                           ShuffleStarts *found) {
    const Shuffles *h = t->shuffles;
    const V *x = (const V *)p;
    V classes[PARTS], before[PARTS], after[PARTS], sides[PARTS];
    uint8_t *each = (uint8_t *)classes;
    uint64_t wide = WORD(c) & text, cuts = 0, trail = 0, settled = 0;
    int length = __builtin_popcountll(text);
#ifdef LOOK_UP
    for (int i = 0; i < PARTS; i++) {
        V lower = x[i] & ALL(15), upper = DOWN(x[i], 4) & ALL(15), bit = LOOK_UP(MATRIX_BITS, upper);
        classes[i] = (V){0};
        for (int j = shift; j--;)
            classes[i] += classes[i] - (V)((LOOK_UP(h->planes[j], lower) & bit) == 0);
    }
#else
    for (int i = 0; i < 64; i++)
        each[i] = h->ascii[p[i] & 0x7F];
#endif
    if (wide) {
        GridMasks m = {.leads = 0};
        V flags[PARTS], high[PARTS], low[PARTS];
        NAME(flags)(t, p, text, &m, flags, high, low);
        for (int i = 0; i < PARTS; i++) {
            V is_lead = (V)(x[i] >= ALL(0xC0)), is_trail = (V)(x[i] >= ALL(0x80)) & ~is_lead;
            flags[i] &= is_lead;
            classes[i] = (classes[i] & ~is_lead & ~is_trail) | (flags[i] & ALL(SHUFFLE_CLASS)) | (is_trail & ALL((uint8_t)h->inside));
        }
        const V *x = flags;
        uint64_t pairs = WORD(c << 1) & WORD(c << 2) << 3 & m.leads & m.leads << 3;
        cuts = pairs ? NAME(cuts)(t, high, low, pairs, 0) : 0;
        trail = wide & ~m.leads;
    }
    if (~text)
        memset(each + length, h->inside, (size_t)(64 - length));
#ifdef LOOK_UP
    V index[PARTS];
    for (int i = 0; i < PARTS; i++)
        NAME(of_each)(h->right.side.index, shift, &classes[i], &index[i]);
    settled = NAME(word)(index);
#else
    for (int i = 0; i < 64; i++)
        settled |= (uint64_t)(h->right.side.index[each[i]] >> 7) << i;
#endif
    const ShuffleVerdicts *v = &h->right;
    int size = last ? length : shuffle_end(settled), ahead = size < SHUFFLE_LEAST && !last && h->ahead.known;
    if (ahead)
        v = &h->ahead;
    else if (__builtin_expect(!size, 0))
        return 0;
    uint64_t unknown = 0;
    uint8_t *states = (uint8_t *)after;
#ifdef LOOK_UP
    uint64_t asked = last | ahead ? text : ~0ull >> (63 - size);
    uint64_t wrong[2] = {~0ull, ~0ull};
    if (!s->chained && h->left.count + v->side.count <= SHUFFLE_PARTS)
        NAME(turns)(h, &v->side, shift, classes, s, size, length, asked, wrong, before, after, sides);
    if (wrong[0] | wrong[1]) {
        V carried = ALL(s->left);
        shuffle_end_turns(h, &v->side, shift, each, v->side.first[each[size & 63]], wrong, s, states, (uint8_t *)sides);
        NAME(neighbours)(1, after, &carried, before);
    }
    found->anchors = NAME(verdicts)(v->starts, shift, before, sides);
    found->dropped = h->drops ? NAME(verdicts)(v->dropped, shift, before, sides) : 0;
    if (ahead)
        unknown = NAME(verdicts)(v->unknown, shift, before, sides);
#else
    (void)before;
    shuffle_chains(&h->left, &v->side, shift, each, s->left, 0, states, (uint8_t *)sides);
    found->anchors = found->dropped = 0;
    for (int i = 0, state = s->left; i < 64; state = states[i++]) {
        int side = ((uint8_t *)sides)[i], j = side >> 3, bit = side & 7;
        found->anchors |= (uint64_t)(v->starts[j][state] >> bit & 1) << i;
        found->dropped |= (uint64_t)(v->dropped[j][state] >> bit & 1) << i;
        unknown |= (uint64_t)(v->unknown[j][state] >> bit & 1) << i;
    }
#endif
    found->anchors &= ~trail;
    if (ahead)
        size = shuffle_ahead(unknown & ~trail, trail);
    if (__builtin_expect(!size, 0))
        return 0;
    s->left = states[size - 1];
    found->starts = found->anchors | cuts;
    return size;
}

#undef PARTS
#undef WORD
#undef TO
#undef ALL
#undef UP
#undef DOWN
