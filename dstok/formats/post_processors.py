"""The post-processors of a tokenizer.json -> their effect on a text's own ids and spans.

In: the steps of `$.post_processor`, sequences unfolded. Out: whether spans lose the white space at their ends.
Invariant: the steps keep a text's ids, once and in their order, and put special tokens around them or none. Other steps
are refused: upstream runs them even if nobody asks for special tokens, and a template may drop or double the text.
Source: upstream 0.23.3, measured; tests/calls/test_trimmed_offsets.py compares spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from dstok.formats.json_value import Value, shown

__all__ = ["ALL", "BUT_FIRST", "TRIMMINGS", "check_byte_level", "read_trimming"]

MAX_U32 = (1 << 32) - 1
ALL, BUT_FIRST = "all", "but-first"  # trimmed: every token, or all but the start of the text's first one
TRIMMINGS = ("", ALL, BUT_FIRST)


def read_trimming(steps: Sequence[tuple[str, Value]]) -> str:
    """One of `TRIMMINGS`, "" if spans stay. Raises `UnsupportedError` and `TokenizerFileError`."""
    trimming, framed = "", False
    for kind, step in steps:
        if kind == "TemplateProcessing":
            _check_template(step)
        elif kind in ("BertProcessing", "RobertaProcessing"):
            _check_pair(step)
        elif kind != "ByteLevel":
            _refuse(step)
        if kind in ("ByteLevel", "RobertaProcessing"):
            made = _trimming(kind, step)
            if made and (framed or trimming):
                step.need("trim_offsets").unsupported("offsets that are trimmed again, or after a template")
            trimming = made or trimming
        framed = framed or kind != "ByteLevel"
    return trimming


def _trimming(kind: str, step: Value) -> str:
    if kind == "ByteLevel":
        check_byte_level(step)
    keeps_first, trims = (step.need(key).boolean() for key in ("add_prefix_space", "trim_offsets"))
    return "" if not trims else BUT_FIRST if keeps_first else ALL


def _check_pair(step: Value) -> None:
    """The two special tokens of BertProcessing and RobertaProcessing, as [text, id]."""
    for key in ("sep", "cls"):
        token = step.need(key)
        if len(token.array()) != 2:
            token.wrong("an array of a text and an id")
        text, token_id = token.array()
        text.text()
        token_id.integer(MAX_U32)


def _refuse(step: Value) -> NoReturn:
    step.need("type").unsupported(f"the post-processor {shown(step.need('type').text())}")


def check_byte_level(step: Value) -> None:
    """Refuses a ByteLevel without the members that upstream needs. Raises `TokenizerFileError`."""
    step.need("add_prefix_space").boolean()
    step.need("trim_offsets").boolean()
    if "use_regex" in step.object():
        step.need("use_regex").boolean()


def _check_template(step: Value) -> None:
    single, _ = ([_template_piece(piece) for piece in step.need(key).array()] for key in ("single", "pair"))
    special_tokens = step.need("special_tokens")
    for key in special_tokens.object():
        token = special_tokens.need(key)
        token.need("id").text()
        for token_id in token.need("ids").array():
            token_id.integer(MAX_U32)
        for text in token.need("tokens").array():
            text.text()
    if [piece for piece in single if piece] != ["A"]:
        step.need("single").unsupported("a template that does not give the text exactly once")


def _template_piece(piece: Value) -> str | None:
    """The text that the piece stands for, A or B; None for a special token."""
    if list(piece.object()) not in (["Sequence"], ["SpecialToken"]):
        piece.wrong("an object with one key, Sequence or SpecialToken")
    is_text = "Sequence" in piece.object()
    body = piece.need("Sequence" if is_text else "SpecialToken")
    body.need("type_id").integer(MAX_U32)
    name = body.need("id").text()
    if is_text and name not in ("A", "B"):
        body.need("id").wrong("A or B")
    return name if is_text else None
