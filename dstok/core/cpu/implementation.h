/* The functions that differ by level, because they use a processor's vectors: one struct for each level.
 *
 * In, out: see each function. Invariant: all levels give the same results; they differ in speed alone.
 * kernels/levels.h has the structs. cpu/level.pyx chooses one, and each object of the core keeps it.
 */
#ifndef DSTOK_IMPLEMENTATION_H
#define DSTOK_IMPLEMENTATION_H

#include <stddef.h>
#include <stdint.h>

#include "cpu/platform.h"

typedef struct Implementation Implementation;
typedef struct FirstBytes FirstBytes;
typedef struct GridRun GridRun;
typedef struct KernelTables KernelTables;
typedef struct PairTable PairTable;
typedef struct PieceTable PieceTable;
typedef struct Shuffles Shuffles;
typedef struct Skip Skip;
typedef struct Strips Strips;

enum {
    CHUNK = 1024,             /* pieces in work at once */
    CHUNK_ROOM = CHUNK + 128, /* room for the starts of a block more */
    FEW = 128,                /* pieces of two blocks, at most */
    INT_BYTES = 32,           /* of the int of an id, where it is fetched: encode/ints.h */
    BORDERS = 1 << 14,        /* bytes of two bitmaps of the 65,536 characters of the BMP */
};

enum { FIRST_MOST = 4, FIRST_PAD = 32, FIRST_DEEP = 3, FIRST_GROUPS = 8 };

/* The starts of the texts to search: their first FIRST_DEEP bytes, or fewer if a text is shorter. */
struct FirstBytes {
    uint8_t bytes[FIRST_MOST][FIRST_PAD]; /* the first bytes, each repeated; if fewer, the last one again */
    uint8_t groups[FIRST_DEEP][256];      /* by place and byte: groups of texts that have it there or end before */
    uint8_t halves[FIRST_DEEP][2][16];    /* the same by the lower and by the upper half of a byte */
    int count;                            /* the number of first bytes; `bytes` holds at most FIRST_MOST of them */
    const Implementation *level;
};

/* The bytes that leave an automaton in a state: see split/skip.h. */
struct Skip {
    uint8_t low[16]; /* ASCII: by the lower half of a byte, a bit for each upper half */
    uint8_t beyond;  /* 0x80 if all bytes from 0x80 on do */
    uint8_t any;     /* whether there are such bytes */
};

/* Appends the starts of pieces to `run`: see `grid_run_by`. */
typedef void (*GridRunFunction)(const KernelTables *t, const uint8_t *p, uint32_t stop, int final, int full, GridRun *run);

/* Finds where the pieces of a whole text end, as bits of its blocks, two at most; returns the bytes of the first block, or
 * 0: see `grid_only_by`. */
typedef int (*GridOnlyFunction)(const KernelTables *t, const uint8_t *p, int size, uint64_t *ends);

/* The mask kernel for a set of rules. */
typedef struct {
    GridRunFunction run;
    GridOnlyFunction only;
} GridFunctions;

/* Where a function is NULL, the core's general code does its work alone. */
struct Implementation {
    const char *name;
    int vectors; /* the VECTORS_ bits that the processor must have */

    const GridFunctions *grid; /* for each set of rules, by its number (RULE_ROWS); without rules NULL */

    /* Looks the pieces of a chunk up in the piece table, each at its first place. Writes a value for each piece, and a
     * list of the missing pieces; returns their number. Example: the table holds "Hi" and " ", but not " all". Then
     * values are [word, word, 0], and missed is [2]. */
    int (*probe)(const PieceTable *t, const uint8_t *text, uint32_t *starts, int pieces, uint64_t *values,
                 uint32_t *missed);

    /* Writes the ids of a few pieces, whose ends are bits of two blocks, the first of `whole` bytes; returns their number,
     * or PROBE_FAILED if memory is out: see bpe/piece_probe.h. `ints` (NULL: none): the ints of all ids, to be fetched. */
    int (*few)(const PieceTable *t, const uint8_t *text, const uint64_t *ends, int whole, const char *ints, uint32_t *out);

    /* Writes the ids of the values from `at` on, as long as values hold their ids; returns the place where it stops. */
    int (*emit)(const uint64_t *values, int at, int pieces, uint32_t **out);

    /* Copies `size` bytes, and writes zeros after them, up to a whole number of 64 bytes; returns whether one of the texts
     * may begin in them. May be NULL. */
    int (*copy)(uint8_t *out, const uint8_t *data, ptrdiff_t size, const FirstBytes *firsts);

    /* Transcodes units of 1, 2 or 4 bytes from *at on while 64 bytes of room are left; returns the number of bytes
     * written. May be NULL. */
    ptrdiff_t (*transcode)(const uint8_t *data, int kind, ptrdiff_t length, ptrdiff_t *at, uint8_t *out,
                           ptrdiff_t capacity);

    /* The number of well-formed bytes at the start of `text`, in whole blocks and whole characters: the general code
     * goes on from there. May be NULL. */
    ptrdiff_t (*valid)(const uint8_t *text, ptrdiff_t length);

    /* Writes characters of well-formed UTF-8 below U+10000 as units of two bytes, from *out on, which it moves on; returns
     * how many bytes of whole characters it read: the general code goes on from there. May be NULL. */
    ptrdiff_t (*widen)(const uint8_t *text, ptrdiff_t length, uint16_t **out);

    /* The first place in text[at:stop] where one of the texts may begin, or `stop`. */
    int64_t (*first_of)(const FirstBytes *firsts, const uint8_t *text, int64_t at, int64_t stop);

    /* Whether a first byte of the texts is in `text`, or in the up to FIRST_PAD bytes after it, which it also reads. */
    int (*first_in)(const FirstBytes *firsts, const uint8_t *text, int64_t size);

    /* The first place in text[at:stop] with a byte that does not belong to `skip`, or `stop`. */
    int64_t (*skip)(const Skip *skip, const uint8_t *text, int64_t at, int64_t stop);

    /* The ranks of all neighbours, `count` - 1 of them, for more than PAIRS ids. */
    void (*pair_ranks)(const PairTable *t, const uint32_t *ids, uint32_t *ranks, int64_t count);

    /* Merges short texts, all at once. NULL if merging one by one is as fast. */
    void (*merge_strips)(const PairTable *t, Strips *strips);
};

#endif
