"""The steps of a post-processor that put ids around texts -> the ids around and between the two texts of a pair.

In: these steps as JSON, as in `TokenizerConfig.framing`. Out: the parts of a pair in their order. The steps do not say
how spans are trimmed: `ModelDescription.trim_offsets` alone says that.
Invariant: the parts have upstream's ids and type ids, also in the parts that truncation cuts off. There upstream's
templates leave the texts the type ids 0 and 1. Anything else that upstream does, such as to give a text twice, is
refused.
Source: upstream 0.23.3, measured; tests/calls/test_pairs.py compares with random templates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from dstok.errors import UnsupportedError
from dstok.formats.json_value import Value, load_json, shown
from dstok.formats.post_processors import read_trimming

__all__ = ["FramingItem", "check_framing", "pair_parts", "read_framing"]

WHERE = "$.post_processor"
PAIR = "$.post_processor..pair"  # place of the template, which may be one of several steps
UNTRIMMED = {"trim_offsets": False, "add_prefix_space": False}


class FramingItem(NamedTuple):
    """A part of a pair's ids.

    text: 0 for the first text, 1 for the second; None: `ids`, which the model puts there. type_id: for all of its ids.
    rest_type_id: for a text's ids in the parts that truncation cuts off.
    """

    text: int | None
    ids: tuple[int, ...]
    type_id: int
    rest_type_id: int


PLAIN = (FramingItem(0, (), 0, 0), FramingItem(1, (), 1, 1))


def read_framing(steps: Sequence[tuple[str, Value]]) -> str | None:
    """The steps that put ids around texts, as a JSON array; None without such steps. `read_trimming` has checked them.

    RobertaProcessing is written with trim_offsets false: upstream trims the same spans by a ByteLevel before it.
    """
    framing = [step.object() | (UNTRIMMED if kind == "RobertaProcessing" else {})
               for kind, step in steps if kind != "ByteLevel"]
    return json.dumps(framing, ensure_ascii=False) if framing else None


def check_framing(framing: str) -> None:
    """Raises `ValueError`, with the JSON path, for a text that `read_framing` never returns.

    >>> check_framing('[{"type": 7}]')
    Traceback (most recent call last):
    ...
    dstok.errors.TokenizerFileError: expected a string, found the number 7 - at $.framing[0].type
    """
    array = load_json(f'{{"framing": {framing}}}').need("framing")
    steps = [(step.need("type").text(), step) for step in array.array()]
    try:
        read_trimming(steps)
    except UnsupportedError as error:
        raise ValueError(str(error)) from None
    if read_framing(steps) != framing:
        raise ValueError(f"expected steps that put ids around texts and trim nothing, as dstok writes them, found "
                         f"{shown(framing)} - at {array.path}")


@lru_cache(maxsize=64)
def pair_parts(framing: str | None, add_special_tokens: bool) -> tuple[FramingItem, ...]:
    """The parts of a pair; without special tokens the texts alone. Raises `UnsupportedError`.

    >>> bert = '[{"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]}]'
    >>> [part.ids or part.text for part in pair_parts(bert, add_special_tokens=True)]
    [(1,), 0, (2,), 1, (2,)]
    """
    if framing is None:
        return PLAIN
    steps = json.loads(framing)
    if len(steps) > 1:
        raise UnsupportedError("a pair that several steps of the post-processor put ids around", WHERE)
    kind = steps[0]["type"]
    parts = _of_template(steps[0]) if kind == "TemplateProcessing" else _of_ends(steps[0], kind, add_special_tokens)
    if sorted(part.text for part in parts if part.text is not None) != [0, 1]:
        raise UnsupportedError("a template that does not give each text of a pair exactly once", PAIR)
    return tuple(part for part in parts if add_special_tokens or part.text is not None)


def _of_template(step: dict[str, Any]) -> list[FramingItem]:
    return [_template_part(piece, step["special_tokens"]) for piece in step["pair"]]


def _template_part(piece: dict[str, Any], special_tokens: dict[str, Any]) -> FramingItem:
    if "Sequence" in piece:
        text = "AB".index(piece["Sequence"]["id"])
        return FramingItem(text, (), piece["Sequence"]["type_id"], text)
    name, type_id = piece["SpecialToken"]["id"], piece["SpecialToken"]["type_id"]
    if name not in special_tokens:
        raise UnsupportedError(f"a template with {shown(name)}, which its special_tokens do not have", PAIR)
    return FramingItem(None, tuple(special_tokens[name]["ids"]), type_id, type_id)


def _of_ends(step: dict[str, Any], kind: str, add_special_tokens: bool) -> list[FramingItem]:
    """BertProcessing: cls A sep B sep. RobertaProcessing: cls A sep sep B sep, of one type."""
    begin, end = (step["cls"][1],), (step["sep"][1],)
    if kind == "BertProcessing":
        return [_fixed(begin, 0), PLAIN[0], _fixed(end, 0), PLAIN[1], _fixed(end, 1)]
    second = FramingItem(1, (), 0, 0 if add_special_tokens else 1)
    return [_fixed(begin, 0), PLAIN[0], _fixed(end * 2, 0), second, _fixed(end, 0)]


def _fixed(ids: tuple[int, ...], type_id: int) -> FramingItem:
    return FramingItem(None, ids, type_id, type_id)
