r"""The parts of a tokenizer.json around its model: normalizers, pre-tokenizers, post-processors, truncation, padding.

In: a component's steps, sequences unfolded. Out: normalizer steps, also back; `Split` steps; how spans are trimmed; the
ids around a pair of texts; the settings for rows with all their keys, as upstream loads them.
Invariant: splits cut every text as upstream's pre-tokenizers do. A post-processor keeps a text's ids, once and in their
order, or is refused: upstream runs it even if nobody asks for special tokens. The parts of a pair have upstream's ids
and type ids, also where truncation cuts (there a template's texts keep the type ids 0 and 1). No id of a text depends
on truncation and padding: `encode` gives upstream's ids with both switched off.
Source: upstream 0.23.3, measured, and swept over all code points (upstream.py). Digits is Rust's `is_numeric` (N),
WhitespaceSplit its `is_whitespace`, Whitespace `\w+|[^\w\s]+` in the crate regex, whose `\w` has Join_Control, too.
Punctuation is a table of its own, about Unicode 8.0; from 1.0 on P and ASCII's punctuation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from dstok._util.json_value import Value, load_json, shown
from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import BYTE_TO_CHAR
from dstok.formats.description import NORMALIZERS, PREFIX_SPACE, AddedToken, NormalizerStep
from dstok.formats.upstream import DIGITS_PATTERN, PUNCTUATION_PATTERN, WORDS_PATTERN, Upstream, old_punctuation
from dstok.regex import BEHAVIORS, Split

MAX_U32 = (1 << 32) - 1
MAX_DEPTH = 64  # sequences inside sequences; upstream's parser stops at 128 brackets
Steps = Sequence[tuple[str, Value]]


def steps_of(component: Value, key: str) -> list[tuple[str, Value]]:
    """A component's steps with their types, sequences unfolded; a sequence's steps are its member `key`."""
    return [] if component.value is None else list(_unfold(component, key, 0))


def _unfold(step: Value, key: str, depth: int) -> Iterator[tuple[str, Value]]:
    kind = step.need("type").text()
    if kind != "Sequence":
        yield kind, step
        return
    if depth == MAX_DEPTH:
        step.unsupported(f"more than {MAX_DEPTH} sequences inside each other")
    for item in step.need(key).array():
        yield from _unfold(item, key, depth + 1)


def one_or_sequence(steps: list[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """A component of these steps; None of none."""
    return None if not steps else steps[0] if len(steps) == 1 else {"type": "Sequence", key: steps}


def read_normalizer(normalizer: Value, upstream: Upstream) -> Iterator[NormalizerStep]:
    """The steps of a tokenizer.json's `normalizer`. Raises `UnsupportedError` and `TokenizerFileError`."""
    for kind, step in steps_of(normalizer, "normalizers"):
        if kind == "Replace":
            pattern, (key, text) = step.need("pattern"), read_one_of(step.need("pattern"), "Regex", "String")
            if not text.text():
                text.unsupported("an empty pattern, on which upstream panics")
            if key == "Regex" and not upstream.replaces:
                pattern.unsupported(f"a pattern in Replace as {upstream.name} reads it")
            yield NormalizerStep(kind, text.text(), key == "Regex", step.need("content").text(), where=step.path)
        elif kind == "Prepend":
            text = step.need("prepend")
            if not text.text():
                text.unsupported("nothing to prepend, by which upstream loses offsets")
            yield NormalizerStep(kind, content=text.text(), where=step.path)
        elif kind == "Strip":
            left, right = (step.need(key).boolean() for key in ("strip_left", "strip_right"))
            yield NormalizerStep(kind, left=left, right=right, where=step.path)
        elif kind in NORMALIZERS:
            from dstok.unicode.normalization import FORMS, OLDEST  # few files need them

            version = None if kind not in FORMS or upstream.forms == OLDEST else upstream.forms
            yield NormalizerStep(kind, where=step.path, unicode_version=version)
        else:
            step.need("type").unsupported(f"the normalizer {shown(kind)}")


def write_normalizer(normalizer: Sequence[NormalizerStep]) -> dict[str, Any] | None:
    """The steps as `read_normalizer` reads them."""
    steps: list[dict[str, Any]] = []
    for step in normalizer:
        if step.type == "Replace":
            kind = "Regex" if step.is_regex else "String"
            steps.append({"type": "Replace", "pattern": {kind: step.pattern}, "content": step.content})
        elif step.type == "Prepend":
            steps.append({"type": "Prepend", "prepend": step.content})
        elif step.type == "Strip":
            steps.append({"type": "Strip", "strip_left": step.left, "strip_right": step.right})
        elif step.type != PREFIX_SPACE:
            steps.append({"type": step.type})
    return one_or_sequence(steps, "normalizers")


