"""The masks of a block, column by column: each byte of ASCII and each code point, at each level that this processor has.

ASCII: the masks themselves, as the headers make them, compared with those of each byte alone (ascii_masks.h). Beyond ASCII:
the pieces of a text whose character begins at a given column, compared with those of the automaton; before and after it
stand letters, or characters of more pages than a block looks up together. Each day has a share; the deep profile has all.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from core_sources import CORE
from real_models import OF_EACH_RULES, levels
from real_models import level as set_level
from reference import DEEP
from shares import seeds, share
from upstream import pre_tokenizer

import dstok
from dstok.compiled.kernel_selection import KINDS

HELPER = Path(__file__).parents[2] / "helpers" / "ascii_masks.h"
VECTORS = {"portable": 0, "neon": 0, "avx2": 1, "avx512": 2}  # by level, as in ascii_masks.h
BLOCKS = 112 * 128 * 64 + 16 * 128 * (64 * 65 // 2)
FAULTS = [  # the header of some level, what is written there, what instead
    ("split/masks_vector.h", "m->punct = others;", "m->punct = others & ~(m->number << 1);"),
    ("split/masks_vector.h", "m->number = WORD(TO(c, '0', '9')) & text;", "m->number = WORD(TO(c, '0', '9')) & text & ~(1ull << 63);"),
    ("split/masks_vector.h", "m->space = WORD(c == ALL(' ')) & text;", "m->space = WORD(c == ALL(' '));"),
]
BATCH = 0x8000
# Texts before the character and after it. The second: a page for each character, more than GRID_PAGES.
WIDE = "\u0416\u0939\u10d0\u30a2\u4e2d\uac00\ua4d0\u2d30\u1401"
AROUND = [("a" * 64, "a 1!\n b" * 12), (WIDE * 8, WIDE * 8), (" " * 64, "")]


def masks_library(core: Path, folder: Path) -> ctypes.CDLL:
    library = folder / "ascii_masks.so"
    subprocess.run(["gcc", "-O2", "-g0", "-w", "-shared", "-fPIC", f"-I{core}", "-x", "c", str(HELPER), "-o", str(library)], check=True)
    made = ctypes.CDLL(str(library))
    made.compare_ascii.restype = ctypes.c_int64
    return made


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_each_byte_at_each_column(tmp_path: Path) -> None:
    made = masks_library(CORE, tmp_path)
    for name, rules in share(itertools.product(levels()[1:], KINDS), 3):
        assert made.compare_ascii(VECTORS[name], rules) == BLOCKS, (name, rules)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
def test_faults_are_found(fault: tuple[str, str, str], tmp_path: Path) -> None:
    name, old, new = fault
    shutil.copytree(CORE, tmp_path / "core", ignore=lambda at, names: [
        name for name in names if "." in name and not name.endswith(".h")])
    header = tmp_path / "core" / name
    text = header.read_text()
    assert text.count(old) == 1
    header.write_text(text.replace(old, new))
    made = masks_library(tmp_path / "core", tmp_path)
    assert any(made.compare_ascii(0, rules) < 0 for rules in KINDS)


@pytest.mark.parametrize("name", OF_EACH_RULES if DEEP else [OF_EACH_RULES[number] for number in seeds(len(OF_EACH_RULES), 1)])
def test_each_code_point_at_each_column(name: str) -> None:
    splitters = {}
    for each in levels():
        with set_level(each):
            splitters[each] = dstok.Splitter.from_str(json.dumps(pre_tokenizer(name)))
    for column, first in share(itertools.product(range(64), range(0x80, 0x110000, BATCH)), 128):
        chars = [chr(c) for c in range(first, min(first + BATCH, 0x110000)) if not 0xD800 <= c < 0xE000]
        for before, after in AROUND:
            start = fill(before, column)
            texts = [f"{start}{char}{after}" for char in chars]
            expected = splitters["automaton"].spans_batch(texts)
            for each in levels()[1:]:
                found = splitters[each].spans_batch(texts)
                assert all(map(np.array_equal, found, expected)), (each, column, before, first)


def fill(before: str, column: int) -> str:
    """`column` bytes: a start of `before`, and letters."""
    text = before.encode()[:column].decode("utf-8", "ignore")
    return "a" * (column - len(text.encode())) + text
