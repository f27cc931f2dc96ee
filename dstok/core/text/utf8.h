/* UTF-8 by vectors: transcoding of `str` storage sixteen characters at a time (AVX2: eight, NEON: four), twice as many
 * where none is above U+07FF; validation sixty-four bytes at a time.
 *
 * In: storage, from a place on. Out: bytes, or the place up to which all is well. Lone surrogates, faults and ends are
 * left to the functions of the same purpose in utf8.pyx, which go on from there. Invariant: those would do the same.
 */
#ifndef DSTOK_UTF8_H
#define DSTOK_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cpu/vectors.h"

/* The steps of a level: units of any kind; units of one and two bytes, all below U+0800; units of ASCII alone. They
 * return the bytes written, or 0; `Utf8Ascii` whether it wrote `count`. */
typedef int (*Utf8Some)(const uint8_t *units, int kind, uint8_t *out);
typedef int (*Utf8Ascii)(const uint8_t *units, int kind, int count, uint8_t *out);
typedef struct {
    Utf8Some some, low;
    Utf8Ascii ascii;
    int lanes, lows, count; /* the units that each takes */
} Utf8Steps;

enum { UTF8_STRETCH = 256 }; /* units in which all steps are of one kind */

/* Goes on until 64 bytes of room or the units of a step are no longer left, or to a surrogate. Asks only once in a
 * stretch whether the text is ASCII or below U+0800. In a text of both, the answer would be mispredicted again and
 * again; in one of longer characters it would cost a step each time. */
__attribute__((always_inline))
static inline ptrdiff_t utf8_by(Utf8Steps by, const uint8_t *data, int kind, ptrdiff_t length, ptrdiff_t *at,
                                uint8_t *out, ptrdiff_t capacity) {
    const uint8_t *units = data + *at * kind, *end = data + length * kind, *before, *stop;
    uint8_t *first = out, *limit = out + capacity - 64;
    int reads = by.lanes * kind < 16 ? 16 : by.lanes * kind, written = 1; /* a step reads at least 16 bytes */
    do {
        before = units;
        for (; out <= limit && end - units >= by.count * kind && by.ascii(units, kind, by.count, out); out += by.count)
            units += by.count * kind;
        stop = end - units > UTF8_STRETCH * kind ? units + UTF8_STRETCH * kind : end;
        for (; kind < 4 && units < stop && out <= limit && end - units >= by.lows * kind &&
               (written = by.low(units, kind, out)); out += written)
            units += by.lows * kind;
        if (units == stop)
            continue;
        stop = end - units > UTF8_STRETCH * kind ? units + UTF8_STRETCH * kind : end;
        for (written = 1; written && units < stop && out <= limit && end - units >= reads; out += written) {
            int is_ascii = end - units >= by.count * kind && by.ascii(units, kind, by.count, out);
            written = is_ascii ? by.count : by.some(units, kind, out);
            if (written)
                units += (is_ascii ? by.count : by.lanes) * kind;
        }
    } while (written && units != before);
    *at = (units - data) / kind;
    return out - first;
}

#define UTF8_TRANSCODE(name, target, ...) \
    target static ptrdiff_t name(const uint8_t *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out, \
                                 ptrdiff_t capacity) { \
        const Utf8Steps by = {__VA_ARGS__}; \
        if (kind == 1) \
            return utf8_by(by, data, 1, length, at, out, capacity); \
        if (kind == 2) \
            return utf8_by(by, data, 2, length, at, out, capacity); \
        return utf8_by(by, data, 4, length, at, out, capacity); \
    }

typedef uint16_t __attribute__((aligned(1), may_alias)) Unit_2;
typedef uint32_t __attribute__((aligned(1), may_alias)) Unit_4;

/* One look-up moves the bytes of four characters together. Their widths, two bits each, are the key. */
static uint8_t utf8_pack[256][16], utf8_packed[256];
/* Another moves the bytes of eight characters together that have two bytes each. Which use both are the bits of the
 * key. */
static uint8_t utf8_pack_low[256][16];

static void utf8_open(void) {
    for (int key = 0; key < 256; key++) {
        int n = 0;
        memset(utf8_pack[key], 0x80, 16);
        for (int i = 0; i < 4; i++)
            for (int b = 0; b <= (key >> (4 * (i & 1) + (i & 2)) & 3); b++)
                utf8_pack[key][n++] = (uint8_t)(4 * i + b);
        utf8_packed[key] = (uint8_t)n;
        memset(utf8_pack_low[key], 0x80, 16);
        for (int i = n = 0; i < 8; i++)
            for (int b = 0; b <= (key >> i & 1); b++)
                utf8_pack_low[key][n++] = (uint8_t)(2 * i + b);
    }
}

/* Spreads units of one and two bytes, in 16 bytes, to code points of four bytes. */
#define NONE 0x80, 0x80
#define ONE(i) i, 0x80, NONE
#define TWO(i) i, i + 1, NONE
static const uint8_t UTF8_SPREAD[2][32] = {{ONE(0), ONE(1), ONE(2), ONE(3), ONE(4), ONE(5), ONE(6), ONE(7)},
                                           {TWO(0), TWO(2), TWO(4), TWO(6), TWO(8), TWO(10), TWO(12), TWO(14)}};
