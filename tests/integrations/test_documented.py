"""The examples of docs/integrations.md and docs/text_splitters.md, with the real libraries: each skips where its library is not installed.

CI installs those that `CI_HAS` names. The others were run by hand, with the versions that the page names.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import Any

import pytest
from real_models import V3, real
from recipes import PAGES, TEXT, code_of, recipe

PACKAGES = {"tiktoken": "tiktoken", "llguidance": "llguidance", "xgrammar": "xgrammar", "outlines": "outlines_core",
            "LangChain": "langchain_text_splitters", "LlamaIndex": "llama_index", "chonkie": "chonkie",
            "semantic-text-splitter": "semantic_text_splitter", "litellm": "litellm", "Haystack": "haystack"}
CI_HAS = {"tiktoken", "llguidance", "outlines_core", "semantic_text_splitter", "langchain_text_splitters", "chonkie"}
CUTTERS = ["LangChain", "LlamaIndex", "chonkie", "semantic-text-splitter", "Haystack"]



def needed(package: str) -> None:
    if find_spec(package) is None:
        assert not (os.environ.get("CI") and package in CI_HAS), f"CI has to install {package}"
        pytest.skip(f"needs the package {package}")


@pytest.mark.parametrize("heading", PACKAGES)
def test_documented(heading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    needed(PACKAGES[heading])
    found = vars(recipe(heading))
    if heading == "tiktoken":
        from dstok.integrations.tiktoken import uninstall

        uninstall()
    if heading in CUTTERS:
        parts = found["parts"]
        assert len(parts) > 5 and max(map(V3.count, parts)) <= 8
        assert "\ufffd" not in "".join(parts) and re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", TEXT)


def test_every_library_is_documented() -> None:
    rows = re.findall(r"(?m)^\| \[([^\]]+)\]\([\w.]*#", PAGES)
    assert {row for row in rows if f"## {row}\n" in PAGES} >= set(PACKAGES)


def test_langchains_splitter() -> None:
    needed("langchain_text_splitters")
    from dstok.integrations.langchain import TokenSplitter

    whole = TokenSplitter(V3, chunk_size=7)
    assert "".join(whole.split_text(TEXT)) == TEXT and max(map(V3.count, whole.split_text(TEXT))) <= 7
    parts = TokenSplitter(V3, chunk_size=9, chunk_overlap=3).split_text(TEXT)
    assert parts == list(V3.chunk(TEXT, 9, overlap=3))
    [document, *_] = whole.create_documents([TEXT], [{"page": 1}])
    assert document.page_content == whole.split_text(TEXT)[0] and document.metadata == {"page": 1}
    for size, overlap in ((0, 0), (4, 4), (4, 5), (4, -1)):
        with pytest.raises(ValueError, match="> 0|>= 0|larger|below"):
            TokenSplitter(V3, size, overlap).split_text(TEXT)


def test_chonkies_chunker() -> None:
    needed("chonkie")
    made = recipe("chonkie")
    chunks = made.CharacterSafeChunker(V3, 7)(TEXT)
    assert "".join(chunk.text for chunk in chunks) == TEXT and max(chunk.token_count for chunk in chunks) <= 7
    assert all(TEXT[chunk.start_index:chunk.end_index] == chunk.text and V3.count(chunk.text) == chunk.token_count for chunk in chunks)
    tokenizer = made.ChonkieTokenizer(V3)
    assert tokenizer.count_tokens(TEXT) == len(tokenizer.tokenize(TEXT)) == V3.count(TEXT)
    assert tokenizer.get_vocab()[19923] == "Hello" and tokenizer.get_token2id() == V3.get_vocab()
    assert tokenizer.decode_batch(tokenizer.encode_batch([TEXT, "a"])) == [TEXT, "a"]


def test_litellms_calls_are_upstreams() -> None:
    """Those that `token_counter`, `encode` and `decode` of litellm 1.110.2 make of a tokenizer of type huggingface_tokenizer."""
    definitions = code_of("litellm").partition("import litellm\n")[2].rpartition("\n\n")[0]
    space: dict[str, Any] = {}
    exec(definitions, space)
    ours, theirs = space["custom_tokenizer"](V3)["tokenizer"], real("deepseek-v3")
    for text in (TEXT, "", "<｜begin▁of▁sentence｜><｜User｜>hi"):
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text).ids == ours.encode(text) == ids and ours.decode(ids) == theirs.decode(ids)
        assert ours.decode(ids, skip_special_tokens=False) == theirs.decode(ids, skip_special_tokens=False)
        assert [len(each) for each in ours.encode_batch_fast([text, text])] == [len(ids)] * 2


def test_litellm_counts() -> None:
    needed("litellm")
    import litellm

    custom_tokenizer = recipe("litellm").custom_tokenizer
    for text in (TEXT, "<｜User｜>hi"):
        assert litellm.token_counter(text=text, custom_tokenizer=custom_tokenizer(V3)) == V3.count(text)
    ids = litellm.encode(model="", text=TEXT, custom_tokenizer=custom_tokenizer(V3))
    assert list(getattr(ids, "ids", ids)) == V3.encode(TEXT)
    assert litellm.decode(model="", tokens=V3.encode(TEXT), custom_tokenizer=custom_tokenizer(V3)) == TEXT
