/* The grid kernel: piece starts on a fixed grid of blocks, with carried state. AVX-512 only.
 *
 * In: text, the state carried from the block before. Out: the starts of pieces, appended as 32-bit offsets.
 * The same automaton as _kernel.h and the same algebra, but a block begins wherever the last one ended, not at a
 * sure piece start: what crosses the border is a few bits of state. So no block waits for the starts of the one
 * before it, and the processor works on several at once (0.40 -> 0.29 ns/byte on wiki.test.raw).
 *
 * A block is 64 bytes; it decides up to 63 of them, whole characters, and sees the first class of what follows.
 * It gives up (returns 0) at characters of rare classes and where blanks behind a newline run on for too long:
 * the caller then goes back to the last start that it has and takes the restarting kernel or the automaton.
 */
#ifndef DSTOK_GRID_H
#define DSTOK_GRID_H

#include "_kernel.h"

enum { GRID_LOOK = 67 }; /* bytes that must follow: a block, and the rest of a character that begins in it */

typedef struct {
    /* Each is one bit, of the last character before the block: is it ... */
    uint64_t mark, k, space, letter, blank, number, white;
    uint64_t glue;      /* a mark that newlines may follow, or a newline that follows one */
    uint64_t newline;   /* a newline that no mark has absorbed */
    uint64_t taken;     /* an ASCII mark that takes letters, or an ASCII letter taken */
    uint64_t digits;    /* not a bit: digits since the last number start */
    uint32_t before;    /* the code point, if it is cuttable, else 0 */
} GridState;

#ifdef DSTOK_X86

#define GRID_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt")))

typedef struct {
    uint64_t ascii, space, newline, blank, number, mark_ascii, mark, letter, k, cuts, rare;
    uint64_t wide_blank; /* bytes of blanks that are not ASCII */
    uint64_t three;      /* first bytes of characters of three bytes */
    int size;            /* bytes to decide */
    uint32_t last;       /* the last of the characters in them, if it is cuttable, else 0 */
} GridMasks;

static const uint8_t GRID_IOTA[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* By characters, 32 at most: bit i is the block's i-th character that is not ASCII. */
typedef struct {
    uint64_t letter, mark, k, blank, rare, cut;
} GridLanes;

/* Bytes shifted, each in itself. */
#define BYTES_LEFT(v, n, mask) _mm512_and_si512(_mm512_slli_epi16(v, n), _mm512_set1_epi8((char)(mask)))
#define BYTES_RIGHT(v, n, mask) _mm512_and_si512(_mm512_srli_epi16(v, n), _mm512_set1_epi8((char)(mask)))

/* Each byte of `index` looked up in 256 bytes. */
GRID_TARGET
static inline __m512i grid_look_up(const uint8_t *table, __m512i index) {
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), index, _mm512_loadu_si512(table + 192));
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}

/* Sixteen code points of their upper and lower bytes. */
GRID_TARGET
static inline __m512i grid_code_points(__m128i high, __m128i low) {
    return _mm512_or_si512(_mm512_slli_epi32(_mm512_cvtepu8_epi32(high), 8), _mm512_cvtepu8_epi32(low));
}

/* The flags of those of sixteen characters whose page is not in one piece: a gather, which costs two cycles each. */
GRID_TARGET
static inline __m128i grid_mixed(const KernelTables *t, __m128i flags, __m128i high, __m128i low, __mmask16 mixed) {
    __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), mixed, grid_code_points(high, low), t->flags, 1);
    return _mm_mask_blend_epi8(mixed, flags, _mm512_cvtepi32_epi8(found));
}

/* The flags of characters of two and three bytes, by their upper bytes: whole pages of ideographs and Hangul are of
 * one kind; five pages that other text is full of have tables of their own; the rest is gathered. */
