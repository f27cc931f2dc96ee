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
#undef LOADED
#undef MOVE_UP
#undef MOVE_DOWN