ALL, BUT_FIRST = "all", "but-first"  # trimmed: every token, or all but the start of the text's first one
TRIMMINGS = ("", ALL, BUT_FIRST)


def read_trimming(steps: Steps) -> str:
    """One of `TRIMMINGS`, "" if spans stay. Raises `UnsupportedError` and `TokenizerFileError`."""
    trimming, framed = "", False
    for kind, step in steps:
        if kind == "TemplateProcessing":
            _check_template(step)
        elif kind in ("BertProcessing", "RobertaProcessing"):
            for token in map(step.need, ("sep", "cls")):
                if len(token.array()) != 2:
                    token.wrong("an array of a text and an id")
                token.array()[0].text()
                token.array()[1].integer(MAX_U32)
        elif kind != "ByteLevel":
            step.need("type").unsupported(f"the post-processor {shown(kind)}")
        if kind in ("ByteLevel", "RobertaProcessing"):
            if kind == "ByteLevel":
                check_byte_level(step)
            keeps_first, trims = (step.need(key).boolean() for key in ("add_prefix_space", "trim_offsets"))
            if trims and (framed or trimming):
                step.need("trim_offsets").unsupported("offsets that are trimmed again, or after a template")
            if trims:
                trimming = BUT_FIRST if keeps_first else ALL
        framed = framed or kind != "ByteLevel"
    return trimming


def check_byte_level(step: Value) -> None:
    """Refuses a ByteLevel without the members that upstream needs. Raises `TokenizerFileError`."""
    step.need("add_prefix_space").boolean()
    step.need("trim_offsets").boolean()
    if "use_regex" in step.object():
        step.need("use_regex").boolean()


def _check_template(step: Value) -> None:
    texts: dict[str, list[str]] = {"single": [], "pair": []}
    for key, found in texts.items():
        for piece in step.need(key).array():
            kind, body = read_one_of(piece, "Sequence", "SpecialToken")
            body.need("type_id").integer(MAX_U32)
            name = body.need("id").text()
            if kind == "Sequence" and name not in ("A", "B"):
                body.need("id").wrong("A or B")
            found += [name] if kind == "Sequence" else []
    special_tokens = step.need("special_tokens")
    for key in special_tokens.object():
        token = special_tokens.need(key)
        token.need("id").text()
        for token_id in token.need("ids").array():
            token_id.integer(MAX_U32)
        for text in token.need("tokens").array():
            text.text()
    if texts["single"] != ["A"]:
        step.need("single").unsupported("a template that does not give the text exactly once")


WHERE = "$.post_processor"
PAIR = "$.post_processor..pair"  # place of the template, which may be one of several steps
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


def read_framing(steps: Steps) -> str | None:
    """The steps that put ids around texts, as a JSON array; None without such steps. `read_trimming` has checked them.

    RobertaProcessing is written with trim_offsets false: upstream trims the same spans by a ByteLevel before it.
    """
    untrimmed = {"trim_offsets": False, "add_prefix_space": False}
    framing = [step.object() | (untrimmed if kind == "RobertaProcessing" else {})
               for kind, step in steps if kind != "ByteLevel"]
    return json.dumps(framing, ensure_ascii=False) if framing else None


def check_framing(framing: str) -> None:
    """Raises `ValueError`, with the JSON path, for a text that `read_framing` never returns."""
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
    """The parts of a pair; without special tokens the texts alone. Raises `UnsupportedError`."""
    if framing is None:
        return PLAIN
    steps = json.loads(framing)
    if len(steps) > 1:
        raise UnsupportedError("a pair that several steps of the post-processor put ids around", WHERE)
    if steps[0]["type"] == "TemplateProcessing":
        parts = list(_template_parts(steps[0]))
    else:
        cls, sep = (steps[0]["cls"][1],), (steps[0]["sep"][1],)
        begin, end = FramingItem(None, cls, 0, 0), FramingItem(None, sep, 0, 0)
        if steps[0]["type"] == "BertProcessing":  # cls A sep B sep
            parts = [begin, PLAIN[0], end, PLAIN[1], FramingItem(None, sep, 1, 1)]
        else:  # cls A sep sep B sep, of one type
            second = FramingItem(1, (), 0, 0 if add_special_tokens else 1)
            parts = [begin, PLAIN[0], FramingItem(None, sep * 2, 0, 0), second, end]
    if sorted(part.text for part in parts if part.text is not None) != [0, 1]:
        raise UnsupportedError("a template that does not give each text of a pair exactly once", PAIR)
    return tuple(part for part in parts if add_special_tokens or part.text is not None)


