"""Sure starts: from there on a text has the ids that it has as a part of a longer one; so the last ids need no whole pass."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from compiled import compiled
from family_texts import NAMES
from normalized_models import LOWERCASE, NFC, NFKC, ODD, PREPEND, STRIP_ACCENTS, file_of, replace, sequence
from real_models import V3
from shares import seeds
from small_models import added_token, model_json
from smaller_models import smaller_json

import dstok
from dstok._util.arguments import Special
from dstok.methods import budget as ends
from dstok.methods import budget as sure_starts
from dstok.methods.budget import Fitting, start_before

PLAIN = [added_token("<x>"), added_token("<x><y>"), added_token(" a", normalized=True), added_token("é!b", normalized=True)]
FLAGS = [added_token("<x>", lstrip=True), added_token("<y>", single_word=True), added_token("ab", rstrip=True)]
PATTERNS = [r"\s+(?!\S)|\s?\w+|\s+|[^\s\w]+", r"a(?=[^b]*b)|\w|.|\n", r"[^\S\n]*\n+|\p{L}+|\s+|.", None,
            [r"\p{N}{1,3}", r"\s+(?!\S)|\s+"]]
LETTERS = ["a", "b", "ab", "1", "123", " ", "  ", "\n", "\r\n", "é", "!", "é!b", "<x>", "<y>", "<x><y>", "<", " a", "中", "文",
           "中文", "\u3042", "\u0301", "\U0001f600", "word", "A", "'s", "aaaaaaaaaaaaaaaaaaaa", "          ", "1234567890"]
SPECIALS: tuple[Special, ...] = ("all", "none")
REFUSED: tuple[Special, ...] = ("all", "raise")

MODELS: dict[str, Callable[[], dstok.Tokenizer]] = {
    "deepseek-v3": lambda: V3,
    **{f"pattern {number}": lambda pattern=pattern: dstok.Tokenizer.from_str(model_json(  # type: ignore[misc]
        [(b"a", b"b"), (b" ", b"a"), (b"\xe4", b"\xb8"), (b" ", b" ")], PLAIN, pattern))
       for number, pattern in enumerate(PATTERNS)},
    "flags": lambda: dstok.Tokenizer.from_str(model_json([(b"a", b"b")], FLAGS)),
    **{f"normalizer {number}": lambda step=step: dstok.Tokenizer.from_str(file_of(step, PLAIN))  # type: ignore[misc]
       for number, step in enumerate([NFC, NFKC, sequence(LOWERCASE, STRIP_ACCENTS), PREPEND, replace("a", "xyz")])},
    **{NAMES[number]: lambda number=number: compiled(smaller_json(NAMES[number]))  # type: ignore[misc]
       for number in seeds(len(NAMES), 3)},
}


def text_of(chance: random.Random, tok: dstok.Tokenizer, most: int) -> str:
    """A text of a few letters of its own, as long runs and as a mixture, with few or many added tokens."""
    letters = chance.sample([*LETTERS, *ODD], chance.randint(2, 12)) + chance.sample([*tok.added_tokens], min(len(tok.added_tokens), 2))
    return "".join(chance.choice(letters) * chance.choice((1, 1, 1, 2, 9)) for _ in range(chance.randint(1, most)))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("window", [6, 512])
def test_the_ids_from_a_sure_start_on(name: str, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the last ones of the whole text, for all places of a text and all policies."""
    monkeypatch.setattr(sure_starts, "_WINDOW", window)
    tok, chance, found = MODELS[name](), random.Random(name), 0
    for _ in range(25):
        text, special = text_of(chance, tok, 40), chance.choice(SPECIALS)
        ids, policy = tok.encode(text, special=special), tok._added.policy(special)
        for place in chance.sample(range(1, len(text) + 1), min(len(text), 12)):
            start = start_before(tok._encoder, tok._normalizer, policy, text, place)
            rest = tok.encode(text[start:], special=special)
            assert start == 0 or ids[len(ids) - len(rest):] == rest, (text, place, start)
            found += start > 0
    local = tok._normalizer is None or tok._normalizer.local
    assert found > 20 if local and name != "pattern 3" else found == 0


@pytest.mark.parametrize("name", MODELS)
def test_the_last_ids(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin where a pass over the whole text finds them; truncating from the left takes these places."""
    for module, constant, value in ((ends, "_LEAST", 4), (ends, "_LIKELY", 1), (ends, "_SAMPLES", 1), (ends, "_SAMPLE", 3), (sure_starts, "_WINDOW", 20)):
        monkeypatch.setattr(module, constant, value)
    tok, chance = MODELS[name](), random.Random(name)
    for _ in range(60):
        text, count, special = text_of(chance, tok, 60), chance.choice((0, 1, 2, 5, 20)), chance.choice(SPECIALS)
        places = Fitting(tok, tok._added.policy(special))
        (whole, starts), (some, last) = places._starts(text), places.last_starts(text, count)
        assert min(whole, count) <= some <= whole
        wanted = min(whole, count)
        assert [last(some - 1 - i) for i in range(wanted)] == [starts(whole - 1 - i) for i in range(wanted)], (text, count)
        cut = tok.truncate(text, count, truncation_side="left", special=special)
        assert text.endswith(cut) and tok.count(cut, special=special) <= count


def test_text_far_before_is_not_read() -> None:
    """It may even be broken, or hold a token that is refused; near the end it may not."""
    text = "\ud800<｜User｜>" + "word " * 100_000
    for special in REFUSED:
        assert V3.truncate(text, 50, truncation_side="left", special=special) == " word" * 49 + " "
    with pytest.raises(dstok.TextError, match="code point 2"):
        V3.truncate("a \ud800" + "word " * 10, 50, truncation_side="left")
    with pytest.raises(dstok.SpecialTokenError, match="byte offset 500000|500000"):
        V3.truncate("word " * 100_000 + "<｜User｜>", 50, truncation_side="left", special="raise")


def test_a_piece_without_an_end() -> None:
    """No window of it has a sure start: the whole text is taken."""
    tok = dstok.Tokenizer.from_str(model_json([(b"a", b"a")], pattern=r"a+|b"))
    text = "b" + "a" * 50_000
    assert start_before(tok._encoder, None, tok._added.policy("all"), text, 40_000) == 0
    assert tok.truncate(text, 3, truncation_side="left") == "aaaaaa"
