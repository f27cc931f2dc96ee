"""The faults of 1.0.0rc3 that dstok does not copy, by name, each with its smallest known text.

1.0 promises the ids of 0.23, and these texts have no character whose class or normal form has changed: so 0.23.3 is
right, and dstok agrees with it. A test fails when its fault is gone: then the fault leaves the list.
"""

from __future__ import annotations

import pytest
from newer_upstream import NAME, newer_of, small_file
from real_models import real, real_json
from smaller_models import smaller_json
from tokenizers import Tokenizer

import dstok

MERGES = {  # tokens across the border of two characters are made first, such as the last byte of 임 with 件
    "임件": [13157, 92654], "的件": [9257, 92654], "资件": [27236, 92654], "各件": [7158, 92654],
    " 계件": [44864, 92654], "组件事": [107806, 98417],
}
LONG_S = {  # (?i:'s) takes U+017F, its scanners do not, but for Qwen's; by model
    "glm-4.7-flash": {"'\u017fútbol": [6, 153000, 6654, 18358, 337]},
    "deepseek-r1-distill-llama-8b": {"'\u017fしない": [6, 129, 123, 21105, 103, 16995]},
    "minimax-m3": {"S'\u017f'SA": [83, 39, 158967, 32248, 65]},
}
NO_REGEX = "this `Split` pattern needs a system-regex backend; enable the `fancy-regex` feature"
SINGLE_WORD = {"id": 511, "content": "<t>", "single_word": True, "lstrip": False, "rstrip": False, "normalized": False,
               "special": False}


@pytest.mark.parametrize("model", LONG_S)
def test_other_ids(model: str) -> None:
    """U+017F after a quote, and merges of GLM."""
    file, fault = real_json(model), LONG_S[model] | (MERGES if model.startswith("glm") else {})
    with newer_of(file) as newer:
        assert newer.encode([*fault]) == [*fault.values()], "a fault of 1.0.0rc3 is gone"
    ours, judge = dstok.Tokenizer.from_str(file, upstream=NAME), real(model)
    for text, ids in fault.items():
        assert ours.encode(text) == judge.encode(text, add_special_tokens=False).ids != ids


@pytest.mark.parametrize("model", ["qwen-3.5", "deepseek-coder-33b-base", "deepseek-llm-7b-base"])
def test_patterns_that_raise(model: str) -> None:
    file = smaller_json(model)
    with newer_of(file) as newer:
        assert newer.answer(["a"]) == NO_REGEX, "a fault of 1.0.0rc3 is gone"
    right = Tokenizer.from_str(file).encode("a b1", add_special_tokens=False).ids
    assert dstok.Tokenizer.from_str(file, upstream=NAME).encode("a b1") == right


def test_single_word_beside_a_mark_that_is_newer_than_unicode_9() -> None:
    r"""U+07FD is \w, so that a token with single_word is not matched after it; 463 marks are alike."""
    file, text = small_file(added=[SINGLE_WORD]), "\u07fd<t>"
    with newer_of(file) as newer:
        assert newer.encode([text])[0][-1] == 511, "a fault of 1.0.0rc3 is gone"
    right = Tokenizer.from_str(file).encode(text, add_special_tokens=False).ids
    assert dstok.Tokenizer.from_str(file, upstream=NAME).encode(text) == right and 511 not in right
