/* UTF-8 by vectors: transcoding of `str` storage sixteen characters at a time (AVX2: eight), validation sixty-four bytes at
 * a time.
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

SIMD_AVX512 __attribute__((always_inline))
static inline ptrdiff_t utf8_kind_avx512(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
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
static ptrdiff_t utf8_transcode_avx512(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                       ptrdiff_t capacity) {
    if (kind == 1)
        return utf8_kind_avx512(data, 1, length, at, out, capacity);
    if (kind == 2)
        return utf8_kind_avx512(data, 2, length, at, out, capacity);
    return utf8_kind_avx512(data, 4, length, at, out, capacity);
}

/* At AVX2 the bytes of four characters are moved together by a shuffle; which, the widths of the four say: the low bits
 * of the key which have two bytes, the high ones which have three. */
static uint8_t utf8_pack[256][16], utf8_packed[256];

static void utf8_open(void) {
    for (int key = 0; key < 256; key++) {
        int n = 0;
        memset(utf8_pack[key], 0x80, 16);
        for (int i = 0; i < 4; i++)
            for (int b = 0; b < 1 + (key >> i & 1) + (key >> (4 + i) & 1) && n < 16; b++)
                utf8_pack[key][n++] = (uint8_t)(4 * i + b);
        utf8_packed[key] = (uint8_t)n;
    }
}

/* Eight code points as UTF-8; 0 if a surrogate or a character of four bytes is among them. Writes up to 28 bytes. */
SIMD_AVX2 __attribute__((always_inline))
static inline int utf8_eight(__m256i c, int kind, uint8_t *out) {
    const __m256i six = _mm256_set1_epi32(0x3F), more = _mm256_set1_epi32(0x80);
    __m256i two = _mm256_cmpgt_epi32(c, _mm256_set1_epi32(0x7F)), three = _mm256_cmpgt_epi32(c, _mm256_set1_epi32(0x7FF));
    if (kind == 4 && _mm256_movemask_epi8(_mm256_cmpgt_epi32(c, _mm256_set1_epi32(0xFFFF))))
        return 0;
    /* The last six bits, those before them, ...: continuation bytes, the lead byte in front. */
    __m256i last = _mm256_or_si256(_mm256_and_si256(c, six), more), high = _mm256_srli_epi32(c, 6);
    __m256i bytes = _mm256_or_si256(_mm256_or_si256(high, _mm256_set1_epi32(0xC0)), _mm256_slli_epi32(last, 8));
    bytes = _mm256_blendv_epi8(c, bytes, two);
    int twos = _mm256_movemask_ps(_mm256_castsi256_ps(two)), threes = 0;
    if (kind != 1 && (threes = _mm256_movemask_ps(_mm256_castsi256_ps(three)))) {
        if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(_mm256_srli_epi32(c, 11), _mm256_set1_epi32(0x1B))))
            return 0;
        __m256i middle = _mm256_or_si256(_mm256_and_si256(high, six), more);
        __m256i top = _mm256_or_si256(_mm256_srli_epi32(c, 12), _mm256_set1_epi32(0xE0));
        __m256i tail = _mm256_or_si256(_mm256_slli_epi32(middle, 8), _mm256_slli_epi32(last, 16));
        bytes = _mm256_blendv_epi8(bytes, _mm256_or_si256(top, tail), three);
    }
    int low = (twos & 15) | (threes & 15) << 4, up = twos >> 4 | (threes & 0xF0);
    __m128i first = _mm_shuffle_epi8(_mm256_castsi256_si128(bytes), _mm_loadu_si128((const __m128i *)utf8_pack[low]));
    __m128i second = _mm_shuffle_epi8(_mm256_extracti128_si256(bytes, 1), _mm_loadu_si128((const __m128i *)utf8_pack[up]));
    _mm_storeu_si128((__m128i *)out, first);
    _mm_storeu_si128((__m128i *)(out + utf8_packed[low]), second);
    return utf8_packed[low] + utf8_packed[up];
}

/* Whether so many units from `data` on are ASCII: 32, of four bytes 16. They are written. */
SIMD_AVX2 __attribute__((always_inline))
static inline int utf8_ascii_avx2(const void *data, int kind, uint8_t *out) {
    const __m256i *units = data;
    __m256i a = _mm256_loadu_si256(units), b = a;
    if (kind == 1) {
        if (_mm256_movemask_epi8(a))
            return 0;
        _mm256_storeu_si256((__m256i *)out, a);
        return 32;
    }
    b = _mm256_loadu_si256(units + 1);
    __m256i both = _mm256_or_si256(a, b);
    if (kind == 2) {
        if (!_mm256_testz_si256(both, _mm256_set1_epi16((short)0xFF80)))
            return 0;
        _mm256_storeu_si256((__m256i *)out, _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8));
        return 32;
    }
    if (!_mm256_testz_si256(both, _mm256_set1_epi32((int)0xFFFFFF80)))
        return 0;
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8);
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
    return 16;
}

/* As utf8_kind_avx512. */
SIMD_AVX2 __attribute__((always_inline))
static inline ptrdiff_t utf8_kind_avx2(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                       ptrdiff_t capacity) {
    ptrdiff_t here = *at;
    uint8_t *start = out, *limit = out + capacity - 64;
    const uint8_t *units = data;
    while (out <= limit && here + 8 <= length) {
        const uint8_t *p = units + here * kind;
        __m256i c;
        int written = here + 32 <= length ? utf8_ascii_avx2(p, kind, out) : 0;
        if (written) {
            here += written;
            out += written;
            continue;
        }
        if (kind == 1)
            c = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
        else if (kind == 2)
            c = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
        else
            c = _mm256_loadu_si256((const __m256i *)p);
        if (!(written = utf8_eight(c, kind, out)))
            break;
        here += 8;
        out += written;
    }
    *at = here;
    return out - start;
}

