"""The adapters of `verify` on real libraries and processes, and what must not be blamed on them."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import tiktoken
from judges import judge, rank_file
from kept import kept
from real_models import V3 as TOK
from real_models import real_json

import dstok
from benchmarks.engines import tiktoken_encoding
from dstok.conformance import Engine, Limits, verify
from dstok.conformance.automaton_guide import guide_of
from dstok.conformance.causes import Pair
from dstok.conformance.checks import CRASH_SIZE, Growth, check_batches, check_threads, grow
from dstok.conformance.engines import engine_of, open_engine
from dstok.conformance.report import Check
from dstok.conformance.texts import runs
from dstok.conformance.worker import Runner

QUICK = ["odd texts", "class cover, k = 1"]
PRINTS_IDS = "import sys, dstok; print(*dstok.load('deepseek-v3').encode(sys.stdin.buffer.read().decode()))"


@kept()
def tiktoken_v3(folder: Path) -> tiktoken.Encoding:
    path = folder / "tokenizer.json"
    path.write_text(real_json("deepseek-v3"), encoding="utf-8")
    made: tiktoken.Encoding = tiktoken_encoding(tiktoken, path)[0]
    return made


def test_an_object_of_tiktoken(tmp_path: Path) -> None:
    """Special tokens are matched, not refused; what its one pattern does not match is lost, and named so."""
    encoding = tiktoken_v3(tmp_path)
    content = next(iter(TOK.added_tokens))
    engine = engine_of(encoding)
    assert engine.name == "tiktoken" and list(engine.encode(content)) == TOK.encode(content)
    report = verify(encoding, seconds=120, checks=["odd texts"])
    assert [(finding.cause, finding.text) for finding in report.findings] == [("gaps between matches", "\0")], f"\n{report}"


def test_a_name_of_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own encoding, from its cache, against the same ranks in dstok."""
    ranks = rank_file("p50k_base")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(judge("tiktoken")))
    model = dstok.Tokenizer.from_tiktoken(dstok_ranks(ranks), "p50k_base")
    report = verify("tiktoken:p50k_base", model=model, seconds=120, checks=[*QUICK, "added tokens", "decoding"])
    assert report.equal and "tiktoken" in report.candidate, f"\n{report}"


def dstok_ranks(data: bytes) -> dict[bytes, int]:
    from dstok.formats.tiktoken import read_ranks

    return read_ranks(data)


def test_a_command_that_prints_ids() -> None:
    """The text goes in as it is, a NUL and the empty text among it."""
    engine = open_engine(f"command:{sys.executable} -c \"{PRINTS_IDS}\"")
    for text in ("", "a\r\nb\0", "中 \U0001f600", "don't"):
        assert list(engine.encode(text)) == TOK.encode(text)


def test_a_command_that_fails(tmp_path: Path) -> None:
    """Its exit code and what it said last are the finding."""
    (tmp_path / "fails.py").write_text(
        "import sys\nif 'b' in sys.stdin.read(): sys.exit('no b here')\nprint(67)\n", encoding="utf-8")
    engine = open_engine(f"command:{sys.executable} {tmp_path / 'fails.py'}")
    assert list(engine.encode("a")) == [67]
    with pytest.raises(RuntimeError, match="exit code 1: no b here"):
        engine.encode("b")


class Fails:
    """Right, but it cannot do some texts, in whatever call."""

    def encode(self, text: str) -> list[int]:
        if len(text) > 60:
            raise ValueError("too long")
        return TOK.encode(text)

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]


def test_a_text_that_fails_alone_is_no_fault_of_batches_or_threads() -> None:
    with Runner(Fails()) as candidate, Runner(TOK) as reference:
        pair, guide = Pair(candidate, reference), guide_of(TOK)
        assert list(check_batches(pair, guide, Check(""))) == list(check_threads(pair, guide, Check(""))) == []


def test_one_wrong_merge_is_no_wrong_class() -> None:
    """A character is said to be in another class only if it is wrong in its other contexts, too."""
    def wrong(text: str) -> list[int]:
        cut = text.find("stra")
        return TOK.encode(text) if cut < 0 else TOK.encode(text[: cut + 2]) + TOK.encode(text[cut + 2 :])

    words = ["stra", " strategies", " constraint", "Administrazioa"]  # the last as if its "r" were a control character
    report = verify(wrong, seconds=120, corpus=words, checks=["corpora"])
    assert not report.equal and {finding.cause for finding in report.findings} <= {"merge order", "pieces cut elsewhere"}, \
        f"\n{report}"


def test_quadratic_beyond_patience_is_not_endless() -> None:
    """No answer in time after ever slower ones is super-linear time; out of the blue it is no end."""
    def quadratic(text: str) -> list[int]:
        end = time.process_time() + 1.5e-8 * len(text) ** 2
        while time.process_time() < end:
            pass
        return [1]

    def endless(text: str) -> list[int]:
        while len(text) > 5000:
            time.sleep(0.01)
        return [1]

    assert first_growth(quadratic).super_linear
    fault = first_growth(endless).fault
    assert fault and fault.kind == "hang"


def first_growth(encode: object) -> Growth:
    with Runner(encode, limits=Limits(patience=1)) as runner:
        return grow(runner, *next(runs(guide_of(TOK), CRASH_SIZE)))


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(dstok.errors.ModelNotFoundError, match="'nope'.*deepseek-v3"):
        verify(Engine("none", "", TOK.encode), model="nope")
