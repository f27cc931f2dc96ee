"""The two files of what differs between systems, of the core and of Python's side.

What the core's says of the processor is what the compiler says. Images that are read, as on Windows, not mapped.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from core_sources import CORE, sources

import dstok
from dstok._util import files as platform
from dstok.compiled.image_file import open_image

COMPILER = shutil.which("gcc") or shutil.which("clang")
AVX2 = "avx2 bmi bmi2 lzcnt popcnt"
AVX512 = "avx512f avx512bw avx512vl avx512dq avx512vbmi avx512vbmi2"
PROGRAM = """
#include <stdio.h>
#include "cpu/platform.h"
int main(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx2 = ALL_AVX2, avx512 = avx2 && ALL_AVX512;
#else
    int avx2 = 0, avx512 = 0;
#endif
    printf("%d %d\\n", platform_vectors(), (avx2 ? VECTORS_AVX2 : 0) | (avx512 ? VECTORS_AVX512 : 0));
    void *zeros = huge_zeroed(3 << 20);
    int wrong = !zeros || (size_t)zeros % 64 || ((char *)zeros)[(3 << 20) - 1];
    huge_free(zeros, 3 << 20);
    return wrong;
}
"""


def every(features: str) -> str:
    return " && ".join(f'__builtin_cpu_supports("{feature}")' for feature in features.split())


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_vectors(tmp_path: Path) -> None:
    assert COMPILER
    source = tmp_path / "platform.c"
    source.write_text(PROGRAM.replace("ALL_AVX2", every(AVX2)).replace("ALL_AVX512", every(AVX512)))
    subprocess.run([COMPILER, "-Wall", "-Wextra", "-Werror", f"-I{CORE}", source, "-o", tmp_path / "platform", "-pthread"], check=True)
    found, expected = subprocess.run([tmp_path / "platform"], check=True, capture_output=True, text=True).stdout.split()
    assert found == expected


def test_no_other_file_asks_for_the_system() -> None:
    """But for Cython's own code, and sizes that a standard header gives."""
    asking = [path.name for path in sources() if path.name != "platform.h"
              and any(name in path.read_text(encoding="utf-8") for name in ("__linux__", "_WIN32", "__APPLE__", "_MSC_VER"))]
    assert asking == []


@pytest.mark.parametrize("mapped", [True, False])
def test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: bool) -> None:
    """Mapped or read they are the same, begin with a page, cannot be written to, and stay when their file is replaced."""
    monkeypatch.setattr(platform, "REPLACES_MAPPED", mapped)
    tok, path = dstok.load("deepseek-v3"), tmp_path / "model.image"
    tok.to_image(path)
    opened = dstok.load(path)
    dstok.load("deepseek-r1").to_image(path)
    assert opened.fingerprint == tok.fingerprint and opened.encode("Hello world") == tok.encode("Hello world")
    with open(path, "rb") as file:
        memory = platform.map_file(file)
    assert memory.readonly and memory == path.read_bytes() and np.frombuffer(memory, np.uint8).ctypes.data % 4096 == 0
    path.write_bytes(b"")
    with pytest.raises(dstok.errors.ImageError, match="found an empty file"):
        open_image(path, True)


def test_a_file_is_held_once(tmp_path: Path) -> None:
    with open(tmp_path / "lock", "ab") as first, open(tmp_path / "lock", "ab") as second:
        assert platform.hold_alone(first.fileno()) and not platform.hold_alone(second.fileno())
    with open(tmp_path / "lock", "ab") as third:
        assert platform.hold_alone(third.fileno())
