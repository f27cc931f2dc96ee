/* The next byte that is one of up to four: memchr for a few bytes at once.

   In: text, and `FirstBytes`. Out: the place of the first of these bytes, or the text's end; or whether there is one.
   Example: if "<" and "[" begin all added tokens, this search passes over the text between them. */
#ifndef DSTOK_FIRST_OF_H
#define DSTOK_FIRST_OF_H

#include <string.h>

#include "simd/_implementation.h"

#define VECTOR_CODE "text/_first_of_vector.h"
#include "simd/_vectors.h"

#endif