SIMD_AVX2
static ptrdiff_t utf8_transcode_avx2(const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                     ptrdiff_t capacity) {
    if (kind == 1)
        return utf8_kind_avx2(data, 1, length, at, out, capacity);
    if (kind == 2)
        return utf8_kind_avx2(data, 2, length, at, out, capacity);
    return utf8_kind_avx2(data, 4, length, at, out, capacity);
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

/* The last three bytes before `at` may begin a character that ends behind it. */
static inline int utf8_open_before(const uint8_t *text, ptrdiff_t at) {
    return at ? (text[at - 1] >= 0xC0) | (text[at - 2] >= 0xE0) | (text[at - 3] >= 0xF0) : 0;
}

/* The last character before `at` may be unfinished: the place to go on from begins with it. */
static inline ptrdiff_t utf8_back(const uint8_t *text, ptrdiff_t at) {
    for (int back = 1; back <= 3 && back <= at; back++)
        if (text[at - back] >= 0xC0)
            return at - back;
    return at;
}

SIMD_AVX512
static ptrdiff_t utf8_valid_avx512(const uint8_t *text, ptrdiff_t length) {
    const __m512i low = _mm512_set1_epi8(0x0F);
    const __m512i first_high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)V_FIRST_HIGH));
    const __m512i first_low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)V_FIRST_LOW));
    const __m512i second_high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)V_SECOND_HIGH));
    ptrdiff_t at = 0;
    while (at + 64 <= length) {
        __m512i x = _mm512_loadu_si512(text + at);
        if (!utf8_open_before(text, at) && !_mm512_movepi8_mask(x)) {
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
    return utf8_back(text, at);
}

/* 32 bytes of it, of which the three before may be read: no fault? */
SIMD_AVX2 __attribute__((always_inline))
static inline __m256i utf8_faults_avx2(const uint8_t *text) {
    const __m256i low = _mm256_set1_epi8(0x0F), e0 = _mm256_set1_epi8((char)0xE0), f0 = _mm256_set1_epi8((char)0xF0);
    __m256i x = _mm256_loadu_si256((const __m256i *)text), one = _mm256_loadu_si256((const __m256i *)(text - 1));
    __m256i two = _mm256_loadu_si256((const __m256i *)(text - 2)), three = _mm256_loadu_si256((const __m256i *)(text - 3));
#define TABLE(t) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(t)))
    __m256i fault = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(TABLE(V_FIRST_HIGH), _mm256_and_si256(_mm256_srli_epi16(one, 4), low)),
                         _mm256_shuffle_epi8(TABLE(V_FIRST_LOW), _mm256_and_si256(one, low))),
        _mm256_shuffle_epi8(TABLE(V_SECOND_HIGH), _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
#undef TABLE
    __m256i wants = _mm256_or_si256(_mm256_cmpeq_epi8(_mm256_max_epu8(two, e0), two),
                                    _mm256_cmpeq_epi8(_mm256_max_epu8(three, f0), three));
    return _mm256_xor_si256(fault, _mm256_and_si256(wants, _mm256_set1_epi8((char)V_TWO)));
}

SIMD_AVX2
static ptrdiff_t utf8_valid_avx2(const uint8_t *text, ptrdiff_t length) {
    ptrdiff_t at = 0;
    while (at + 64 <= length) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(text + at)), b = _mm256_loadu_si256((const __m256i *)(text + at + 32));
        if (utf8_open_before(text, at) || _mm256_movemask_epi8(_mm256_or_si256(a, b))) {
            __m256i faults;
            if (at) {
                faults = _mm256_or_si256(utf8_faults_avx2(text + at), utf8_faults_avx2(text + at + 32));
            } else {
                uint8_t padded[67] = {0};
                memcpy(padded + 3, text, 64);
                faults = _mm256_or_si256(utf8_faults_avx2(padded + 3), utf8_faults_avx2(padded + 35));
            }
            if (!_mm256_testz_si256(faults, faults))
                break;
        }
        at += 64;
    }
    return utf8_back(text, at);
}

#else

static void utf8_open(void) {
}

#endif

/* Transcodes units of 1, 2 or 4 bytes from *at on while 64 bytes of room are left; returns the bytes written. */
static inline ptrdiff_t utf8_transcode(int level, const void *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                                       ptrdiff_t capacity) {
#ifdef DSTOK_X86
    if (level == LEVEL_AVX512)
        return utf8_transcode_avx512(data, kind, length, at, out, capacity);
    if (level == LEVEL_AVX2)
        return utf8_transcode_avx2(data, kind, length, at, out, capacity);
#endif
    (void)level, (void)data, (void)kind, (void)length, (void)at, (void)out, (void)capacity;
    return 0;
}

/* The bytes of `text` that are well-formed from its start on, whole blocks only, and whole characters: a place to go
 * on from. */
static inline ptrdiff_t utf8_valid_blocks(int level, const uint8_t *text, ptrdiff_t length) {
#ifdef DSTOK_X86
    if (level == LEVEL_AVX512)
        return utf8_valid_avx512(text, length);
    if (level == LEVEL_AVX2)
        return utf8_valid_avx2(text, length);
#endif
    (void)level, (void)text, (void)length;
    return 0;
}

#endif
