/* UTF-8 by AVX-512: transcoding of `str` storage sixteen characters at a time, validation sixty-four bytes at a time.
 *
 * In: storage, from a place on. Out: bytes, or how far all is well; what is not plain (lone surrogates, faults, ends)
 * is left to the twins in _utf8.pyx, which go on from there. Invariant: the twins would have done the same.
 */
#ifndef DSTOK_UTF8_H
#define DSTOK_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_simd.h"

#ifdef DSTOK_X86

/* Sixteen code points as UTF-8; 0 if a surrogate is among them. Writes 64 bytes, of which the result counts. */
SIMD_AVX512
static inline int utf8_sixteen(__m512i c, uint8_t *out) {
    __mmask16 two = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x80));
    __mmask16 three = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x800));
    __mmask16 four = _mm512_cmpge_epu32_mask(c, _mm512_set1_epi32(0x10000));
    if (three && _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(c, 11), _mm512_set1_epi32(0x1B)))
        return 0;
    const __m512i six = _mm512_set1_epi32(0x3F), more = _mm512_set1_epi32(0x80);
    /* The last six bits, those before them, ...: continuation bytes, the lead byte in front. */
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
    /* A byte that is not used is zero; the first byte always is used. */
    __mmask64 used = _mm512_test_epi8_mask(bytes, bytes) | 0x1111111111111111ull;
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(used, bytes));
    return __builtin_popcountll(used);
}

/* Transcodes units of 1, 2 or 4 bytes from *at on while 64 bytes of room are left; returns the bytes written. */
SIMD_AVX512 __attribute__((always_inline))
static inline ptrdiff_t utf8_transcode_kind(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                ptrdiff_t capacity) {
    ptrdiff_t here = *at;
    uint8_t *start = out, *limit = out + capacity - 64;
    const uint8_t *narrow = data;
    const uint16_t *middle = data;
    const uint32_t *wide = data;
    while (out <= limit) {
        __m512i c;
        /* Sixty-four ASCII characters at once. */
        if (here + 64 <= length && kind == 1) {
            __m512i all = _mm512_loadu_si512(narrow + here);
            if (!_mm512_movepi8_mask(all)) {
                _mm512_storeu_si512(out, all);
                here += 64;
                out += 64;
                continue;
            }
        } else if (here + 64 <= length && kind == 2) {
            __m512i a = _mm512_loadu_si512(middle + here), b = _mm512_loadu_si512(middle + here + 32);
            if (!_mm512_test_epi16_mask(_mm512_or_si512(a, b), _mm512_set1_epi16((short)0xFF80))) {
                _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi16_epi8(a));
                _mm256_storeu_si256((__m256i *)(out + 32), _mm512_cvtepi16_epi8(b));
                here += 64;
                out += 64;
                continue;
            }
        } else if (here + 64 <= length) {
            __m512i a = _mm512_loadu_si512(wide + here), b = _mm512_loadu_si512(wide + here + 16);
            __m512i d = _mm512_loadu_si512(wide + here + 32), e = _mm512_loadu_si512(wide + here + 48);
            __m512i all = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(d, e));
            if (!_mm512_test_epi32_mask(all, _mm512_set1_epi32((int)0xFFFFFF80))) {
                _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8(a));
                _mm_storeu_si128((__m128i *)(out + 16), _mm512_cvtepi32_epi8(b));
                _mm_storeu_si128((__m128i *)(out + 32), _mm512_cvtepi32_epi8(d));
                _mm_storeu_si128((__m128i *)(out + 48), _mm512_cvtepi32_epi8(e));
                here += 64;
                out += 64;
                continue;
            }
        }
        /* Sixteen of any kind. */
        if (here + 16 > length)
            break;
        if (kind == 1)
            c = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(narrow + here)));
        else if (kind == 2)
            c = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(middle + here)));
        else
            c = _mm512_loadu_si512(wide + here);
        int written = utf8_sixteen(c, out);
        if (!written)
            break;
        here += 16;
        out += written;
    }
    *at = here;
    return out - start;
}

SIMD_AVX512
static ptrdiff_t utf8_transcode(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                ptrdiff_t capacity) {
    if (kind == 1)
        return utf8_transcode_kind(data, 1, length, at, out, capacity);
    if (kind == 2)
        return utf8_transcode_kind(data, 2, length, at, out, capacity);
    return utf8_transcode_kind(data, 4, length, at, out, capacity);
}

/* Validation. A pair of neighbours is wrong for one of the reasons below; each of three look-ups, by the first byte's
 * halves and the second's upper half, says which reasons that half allows, and what all three allow is a fault. */
enum {
    V_SHORT = 1,      /* a lead byte, then no continuation */
    V_LONG = 2,       /* ASCII, then a continuation */
    V_OVERLONG_3 = 4, /* E0, then 80 to 9F */
    V_SURROGATE = 8,  /* ED, then A0 to BF */
    V_OVERLONG_2 = 16,/* C0 or C1 */
    V_LARGE = 32,     /* F4, then 90 or more; F5 and above, then 90 or more */
    V_ENDS_4 = 64,    /* F0, then 80 to 8F (too long a form); F5 and above, then 80 to 8F */
    V_TWO = 128       /* two continuations: right only behind a lead of three or four */
};

