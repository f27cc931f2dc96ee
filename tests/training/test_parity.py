"""A vocabulary of upstream's `ParityBpeTrainer`, which dstok does not train, is a file as any other."""

from __future__ import annotations

import json

import pytest
import tokenizers
from small_models import BYTE_LEVEL, model_json
from tokenizers import trainers

import dstok

ENGLISH = ["The quick brown fox jumps over the lazy dog.", "Some more text, and the dog again; 12345 67"] * 20
HINDI = ["यह एक परीक्षण वाक्य है", "और एक छोटा वाक्य, फिर से यह"] * 5


@pytest.mark.parametrize("variant", ["base", "window"])
def test_a_file_of_the_parity_trainer(variant: str) -> None:
    file = {**json.loads(model_json([], [])), "decoder": BYTE_LEVEL}
    judge = tokenizers.Tokenizer.from_str(json.dumps(file))
    trainer = trainers.ParityBpeTrainer(num_merges=300, variant=variant, global_merges=9, show_progress=False,
                                        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer.train_from_iterator(judge, [iter(ENGLISH), iter(HINDI)], dev_iterators=[iter(ENGLISH[:2]), iter(HINDI[:2])])
    ours = dstok.Tokenizer.from_str(judge.to_str())
    texts = [*ENGLISH[:2], *HINDI[:2], "".join(ENGLISH + HINDI), "an unseen text: परीक्षा É"]
    assert [ours.encode(text) for text in texts] == [judge.encode(text, add_special_tokens=False).ids for text in texts]
    assert len(ours.encode(HINDI[0])) < len(HINDI[0].encode()) / 2
