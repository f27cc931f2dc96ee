"""Small models of characters with byte fallback, as tokenizer.json has them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

BLANK = "▁"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": BLANK}, REPLACE]}
SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
DECODERS = [{"type": "Replace", "pattern": {"String": BLANK}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
MERGES = (("a", "b"), (BLANK, "a"), (BLANK, "ab"), ("é", "é"), (BLANK, BLANK), ("中", "文"))


def metaspace(scheme: str, split: bool | None = None) -> dict[str, Any]:
    """A Metaspace step; with the member `split` unless it is None."""
    step = {"type": "Metaspace", "replacement": BLANK, "prepend_scheme": scheme}
    return step if split is None else {**step, "split": split}


def character_json(
    normalizer: Any = REPLACE, pre_tokenizer: Any = None, *, decoders: Any = DECODERS, merges: Any = MERGES,
    characters: str = "abcxy.,é中文\U0001f999▁\n", added: Any = (), **options: Any,
) -> dict[str, Any]:
    """A tokenizer.json of a few characters and merges; `options` are members of its model."""
    tokens = dict.fromkeys(["<unk>", "<s>", *BYTES, *characters, *(left + right for left, right in merges)])
    vocab = {token: number for number, token in enumerate(tokens)}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": [list(merge) for merge in merges], **options},
    }


def added_token(token_id: int, content: str, **flags: bool) -> dict[str, Any]:
    """An added token as the file has it; flags that are not given are false."""
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": token_id, "content": content, **dict.fromkeys(names, False), **flags}


@st.composite
def random_models(draw: st.DrawFn) -> dict[str, Any]:
    """A tokenizer.json of a known shape, with merges in any order, several for one token, and added tokens."""
    normalizer, pre_tokenizer = draw(st.sampled_from(SHAPES))
    characters = draw(st.sets(st.sampled_from(f"{ALPHABET} "), min_size=2)) | {BLANK}  # no text has a token with " "
    tokens = sorted(characters)
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(0, 25))):
        merge = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        if merge not in merges and len("".join(merge)) <= 8 and not {" ", BLANK} <= {*"".join(merge)}:
            merges.append(merge)
            tokens.append("".join(merge))
    merges = draw(st.permutations(merges))
    file = character_json(normalizer, pre_tokenizer, merges=merges, characters="".join(sorted(characters)),
                          decoders=[*DECODERS, *[STRIP] * draw(st.integers(0, 1))])
    file["added_tokens"] = draw(_added_tokens(file["model"]["vocab"], pre_tokenizer is None))
    return file


ALPHABET = "ab<t>.1\n\té中文か\U0001f999\u0301▁"
SHAPES: list[tuple[Any, Any]] = [
    (REPLACE, None), (REPLACE, SPLIT), (PREPEND, None),
    *((None, metaspace(scheme, split)) for scheme in ("always", "first", "never") for split in (False, True)),
]
CONTENTS = ("<t>", "<t", "a", "▁▁", "\n\n", "b a", "é", "中文", "<0", " a")


@st.composite
def _added_tokens(draw: st.DrawFn, vocab: dict[str, int], mixed: bool) -> list[dict[str, Any]]:
    contents = draw(st.lists(st.sampled_from(CONTENTS), unique=True, max_size=4))
    all_normalized, added, following = draw(st.booleans()), [], len(vocab)
    for content in contents:
        token_id = vocab.get(content, following)
        following += token_id == following
        normalized = draw(st.booleans()) if mixed else all_normalized
        flags = {flag: draw(st.booleans()) for flag in ("single_word", "lstrip", "rstrip", "special")}
        added.append(added_token(token_id, content, normalized=normalized, **flags))
    return added
