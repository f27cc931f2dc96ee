/* Ids to bytes, and bytes to the storage of a `str`.
 *
 * In: ids as numbers of any width, or as ints of a list; a table of tokens. Out: the bytes of their tokens; from
 * well-formed UTF-8, code points.
 * Invariant: each number is read once. So the result is right even if another thread writes to the caller's memory.
 *
 * A token of up to 15 bytes has a cell of 16: its bytes, and then its kind and length in one byte. So one load finds it
 * all, one store writes it, and the next token is written over the surplus. The cell of an id without a token, of a longer
 * token, and of a token that may be skipped has the length 0.
 * Example: the cell of " all" is 20 61 6C 6C, eleven zeros, and 14: HAS_TOKEN, 4 bytes.
 *
 * All tokens' bytes also lie in one blob, in the order of ids, with `DECODE_COPY` bytes after the last one. Two numbers of
 * `starts` tell a token's length there. */
#ifndef DSTOK_DECODE_H
#define DSTOK_DECODE_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    DECODE_COPY = 16,
    DECODE_BLOCK = 256, /* ids taken with one look at the room */
    DECODE_ROOM = (DECODE_BLOCK + 1) * DECODE_COPY, /* bytes that a block of cells may write */
    DECODE_AHEAD = 32, /* distance, in ids, to the int, or the cell, that is fetched */
#ifdef Py_GIL_DISABLED
    DECODE_LISTS_CHANGE = 1 /* another thread may change a list while this one reads it */
#else
    DECODE_LISTS_CHANGE = 0
#endif
};

enum { HAS_TOKEN = 1, MAY_SKIP = 2, NOT_ASCII = 4, NOT_WHOLE = 8 /* the bytes alone are not well-formed UTF-8 */ };

typedef struct {
    uint32_t *starts; /* of each token in the blob, and the end of the last one */
    uint8_t *kinds;   /* of each token; 0: there is none */
    uint8_t *blob;
    uint8_t *cells; /* DECODE_COPY bytes for each id */
    uint64_t size;  /* the number of ids */
} DecodeTable;

/* Where the next token is written, the end of the memory there, and all kinds of tokens so far. */
typedef struct {
    uint8_t *out, *end;
    uint32_t kinds;
} DecodeTaken;

/* Writes the token of a number; 0 if no token has it, or no room is left. A token whose kind has a bit of `skip` is left
 * out. */
__attribute__((always_inline))
static inline int decode_take(const DecodeTable *table, DecodeTaken *taken, uint64_t value, uint32_t skip) {
    uint32_t kind = value < table->size ? table->kinds[value] : 0;
    if (!kind)
        return 0;
    const uint8_t *token = table->blob + table->starts[value];
    ptrdiff_t length = (ptrdiff_t)(table->starts[value + 1] - table->starts[value]), room = taken->end - taken->out;
    if (length + DECODE_COPY > room)
        return 0;
    if (kind & skip)
        return 1;
    memcpy(taken->out, token, DECODE_COPY);
    if (length > DECODE_COPY)
        memcpy(taken->out + DECODE_COPY, token + DECODE_COPY, (size_t)(length - DECODE_COPY));
    taken->out += length;
    taken->kinds |= kind;
    return 1;
}

/* Writes the token of a number's cell; 0 if the cell has none. `DECODE_COPY` bytes of room must be left. */
__attribute__((always_inline))
static inline int decode_cell(const DecodeTable *table, DecodeTaken *taken, uint64_t value) {
    if (__builtin_expect(value >= table->size, 0))
        return 0;
    const uint8_t *cell = table->cells + DECODE_COPY * value;
    uint32_t last = cell[DECODE_COPY - 1];
    memcpy(taken->out, cell, DECODE_COPY);
    taken->out += last & (DECODE_COPY - 1);
    taken->kinds |= last >> 4;
    return last != 0;
}

/* Fetches a number's cell; no number is too large for that. */
__attribute__((always_inline))
static inline void decode_fetch(const DecodeTable *table, uint64_t value) {
    __builtin_prefetch((const void *)((uintptr_t)table->cells + DECODE_COPY * (uintptr_t)value));
}