def _template_parts(step: dict[str, Any]) -> Iterator[FramingItem]:
    for piece in step["pair"]:
        (body,) = piece.values()
        name, type_id = body["id"], body["type_id"]
        if "Sequence" in piece:
            yield FramingItem("AB".index(name), (), type_id, "AB".index(name))
        elif name in step["special_tokens"]:
            yield FramingItem(None, tuple(step["special_tokens"][name]["ids"]), type_id, type_id)
        else:
            raise UnsupportedError(f"a template with {shown(name)}, which its special_tokens do not have", PAIR)


# ByteLevel splits by this if `use_regex` is true.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
def read_pre_tokenizers(owner: Value, steps: Steps, upstream: Upstream) -> Iterator[Split]:
    """The Split steps of the (type, step) of `owner`. After ByteLevel, steps may cut digits: see `byte_cuts`."""
    at = next((at for at, (kind, _) in enumerate(steps) if kind == "ByteLevel"), len(steps))
    yield from read_splits(steps[: at + 1], upstream, prefix_step(steps) is not None)
    if at == len(steps):
        owner.unsupported("a pre-tokenizer without ByteLevel")
    for kind, step in steps[at + 1 :]:
        if kind == "Digits":
            each = step.need("individual_digits").boolean()
            yield Split("[0-9]" if each else "[0-9]+", "Isolated", False, step.path)
            continue
        from dstok.regex.ast import character_sets, has_no_width  # few files need them
        from dstok.regex.parser import parse
        from dstok.unicode.code_point_set import CodePointSet

        split = _read_step(kind, step, upstream) if kind == "Split" else Split("")
        tree = parse(split.pattern)
        sets, digits = character_sets(tree), CodePointSet.from_chars("0123456789")
        if not sets or has_no_width(tree) or any(each & ~digits for each in sets) or split[1:3] != ("Isolated", False):
            step.unsupported(f"the pre-tokenizer {shown(kind)} after ByteLevel, except Digits, and a Split that "
                             "isolates ASCII digits")
        yield split


def byte_cuts(steps: Steps) -> Callable[[int, int], bool] | None:
    """Whether a Digits step after ByteLevel cuts between two bytes; None without such a step.

    It cuts the spelling of bytes. Of the 256 characters there, numbers are the ASCII digits, and ² ³ ¹ ¼ ½ ¾ for six
    bytes of longer characters. So it cuts inside characters, too, as Falcon-7B's does. A merge over such a cut never
    happens: without these merges no cut is needed there.
    """
    numeric = {byte for byte, char in enumerate(BYTE_TO_CHAR) if char.isnumeric()}
    kinds = [kind for kind, _ in steps]
    after = [step for kind, step in steps[kinds.index("ByteLevel") :] if kind == "Digits"]
    if any(step.need("individual_digits").boolean() for step in after):
        return lambda left, right: left in numeric or right in numeric
    return (lambda left, right: (left in numeric) != (right in numeric)) if after else None


def prefix_step(steps: Steps) -> NormalizerStep | None:
    """The step that puts a space before a text: a ByteLevel that is the only step, and so gets whole stretches."""
    if len(steps) != 1 or steps[0][0] != "ByteLevel" or not steps[0][1].need("add_prefix_space").boolean():
        return None
    return NormalizerStep(PREFIX_SPACE, where=steps[0][1].path)


def raw_tokens(normalizer: Sequence[NormalizerStep], added: tuple[AddedToken, ...]) -> tuple[AddedToken, ...]:
    """The added tokens as upstream finds them before it puts a space before the rest; other models' as they are.

    Without a normalizer upstream finds those with normalized=true as the others. Raises `UnsupportedError` where both
    kinds are there, or a normalizer comes between.
    """
    if not normalizer or normalizer[-1].type != PREFIX_SPACE or not any(token.normalized for token in added):
        return added
    if len(normalizer) > 1 or not all(token.normalized for token in added):
        raise UnsupportedError("a space put before a text, and added tokens of which some are found after normalizing",
                               f"{normalizer[-1].where}.add_prefix_space")
    return tuple(token._replace(normalized=False) for token in added)


