"""The emulation of AVX-512 (tests/emulation) has every intrinsic that the core uses, and does what the processor does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from core_sources import CORE, sources

from dstok.core.cpu.level import emulated, levels

NAME = re.compile(r"\b_mm\d*_\w+|\b_(?:pdep|pext|bzhi)_u64")
EMULATION = Path(__file__).parents[2] / "emulation"
COMPILER = shutil.which("gcc")
NATIVE = "-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi -mavx512vbmi2 -mbmi -mbmi2".split()
ROUNDS = 300

# Result and arguments: x, y, z: vectors of 128, 256, 512 bits; k8 to k64: masks; i: any int, n: an int from 0 to 70; d,
# q: words of 32, 64 bits; p: memory; w4, w8, w16, q4: indices of so many lanes; xd, yd: x and y of doubles; ys: a y of floats; x#, y#,
# z#: with words from 0 to 70, numbers of bits to shift by; y!: a z whose upper half is undefined.
# In braces constants. Functions of constants alone are left out: _mm256_setr_epi32 and its kin are compared below.
SIGNATURES = """
_mm_load_si128 x p | _mm_loadu_si128 x p | _mm_loadl_epi64 x p | _mm_loadh_pd xd xd p | _mm256_load_si256 y p | _mm256_loadu_si256 y p | _mm512_loadu_si512 z p
_mm512_maskz_loadu_epi8 z k64 p
_mm_storeu_si128 v p x | _mm256_storeu_si256 v p y | _mm512_storeu_si512 v p z
_mm_set1_epi64x x q | _mm256_set1_epi8 y i | _mm256_set1_epi32 y i | _mm256_set1_epi64x y q
_mm512_set1_epi8 z i | _mm512_set1_epi16 z i | _mm512_set1_epi32 z i | _mm512_setzero_si512 z
_mm256_setzero_si256 y | _mm_setzero_si128 x
_mm_cvtsi32_si128 x i | _mm_cvtsi128_si32 d x | _mm_cvtsi128_si64 q x | _mm_extract_epi32 d x {0,1,2,3}
_mm_and_si128 x x x | _mm_xor_si128 x x x | _mm256_or_si256 y y y | _mm256_andnot_si256 y y y | _mm512_and_si512 z z z | _mm512_or_si512 z z z
_mm256_add_epi32 y y y | _mm256_sub_epi32 y y y | _mm256_add_epi64 y y y
_mm512_add_epi32 z z z
_mm512_mullo_epi32 z z z
_mm512_srlv_epi32 z z z#
_mm512_slli_epi16 z z {0,1,7,15,16,70} | _mm512_srli_epi16 z z {0,1,7,15,16,70} | _mm512_slli_epi32 z z {0,1,31,32,70}
_mm512_srli_epi32 z z {0,1,31,32,70} | _mm512_srli_epi64 z z {0,1,63,64,70}
_mm_or_si128 x x x | _mm_sub_epi32 x x x | _mm_cmpeq_epi64 x x x | _mm256_and_si256 y y y | _mm256_cmpeq_epi64 y y y
_mm256_srlv_epi32 y y y# | _mm256_srli_epi64 y y {0,1,63,64,70}
_mm512_cmpeq_epi8_mask k64 z z | _mm512_cmpneq_epi8_mask k64 z z | _mm512_cmpge_epu8_mask k64 z z
_mm512_cmpeq_epi32_mask k16 z z | _mm512_cmpge_epu32_mask k16 z z
_mm512_test_epi8_mask k64 z z
_mm512_test_epi16_mask k32 z z | _mm512_testn_epi32_mask k16 z z
_mm512_mask_cmpeq_epi8_mask k64 k64 z z | _mm512_mask_cmplt_epu8_mask k64 k64 z z | _mm512_cmplt_epu8_mask k64 z z
_mm512_mask_test_epi8_mask k64 k64 z z
_mm512_mask_testn_epi32_mask k16 k16 z z
_mm512_testn_epi8_mask k64 z z | _mm512_mask_testn_epi8_mask k64 k64 z z
_mm512_movepi8_mask k64 z | _mm_movemask_epi8 d x | _mm256_movemask_epi8 d y | _mm256_movemask_pd d yd
_mm512_mask_blend_epi8 z k64 z z | _mm512_mask_blend_epi16 z k32 z z
_mm512_mask_or_epi32 z z k16 z z
_mm512_maskz_compress_epi8 z k64 z
_mm512_mask_i32gather_epi32 z z k16 w16 p {1,2,4,8}
_mm512_cvtepu8_epi16 z y | _mm512_cvtepu8_epi32 z x | _mm512_cvtepu16_epi32 z y
_mm256_cvtepu32_epi64 y x | _mm256_cvtepu8_epi32 y x
_mm512_castsi512_si128 x z | _mm256_castsi256_si128 x y
_mm512_extracti32x4_epi32 x z {0,1,2,3}
_mm512_broadcast_i32x4 z x | _mm512_broadcast_i64x4 z y
_mm256_castsi256_pd yd y | _mm_castpd_si128 x xd | _mm_castsi128_pd xd x | _mm256_set_m128i y x x | _mm256_extracti128_si256 x y {0,1} | _mm256_broadcastsi128_si256 y x
_mm256_shuffle_epi8 y y y | _mm_unpackhi_epi64 x x x | _mm256_unpacklo_epi64 y y y
_mm256_unpackhi_epi64 y y y
_mm256_min_epu32 y y y | _mm256_cmpgt_epi32 y y y
_mm256_blendv_epi8 y y y y | _mm256_mul_epu32 y y y | _mm256_mullo_epi32 y y y | _mm256_mullo_epi64 y y y | _mm256_cmpeq_epi32 y y y
_mm256_srlv_epi64 y y y# | _mm256_slli_epi32 y y {0,1,31,32,70} | _mm256_slli_epi64 y y {0,1,63,64,70} | _mm256_srl_epi64 y y x#
_mm256_movemask_ps d ys | _mm256_castsi256_ps ys y | _mm256_castps_si256 y ys | _mm256_blend_epi32 y y y {0,1,170,240,255}
_mm256_shuffle_ps ys ys ys {0,136,221,228} | _mm256_permute2x128_si256 y y y {0,1,2,3,32,33,49,128,8,19}
_mm256_permute4x64_epi64 y y {0,27,216,228} | _mm256_alignr_epi8 y y y {0,1,15,16}
_mm_min_epu32 x x x | _mm_shuffle_epi8 x x x | _mm_shuffle_epi32 x x {0x4E,0xB1,0x1B}
_mm256_i32gather_epi32 y p w8 {1,2,4,8} | _mm256_i32gather_epi64 y p w4 {1,2,4,8} | _mm256_i64gather_epi64 y p q4 {1,2,4,8}
_mm512_permutex2var_epi8 z z z z | _mm512_permutexvar_epi8 z z z | _mm512_shuffle_epi8 z z z | _mm512_alignr_epi32 z z z {0,1,5,15}
_pdep_u64 q q q | _pext_u64 q q q | _bzhi_u64 q q n
"""
CONSTANTS = {"_mm256_set_epi32": ("y", 8), "_mm256_setr_epi32": ("y", 8)}

PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "cpu/vectors.h"

static uint64_t seed = 1;
static uint64_t any64(void) {
    seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17;
    /* Often few different bytes, so that equal lanes are common. */
    return seed % 3 ? seed * 0x9E3779B97F4A7C15ull : seed % 5 * 0x0101010101010101ull * (seed >> 60 & 1 ? 0x7F : 1);
}
static uint64_t few64(uint64_t below) { return any64() >> 8 & (below - 1); }
static _Alignas(64) uint8_t memory[1 << 15];
static uint8_t *const middle = memory + (1 << 14);
static void fill(void *to, int size) {
    for (int i = 0; i < size; i += 8) { uint64_t word = any64(); memcpy((char *)to + i, &word, 8); }
}
static void show(const void *from, int size) {
    for (int i = 0; i < size; i++) printf("%02x", ((const uint8_t *)from)[i]);
}
#define VECTOR(V, name) static V name(void) { V v; fill(&v, sizeof v); return v; }
VECTOR(__m128i, any_x)
VECTOR(__m256i, any_y)
VECTOR(__m512i, any_z)
VECTOR(__m128d, any_xd)
VECTOR(__m256d, any_yd)
VECTOR(__m256, any_ys)
#define COUNTS(V, name) static V name(void) { V v = {0}; for (int i = 0; i < (int)sizeof v; i += 8) ((char *)&v)[i] = few64(128) % 71; return v; }
COUNTS(__m128i, counts_x)
COUNTS(__m256i, counts_y)
COUNTS(__m512i, counts_z)
#define INDICES(V, T, name) static V name(void) { T w[sizeof(V) / sizeof(T)]; V v; for (int i = 0; i < (int)(sizeof v / sizeof w[0]); i++) w[i] = (T)few64(2048) - 1024; memcpy(&v, w, sizeof v); return v; }
INDICES(__m128i, int32_t, any_w4)
INDICES(__m256i, int32_t, any_w8)
INDICES(__m512i, int32_t, any_w16)
INDICES(__m256i, int64_t, any_q4)
"""
TYPES = {"x": "__m128i", "y": "__m256i", "z": "__m512i", "xd": "__m128d", "yd": "__m256d", "ys": "__m256", "x#": "__m128i", "y#": "__m256i", "z#": "__m512i",
         "y!": "__m512i", "k8": "uint8_t", "k16": "uint16_t", "k32": "uint32_t", "k64": "uint64_t", "d": "uint32_t", "q": "uint64_t",
         "i": "int", "n": "unsigned", "p": "void *", "w4": "__m128i", "w8": "__m256i", "w16": "__m512i", "q4": "__m256i"}
