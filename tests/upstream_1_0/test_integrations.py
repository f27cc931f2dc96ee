"""dstok's integrations in an environment with tokenizers 1.0.0rc3: they work, or refuse by name.

Each runs in a process that imports the wheel.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from newer_upstream import newer_path
from recipes import code_of

REFUSED = ("ImportError: dstok.integrations.transformers needs tokenizers 0.x, found 1.0.0rc3 without decoders, models, "
           "normalizers, pre_tokenizers, processors: dstok.load(FILE) gives the ids without transformers")
WORKING = {  # a package, and a call of dstok's module for it, whose result is true
    "tiktoken": "from dstok.integrations.tiktoken import Encoding\n"
                "assert Encoding.from_tokenizer(tok).encode(text) == tok.encode(text)",
    "llguidance": "from dstok.integrations.llguidance import ll_tokenizer\n"
                  "assert ll_tokenizer(tok).tokenize_str(text) == tok.encode(text)",
    "outlines_core": code_of("outlines") + "assert len(vocabulary(tok)) > 100_000",
    "langchain_text_splitters": "from dstok.integrations.langchain import TokenSplitter\n"
                                "assert ''.join(TokenSplitter(tok, chunk_size=2).split_text(text)) == text",
    "semantic_text_splitter": "from semantic_text_splitter import TextSplitter\n"
                              "assert ''.join(TextSplitter.from_callback(tok.count, 2, trim=False).chunks(text)) == text",
    "llama_index": "from llama_index.core.node_parser import TokenTextSplitter\n"
                   "assert TokenTextSplitter(chunk_size=9, chunk_overlap=0, tokenizer=tok.encode).split_text(text) == [text]",
    "litellm": code_of("litellm") +
               "assert litellm.token_counter(text=text, custom_tokenizer=custom_tokenizer(tok)) == tok.count(text)",
    "haystack": "from haystack import Document\nfrom haystack.components.preprocessors import DocumentSplitter\n"
                "cut = DocumentSplitter(split_by='function', splitting_function=lambda text: list(tok.chunk(text, 2)))\n"
                "parts = cut.run([Document(content=text)])['documents']\n"
                "assert ''.join(part.content for part in parts) == text",
    "datasets": "import datasets\nfrom dstok.arrow import ColumnEncoder\n"
                "rows = datasets.Dataset.from_dict({'text': [text]}).with_format('arrow')\n"
                "made = rows.map(ColumnEncoder(tok, 'text'), batched=True).with_format(None)\n"
                "assert made['input_ids'][0] == tok.encode(text)",
    "polars": "import polars\nfrom dstok.arrow import encode\n"
              "assert encode(tok, polars.Series([text]).to_arrow()).to_pylist() == [tok.encode(text)]",
    "chonkie": code_of("chonkie") +
               "assert [*ChonkieTokenizer(tok).encode(text)] == tok.encode(text)",
}


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(newer_path()), *filter(None, sys.path)])
    return subprocess.run([sys.executable, "-c", f"import tokenizers\nassert not hasattr(tokenizers, 'models')\n{code}"],
                          env=os.environ | {"PYTHONPATH": path} | variables, capture_output=True, text=True)


@pytest.mark.parametrize("code", [
    "import dstok.integrations.transformers", "from dstok.integrations.transformers import accelerate",
    "from dstok.integrations.vllm import register; register()",
    "from dstok.integrations.sglang import register; register()",
])
def test_what_stands_in_for_a_backend_is_refused(code: str) -> None:
    done = run(code, VLLM_PLUGINS="dstok", SGLANG_PLUGINS="dstok")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, REFUSED)


@pytest.mark.parametrize("server", ["vllm", "sglang"])
def test_plugins_that_are_not_asked_for_do_nothing(server: str) -> None:
    done = run(f"from dstok.integrations.{server} import register; register()", VLLM_PLUGINS="", SGLANG_PLUGINS="")
    assert (done.returncode, done.stderr) == (0, "")


def test_datatroves_format(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello", encoding="utf-8")
    done = run(f"import dstok.corpus\ndstok.corpus.tokenize({str(tmp_path / 'a.txt')!r}, {str(tmp_path / 'out')!r}, "
               "format='datatrove', workers=1)")
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.glob("out/*.ds")]


@pytest.mark.parametrize("package", WORKING)
def test_what_needs_no_backend_works(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    done = run(f"import dstok; tok, text = dstok.load('deepseek-v3'), 'Hello wörld 123'\n{WORKING[package]}")
    assert done.returncode == 0, done.stderr