GRID_TARGET
static inline __m512i grid_flags(const KernelTables *t, __m512i high, __m512i low, uint64_t used) {
    __m512i flags = grid_look_up(t->page_flags, high);
    uint64_t mixed = _mm512_movepi8_mask(flags) & used;
    for (int i = 0; i < GRID_PAGES && mixed; i++) {
        uint64_t here = _mm512_mask_cmpeq_epi8_mask(mixed, high, _mm512_set1_epi8((char)KERNEL_PAGES[i]));
        if (here) {
            flags = _mm512_mask_blend_epi8(here, flags, grid_look_up(t->flags + 256 * KERNEL_PAGES[i], low));
            mixed &= ~here;
        }
    }
    if (mixed & 0xFFFF)
        flags = _mm512_inserti32x4(flags, grid_mixed(t, _mm512_castsi512_si128(flags), _mm512_castsi512_si128(high),
                                                     _mm512_castsi512_si128(low), (__mmask16)mixed), 0);
    if (mixed >> 16)
        flags = _mm512_inserti32x4(flags, grid_mixed(t, _mm512_extracti32x4_epi32(flags, 1),
                                                     _mm512_extracti32x4_epi32(high, 1),
                                                     _mm512_extracti32x4_epi32(low, 1), (__mmask16)(mixed >> 16)), 1);
    return flags;
}

/* Which of sixteen characters no token joins with the one before it, of those in `pairs`. *before is the character
 * before them, and becomes the last of them. */
GRID_TARGET
static inline uint64_t grid_cuts(const KernelTables *t, __m128i high, __m128i low, __mmask16 pairs, uint32_t *before) {
    __m512i c = grid_code_points(high, low), left = _mm512_alignr_epi32(c, _mm512_set1_epi32((int)*before), 15);
    __m512i hash = _mm512_add_epi32(_mm512_mullo_epi32(left, _mm512_set1_epi32((int)CUT_LEFT)),
                                    _mm512_mullo_epi32(c, _mm512_set1_epi32((int)CUT_RIGHT)));
    hash = _mm512_srli_epi32(hash, 32 - CUT_BITS);
    __m512i word = _mm512_mask_i32gather_epi32(_mm512_set1_epi32(-1), pairs, _mm512_srli_epi32(hash, 5),
                                               (const int *)t->joined, 4);
    word = _mm512_srlv_epi32(word, _mm512_and_si512(hash, _mm512_set1_epi32(31)));
    *before = (uint32_t)_mm_extract_epi32(_mm512_extracti32x4_epi32(c, 3), 3);
    return _mm512_mask_testn_epi32_mask(pairs, word, _mm512_set1_epi32(1));
}

/* The characters of four bytes, one by one. */
GRID_TARGET
static inline void grid_four(const KernelTables *t, const uint8_t *p, uint64_t leads, uint64_t four, GridLanes *lanes) {
    for (; four; four &= four - 1) {
        int i = __builtin_ctzll(four), lane = __builtin_popcountll(leads & ((1ull << i) - 1));
        uint32_t c = (p[i] & 0x07u) << 18 | (p[i + 1] & 0x3Fu) << 12 | (p[i + 2] & 0x3Fu) << 6 | (p[i + 3] & 0x3Fu);
        uint8_t flags = kernel_flags(t->pages[(uint32_t)t->page_numbers[c >> 8] << 8 | (c & 0xFF)]);
        uint64_t bit = 1ull << lane;
        lanes->letter = (lanes->letter & ~bit) | (flags & F_LETTER ? bit : 0);
        lanes->mark = (lanes->mark & ~bit) | (flags & F_MARK ? bit : 0);
        lanes->k = (lanes->k & ~bit) | (flags & F_K ? bit : 0);
        lanes->blank = (lanes->blank & ~bit) | (flags & F_BLANK ? bit : 0);
        lanes->rare = (lanes->rare & ~bit) | (flags & F_RARE ? bit : 0);
    }
}

