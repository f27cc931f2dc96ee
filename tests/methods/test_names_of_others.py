"""The names that users of other libraries try first: those that are here, and errors that name the call that is meant."""

from __future__ import annotations

import copy
import inspect
import json
import operator
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import tokenizers
from real_models import V3, real
from small_models import added_token, both, model_json

import dstok
from dstok.tokenizer import HINTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "migration_names.md").read_text(encoding="utf-8")
NAMES, KEYWORDS, OF_MODULES = (
    dict(re.findall(r"(?m)^\| (\w+) \| (.*`.*) \|$", PAGE.split(f"## {title}\n")[1].split("\n## ")[0]))
    for title in ("Names of a tokenizer", "Keywords of calls", "Names of modules"))
CONFIG = json.dumps({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": "<pad>"})
SMALL = model_json([(b"a", b"b")], [added_token("<s>"), added_token("</s>", special=True), added_token("<pad>")])


def test_ids_of_special_tokens() -> None:
    tok = dstok.Tokenizer.from_str(SMALL, CONFIG)
    assert [tok.bos_id, tok.eos_id, tok.config.pad_id] == [tok.token_to_id(t) for t in ("<s>", "</s>", "<pad>")]
    assert (V3.bos_id, V3.eos_id, V3.config.pad_id) == (0, 1, 1)
    assert V3.replace(eos_id=None).eos_id is None
    for name in ("bos_id", "eos_id", "config"):
        with pytest.raises(AttributeError):
            setattr(V3, name, 5)


def test_get_vocab_is_upstreams() -> None:
    for tok, judge in ((V3, real("deepseek-v3")), both(SMALL)):
        assert tok.get_vocab() == judge.get_vocab(with_added_tokens=True)
        assert len(tok.get_vocab()) == judge.get_vocab_size(with_added_tokens=True)
    tok.get_vocab().clear()
    assert len(tok.get_vocab()) > 0  # the dictionary was the caller's own


def test_vocabulary() -> None:
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"b")], holes=3))
    tokens = tok.inspect().token_bytes()
    assert len(tokens) == tok.vocab_size == len(tok.get_vocab()) + 3
    assert [id for id, token in enumerate(tokens) if not token] == [256, 257, 258]  # ids without a token
    assert all(tok.decode_bytes([id]) == token for id, token in enumerate(tokens) if token)
    assert V3.inspect().token_bytes() == [V3.decode_bytes([id]) for id in range(V3.vocab_size)]


def test_python_guesses_at_no_other_name() -> None:
    code = "import dstok; dstok.load('deepseek-v3').encode_ordinary"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.rstrip().endswith('use encode(text, special="none")')


def exists(use: str) -> None:
    """Every name of ours in a hint is there."""
    use = use.replace("`", "")
    own = re.findall(r"(?:^|(?<!ds)tok\.)(\w+)", use)
    assert [found for found in own if found not in ("dstok", "len", "id", "tok") and not hasattr(dstok.Tokenizer, found)] == []
    for path in re.findall(r"dstok\.([\w.]+)", use):
        assert operator.attrgetter(path)(dstok)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_of_others(name: str) -> None:
    """No such name is there for `hasattr`; what the page says of it exists."""
    assert not hasattr(V3, name) and not hasattr(dstok.Tokenizer, name)
    exists(NAMES[name])


@pytest.mark.parametrize("name", sorted(HINTS))
def test_names_that_newcomers_type(name: str) -> None:
    """The error says what the page says."""
    with pytest.raises(AttributeError) as caught:
        getattr(V3, name)
    assert str(caught.value) == f"Tokenizer has no {name}, as other libraries have: use {HINTS[name]}"
    assert NAMES[name].replace("`", "") == HINTS[name]


def test_no_name_of_tokenizers_and_tiktoken_is_forgotten() -> None:
    for other in (tokenizers.Tokenizer, tiktoken.Encoding):
        assert [name for name in dir(other) if name[0] != "_" and name not in NAMES and name not in dir(dstok.Tokenizer)] == []


@pytest.mark.parametrize(("name", "use"), [("enable_padding", "pad_batch"), ("enable_truncation", "overflow"),
                                           ("padding_side", "Padding"), ("chat_template", "config")])
def test_where_well_known_names_lead(name: str, use: str) -> None:
    assert NAMES[name].startswith((f"`{use}", f"`dstok.padding.{use}"))


@pytest.mark.parametrize("name", sorted(OF_MODULES))
def test_names_of_others_modules(name: str) -> None:
    assert name not in dir(dstok)
    exists(OF_MODULES[name])


def test_names_that_nobody_has_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="^module 'dstok' has no attribute 'nothing'$"):
        dstok.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="^'Tokenizer' has no attribute 'nothing'$"):
        V3.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"^dstok has no from_pretrained, as other libraries have: use dstok.load\("):
        dstok.from_pretrained  # type: ignore[attr-defined]  # noqa: B018


CALLS: dict[str, Any] = {"encode": "a", "encode_array": "a", "count": "a", "encode_with_offsets": "a", "encode_batch": ["a"],
                         "encode_batch_arrays": ["a"], "count_batch": ["a"], "decode_batch": [[67]]}


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_keywords_of_others(keyword: str) -> None:
    """No call has one; what the page says of it exists."""
    for call in CALLS:
        assert keyword not in inspect.signature(getattr(V3, call)).parameters
    exists(KEYWORDS[keyword] if "(" in KEYWORDS[keyword] else "")


@pytest.mark.parametrize("call", CALLS)
def test_other_keywords_are_unknown_as_usual(call: str) -> None:
    found = getattr(V3, call)
    with pytest.raises(TypeError, match=f"{call}\\(\\) got an unexpected keyword argument 'nothing'"):
        found(CALLS[call], nothing=1)
    with pytest.raises(dstok.errors.ArgumentError):
        found(7, errors="strict")
    assert found(CALLS[call], errors="replace") is not None


def test_other_names_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="^'Tokenizer' has no attribute 'encod'$") as caught:
        V3.encod  # type: ignore[attr-defined]  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("encod", V3)
    assert copy.deepcopy(V3).encode("a") == pickle.loads(pickle.dumps(V3)).encode("a") == V3.encode("a")


def test_calls_that_are_none() -> None:
    for arguments in (("a",), (["a", "b"],), ()):
        with pytest.raises(TypeError, match=r"use tok\.encode\(text\), tok\.encode_batch\(texts\)"):
            V3(*arguments, return_tensors="pt", padding=True)  # type: ignore[operator]
    for several in (["a"], ("a", "b"), []):
        with pytest.raises(TypeError, match=f"^expected str or bytes as text, found {type(several).__name__}: encode_batch takes"):
            V3.encode(several)  # type: ignore[arg-type]


def test_the_hubs_names(tmp_path: Path) -> None:
    assert dstok.load("deepseek-ai/DeepSeek-V3.1-Terminus").name == "deepseek-v3.1"
    assert dstok.load("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B").name == "deepseek-r1-distill-qwen"
