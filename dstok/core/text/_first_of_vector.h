/* The search for up to four bytes by vectors (see simd/_vectors.h). Included by _first_of.h. */
#define IS_ONE(x) (((x) == *(const V *)firsts->bytes[0]) | ((x) == *(const V *)firsts->bytes[1]) | \
                   ((x) == *(const V *)firsts->bytes[2]) | ((x) == *(const V *)firsts->bytes[3]))

TARGET static int64_t NAME(first_of)(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop) {
    for (; at < stop; at += VECTOR) {
        int64_t size = stop - at < VECTOR ? stop - at : VECTOR;
        V x = {0};
        if (size == VECTOR)
            x = *(const V *)(text + at);
        else
            memcpy(&x, text + at, (size_t)size);
        V same = (V)IS_ONE(x);
        uint64_t found = BITS(same) & ((1ull << size) - 1);
        if (found)
            return at + __builtin_ctzll(found);
    }
    return stop;
}

TARGET static int NAME(first_in)(const FirstBytes *firsts, const uint8_t *text, int64_t size) {
    V any = {0};
    for (int64_t at = 0; at < size; at += VECTOR) {
        V x = *(const V *)(text + at);
        any |= (V)IS_ONE(x);
    }
    return BITS(any) != 0;
}

#undef IS_ONE
