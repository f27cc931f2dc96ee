/* UTF-8 by vectors (see cpu/vectors.h): transcoding of VECTOR / 4 characters at a time, validation. Included by utf8.h. */
#ifdef LOOK_UP

typedef int32_t NAME(Points) __attribute__((vector_size(VECTOR), aligned(1), may_alias));
#define POINTS NAME(Points) /* VECTOR / 4 code points */
#define ALL (uint32_t)((1ull << VECTOR) - 1) /* the BITS of a vector in which all are set */
#define PICK(mask, a, b) (((a) & (mask)) | ((b) & ~(mask)))

/* VECTOR / 4 code points as UTF-8; 0 if a surrogate is among them. Writes VECTOR bytes; the returned number counts. */
FUNCTION int NAME(utf8_some)(const uint8_t *units, int kind, uint8_t *out) {
    POINTS c = kind == 4 ? *(const POINTS *)units : (POINTS)LOOK_UP(units, *(const V *)UTF8_SPREAD[kind - 1]);
    POINTS two = c > 0x7F, three = kind == 1 ? (POINTS){0} : (POINTS)(c > 0x7FF), four = c > 0xFFFF, even = two;
    /* Continuation bytes hold the last six bits, the six bits before them, ...; the lead byte stands in front. For
     * U+00E9 last is A9 and high 3, and bytes are C3 A9. */
    POINTS last = (c & 0x3F) | 0x80, high = c >> 6, bytes = PICK(two, high | 0xC0 | last << 8, c);
    if (kind != 1 && BITS(three)) {
        POINTS surrogate = c >> 11 == 0x1B, top = c >> 12, tail = ((high & 0x3F) | 0x80) << 8 | last << 16;
        if (BITS(surrogate))
            return 0;
        bytes = PICK(three, top | 0xE0 | tail, bytes);
        even &= ~three;
        if (kind == 4 && BITS(four)) {
            POINTS first = c >> 18 | 0xF0 | ((top & 0x3F) | 0x80) << 8;
            bytes = PICK(four, first | tail << 8, bytes);
            even |= four;
        }
    }
    /* The width of each character less one, in two bits; the widths of four characters are a key. */
    POINTS widths = (even & 0xFF) | (three & 0xFF00);
    uint32_t keys = BITS(widths);
    int written = 0;
    keys |= keys >> 6;
    for (int half = 0; half < VECTOR; half += 16) {
        uint8_t key = (uint8_t)(keys >> half);
        LOOK_UP_16(out + written, (const uint8_t *)&bytes + half, utf8_pack[key]);
        written += utf8_packed[key];
    }
    return written;
}

/* Writes `count` units as bytes, if they are ASCII. */
FUNCTION int NAME(utf8_ascii)(const uint8_t *units, int kind, int count, uint8_t *out) {
    V seen = {0};
    for (int i = 0; i < count * kind; i += VECTOR)
        seen |= *(const V *)(units + i);
    V ascii = (V)(((POINTS)seen & (kind == 2 ? (int)0xFF80FF80 : (int)0xFFFFFF80)) == 0);
    if (kind == 1 ? BITS(seen) : BITS(ascii) != ALL)
        return 0;
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)(kind == 1 ? units[i] : kind == 2 ? ((const Unit_2 *)units)[i] : ((const Unit_4 *)units)[i]);
    return 1;
}

typedef uint8_t NAME(Half) __attribute__((vector_size(VECTOR / 2), aligned(1), may_alias));

/* VECTOR / 2 units of one or two bytes as UTF-8; 0 if one of them takes three bytes. Writes VECTOR bytes. */
FUNCTION int NAME(utf8_low)(const uint8_t *units, int kind, uint8_t *out) {
    W c = kind == 1 ? __builtin_convertvector(*(const NAME(Half) *)units, W) : *(const W *)units;
    V high = (V)(c > 0x7FF);
    if (kind == 2 && BITS(high))
        return 0;
    W two = (W)(c > 0x7F), wide = c >> 6 | (c & 0x3F) << 8 | 0x80C0, bytes = PICK(two, wide, c);
    NAME(Half) which = __builtin_convertvector(two, NAME(Half));
    uint8_t keys[16] = {0};
    memcpy(keys, &which, sizeof(which));
    uint32_t bits = bits_16(keys);
    int written = 0;
    for (int half = 0; half < VECTOR; half += 16, bits >>= 8) {
        LOOK_UP_16(out + written, (const uint8_t *)&bytes + half, utf8_pack_low[bits & 0xFF]);
        written += 8 + __builtin_popcount(bits & 0xFF);
    }
    return written;
}

UTF8_TRANSCODE(NAME(utf8_transcode), TARGET, NAME(utf8_some), NAME(utf8_low), NAME(utf8_ascii), VECTOR / 4, VECTOR / 2, 32)

/* Zero where there is no fault. It may read the three bytes before `text`. */
FUNCTION V NAME(utf8_faults)(const uint8_t *text) {
    V x = *(const V *)text, one = *(const V *)(text - 1), two = *(const V *)(text - 2), three = *(const V *)(text - 3);
    V fault = LOOK_UP(V_FIRST_HIGH, one >> 4) & LOOK_UP(V_FIRST_LOW, one & 0x0F) & LOOK_UP(V_SECOND_HIGH, x >> 4);
    return fault ^ ((V)((two >= 0xE0) | (three >= 0xF0)) & V_TWO);
}

TARGET static ptrdiff_t NAME(utf8_valid)(const uint8_t *text, ptrdiff_t length) {
    uint8_t padded[67] = {0};
    ptrdiff_t at = 0;
    for (; at + 64 <= length; at += 64) {
        const uint8_t *from = at ? text + at : memcpy(padded + 3, text, 64);
        V all = {0}, faults = {0};
        for (int i = 0; i < 64; i += VECTOR)
            all |= *(const V *)(from + i);
        /* Does no character that the last three bytes begin go on here? */
        if (!BITS(all) && !(at && ((text[at - 1] >= 0xC0) | (text[at - 2] >= 0xE0) | (text[at - 3] >= 0xF0))))
            continue;
        for (int i = 0; i < 64; i += VECTOR)
            faults |= NAME(utf8_faults)(from + i);
        faults = (V)(faults == 0);
        if (BITS(faults) != ALL)
            break;
    }
    for (int back = 1; back <= 3 && back <= at; back++) /* the last character may be unfinished */
        if (text[at - back] >= 0xC0)
            return at - back;
    return at;
}

#undef POINTS
#undef ALL
#undef PICK
#endif