#undef NONE
#undef ONE
#undef TWO

/* Validation by look-ups (Keiser and Lemire, Validating UTF-8 in less than one instruction per byte, 2021). A pair of
 * neighbours is wrong for one of the reasons below. Three look-ups, by the first byte's halves and the second's upper
 * half, say which reasons each half allows. A reason that all three allow is a fault. */
enum {
    V_SHORT = 1,      /* a lead byte, then no continuation */
    V_LONG = 2,       /* ASCII, then a continuation */
    V_OVERLONG_3 = 4, /* E0, then 80 to 9F */
    V_SURROGATE = 8,  /* ED, then A0 to BF */
    V_OVERLONG_2 = 16,/* C0 or C1 */
    V_LARGE = 32,     /* F4, then 90 or more; F5 and above, then 90 or more */
    V_ENDS_4 = 64,    /* F0, then 80 to 8F (too long a form); F5 and above, then 80 to 8F */
    V_TWO = 128       /* two continuations: right only after a lead of three or four */
};

#define V_ANY (V_SHORT | V_LONG | V_TWO)
#define V_MORE (V_LARGE | V_ENDS_4)
#define V_FOLLOWS (V_LONG | V_OVERLONG_2 | V_TWO)
static const uint8_t V_FIRST_HIGH[16] = {
    V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_TWO, V_TWO, V_TWO, V_TWO,
    V_SHORT | V_OVERLONG_2, V_SHORT, V_SHORT | V_OVERLONG_3 | V_SURROGATE, V_SHORT | V_MORE};
static const uint8_t V_FIRST_LOW[16] = {
    V_ANY | V_OVERLONG_3 | V_OVERLONG_2 | V_ENDS_4, V_ANY | V_OVERLONG_2, V_ANY, V_ANY, V_ANY | V_LARGE, V_ANY | V_MORE,
    V_ANY | V_MORE, V_ANY | V_MORE, V_ANY | V_MORE, V_ANY | V_MORE, V_ANY | V_MORE, V_ANY | V_MORE, V_ANY | V_MORE,
    V_ANY | V_MORE | V_SURROGATE, V_ANY | V_MORE, V_ANY | V_MORE};
static const uint8_t V_SECOND_HIGH[16] = {
    V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT,
    V_FOLLOWS | V_OVERLONG_3 | V_ENDS_4, V_FOLLOWS | V_OVERLONG_3 | V_LARGE, V_FOLLOWS | V_SURROGATE | V_LARGE,
    V_FOLLOWS | V_SURROGATE | V_LARGE, V_SHORT, V_SHORT, V_SHORT, V_SHORT};

#define VECTOR_CODE "text/utf8_vector.h"
#include "cpu/vectors.h"

#ifdef DSTOK_X86

/* No load of the copy waits for two stores, as after memcpy, nor is there a branch on the size below 64. */
SIMD_AVX512
static int copy_avx512(uint8_t *out, const uint8_t *data, ptrdiff_t size, const FirstBytes *firsts) {
    uint64_t found = 0;
    for (ptrdiff_t at = 0; at < size; at += 64) {
        __mmask64 text = size - at < 64 ? (1ull << (size - at)) - 1 : ~0ull;
        __m512i x = _mm512_maskz_loadu_epi8(text, data + at);
        _mm512_storeu_si512(out + at, x);
        for (int i = 0; i < FIRST_MOST; i++)
            found |= _mm512_mask_cmpeq_epi8_mask(text, x, _mm512_set1_epi8((char)firsts->bytes[i][0]));
    }
    return found != 0 || firsts->count > FIRST_MOST;
}

/* Sixteen code points as UTF-8; 0 if a surrogate is among them. Writes 64 bytes; the returned number counts. */
SIMD_AVX512
static inline int utf8_sixteen(const uint8_t *units, int kind, uint8_t *out) {
    __m512i c = kind == 1   ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)units))
                : kind == 2 ? _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)units))
                            : _mm512_loadu_si512(units);
    __mmask16 two = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x80));
    __mmask16 three = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x800));
    __mmask16 four = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x10000));
    if (three && _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(c, 11), _mm512_set1_epi32(0x1B)))
        return 0;
    const __m512i six = _mm512_set1_epi32(0x3F), more = _mm512_set1_epi32(0x80);
    /* Continuation bytes hold the last six bits, the six bits before them, ...; the lead byte stands in front. */
    __m512i last = _mm512_or_si512(_mm512_and_si512(c, six), more), high = _mm512_srli_epi32(c, 6);
    __m512i bytes = _mm512_mask_or_epi32(c, two, _mm512_or_si512(high, _mm512_set1_epi32(0xC0)),
                                         _mm512_slli_epi32(last, 8));
    if (three) {
        __m512i middle = _mm512_or_si512(_mm512_and_si512(high, six), more), top = _mm512_srli_epi32(c, 12);
        __m512i tail = _mm512_or_si512(_mm512_slli_epi32(middle, 8), _mm512_slli_epi32(last, 16));
        bytes = _mm512_mask_or_epi32(bytes, three, _mm512_or_si512(top, _mm512_set1_epi32(0xE0)), tail);
        if (four) {
            __m512i second = _mm512_or_si512(_mm512_and_si512(top, six), more);
            __m512i first = _mm512_or_si512(_mm512_srli_epi32(c, 18), _mm512_set1_epi32(0xF0));
            first = _mm512_or_si512(first, _mm512_slli_epi32(second, 8));
            bytes = _mm512_mask_or_epi32(bytes, four, first, _mm512_slli_epi32(tail, 8));
        }
    }
    /* An unused byte is zero; the first byte is always used. */
    __mmask64 used = _mm512_test_epi8_mask(bytes, bytes) | 0x1111111111111111ull;
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(used, bytes));
    return __builtin_popcountll(used);
}