def read_splits(steps: Steps, upstream: Upstream, prefixed: bool = False) -> Iterator[Split]:
    """The Split steps of (type, step), which need not end in ByteLevel. `prefixed`: another step puts the space."""
    for index, (kind, step) in enumerate(steps):
        if kind != "ByteLevel":
            yield _read_step(kind, step, upstream)
            continue
        if index < len(steps) - 1:
            step.unsupported("a ByteLevel that is not the last step")
        step.need("trim_offsets").boolean()  # the post-processor trims, if any
        # Upstream puts the space before each piece that begins with none: the core merges pieces where they lie in the
        # text, and with the spaces in the text before the split, the pattern finds other pieces.
        if step.need("add_prefix_space").boolean() and not prefixed:
            step.need("add_prefix_space").unsupported("a space put before every piece")
        if "use_regex" not in step.object() or step.need("use_regex").boolean():
            yield Split(GPT2_PATTERN, "Isolated", False, step.path)


def _read_step(kind: str, step: Value, upstream: Upstream) -> Split:
    if kind == "Split":
        behavior, (key, text) = (_one_of(step.need("behavior"), *BEHAVIORS),
                                 read_one_of(step.need("pattern"), "Regex", "String"))
        pattern = text.text() if key == "Regex" else _literal(text.text())
        return Split(pattern, behavior, step.need("invert").boolean(), step.path)
    if kind == "Digits":
        behavior = "Isolated" if step.need("individual_digits").boolean() else "Contiguous"
        return Split(DIGITS_PATTERN, behavior, False, step.path, upstream.digits)
    if kind == "Punctuation":
        behavior = _one_of(step.need("behavior"), *BEHAVIORS) if "behavior" in step.object() else "Isolated"
        pattern = PUNCTUATION_PATTERN if upstream.punctuation else old_punctuation()
        return Split(pattern, behavior, False, step.path, upstream.punctuation or None)
    if kind == "CharDelimiterSplit":
        delimiter = step.need("delimiter")
        if len(delimiter.text()) != 1:
            delimiter.wrong("one character")
        return Split(_literal(delimiter.text()), "Removed", False, step.path)
    if kind == "WhitespaceSplit":
        return Split(r"\s", "Removed", False, step.path)
    if kind == "Whitespace":
        return Split(WORDS_PATTERN, "Removed", True, step.path, upstream.words)
    step.need("type").unsupported(f"the pre-tokenizer {shown(kind)}")


def _literal(text: str) -> str:
    """The pattern that matches `text`."""
    return re.sub(r"[][\\.^$(){}*+?|]", r"\\\g<0>", text)


MAX_LENGTH = (1 << 63) - 1  # of a row


def read_truncation(value: Value | None) -> dict[str, Any] | None:
    """The settings in `truncation`. Raises `TokenizerFileError`."""
    if value is None:
        return None
    has_direction = "direction" in value.object()
    return {"max_length": value.need("max_length").integer(MAX_LENGTH),
            "strategy": _one_of(value.need("strategy"), "LongestFirst", "OnlyFirst", "OnlySecond"),
            "stride": value.need("stride").integer(MAX_LENGTH),
            "direction": _one_of(value.need("direction"), "Left", "Right") if has_direction else "Right"}


def read_padding(value: Value | None) -> dict[str, Any] | None:
    """The settings in `padding`. Raises `TokenizerFileError`."""
    if value is None:
        return None
    multiple, strategy = value.get("pad_to_multiple_of"), value.need("strategy")
    fixed = isinstance(strategy.value, dict)
    if fixed and list(strategy.object()) != ["Fixed"]:
        strategy.wrong('"BatchLongest" or an object with the key Fixed')
    return {"strategy": ({"Fixed": strategy.need("Fixed").integer(MAX_LENGTH)} if fixed
                         else _one_of(strategy, "BatchLongest")),
            "direction": _one_of(value.need("direction"), "Left", "Right"),
            "pad_to_multiple_of": None if multiple is None else multiple.integer(MAX_LENGTH),
            "pad_id": value.need("pad_id").integer(MAX_U32), "pad_type_id": value.need("pad_type_id").integer(MAX_U32),
            "pad_token": value.need("pad_token").text()}


def check_row_settings(truncation: Mapping[str, Any] | None, padding: Mapping[str, Any] | None) -> None:
    """Raises `ValueError`, with the place, for settings that these readers never return."""
    for name, found, read in (("truncation", truncation, read_truncation), ("padding", padding, read_padding)):
        if found is not None and read(Value(found, name)) != found:
            raise ValueError(f"{name}: expected the keys of a tokenizer.json, found others")


def read_one_of(owner: Value, *keys: str) -> tuple[str, Value]:
    """The only key of an object, one of these, and its value."""
    if len(owner.object()) != 1 or not owner.object().keys() & keys:
        owner.wrong(f"an object with one key, {' or '.join(keys)}")
    (key,) = owner.object()
    return key, owner.need(key)


def _one_of(value: Value, *names: str) -> str:
    return value.text() if value.text() in names else value.wrong(f"one of {', '.join(names)}")