#define V_16(...) _mm512_broadcast_i32x4(_mm_setr_epi8(__VA_ARGS__))

/* The bytes of `text` that are well-formed from its start on, whole blocks only, and whole characters: a place to go
 * on from. */
SIMD_AVX512
static ptrdiff_t utf8_valid_blocks(const uint8_t *text, ptrdiff_t length) {
    const __m512i low = _mm512_set1_epi8(0x0F);
    const __m512i first_high = V_16(
        V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, V_LONG, (char)V_TWO, (char)V_TWO, (char)V_TWO, (char)V_TWO,
        V_SHORT | V_OVERLONG_2, V_SHORT, V_SHORT | V_OVERLONG_3 | V_SURROGATE, V_SHORT | V_LARGE | V_ENDS_4);
    const int any = V_SHORT | V_LONG | V_TWO;
    const __m512i first_low = V_16(
        (char)(any | V_OVERLONG_3 | V_OVERLONG_2 | V_ENDS_4), (char)(any | V_OVERLONG_2), (char)any, (char)any,
        (char)(any | V_LARGE), (char)(any | V_LARGE | V_ENDS_4), (char)(any | V_LARGE | V_ENDS_4),
        (char)(any | V_LARGE | V_ENDS_4), (char)(any | V_LARGE | V_ENDS_4), (char)(any | V_LARGE | V_ENDS_4),
        (char)(any | V_LARGE | V_ENDS_4), (char)(any | V_LARGE | V_ENDS_4), (char)(any | V_LARGE | V_ENDS_4),
        (char)(any | V_LARGE | V_ENDS_4 | V_SURROGATE), (char)(any | V_LARGE | V_ENDS_4),
        (char)(any | V_LARGE | V_ENDS_4));
    const int follows = V_LONG | V_OVERLONG_2 | V_TWO;
    const __m512i second_high = V_16(
        V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT, V_SHORT,
        (char)(follows | V_OVERLONG_3 | V_ENDS_4), (char)(follows | V_OVERLONG_3 | V_LARGE),
        (char)(follows | V_SURROGATE | V_LARGE), (char)(follows | V_SURROGATE | V_LARGE),
        V_SHORT, V_SHORT, V_SHORT, V_SHORT);
    ptrdiff_t at = 0;
    while (at + 64 <= length) {
        __m512i x = _mm512_loadu_si512(text + at);
        /* The last three bytes of the block before may begin a character that ends here. */
        int open = at ? (text[at - 1] >= 0xC0) | (text[at - 2] >= 0xE0) | (text[at - 3] >= 0xF0) : 0;
        if (!open && !_mm512_movepi8_mask(x)) {
            at += 64;
            continue;
        }
        __m512i one, two, three;
        if (at) {
            one = _mm512_loadu_si512(text + at - 1);
            two = _mm512_loadu_si512(text + at - 2);
            three = _mm512_loadu_si512(text + at - 3);
        } else {
            uint8_t padded[67] = {0};
            memcpy(padded + 3, text, 64);
            one = _mm512_loadu_si512(padded + 2);
            two = _mm512_loadu_si512(padded + 1);
            three = _mm512_loadu_si512(padded);
        }
        __m512i fault = _mm512_and_si512(
            _mm512_and_si512(_mm512_shuffle_epi8(first_high, _mm512_and_si512(_mm512_srli_epi16(one, 4), low)),
                             _mm512_shuffle_epi8(first_low, _mm512_and_si512(one, low))),
            _mm512_shuffle_epi8(second_high, _mm512_and_si512(_mm512_srli_epi16(x, 4), low)));
        __mmask64 wants = _mm512_cmpge_epu8_mask(two, _mm512_set1_epi8((char)0xE0)) |
                          _mm512_cmpge_epu8_mask(three, _mm512_set1_epi8((char)0xF0));
        __mmask64 pairs = _mm512_movepi8_mask(fault);
        __mmask64 others = _mm512_test_epi8_mask(fault, _mm512_set1_epi8(0x7F));
        if ((pairs ^ wants) | others)
            break;
        at += 64;
    }
    /* The last character may be unfinished: begin with it. */
    for (int back = 1; back <= 3 && back <= at; back++)
        if (text[at - back] >= 0xC0)
            return at - back;
    return at;
}

#else

static ptrdiff_t utf8_transcode(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                ptrdiff_t capacity) {
    (void)data, (void)kind, (void)length, (void)at, (void)out, (void)capacity;
    return 0;
}

static ptrdiff_t utf8_valid_blocks(const uint8_t *text, ptrdiff_t length) {
    (void)text, (void)length;
    return 0;
}

#endif
#endif
