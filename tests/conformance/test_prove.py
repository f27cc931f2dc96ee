"""`dstok prove`: every step of real models holds, and a table that is changed in an image makes its step fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from character_models import character_json, metaspace
from cli_process import run
from images import MODELS, TODAY, Parts
from kept import kept
from shares import share
from small_models import model_json
from smaller_models import smaller_json

import dstok
from dstok.calls.growing import GrowingText
from dstok.tables.kernels import LETTER, LLM, PUNCT
from dstok.testing import prove
from dstok.testing.prove import Step, steps
from dstok.testing.textbook import Textbook

Change = Callable[[Parts], None]
REAL = ["deepseek-v3", "qwen-2.5", "glm-4", "minimax", "deepseek-v2", "deepseek-llm-7b-base", "deepseek-coder-33b-base"]
DEAD = model_json([(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"a", b"bc")], extra=[b"xy"])


def changed_bit(section: str, at: int, bit: int = 1) -> Change:
    """A bit that is the other one."""
    def change(parts: Parts) -> None:
        parts.sections[section][at] ^= bit

    return change


def first_set(section: str) -> Change:
    """The first bit that is set, cleared."""
    def change(parts: Parts) -> None:
        data = parts.sections[section]
        at = next(at for at, byte in enumerate(data) if byte)
        data[at] &= data[at] - 1

    return change


def other_class(parts: Parts) -> None:
    """The letter é in the class of a sign."""
    pages, number = parts.sections["pages"], parts.sections["page_numbers"][0]
    pages[256 * number + ord("\u00e9")] = pages[256 * number + ord("\u00d7")]


def other_pattern(parts: Parts) -> None:
    parts.description["splits"][0]["pattern"] = r"\p{N}{1,4}"


def other_kind(parts: Parts) -> None:
    """Letters beyond ASCII as punctuation."""
    kinds = parts.description["kernel"]["kinds"]
    kinds[kinds.index(LETTER)] = PUNCT


def other_rules(parts: Parts) -> None:
    parts.description["kernel"]["rules"] = LLM


def a_dead_merge_that_lives(parts: Parts) -> None:
    ids = parts.description["byte_ids"]
    known = json.loads(DEAD)["model"]["vocab"]
    parts.words("dead", 0, 3, ids[ord("x")], ids[ord("y")], known["xy"])


FAULTS: list[tuple[str, str, Change]] = [  # the model, the step that must fail, the change
    ("v3", "classes", other_class),
    ("odd splits", "one automaton", other_pattern),
    ("v3", "rules", other_kind),
    ("v3", "rules", other_rules),
    ("v3", "masks", other_kind),
    ("odd splits", "windows", changed_bit("windows", -1)),
    ("v3", "safe cuts", first_set("joined")),
    ("ignore_merges", "safe cuts", changed_bit("joined", 1000)),
    ("dead", "live rules", a_dead_merge_that_lives),
    ("plain", "merging", first_set("direct")),
    ("v3", "merging", changed_bit("byte_pairs", 8 * (ord("t") << 8 | ord("h")) + 2)),
    ("characters", "matrix", changed_bit("matrix", 1, 1 << 2)),
    ("characters", "safe cuts", changed_bit("joined", 77)),
]


@kept(most=1)
def step_of(model: Path, name: str) -> Step:
    return dict(steps(dstok.Tokenizer.from_image(model)))[name]()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The image of a model by its name in FAULTS."""
    folder = tmp_path_factory.mktemp("images")

    def image(name: str) -> Path:
        path = folder / name
        if not path.exists():
            tok = dstok.load("deepseek-v3") if name == "v3" else dstok.Tokenizer.from_str({**MODELS, "dead": DEAD}[name])
            tok.to_image(path)
        return path

    return image


@pytest.mark.parametrize(("model", "name", "change"), [*share(FAULTS, 3)])
def test_a_changed_table_makes_its_step_fail(
    model: str, name: str, change: Change, images: Callable[[str], Path], tmp_path: Path,
) -> None:
    whole = step_of(images(model), name)
    assert whole.faults == ()
    parts = Parts(images(model))
    change(parts)
    parts.write(tmp_path / "x")
    step = dict(steps(dstok.Tokenizer.from_image(tmp_path / "x")))[name]()
    assert step.faults and step._replace(done="", faults=()) == whole._replace(done="")


def test_a_growing_text_that_loses_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    append = GrowingText.append
    monkeypatch.setattr(GrowingText, "append", lambda self, text: append(self, text[:6]))
    assert dict(steps(dstok.load("deepseek-v3")))["growing texts"]().faults


@pytest.mark.parametrize("name", [*share(REAL, 3)])
def test_real_models(name: str) -> None:
    found = prove(dstok.Tokenizer.from_str(smaller_json(name)))
    assert [step.name for step in found] == [
        "classes", "one automaton", "rules", "blocks of 64 bytes", "masks", "safe cuts", "live rules", "merging", "growing texts"]
    assert [step for step in found if step.faults] == []


@pytest.mark.parametrize("name", TODAY)
def test_small_models(name: str) -> None:
    assert [step for step in prove(dstok.Tokenizer.from_str(MODELS[name])) if step.faults] == []


def test_the_textbook_loop() -> None:
    tok = dstok.Tokenizer.from_str(DEAD)
    book = Textbook(tok._tables, tok._tables.merges)
    ids = {token: number for number, token in enumerate(book.tokens)}
    a, b, c, ab, bc, abc = (ids[token] for token in (b"a", b"b", b"c", b"ab", b"bc", b"abc"))
    assert book.merge(b"abcbc") == ([abc, bc], (ab, c, abc))
    assert book.live() == {(a, b, ab), (b, c, bc), (ab, c, abc)}
    file = character_json(None, metaspace("first"), characters="abcxy.,\u00e9\u4e2d\u6587\U0001f999\u2581\n\ufffd")
    characters = dstok.Tokenizer.from_str(json.dumps(file))
    assert all(ids == characters.inspect().merge(token)
               for token, ids in Textbook(characters._tables, characters._tables.merges).ids())


def test_the_command(images: Callable[[str], Path], tmp_path: Path) -> None:
    fine = run("prove", str(images("odd splits")))
    assert (fine.returncode, fine.stderr) == (0, b"")
    assert fine.stdout.decode().splitlines()[0].split() == ["step", "kind", "result", "checked", "theorem"]
    parts = Parts(images("odd splits"))
    other_pattern(parts)
    parts.write(tmp_path / "x")
    done = run("prove", str(tmp_path / "x"), "--json")
    assert done.returncode == 1
    assert [row["name"] for row in json.loads(done.stdout) if row["faults"]] == ["one automaton"]
    missing = run("prove", str(tmp_path / "y"))
    assert missing.returncode == 2 and missing.stdout == b""


def test_the_theorems_have_headings() -> None:
    page = Path(__file__).parents[2] / "docs" / "proofs.md"
    headings = {line[3:] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")}
    for name in ("odd splits", "characters"):
        assert {step.theorem for step in prove(dstok.Tokenizer.from_str(MODELS[name]))} <= headings
    assert {"Rules and automaton", "Blocks of 64 bytes", "Masks"} <= headings
