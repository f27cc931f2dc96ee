"""`load(folder)` for each wrapper of a byte-level BPE, with the files that packages ship: ids of the wrapper's own library.

Kimi's rank file is in no package: test_rank_folders.py has its folder with other ranks. tests/fetch_judges fetches these.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import tiktoken
from fetched_models import both
from judges import judge, rank_file
from shared_data import CORPORA, corpus
from shares import share

import dstok
from dstok.formats.tiktoken import ENCODINGS, WRAPPERS, read_ranks

Ids = Callable[[str], list[int]]
ODD = ["", " a", "a\r\n\n b", "don't I'LL'S", "1234567890", "e\u0301\u212b", "\u3000\u00a0 x", "🦙🦙 中文カナ한국어", "\ufeffa\0b"]
HARMONY = "o200k_harmony"


def tekken(folder: Path) -> tuple[dstok.Tokenizer, Ids, Ids]:
    """A folder of Mistral's: tekken.json and the settings of other loaders. mistral-common finds no special tokens."""
    sys.path.append(str(judge("mistral")))
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer  # type: ignore[import-not-found]

    shutil.copy(judge("mistral/mistral_common/data/tekken_240911.json"), folder / "tekken.json")
    (folder / "generation_config.json").write_text('{"bos_token_id": 1, "eos_token_id": 2}', encoding="utf-8")
    tok, theirs = dstok.load(folder), Tekkenizer.from_file(folder / "tekken.json")
    return tok, lambda text: tok.encode(text, special="none"), lambda text: list(theirs.encode(text, bos=False, eos=False))


def qwen(folder: Path) -> tuple[dstok.Tokenizer, Ids, Ids]:
    """The first Qwen's: its rank file, and a Python file with the texts that count. DashScope's class is the judge."""
    if "qwen_of_dashscope" not in sys.modules:
        package = sys.modules["qwen_of_dashscope"] = ModuleType("qwen_of_dashscope")
        package.__path__ = [str(judge("qwen"))]  # its own __init__ imports what a client of the API needs
    theirs = import_module("qwen_of_dashscope.qwen_tokenizer").QwenTokenizer(str(judge("qwen/qwen.tiktoken")))
    shutil.copy(judge("qwen/qwen.tiktoken"), folder)
    (folder / "tokenization_qwen.py").write_text("\n".join(WRAPPERS["qwen.tiktoken"].lines), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "QWenTokenizer"}', encoding="utf-8")
    tok = dstok.load(folder)
    return tok, tok.encode, theirs.encode


def gptoss(folder: Path) -> tuple[dstok.Tokenizer, Ids, Ids]:
    """gpt-oss's folder, with tokenizer.json and tokenizer_config.json."""
    tok, theirs = both("gptoss")
    return tok, tok.encode, lambda text: list(theirs.encode(text, add_special_tokens=False).ids)


def harmony(folder: Path) -> tuple[dstok.Tokenizer, Ids, Ids]:
    """gpt-oss by tiktoken's rank file and the encoding's name, whose two texts for one id both count."""
    path = folder / "o200k_base.tiktoken"
    path.write_bytes(rank_file("o200k_base"))
    theirs = tiktoken.Encoding(HARMONY, pat_str=ENCODINGS[HARMONY].pattern, mergeable_ranks=read_ranks(rank_file("o200k_base")),
                               special_tokens=dict(ENCODINGS[HARMONY].special_tokens))
    tok = dstok.Tokenizer.from_tiktoken(path, HARMONY)
    return tok, tok.encode, lambda text: theirs.encode(text, allowed_special="all")


FOLDERS: dict[str, Callable[[Path], tuple[dstok.Tokenizer, Ids, Ids]]] = {
    "tekken.json": tekken, "qwen.tiktoken": qwen, "gptoss": gptoss, HARMONY: harmony}
SPECIAL = {"tekken.json": ["[INST]", "<s>"], "qwen.tiktoken": ["<|im_start|>", "<|extra_204|>", "<|endoftext|>"],
           "gptoss": ["<|start|>", "<|channel|>", "<|endofprompt|>"],
           HARMONY: ["<|start|>", "<|channel|>", "<|endofprompt|>", "<|reserved_200018|>"]}


SETTINGS = {  # BOS, EOS, ids in all, and the id of the first special token above
    "tekken.json": (1, 2, 131072, 3), "qwen.tiktoken": (None, 151643, 151851, 151644),
    "gptoss": (199998, 200002, 200019, 200006), HARMONY: (None, 199999, 201088, 200006),
}


@pytest.mark.parametrize("name", [*share(FOLDERS, 2)])
def test_a_folder_of_the_hub(name: str, tmp_path: Path) -> None:
    tok, ours, theirs = FOLDERS[name](tmp_path)
    assert (tok.bos_id, tok.eos_id, tok.vocab_size, tok.added_tokens[SPECIAL[name][0]]) == SETTINGS[name]
    for text in [*ODD, *(f"x{token} {token}\n" for token in SPECIAL[name])]:
        assert ours(text) == theirs(text), text
        assert tok.decode(tok.encode(text)).count("x") == text.count("x")
    for source in CORPORA:
        for start in range(0, 600_000, 50_000):
            text = corpus(source)[start : start + 50_000]
            assert ours(text) == theirs(text)
