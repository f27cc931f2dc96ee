r"""The pre-tokenizers of a tokenizer.json -> Split steps.

In: the steps of `$.pre_tokenizer`, sequences unfolded, and a version of upstream. Out: a `Split` for each step that
cuts.
Invariant: the steps cut every text as upstream's pre-tokenizers do. Other steps become the Split that does the same,
with a class of upstream's Unicode version for them.
Source: upstream, swept over all code points (formats/upstream.py); tests/patterns/test_pre_tokenizers.py compares.

- Digits: Rust's `char::is_numeric`, the general category N; Contiguous if digits are not to be cut one by one.
- WhitespaceSplit: Rust's `char::is_whitespace`: White_Space, the same in all versions.
- Whitespace: `\w+|[^\w\s]+` in the crate regex, whose `\w` has Join_Control (U+200C, U+200D), too.
- Punctuation: a table of its own, about Unicode 8.0, the same in all versions before 1.0; from then on P and ASCII's
  punctuation.

ByteLevel's add_prefix_space after a step that cuts is refused: upstream puts the space before each piece that begins
with none. The core merges pieces where they lie in the text, without such a space. With the spaces in the text before
the split, the pattern finds other pieces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dstok.errors import UnsupportedError
from dstok.formats.added_token import AddedToken
from dstok.formats.description import PREFIX_SPACE, NormalizerStep
from dstok.formats.json_value import Value, shown
from dstok.formats.upstream import Upstream
from dstok.pattern.split import BEHAVIORS, Split

__all__ = [
    "DIGITS_PATTERN", "GPT2_PATTERN", "PUNCTUATION_PATTERN", "WORDS_PATTERN", "old_punctuation", "prefix_step",
    "raw_tokens", "read_pre_tokenizers", "read_splits",
]

# ByteLevel splits by this if `use_regex` is true.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DIGITS_PATTERN = r"\p{N}"
PUNCTUATION_PATTERN = r"[\p{P}$+<=>\^`|~]"
WORDS_PATTERN = r"[\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+"


def read_pre_tokenizers(owner: Value, steps: Sequence[tuple[str, Value]], upstream: Upstream) -> Iterator[Split]:
    """The Split steps of the (type, step) of `owner`, which must end in ByteLevel."""
    yield from read_splits(steps, upstream, prefix_step(steps) is not None)
    if not steps or steps[-1][0] != "ByteLevel":
        owner.unsupported("a pre-tokenizer without ByteLevel")


def prefix_step(steps: Sequence[tuple[str, Value]]) -> NormalizerStep | None:
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


def read_splits(steps: Sequence[tuple[str, Value]], upstream: Upstream, prefixed: bool = False) -> Iterator[Split]:
    """The Split steps of (type, step), which need not end in ByteLevel. `prefixed`: another step puts the space."""
    for index, (kind, step) in enumerate(steps):
        if kind != "ByteLevel":
            yield _read_step(kind, step, upstream)
        elif index < len(steps) - 1:
            step.unsupported("a ByteLevel that is not the last step")
        else:
            yield from _read_byte_level(step, prefixed)


def _read_step(kind: str, step: Value, upstream: Upstream) -> Split:
    if kind == "Split":
        return _read_split(step)
    if kind == "Digits":
        behavior = "Isolated" if step.need("individual_digits").boolean() else "Contiguous"
        return Split(DIGITS_PATTERN, behavior, False, step.path, upstream.digits)
    if kind == "Punctuation":
        behavior = _read_behavior(step.need("behavior")) if "behavior" in step.object() else "Isolated"
        if upstream.punctuation:
            return Split(PUNCTUATION_PATTERN, behavior, False, step.path, upstream.punctuation)
        return Split(old_punctuation(), behavior, False, step.path)
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


def _read_byte_level(step: Value, prefixed: bool) -> Iterator[Split]:
    step.need("trim_offsets").boolean()  # the post-processor trims, if any
    if step.need("add_prefix_space").boolean() and not prefixed:
        step.need("add_prefix_space").unsupported("a space put before every piece")
    if "use_regex" not in step.object() or step.need("use_regex").boolean():
        yield Split(GPT2_PATTERN, "Isolated", False, step.path)


def _read_split(step: Value) -> Split:
    behavior = _read_behavior(step.need("behavior"))
    return Split(_read_pattern(step.need("pattern")), behavior, step.need("invert").boolean(), step.path)


def _read_behavior(behavior: Value) -> str:
    if behavior.text() not in BEHAVIORS:
        behavior.wrong(f"one of {', '.join(BEHAVIORS)}")
    return behavior.text()


def _read_pattern(pattern: Value) -> str:
    if list(pattern.object()) not in (["Regex"], ["String"]):
        pattern.wrong("an object with one key, Regex or String")
    return pattern.need("Regex").text() if "Regex" in pattern.object() else _literal(pattern.need("String").text())


def _literal(text: str) -> str:
    """The pattern that matches `text`."""
    return re.sub(r"[][\\.^$(){}*+?|]", r"\\\g<0>", text)


def old_punctuation() -> str:
    """The class of upstream's Punctuation before 1.0."""
    from dstok.unicode._punctuation import PUNCTUATION  # few files need it

    spans = (span.split("-") for span in PUNCTUATION.split())
    return "[" + "".join("-".join(f"\\x{{{end}}}" for end in span) for span in spans) + "]"