/* Thirty-two units of one or two bytes as UTF-8; 0 if one of them takes three bytes. Writes 64 bytes. */
SIMD_AVX512
static inline int utf8_low_avx512(const uint8_t *units, int kind, uint8_t *out) {
    __m512i c = kind == 1 ? _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)units)) : _mm512_loadu_si512(units);
    if (kind == 2 && _mm512_test_epi16_mask(c, _mm512_set1_epi16((short)0xF800)))
        return 0;
    __mmask32 two = _mm512_test_epi16_mask(c, _mm512_set1_epi16((short)0xFF80));
    __m512i last = _mm512_slli_epi16(_mm512_and_si512(c, _mm512_set1_epi16(0x3F)), 8);
    __m512i wide = _mm512_or_si512(_mm512_srli_epi16(c, 6), _mm512_or_si512(last, _mm512_set1_epi16((short)0x80C0)));
    __mmask64 used = _pdep_u64(two, 0xAAAAAAAAAAAAAAAAull) | 0x5555555555555555ull;
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(used, _mm512_mask_blend_epi16(two, c, wide)));
    return 32 + __builtin_popcount(two);
}

UTF8_TRANSCODE(utf8_transcode_avx512, SIMD_AVX512, utf8_sixteen, utf8_low_avx512, utf8_ascii_avx2, 16, 32, 64)

/* Writes characters of up to three bytes as units of two bytes, 64 bytes a step; returns how many bytes it read, whole
 * characters. It leaves the last 256 bytes: they have at least the 64 characters that a step may write. */
SIMD_AVX512
static ptrdiff_t utf8_widen_avx512(const uint8_t *text, ptrdiff_t length, uint16_t **out) {
    const __m512i six = _mm512_set1_epi16(0x3F), five = _mm512_set1_epi16(0x1F);
    uint16_t *o = *out;
    ptrdiff_t at = 0;
    for (; length - at >= 256; at += 64) {
        __m512i x = _mm512_loadu_si512(text + at);
        uint64_t high = _mm512_movepi8_mask(x), begun = ~high | _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xC0));
        if (!high) {
            for (int i = 0; i < 64; i += 32, o += 32)
                _mm512_storeu_si512(o, _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(text + at + i))));
            continue;
        }
        int count = __builtin_popcountll(begun);
        /* One lane for each character that begins here: its first byte, and the two bytes after that. */
        __m512i first = _mm512_maskz_compress_epi8(begun, x);
        uint64_t two = _mm512_movepi8_mask(first), three = _mm512_cmpge_epu8_mask(first, _mm512_set1_epi8((char)0xE0));
        uint8_t bytes[3][64];
        _mm512_storeu_si512(bytes[0], first);
        _mm512_storeu_si512(bytes[1], _mm512_maskz_compress_epi8(begun, _mm512_loadu_si512(text + at + 1)));
        _mm512_storeu_si512(bytes[2], _mm512_maskz_compress_epi8(begun, _mm512_loadu_si512(text + at + 2)));
        for (int i = 0; i < count; i += 32, two >>= 32, three >>= 32) {
            __m512i lead = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(bytes[0] + i)));
            __m512i next = _mm512_and_si512(_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(bytes[1] + i))), six);
            __m512i last = _mm512_and_si512(_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(bytes[2] + i))), six);
            __m512i of_two = _mm512_or_si512(_mm512_slli_epi16(_mm512_and_si512(lead, five), 6), next);
            __m512i of_three = _mm512_or_si512(_mm512_slli_epi16(lead, 12), _mm512_or_si512(_mm512_slli_epi16(next, 6), last));
            lead = _mm512_mask_blend_epi16((__mmask32)two, lead, of_two);
            _mm512_storeu_si512(o + i, _mm512_mask_blend_epi16((__mmask32)three, lead, of_three));
        }
        o += count;
    }
    while (at && at < length && (text[at] & 0xC0) == 0x80) /* the rest of the last character */
        at++;
    *out = o;
    return at;
}

#endif

#endif
