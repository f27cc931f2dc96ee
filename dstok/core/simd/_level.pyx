# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, autotestdict=False
# cython: freethreading_compatible=True
"""The level: which of the processor's instructions all stages use.

In: the processor, and DSTOK_SIMD in the environment. Out: one number. Each object of the core asks for it when it is
made, so that scanning, the piece table, merging, transcoding, validation and the search for added tokens agree.
Invariant: a level that this processor cannot run is refused.
"""

import os

from dstok.errors import SettingError

cdef extern from "simd/_simd.h":
    bint DSTOK_EMULATED
    bint SIMD_NEON
    int simd_best_level() noexcept nogil

LEVELS = {"automaton": LEVEL_NONE, "neon" if SIMD_NEON else "portable": LEVEL_PORTABLE}
if not SIMD_NEON:
    LEVELS.update(avx2=LEVEL_AVX2, avx512=LEVEL_AVX512)
NAMES = {number: name for name, number in LEVELS.items()}
cdef int BEST = simd_best_level()  # asked once: in a virtual machine the processor takes 20 microseconds to answer


cdef int level() except -1:
    """The level for new objects."""
    return LEVELS[chosen_level()]


def best_level():
    """The name of the best level that this processor can run."""
    return NAMES[BEST]


def levels():
    """The names of the levels that this processor can run."""
    return [name for name, number in LEVELS.items() if number <= BEST]


def chosen_level():
    """The name of the level for new objects: DSTOK_SIMD's, or the best."""
    wanted = os.environ.get("DSTOK_SIMD") or best_level()
    if wanted == "portable":  # the same name everywhere: on ARM this level has the name of its vectors
        return NAMES[LEVEL_PORTABLE]
    if wanted not in levels():
        raise SettingError(
            f"expected DSTOK_SIMD to be one of this processor's levels, {', '.join(levels())}; "
            f"found {wanted!r}")
    return wanted


def emulated():
    """Whether the levels above "portable" are emulated, on any processor: in a build for tests (see setup.py)."""
    return DSTOK_EMULATED


def level_shown(str name):
    """The name of a level as people see it: "avx512 (emulated)"."""
    return f"{name} (emulated)" if DSTOK_EMULATED and LEVELS[name] > LEVEL_PORTABLE else name
