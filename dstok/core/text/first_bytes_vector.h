/* The search for up to four first bytes by vectors (see cpu/vectors.h). Included by kernels/levels.h. */
#define IS(n) (x == *(const V *)firsts->bytes[n])
#define IS_FIRST(few) ((V)((few) ? IS(0) : IS(0) | IS(1) | IS(2) | IS(3)))

/* Drops the first bytes in `same` that no text begins with, by the bytes after them: zero there. By pointer: gcc 14 for
 * aarch64 fails at vectors of this alignment as arguments. */
FUNCTION void NAME(first_fit)(const FirstBytes *firsts, const uint8_t *text, V *same) {
#ifdef LOOK_UP
    for (int i = 0; i < FIRST_DEEP; i++) {
        V x = *(const V *)(text + i);
        *same &= LOOK_UP(firsts->halves[i][0], x & 15) & LOOK_UP(firsts->halves[i][1], x >> 4);
    }
#else
    (void)firsts, (void)text, (void)same;
#endif
}

/* Four vectors at a time, and then the last bytes. `one`: there is one first byte. */
FUNCTION int64_t NAME(first_by)(const FirstBytes *firsts, int one, const uint8_t *text, int64_t at, int64_t stop) {
    for (; at + 4 * VECTOR + FIRST_DEEP - 1 <= stop; at += 4 * VECTOR) {
        V same[4], any = {0};
        for (int i = 0; i < 4; i++) {
            V x = *(const V *)(text + at + VECTOR * i);
            any |= same[i] = IS_FIRST(one);
        }
        if (!BITS(any))
            continue;
        any = (V){0};
        for (int i = 0; i < 4; i++) {
            NAME(first_fit)(firsts, text + at + VECTOR * i, same + i);
            any |= same[i];
        }
        any = (V)(any != 0);
        if (!BITS(any))
            continue;
        for (int i = 0; i < 4; i++) {
            V here = (V)(same[i] != 0);
            for (uint64_t found = BITS(here); found; found &= found - 1) {
                int64_t place = at + VECTOR * i + __builtin_ctzll(found);
                if (first_fits(firsts, text + place, FIRST_DEEP))
                    return place;
            }
        }
    }
    for (; at < stop; at += VECTOR) {
        int64_t size = stop - at < VECTOR ? stop - at : VECTOR;
        V x = {0}, same;
        if (size == VECTOR)
            x = *(const V *)(text + at);
        else
            memcpy(&x, text + at, (size_t)size);
        same = IS_FIRST(one);
        for (uint64_t found = BITS(same) & ((1ull << size) - 1); found; found &= found - 1) {
            int64_t place = at + __builtin_ctzll(found);
            if (first_fits(firsts, text + place, stop - place))
                return place;
        }
    }
    return stop;
}

TARGET static int64_t NAME(first_of)(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
    return firsts->count == 1 ? NAME(first_by)(firsts, 1, text, at, stop) : NAME(first_by)(firsts, 0, text, at, stop);
}

TARGET static int NAME(first_in)(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
    V any = {0};
    for (int64_t at = 0; at < size; at += VECTOR) {
        V x = *(const V *)(text + at);
        any |= IS_FIRST(0);
    }
    return BITS(any) != 0;
}

#undef IS
#undef IS_FIRST
