"""The places where planted_faults.py plants are there, and what the fuzzer says of one is read."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import fuzz
import pytest
from fuzz_subjects import families
from planted_faults import FAULTS, FOUND, OF_PROVE, ROOT, Fault, find, planted, refute
from small_models import added_token, model_json

import dstok

PATIENCE = 600  # seconds at most: a fault is found in some, on a busy machine in a minute


@pytest.mark.parametrize("name", [*FAULTS, *OF_PROVE])
def test_its_place_is_there(name: str) -> None:
    fault = {**FAULTS, **OF_PROVE}[name]
    right = (ROOT / fault.file).read_text("utf-8")
    wrong = planted(right, fault)
    assert fault.new in wrong and wrong != right
    with pytest.raises(ValueError, match="once"):
        planted(wrong if fault.old not in fault.new else right + right, fault)


def test_subjects_are_the_fuzzers() -> None:
    assert {each for fault in FAULTS.values() for each in fault.subjects} <= {*families(), *fuzz.MADE}


def test_a_fault_that_needs_no_compiler_is_found(tmp_path: Path) -> None:
    """In a copy of the installed package; on small models, which are made soonest."""
    fault = replace(FAULTS["copies share their state"], subjects=("models",))
    package = Path(dstok.__file__).parent
    shutil.copytree(package, tmp_path / "lib" / "dstok")
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    assert find(tmp_path, fault, 0.2) is None
    path = tmp_path / "lib" / fault.file
    path.write_text(planted(path.read_text("utf-8"), fault), "utf-8")
    found = find(tmp_path, fault, PATIENCE)
    assert found is not None
    assert found[0].startswith(("models: copies of a ", "models: growing text "))  # which is copied, too


def test_a_fault_that_prove_finds(tmp_path: Path) -> None:
    """In a copy of the installed package, where single words are found among other letters."""
    shutil.copytree(Path(dstok.__file__).parent, tmp_path / "lib" / "dstok")
    model = tmp_path / "tokenizer.json"
    model.write_text(model_json([(b"a", b"b")], [added_token("<w>", single_word=True)]), "utf-8")
    fault = Fault("dstok/added_tokens.py", "map(self.seen, some), single_word,", "map(self.seen, some), [False] * len(some),", (str(model),))
    assert refute(tmp_path, fault, PATIENCE) is None
    path = tmp_path / "lib" / fault.file
    path.write_text(planted(path.read_text("utf-8"), fault), "utf-8")
    found = refute(tmp_path, fault, PATIENCE)
    assert found is not None and found[0] == "prove: added tokens, encoding"


def test_what_the_fuzzer_says_is_read() -> None:
    line = "models: encode at level avx512, after 12 texts, 3 s (2 of processor): --seed 1 --first 2"
    match = FOUND.match(line)
    assert match and match.groups() == ("models: encode at level avx512", "12", "3", "2")
