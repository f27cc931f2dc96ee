/* The end of a run of bytes by vectors (see simd/_vectors.h). Included by _skip.h. */
TARGET static int64_t NAME(skip_run)(const Skip *skip, const uint8_t *text, int64_t at, int64_t stop) {
#ifdef LOOK_UP
    static const uint8_t BIT_OF[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    for (; at + VECTOR <= stop; at += VECTOR) {
        V x = *(const V *)(text + at);
        V stays = (V)((LOOK_UP(skip->low, x & 15) & LOOK_UP(BIT_OF, x >> 4)) != 0) | (x & skip->beyond);
        uint64_t ends = ~(uint64_t)BITS(stays) & ((1ull << VECTOR) - 1);
        if (ends)
            return at + __builtin_ctzll(ends);
    }
#endif
    while (at < stop && skips(skip, text[at]))
        at++;
    return at;
}
