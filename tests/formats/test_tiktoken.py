"""tiktoken: its ids from its real rank files and from random ones, its patterns, and its files written again."""

from __future__ import annotations

import random
import re
from pathlib import Path
from unittest.mock import patch

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from judges import rank_file
from kept import kept
from reference import DEEP, examples
from shared_data import CORPORA, corpus, shared, wiki
from shares import chance_of_today, seeds, share
from small_models import added_token, model_json
from text_strategies import texts as odd_texts
from tiktoken.load import load_tiktoken_bpe
from tiktoken_ext import openai_public  # type: ignore[attr-defined]

import dstok
from dstok.core.bpe.tables import MAX_IDS
from dstok.errors import DstokError, TokenizerFileError, UnsupportedError
from dstok.formats.reading import is_tiktoken
from dstok.formats.tiktoken import ENCODINGS, MAX_TOKEN, describe_tiktoken, ranked_merges, read_ranks, write_ranks
from dstok.regex.fancy_regex import translate
from dstok.unicode.properties import binary_properties, binary_property, property_set, script, scripts, white_space

REAL = ("r50k_base", "p50k_base", "cl100k_base", "o200k_base")
BYTES = {bytes([byte]): byte for byte in range(256)}
ANY = r"[\s\S]+"
# One a day, in the deep profile all, whose tests run one after the other: what both libraries make of one is made once.
each_real = pytest.mark.parametrize("name", [REAL[number] for number in seeds(len(REAL), 1)], scope="module")


def encoding(ranks: dict[bytes, int], pattern: str, special_tokens: dict[str, int] | None = None) -> tiktoken.Encoding:
    return tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_tokens or {})


@kept(most=1)
def both(name: str) -> tuple[dstok.Tokenizer, tiktoken.Encoding]:
    """A real encoding, ours and tiktoken's."""
    ranks, known = read_ranks(rank_file(name)), ENCODINGS[name]
    return dstok.Tokenizer.from_tiktoken(ranks, name), encoding(ranks, known.pattern, dict(known.special_tokens))


def compare(name: str, texts: list[str]) -> int:
    tok, judge = both(name)
    total = 0
    for text, ids, plain in zip(texts, tok.encode_batch(texts), tok.encode_batch(texts, special="none")):
        expected = judge.encode(text, allowed_special="all")
        assert ids == expected, (name, text)
        assert plain == judge.encode_ordinary(text), (name, text)
        total += len(expected)
    return total


# The real encodings


def test_the_table_of_encodings() -> None:
    """Our table of patterns and special tokens is that of the installed tiktoken."""
    with patch.object(openai_public, "load_tiktoken_bpe", lambda *_, **__: {}), \
            patch.object(openai_public, "data_gym_to_mergeable_bpe_ranks", lambda *_, **__: {}):
        for name, make in openai_public.ENCODING_CONSTRUCTORS.items():
            made = make()
            assert ENCODINGS[name].pattern == made["pat_str"]
            assert ENCODINGS[name].special_tokens == made["special_tokens"]


def test_two_tokens_with_one_id(tmp_path: Path) -> None:
    """o200k_harmony's id 200018: both texts have it; it is decoded to one of them, as tiktoken decodes it to one or the other."""
    ranks, special = {**BYTES, b"ab": 256}, dict(ENCODINGS["o200k_harmony"].special_tokens)
    tok, judge = dstok.Tokenizer.from_tiktoken(ranks, "o200k_harmony"), encoding(ranks, ENCODINGS["o200k_harmony"].pattern, special)
    text = "ab<|endofprompt|><|start|>ab<|reserved_200018|><|call|><|reserved_200012|>"
    assert tok.encode(text) == judge.encode(text, allowed_special="all")
    assert tok.decode([200018]) == "<|endofprompt|>" and judge.decode([200018]) in ("<|endofprompt|>", "<|reserved_200018|>")
    assert tok.id_to_token(200018) == "<|endofprompt|>" and tok.added_tokens == special
    for name in ("<|endofprompt|>", "<|reserved_200018|>"):
        assert tok.token_to_id(name) == tok.token_to_id(name.encode()) == 200018
    assert tok.encode("<|reserved_200018|>", special={"<|reserved_200018|>"}) == [200018] != tok.encode("<|reserved_200018|>", special=set())
    tok.to_image(tmp_path / "image")
    again = dstok.load(tmp_path / "image")
    assert again == tok and again.added_tokens == special and again.decode([200018]) == "<|endofprompt|>"
    for write in (tok.to_json, tok.to_gguf):
        with pytest.raises(UnsupportedError, match="200018|endofprompt"):
            write(tmp_path / "file")
    with pytest.raises(TokenizerFileError, match="200018"):
        dstok.Tokenizer.from_tiktoken(ranks, "o200k_harmony", special)