/* The characters of a block that are not ASCII, into its masks. `text` says which bytes are text. */
GRID_TARGET __attribute__((always_inline))
static inline void grid_wide(const KernelTables *t, const uint8_t *p, __m512i x, uint64_t text, uint64_t wide,
                             uint32_t before, GridMasks *m) {
    uint64_t leads = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xC0));
    uint64_t three = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xE0));
    uint64_t four = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xF0));
    __m512i next = ~text ? _mm512_maskz_loadu_epi8(text >> 1, p + 1) : _mm512_loadu_si512(p + 1);
    __m512i last = ~text ? _mm512_maskz_loadu_epi8(text >> 2, p + 2) : _mm512_loadu_si512(p + 2);
    uint64_t used = ~0ull >> (64 - __builtin_popcountll(leads));

    /* Characters by lanes, their code points in two bytes. */
    __m512i x0 = _mm512_maskz_compress_epi8(leads, x), x1 = _mm512_maskz_compress_epi8(leads, next);
    __m512i x2 = _mm512_maskz_compress_epi8(leads, last);
    __mmask64 is_three = _mm512_cmpge_epu8_mask(x0, _mm512_set1_epi8((char)0xE0));
    __mmask64 is_four = _mm512_cmpge_epu8_mask(x0, _mm512_set1_epi8((char)0xF0));
    __m512i high = BYTES_RIGHT(x0, 2, 0x07);
    __m512i low = _mm512_or_si512(BYTES_LEFT(x0, 6, 0xC0), _mm512_and_si512(x1, _mm512_set1_epi8(0x3F)));
    high = _mm512_mask_blend_epi8(is_three, high, _mm512_or_si512(BYTES_LEFT(x0, 4, 0xF0), BYTES_RIGHT(x1, 2, 0x0F)));
    low = _mm512_mask_blend_epi8(is_three, low, _mm512_or_si512(BYTES_LEFT(x1, 6, 0xC0),
                                                                _mm512_and_si512(x2, _mm512_set1_epi8(0x3F))));
    __m512i flags = grid_flags(t, high, low, used & ~is_four);

    GridLanes lanes;
#define LANES(flag) (_mm512_test_epi8_mask(flags, _mm512_set1_epi8(flag)) & used)
    lanes.letter = LANES(F_LETTER);
    lanes.mark = LANES(F_MARK);
    lanes.k = LANES(F_K);
    lanes.blank = LANES(F_BLANK);
    lanes.rare = LANES(F_RARE);
    lanes.cut = 0;

    /* Safe cuts, between neighbours that are cuttable: both have three bytes. */
    uint64_t cuttable = _pdep_u64(LANES(F_CUTTABLE) & ~is_four, leads);
    uint64_t pairs = _pext_u64(cuttable & (cuttable << 3 | (before != 0)), leads);
    if (pairs) {
        lanes.cut = grid_cuts(t, _mm512_castsi512_si128(high), _mm512_castsi512_si128(low), (__mmask16)pairs, &before);
        if (pairs >> 16)
            lanes.cut |= grid_cuts(t, _mm512_extracti32x4_epi32(high, 1), _mm512_extracti32x4_epi32(low, 1),
                                   (__mmask16)(pairs >> 16), &before) << 16;
    }
#undef LANES
    if (four)
        grid_four(t, p, leads, four, &lanes);

    /* From lanes to all bytes of the characters. */
#define BYTES(lane_mask) grid_bytes(_pdep_u64(lane_mask, leads), three, four)
#define grid_bytes(first, three, four) ((first) | (first) << 1 | ((first) & (three)) << 2 | ((first) & (four)) << 3)
    m->letter |= BYTES(lanes.letter);
    m->mark |= BYTES(lanes.mark);
    m->k = BYTES(lanes.k);
    m->wide_blank = BYTES(lanes.blank);
    m->rare |= _pdep_u64(lanes.rare, leads);
    m->cuts = _pdep_u64(lanes.cut, leads);
#undef BYTES
#undef grid_bytes
    m->blank |= m->wide_blank;
    m->three = three;
    if (~text)
        return; /* the end: everything is decided */
    /* Decide whole characters only: up to the last byte that begins one. */
    m->size = 63 - __builtin_clzll(~wide | leads);
    uint64_t end = m->size >= 3 ? 1ull << (m->size - 3) : 0;
    if (end & cuttable) {
        const uint8_t *q = p + m->size - 3;
        m->last = (q[0] & 0x0Fu) << 12 | (q[1] & 0x3Fu) << 6 | (q[2] & 0x3Fu);
    }
}

GRID_TARGET __attribute__((always_inline))
static inline GridMasks grid_masks(const KernelTables *t, const uint8_t *p, uint64_t text, uint32_t before) {
    GridMasks m;
    __m512i x = ~text ? _mm512_maskz_loadu_epi8(text, p) : _mm512_loadu_si512(p);
    __m512i class = _mm512_permutex2var_epi8(_mm512_loadu_si512(t->ascii), x, _mm512_loadu_si512(t->ascii + 64));
    uint64_t wide = _mm512_movepi8_mask(x), narrow = ~wide & text;
#define CLASS(c) _mm512_mask_cmpeq_epi8_mask(narrow, class, _mm512_set1_epi8(c))
    m.ascii = CLASS(C_LETTER_ASCII);
    m.space = CLASS(C_SPACE);
    m.newline = CLASS(C_NEWLINE);
    m.blank = m.space | CLASS(C_BLANK);
    m.number = CLASS(C_NUMBER);
    m.mark_ascii = CLASS(C_MARK_ASCII);
    m.rare = CLASS(C_OTHER);
#undef CLASS
    m.letter = m.ascii;
    m.mark = m.mark_ascii;
    m.k = m.cuts = m.wide_blank = m.three = 0;
    m.size = ~text ? __builtin_popcountll(text) : 63;
    m.last = 0;
    if (wide)
        grid_wide(t, p, x, text, wide, before, &m);
    return m;
}