/* The end of the numbers from `at` on that cells may be taken for without another look at the room. */
static inline ptrdiff_t decode_block(const DecodeTaken *taken, ptrdiff_t at, ptrdiff_t count) {
    if (taken->end - taken->out < DECODE_ROOM)
        return at;
    return count - at < DECODE_BLOCK ? count : at + DECODE_BLOCK;
}

/* Takes `count` numbers that lie `step` bytes apart; returns how many it took before the first that it cannot take. */
typedef ptrdiff_t (*DecodeTake)(const DecodeTable *table, DecodeTaken *taken, const char *at, ptrdiff_t step,
                                ptrdiff_t count, uint32_t skip);

/* The tables are copied: writing a token might change them. Without `fetch` the cells are fetched already. */
#define DECODE_TAKE(name, type, fetch) \
    static ptrdiff_t decode_take_##name(const DecodeTable *table, DecodeTaken *taken, const char *at, ptrdiff_t step, \
                                        ptrdiff_t count, uint32_t skip) { \
        DecodeTable of = *table; \
        DecodeTaken own = *taken; \
        ptrdiff_t i = 0, near = count - DECODE_AHEAD, ahead = DECODE_AHEAD * step; \
        while (i < count) { \
            type value; \
            for (ptrdiff_t stop = decode_block(&own, i, count); i < stop; i++, at += step) { \
                if (fetch) { \
                    memcpy(&value, at + (i < near ? ahead : 0), sizeof(value)); \
                    decode_fetch(&of, (uint64_t)value); \
                } \
                memcpy(&value, at, sizeof(value)); \
                if (!decode_cell(&of, &own, (uint64_t)value)) \
                    break; \
            } \
            if (i == count) \
                break; \
            memcpy(&value, at, sizeof(value)); \
            if (!decode_take(&of, &own, (uint64_t)value, skip)) \
                break; \
            i++, at += step; \
        } \
        *taken = own; \
        return i; \
    }

DECODE_TAKE(int8_t, int8_t, 1)
DECODE_TAKE(int16_t, int16_t, 1)
DECODE_TAKE(int32_t, int32_t, 1)
DECODE_TAKE(int64_t, int64_t, 1)
DECODE_TAKE(uint8_t, uint8_t, 1)
DECODE_TAKE(uint16_t, uint16_t, 1)
DECODE_TAKE(uint32_t, uint32_t, 1)
DECODE_TAKE(uint64_t, uint64_t, 1)
DECODE_TAKE(fetched, uint32_t, 0)
#undef DECODE_TAKE

/* The function that takes the numbers of a buffer; NULL if its items are no integers in the machine's byte order. */
static DecodeTake decode_taker(const char *format, ptrdiff_t size) {
    static const DecodeTake SIGNED[] = {decode_take_int8_t, decode_take_int16_t, decode_take_int32_t, decode_take_int64_t};
    static const DecodeTake UNSIGNED[] = {decode_take_uint8_t, decode_take_uint16_t, decode_take_uint32_t,
                                          decode_take_uint64_t};
    int power = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
    format = format ? format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_BIG_ENDIAN ? '>' : '<'))
        format++;
    if (power < 0 || !format[0] || format[1])
        return NULL;
    return strchr("bhilqn", *format) ? SIGNED[power] : strchr("BHILQN", *format) ? UNSIGNED[power] : NULL;
}

/* The value of an int below 2**15 at least; of one that is larger, or below 0, it may be a number from 2**31 on. */
static inline uint32_t decode_small_int(PyObject *item) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnstable_Long_IsCompact((PyLongObject *)item) ? (uint32_t)PyUnstable_Long_CompactValue((PyLongObject *)item)
                                                           : UINT32_MAX;
#else
    return Py_SIZE(item) == 1 ? (uint32_t)((PyLongObject *)item)->ob_digit[0] : Py_SIZE(item) ? UINT32_MAX : 0;
#endif
}