def test_unicode_version() -> None:
    """tiktoken's classes are of Unicode 16.0: all code points. Outside the deep profile a few, most of which its patterns name."""
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    names = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co"
    named = {rf"\p{{{name}}}": property_set(name, "16.0") for name in names.split()} | {r"\s": white_space("16.0")}
    named |= {rf"\p{{{name}}}": script(name, "16.0") for name in scripts("16.0") if name != "Unknown"}
    named |= {rf"\p{{{name}}}": binary_property(name, "16.0") for name in binary_properties("16.0")}
    used = {rf"\p{{{name}}}" for known in ENCODINGS.values() for name in re.findall(r"\\[pP]\{?(\w+)", known.pattern)}
    for pattern in sorted(named if DEEP else {r"\s", *share(sorted(used), 4), *share(named, 120)}):
        members = named[pattern]
        judge = tiktoken._tiktoken.CoreBPE(BYTES, {}, pattern)
        matched = b"".join(bytes(judge.encode_ordinary(text[at : at + 50_000])) for at in range(0, len(text), 50_000))
        assert matched.decode() == "".join(c for c in text if c in members), pattern


@each_real
def test_real_texts(name: str) -> None:
    running = wiki()
    tok, judge = both(name)
    assert tok.encode(running, special="none") == judge.encode_ordinary(running)
    assert compare(name, running.splitlines(keepends=True)) > 200_000
    for path in sorted(shared("fixtures/inp_out").glob("*.inp")):
        compare(name, path.read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n"))
    for corpus_name in CORPORA:
        text = corpus(corpus_name)[: None if DEEP else 100_000]
        assert tok.encode(text, special="none") == judge.encode_ordinary(text)


@each_real
def test_every_code_point(name: str) -> None:
    chars = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    if not DEEP:
        chars = [c for c in chars if c < "\u3400" or c in property_set("Lm") or c in property_set("M")] + \
            list(share(chars, 64))
    for context in ("{}", " {}a", "A{}'S", "1{} \n", "!{} "):
        texts = [context.format(c) for c in share(chars, 4)]
        assert compare(name, ["".join(texts), *texts]) > len(texts)


@each_real
@given(text=odd_texts | st.text("aAéÉǅʰ中1²'sſSlL /\n\r\t-\u0301<|endoftext|>", max_size=40))
@examples(300)
def test_random_texts(name: str, text: str) -> None:
    compare(name, [text, text.replace(" ", "<|endoftext|>")])


@each_real
def test_long_runs(name: str) -> None:
    compare(name, [text * 2000 for text in ("a", " ", "\r\n", "中", "!", "aA", "0", "e\u0301")])


@each_real
def test_round_trip(name: str, tmp_path: Path) -> None:
    """A rank file read and written is the same file; every id decodes to tiktoken's bytes."""
    tok, judge = both(name)
    tok.to_tiktoken(tmp_path / "ranks")
    assert (tmp_path / "ranks").read_bytes() == rank_file(name)
    assert tok.vocab_size == judge.n_vocab
    for i in share(range(judge.n_vocab), 32):
        if tok._decoder.has(i):
            assert tok.decode_bytes([i]) == judge.decode_single_token_bytes(i)
    assert tok.added_tokens == judge._special_tokens
    assert dstok.Tokenizer.from_tiktoken(tmp_path / "ranks", name).fingerprint == tok.fingerprint


def test_deepseek_as_ranks(tmp_path: Path) -> None:
    """V3's merges are those that its ids give: tiktoken merges pieces as upstream does."""
    tok = dstok.load("deepseek-v3")
    tok.to_tiktoken(tmp_path / "ranks")
    ranks = read_ranks((tmp_path / "ranks").read_bytes())
    special = {text: i for text, i in tok.added_tokens.items() if i not in ranks.values()}
    assert len(ranks) == 127_997
    judge = encoding(ranks, ANY, special)
    rng = random.Random(1)
    words = wiki().split()
    for piece in [*rng.sample(words, 3000), "".join(words[:3000]), *(chr(rng.randrange(0xD800)) * 3 for _ in range(500))]:
        assert tok._bpe.merge(piece.encode()) == judge.encode_ordinary(piece)


# Random ranks: nothing is assumed of where they come from


@st.composite
def random_ranks(draw: st.DrawFn) -> dict[bytes, int]:
    """Bytes, and words over few letters with ranks in any order: parts rank after wholes, or are missing."""
    letters = draw(st.sampled_from(["a", "ab", "abc"]))
    words = draw(st.lists(st.text(letters, min_size=2, max_size=7), unique=True, max_size=40))
    order = draw(st.permutations(range(len(words))))
    return BYTES | {word.encode(): 256 + at for word, at in zip(words, order)}


@given(ranks=random_ranks(), texts=st.lists(st.text("abc", max_size=60), min_size=1, max_size=5))
@examples(400, deep=20_000)
def test_random_ranks(ranks: dict[bytes, int], texts: list[str]) -> None:
    tok, judge = dstok.Tokenizer.from_tiktoken(ranks, r"[abc]+"), encoding(ranks, r"[abc]+")
    for text in [*texts, "".join(texts) * 3, *(token.decode() for token, i in ranks.items() if i > 255)]:
        assert tok.encode(text) == judge.encode_ordinary(text)
    made = ranked_merges(ranks)
    assert len({left + right for left, right in made}) == len(made)  # one pair a token


@given(ranks=random_ranks())
@examples(100)
def test_random_ranks_written(ranks: dict[bytes, int]) -> None:
    model = describe_tiktoken(ranks, ANY)
    assert read_ranks(write_ranks(model)) == ranks
    assert dstok.Tokenizer._of_description(model)._describe() == model


def test_long_tokens() -> None:
    """Tokens that only a whole piece makes, and a piece of exactly one token of the greatest length."""
    long = random.Random(2).randbytes(MAX_TOKEN // 2).hex().encode()
    ranks = BYTES | {long: 256, b"ab": 257, b"abab": 258}
    tok, judge = dstok.Tokenizer.from_tiktoken(ranks, r"\S+|\s+"), encoding(ranks, r"\S+|\s+")
    text = long.decode()
    for piece in (text, text + "a", " " + text, f"{text} {text}", "abab ab"):
        assert tok.encode(piece) == judge.encode_ordinary(piece)


# Patterns

KIMI = [split.pattern for split in dstok.Splitter.preset("kimi-k2").splits]
PATTERNS = [
    *dict.fromkeys(known.pattern for known in ENCODINGS.values()),
    r"\pL++|\PL", r"[\pL\p{N}]+|[^\pL\PN]", r"\s+$|\s|\S+", r"a$|a|b", r"(?:a|b)+$|[ab]", r"a?+b|[ab]", r"a{1,2}+b|a|b",
    r"a*+[bc]+|a|b", r"a++ ?|b", r"\p{Lu}[^A-Z]*|.|\n", r"[\x{61}-c]+|\x41|[^a-c]", r"(?i:ab?)+|(?i:k)", r"\S(?=\s)|b",
    r"x++(?!\S)|x", r"[a\-c]+|[\]b]+", r"[^\]a]+", r"[]a]+|b", r"\w++|\W", r"[\w&&[^\d]]+|[\W\d]", r"[^a&&[^b]]+|b", r"[[ab]c]+",
    r"\h+|[^\h]", r"[\p{Latin}&&[^a-c]]++|\p{Han}+|\p{Lowercase}", r"(?:(?i:k)[a&&\w]|[]&&\]])+", *KIMI,
]


@pytest.mark.parametrize("pattern", [PATTERNS[number] for number in seeds(len(PATTERNS), 14)])
@given(text=st.text("aAbBcksSxX1 \n\r]-[²éǅſK\u0301中!", max_size=30))
@examples(300)
def test_patterns(pattern: str, text: str) -> None:
    """Pieces are tiktoken's; what the pattern does not match is dropped."""
    tok, judge = compiled(pattern)
    pieces = [bytes(judge.encode_ordinary(text))]
    assert [bytes(tok.encode(text))] == pieces
    assert "".join(piece.text for piece in tok.inspect().pretokenize(text)).encode() == pieces[0]


@kept(most=1)
def compiled(pattern: str) -> tuple[dstok.Tokenizer, tiktoken.Encoding]:
    """With all pairs of bytes as tokens in an order of their own, so that ids show where pieces end."""
    return dstok.Tokenizer.from_tiktoken(BYTES, pattern), encoding(BYTES, pattern)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_pieces_of_patterns(pattern: str) -> None:
    """Where pieces end: of each piece the first two characters are joined, which never happens across an edge."""
    alphabet = "aAb1 \n-sx]"
    ranks = BYTES | {(a + b).encode(): 256 + 10 * i + j for i, a in enumerate(alphabet) for j, b in enumerate(alphabet)}
    tok, judge = dstok.Tokenizer.from_tiktoken(ranks, pattern), encoding(ranks, pattern)
    rng = random.Random(pattern)
    for _ in range(3000):
        text = "".join(rng.choices(alphabet, k=rng.randrange(12)))
        assert tok.encode(text) == judge.encode_ordinary(text), text


REFUSED_PATTERNS = [
    r"a++ab", r"a*+a", r"(?:ab)++c", r"a?+(?:a|b)", r"(?:a++|b)c", r"[a--b]", r"[]--b]", r"[]-a]", r"[a~~b]", r"\p{greek}", r"\p{Unknown}",
    r"\p{Letter}", r"\p{^L}", r"\pX", r"\p{L", r"a{,3}", r"\bab", r"(?<=a)b", r"(?>ab)", r"^a", r"(?i)a", r"[[:alpha:]]",
    r"[a&&]", r"[&&a]", r"[a&&&&b]", r"(?i:[a&&b])", r"(?i:[[a]b])", r"(?i:\w)", r"[[]a", r"[a", r"a**", r"a*", r"(?s:.)", r"\R", r"(a)\1",
]


@pytest.mark.parametrize("pattern", REFUSED_PATTERNS)
def test_refused_patterns(pattern: str) -> None:
    with pytest.raises(DstokError, match="position|pattern|empty"):
        dstok.Tokenizer.from_tiktoken(BYTES, pattern)


def test_translation() -> None:
    assert translate(r"\pL++|\p{N}{1,3}+|\s++$|[$\pN]") == r"\p{L}+|\p{N}{1,3}|\s+(?![\s\S])|[$\p{N}]"
    with pytest.raises(UnsupportedError, match=re.escape("at position 6 of 'b|c|aa++a'")):
        translate("b|c|aa++a")


# Files and special tokens


@pytest.mark.parametrize(("data", "where"), [
    (b"", "an empty file - at byte 0"), (b"\n\n", "line 1 (byte 0)"), (b"YQ== 1\nYQ== 2\n", "line 2 (byte 7)"),
    (b"YQ==\n", "line 1 (byte 0)"), (b"YQ== 1 2\n", "line 1"), (b"YQ== -1\n", "line 1"), (b"YQ== 1.0\n", "line 1"),
    (b"YQ= 1\n", "line 1"), ("YQ== ²\n".encode(), "line 1"), (b"Y!Q== 1\n", "line 1"), (b"YQ== 9999999999\n", "line 1"),
    (b"YQ== 1\nYg== 1" + b"1" * 5000, "line 2 (byte 7)"),
    (b"YQ== 1\n \nYg== 2\n", "found b' ' - at line 2 (byte 7)"), (b"YQ== 1\r\n\t\r\n", "line 2 (byte 8)"), (b"YQ==\r1\n", "line 1"),
])
def test_broken_files(data: bytes, where: str, tmp_path: Path) -> None:
    (tmp_path / "ranks").write_bytes(data)
    with pytest.raises(TokenizerFileError, match=re.escape(where)):
        dstok.Tokenizer.from_tiktoken(tmp_path / "ranks", "cl100k_base")


def test_lines_of_rank_files(tmp_path: Path) -> None:
    """What is read has tiktoken's ranks: lines end at any of three ends, and only those of nothing are left out."""
    rng, path, verdicts = chance_of_today("lines"), tmp_path / "ranks", set()
    parts = b"YQ==", b"Yg==", b" ", b"\t", b"\x0b", b"\n", b"\r", b"\r\n", b"1", b"2", b"YQ== 1\n", b"Yg== 2\r\n"
    with patch.dict("os.environ", {"TIKTOKEN_CACHE_DIR": ""}):
        for _ in range(2000):
            data = b"".join(rng.choices(parts, k=rng.randint(1, 6)))
            path.write_bytes(data)
            try:
                found = read_ranks(data)
            except TokenizerFileError:
                continue
            verdicts.add(len(found))
            assert load_tiktoken_bpe(str(path)) == found
    assert verdicts == {1, 2}


@pytest.mark.parametrize(("ranks", "special", "message"), [
    ({b"a": 0}, {}, "without the byte 0x00"),
    (BYTES | {b"": 300}, {}, "0 bytes"),
    (BYTES | {b"a" * (MAX_TOKEN + 1): 300}, {}, f"{MAX_TOKEN + 1} bytes"),
    (BYTES | {b"ab": MAX_IDS}, {}, f"the rank {MAX_IDS}"),
    (BYTES | {b"ab": -1}, {}, "the rank -1"),
    (BYTES | {b"ab": 5}, {}, "found 5"),
    (BYTES, {"<a>": 255}, "found 255"),
    (BYTES, {"<a>": 300, "<b>": 300}, "found 300"),
    (BYTES, {"<a>": MAX_IDS}, f"the id {MAX_IDS}"),
    (BYTES, {"": 300}, "empty"),
    (BYTES, {"\ud800": 300}, "lone surrogate"),
    (BYTES, {"<a>": 300, "<": 301}, "begins with"),
])
def test_refused_ranks(ranks: dict[bytes, int], special: dict[str, int], message: str) -> None:
    with pytest.raises(DstokError, match=message):
        dstok.Tokenizer.from_tiktoken(ranks, ANY, special)


def test_special_tokens() -> None:
    special = {"<|a|>": 300, "b c": 400, "中": 301}
    tok, judge = dstok.Tokenizer.from_tiktoken(BYTES, r"\S+|\s+", special), encoding(BYTES, r"\S+|\s+", special)
    for text in ("<|a|>b c", "x<|a|><|a|中b", "b  cb c", "<|<|a|>"):
        assert tok.encode(text) == judge.encode(text, allowed_special="all")
        assert tok.encode(text, special={"中"}) == judge.encode(text, allowed_special={"中"}, disallowed_special=())
        assert tok.decode(tok.encode(text)) == text
    tok, judge = dstok.Tokenizer.from_tiktoken(BYTES, r"\s+$|\S|\s", special), encoding(BYTES, r"\s+$|\S|\s", special)
    assert tok.encode("a  <|a|> \n") == judge.encode("a  <|a|> \n", allowed_special="all")  # $ before a special token


def test_what_ranks_cannot_say(tmp_path: Path) -> None:
    def written(text: str) -> dict[bytes, int]:
        dstok.Tokenizer.from_str(text).to_tiktoken(tmp_path / "ranks")
        return read_ranks((tmp_path / "ranks").read_bytes())

    merges = [(b"a", b"b"), (b"c", b"d"), (b"ab", b"cd")]
    assert written(model_json(merges, [added_token("<s>")])) == BYTES | {b"ab": 256, b"cd": 257, b"abcd": 258}
    with_dead = BYTES | {b"ab": 256, b"cd": 257, b"abcd": 258, b"bcd": 259}
    assert written(model_json([*merges, (b"b", b"cd"), (b"a", b"bcd")])) == with_dead  # a + bcd never happens
    for text, message in (
        (model_json(merges, extra=[b"xyz"]), "merging does not make"),
        (model_json([(b"a", b"b"), (b"a", b"bc"), (b"c", b"d"), (b"ab", b"c")], extra=[b"bc"]), r"expected .* by the ids.*merges\[2\]"),
        (model_json(merges, extra=[b"cdab"]), "expected the 4 merges that the ids give, found 3"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            written(text)


def test_what_looks_like_ranks() -> None:
    assert is_tiktoken(b"IQ== 0\nIg== 1\n") and is_tiktoken(b"IQ== 0")
    assert not any(map(is_tiktoken, (b"", b"{}", b"GGUF\x03", b"dstokimg", b"IQ==", b"IQ== x", b"{ 1\n", b"\n")))