VALUES = {"x": "any_x()", "y": "any_y()", "z": "any_z()", "xd": "any_xd()", "yd": "any_yd()", "ys": "any_ys()",
          "x#": "counts_x()", "y#": "counts_y()", "z#": "counts_z()",
          "w4": "any_w4()", "w8": "any_w8()", "w16": "any_w16()", "q4": "any_q4()", "p": "middle", "n": "few64(128) % 71"}


def signatures() -> dict[str, list[str]]:
    lines = (entry.split() for line in SIGNATURES.strip().splitlines() for entry in line.split("|"))
    return {line[0]: line[1:] for line in lines}


def calls(name: str, result: str, arguments: list[str]) -> Iterator[str]:
    """The C statements that show what an intrinsic gives for some values."""
    constants = arguments.pop().strip("{}").split(",") if arguments and arguments[-1].startswith("{") else [""]
    declared = " ".join(f"{TYPES[code]} a{i} = {VALUES.get(code, 'any64()')};" for i, code in enumerate(arguments))
    for constant in constants:
        given = ", ".join([f"a{i}" for i in range(len(arguments))] + [constant] * bool(constant))
        if result == "v":
            shown = f"fill(middle, 64); {name}({given}); show(middle, 64);"
        else:
            shown = f"{TYPES[result]} r = {name}({given}); show(&r, {32 if result == 'y!' else 'sizeof r'});"
        yield f'{{ {declared} printf("{name} {constant} "); {shown} puts(""); }}'


