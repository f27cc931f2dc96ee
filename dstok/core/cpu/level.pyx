"""The level: which of the processor's instructions all stages use.

In: the processor, and DSTOK_SIMD in the environment. Out: the implementation that each object of the core keeps from
when it is made, so that scanning, the piece table, merging, transcoding, validation and the search for added tokens
agree. It is chosen once, for the first object.
Invariant: a level that this processor cannot run is refused.
"""

import os

from dstok.errors import SettingError

cdef extern from "cpu/vectors.h":
    bint DSTOK_EMULATED

LEVELS = ()
cdef const Implementation *IMPLEMENTATIONS = NULL
cdef const Implementation *CHOSEN = NULL
cdef int VECTORS = 0


cdef void set_levels(const Implementation *implementations, int count, int vectors):
    """Hand over the implementations of all levels, for a processor with these vectors: see kernels/levels.pyx."""
    global IMPLEMENTATIONS, LEVELS, VECTORS
    IMPLEMENTATIONS, VECTORS = implementations, vectors
    LEVELS = tuple([implementations[i].name.decode() for i in range(count)])


cdef const Implementation *chosen() except NULL:
    """Return the implementation for new objects."""
    if CHOSEN == NULL:
        choose_level(os.environ.get("DSTOK_SIMD") or levels().pop())
    return CHOSEN


def levels() -> list[str]:
    """Return the names of the levels that this processor can run, the best last."""
    return [name for i, name in enumerate(LEVELS) if not IMPLEMENTATIONS[<int>i].vectors & ~VECTORS]


def chosen_level() -> str:
    """Return the name of the level for new objects: DSTOK_SIMD's, or the best."""
    return chosen().name.decode()


def choose_level(str name not None):
    """Make new objects run at a level. For tests, which compare levels."""
    global CHOSEN
    if name == "portable":  # the same name everywhere: on ARM this level has the name of its vectors
        name = LEVELS[1]
    if name not in levels():
        raise SettingError(
            f"expected DSTOK_SIMD to be one of this processor's levels, {', '.join(levels())}; found {name!r}")
    CHOSEN = &IMPLEMENTATIONS[<int>LEVELS.index(name)]


def emulated() -> bool:
    """Tell whether the levels above "portable" are emulated, on any processor: in a build for tests (see setup.py)."""
    return DSTOK_EMULATED


def level_shown(str name) -> str:
    """Return the name of a level as people see it: "avx512 (emulated)"."""
    return f"{name} (emulated)" if DSTOK_EMULATED and IMPLEMENTATIONS[<int>LEVELS.index(name)].vectors else name
