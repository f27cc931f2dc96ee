/* Includes VECTOR_CODE with the macros of one size of vectors (cpu/vectors.h), and ends their definitions: once a size. */
#include VECTOR_CODE
#undef VECTOR
#undef V
#undef W
#undef NAME
#undef TARGET
#undef HIDE
#undef BITS
#undef LOOK_UP
#undef LOOK_UP_16
#undef H
#undef H_LOAD
#undef H_STORE
#undef H_ALL
#undef H_LOOK_UP
#undef H_XOR
#undef H_PUT
