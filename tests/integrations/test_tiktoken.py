"""tiktoken's `Encoding` on dstok beside tiktoken's own: every call with random arguments, the plug-in, pickles, tiktoken's
own tests.

100,000 calls by hand: DSTOK_CALLS=100000 pytest tests/integrations/test_tiktoken.py -k calls
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from judges import RANK_FILES, judge, rank_file
from kept import kept
from real_models import V3
from reference import DEEP
from shares import chance_of_today, seeds
from tiktoken_calls import call, outcome
from tiktoken_ext import dstok_models

import dstok
from dstok.errors import UnsupportedError
from dstok.formats.tiktoken import ENCODINGS
from dstok.integrations import tiktoken as facade
from dstok.integrations.tiktoken import V3_PATTERN, Encoding, pattern_of

CALLS = int(os.environ.get("DSTOK_CALLS", "2000"))


def ranks(seed: int) -> dict[bytes, int]:
    """All bytes in an order of their own, then pairs of what is there."""
    rng = random.Random(seed)
    tokens = [bytes([b]) for b in range(256)]
    rng.shuffle(tokens)
    common = [bytes([b]) for b in b"abHelo th1<|>"] + ["é".encode()[:1], "é".encode()[1:]]
    while len(tokens) < 330:
        made = rng.choice(common) + rng.choice(common)
        if made not in tokens and len(made) < 9:
            tokens.append(made)
            common.append(made)
    return {token: 2 * rank if rank > 300 else rank for rank, token in enumerate(tokens)}


SPECIAL = {"<|endoftext|>": 900, "<é>": 901, "[a b]": 905, "|><|": 1200}
KINDS: dict[str, dict[str, Any]] = {
    "gpt2": {"pat_str": ENCODINGS["gpt2"].pattern, "mergeable_ranks": ranks(1), "special_tokens": SPECIAL},
    "o200k": {"pat_str": ENCODINGS["o200k_base"].pattern, "mergeable_ranks": ranks(2), "special_tokens": SPECIAL},
    "v3": {"pat_str": V3_PATTERN, "mergeable_ranks": ranks(3), "special_tokens": SPECIAL},
    "drops": {"pat_str": r"\w+|\s", "mergeable_ranks": ranks(4), "special_tokens": {}},
}


@kept()
def pair(kind: str) -> tuple[tiktoken.Encoding, Encoding]:
    """tiktoken's and ours, of the same parts; "deepseek_v3" is the plug-in's and that of dstok's tokenizer."""
    if kind == "deepseek_v3":
        return tiktoken.get_encoding(kind), Encoding.from_tokenizer(V3, kind)
    return tiktoken.Encoding(kind, **KINDS[kind]), Encoding(kind, **KINDS[kind])


