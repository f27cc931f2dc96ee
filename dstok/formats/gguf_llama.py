r"""GGUF's tokenizer model "llama", pieces with scores <-> `ModelDescription`.

In: the values of a GGUF file. Out: the model; from a model of characters the scores by which llama.cpp merges as it
does. Invariant: the ids are llama.cpp's with parse_special=true, and SentencePiece's if the scores are its own. A model
that would not come out the same when its file is read is refused.
Source: llama.cpp v0.5.0, run; tests/formats/test_gguf_llama.py.

- llama.cpp puts a space before each stretch between added tokens (add_space_prefix, true if the file does not say).
- Added tokens are found in the raw text. White space after those of a model named Phi-3 is dropped.
- Of two added tokens that overlap in a text, llama.cpp takes the longer one, dstok the one that begins first.
- Its decoding drops the space that was put before the text.
- It takes some normal tokens for control tokens by their text, such as `<|im_end|>`. dstok goes by the types.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from dstok.core.merge._bpe import CharacterTable
from dstok.core.merge._pairs import live_merges
from dstok.errors import TokenizerFileError, UnsupportedError
from dstok.formats.character_shape import BLANK
from dstok.formats.description import ModelDescription
from dstok.formats.gguf_file import SCORES, TOKENS, need, strings, token_config, token_types, typed
from dstok.formats.json_value import shown
from dstok.formats.pieces import BYTE, NORMAL, Piece, describe_pieces

__all__ = ["describe_llama", "scores_of", "told_of_pieces"]

PREFIX = "tokenizer.ggml.add_space_prefix"
PHI_3 = ("phi-3", "phi3")  # in `general.name`, in any case
PHI_3_BARE = ("<unk>", "<s>", "<|endoftext|>")  # after these white space stays there, too


def describe_llama(values: dict[str, Any]) -> ModelDescription:
    """The model of a GGUF file of this kind. Raises `UnsupportedError` and `TokenizerFileError` with the key."""
    texts = strings(values, TOKENS)
    types, scores = token_types(values, len(texts), BYTE), need(values, SCORES, list)
    if len(scores) != len(texts) or not all(type(score) is float for score in scores):
        raise TokenizerFileError(f"expected {len(texts)} scores, one a token, found {len(scores)} values", SCORES)
    prefix = typed(values, PREFIX, bool)
    prefix = True if prefix is None else prefix
    pieces = [Piece(*piece) for piece in zip(texts, scores, types)]
    model = describe_pieces(pieces, "stretch" if prefix else "none", int(prefix), TOKENS, raw=True)
    config = token_config(values, len(texts))
    config = replace(config, add_bos=True if config.add_bos is None else config.add_bos)
    name = (typed(values, "general.name", str) or "").lower()
    strips = any(part in name for part in PHI_3)
    added = tuple(token._replace(rstrip=strips and token.content not in PHI_3_BARE) for token in model.added_tokens)
    return replace(model, added_tokens=added, config=config)


def scores_of(model: ModelDescription, texts: Sequence[str], types: Sequence[int]) -> list[float]:
    """The scores of the tokens of a model of characters, with their texts and types in GGUF.

    Raises `UnsupportedError` for a model that llama.cpp cannot follow with any scores.
    """
    _check_shape(model)
    taken = _taken_out(model)
    rules = [rule for rule in _live(model) if taken.isdisjoint(rule)]
    scores = [-float(len(rules) + i) for i in range(len(texts))]  # of tokens that merging does not make
    for rank, (_, _, made) in enumerate(rules):
        scores[made] = -float(rank)
    again = describe_pieces([Piece(*piece) for piece in zip(texts, scores, types)], "none", 0, "vocab", raw=True)
    for expected, rule in zip([*rules, None], [*_live(again), None]):
        if expected != rule:
            made = (rule or expected or (0, 0, 0))[2]
            raise UnsupportedError(f"the token {shown(texts[made])}, which llama.cpp would make of other parts, or in "
                                   "another order", "merges")
    return scores


def _taken_out(model: ModelDescription) -> set[int]:
    """The added tokens that are found before merging wherever their text is; it has no space."""
    return {token.id for token in model.added_tokens if not {" ", BLANK} & set(token.content)}


def _check_shape(model: ModelDescription) -> None:
    shape = model.characters
    assert shape is not None
    if shape.split or shape.prefix not in ("none", "stretch"):
        raise UnsupportedError("a space that is put before some stretches only, or cuts before spaces: GGUF cannot say "
                               "that", "pre_tokenizer")
    if bool(shape.strip) != (shape.prefix == "stretch"):
        raise UnsupportedError("decoding that drops a space which is not put before the text, or keeps one that is",
                               "decoder")
    for number, token in enumerate(model.added_tokens):
        if token.normalized and (shape.prefix == "stretch" or {" ", BLANK} & set(token.content)):
            raise UnsupportedError("an added token that is found in the normalized text, which GGUF cannot say",
                                   f"added_tokens[{number}]")


def _live(model: ModelDescription) -> list[tuple[int, int, int]]:
    """The merges that some text needs, the best first."""
    shape = model.characters
    assert shape is not None
    starts = array("I", [0, *accumulate(len(token or b"") for token in model.tokens)])
    blob, known = b"".join(token or b"" for token in model.tokens), set(shape.byte_ids)
    alone = {token: i for i, token in enumerate(model.tokens) if token and len(token) == 1 and i not in known}
    first = [alone.get(bytes([byte]), max(i, 0)) for byte, i in enumerate(shape.byte_ids)]
    live, _ = live_merges(model.merges, starts, blob, first, CharacterTable(starts, blob))
    return list(zip(live[::3], live[1::3], live[2::3]))


def told_of_pieces(model: ModelDescription, texts: Sequence[str], types: Sequence[int]) -> list[str]:
    """The facts about a model of characters that its file does not say, and the differences in llama.cpp."""
    told, made = [], set(model.merges[2::3])
    taken = made & _taken_out(model)
    alone = [token.content for token in model.added_tokens if token.id in taken]
    if alone:
        told.append(f"{len(alone)} added tokens that merging makes, too, {alone[0]!r} the first: without special "
                    "tokens the file gives their parts")
    tags = [text for i, text in enumerate(texts) if types[i] == NORMAL and i not in made and len(text) > 2
            and text[0] + text[-1] in ("<>", "[]")]
    if tags:
        told.append(f"{len(tags)} tokens that merging does not make, {tags[0]!r} the first: llama.cpp may take one for "
                    "a control token by its text")
    return told
