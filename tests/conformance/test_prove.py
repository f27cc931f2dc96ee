"""`dstok prove`: every step of real models holds, and a table that is changed in an image makes its step fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from character_models import added_token, character_json, metaspace
from cli_process import run
from images import MODELS, Parts
from kept import kept
from proofs import few_texts
from real_models import level, levels
from shares import share
from small_models import model_json
from smaller_models import smaller_json

import dstok
from dstok import added_tokens, normalizers
from dstok.compiled.kernel_selection import LETTER, LLM, PUNCT
from dstok.conformance import prove
from dstok.conformance.naive import Textbook
from dstok.conformance.prove import Step, steps
from dstok.core.cpu.level import chosen_level
from dstok.core.text.added_tokens import Matcher
from dstok.formats.description import PREFIXES
from dstok.methods.incremental import IncrementalEncoding

Change = Callable[[Parts], None]
REAL = ["deepseek-v3", "qwen-2.5", "glm-4", "minimax", "deepseek-v2", "deepseek-llm-7b-base", "deepseek-coder-33b-base"]
NAMES = ["classes", "one automaton", "rules", "blocks of 64 bytes", "masks", "safe cuts", "live rules", "merging",
         "encoding", "growing texts", "tables", "not looked at"]
RUNS = json.dumps(character_json(merges=(("a", "b"),), added=[added_token(261, "x"), added_token(272, "xx")]))
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


def runs_that_merging_cuts_otherwise(parts: Parts) -> None:
    """"x" and "xx" are added tokens: with these runs they are not looked for, and merging gives "x" twice."""
    parts.description["runs"] = {"x": [parts.tokenizer["added"]["id"][at] for at in (0, 1)]}


def fact(name: str, value: object) -> Change:
    return lambda parts: parts.description.__setitem__(name, value)


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
    ("odd splits", "shuffles", changed_bit("shuffles", -1)),
    ("v3", "safe cuts", first_set("joined")),
    ("ignore_merges", "safe cuts", changed_bit("joined", 1000)),
    ("dead", "live rules", a_dead_merge_that_lives),
    ("plain", "merging", first_set("direct")),
    ("v3", "merging", changed_bit("byte_pairs", 8 * (ord("t") << 8 | ord("h")) + 2)),
    ("runs", "tables", runs_that_merging_cuts_otherwise),
    ("runs", "encoding", runs_that_merging_cuts_otherwise),
    ("plain", "tables", fact("monotone", False)),
    ("ignore_merges", "tables", changed_bit("joined", 1000)),
    ("characters", "matrix", changed_bit("matrix", 1, 1 << 2)),
    ("characters", "safe cuts", changed_bit("joined", 77)),
]


@pytest.fixture(autouse=True)
def _few_texts() -> Iterator[None]:
    with few_texts():
        yield


@kept(most=1)
def step_of(model: Path, name: str) -> Step:
    return dict(steps(dstok.load(model)))[name]()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The image of a model by its name in FAULTS."""
    folder = tmp_path_factory.mktemp("images")

    def image(name: str) -> Path:
        path = folder / name
        if not path.exists():
            files = {**MODELS, "dead": DEAD, "runs": RUNS}
            tok = dstok.load("deepseek-v3") if name == "v3" else dstok.Tokenizer.from_str(files[name])
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
    step = dict(steps(dstok.load(tmp_path / "x")))[name]()
    assert step.faults and step._replace(done="", faults=()) == whole._replace(done="")


def missing_a_letter(name: str) -> Callable[..., list[int]]:
    """A function of the codes that a normalizer changes, which forgets one."""
    right = getattr(normalizers, name)
    return lambda *arguments: [code for code in right(*arguments) if code != 0x130]