@pytest.mark.parametrize("kind", [*([*KINDS][number] for number in seeds(len(KINDS), 2)), "deepseek_v3"])
def test_random_calls(kind: str) -> None:
    """Every public call, and the private ones that others use: results and errors are tiktoken's."""
    original, ours = pair(kind)
    rng = chance_of_today(f"tiktoken calls {kind}")
    for number in range(CALLS // 5):
        made = call(rng, original)
        expected = outcome(made, original)
        if kind == "deepseek_v3" and expected == ("KeyError", "'<|endoftext|>'"):
            expected = ("int", 1)  # V3 has no such token: ours gives EOS
        assert outcome(made, ours) == expected, number


def test_whole_texts() -> None:
    original, ours = pair("deepseek_v3")
    text = Path(__file__).read_text(encoding="utf-8") + "你好，世界！かな゛混じり 12345\u0301 <｜User｜>hi<｜Assistant｜>" * 20
    assert ours.encode(text, allowed_special="all") == original.encode(text, allowed_special="all") == V3.encode(text)
    assert ours.encode_ordinary(text) == original.encode_ordinary(text) == V3.encode(text, special="none")
    assert ours.encode_to_numpy(text, disallowed_special=()).tolist() == original.encode_ordinary(text)


# The plug-in


def test_the_pattern_of_v3_is_proved() -> None:
    """For every text: a walk over both automata. And the proof finds a pattern that is wrong at one place."""
    own = dstok.Splitter.from_tokenizer(V3)
    for pattern, same in ((V3_PATTERN, True), (V3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}{1,4}"), False),
                          (V3_PATTERN.replace(r"(?![^\s\p{N}", r"(?![^\s"), False)):
        found = dstok.Splitter(pattern, behavior="Removed", invert=True, dialect="fancy-regex").analyze().difference(own)
        assert (found is None) == same, found
    assert pattern_of(V3) == V3_PATTERN


def test_the_plug_in_has_all_models_that_tiktoken_can_say() -> None:
    expected = {name for name in dstok.models() if not dstok.load(name).inspect().normalizer}
    assert set(dstok_models.MODELS.values()) == expected
    assert set(dstok_models.MODELS) == {name.replace("-", "_").replace(".", "_") for name in expected}
    assert set(dstok_models.MODELS) <= set(tiktoken.list_encoding_names())


@pytest.mark.parametrize("name", [list(dstok_models.MODELS)[1 + number] for number in seeds(6, 1)])
def test_other_models_of_the_plug_in(name: str) -> None:
    """Their added tokens; one model a day."""
    original, tok = tiktoken.get_encoding(name), dstok.load(dstok_models.MODELS[name])
    text = "".join(f"a {token} {token[:-1]}{token}" for token in tok.added_tokens)
    assert original.encode(text, allowed_special="all") == tok.encode(text)
    assert original.n_vocab == tok.vocab_size and original._special_tokens == tok.added_tokens


def test_the_plug_in_needs_no_import_of_tiktoken() -> None:
    code = "import sys, dstok; from tiktoken_ext import dstok_models; assert 'tiktoken' not in sys.modules, 'imported'"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_benchmark_compares_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import encodings

    monkeypatch.setattr(encodings, "SECONDS", 1e-9)
    of = {"short": ["Hello 中文"], "middle": ["So it is.", "And"], "long": ["Hello world " * 9]}
    ours, theirs = (encodings.record(engine, of) for engine in ("dstok", "tiktoken"))
    assert set(ours["calls"]) == set(encodings.CALLS)
    assert all(ours["calls"][name]["sha256"] == theirs["calls"][name]["sha256"] for name in encodings.CALLS)


# As an object


def test_is_an_encoding() -> None:
    ours = Encoding.from_tokenizer(V3)
    assert isinstance(ours, tiktoken.Encoding) and repr(ours) == "<Encoding 'deepseek-v3'>" and ours.eot_token == V3.eos_id


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda encoding: pickle.loads(pickle.dumps(encoding))])
def test_copies(twin: Any) -> None:
    original, ours = pair("gpt2")
    for encoding in (ours, Encoding.from_tokenizer(V3, "mine")):
        other = twin(encoding)
        assert type(other) is Encoding and other.name == encoding.name
        assert other.encode("Hello ab<|endoftext|>", disallowed_special=()) == encoding.encode("Hello ab<|endoftext|>", disallowed_special=())
    other = twin(ours)
    assert other._special_tokens == original._special_tokens
    assert (other._pat_str, other._mergeable_ranks) == (original._pat_str, original._mergeable_ranks)


def test_threads() -> None:
    _, ours = pair("v3")
    texts = ["ab the 123 <é>" * n for n in range(1, 60)]
    expected = [ours.encode(text, allowed_special="all") for text in texts]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda text: ours.encode(text, allowed_special="all"), texts * 20)) == expected * 20


def test_what_tiktoken_cannot_say() -> None:
    qwen = Encoding.from_tokenizer(dstok.load("deepseek-r1-distill-qwen"))
    assert qwen.encode("Hello") == qwen.tokenizer.encode("Hello")
    with pytest.raises(UnsupportedError, match="normalizer"):
        qwen._mergeable_ranks  # noqa: B018
    with pytest.raises(UnsupportedError, match="normalizer"):
        qwen.encode_with_unstable("Hello")


def test_n_vocab_is_checked() -> None:
    with pytest.raises(AssertionError):
        Encoding("x", **KINDS["v3"], explicit_n_vocab=5)
    parts: dict[str, Any] = {"pat_str": r"\w+|\W", "mergeable_ranks": {bytes([b]): b for b in range(256)}, "special_tokens": {"<s>": 256}}
    assert Encoding("x", **parts, explicit_n_vocab=257).n_vocab == 257
    assert Encoding("x", **{**parts, "pat_str": "gpt2"}).encode_ordinary("gpt2 x") == list(b"gpt2")  # a pattern, no name


