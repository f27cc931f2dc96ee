/* The search of _first_bytes.h by vectors, for each level. */
#ifndef DSTOK_FIRST_OF_H
#define DSTOK_FIRST_OF_H

#include <string.h>

#include "text/_first_bytes.h"

#define VECTOR_CODE "text/_first_of_vector.h"
#include "simd/_vectors.h"

#endif