/* Whether the blanks from p on end before a newline: 1, 0, or -1 if that is not known. */
static int grid_newline_ahead(const KernelTables *t, const uint8_t *p, const uint8_t *stop, int final) {
    while (p < stop && *p < 0x80 && (t->ascii[*p] == C_SPACE || t->ascii[*p] == C_BLANK))
        p++;
    if (p == stop)
        return final ? 0 : -1;
    if (*p >= 0x80)
        return -1;
    return t->ascii[*p] == C_NEWLINE;
}

/* One block: its starts, below m.size; see kernel_starts for the rules. Returns the bytes decided, or 0. `text` says
 * which bytes are text: not all in the last block, after which nothing follows if `final`. */
GRID_TARGET __attribute__((always_inline))
static inline int grid_block(const KernelTables *t, const uint8_t *p, const uint8_t *stop, int final, uint64_t text,
                             GridState *s, uint64_t *starts) {
    GridMasks m = grid_masks(t, p, text, s->before);
    if (__builtin_expect(m.rare != 0, 0))
        return 0;
    int size = m.size;
    uint64_t not_k = ~m.k, edge = m.k ^ (m.k << 1 | s->k);

    uint64_t mark_run = m.mark & (~(m.mark << 1 | s->mark) | edge);
    uint64_t mark_start = mark_run & (~(m.space << 1 | s->space) | m.k);
    uint64_t glued = m.newline & ((m.mark & not_k) << 1 | s->glue);
    uint64_t absorbed = m.newline & (m.newline ^ (m.newline + glued));

    uint64_t taker = mark_start & m.mark_ascii;
    uint64_t taken = (taker << 1 | s->taken) & m.ascii;
    uint64_t rest = m.ascii + taken; /* zero where the ASCII letters taken were, one behind them */
    uint64_t beyond = (rest | s->taken) & ~m.ascii & m.letter;

    uint64_t letter_run = m.letter & (~(m.letter << 1 | s->letter) | edge);
    uint64_t letter_start = (letter_run & ~((m.blank << 1 | s->blank) & not_k) & ~taken) | beyond;

    /* Numbers in threes: up to nine digits without a branch. */
    uint64_t number_start = m.number & ~(m.number << 1 | s->number);
    uint64_t four = m.number & m.number << 1 & m.number << 2 & m.number << 3;
    if (__builtin_expect(s->number & m.number, 0)) {
        uint64_t before = (2ull << (3 - s->digits)) - 1;
        if ((m.number & before) == before)
            number_start |= 1ull << (3 - s->digits);
    }
    uint64_t third = number_start << 3 & four, sixth = third << 3 & four;
    number_start |= third | sixth;
    while (__builtin_expect((sixth = sixth << 3 & four) != 0, 0))
        number_start |= sixth;

    uint64_t white = (m.blank | m.newline) & ~absorbed;
    uint64_t white_start = white & ~(white << 1 | s->white);
    uint64_t last_blank = m.blank & ((m.letter | m.mark) & not_k) >> 1;
    if (m.wide_blank) {
        /* Its last byte is marked; the piece starts at its first. */
        uint64_t last = last_blank & m.wide_blank;
        last_blank = (last_blank & ~m.wide_blank) | (last >> 2 & m.three) | (last >> 1 & ~(m.three << 1));
    }

    /* A blank behind the last newline of its run. */
    uint64_t behind = m.blank & ((m.newline & white) << 1 | s->newline);
    unsigned long long run;
    if (__builtin_expect(__builtin_uaddll_overflow(m.blank, behind, &run), 0)) {
        /* The blanks touch the end of the block: begin the next one with them, or, if this is that, look ahead. */
        int first = 63 - __builtin_clzll(behind);
        if (first) {
            if (first < size) {
                size = first;
                m.last = 0;
            }
            behind &= (1ull << first) - 1;
            run = m.blank + behind;
        } else {
            int ahead = grid_newline_ahead(t, p + 64, stop, final);
            if (ahead < 0)
                return 0;
            behind = ahead ? 0 : behind;
            run = 0;
        }
    }
    if (__builtin_expect((run & ~m.blank & m.newline) != 0, 0))
        for (uint64_t left = behind; left; left &= left - 1) {
            uint64_t one = left & -left;
            if ((m.blank + one) & ~m.blank & m.newline)
                behind &= ~one;
        }

    *starts = (mark_start | letter_start | number_start | white_start | last_blank | behind | (m.k & edge) | m.cuts) &
              ((1ull << size) - 1);
    int end = size - 1;
#define LAST(mask) ((mask) >> end & 1)
    s->mark = LAST(m.mark);
    s->k = LAST(m.k);
    s->space = LAST(m.space);
    s->letter = LAST(m.letter);
    s->blank = LAST(m.blank);
    s->white = LAST(white);
    s->glue = LAST((m.mark & not_k) | absorbed);
    s->newline = LAST(m.newline & white);
    s->taken = LAST(taker | taken | (m.ascii & ~rest));
    s->number = LAST(m.number);
    if (s->number) {
        /* One of the last three digits is a start, and a block that ends in one decides at least 60 bytes; or it is the
         * text's last block, of one or two, and `digits` is not looked at again. */
        uint64_t begun = (number_start & ((2ull << end) - 1)) | 1;
        s->digits = (uint64_t)(size - (63 - __builtin_clzll(begun)));
    }
    s->before = m.last;
#undef LAST
    return size;
}

