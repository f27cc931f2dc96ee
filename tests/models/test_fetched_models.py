"""gpt-oss and Mistral Nemo, whose files list several merges a token: ids of upstream and of mistral-common's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from family_texts import fixture_texts
from fetched_models import both
from judges import judge, rank_file
from shared_data import CORPORA, corpus
from shares import share

import dstok
from dstok.tables.kernels import TEKKEN, find_kernel

LIVE = {"gptoss": (446_189, 199_742), "mistral_nemo": (269_443, 129_816)}  # all merges, and the live ones


@pytest.mark.parametrize("name", LIVE)
def test_ids(name: str) -> None:
    tok, upstream = both(name)
    live = tok.inspect().live_merges
    assert (len(live), int(live.sum())) == LIVE[name] and tok._bpe.monotone
    texts = [*share(fixture_texts(), 400), *(corpus(each)[start : start + 30_000] for each in CORPORA
                                             for start in range(0, 300_000, 30_000))]
    for text, expected in zip(texts, upstream.encode_batch(texts, add_special_tokens=False)):
        assert tok.encode(text) == expected.ids, text[:100]
        assert tok.decode(expected.ids) == text


@pytest.mark.parametrize("name", ["gptoss"])
def test_as_a_rank_file(name: str, tmp_path: Path) -> None:
    """The live merges of gpt-oss are those of o200k's ranks, so the file is tiktoken's."""
    both(name)[0].to_tiktoken(tmp_path / "ranks")
    assert (tmp_path / "ranks").read_bytes() == rank_file("o200k_base")


@pytest.mark.parametrize("name", ["mistral_nemo"])
def test_two_files(name: str) -> None:
    """The tekken.json of Nemo has the same tokens; special tokens have other names from 18 on."""
    tok, _ = both(name)
    assert find_kernel(tok.inspect().automaton).rules == TEKKEN
    tekken = dstok.load(judge("mistral/mistral_common/data/tekken_240718.json"))
    assert [tok._bpe.token(id) for id in range(1000, 131_072)] == [tekken._bpe.token(id) for id in range(1000, 131_072)]
    for name in CORPORA:
        text = corpus(name)[:300_000]
        assert tok.encode(text) == tekken.encode(text)
