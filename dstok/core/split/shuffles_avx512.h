/* The shuffles of a block at AVX-512: the states of all places at once.

   In and out: as in shuffles.h and grid.h. */
#ifndef DSTOK_SHUFFLES_AVX512_H
#define DSTOK_SHUFFLES_AVX512_H

#ifdef DSTOK_X86

enum { AVX512_TURNS = 12 }; /* by then chains would be as fast: turns mend a place each */

/* Of one side, at each place: where the row of its class begins, in 128 bytes of the maps; the places of the other
 * parts of the maps; the states after settled classes, and where these stand. */
typedef struct {
    __m512i index, first;
    uint64_t settled, parts[8];
    const uint8_t *maps;
    int count;
} ShuffleRows;

SIMD_AVX512 GRID_INLINE void avx512_rows(const ShuffleSide *side, __m512i classes, ShuffleRows *rows) {
    rows->index = _mm512_permutexvar_epi8(classes, _mm512_loadu_si512(side->index));
    rows->first = _mm512_permutexvar_epi8(classes, _mm512_loadu_si512(side->first));
    rows->settled = _mm512_movepi8_mask(rows->index);
    rows->maps = side->rows;
    rows->count = (side->size + 127) >> 7;
    if (rows->count > 1) {
        __m512i part = _mm512_permutexvar_epi8(classes, _mm512_loadu_si512(side->part));
        for (int i = 1; i < rows->count; i++)
            rows->parts[i] = _mm512_cmpeq_epi8_mask(part, _mm512_set1_epi8((char)i));
    }
}

/* A step at each place: each state looked up in the row of its place. */
SIMD_AVX512 GRID_INLINE __m512i avx512_step(const ShuffleRows *rows, __m512i states) {
    __m512i index = _mm512_or_si512(rows->index, states);
    __m512i found = _mm512_permutex2var_epi8(_mm512_loadu_si512(rows->maps), index, _mm512_loadu_si512(rows->maps + 64));
    for (int i = 1; i < rows->count; i++)
        found = _mm512_mask_blend_epi8(rows->parts[i], found, _mm512_permutex2var_epi8(
            _mm512_loadu_si512(rows->maps + 128 * i), index, _mm512_loadu_si512(rows->maps + 128 * i + 64)));
    return _mm512_mask_blend_epi8(rows->settled, found, rows->first);
}

/* The states before (1) or after (0) the places' neighbours: `states` moved by one place, and `first` at the free one. */
SIMD_AVX512 GRID_INLINE __m512i avx512_neighbours(int up, __m512i states, uint8_t first) {
    __m512i moved = _mm512_permutexvar_epi8(_mm512_loadu_si512(GRID_PLACES + (up ? -1 : 1)), states);
    return _mm512_mask_blend_epi8(up ? 1 : 1ull << 63, moved, _mm512_set1_epi8((char)first));
}

/* The verdicts of a matrix of bits, by the states from the left and their sides. */
SIMD_AVX512 GRID_INLINE uint64_t avx512_verdicts(const uint8_t (*bits)[32], int shift, __m512i states, __m512i sides) {
    __m512i eighths = BYTES_RIGHT(sides, 3, 3), found = _mm512_permutexvar_epi8(states, _mm512_loadu_si512(bits[0]));
    for (int i = 1; i < 1 << (shift - 3); i++)
        found = _mm512_mask_blend_epi8(_mm512_cmpeq_epi8_mask(eighths, _mm512_set1_epi8((char)i)), found,
                                       _mm512_permutexvar_epi8(states, _mm512_loadu_si512(bits[i])));
    return _mm512_test_epi8_mask(found, avx512_by_class(MATRIX_BITS, sides));
}

