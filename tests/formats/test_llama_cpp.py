"""llama.cpp as a judge: its own library loads the GGUF files that dstok writes, and gives dstok's ids.

Where it does not, the difference is one of a kind that is known, and each kind is asserted as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gguf_models import REAL, SMALL, config_of, smaller_written, whole, written
from kept import kept
from llama_cpp_answers import ask
from real_models import real_json
from reference import DEEP
from shared_data import CORPORA, corpus, shared, wiki
from shares import seeds, share
from small_models import added_token, model_json

import dstok
from dstok.formats.gguf import read_gguf
from dstok.formats.sentencepiece import CONTROL, NORMAL, UNUSED, USER_DEFINED

SIZE = 2000  # characters a call
TODAY = list(dict.fromkeys(["deepseek-v3", *whole("llama.cpp")]))
DIFFERENT = ["deepseek-llm-7b-base", "deepseek-coder-33b-base", "deepseek-r1-distill-qwen-7b"]  # with known differences


def model(name: str) -> tuple[dstok.Tokenizer, Path]:
    """A tokenizer and its GGUF file."""
    return written(name)[:2]


@kept()
def without_whole_pieces(name: str) -> dstok.Tokenizer:
    """The same model as llama.cpp has it where it does not know ignore_merges."""
    return dstok.Tokenizer._of_description(model(name)[0]._describe()._replace(ignore_merges=False))


@kept()
def not_normalized(name: str) -> dstok.Tokenizer:
    """The same model as llama.cpp has it, without its normalizer."""
    return dstok.Tokenizer._of_description(model(name)[0]._describe()._replace(normalizer=()))


@kept()
def with_ascii_case() -> dstok.Tokenizer:
    """MiniMax as llama.cpp has it: not normalized, the classes of letters cut at ASCII's case, without marks."""
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    described = model("minimax-m1-40k")[0]._describe()
    [split] = described.splits
    assert upper in split.pattern and lower in split.pattern
    pattern = split.pattern.replace(upper, r"[^\P{L}a-z]").replace(lower, r"[^\P{L}A-Z]")
    return dstok.Tokenizer._of_description(described._replace(splits=(split._replace(pattern=pattern),), normalizer=()))


def is_known(name: str, text: str, ids: list[int]) -> bool:
    """Is it known that llama.cpp gives `ids` for `text`, which upstream does not?"""
    pre = REAL[name]
    if pre == "glm4":
        return without_whole_pieces(name).encode(text) == ids
    if pre in ("deepseek-llm", "deepseek-coder"):
        return any(c.isspace() and not c.isascii() for c in text)
    if pre == "minimax-m2":
        return with_ascii_case().encode(text) == ids
    if pre in ("deepseek-r1-qwen", "qwen2", "qwen35"):
        return not_normalized(name).encode(text) == ids
    return False


def compare(name: str, texts: list[str]) -> int:
    """How many of the texts have other ids in llama.cpp; all of these must be of a known kind."""
    tok, path = model(name)
    known = 0
    for text, ids, own in zip(texts, ask(path, texts)["ids"], tok.encode_batch(texts)):
        if ids != own:
            assert is_known(name, text, ids), (name, text, ids, own)
            known += 1
    return known


def parts(text: str) -> Iterator[str]:
    """Lines, put together to texts of about `SIZE` characters; what is longer is cut."""
    gathered = ""
    for line in text.splitlines(keepends=True):
        gathered += line
        while len(gathered) > SIZE:
            yield gathered[:SIZE]
            gathered = gathered[SIZE:]
    yield gathered


@pytest.mark.parametrize("name", SMALL)
def test_the_file(name: str) -> None:
    """With a small vocabulary: llama.cpp loads it, and understands the tokens at a text's ends as they are meant."""
    tok, path = smaller_written(name)[:2]
    answer = ask(path, [])
    assert answer["tokens"] == tok.vocab_size
    assert answer["eos"] == tok.eos_id
    if tok.bos_id is not None:
        assert answer["bos"] == tok.bos_id
        assert answer["add_bos"] == bool(json.loads(config_of(name)).get("add_bos_token"))


