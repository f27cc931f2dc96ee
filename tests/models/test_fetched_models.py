"""gpt-oss and Mistral Nemo, whose files list several merges a token: ids of upstream and of mistral-common's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from family_texts import fixture_texts
from fetched_models import both
from judges import judge, rank_file
from shared_data import CORPORA, corpus
from shares import seeds, share

import dstok
from dstok.compiled.kernel_selection import TEKKEN, find_kernel

LIVE = {"gptoss": (446_189, 199_742), "mistral_nemo": (269_443, 129_816)}  # all merges, and the live ones
today = pytest.mark.parametrize("name", [[*LIVE][number] for number in seeds(len(LIVE), 1)])


@today
def test_ids(name: str) -> None:
    tok, upstream = both(name)
    live = tok.inspect().live_merges
    assert (len(live), int(live.sum())) == LIVE[name] and tok._bpe.monotone
    texts = [*share(fixture_texts(), 400), *(corpus(each)[start : start + 30_000] for each in CORPORA
                                             for start in range(0, 300_000, 30_000))]
    for text, expected in zip(texts, upstream.encode_batch(texts, add_special_tokens=False)):
        assert tok.encode(text) == expected.ids, text[:100]
        assert tok.decode(expected.ids) == text


@today
def test_another_file_of_the_model(name: str, tmp_path: Path) -> None:
    ANOTHER_FILE[name](both(name)[0], tmp_path)


def is_a_rank_file(tok: dstok.Tokenizer, folder: Path) -> None:
    """The live merges of gpt-oss are those of o200k's ranks, so the file is tiktoken's."""
    tok.to_tiktoken(folder / "ranks")
    assert (folder / "ranks").read_bytes() == rank_file("o200k_base")


def is_tekken(tok: dstok.Tokenizer, folder: Path) -> None:
    """The tekken.json of Nemo has the same tokens; special tokens have other names from 18 on."""
    assert find_kernel(tok.inspect().automaton).rules == TEKKEN
    tekken = dstok.load(judge("mistral/mistral_common/data/tekken_240718.json"))
    assert [tok._bpe.token(id) for id in range(1000, 131_072)] == [tekken._bpe.token(id) for id in range(1000, 131_072)]
    for name in CORPORA:
        text = corpus(name)[:300_000]
        assert tok.encode(text) == tekken.encode(text)


ANOTHER_FILE = {"gptoss": is_a_rank_file, "mistral_nemo": is_tekken}
