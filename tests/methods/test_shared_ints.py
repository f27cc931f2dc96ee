"""The ints in the lists of ids: all lists share them, and they act as any int does (core/encode/ints.h); or, in a build for
that, each list has new ones."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys

import numpy as np

from dstok.core.encode.encoder import SHARED_INTS, list_of_ids

SIZE = 130_000  # more than V3's ids
GROWING = """
import numpy as np
from dstok.core.encode.encoder import list_of_ids
for size in (10, 3, 700, 100_000, 1 << 32):
    ids = np.array([0, size - 1, size // 2], np.uint32)
    assert list_of_ids(ids, size) == ids.tolist(), size
"""


def test_each_is_the_int_of_its_id() -> None:
    ids = list_of_ids(np.arange(SIZE, dtype=np.uint32), SIZE)
    expected = list(range(SIZE))
    assert ids == expected and {type(i) for i in ids} == {int}
    assert [hash(i) for i in ids] == expected and [str(i) for i in ids] == [str(i) for i in expected]
    assert [i + 1 for i in ids] == expected[1:] + [SIZE] and [-i for i in ids] == [-i for i in expected]
    assert [i.bit_length() for i in ids] == [i.bit_length() for i in expected]
    assert pickle.loads(pickle.dumps(ids)) == expected and not ids[0] and np.array(ids).tolist() == expected


def test_they_outlive_their_lists() -> None:
    ids = np.arange(1000, dtype=np.uint32)
    kept = list_of_ids(ids, SIZE)[::7]
    for _ in range(1000):
        freed = list_of_ids(ids, SIZE)
        del freed
    gc.collect()
    assert kept == list(range(0, 1000, 7))
    if SHARED_INTS:
        assert all(a is b for a, b in zip(kept, list_of_ids(ids[::7].copy(), SIZE), strict=True))
        assert min(map(sys.getrefcount, kept)) >= min(1 << 30, sys.getrefcount(0))  # far from 0, where they would be freed


def test_a_list_can_change() -> None:
    ids = list_of_ids(np.array([5, 70_000, 7], np.uint32), SIZE)
    ids += [1] * 9
    ids.sort()
    del ids[:9]
    assert ids == [5, 7, 70_000] and sys.getsizeof(list_of_ids(np.arange(3, dtype=np.uint32), SIZE)) == sys.getsizeof([1] * 3)


def test_larger_ids_get_an_int_of_their_own() -> None:
    first_own = SHARED_INTS or 1 << 19
    ids = np.array([first_own - 1, first_own, 7, 2**32 - 1], np.uint32)
    first, second = list_of_ids(ids, 1 << 32), list_of_ids(ids, 1 << 32)
    assert first == second == ids.tolist()
    assert [a is b for a, b in zip(first, second, strict=True)] == [SHARED_INTS > 0, False, True, False]


def test_a_larger_model_comes_later() -> None:
    subprocess.run([sys.executable, "-c", GROWING], check=True, timeout=60)
