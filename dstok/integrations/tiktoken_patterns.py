r"""The one pattern that stands for a tokenizer's pre-tokenizer in tiktoken.

In: a tokenizer. Out: a pattern in tiktoken's dialect; tiktoken takes one, and drops text that it does not match.
Invariant: with the pattern tiktoken cuts every text as the tokenizer does. `Splitter.difference` shows it: a walk over
both automata, not a sample. A pre-tokenizer without such a pattern is an `UnsupportedError`.

DeepSeek V3's three patterns become one. Its pre-tokenizer cuts in three steps: each cuts the rest from the step before,
and the third cuts the pieces of the first two again. So a number ends the text before it, as the end of a text would,
and so does a run of `WIDE`, kana and ideographs. Therefore the pattern has the third step's alternatives twice: once
for characters of `WIDE`, and once for the others. Text that no step matches stays a piece, and needs an alternative
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok.errors import DstokError, UnsupportedError

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

__all__ = ["V3_PATTERN", "pattern_of"]

WIDE = "一-龥\u3040-ゟ゠-ヿ"
V3_PATTERN = "|".join([
    r"\p{N}{1,3}",
    rf"[[{WIDE}]&&[^\p{{L}}\p{{P}}\p{{S}}]]?[[{WIDE}]&&[\p{{L}}\p{{M}}]]+",
    rf"[[{WIDE}]&&[\p{{P}}\p{{S}}]]+",
    rf"[[{WIDE}]&&[^\p{{L}}\p{{M}}\p{{P}}\p{{S}}]]+(?![[{WIDE}]&&[\p{{L}}\p{{M}}]])",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+",
    rf"[^\r\n\p{{L}}\p{{P}}\p{{S}}\p{{N}}{WIDE}]?[[\p{{L}}\p{{M}}]&&[^{WIDE}]]+",
    rf" ?[[\p{{P}}\p{{S}}]&&[^{WIDE}]]+[\r\n]*",
    r"\s*[\r\n]+",
    rf"\s+(?![^\s\p{{N}}{WIDE}])",
    r"\s+",
    rf"[^\s\p{{L}}\p{{M}}\p{{N}}\p{{P}}\p{{S}}{WIDE}]+(?![[\p{{L}}\p{{M}}]&&[^{WIDE}]])",
])


def pattern_of(tokenizer: Tokenizer) -> str:
    """The pattern with which tiktoken cuts as `tokenizer` does. Raises `UnsupportedError` if none is known.

    >>> import dstok
    >>> pattern_of(dstok.load("deepseek-v3")) == V3_PATTERN
    True
    """
    from dstok.splitting.splitter import Splitter

    splits = tokenizer.inspect().splits
    own = Splitter.from_tokenizer(tokenizer)
    for pattern in [V3_PATTERN, *(split.pattern for split in splits[:1] if len(splits) == 1)]:
        try:
            if Splitter(pattern, behavior="Removed", invert=True, dialect="fancy-regex").difference(own) is None:
                return pattern
        except DstokError:  # not a pattern in tiktoken's dialect
            continue
    raise UnsupportedError("a pre-tokenizer for which no single pattern of tiktoken's is known to cut alike",
                           "pre_tokenizer")
