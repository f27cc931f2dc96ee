"""`Tokenizer.extend`: a vocabulary goes on where its training ended; any model keeps its ids and merges."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any

import pytest
from family_texts import NAMES
from shares import chance_of_today, seeds, share
from small_models import model_json
from smaller_models import smaller_json
from training_cases import random_settings, random_words

import dstok
from dstok import Splitter, Tokenizer, UnsupportedError
from dstok.errors import ArgumentError
from dstok.training import BpeTrainer

BYTES = BpeTrainer.byte_alphabet()
WHOLE = Splitter(r"[^|]+|\|", behavior="Isolated")  # a word is a text


def texts_of(words: dict[str, int]) -> list[str]:
    return [word for word, count in words.items() for _ in range(count)]


@pytest.mark.parametrize("seed", seeds(400, 10))
def test_from_a_size_to_another(seed: int) -> None:
    """Trained to V1 and extended to V2 by the same counts: trained to V2."""
    chance = random.Random(seed)
    words = random_words(chance, 30)
    texts, settings = texts_of(words), random_settings(chance) | {"initial_alphabet": BYTES}
    settings.pop("limit_alphabet", None)
    rules = {name: settings[name] for name in ("min_frequency", "max_token_length") if name in settings}
    one, two = sorted(chance.choices(range(256, 340), k=2))
    small, large = (dstok.training.train_from_iterator(texts, BpeTrainer(**settings | {"vocab_size": size}), like=WHOLE) for size in (one, two))
    extended = dstok.training.extend(small, dstok.training.count_pieces(WHOLE, texts), two, **rules)
    assert extended == large and extended.inspect().token_bytes() == large.inspect().token_bytes()


def merged(ids: list[int], pair: tuple[int, int], new: int) -> list[int]:
    out: list[int] = []
    for i in ids:
        out.append(i)
        if tuple(out[-2:]) == pair:
            out[-2:] = [new]
    return out


def by_definition(words: dict[tuple[int, ...], int], first: int, merges: int) -> list[tuple[int, int]]:
    """The most frequent pair of neighbours, of several the smallest ids, over and over."""
    made: list[tuple[int, int]] = []
    for new in range(first, first + merges):
        counts = Counter[tuple[int, int]]()
        for ids, count in words.items():
            for pair in zip(ids, ids[1:]):
                counts[pair] += count
        if not counts:
            break
        made.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        words = {tuple(merged(list(ids), made[-1], new)): count for ids, count in words.items()}
    return made


@cache
def model_of(name: str) -> Tokenizer:
    return Tokenizer.from_str(smaller_json(name))


@pytest.mark.parametrize("name", [*share(NAMES, 4)])
def test_models_by_definition(name: str) -> None:
    """Of any model: after it each word stands as the extended model encodes it."""
    chance = chance_of_today(f"extending {name}")
    v3 = model_of(name)
    splitter = Splitter.from_tokenizer(v3)
    for _ in range(3):
        texts = [" ".join("".join(chance.choices("aeiounrstl", k=chance.randint(3, 14))) for _ in range(200))]
        counts = dstok.training.count_pieces(splitter, texts)
        words = Counter[tuple[int, ...]]()
        for piece, count in counts.to_dict().items():
            words[tuple(v3.inspect().merge(piece.encode()))] += count
        expected = by_definition(dict(words), v3.vocab_size, 40)
        if spells_a_used_token(v3, expected):
            with pytest.raises(UnsupportedError, match="which old merges use and none makes"):
                dstok.training.extend(v3, counts, v3.vocab_size + 40)
            continue
        more = dstok.training.extend(v3, counts, v3.vocab_size + 40)
        assert [(left, right) for left, right, _ in new_merges(v3, more)] == expected
        assert more.inspect().token_bytes()[: v3.vocab_size] == v3.inspect().token_bytes()
        for piece in list(counts.to_dict())[:50]:
            assert more.inspect().merge(piece.encode()) == state_of(piece, v3, expected)


def spells_a_used_token(tok: Tokenizer, merges: list[tuple[int, int]]) -> bool:
    """Whether a merge makes a side of an old merge."""
    tokens = [*tok.inspect().token_bytes()]
    tokens += [b""] * (tok.vocab_size - len(tokens))
    used = {tokens[i] for left, right, _ in tok._describe().merge_rules() for i in (left, right)}
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    return not used.isdisjoint(tokens[tok.vocab_size :])


def state_of(piece: str, old: Tokenizer, merges: list[tuple[int, int]]) -> list[int]:
    ids = old.inspect().merge(piece.encode())
    for number, pair in enumerate(merges):
        ids = merged(ids, pair, old.vocab_size + number)
    return ids


def new_merges(old: Tokenizer, new: Tokenizer) -> list[tuple[int, int, int]]:
    before, after = (tok._describe().merge_rules() for tok in (old, new))
    assert after[: len(before)] == before
    return after[len(before) :]


def test_added_tokens_keep_their_ids(tmp_path: Any) -> None:
    """New ids follow the last one; a hole stays one."""
    v3 = model_of("deepseek-v3")
    more = dstok.training.extend(v3, dstok.training.count_pieces(Splitter.from_tokenizer(v3), ["zzzqqq zzzqqq"]), v3.vocab_size + 2)
    assert more.added_tokens == v3.added_tokens and (more.bos_id, more.eos_id) == (v3.bos_id, v3.eos_id)
    assert more.vocab_size == v3.vocab_size + 2
    more.to_json(tmp_path / "more.json")
    again = Tokenizer.from_json(tmp_path / "more.json")
    text = "zzzqqq <｜User｜>zzzqqq"
    assert again.encode(text) == more.encode(text) != v3.encode(text) and max(more.encode(text)) >= v3.vocab_size


def test_a_size_that_is_reached() -> None:
    v3 = model_of("deepseek-v3")
    counts = dstok.training.count_pieces(Splitter.from_tokenizer(v3), ["abc"])
    assert dstok.training.extend(v3, counts, v3.vocab_size) == v3
    with pytest.raises(ArgumentError, match=f"vocab_size to be at least {v3.vocab_size}, the number of ids that there are, found 5"):
        dstok.training.extend(v3, counts, 5)


def test_refused() -> None:
    v3 = model_of("deepseek-v3")
    with pytest.raises(ArgumentError, match="expected counts, as count_pieces .* found dict"):
        dstok.training.extend(v3, {"a": 1}, v3.vocab_size)
    with pytest.raises(ArgumentError, match="expected min_frequency to be at least 0"):
        dstok.training.extend(v3, dstok.training.count_pieces(WHOLE, []), v3.vocab_size, min_frequency=-1)


def test_a_merge_before_its_parts() -> None:
    model = Tokenizer.from_str(model_json([(b"ab", b"c"), (b"a", b"b")]))
    with pytest.raises(UnsupportedError, match="extending a model with a merge before the merges of its parts"):
        dstok.training.extend(model, dstok.training.count_pieces(WHOLE, ["abc"]), 300)


def test_a_token_that_only_old_merges_use() -> None:
    """No merge makes `ab`, but `abc` is made of it: a new merge to `ab` would let the old one come first."""
    model = Tokenizer.from_str(model_json([(b"ab", b"c")], extra=[b"ab"]))
    with pytest.raises(UnsupportedError, match="a new merge that makes 'ab', which old merges use and none makes"):
        dstok.training.extend(model, dstok.training.count_pieces(WHOLE, ["abd", "abe"]), 300)
    unused = Tokenizer.from_str(model_json(extra=[b"ab"]))
    extended = dstok.training.extend(unused, dstok.training.count_pieces(WHOLE, ["abd", "abd", "abe"]), 258)
    assert extended.inspect().token_bytes()[256:] == [b"ab", b"abd"] and extended.encode("abd abe") == [257, 32, 256, 101]
