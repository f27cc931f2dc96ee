"""The theorem of docs/rules.md: blocks of 64 bytes mark as small blocks do, proved by running the C headers on symbols.

Every run proves it for ASCII: for the sets of rules that take seconds, and at night for one of the longer cases, another one each time.
The deep profile proves it for all, with characters of all widths.
"""

from __future__ import annotations

import ctypes
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kept import let_go
from reference import DEEP, PART
from shares import chance_of_today, seeds

from dstok.compiled.kernel_selection import (
    CASED,
    CL100K,
    CODER,
    GPT2,
    KIMI,
    KINDS,
    LAGUNA,
    LLM,
    MINICPM,
    ONES,
    SEED_CODER,
    SPARK,
    STARCODER,
    TEKKEN,
    THREES,
    TWOS,
    UFAKZEKA,
    V3,
    YOUTU,
)

pytest.importorskip("dd.cudd", reason="needs dd with CUDD")
pytest.importorskip("pycparser")
if shutil.which("gcc") is None:
    pytest.skip("no gcc", allow_module_level=True)

from block_proof import Proof
from core_sources import CORE

NAMES = {V3: "v3", ONES: "ones", THREES: "threes", CASED: "cased", GPT2: "gpt2", CL100K: "cl100k", LLM: "llm", CODER: "coder",
         TEKKEN: "tekken", KIMI: "kimi", TWOS: "twos", STARCODER: "starcoder", SEED_CODER: "seed-coder", MINICPM: "minicpm",
         UFAKZEKA: "ufakzeka", SPARK: "spark", YOUTU: "youtu", LAGUNA: "laguna"}
QUICK = [(rules, True) for rules in (CODER, LLM)]  # two seconds
LONG = [*((rules, True) for rules in NAMES if rules not in (CODER, LLM)), *((rules, False) for rules in NAMES)]
CASES = [*QUICK, *(LONG[number] for number in seeds(len(LONG), 1) if PART == 1)]  # up to a minute
WIDTHS = (2, 3, 4) if DEEP else ()
# (rules, header, what is written there, what instead): a shift by one, a carry lost at a border, a state bit not kept; the
# changes that only long blocks show; one that only a block of 61 columns does. In the last a long block decides too much.
FAULTS = [
    (GPT2, "rules.h", "m->blank & led >> 1;", "m->blank & led >> 2;"),
    (GPT2, "rules.h", "white & ~(white << 1 | s->white)", "white & ~(white << 1)"),
    (GPT2, "rules.h", "s->letter = LAST(m->letter);", "s->letter = 0;"),
    (V3, "rules.h", "second | third;", "second;"),
    (V3, "rules.h", "(third = third << most & beyond) != 0, 0", "0, 0"),
    (V3, "rules_words.h", "LAST(punct_start | (m->ascii & ~rest))", "LAST(punct_start | taken)"),
    (CASED, "rules_words.h", "m->rare |= (brief & suffixed >> 1) >> 1 | (longer & suffixed >> 1) >> 2;", ""),
    (TWOS, "rules.h", "second | third;", "second;"),
    (KIMI, "rules_words.h", "cjk << 1 | s->cjk : 0", "cjk << 1 : 0"),
    (YOUTU, "rules_words.h", "caseless << 1 | s->caseless : 0", "caseless << 1 : 0"),
    (LAGUNA, "rules_words.h", "~(m->line << 1 | s->absorbed)", "~(m->line << 1)"),
    (SPARK, "rules_words.h", "s->blank &= ~LAST(lone);", ";"),
    (THREES, "rules.h", "    return start;\n}\n\n/* The digits", "    return start | (start << 60 & beyond);\n}\n\n/* The digits"),
]
TODAY = seeds(len(FAULTS), 1)


@pytest.fixture(autouse=True)
def freed() -> Iterator[None]:
    """A proof takes hundreds of megabytes, and its parts refer to each other."""
    yield
    let_go()


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    """A copy of the core's headers."""
    shutil.copytree(CORE, tmp_path / "core", ignore=lambda at, names: [
        name for name in names if "." in name and not name.endswith(".h")])
    return tmp_path / "core"


@pytest.mark.parametrize(("rules", "more"), CASES, ids=[f"{NAMES[rules]}-{'more' if more else 'last'}" for rules, more in CASES])
def test_blocks_of_64_bytes_mark_as_small_blocks(rules: int, more: bool, headers: Path) -> None:
    assert Proof(rules, headers, WIDTHS, more).run() == []


@pytest.mark.parametrize("fault", [FAULTS[number] for number in TODAY], ids=str)
def test_faults_are_found(fault: tuple[int, str, str, str], headers: Path) -> None:
    rules, header, old, new = fault
    [changed] = headers.rglob(header)
    text = changed.read_text()
    assert text.count(old) == 1
    changed.write_text(text.replace(old, new))
    assert Proof(rules, headers, (), True).run() != []


@pytest.mark.parametrize("rules", [[*KINDS][number] for number in seeds(len(KINDS), 3)], ids=NAMES.get)
def test_the_symbolic_machine_computes_as_the_compiler(rules: int, headers: Path) -> None:
    """Random blocks with constants for symbols: bytes decided, starts and state are those of the compiled C."""
    proof, rng = Proof(rules, headers, (2, 3, 4), True), chance_of_today(f"blocks {rules}")
    decided = 0
    for _ in range(40):
        masks, width, size = random_block(proof, rng)
        state, starts = ctypes.c_uint32(rng.choice(proof.states)), ctypes.c_uint64()
        after = proof.fixed_state(state.value)
        expected = proof.compiled.c.decided(rules, (ctypes.c_uint64 * len(masks))(*masks), width, size, 1,
                                            ctypes.byref(state), ctypes.byref(starts))
        found, marks = proof.decide_constant(dict(zip(proof.mask_names, masks)), size, width, after)
        assert found == expected
        if found:
            decided += 1
            assert (marks, proof.packed(after)) == (starts.value, state.value)
    assert decided > 5


def random_block(proof: Any, rng: random.Random) -> tuple[list[int], int, int]:
    """The masks of random characters; the bytes, and those before the last character."""
    usual = [symbol for symbol in proof.symbols if not symbol[1][proof.mask_names.index("rare")] & 1]
    few, limit = rng.sample(usual, rng.randint(2, len(usual))), rng.choice([8, 20, 63])
    masks, width, last = [0] * len(proof.mask_names), 0, 0
    while True:
        size, own = rng.choice(few)
        if width + size > limit:
            return masks, width, width - last
        masks = [mask | new << width for mask, new in zip(masks, own)]
        width, last = width + size, size
