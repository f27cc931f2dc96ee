/* A run of bytes that leave an automaton in its state: its end, by vectors, for each level. Included by kernels/levels.h, once for each
 * size of vectors (cpu/vectors.h).
 *
 * In: a text, and the `Skip` of a state. Out: the first place whose byte may lead elsewhere, or the end.
 * Invariant: all bytes before that place lead from the state to itself, without a tag.
 * Example: in [^,\n]+ the state inside a field stays for all bytes but "," and the line feed.
 *
 * A byte has two halves. `low` has, for the lower half, a bit for each upper half with which it stays; `BIT_OF` has the
 * bit of an upper half. Bytes from 0x80 on stay all, or none counts. Source: Hyperscan's "Shufti" (Langdale). */
#ifdef LOOK_UP
FUNCTION void NAME(skip_stays)(const Skip *skip, const V *x, V *stays) {
    static const uint8_t BIT_OF[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    *stays = (V)((LOOK_UP(skip->low, *x & 15) & LOOK_UP(BIT_OF, *x >> 4)) != 0) | (*x & skip->beyond);
}
#endif

TARGET static int64_t NAME(skip_run)(const Skip *skip, const uint8_t *text, int64_t at, int64_t stop) {
#ifdef LOOK_UP
    for (V stays; at + VECTOR <= stop; at += VECTOR) {
        NAME(skip_stays)(skip, (const V *)(text + at), &stays);
        uint64_t ends = ~(uint64_t)BITS(stays) & ((1ull << VECTOR) - 1);
        if (ends)
            return at + __builtin_ctzll(ends);
    }
#endif
    while (at < stop && (text[at] < 0x80 ? skip->low[text[at] & 15] >> (text[at] >> 4) & 1 : skip->beyond != 0))
        at++;
    return at;
}

/* The bytes of a block that stay; `*wide`: those that are not ASCII. */
FUNCTION uint64_t NAME(skip_block)(const Skip *skip, const uint8_t *text, uint64_t *wide) {
    uint64_t found = *wide = 0;
#ifdef LOOK_UP
    for (int i = 0; i < 64; i += VECTOR) {
        V stays, x = *(const V *)(text + i);
        NAME(skip_stays)(skip, &x, &stays);
        found |= (uint64_t)BITS(stays) << i;
        *wide |= (uint64_t)BITS(x) << i;
    }
#else
    for (int i = 0; i < 64; i++) {
        found |= (uint64_t)(skip->low[text[i] & 15] >> (text[i] >> 4 & 7) & 1) << i;
        *wide |= (uint64_t)(text[i] >> 7) << i;
    }
#endif
    return found;
}