def program() -> str:
    """All intrinsics, one after the other, many times."""
    body = [call for name, (result, *rest) in signatures().items() for call in calls(name, result, rest)]
    for name, (result, count) in CONSTANTS.items():
        values = ", ".join(str(7 * i - 50) for i in range(count))
        body.append(f'{{ {TYPES[result]} r = {name}({values}); printf("{name} "); show(&r, sizeof r); puts(""); }}')
    return PROGRAM + f"int main(void) {{ fill(memory, sizeof memory); for (int i = 0; i < {ROUNDS}; i++) {{\n" + "\n".join(body) + "\n} return 0; }\n"


def output(folder: Path, name: str, options: list[str]) -> list[str]:
    """What the program prints, compiled with these options."""
    assert COMPILER
    source, binary = folder / "intrinsics.c", folder / name
    source.write_text(program())
    subprocess.run([COMPILER, "-O1", "-w", *options, f"-I{CORE}", f"-I{EMULATION}", source, "-o", binary], check=True)
    return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def test_all_that_the_core_uses_is_compared() -> None:
    used = {name for path in sources() for name in NAME.findall(path.read_text("utf-8"))}
    assert used <= signatures().keys() | CONSTANTS.keys(), used - signatures().keys() - CONSTANTS.keys()
    assert len(used) > 100


@pytest.mark.skipif(COMPILER is None, reason="no gcc")
def test_it_compiles(tmp_path: Path) -> None:
    """Also where the processor has no AVX-512, and with every warning an error."""
    (tmp_path / "empty.c").write_text('#include "cpu/vectors.h"\nint main(void) { return !DSTOK_EMULATED; }\n')
    assert COMPILER
    subprocess.run([COMPILER, "-O1", "-Wall", "-Wextra", "-Werror", "-DDSTOK_EMULATE_AVX512", f"-I{CORE}", f"-I{EMULATION}",
                    tmp_path / "empty.c", "-o", tmp_path / "empty"], check=True)
    subprocess.run([tmp_path / "empty"], check=True)
    assert len(output(tmp_path, "emulated", ["-DDSTOK_EMULATE_AVX512"])) > ROUNDS * len(signatures())


@pytest.mark.skipif(COMPILER is None or emulated() or "avx512" not in levels(), reason="no gcc, or no AVX-512 to compare with")
def test_it_does_what_the_processor_does(tmp_path: Path) -> None:
    native, ours = output(tmp_path, "native", NATIVE), output(tmp_path, "emulated", ["-DDSTOK_EMULATE_AVX512"])
    assert len(native) == len(ours)
    assert {a.split()[0] for a, b in zip(native, ours) if a != b} == set()