/* Finds the starts in a block: see `ShuffleBlock`. */
SIMD_AVX512 GRID_INLINE int shuffle_avx512(const KernelTables *t, int shift, const uint8_t *p, uint64_t text, int last,
                                           ShuffleState *s, ShuffleStarts *found) {
    const Shuffles *h = t->shuffles;
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p), inside = _mm512_set1_epi8((char)h->inside);
    __m512i classes = _mm512_permutex2var_epi8(_mm512_loadu_si512(h->ascii), x, _mm512_loadu_si512(h->ascii + 64));
    uint64_t wide = _mm512_movepi8_mask(x), trail = 0, cuts = 0;
    if (wide) {
        GridMasks m;
        __m512i high, low, flags = avx512_wide(t, p, text, &m, &high, &low);
        __m512i kinds = _mm512_and_si512(flags, _mm512_set1_epi8(SHUFFLE_CLASS));
        classes = _mm512_mask_blend_epi8(wide, classes, _mm512_mask_blend_epi8(m.leads, inside, kinds));
        uint64_t pairs = _mm512_test_epi8_mask(flags, _mm512_set1_epi8(SHUFFLE_CUT_BEFORE)) &
                         _mm512_test_epi8_mask(flags, _mm512_set1_epi8(SHUFFLE_CUTTABLE)) << 3;
        if (pairs)
            cuts = avx512_all_cuts(t, high, low, m.leads, pairs, 0);
        trail = wide & ~m.leads;
    }
    if (~text)
        classes = _mm512_mask_blend_epi8(text, inside, classes);
    const ShuffleVerdicts *v = &h->right;
    ShuffleRows left, right;
    avx512_rows(&v->side, classes, &right);
    int size = last ? __builtin_popcountll(text) : shuffle_end(right.settled), ahead = 0;
    if (__builtin_expect(size < SHUFFLE_LEAST, 0) && !last && h->ahead.known) {
        ahead = 1;
        v = &h->ahead;
        avx512_rows(&v->side, classes, &right);
    } else if (__builtin_expect(!size, 0)) {
        return 0;
    }
    avx512_rows(&h->left, classes, &left);

    __m512i states = left.first, sides = right.first, before, next, other;
    uint64_t asked = last | ahead ? text : ~0ull >> (63 - size); /* later verdicts do not count */
    int guessed = (asked & ~(left.settled & right.settled)) != 0; /* else each class has its states */
    uint64_t wrong[2] = {guessed ? ~0ull : 0, guessed ? ~0ull : 0};
    uint8_t each[64], after[64], found_sides[64];
    if (__builtin_expect(s->guess, 0)) {
        _mm512_storeu_si512(each, classes);
        uint8_t guess = v->side.first[each[size & 63]];
        states = avx512_step(&left, _mm512_set1_epi8((char)s->left));
        sides = avx512_step(&right, _mm512_mask_blend_epi8(~0ull << (size & 63), _mm512_set1_epi8((char)guess),
                                                           _mm512_set1_epi8((char)v->side.first[h->inside])));
    }
    if (~text)
        sides = avx512_only(text, sides); /* the end of the text, which `inside` keeps */
    for (int turn = 0; turn < AVX512_TURNS && guessed && !s->chained; turn++) {
        next = avx512_step(&left, avx512_neighbours(1, states, s->left));
        other = avx512_step(&right, avx512_neighbours(0, sides, 0));
        wrong[0] = _mm512_cmpneq_epi8_mask(states, next) & asked;
        wrong[1] = _mm512_cmpneq_epi8_mask(sides, other) & asked;
        if (!(wrong[0] | wrong[1]) ||
            (turn > 4 && __builtin_popcountll(wrong[0]) + __builtin_popcountll(wrong[1]) <= SHUFFLE_RUNS))
            break;
        states = next;
        sides = other;
    }
    if (__builtin_expect((wrong[0] | wrong[1]) != 0, 0)) {
        _mm512_storeu_si512(each, classes);
        _mm512_storeu_si512(after, states);
        _mm512_storeu_si512(found_sides, sides);
        shuffle_end_turns(h, &v->side, shift, each, v->side.first[each[size & 63]], wrong, s, after, found_sides);
        states = _mm512_loadu_si512(after);
        sides = _mm512_loadu_si512(found_sides);
    }

    before = avx512_neighbours(1, states, s->left);
    found->anchors = avx512_verdicts(v->starts, shift, before, sides) & ~trail;
    found->dropped = h->drops ? avx512_verdicts(v->dropped, shift, before, sides) : 0;
    found->starts = found->anchors | cuts;
    if (__builtin_expect(ahead, 0)) {
        size = shuffle_ahead(avx512_verdicts(v->unknown, shift, before, sides) & ~trail, trail);
        if (!size)
            return 0;
    }
    __m512i state = _mm512_permutexvar_epi8(_mm512_set1_epi8((char)(size - 1)), states);
    s->left = (uint8_t)_mm_cvtsi128_si32(_mm512_castsi512_si128(state));
    return size;
}

#endif
#endif