/* The last block, of fewer than 64 bytes. */
GRID_TARGET __attribute__((noinline))
static int grid_last(const KernelTables *t, const uint8_t *p, int size, GridState *s, uint64_t *starts) {
    return grid_block(t, p, p + size, 1, (1ull << size) - 1, s, starts);
}

/* Appends starts to `starts`, of which `*pieces` + 1 are there, offsets from `p`, until there are `full` pieces or
 * the text from `*at` on is too short. If `final`, the text ends at `stop`, and so does the last piece: only then may
 * fewer than GRID_LOOK bytes follow, and bytes behind `stop` are read. Returns 0 if it met what it cannot settle. */
GRID_TARGET
static int grid_run(const KernelTables *t, GridState *s, const uint8_t *p, uint32_t *at, uint32_t stop, int final,
                    uint32_t *starts, int *pieces, int full) {
    __m512i iota = _mm512_loadu_si512(GRID_IOTA);
    uint32_t here = *at, look = final ? 64 : GRID_LOOK;
    int count = *pieces, fine = 1;
    while (count < full && here < stop) {
        uint64_t bits;
        int size;
        if (here + look <= stop)
            size = grid_block(t, p + here, p + stop, final, ~0ull, s, &bits);
        else if (final)
            size = grid_last(t, p + here, (int)(stop - here), s, &bits);
        else
            break;
        if (__builtin_expect(!size, 0)) {
            fine = 0;
            break;
        }
        bits &= ~(uint64_t)(here == starts[count]);
        __m512i offsets = _mm512_maskz_compress_epi8(bits, iota), base = _mm512_set1_epi32((int)here);
        uint32_t *out = starts + count + 1;
        int found = __builtin_popcountll(bits);
#define OFFSETS(q) _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(offsets, q)))
        _mm512_storeu_si512(out, OFFSETS(0));
        _mm512_storeu_si512(out + 16, OFFSETS(1));
        if (__builtin_expect(found > 32, 0)) {
            _mm512_storeu_si512(out + 32, OFFSETS(2));
            _mm512_storeu_si512(out + 48, OFFSETS(3));
        }
#undef OFFSETS
        count += found;
        here += (uint32_t)size;
    }
    if (final && here == stop && starts[count] < stop)
        starts[++count] = stop;
    *at = here;
    *pieces = count;
    return fine;
}

#else

static int grid_run(const KernelTables *t, GridState *s, const uint8_t *p, uint32_t *at, uint32_t stop, int final,
                    uint32_t *starts, int *pieces, int full) {
    (void)t, (void)s, (void)p, (void)at, (void)stop, (void)final, (void)starts, (void)pieces, (void)full;
    return 0;
}

#endif
#endif