/* Takes the ints of a list from `at` on, up to the first object that it cannot take, or that is no small int; returns
 * its place. It reads a block of them, fetches their cells, and then writes their tokens. A number that is not small
 * becomes one that no token has. */
static ptrdiff_t decode_take_list(const DecodeTable *table, DecodeTaken *taken, PyObject *list, ptrdiff_t at,
                                  uint32_t skip) {
    PyObject **items = ((PyListObject *)list)->ob_item;
    uint32_t values[DECODE_BLOCK];
    ptrdiff_t count = Py_SIZE(list), near = count - DECODE_AHEAD, read, done;
    do {
        for (read = 0; read < DECODE_BLOCK && at + read < count && PyLong_CheckExact(items[at + read]); read++) {
            __builtin_prefetch(items[at + read < near ? at + read + DECODE_AHEAD : at + read]);
            values[read] = decode_small_int(items[at + read]);
            decode_fetch(table, values[read]);
        }
        done = decode_take_fetched(table, taken, (const char *)values, sizeof(*values), read, skip);
        at += done;
    } while (done == DECODE_BLOCK);
    return at;
}

/* The number of code points in well-formed UTF-8; `most` becomes its largest byte, which tells their width. */
static ptrdiff_t decode_code_points(const uint8_t *text, ptrdiff_t length, uint8_t *most) {
    ptrdiff_t continued = 0;
    uint8_t largest = 0;
    for (ptrdiff_t at = 0; at < length;) {
        uint8_t here = 0; /* 240 bytes at a time, whole vectors: the count of each lane is one byte */
        ptrdiff_t stop = length - at < 240 ? length : at + 240;
        for (; at < stop; at++) {
            here += (text[at] & 0xC0) == 0x80;
            largest = text[at] > largest ? text[at] : largest;
        }
        continued += here;
    }
    *most = largest;
    return length - continued;
}

/* Writes the code points of well-formed UTF-8 as units of one, two or four bytes, which are wide enough. Characters of one
 * width follow each other in most texts, so each width has a loop.
 *
 * Eight bytes become eight units at once: those after the first byte that is not ASCII are written over. 32 bytes have
 * eight characters at least, so there is room. */
#define DECODE_WIDEN(name, Unit) \
    static void name(const uint8_t *text, ptrdiff_t length, Unit *out) { \
        const uint8_t *end = text + length; \
        while (text < end) { \
            for (int ascii = 8; ascii == 8 && end - text >= 32; text += ascii, out += ascii) { \
                uint64_t eight; \
                memcpy(&eight, text, 8); \
                for (int i = 0; i < 8; i++) \
                    out[i] = text[i]; \
                eight &= 0x8080808080808080ull; \
                ascii = !eight ? 8 : (PY_BIG_ENDIAN ? __builtin_clzll(eight) : __builtin_ctzll(eight)) >> 3; \
            } \
            for (; end - text < 32 && text < end && *text < 0x80; text += 1) \
                *out++ = *text; \
            for (; text < end && (*text & 0xE0) == 0xC0; text += 2) \
                *out++ = (Unit)((text[0] & 0x1F) << 6 | (text[1] & 0x3F)); \
            for (; text < end && (*text & 0xF0) == 0xE0; text += 3) \
                *out++ = (Unit)((text[0] & 0x0F) << 12 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F)); \
            for (; text < end && (*text & 0xF8) == 0xF0; text += 4) \
                *out++ = (Unit)((text[0] & 7) << 18 | (text[1] & 0x3F) << 12 | (text[2] & 0x3F) << 6 | (text[3] & 0x3F)); \
        } \
    }

DECODE_WIDEN(decode_widen_1, uint8_t)
DECODE_WIDEN(decode_widen_2, uint16_t)
DECODE_WIDEN(decode_widen_4, uint32_t)
#undef DECODE_WIDEN

static void decode_widen(const uint8_t *text, ptrdiff_t length, int kind, void *out) {
    if (kind == 1)
        decode_widen_1(text, length, (uint8_t *)out);
    else if (kind == 2)
        decode_widen_2(text, length, (uint16_t *)out);
    else
        decode_widen_4(text, length, (uint32_t *)out);
}

#endif