WRONG: list[tuple[str, object, str, Callable[[], object]]] = [  # the step that must fail, the place of the code, its other form
    ("added tokens", added_tokens, "Matcher", lambda: lambda rows, words: Matcher(
        [(content, False, False, rstrip) for content, _, _, rstrip in rows])),
    ("normalizer", normalizers, "_changing", lambda: missing_a_letter("_changing")),
    ("encoding", normalizers, "_changing", lambda: missing_a_letter("_changing")),
    ("normalizer", normalizers, "PREFIXES", lambda: [PREFIXES[at] for at in (0, 2, 1, 3)]),
    ("merging", Textbook, "merge", lambda: lambda self, token: ([self.byte_ids[byte] for byte in token], None)),
]


@pytest.mark.parametrize(("name", "place", "part", "other"), WRONG)
def test_code_that_is_wrong(
    name: str, place: object, part: str, other: Callable[[], object], monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = json.loads(MODELS["characters" if part == "PREFIXES" else "plain"])
    if part == "_changing":
        file["normalizer"] = {"type": "Lowercase"}
    monkeypatch.setattr(place, part, other())
    assert dict(steps(dstok.Tokenizer.from_str(json.dumps(file))))[name]().faults


def test_what_is_not_looked_at() -> None:
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], [], ["a(?=bcd)"], extra=[b"a" * 600]))
    last = [*steps(tok)][-1][1]()
    assert (last.name, last.kind, last.faults) == ("not looked at", "none", ())
    for part in ("decoding", "whether the tokens", "merging of 1 tokens of more than 512 bytes", "the automaton's cuts"):
        assert part in last.done


def test_a_growing_text_that_loses_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    append = IncrementalEncoding.append
    monkeypatch.setattr(IncrementalEncoding, "append", lambda self, text: append(self, text[:6]))
    assert dict(steps(dstok.load("deepseek-v3")))["growing texts"]().faults


@pytest.mark.night
@pytest.mark.parametrize("name", [*share(REAL, 3)])
def test_real_models(name: str) -> None:
    found = prove(dstok.Tokenizer.from_str(smaller_json(name)))
    names = [step.name for step in found]
    assert [one for one in names if one not in ("added tokens", "normalizer")] == NAMES
    tok = dstok.Tokenizer.from_str(smaller_json(name)).inspect()
    assert ("added tokens" in names, "normalizer" in names) == (bool(tok.added_tokens), bool(tok.normalizer))
    assert [step for step in found if step.faults] == []


@pytest.mark.parametrize("name", [*dict.fromkeys(["odd splits", "characters", *share([*MODELS], 12)])])
def test_small_models(name: str) -> None:
    """No step fails; the levels are tried, and put back; the theorems are headings of the pages."""
    with level(levels()[0]):
        found = prove(dstok.Tokenizer.from_str(MODELS[name]))
        assert chosen_level() == levels()[0]
    assert [step for step in found if step.faults] == []
    assert all(name in next(step.done for step in found if step.name == "encoding") for name in levels())
    assert {step.theorem for step in found} <= {*headings(), ""}


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
               for token, ids, _ in Textbook(characters._tables, characters._tables.merges).results)


def test_the_command(images: Callable[[str], Path], tmp_path: Path) -> None:
    fine = run("prove", str(images("odd splits")))
    assert (fine.returncode, fine.stderr) == (0, b"")
    assert fine.stdout.decode().splitlines()[-1].startswith("not looked at: whether the tokens, merges")
    assert fine.stdout.decode().splitlines()[0].split() == ["step", "kind", "result", "checked", "theorem"]
    parts = Parts(images("odd splits"))
    other_pattern(parts)
    parts.write(tmp_path / "x")
    done = run("prove", str(tmp_path / "x"), "--json")
    assert done.returncode == 1
    assert "one automaton" in [row["name"] for row in json.loads(done.stdout) if row["faults"]]
    missing = run("prove", str(tmp_path / "y"))
    assert missing.returncode == 2 and missing.stdout == b""


@cache
def headings() -> set[str]:
    pages = [Path(__file__).parents[2] / "docs" / name for name in ("proofs.md", "proofs_ids.md")]
    return {line[3:] for page in pages for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")}


def test_the_theorems_of_the_rules_have_headings() -> None:
    assert {"Rules and automaton", "Blocks of 64 bytes", "Masks"} <= headings()