def test_what_others_read() -> None:
    """llguidance makes its vocabulary of the private parts of an encoding."""
    from llguidance.tiktoken import lltokenizer_from_encoding

    original, ours = (lltokenizer_from_encoding(encoding, eos_token=900) for encoding in pair("gpt2"))
    assert [ours.decode_bytes([id]) for id in range(ours.vocab_size)] == [original.decode_bytes([id]) for id in range(original.vocab_size)]
    assert ours.tokenize_str("Hello 123 the") == original.tokenize_str("Hello 123 the")


# In tiktoken's place


@pytest.fixture
def installed() -> Iterator[None]:
    facade.install()
    yield
    facade.uninstall()


def test_install(installed: None) -> None:
    ours = tiktoken.get_encoding("deepseek_v3")
    assert type(ours) is Encoding and tiktoken.get_encoding("deepseek_v3") is ours
    facade.install()
    assert tiktoken.get_encoding("deepseek_v3") is ours  # nothing happens twice
    facade.uninstall()
    assert vars(tiktoken.registry)["Encoding"] is tiktoken.Encoding and not tiktoken.registry.ENCODINGS


def test_what_tiktoken_would_need_is_not_made(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes most of a second to derive it, and dstok's encoding does without."""
    monkeypatch.setattr(Encoding, "parts", None)
    for name, model in dstok_models.MODELS.items():
        assert tiktoken.get_encoding(name).encode("Hello world") == dstok.load(model).encode("Hello world")
    monkeypatch.undo()
    facade.uninstall()
    assert type(tiktoken.get_encoding("deepseek_ocr")) is tiktoken.Encoding


def test_what_dstok_cannot_do_stays_tiktokens(installed: None) -> None:
    twice = tiktoken.Encoding("twice", pat_str=r"\w+|\W", mergeable_ranks=ranks(1), special_tokens={"<a>": 900, "<b>": 900})
    with pytest.warns(UserWarning, match="^twice stays tiktoken's own, since dstok cannot do it exactly: expected an id of its own"):
        assert facade.accelerate(twice) is twice
    with pytest.raises(dstok.DstokError, match="900"):
        facade.accelerate(twice, strict=True)
    ours = facade.accelerate(pair("drops")[0])
    assert type(ours) is Encoding and facade.accelerate(ours) is ours


def test_tiktokens_own_tests(tmp_path: Path) -> None:
    """All 33, with `install` before them, of tiktoken's encodings and V3's. gpt2's ranks are r50k_base's, whose file there is.

    The tests that go through all encodings take one of the three largest each day, and two of the others.
    """
    large, small = ["o200k_base", "o200k_harmony", "deepseek_v3"], ["gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base"]
    today = {large[number] for number in seeds(3, 1)} | {small[number] for number in seeds(5, 2)}
    for name, file in {**RANK_FILES, "r50k_base": "0ea1e91bbb3a60f729a8dc8f777fd2fc07cd8df4"}.items():
        (tmp_path / file).write_bytes(rank_file(name))
    (tmp_path / "on_dstok.py").write_text(
        "from tiktoken_ext import openai_public as known\n"
        "known.ENCODING_CONSTRUCTORS['gpt2'] = lambda: {**known.r50k_base(), 'name': 'gpt2'}\n"
        "from tiktoken_ext import dstok_models as ours\n"
        "for name in list(ours.ENCODING_CONSTRUCTORS)[1:]: del ours.ENCODING_CONSTRUCTORS[name]\n"
        "from dstok.integrations.tiktoken import install\ninstall()\n"
        "import tiktoken\nnames = tiktoken.list_encoding_names()\n"
        f"tiktoken.list_encoding_names = lambda: [name for name in names if name in {today}]\n")
    environment = {**os.environ, "TIKTOKEN_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(tmp_path),
                   "TIKTOKEN_MAX_EXAMPLES": "100" if DEEP else "10"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "on_dstok", "-p", "no:cacheprovider", "--rootdir", tmp_path,
                           judge("tiktoken-tests/tests")], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "33 passed" in done.stdout, done.stdout[-3000:]