@pytest.mark.parametrize("name", TODAY)
def test_wiki(name: str) -> None:
    texts = list(share(parts(wiki()), 18))
    assert compare(name, texts) <= (len(texts) if REAL[name] == "glm4" else len(texts) // 4)


@pytest.mark.parametrize("name", TODAY)
def test_corpora(name: str) -> None:
    texts = [text for source in CORPORA for text in share(parts(corpus(source)[: None if DEEP else 600_000]), 24)]
    assert compare(name, texts) <= (len(texts) if REAL[name] == "glm4" else len(texts) // 4)


@pytest.mark.parametrize("name", TODAY)
def test_llama_cpps_own_cases(name: str) -> None:
    """The 47 texts of its tests, and the strings of its random test."""
    cases = shared("fixtures/inp_out/ggml-vocab-deepseek-llm.gguf.inp").read_text(encoding="utf-8")
    texts = cases.split("\n__ggml_vocab_test__\n")
    assert len(texts) >= 46
    known = compare(name, texts)
    assert known <= (3 if REAL[name] in ("glm4", "deepseek-r1-qwen", "qwen2", "qwen35", "minimax-m2") else 0)


def test_known_differences() -> None:
    """One text of each kind: upstream's ids and llama.cpp's are those that were recorded."""
    repros = json.loads(shared("fixtures/mismatch-repros.json").read_text(encoding="utf-8"))
    of_v3 = [repro for repro in repros if repro["model"] == "deepseek-v3"]  # the others: see the next test
    assert len({repro["kind"] for repro in of_v3}) == 6
    tok, path = model("deepseek-v3")
    for special in (False, True):
        some = [repro for repro in of_v3 if ("parse_special=false" not in repro["llama"]) == special]
        for repro, ids in zip(some, ask(path, [repro["text"] for repro in some], special)["ids"]):
            assert tok.encode(repro["text"]) == repro["hf"]
            assert ids == (repro["hf"] if "seed only" in repro["kind"] else repro["llama_ids"]), repro


def check_ids_of_the_cases(name: str) -> None:
    """dstok's ids of those texts are the recorded ones, which llama.cpp and upstream agree on."""
    recorded = json.loads(shared("fixtures/expected-ids.json").read_text(encoding="utf-8"))
    cases = shared("fixtures/inp_out/ggml-vocab-deepseek-llm.gguf.inp").read_text(encoding="utf-8")
    texts = cases.split("\n__ggml_vocab_test__\n")
    tok, path = model(name)
    expected = recorded[name]["inp47"]
    assert len(expected) == len(texts)
    for text, ids, own, llama in zip(texts, expected, tok.encode_batch(texts), ask(path, texts)["ids"]):
        assert ids == own == llama, text


def check_known_differences(name: str) -> None:
    """One text of each kind: upstream's ids and llama.cpp's are those that were recorded."""
    tok, path = model(name)
    repros = [repro for repro in json.loads(shared("fixtures/mismatch-repros.json").read_text(encoding="utf-8"))
              if repro["model"] == name]
    assert repros
    for repro, ids in zip(repros, ask(path, [repro["text"] for repro in repros])["ids"]):
        assert tok.encode(repro["text"]) == repro["hf"]
        assert ids == repro["llama_ids"]
        assert is_known(name, repro["text"], repro["llama_ids"])


RECORDINGS = [*((check_ids_of_the_cases, name) for name in ("deepseek-v3", "deepseek-v4", "deepseek-r1-distill-llama-8b")),
              *((check_known_differences, name) for name in DIFFERENT)]


@pytest.mark.parametrize(("check", "name"), [RECORDINGS[number] for number in seeds(len(RECORDINGS), 1)])
def test_recorded_ids(check: Callable[[str], None], name: str) -> None:
    """One recording a day; in the deep profile all."""
    check(name)


def test_whole_pieces_of_glm(tmp_path: Path) -> None:
    """ignore_merges is missing for glm4: tokens that merging does not make come out in parts."""
    tok, path = smaller_written("glm-4")[:2]
    llama, glm = (len(name).to_bytes(8, "little") + name.encode() for name in ("llama-bpe", "glm4"))
    data = path.read_bytes()
    assert data.count(llama) == 1  # with a small vocabulary the file has the name of the same steps
    (tmp_path / "x.gguf").write_bytes(data.replace(llama, glm))
    described = tok._describe()
    texts = [token.decode() for i, token in enumerate(described.tokens) if token and i not in described.raw_ids
             and token.isalpha() and token.isascii() and not tok._bpe.encodes_to_itself(i)][:50]
    assert texts
    in_parts = dstok.Tokenizer._of_description(described._replace(ignore_merges=False))
    for text, ids in zip(texts, ask(tmp_path / "x.gguf", texts)["ids"]):
        assert tok.encode(text) == [tok.token_to_id(text)] != ids == in_parts.encode(text)


def test_added_tokens() -> None:
    """Their types, and what parse_special=false does: control tokens are spelled out, the others are not."""
    tok, path = smaller_written("deepseek-v4")[:2]
    values = read_gguf(path)
    types = values["tokenizer.ggml.token_type"]
    assert set(types) <= {NORMAL, CONTROL, USER_DEFINED, UNUSED}
    contents = list(tok.added_tokens)
    whole, plain = ask(path, contents)["ids"], ask(path, contents, parse_special=False)["ids"]
    for content, ids, spelled in zip(contents, whole, plain):
        token_id = tok.added_tokens[content]
        assert ids == [token_id] == tok.encode(content)
        if types[token_id] == USER_DEFINED:
            assert spelled == [token_id]
        else:
            assert types[token_id] == CONTROL and spelled == tok.encode(content, special="none")
    joined = "a".join(contents)
    assert ask(path, [joined])["ids"] == [tok.encode(joined)]


def test_unused_ids(tmp_path: Path) -> None:
    """Ids without a token keep their place."""
    text = model_json([(b"a", b"b")], [added_token("<|x|>", special=True)], r"\p{N}{1,3}", holes=3)
    steps = json.loads(real_json("deepseek-v3"))["pre_tokenizer"]
    small = json.loads(text)
    small["pre_tokenizer"], small["model"]["vocab"]["<|x|>"] = steps, 400
    small["added_tokens"][0]["id"] = 400
    tok = dstok.Tokenizer.from_str(json.dumps(small))
    tok.to_gguf(tmp_path / "x.gguf")
    answer = ask(tmp_path / "x.gguf", ["abba<|x|>"])
    assert answer["tokens"] == 401 and answer["ids"] == [tok.encode("abba<|x|>")] == [[259, 98, 97, 400]]
    assert dstok.load(tmp_path / "x.gguf").encode("abba<|x|>") == [259, 98, 97, 400]
